//! What must not be done, and is not.

use countersign::port::Clock;
use countersign::store::lock::Lock;

use super::junit::Junit;
use super::rig::{BUCKET, Lab};

const ONE: [(&str, &str); 1] = [("www", "www.example.com")];
const EVIL: [(&str, &str); 2] = [("evil", "login.example.com"), ("www", "www.example.com")];

fn names(lab: &Lab) -> Vec<String> {
    lab.sandbox.issued().into_iter().flat_map(|issued| issued.names).collect()
}

#[test]
fn a_first_head_that_nobody_signed_leads_to_nothing() {
    let lab = Lab::new();
    lab.unsigned_list(&EVIL);
    let ran = lab.apply();
    assert_eq!((ran.code, ran.bad().len()), (Some(4), 1), "{ran:?}");
    assert!(lab.sandbox.log().counts().is_empty());
}

/// Every flag of `apply`, and some that people would look for.
const EVERY_FLAG: [&str; 20] = [
    "--auto-approve",
    "--force-limits",
    "--json",
    "--color=never",
    "--only=www",
    "--only=evil",
    "--force=www",
    "--force=evil",
    "--reason=keyCompromise",
    "--quiet",
    "--verbose",
    "--html=page",
    "--log-file=log",
    "--log-format=json",
    "--config=countersign.yaml",
    // Nobody has these.
    "--insecure",
    "--no-verify",
    "--skip-verification",
    "--allow-unsigned",
    "--trust-all",
];

#[test]
fn no_flag_switches_verification_off() {
    let lab = Lab::new();
    lab.unsigned_list(&EVIL);
    let help = lab.ask(&["apply", "--help"]).1;
    let words = help.split_whitespace().filter(|word| word.starts_with("--")).map(|word| word.trim_end_matches("..."));
    let names = |flag: &str| EVERY_FLAG.iter().any(|tried| tried.split('=').next() == Some(flag));
    let untried: Vec<&str> =
        words.filter(|flag| !names(flag) && !["--junit", "--help", "--out"].contains(flag)).collect();
    assert_eq!(untried, [""; 0], "a new flag is to be tried here");
    let (there, not_there) = EVERY_FLAG.split_at(15);
    let ran = lab.run(&[&["apply"], there].concat());
    assert_eq!(ran.code, Some(4), "{ran:?}");
    for flag in not_there {
        assert_eq!(lab.ask(&["apply", "--auto-approve", flag]).0, Some(64), "{flag}");
    }
    assert!(lab.sandbox.log().counts().is_empty(), "the CA, Route53 and S3 heard of nothing");
}

#[test]
fn a_refused_head_does_not_stop_renewals() {
    let lab = Lab::new();
    lab.list(&ONE);
    lab.done();
    lab.make_due("www");
    lab.unsigned_list(&EVIL);
    let ran = lab.apply();
    assert_eq!((ran.code, ran.bad().len()), (Some(4), 1), "{ran:?}");
    assert!(ran.bad()[0].starts_with("certs.source/signature ["), "{ran:?}");
    assert_eq!((lab.live("www"), lab.published("www")), (Some(2), Some(2)));
    assert_eq!(names(&lab), ["www.example.com", "www.example.com"]);
    assert_eq!(ran.junit().names("certs.issue"), ["www"]);
}

#[test]
fn renewals_end_when_the_verified_list_is_stale() {
    let lab = Lab::new();
    lab.list(&ONE);
    lab.done();
    lab.make_due("www");
    lab.unsigned_list(&EVIL);
    let state: serde_json::Value = serde_json::from_str(&lab.read("state/trust-state.json")).unwrap();
    let mut stale = state.clone();
    stale["verified_at"] = "2020-01-01T00:00:00Z".into();
    assert_ne!(stale, state);
    lab.write("state/trust-state.json", &stale.to_string());
    let ran = lab.apply();
    assert_eq!((ran.code, lab.live("www")), (Some(4), Some(1)), "{ran:?}");
    assert_eq!(ran.junit().names("certs.expiry"), ["www"], "expiry is told whatever the head says");
}

#[test]
fn a_host_that_is_out_of_reach_does_not_stop_renewals() {
    let lab = Lab::new();
    lab.list(&ONE);
    lab.done();
    lab.make_due("www");
    std::fs::rename(lab.path("domains.git"), lab.path("away.git")).unwrap();
    let ran = lab.apply();
    assert_eq!((ran.code, lab.live("www")), (Some(1), Some(2)), "{ran:?}");
    assert!(ran.bad()[0].starts_with("certs.source/contact [git:"), "{ran:?}");
}

#[test]
fn too_much_change_at_once_needs_a_second_word() {
    let lab = Lab::new();
    let all: Vec<(String, String)> = (0..10).map(|n| (format!("n{n}"), format!("n{n}.example.com"))).collect();
    let all: Vec<(&str, &str)> = all.iter().map(|(name, domain)| (name.as_str(), domain.as_str())).collect();
    lab.list(&all);
    lab.done();
    lab.list(&all[4..]);
    let refused = lab.apply();
    assert_eq!((refused.code, lab.inventory().live.len()), (Some(4), 10), "{refused:?}");
    assert!(refused.bad()[0].starts_with("certs.source/limits [limits:changed] "), "{refused:?}");
    let forced = lab.run(&["apply", "--auto-approve", "--force-limits"]);
    assert_eq!((forced.code, lab.inventory().stash.len()), (Some(0), 4), "{forced:?}");
}

#[test]
fn three_of_ten_are_within_the_limit() {
    let lab = Lab::new();
    let all: Vec<(String, String)> = (0..10).map(|n| (format!("n{n}"), format!("n{n}.example.com"))).collect();
    let all: Vec<(&str, &str)> = all.iter().map(|(name, domain)| (name.as_str(), domain.as_str())).collect();
    lab.list(&all);
    lab.done();
    lab.list(&all[3..]);
    lab.done();
    assert_eq!(lab.inventory().stash.len(), 3);
}

#[test]
fn a_second_run_is_told_who_holds_the_lock() {
    let lab = Lab::new();
    lab.list(&ONE);
    let _lock = Lock::acquire(&lab.path("state"), "apply", countersign::clock::SystemClock.now()).unwrap();
    let ran = lab.apply();
    assert_eq!(ran.code, Some(5), "{ran:?}");
    assert!(ran.bad()[0].starts_with("certs.source/completed [run:locked] "), "{ran:?}");
    assert!(ran.bad()[0].contains(&format!("process {}", std::process::id())), "{ran:?}");
}

#[test]
fn a_report_does_not_claim_what_the_run_did_not_look_at() {
    let lab = Lab::new();
    lab.list(&ONE);
    let untouched = |lab: &Lab| {
        let junit = Junit::parse(&lab.read("junit.xml"));
        let cases = &junit.suite("certs.source").unwrap().cases;
        let untouched = cases.iter().filter(|case| case.system_out.contains("note: this run did not look at it"));
        untouched.map(|case| case.name.clone()).collect::<Vec<_>>()
    };
    let lock = Lock::acquire(&lab.path("state"), "apply", countersign::clock::SystemClock.now()).unwrap();
    assert_eq!(lab.apply().code, Some(5));
    let but_the_last =
        ["contact", "signature", "signer-allowed", "no-rollback", "list-valid", "policy-valid", "limits"];
    assert_eq!(untouched(&lab), but_the_last);
    drop(lock);
    lab.done();
    assert_eq!(untouched(&lab), [""; 0]);
    lab.unsigned_list(&[("evil", "evil.example.com")]);
    assert_eq!(lab.apply().code, Some(4));
    assert_eq!(untouched(&lab), ["signer-allowed", "no-rollback", "list-valid", "policy-valid"]);
}

#[test]
fn an_empty_store_beside_a_full_bucket_orders_nothing() {
    let lab = Lab::new();
    lab.list(&ONE);
    lab.done();
    std::fs::rename(lab.path("state"), lab.path("lost")).unwrap();
    lab.sandbox.log().clear();
    let ran = lab.apply();
    assert_eq!((ran.code, lab.count("newOrder")), (Some(4), 0), "{ran:?}");
    assert!(ran.bad()[0].contains("[store:lost] "), "{ran:?}");
}

#[test]
fn a_pointer_that_is_ahead_of_the_store_is_left_alone() {
    let lab = Lab::new();
    lab.list(&ONE);
    lab.done();
    let key = "certs/www/current.json";
    let body = lab.sandbox.object(BUCKET, key).unwrap().body;
    let ahead = String::from_utf8(body.to_vec()).unwrap().replace("\"sequence\": 1", "\"sequence\": 7");
    lab.sandbox.seed_object(BUCKET, key, ahead.clone()).unwrap();
    let ran = lab.apply();
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.bad()[0].starts_with("certs.publish/www [s3:pointer-ahead] "), "{ran:?}");
    assert_eq!(lab.sandbox.object(BUCKET, key).unwrap().body, ahead);
}

#[test]
fn without_a_plan_and_without_a_terminal_nothing_is_done() {
    let lab = Lab::new();
    lab.list(&ONE);
    let ran = lab.run(&["apply"]);
    assert_eq!((ran.code, lab.sandbox.log().counts().len()), (Some(64), 0), "{ran:?}");
}
