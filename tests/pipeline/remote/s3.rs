//! Buckets, and who else writes to them.

use countersign::failpoint::VARIABLE;
use countersign::sandbox::Mishap;
use countersign::sandbox::s3::Setup;

use super::super::rig::{BUCKET, Lab};
use super::{APPLY, Page};

/// What S3 says when the pointer is written, each for a lineage of its own.
const REFUSALS: [(u16, &str); 14] = [
    (403, "AccessDenied"),
    (403, "AllAccessDisabled"),
    (400, "AuthorizationHeaderMalformed"),
    (409, "ConditionalRequestConflict"),
    (400, "ExpiredToken"),
    (400, "IllegalLocationConstraintException"),
    (500, "InternalError"),
    (403, "InvalidAccessKeyId"),
    (404, "NoSuchBucket"),
    (400, "Oddity"),
    (301, "PermanentRedirect"),
    (403, "RequestTimeTooSkewed"),
    (403, "SignatureDoesNotMatch"),
    (503, "SlowDown"),
];

fn put(lab: &Lab, name: &str, mishap: Mishap) {
    lab.sandbox.faults().script(&format!("PutObject /{BUCKET}/certs/{name}/current.json"), 60, mishap);
}

#[test]
fn what_s3_refuses_is_told_with_what_to_do() {
    let lab = Lab::new();
    let names = REFUSALS.map(|(_, code)| (code.to_lowercase(), format!("{}.example.com", code.to_lowercase())));
    let mut list: Vec<(&str, &str)> = names.iter().map(|(name, domain)| (name.as_str(), domain.as_str())).collect();
    for ((status, code), (name, _)) in REFUSALS.into_iter().zip(&list) {
        put(&lab, name, Mishap::refused(status, code));
    }
    list.extend([("contested", "contested.example.com"), ("lost", "lost.example.com")]);
    put(&lab, "contested", Mishap::refused(412, "PreconditionFailed"));
    put(&lab, "lost", Mishap::Unreached);
    lab.list(&list);
    let mut page = Page::default();
    page.run(&lab, &APPLY);
    page.is("s3");
}

#[test]
fn what_others_write_to_a_bucket_is_told_with_what_to_do() {
    let lab = Lab::new();
    let mut list = vec![("www", "www.example.com")];
    lab.list(&list);
    lab.done();
    let pointer = lab.sandbox.object(BUCKET, "certs/www/current.json").unwrap().body;
    let mut pointer: serde_json::Value = serde_json::from_slice(&pointer).unwrap();
    let mut seed = |name: &str, change: &dyn Fn(&mut serde_json::Value)| {
        pointer["lineage"] = name.into();
        let mut changed = pointer.clone();
        change(&mut changed);
        lab.sandbox.seed_object(BUCKET, &format!("certs/{name}/current.json"), changed.to_string()).unwrap();
    };
    seed("ahead", &|pointer| pointer["sequence"] = 9.into());
    seed("foreign", &|pointer| pointer["lineage"] = "www".into());
    lab.sandbox.seed_object(BUCKET, "certs/garbled/current.json", "hello").unwrap();
    let names = ["ahead", "foreign", "garbled", "other"];
    let domains = names.map(|name| format!("{name}.example.com"));
    list.push(("other", &domains[3]));
    lab.list(&list);
    assert_eq!(lab.run_with(&APPLY, &[(VARIABLE, "after-files")]).code, None);
    let written =
        lab.sandbox.keys(BUCKET).into_iter().find(|key| key.contains("/other/") && key.ends_with("/cert.pem"));
    lab.sandbox.seed_object(BUCKET, &written.unwrap(), "hello").unwrap();
    list.extend(names.iter().zip(&domains).take(3).map(|(name, domain)| (*name, domain.as_str())));
    lab.list(&list);
    let mut page = Page::default();
    page.run(&lab, &APPLY);
    page.is("s3-others");
}

#[test]
fn a_bucket_that_is_not_safe_is_told_with_what_to_do() {
    let lab = Lab::new();
    lab.list(&[("www", "www.example.com")]);
    lab.sandbox.set_up_bucket(BUCKET, Setup { policy_is_public: Some(true), ..Setup::default() });
    lab.sandbox.faults().script("GetBucketVersioning", 99, Mishap::refused(403, "AccessDenied"));
    let mut page = Page::default();
    page.run(&lab, &APPLY);
    page.run(&lab, &["doctor"]);
    lab.sandbox.set_up_bucket(BUCKET, Setup { owner: Some("999999999999".into()), ..Setup::default() });
    lab.reconfigure("prefix: certs/,", "prefix: certs/, expected_owner: \"123456789012\",");
    page.run(&lab, &APPLY);
    page.is("s3-unsafe");
}

#[test]
fn an_object_that_is_not_encrypted_as_it_should_be_is_told_with_what_to_do() {
    let lab = Lab::new();
    lab.list(&[("www", "www.example.com")]);
    lab.done();
    lab.reconfigure("prefix: certs/,", "prefix: certs/, kms_key: alias/certs,");
    lab.make_due("www");
    let mut page = Page::default();
    page.run(&lab, &APPLY);
    page.is("s3-not-encrypted");
}
