//! The log: what is written when, and what happens to one that was torn, changed or rolled back.

use std::fs;

use countersign::audit::Kind;
use countersign::sandbox::Mishap;
use serde_json::Value;

use super::rig::{BUCKET, House, copy};

const ISSUED: [Kind; 4] = [Kind::Verified, Kind::Ordering, Kind::Issued, Kind::Published];

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_writes_who_asked_before_the_order_and_what_came_of_it_after() {
    let house = House::with(&["www"]).await;
    house.apply().must(0);
    let chain = house.chain();
    assert_eq!(house.kinds(), ISSUED);
    assert!(chain.breaks.is_empty());
    let head = house.repo.head().unwrap();
    let ann = format!("ann@example.com {}", house.ann.fingerprint());
    for entry in &chain.entries {
        let by = entry.record.by.as_ref().unwrap();
        assert_eq!((&by.commit, &by.signers), (&head, &vec![ann.clone()]), "{}", entry.record.kind);
    }
    let serial = house.sandbox.issued()[0].serial.clone();
    assert_eq!(chain.entries[2].record.serial.as_deref(), Some(serial.as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_was_written_down_although_the_ca_refuses_it() {
    let house = House::with(&["www"]).await;
    house.sandbox.faults().script("validation", 1, Mishap::refused(403, "unauthorized"));
    house.apply().must(3);
    assert_eq!(house.kinds(), [Kind::Verified, Kind::Ordering, Kind::Failed]);
    assert!(house.last().record.result.unwrap().contains("[acme:unauthorized]"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_log_stands_in_the_report_in_the_summary_and_in_the_bucket() {
    let house = House::with(&["www"]).await;
    let summary = house.run(&["apply", "--auto-approve", "--json", "--junit", "junit.xml"]).must(0).json();
    let head = house.chain().head().unwrap().clone();
    assert!(house.junit().contains(&format!("audit_head: {head}")));
    assert_eq!(summary["audit"], serde_json::to_value(&head).unwrap());
    let copy = house.sandbox.object(BUCKET, "pki/audit-head.json").unwrap();
    let copy: Value = serde_json::from_slice(&copy.body).unwrap();
    assert_eq!((&copy["seq"], &copy["digest"]), (&summary["audit"]["seq"], &summary["audit"]["digest"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_does_nothing_adds_nothing() {
    let house = House::with(&["www"]).await;
    house.apply().must(0);
    let before = house.read("state/audit.jsonl");
    house.apply().must(0);
    assert_eq!(house.read("state/audit.jsonl"), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_head_is_written_down_with_its_rule_by_verify_too() {
    let house = House::with(&["www"]).await;
    house.apply().must(0);
    let evil = house.list(&["www", "evil"], None);
    house.run(&["verify"]).must(4);
    let last = house.last().record;
    assert_eq!((last.kind, last.head, last.result.as_deref()), (Kind::Refused, Some(evil), Some("S01-unsigned")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_force_is_written_down_with_its_reason() {
    let house = House::with(&["www"]).await;
    house.apply().must(0);
    house.run(&["apply", "--auto-approve", "--force", "www", "--reason", "key in a chat"]).must(0);
    let chain = house.chain();
    let forced = chain.of_kind(Kind::Forced).next().unwrap();
    assert_eq!(forced.record.result.as_deref(), Some("key in a chat"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_last_line_is_named_by_audit_and_taken_away_by_the_next_run() {
    let house = House::with(&["www"]).await;
    house.apply().must(0);
    let whole = house.read("state/audit.jsonl");
    house.write("state/audit.jsonl", &format!("{whole}{{\"seq\":5,\"prev\":\"sha2"));
    let seen = house.run(&["audit"]).must(0);
    assert!(seen.out.contains("audit:torn-line"), "{}", seen.out);
    house.run(&["verify"]).must(0);
    assert!(house.read("state/audit.jsonl").starts_with(&whole));
    assert_eq!((house.last().record.kind, house.chain().breaks.len()), (Kind::Repaired, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_line_is_a_finding_and_is_never_written_over() {
    let house = House::with(&["www"]).await;
    house.apply().must(0);
    let changed = house.read("state/audit.jsonl").replacen("ann@example.com", "bob@example.com", 1);
    house.write("state/audit.jsonl", &changed);
    let seen = house.run(&["audit"]).must(1);
    assert!(seen.out.contains("line 2 of audit.jsonl") && seen.out.contains("[audit:broken-chain]"), "{}", seen.out);
    house.list(&["www", "api"], Some(&house.ann));
    house.apply().must(1);
    assert!(house.read("state/audit.jsonl").starts_with(&changed));
    assert!(house.junit().contains("[audit:broken-chain]"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trust_state_that_is_older_than_the_log_is_refused() {
    let house = House::with(&["www"]).await;
    house.apply().must(0);
    let old = house.read("state/trust-state.json");
    house.list(&["www", "api"], Some(&house.ann));
    house.apply().must(0);
    house.write("state/trust-state.json", &old);
    let seen = house.run(&["verify"]).must(4);
    assert!(seen.err.contains("X01-state-rollback"), "{}", seen.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trust_state_that_is_gone_is_no_fresh_start_once_there_is_a_log() {
    let house = House::with(&[]).await;
    house.run(&["verify"]).must(0);
    fs::remove_file(house.path("state/trust-state.json")).unwrap();
    let seen = house.run(&["verify"]).must(4);
    assert!(seen.err.contains("X01-state-rollback"), "{}", seen.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_cut_short_between_state_and_log_is_told_by_the_next() {
    let house = House::with(&[]).await;
    house.run(&["verify"]).must(0);
    let log = house.read("state/audit.jsonl");
    house.list(&["www"], Some(&house.ann));
    house.run(&["verify"]).must(0);
    house.write("state/audit.jsonl", &log);
    house.run(&["verify"]).must(0);
    assert_eq!(house.last().record.by.unwrap().commit, house.repo.head().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_store_that_was_rolled_back_is_refused_before_any_order() {
    let house = House::with(&["www"]).await;
    house.apply().must(0);
    copy(&house.path("state"), &house.path("backup"));
    house.list(&["www", "api"], Some(&house.ann));
    house.apply().must(0);
    fs::remove_dir_all(house.path("state")).unwrap();
    copy(&house.path("backup"), &house.path("state"));
    let before = house.orders();
    let seen = house.apply().must(4);
    assert!(seen.err.contains("X01-state-rollback"), "{}", seen.err);
    assert_eq!(house.orders(), before);
}
