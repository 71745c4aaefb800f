//! The life of a certificate: stash and return, placeholders, certificates that somebody else issued.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use countersign::audit::findings;
use countersign::lineage::foreign::{Maker, PLACEHOLDER, check_foreign};
use countersign::lineage::{CertFacts, Meta, Pems};
use countersign::port::{Clock, Store};
use countersign::sandbox::faults::Mishap;
use countersign::secret::Secret;
use rcgen::{CertificateParams, DnType, KeyPair};
use rustix::fs::{CWD, Mode, mkfifoat};
use time::Duration;
use time::macros::datetime;

use super::rig::{BUCKET, Lab, lineage};

const WWW: [(&str, &str); 1] = [("www", "www.example.com")];

/// Who made what `live/<name>` holds.
fn maker(lab: &Lab, name: &str) -> Maker {
    let read = |file: &str| lab.read(&format!("state/live/{name}/{file}"));
    check_foreign(Some(&Secret::new(read("privkey.pem"))), &read("cert.pem")).map(|(_, _, maker)| maker).unwrap_or_else(
        // A leaf of a CA alone does not make a chain.
        |fault| {
            assert_eq!(fault.code, "check:chain", "{fault:?}");
            Maker::Authority
        },
    )
}

fn self_signed(domains: &str) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let names = domains.split(", ").map(str::to_owned).collect::<Vec<_>>();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, "Somebody else");
    (key.serialize_pem(), params.self_signed(&key).unwrap().pem())
}

/// A file of the version that the bucket's pointer names.
fn published_file(lab: &Lab, name: &str, file: &str) -> String {
    let object = |key: &str| lab.sandbox.object(BUCKET, &format!("certs/{key}")).unwrap().body;
    let pointer: serde_json::Value = serde_json::from_slice(&object(&format!("{name}/current.json"))).unwrap();
    let body = object(&format!("{}{file}", pointer["prefix"].as_str().unwrap()));
    String::from_utf8(body.to_vec()).unwrap()
}

/// Operations that the CA or the DNS saw.
fn asked_of_the_ca(lab: &Lab) -> Vec<String> {
    let counts = lab.sandbox.log().counts();
    let of_s3 = ["Object", "Bucket", "PublicAccessBlock"];
    counts.into_keys().filter(|operation| !of_s3.iter().any(|s3| operation.contains(s3))).collect()
}

/// What the audit cannot explain.
fn unexplained(lab: &Lab) -> Vec<String> {
    let (chain, inventory) = (lab.store().audit().unwrap(), lab.inventory());
    findings::folders(&chain, &inventory).into_iter().map(|finding| finding.fault.to_string()).collect()
}

/// Puts files on the runner for the word `shop`.
pub fn provide(lab: &Lab, domains: &str) -> String {
    let (key, cert) = self_signed(domains);
    lab.write("shop.key", &key);
    lab.write("shop.crt", &cert);
    let config = lab.read("countersign.yaml");
    if !config.contains("provided:") {
        lab.write("countersign.yaml", &format!("{config}provided: {{shop: {{cert: shop.crt, key: shop.key}}}}\n"));
    }
    cert.replace("\r\n", "\n")
}

/// Makes a version live that has ended.
fn expire(lab: &Lab, name: &str) {
    let stored = lab.inventory().live.remove(&lineage(name)).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = stored.facts().identifiers.iter().map(|name| name.as_str().to_owned()).collect::<Vec<_>>();
    let mut params = CertificateParams::new(names).unwrap();
    (params.not_before, params.not_after) = (datetime!(2020-01-01 00:00 UTC), datetime!(2020-03-01 00:00 UTC));
    let cert = params.self_signed(&key).unwrap().pem().replace("\r\n", "\n");
    let facts = CertFacts::from_pem(&cert).unwrap();
    let pems = Pems { privkey: Some(Secret::new(key.serialize_pem())), chain: cert.clone(), cert };
    lab.store().deploy(Meta { facts, ..stored.meta }, &pems).unwrap();
}

#[test]
fn ten_times_removed_and_brought_back_cost_one_order() {
    let lab = Lab::new();
    for _ in 0..10 {
        lab.list(&WWW);
        lab.done();
        lab.list(&[]);
        lab.done();
    }
    assert_eq!(lab.count("newOrder"), 1);
    assert_eq!(lab.inventory().stash[&lineage("www")].meta.version, 1);
}

#[test]
fn a_version_of_an_older_commit_may_be_published_last() {
    let lab = Lab::new();
    lab.list(&WWW);
    lab.done();
    lab.list(&[("www", "domains: [www.example.com], publish: [certs, mirror]")]);
    lab.done();
    lab.done();
}

#[test]
fn what_is_stashed_keeps_every_byte_and_is_neither_renewed_nor_revoked() {
    let lab = Lab::new();
    lab.list(&WWW);
    lab.done();
    let files = |folder: &str| -> Vec<(String, Vec<u8>)> {
        let dir = lab.path(&format!("state/{folder}/www/1"));
        let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        files.iter().map(|path| (name(path), fs::read(path).unwrap())).collect()
    };
    let before = files("archive");
    lab.make_due("www");
    lab.list(&[]);
    lab.sandbox.log().clear();
    lab.done();
    assert_eq!(files("stash"), before);
    assert_eq!((lab.count("newOrder"), lab.count("revokeCert")), (0, 0));
}

#[test]
fn an_expired_stash_goes_quietly_and_its_number_is_not_used_again() {
    let lab = Lab::new();
    lab.list(&WWW);
    lab.done();
    expire(&lab, "www");
    lab.list(&[]);
    lab.done();
    lab.list(&WWW);
    let ran = lab.apply();
    assert!(ran.err.contains("the stashed certificate has expired: deleted"), "{ran:?}");
    assert_eq!((lab.live("www"), lab.published("www")), (Some(3), Some(3)));
    assert!(!lab.path("state/stash/www").exists() && !lab.path("state/archive/www/2").exists());
}

#[test]
fn a_placeholder_stands_in_until_the_first_certificate_and_is_never_published() {
    let lab = Lab::new();
    lab.list(&WWW);
    lab.sandbox.faults().script("validation", 1, Mishap::refused(403, "unauthorized"));
    let ran = lab.apply();
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert_eq!(maker(&lab, "www"), Maker::Placeholder);
    assert_eq!(fs::read_link(lab.path("state/live/www")).unwrap(), Path::new("../placeholder/www"));
    assert_eq!((lab.live("www"), lab.published("www")), (None, None));
    lab.sandbox.faults().clear();
    lab.forget_back_off();
    lab.done();
    assert_eq!(maker(&lab, "www"), Maker::Authority);
    assert_eq!((lab.live("www"), lab.path("state/placeholder/www").exists()), (Some(1), false));
}

#[test]
fn a_placeholder_goes_with_its_entry() {
    let lab = Lab::new();
    lab.list(&WWW);
    lab.sandbox.faults().script("validation", 1, Mishap::refused(403, "unauthorized"));
    lab.apply();
    lab.list(&[]);
    lab.apply();
    assert!(lab.path("state/live/www").symlink_metadata().is_err());
    assert!(!lab.path("state/placeholder/www").exists());
}

#[test]
fn a_runner_may_want_no_placeholders() {
    let lab = Lab::new();
    lab.write("countersign.yaml", &format!("{}placeholders: false\n", lab.read("countersign.yaml")));
    lab.list(&WWW);
    lab.sandbox.faults().script("validation", 1, Mishap::refused(403, "unauthorized"));
    lab.apply();
    assert!(lab.path("state/live/www").symlink_metadata().is_err());
}

#[test]
fn somebody_elses_certificate_is_published_and_watched_and_never_ordered() {
    let lab = Lab::new();
    let first = provide(&lab, "shop.example.com");
    lab.list(&[("shop", "domains: [shop.example.com], provided: shop")]);
    let ran = lab.done();
    assert_eq!(ran.junit().names("certs.expiry"), ["shop"]);
    assert_eq!((lab.live("shop"), lab.published("shop")), (Some(1), Some(1)));
    assert_eq!(lab.read("state/live/shop/fullchain.pem"), first);
    assert_eq!(published_file(&lab, "shop", "fullchain.pem"), first);
    assert_eq!(published_file(&lab, "shop", "privkey.pem"), lab.read("shop.key"));
    lab.done();
    assert_eq!(lab.live("shop"), Some(1));
    let second = provide(&lab, "shop.example.com");
    lab.done();
    assert_eq!((lab.live("shop"), lab.published("shop")), (Some(2), Some(2)));
    assert_eq!(published_file(&lab, "shop", "fullchain.pem"), second);
    assert_eq!(asked_of_the_ca(&lab), [""; 0]);
    assert_eq!(unexplained(&lab), Vec::<String>::new());
}

#[test]
fn somebody_elses_certificate_that_is_about_to_end_is_told_and_not_ordered() {
    let lab = Lab::new();
    provide(&lab, "shop.example.com");
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["shop.example.com".to_owned()]).unwrap();
    let now = countersign::clock::SystemClock.now();
    (params.not_before, params.not_after) = (now - Duration::days(88), now + Duration::days(3));
    lab.write("shop.key", &key.serialize_pem());
    lab.write("shop.crt", &params.self_signed(&key).unwrap().pem());
    lab.list(&[("shop", "domains: [shop.example.com], provided: shop")]);
    for arguments in [&["apply", "--auto-approve"][..], &["plan", "--detailed-exitcode"]] {
        let ran = lab.run(arguments);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.bad()[0].starts_with("certs.expiry/shop [expiry:floor] "), "{ran:?}");
    }
    let ran = lab.run(&["apply", "--auto-approve", "--force", "shop", "--reason", "it ends"]);
    assert!(ran.code == Some(64) && ran.err.contains("[run:provided]"), "{ran:?}");
    // What cannot be read takes nothing away.
    fs::remove_file(lab.path("shop.key")).unwrap();
    let ran = lab.apply();
    assert_eq!((ran.code, lab.live("shop"), lab.published("shop")), (Some(3), Some(1), Some(1)), "{ran:?}");
    assert_eq!(asked_of_the_ca(&lab), [""; 0]);
}

#[test]
fn somebody_elses_key_that_others_may_read_is_not_taken_before_it_is_closed() {
    let lab = Lab::new();
    provide(&lab, "shop.example.com");
    lab.list(&[("shop", "domains: [shop.example.com], provided: shop")]);
    let mode = |mode| fs::set_permissions(lab.path("shop.key"), fs::Permissions::from_mode(mode)).unwrap();
    mode(0o644);
    let ran = lab.apply();
    assert_eq!((ran.code, lab.live("shop"), lab.published("shop")), (Some(3), None, None), "{ran:?}");
    let closed = format!("chmod go-rwx {}", lab.path("shop.key").display());
    assert!(ran.out.contains("(mode 0644)") && ran.out.contains(&closed), "{ran:?}");
    mode(0o600);
    lab.done();
    assert_eq!(lab.published("shop"), Some(1));
}

/// So that a run never waits for whoever might write to the other end.
#[test]
fn a_named_pipe_where_the_runner_has_a_file_is_refused_at_once() {
    let lab = Lab::new();
    provide(&lab, "shop.example.com");
    lab.write("nginx.key", &KeyPair::generate().unwrap().serialize_pem());
    lab.write("countersign.yaml", &(lab.read("countersign.yaml") + "given_keys: {nginx: nginx.key}\n"));
    let shop = ("shop", "domains: [shop.example.com], provided: shop");
    lab.list(&[shop, ("www", "domains: [www.example.com], given_key: nginx")]);
    let runs = [("countersign.yaml", 1), ("allowed_signers", 1)];
    let lineages = [("nginx.key", 3), ("shop.key", 3), ("shop.crt", 3)];
    for (file, code) in runs.into_iter().chain(lineages) {
        fs::rename(lab.path(file), lab.path("kept")).unwrap();
        mkfifoat(CWD, lab.path(file), Mode::RUSR | Mode::WUSR).unwrap();
        let ran = lab.apply();
        assert_eq!(ran.code, Some(code), "{file}: {ran:?}");
        let told = ran.out.clone() + &ran.err;
        assert!(told.contains(file) && told.contains("it is not a regular file"), "{ran:?}");
        fs::rename(lab.path("kept"), lab.path(file)).unwrap();
    }
}

#[test]
fn provided_files_for_other_names_change_nothing_and_are_told() {
    let lab = Lab::new();
    provide(&lab, "other.example.com");
    lab.list(&[("shop", "domains: [shop.example.com], provided: shop")]);
    let ran = lab.apply();
    assert_eq!((ran.code, lab.live("shop")), (Some(3), None), "{ran:?}");
    assert!(ran.bad()[0].contains("provided:names"), "{:?}", ran.bad());
}

#[test]
fn ours_is_kept_below_somebody_elses_and_comes_back_without_an_order() {
    let lab = Lab::new();
    provide(&lab, "shop.example.com");
    lab.list(&[("shop", "shop.example.com")]);
    lab.done();
    let serial = lab.inventory().live[&lineage("shop")].facts().serial.clone();
    lab.list(&[("shop", "domains: [shop.example.com], provided: shop")]);
    lab.done();
    assert_eq!(maker(&lab, "shop"), Maker::Itself);
    lab.list(&[("shop", "shop.example.com")]);
    lab.done();
    assert_eq!(lab.inventory().live[&lineage("shop")].facts().serial, serial);
    assert_eq!((lab.count("newOrder"), lab.live("shop"), lab.published("shop")), (1, Some(3), Some(3)));
}

#[test]
fn a_placeholder_says_what_it_is() {
    let lab = Lab::new();
    lab.list(&WWW);
    lab.sandbox.faults().script("validation", 1, Mishap::refused(403, "unauthorized"));
    lab.apply();
    let (_, facts, _) = check_foreign(
        Some(&Secret::new(lab.read("state/live/www/privkey.pem"))),
        &lab.read("state/live/www/fullchain.pem"),
    )
    .unwrap();
    assert_eq!(facts.issuer, PLACEHOLDER);
    assert!(lab.read("state/live/www/meta.json").contains("\"placeholder\": true"));
}

#[test]
fn what_was_replaced_in_a_bucket_by_hand_is_put_back_and_named() {
    let lab = Lab::new();
    lab.list(&[("www", "domains: [www.example.com], publish: [certs, mirror]")]);
    lab.done();
    let key = lab.sandbox.keys(BUCKET).into_iter().find(|key| key.ends_with("/privkey.pem")).unwrap();
    let before = lab.sandbox.object(BUCKET, &key).unwrap().body;
    lab.sandbox.seed_object(BUCKET, &key, "somebody else's").unwrap();
    lab.sandbox.seed_object("mirror", "m/www/fullchain.pem", "somebody else's").unwrap();
    let (_, planned, _) = lab.ask(&["plan"]);
    assert!(planned.contains("privkey.pem` is not the one that was recorded"), "{planned}");
    lab.sandbox.log().clear();
    let ran = lab.done();
    assert_eq!(lab.sandbox.object(BUCKET, &key).unwrap().body, before);
    assert_eq!((lab.count("newOrder"), lab.count("PutObject")), (0, 4), "two objects and two heads of the log");
    let told = &ran.junit().case("certs.publish", "www").system_out;
    let below = key.strip_prefix("certs/").unwrap();
    for bucket in [format!("replaced {below} in bucket certs"), "replaced www/fullchain.pem in bucket mirror".into()] {
        assert!(told.contains(&bucket) && ran.out.contains(&bucket), "{told} {ran:?}");
    }
    assert!(lab.read("state/audit.jsonl").contains(&format!("replaced by hand: {below}")));
    lab.sandbox.log().clear();
    lab.done();
    assert_eq!((lab.count("PutObject"), lab.count("GetObject")), (0, 2), "a quiet night reads the heads of the log");
}

#[test]
fn a_placeholder_is_nobodys_certificate_and_is_not_provided() {
    let lab = Lab::new();
    lab.list(&WWW);
    lab.sandbox.faults().script("validation", 1, Mishap::refused(403, "unauthorized"));
    lab.apply();
    provide(&lab, "www.example.com");
    for (file, of) in [("shop.key", "privkey.pem"), ("shop.crt", "fullchain.pem")] {
        lab.write(file, &lab.read(&format!("state/live/www/{of}")));
    }
    lab.list(&[("shop", "domains: [www.example.com], provided: shop")]);
    let ran = lab.apply();
    assert_eq!((ran.code, lab.live("shop"), lab.published("shop")), (Some(3), None, None), "{ran:?}");
    let verdict = ran.junit().case("certs.issue", "shop").verdict.as_ref().unwrap();
    assert!(verdict.text.contains("cannot be used: it is the placeholder of a countersign"), "{ran:?}");
}

#[test]
fn a_first_certificate_is_told_to_hooks_as_one_however_it_came() {
    let lab = Lab::new();
    provide(&lab, "shop.example.com");
    let tell =
        format!("[/bin/sh, -c, 'echo $COUNTERSIGN_EVENT $COUNTERSIGN_ACTION >> {}']", lab.path("heard").display());
    let config = lab.read("countersign.yaml");
    lab.write("countersign.yaml", &format!("{config}hooks: {{after_issue: [{tell}], after_renew: [{tell}]}}\n"));
    lab.list(&[("shop", "domains: [shop.example.com], provided: shop")]);
    lab.done();
    provide(&lab, "shop.example.com");
    lab.done();
    assert_eq!(lab.read("heard"), "after-issue adopt\nafter-renew adopt\n");
}

#[test]
fn a_rollback_goes_to_no_version_that_has_expired() {
    let lab = Lab::new();
    lab.list(&WWW);
    lab.done();
    expire(&lab, "www");
    lab.done();
    assert_eq!(lab.live("www"), Some(3));
    let rollback = ["rollback", "www", "--reason", "a test", "--auto-approve"];
    let ran = lab.run(&[&rollback[..], &["--to", "2"]].concat());
    assert!(ran.code == Some(1) && ran.err.contains("[rollback:expired]"), "{ran:?}");
    let ran = lab.run(&rollback);
    assert_eq!((ran.code, lab.live("www")), (Some(0), Some(4)), "{ran:?}");
    assert_eq!(lab.read("state/archive/www/4/cert.pem"), lab.read("state/archive/www/1/cert.pem"));
}
