//! A store that was damaged, and versions that are not there.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use countersign::failpoint::VARIABLE;
use countersign::lineage::{CertFacts, Meta, Pems};
use countersign::port::Store;
use countersign::secret::Secret;
use rcgen::KeyPair;

use super::Errors;
use crate::issuer::Issuer;

#[test]
fn of_a_store_that_was_damaged() {
    let mut errors = Errors::live();
    errors.ask("there is no such lineage", &["show", "api"]);
    let mut broken = |cause: &str, harm: &dyn Fn(&Path), args: &[&str]| {
        errors.copied();
        harm(&errors.lab.path("copy"));
        errors.ask(cause, args);
    };
    let show = ["show", "www"];
    broken("it was written by a newer version", &|at| fs::write(at.join("schema"), "99\n").unwrap(), &show);
    broken("the number of its form is none", &|at| fs::write(at.join("schema"), "x\n").unwrap(), &show);
    broken(
        "the link is a file",
        &|at| {
            fs::remove_file(at.join("live/www")).unwrap();
            fs::write(at.join("live/www"), "").unwrap();
        },
        &show,
    );
    broken(
        "the link leads elsewhere",
        &|at| {
            fs::remove_file(at.join("live/www")).unwrap();
            symlink("/etc", at.join("live/www")).unwrap();
        },
        &show,
    );
    broken("the version is gone", &|at| fs::remove_dir_all(at.join("archive/www/1")).unwrap(), &show);
    broken(
        "a version of tomorrow",
        &|at| {
            let meta = fs::read_to_string(at.join("archive/www/1/meta.json")).unwrap();
            fs::write(at.join("archive/www/1/meta.json"), meta.replacen("\"schema\": ", "\"schema\": 9", 1)).unwrap();
        },
        &show,
    );
    broken(
        "what describes the version was cut",
        &|at| fs::write(at.join("archive/www/1/meta.json"), "{").unwrap(),
        &show,
    );
    broken("a file of the version is gone", &|at| fs::remove_file(at.join("archive/www/1/cert.pem")).unwrap(), &show);
    let export = ["export", "--with-keys", "--out", "out.export"];
    let made = Issuer::new().issue(&["www.example.com"]);
    broken(
        "the certificate is another one",
        &|at| fs::write(at.join("archive/www/1/cert.pem"), &made.cert).unwrap(),
        &export,
    );
    broken(
        "the key is another one",
        &|at| fs::write(at.join("archive/www/1/privkey.pem"), &made.key).unwrap(),
        &export,
    );
    broken(
        "a folder of it is a link",
        &|at| {
            fs::rename(at.join("archive"), at.join("elsewhere")).unwrap();
            symlink("elsewhere", at.join("archive")).unwrap();
        },
        &["verify"],
    );
    broken(
        "the journal was cut",
        &|at| fs::write(at.join("journal/www.json"), "{").unwrap(),
        &["apply", "--auto-approve"],
    );
    broken("what was verified is forgotten", &|at| fs::remove_file(at.join("trust-state.json")).unwrap(), &["verify"]);
    broken("it is empty while the bucket is not", &|at| fs::remove_dir_all(at).unwrap(), &["plan"]);
    errors.as_before();
    let (key, chain) = (made.key.clone(), made.fullchain());
    errors.lab.write("old.key", &key);
    errors.lab.write("old.pem", &chain);
    let import = ["import", "pem", "--name", "old", "--key", "old.key", "--chain", "old.pem"];
    assert_eq!(errors.lab.ask(&import).0, Some(0));
    fs::remove_file(errors.lab.path("state/imported/old/cert.pem")).unwrap();
    errors.ask("an import was damaged", &["export", "--out", "out.export"]);
    errors.hold("store");
}

/// A disk that takes no more: the kernel lets no file grow beyond 0 bytes.
#[test]
fn of_a_store_that_takes_nothing() {
    let mut errors = Errors::live();
    let full = "trap '' XFSZ; ulimit -f 0; exec \"$@\"";
    let ran = errors.lab.run_under(&["sh", "-c", full, "sh"], &["rollback", "www", "--reason", "x"], &[]);
    let text = crate::answers::answer(&["rollback", "www"], ran.code, &ran.out, &ran.err);
    errors.answers.add("there is no room", &text);
    let long = format!("{}.xml", "x".repeat(300));
    errors.ask("the name of the report is too long", &["verify", "--junit", &long]);
    errors.hold("disk");
}

#[test]
fn of_an_order_that_was_begun() {
    let mut errors = Errors::new();
    errors.lab.list(&[("www", "www.example.com")]);
    let crashed = errors.lab.run_with(&["apply", "--auto-approve"], &[(VARIABLE, "after-settled")]);
    assert_eq!(crashed.code, None, "{crashed:?}");
    let mut entry = errors.lab.entry("www").unwrap();
    entry.attempt.as_mut().unwrap().intent.csr = "!".to_owned();
    errors.lab.store().write_entry(&entry).unwrap();
    errors.apply("the request of the order is none");
    errors.hold("journal");
}

/// Makes a certificate live, the first of whose 90 days is so many days from now.
fn deploy(errors: &Errors, first: i64) {
    let live = errors.lab.inventory().live.into_values().next().unwrap();
    let made = Issuer::new().issue_for(&KeyPair::generate().unwrap(), &["www.example.com"], first);
    let facts = CertFacts::from_pem(&made.cert).unwrap();
    let pems = Pems { privkey: Some(Secret::new(made.key)), cert: made.cert, chain: made.chain };
    errors.lab.store().deploy(Meta { facts, ..live.meta }, &pems).unwrap();
}

#[test]
fn of_versions() {
    let mut errors = Errors::live();
    let back = |errors: &mut Errors, cause: &str, to: &str| {
        errors.ask(cause, &["rollback", "www", "--reason", "x", "--auto-approve", "--to", to]);
    };
    errors.ask("there is no earlier version", &["rollback", "www", "--reason", "x", "--auto-approve"]);
    let closed = errors.lab.sandbox.directory_url();
    deploy(&errors, -85);
    errors.configure(&closed, "https://127.0.0.1:1/dir");
    errors.apply("it ends soon, and the CA is not there");
    deploy(&errors, -100);
    errors.lab.forget_back_off();
    errors.apply("it has expired, and the CA is not there");
    errors.as_before();
    errors.ask("it has expired", &["revoke", "www", "--auto-approve"]);
    errors.lab.forget_back_off();
    errors.lab.done();
    assert_eq!(errors.lab.live("www"), Some(4));
    back(&mut errors, "the version has expired", "3");
    back(&mut errors, "the version is in use", "4");
    back(&mut errors, "the version never was", "9");
    let revoke = errors.lab.ask(&["revoke", "www", "--version", "1", "--auto-approve"]);
    assert_eq!(revoke.0, Some(0), "{revoke:?}");
    back(&mut errors, "the version is revoked", "1");
    errors.ask("the version never was", &["revoke", "www", "--version", "9", "--auto-approve"]);
    errors.ask("nothing of that name is live", &["rollback", "api", "--reason", "x", "--auto-approve"]);
    errors.ask("no name of that kind can be", &["revoke", "WWW", "--auto-approve"]);
    let revoke = errors.lab.ask(&["revoke", "www", "--auto-approve"]);
    assert_eq!(revoke.0, Some(0), "{revoke:?}");
    errors.configure(&closed, "https://127.0.0.1:1/dir");
    errors.apply("it is revoked, and the CA is not there");
    errors.hold("versions");
}
