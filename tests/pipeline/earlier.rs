//! Going back to an earlier version, and taking away those that nobody needs any more.

use std::collections::BTreeSet;
use std::fs;

use super::rig::{BUCKET, Lab, Ran};

/// `www` is at version 3, published to a bucket and to one with plain copies.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.list(&[("www", "domains: [www.example.com], publish: [certs, mirror]")]);
    lab.done();
    renew(&lab);
    renew(&lab);
    lab
}

fn renew(lab: &Lab) -> Ran {
    let ran = lab.run(&["apply", "--auto-approve", "--force", "www", "--reason", "a test"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran
}

fn rollback(lab: &Lab, more: &[&str]) -> Ran {
    lab.run(&[&["rollback", "www", "--reason", "the new one is bad", "--auto-approve"], more].concat())
}

fn cert(lab: &Lab, version: &str) -> String {
    lab.read(&format!("state/archive/www/{version}/cert.pem"))
}

fn mirrored(lab: &Lab) -> String {
    String::from_utf8(lab.sandbox.object("mirror", "m/www/cert.pem").unwrap().body.to_vec()).unwrap()
}

/// Numbers of the versions in a bucket.
fn published(lab: &Lab) -> BTreeSet<u64> {
    let keys = lab.sandbox.keys(BUCKET).into_iter();
    let number = |key: String| key.strip_prefix("certs/www/v/")?.split_once('-')?.0.parse().ok();
    keys.filter_map(number).collect()
}

fn stored(lab: &Lab) -> BTreeSet<u64> {
    let names = fs::read_dir(lab.path("state/archive/www")).unwrap();
    names.filter_map(|name| name.unwrap().file_name().to_str().unwrap().parse().ok()).collect()
}

/// Lines of the audit log of one kind.
fn audited(lab: &Lab, kind: &str) -> Vec<String> {
    let log = lab.read("state/audit.jsonl");
    log.lines().filter(|line| line.contains(&format!("\"kind\":\"{kind}\""))).map(str::to_owned).collect()
}

#[test]
fn a_rollback_is_a_new_version_everywhere_and_stands_in_the_audit_log() {
    let lab = lab();
    let ran = rollback(&lab, &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!((lab.live("www"), lab.published("www")), (Some(4), Some(4)), "{ran:?}");
    assert_eq!((cert(&lab, "4"), mirrored(&lab)), (cert(&lab, "2"), cert(&lab, "2")));
    let [line] = &audited(&lab, "rolled-back")[..] else { panic!("one rollback is in the log") };
    assert!(line.contains("the new one is bad") && line.contains("\"lineage_version\":2"), "{line}");
    assert_eq!(audited(&lab, "published").len(), 8);

    // Nothing is left to do, the log holds, and nothing is there that nobody authorised.
    lab.done();
    assert_eq!((lab.live("www"), lab.ask(&["audit", "--online"]).0), (Some(4), Some(0)));
}

#[test]
fn a_machine_that_pulls_takes_a_rollback() {
    let lab = lab();
    let pull = || {
        let (s3, into) = (lab.sandbox.s3_url(), lab.path("used"));
        let place = ["--bucket", BUCKET, "--prefix", "certs/", "--region", "us-east-1", "--endpoint", &s3];
        lab.ask(&[&["pull", "www", "--into", into.to_str().unwrap()], &place[..]].concat())
    };
    assert_eq!(pull().0, Some(0));
    rollback(&lab, &["--to", "1"]);
    let (code, said, _) = pull();
    assert!(code == Some(0) && said.contains("version 4 instead of 3"), "{said}");
    assert_eq!(lab.read("used/current/cert.pem"), cert(&lab, "1"));
}

#[test]
fn a_version_that_cannot_be_used_is_refused_and_nothing_changes() {
    let lab = lab();
    let code = |args: &[&str]| {
        let ran = rollback(&lab, args);
        assert_eq!((ran.code, lab.live("www")), (Some(1), Some(3)), "{ran:?}");
        ran.err
    };
    assert!(code(&["--to", "3"]).contains("rollback:live"));
    assert!(code(&["--to", "9"]).contains("rollback:none"));
    let revoke = |version| lab.run(&["revoke", "www", "--version", version, "--auto-approve"]);
    assert_eq!((revoke("1").code, revoke("2").code), (Some(0), Some(0)));
    assert!(code(&["--to", "2"]).contains("rollback:revoked"));
    assert!(code(&[]).contains("no earlier certificate that can be used"));
    assert_eq!(lab.run(&["rollback", "api", "--reason", "x", "--auto-approve"]).code, Some(1));
    assert_eq!(audited(&lab, "rolled-back"), [""; 0]);
}

#[test]
fn a_bucket_that_is_out_of_reach_gets_the_earlier_version_with_the_next_apply() {
    let lab = lab();
    let config = lab.read("countersign.yaml");
    lab.write("countersign.yaml", &config.replace("bucket: mirror,", "bucket: nowhere,"));
    let ran = rollback(&lab, &[]);
    assert_eq!((ran.code, lab.live("www"), lab.published("www")), (Some(3), Some(4), Some(4)), "{ran:?}");
    assert!(ran.out.contains("s3:NoSuchBucket"), "{ran:?}");
    lab.write("countersign.yaml", &config);
    lab.done();
    assert_eq!(mirrored(&lab), cert(&lab, "2"));
}

#[test]
fn old_versions_go_where_the_configuration_says_how_many_are_kept() {
    let lab = lab();
    let config = lab.read("countersign.yaml");
    lab.done();
    assert_eq!((stored(&lab), published(&lab)), (BTreeSet::from([1, 2, 3]), BTreeSet::from([1, 2, 3])));
    lab.write("countersign.yaml", &config.replace("prefix: certs/,", "prefix: certs/, keep: 2,"));
    lab.done();
    assert_eq!((stored(&lab), published(&lab)), (BTreeSet::from([1, 2, 3]), BTreeSet::from([2, 3])));
    lab.write("countersign.yaml", &(config.replace("prefix: certs/,", "prefix: certs/, keep: 3,") + "keep: 2\n"));
    renew(&lab);
    assert_eq!((stored(&lab), published(&lab)), (BTreeSet::from([3, 4]), BTreeSet::from([2, 3, 4])));
    assert_eq!(lab.published("www"), Some(4));
    let pruned = audited(&lab, "pruned");
    assert!(
        pruned.len() == 2 && pruned[0].contains("\"bucket\":\"certs\"") && pruned[1].contains("versions 2, 1"),
        "{pruned:?}"
    );
}

#[test]
fn plain_copies_have_the_names_that_are_asked_for() {
    let lab = lab();
    let config = lab.read("countersign.yaml");
    lab.write("countersign.yaml", &config.replace("flat: true", "flat: true, layouts: [acmetool, haproxy]"));
    let ran = lab.done();
    let body = |name: &str| {
        let object = lab.sandbox.object("mirror", &format!("m/www/{name}"));
        String::from_utf8(object.unwrap_or_else(|| panic!("{name}: {ran:?}")).body.to_vec()).unwrap()
    };
    assert_eq!(body("combined.pem"), body("privkey.pem") + &body("fullchain.pem"));
    assert_eq!(
        [body("cert"), body("fullchain"), body("privkey")],
        [body("cert.pem"), body("fullchain.pem"), body("privkey.pem")]
    );
    assert_eq!(body("url"), lab.read("state/live/www/url"));
}
