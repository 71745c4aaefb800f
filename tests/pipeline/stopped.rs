//! Runs that are told to stop, and runs that are not even told.

use std::time::Duration;

use countersign::sandbox::{CaOptions, Mishap};

use super::rig::{Lab, Running, until};

const ONE: [(&str, &str); 1] = [("www", "www.example.com")];
const APPLY: [&str; 2] = ["apply", "--auto-approve"];

/// A run that waits for Route53 to say that a change is in sync.
fn waiting_for_dns() -> (Lab, Running) {
    let lab = Lab::new();
    lab.list(&ONE);
    lab.sandbox.faults().script("GetChange", 1, Mishap::Stalled(Duration::from_secs(3600)));
    let run = lab.start(&APPLY);
    until("GetChange", || lab.count("GetChange") > 0);
    (lab, run)
}

/// The next run finishes what was begun, with the one order and the one certificate.
fn assert_goes_on(lab: &Lab) {
    lab.sandbox.faults().clear();
    lab.done();
    assert_eq!((lab.count("newOrder"), lab.sandbox.issued().len()), (1, 1));
    assert_eq!((lab.published("www"), lab.txt()), (Some(1), vec![]));
}

#[test]
fn sigterm_takes_the_records_away_and_leaves_the_order_for_the_next_run() {
    let (lab, run) = waiting_for_dns();
    run.signal("TERM");
    let ran = run.end();
    assert_eq!((ran.code, lab.count("challenge"), lab.sandbox.records("ZONE1").len()), (Some(130), 0, 0), "{ran:?}");
    assert!(ran.out.lines().last().unwrap().starts_with("countersign apply: interrupted (exit 130)"), "{ran:?}");
    assert!(ran.bad().iter().any(|bad| bad.starts_with("certs.source/completed [run:interrupted] ")), "{ran:?}");
    assert_goes_on(&lab);
}

#[test]
fn ctrl_c_is_as_good_as_sigterm() {
    let (lab, run) = waiting_for_dns();
    run.signal("INT");
    assert_eq!(run.end().code, Some(130));
    assert_goes_on(&lab);
}

#[test]
fn a_second_signal_ends_the_run_at_once() {
    let (lab, run) = waiting_for_dns();
    lab.sandbox.faults().script("ListResourceRecordSets", 1, Mishap::Stalled(Duration::from_secs(3600)));
    run.signal("TERM");
    until("the clean-up", || lab.sandbox.faults().left("ListResourceRecordSets") == 0);
    run.signal("TERM");
    let ran = run.end();
    assert_eq!((ran.code, lab.sandbox.records("ZONE1").len()), (Some(130), 1), "{ran:?}");
    assert_goes_on(&lab);
}

#[test]
fn a_clean_up_that_hangs_does_not_hold_a_run_that_was_told_to_stop() {
    let (lab, run) = waiting_for_dns();
    lab.sandbox.faults().script("ListResourceRecordSets", 1, Mishap::Stalled(Duration::from_secs(3600)));
    run.signal("TERM");
    let ran = run.end();
    assert_eq!(ran.code, Some(130), "{ran:?}");
    assert!(ran.bad().iter().any(|bad| bad.starts_with("certs.cleanup/challenge-records ")), "{ran:?}");
    assert_goes_on(&lab);
}

#[test]
fn a_ca_that_asks_for_patience_does_not_hold_a_run_that_was_told_to_stop() {
    let day = Duration::from_secs(86_400);
    let lab = Lab::with(CaOptions { processing: day, retry_after: 3600, ..CaOptions::default() });
    lab.list(&ONE);
    let run = lab.start(&APPLY);
    until("finalize", || lab.count("finalize") > 0);
    run.signal("TERM");
    let ran = run.end();
    assert_eq!((ran.code, lab.txt()), (Some(130), vec![]), "{ran:?}");
}

#[test]
fn an_answer_that_hangs_does_not_hold_a_run_that_was_told_to_stop() {
    let lab = Lab::new();
    lab.list(&ONE);
    lab.sandbox.faults().script("finalize", 1, Mishap::Stalled(Duration::from_secs(3600)));
    let run = lab.start(&APPLY);
    until("finalize", || lab.count("finalize") > 0);
    run.signal("TERM");
    assert_eq!(run.end().code, Some(130));
    assert_goes_on(&lab);
}

#[test]
fn a_run_that_is_told_to_stop_before_it_changes_anything_ends_at_once() {
    let lab = Lab::new();
    lab.list(&ONE);
    lab.sandbox.faults().script("ListObjectsV2", 1, Mishap::Stalled(Duration::from_secs(3600)));
    let run = lab.start(&APPLY);
    until("the list of the bucket", || lab.count("ListObjectsV2") > 0);
    run.signal("TERM");
    let ran = run.end();
    assert_eq!((ran.code, lab.count("newOrder")), (Some(130), 0), "{ran:?}");
    assert!(ran.bad()[0].starts_with("certs.source/completed [run:incomplete] "), "{ran:?}");
}

/// Whatever the run waits for when it is told to stop: it ends, and the next one goes on with the one order.
fn assert_ends_in(operation: &str, before: usize) {
    let lab = Lab::new();
    lab.list(&ONE);
    lab.sandbox.faults().script(operation, before, Mishap::Nothing);
    lab.sandbox.faults().script(operation, 1, Mishap::Stalled(Duration::from_secs(3600)));
    let run = lab.start(&APPLY);
    until(operation, || lab.count(operation) > before);
    run.signal("TERM");
    let ran = run.end();
    assert_eq!(ran.code, Some(130), "{operation} after {before}: {ran:?}");
    lab.sandbox.faults().clear();
    lab.done();
    // An order whose answer did not come is asked for again, and found.
    let orders = if operation == "newOrder" { 2 } else { 1 };
    assert_eq!((lab.count("newOrder"), lab.sandbox.issued().len()), (orders, 1), "{operation} after {before}");
    assert_eq!((lab.published("www"), lab.txt()), (Some(1), vec![]), "{operation} after {before}");
}

#[test]
fn a_run_ends_when_it_is_told_to_whatever_it_waits_for() {
    let orders = [("directory", 0), ("newAccount", 0), ("newOrder", 0), ("authz", 0), ("challenge", 0)];
    let issuance = [("finalize", 0), ("certificate", 0), ("ListHostedZones", 0), ("ListResourceRecordSets", 0)];
    // The last upload is that of the audit log's head, after everything else.
    let publication = [("ChangeResourceRecordSets", 0), ("PutObject", 0), ("PutObject", 5), ("PutObject", 6)];
    std::thread::scope(|scope| {
        for (operation, before) in orders.into_iter().chain(issuance).chain(publication) {
            scope.spawn(move || assert_ends_in(operation, before));
        }
    });
}

#[test]
fn a_killed_run_leaves_a_report_that_says_so() {
    let (lab, run) = waiting_for_dns();
    run.signal("KILL");
    let ran = run.end();
    assert_eq!(ran.code, None);
    assert!(ran.bad()[0].starts_with("certs.source/completed [run:incomplete] "), "{ran:?}");
    assert_goes_on(&lab);
}

#[test]
fn a_hook_that_hangs_does_not_hold_a_run_that_was_told_to_stop_and_its_value_stays_in_the_journal() {
    let lab = Lab::new();
    lab.list(&ONE);
    let script = format!("#!/bin/sh\n: > {}\nsleep 3600\n", lab.path("called").display());
    let write = std::process::Command::new("sh")
        .args(["-c", "printf %s \"$2\" > \"$1\" && chmod 755 \"$1\"", "sh"])
        .arg(lab.path("hook"))
        .arg(script)
        .status();
    assert!(write.unwrap().success());
    let exec = "dns:\n  exec: {lab: {command: ./hook, zones: [example.com]}}\n";
    lab.write("countersign.yaml", &lab.read("countersign.yaml").replace("dns:\n", exec));
    let run = lab.start(&APPLY);
    until("the hook", || lab.path("called").exists());
    run.signal("TERM");
    let ran = run.end();
    assert_eq!((ran.code, lab.count("challenge")), (Some(130), 0), "{ran:?}");
    assert_eq!(lab.entry("www").unwrap().records.len(), 1);
}
