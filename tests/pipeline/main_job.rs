//! The nightly job when nothing goes wrong.

use countersign::sandbox::CaOptions;

use super::rig::{Lab, lineage};

const TWO: [(&str, &str); 2] =
    [("internal", "\"*.in.example.com\", in.example.com"), ("www", "www.example.com, example.com")];

#[test]
fn a_signed_list_becomes_certificates_in_the_bucket() {
    let lab = Lab::new();
    lab.list(&TWO);
    lab.done();
    assert_eq!(lab.sandbox.issued().len(), 2);
    assert_eq!((lab.live("www"), lab.live("internal")), (Some(1), Some(1)));
    assert_eq!((lab.published("www"), lab.published("internal")), (Some(1), Some(1)));
    assert!(lab.read("state/live/www/fullchain.pem").starts_with("-----BEGIN CERTIFICATE-----"));
    assert_eq!(lab.txt(), Vec::<String>::new());
    assert!(lab.inventory().journal.is_empty());
}

#[test]
fn a_second_run_only_looks() {
    let lab = Lab::new();
    lab.list(&TWO);
    lab.done();
    lab.sandbox.log().clear();
    lab.done();
    let calls: Vec<String> = lab.sandbox.log().counts().into_keys().collect();
    let expected = [
        "GetBucketAcl",
        "GetBucketEncryption",
        "GetBucketPolicyStatus",
        "GetBucketVersioning",
        "GetObject",
        "GetPublicAccessBlock",
        "ListObjectsV2",
        "directory",
        "renewalInfo",
    ];
    assert_eq!(calls, expected);
}

#[test]
fn every_lineage_has_its_case_in_each_suite_every_night() {
    let lab = Lab::new();
    lab.list(&TWO);
    for night in [lab.done(), lab.done()] {
        for suite in ["certs.issue", "certs.publish", "certs.expiry"] {
            assert_eq!(night.junit().names(suite), ["internal", "www"], "{suite}");
        }
        assert_eq!(night.bad(), Vec::<String>::new());
    }
}

#[test]
fn the_last_line_of_the_answer_says_how_it_went() {
    let lab = Lab::new();
    lab.list(&TWO);
    let lines = [lab.done(), lab.done()].map(|ran| ran.out.lines().last().unwrap().to_owned());
    assert_eq!(lines[0], "countersign apply: done (exit 0): 2 done (2 issued), 0 failed");
    assert_eq!(lines[1], "countersign apply: done (exit 0): 0 done, 0 failed");
}

#[test]
fn a_certificate_in_its_window_is_renewed_and_names_what_it_replaces() {
    let lab = Lab::new();
    lab.list(&TWO);
    lab.done();
    let id = lab.make_due("www");
    lab.done();
    let issued = lab.sandbox.issued();
    assert_eq!(issued.last().unwrap().replaces, Some(id));
    assert_eq!((lab.live("www"), lab.published("www")), (Some(2), Some(2)));
    assert_eq!(lab.live("internal"), Some(1));
}

#[test]
fn another_key_type_or_another_name_is_issued_anew() {
    let lab = Lab::new();
    lab.list(&[("api", "api.example.com"), ("www", "www.example.com")]);
    lab.done();
    lab.list(&[("api", "domains: [api.example.com], key: ecdsa-p384"), ("www", "www.example.com, b.example.com")]);
    lab.done();
    let names: Vec<usize> = lab.sandbox.issued().iter().map(|issued| issued.names.len()).collect();
    assert_eq!(names.iter().sum::<usize>(), 1 + 1 + 1 + 2);
    assert_eq!((lab.live("api"), lab.live("www")), (Some(2), Some(2)));
}

#[test]
fn a_bucket_that_lacks_the_live_version_gets_it_without_an_order() {
    let lab = Lab::new();
    lab.list(&[("www", "www.example.com")]);
    lab.done();
    lab.list(&[("www", "domains: [www.example.com], publish: [certs, mirror]")]);
    lab.sandbox.log().clear();
    lab.done();
    assert_eq!(lab.count("newOrder"), 0);
    assert!(lab.sandbox.keys("mirror").contains(&"m/www/current.json".to_owned()));
}

#[test]
fn a_lineage_that_leaves_the_list_is_kept_and_comes_back_without_an_order() {
    let lab = Lab::new();
    lab.list(&TWO);
    lab.done();
    lab.list(&TWO[1..]);
    lab.done();
    assert!(lab.inventory().stash.contains_key(&lineage("internal")));
    assert!(!lab.path("state/live/internal").exists());
    lab.list(&TWO);
    lab.sandbox.log().clear();
    lab.done();
    assert_eq!(lab.live("internal"), Some(1));
    assert_eq!(lab.count("newOrder"), 0);
}

#[test]
fn a_name_that_the_ca_still_trusts_needs_no_dns() {
    let lab = Lab::with(CaOptions { reuse_authorizations: true, ..CaOptions::default() });
    lab.list(&TWO[1..]);
    lab.done();
    lab.sandbox.log().clear();
    let ran = lab.run(&["apply", "--auto-approve", "--force", "www", "--reason", "new key"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let of_challenges = |call: &String| ["DNS TXT", "DNS CNAME", "Record"].iter().any(|part| call.contains(part));
    let dns: Vec<String> = lab.sandbox.log().counts().into_keys().filter(of_challenges).collect();
    assert_eq!(dns, Vec::<String>::new(), "CAA records are looked at all the same");
    assert_eq!(lab.live("www"), Some(2));
}

#[test]
fn a_plan_after_an_apply_has_no_changes() {
    let lab = Lab::new();
    lab.list(&TWO);
    let before = lab.run(&["plan", "--detailed-exitcode"]);
    lab.done();
    let after = lab.run(&["plan", "--detailed-exitcode"]);
    assert_eq!((before.code, after.code), (Some(2), Some(0)));
}
