//! Lineages that go into a file and do not come back.

use std::fs;

use countersign::export::Export;

use super::super::rig::BUCKET;
use super::Errors;

/// Another machine, with an empty store.
fn elsewhere(errors: &Errors) {
    let _ = fs::remove_dir_all(errors.lab.path("new"));
    errors.configure("state: state", "state: new");
}

#[test]
fn of_an_export() {
    let mut errors = Errors::live();
    errors.lab.write("file", "");
    fs::create_dir(errors.lab.path("full")).unwrap();
    errors.lab.write("full/file", "");
    errors.ask("there is no such lineage", &["export", "api", "--out", "one"]);
    errors.ask("the file is there", &["export", "--out", "file"]);
    errors.ask("the folder is in use", &["export", "--out", "full/"]);
    errors.ask("there is no place for it", &["export", "--out", "file/one"]);
    errors.hold("export");
}

#[test]
fn of_a_restore_from_a_file() {
    let mut errors = Errors::live();
    for (name, more) in [("keyless", &[][..]), ("whole.export", &["--with-keys"])] {
        assert_eq!(errors.lab.ask(&[&["export", "--out", name], more].concat()).0, Some(0));
    }
    elsewhere(&errors);
    errors.ask("nothing is named", &["restore"]);
    errors.ask("there is no such file", &["restore", "none"]);
    errors.ask("it has no keys", &["restore", "keyless"]);
    errors.ask("it has no keys of this lineage", &["restore", "keyless", "www"]);
    errors.ask("it has no such lineage", &["restore", "whole.export", "api"]);
    let whole = errors.lab.read("whole.export");
    errors.lab.write("bad.export", "");
    errors.ask("it is empty", &["restore", "bad.export"]);
    errors.lab.write("bad.export", &whole.replacen("www.example.com", "eve.example.com", 1));
    errors.ask("it was changed", &["restore", "bad.export"]);
    let newer = Export { format: 9, ..Export::open(whole.as_bytes()).unwrap() };
    fs::write(errors.lab.path("bad.export"), newer.seal().as_slice()).unwrap();
    errors.ask("a newer version made it", &["restore", "bad.export"]);
    errors.hold("restore");
}

#[test]
fn of_a_restore_from_a_bucket() {
    let mut errors = Errors::live();
    elsewhere(&errors);
    errors.ask("two buckets are there", &["restore", "--from-bucket"]);
    errors.ask("there is no such bucket", &["restore", "--from-bucket=archive"]);
    errors.ask("the bucket has no such lineage", &["restore", "--from-bucket=certs", "api"]);
    let keys = errors.lab.sandbox.keys(BUCKET);
    let cert = keys.iter().find(|key| key.ends_with("/cert.pem")).unwrap();
    errors.lab.sandbox.seed_object(BUCKET, cert, "x").unwrap();
    errors.ask("a file of the version was changed", &["restore", "--from-bucket=certs"]);
    let pointer = keys.iter().find(|key| key.ends_with("/current.json")).unwrap();
    errors.lab.sandbox.seed_object(BUCKET, pointer, "x").unwrap();
    elsewhere(&errors);
    errors.ask("the pointer was changed", &["restore", "--from-bucket=certs"]);
    errors.hold("restore-bucket");
}
