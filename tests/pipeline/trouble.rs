//! Things that go wrong on the way, and what is left to the next run.

use countersign::failpoint::VARIABLE;
use countersign::sandbox::{ACCESS_KEY, Call, Mishap, Options, RecordSet, SECRET_KEY, quote};
use time::Duration;

use super::rig::{Lab, Ran, until};

const ONE: [(&str, &str); 1] = [("www", "www.example.com")];
const THREE: [(&str, &str); 3] = [("a", "a.example.com"), ("b", "b.example.com"), ("c", "c.example.com")];

/// A run that something happens to, then the run of the night after.
fn two_nights(operation: &str, mishap: Mishap) -> (Lab, Ran) {
    let lab = Lab::new();
    lab.list(&ONE);
    lab.sandbox.faults().script(operation, 1, mishap);
    let first = lab.apply();
    assert_eq!(lab.sandbox.faults().left(operation), 0, "{first:?}");
    assert_eq!(lab.txt(), Vec::<String>::new());
    lab.forget_back_off();
    lab.done();
    (lab, first)
}

#[test]
fn one_lineage_that_fails_does_not_hold_the_others() {
    let lab = Lab::new();
    lab.list(&THREE);
    lab.sandbox.faults().script("validation", 1, Mishap::refused(403, "unauthorized"));
    let ran = lab.apply();
    assert_eq!((ran.code, lab.sandbox.issued().len(), ran.bad().len()), (Some(3), 2, 1), "{ran:?}");
    assert!(ran.bad()[0].starts_with("certs.issue/"), "{ran:?}");
    assert!(ran.bad()[0].contains("[acme:unauthorized] issue: "), "{ran:?}");
}

#[test]
fn a_bug_in_the_work_on_one_lineage_does_not_hold_the_others() {
    for place in ["after-new-order", "after-key", "after-challenge", "after-download", "after-files"] {
        let lab = Lab::new();
        lab.list(&THREE);
        let bug = [(VARIABLE, &*format!("{place}:2:panic"))];
        let ran = lab.run_with(&["apply", "--auto-approve"], &bug);
        assert_eq!((ran.code, ran.bad().len()), (Some(3), 1), "{place}: {ran:?}");
        lab.forget_back_off();
        lab.done();
        assert_eq!((lab.sandbox.issued().len(), lab.txt()), (3, vec![]), "{place}");
    }
}

#[test]
fn a_lineage_in_back_off_is_not_ordered_and_stays_red_with_its_cause() {
    let lab = Lab::new();
    lab.list(&THREE);
    lab.sandbox.faults().script("validation", 1, Mishap::refused(403, "unauthorized"));
    lab.apply();
    lab.sandbox.log().clear();
    let ran = lab.apply();
    assert_eq!((ran.code, lab.count("newOrder")), (Some(3), 0), "{ran:?}");
    assert!(ran.bad()[0].contains("[acme:unauthorized] "), "{ran:?}");
}

#[test]
fn a_refused_lineage_is_ordered_anew_when_its_back_off_is_over() {
    let lab = Lab::new();
    lab.list(&ONE);
    lab.sandbox.faults().script("validation", 1, Mishap::refused(403, "unauthorized"));
    assert_eq!(lab.apply().code, Some(3));
    lab.forget_back_off();
    lab.done();
    assert_eq!((lab.count("newOrder"), lab.published("www")), (2, Some(1)));
    assert_eq!(lab.entry("www"), None);
}

#[test]
fn a_limit_of_the_ca_is_kept_until_the_time_that_it_named() {
    let lab = Lab::new();
    lab.list(&ONE);
    lab.sandbox.faults().script("newOrder", 1, Mishap::rate_limited(7200));
    let before = countersign::port::Clock::now(&countersign::clock::SystemClock);
    assert_eq!(lab.apply().code, Some(3));
    let failures = lab.entry("www").unwrap().failures.unwrap();
    let wait = failures.not_before - before;
    assert!(wait >= Duration::seconds(7200) && wait < Duration::seconds(7290), "{wait}");
    let plan = lab.run(&["plan", "--json"]);
    assert!(plan.out.contains(r#""action":"defer""#), "{plan:?}");
    let time = time::format_description::well_known::Rfc3339;
    assert!(plan.out.contains(&failures.not_before.format(&time).unwrap()), "{plan:?}");
}

#[test]
fn a_page_of_a_proxy_is_waited_out() {
    let lab = Lab::new();
    lab.list(&ONE);
    let page = Mishap::Html { status: 503, retry_after: Some("0".to_owned()) };
    for operation in ["directory", "newAccount", "newOrder", "authz", "challenge", "finalize", "certificate"] {
        lab.sandbox.faults().script(operation, 1, page.clone());
    }
    lab.done();
    assert_eq!(lab.sandbox.issued().len(), 1);
}

#[test]
fn a_proxy_that_asks_for_an_hour_is_left_alone_for_an_hour() {
    let lab = Lab::new();
    lab.list(&ONE);
    lab.sandbox.faults().script("newOrder", 1, Mishap::Html { status: 503, retry_after: Some("3600".to_owned()) });
    let ran = lab.apply();
    assert!(ran.bad()[0].contains("[acme:http-503] issue: "), "{ran:?}");
    lab.sandbox.log().clear();
    assert_eq!((lab.apply().code, lab.count("newOrder")), (Some(3), 0));
}

#[test]
fn a_lost_answer_to_new_order_finds_the_same_order_again() {
    let (lab, first) = two_nights("newOrder", Mishap::Lost);
    assert_eq!(first.code, Some(3));
    assert_eq!((lab.count("newOrder"), lab.sandbox.issued().len()), (2, 1));
}

#[test]
fn a_lost_answer_to_a_renewal_does_not_trip_over_what_it_replaces() {
    let lab = Lab::new();
    lab.list(&ONE);
    lab.done();
    let id = lab.make_due("www");
    lab.sandbox.log().clear();
    lab.sandbox.faults().script("newOrder", 1, Mishap::Lost);
    assert_eq!(lab.apply().code, Some(3));
    lab.forget_back_off();
    lab.done();
    let replaced: Vec<Option<String>> = lab.sandbox.issued().into_iter().map(|issued| issued.replaces).collect();
    // The lost one, the one that is refused with alreadyReplaced, and the one that finds the lost one.
    assert_eq!((lab.count("newOrder"), replaced), (3, vec![None, Some(id)]));
}

#[test]
fn a_lost_answer_to_finalize_costs_no_second_certificate() {
    let (lab, _) = two_nights("finalize", Mishap::Lost);
    assert_eq!((lab.count("newOrder"), lab.sandbox.issued().len()), (1, 1));
}

#[test]
fn a_lost_answer_to_a_challenge_is_not_answered_twice() {
    let (lab, _) = two_nights("challenge", Mishap::Lost);
    assert_eq!((lab.count("challenge"), lab.sandbox.issued().len()), (1, 1));
}

#[test]
fn a_lost_certificate_is_fetched_again() {
    let (lab, _) = two_nights("certificate", Mishap::Lost);
    assert_eq!((lab.count("finalize"), lab.count("certificate")), (1, 2));
}

#[test]
fn a_lost_answer_of_route53_is_looked_up() {
    let lab = Lab::new();
    lab.list(&ONE);
    lab.sandbox.faults().script("ChangeResourceRecordSets", 1, Mishap::Lost);
    lab.done();
    assert_eq!(lab.txt(), Vec::<String>::new());
}

#[test]
fn a_lost_answer_of_s3_is_looked_up() {
    let lab = Lab::new();
    lab.list(&ONE);
    // Files, manifest and pointer; the seventh is the head of the audit log.
    lab.sandbox.faults().script("PutObject", 6, Mishap::Lost);
    lab.done();
    assert_eq!((lab.count("PutObject"), lab.published("www")), (7, Some(1)));
}

#[test]
fn a_bucket_that_refuses_costs_no_order_the_next_night() {
    let lab = Lab::new();
    lab.list(&ONE);
    lab.sandbox.faults().script("PutObject", 100, Mishap::refused(403, "AccessDenied"));
    let ran = lab.apply();
    assert!(ran.code == Some(3), "{ran:?}");
    let bad = ran.bad();
    assert!(bad.iter().any(|case| case.starts_with("certs.publish/www [s3:AccessDenied] ")), "{bad:?}");
    lab.sandbox.faults().clear();
    lab.done();
    assert_eq!((lab.count("newOrder"), lab.published("www")), (1, Some(1)));
}

#[test]
fn credentials_that_expire_in_the_middle_of_a_run_are_fetched_anew() {
    let lab = Lab::new();
    lab.list(&ONE);
    // They are as good as over when they are given, so that the SDK asks for others before each request.
    let given = format!(
        r#"echo >> fetched; printf '{{"Version": 1, "AccessKeyId": "{ACCESS_KEY}", "SecretAccessKey": "{SECRET_KEY}",
        "Expiration": "%s"}}' "$(date -u -d '5 seconds' +%FT%TZ)""#
    );
    lab.write("credentials", &given);
    lab.write("aws", "[profile short]\ncredential_process = sh credentials\n");
    let config = lab.read("countersign.yaml");
    let config = config.replace("route53: {", "route53: {profile: short, ");
    lab.write("countersign.yaml", &config.replace("prefix: certs/,", "prefix: certs/, profile: short,"));
    for operation in ["ListResourceRecordSets", "GetChange", "PutObject"] {
        lab.sandbox.faults().script(operation, 1, Mishap::refused(403, "ExpiredToken"));
    }
    let ran = lab.run_with(&["apply", "--auto-approve"], &[("AWS_CONFIG_FILE", "aws")]);
    assert_eq!((ran.code, lab.published("www"), lab.count("newOrder")), (Some(0), Some(1), 1), "{ran:?}");
    assert!(lab.read("fetched").lines().count() > 4, "{ran:?}");
}

/// How many requests were under way at a time.
fn side_by_side(calls: &[Call]) -> usize {
    let at =
        |call: &Call| calls.iter().filter(|other| other.began <= call.began && other.ended > Some(call.began)).count();
    calls.iter().map(at).max().unwrap_or_default()
}

#[test]
fn a_ca_and_a_bucket_get_32_requests_at_a_time_at_most_and_a_bucket_without_room_fewer() {
    let lab = Lab::with_options(Options { latency: std::time::Duration::from_millis(20), ..Options::default() });
    let names: Vec<(String, String)> = (0..60).map(|at| (format!("n{at}"), format!("n{at}.example.com"))).collect();
    lab.list(&names.iter().map(|(name, domain)| (name.as_str(), domain.as_str())).collect::<Vec<_>>());
    lab.sandbox.faults().script("PutObject", 40, Mishap::refused(503, "SlowDown"));
    lab.done();
    assert!(names.iter().all(|(name, _)| lab.published(name) == Some(1)));
    let mut calls = lab.sandbox.log().calls();
    let of_the_ca: Vec<Call> =
        calls.iter().filter(|call| call.operation.starts_with(char::is_lowercase)).cloned().collect();
    assert!((16..=32).contains(&side_by_side(&of_the_ca)), "{}", side_by_side(&of_the_ca));
    calls.retain(|call| ["GetObject", "PutObject"].contains(&call.operation.as_str()));
    let most = side_by_side(&calls);
    assert!((16..=32).contains(&most), "{most}");
    let last = calls.iter().filter(|call| call.status == Some(503)).map(|call| call.ended).max().unwrap();
    let after: Vec<Call> = calls.into_iter().filter(|call| Some(call.began) > last).take(20).collect();
    assert!(side_by_side(&after) <= 16, "{}", side_by_side(&after));
}

#[test]
fn a_change_that_never_settles_costs_no_failed_validation() {
    let lab = Lab::new();
    lab.list(&ONE);
    lab.sandbox.faults().script("GetChange", 1, Mishap::refused(403, "AccessDenied"));
    let ran = lab.apply();
    assert_eq!((ran.code, lab.count("challenge"), lab.txt()), (Some(3), 0, vec![]), "{ran:?}");
    assert!(ran.bad()[0].contains("[route53:AccessDenied] issue: "), "{ran:?}");
    lab.forget_back_off();
    lab.done();
    assert_eq!((lab.count("newOrder"), lab.sandbox.issued().len()), (1, 1));
}

#[test]
fn a_zone_that_does_not_settle_does_not_hold_the_others() {
    let lab = Lab::new();
    lab.list(&[("com", "www.example.com"), ("net", "www.example.net")]);
    lab.sandbox.faults().script("GetChange", 1, Mishap::Stalled(std::time::Duration::from_secs(3600)));
    let run = lab.start(&["apply", "--auto-approve"]);
    until("a published certificate", || lab.published("com").or(lab.published("net")).is_some());
    run.signal("TERM");
    let ran = run.end();
    assert_eq!((ran.code, lab.sandbox.issued().len(), lab.txt()), (Some(130), 1, vec![]), "{ran:?}");
}

#[test]
fn a_name_without_a_zone_fails_alone() {
    let lab = Lab::new();
    lab.list(&[("far", "www.example.org"), ("www", "www.example.com")]);
    let ran = lab.apply();
    assert_eq!((ran.code, lab.published("www")), (Some(3), Some(1)), "{ran:?}");
    assert!(ran.bad()[0].starts_with("certs.issue/far ["), "{ran:?}");
}

#[test]
fn a_record_that_cannot_be_taken_away_is_told_and_taken_away_the_next_night() {
    let lab = Lab::new();
    lab.list(&ONE);
    lab.sandbox.faults().script("ChangeResourceRecordSets", 1, Mishap::Nothing);
    lab.sandbox.faults().script("ChangeResourceRecordSets", 20, Mishap::refused(403, "AccessDenied"));
    let ran = lab.apply();
    assert_eq!((ran.code, lab.txt().len(), lab.published("www")), (Some(3), 1, Some(1)), "{ran:?}");
    assert!(ran.bad()[0].starts_with("certs.cleanup/challenge-records [route53:AccessDenied] "), "{ran:?}");
    lab.sandbox.faults().clear();
    lab.done();
    assert_eq!(lab.txt(), Vec::<String>::new());
}

#[test]
fn a_record_of_a_lineage_that_left_the_list_is_taken_away() {
    let lab = Lab::new();
    lab.list(&[("gone", "gone.example.com"), ("www", "www.example.com")]);
    let crash = [(VARIABLE, "before-clean-up")];
    assert_eq!(lab.run_with(&["apply", "--auto-approve"], &crash).code, None);
    assert_eq!(lab.txt().len(), 2);
    lab.list(&ONE);
    lab.done();
    assert_eq!(lab.txt(), Vec::<String>::new());
    assert!(lab.inventory().journal.is_empty());
}

#[test]
fn what_others_keep_at_the_same_name_stays() {
    let lab = Lab::new();
    lab.list(&ONE);
    let foreign = vec![quote("somebody else's"), quote("token")];
    let name = "_acme-challenge.www.example.com".to_owned();
    let set = RecordSet { name, kind: "TXT".into(), ttl: 300, values: foreign, routing: None };
    lab.sandbox.seed_record("ZONE1", set.clone()).unwrap();
    lab.done();
    assert_eq!(lab.sandbox.records("ZONE1"), [set]);
}

#[test]
fn an_order_that_the_ca_forgot_is_begun_anew_with_a_new_key() {
    let lab = Lab::new();
    lab.list(&ONE);
    let crash = [(VARIABLE, "after-settled")];
    assert_eq!(lab.run_with(&["apply", "--auto-approve"], &crash).code, None);
    let csr = lab.entry("www").unwrap().attempt.unwrap().intent.csr;
    lab.sandbox.advance(std::time::Duration::from_secs(8 * 86_400));
    let crash = [(VARIABLE, "after-order-journaled")];
    lab.run_with(&["apply", "--auto-approve"], &crash);
    assert_ne!(lab.entry("www").unwrap().attempt.unwrap().intent.csr, csr);
}

#[test]
fn a_name_that_caa_records_close_to_the_ca_is_not_ordered_until_they_open() {
    let lab = Lab::new();
    lab.list(&[("net", "www.example.net"), ("www", "www.example.com")]);
    lab.caa("example.com", r#"0 issue "other-ca.test""#);
    let ran = lab.apply();
    assert_eq!((ran.code, lab.count("newOrder"), lab.live("net")), (Some(3), 1, Some(1)), "{ran:?}");
    let bad = ran.bad();
    let named = "[caa:forbidden] issue: www.example.com: the CAA record of example.com forbids the order";
    assert!(bad.len() == 1 && bad[0].contains(named), "{bad:?}");
    lab.caa("example.com", r#"0 issue "sandbox.test""#);
    lab.forget_back_off();
    lab.done();
    assert_eq!((lab.count("newOrder"), lab.live("www")), (2, Some(1)));
}
