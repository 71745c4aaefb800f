//! What the next run does, by what the journal knows and how the order stands at the CA. The server's word wins.

use std::time::Duration;

use countersign::failpoint::VARIABLE;
use countersign::sandbox::{CaOptions, Mishap};

use super::rig::Lab;

const ONE: [(&str, &str); 1] = [("www", "www.example.com")];

/// A run that dies at a place. Calls are counted from then on.
fn died(ca: CaOptions, place: &str) -> Lab {
    let lab = Lab::with(ca);
    lab.list(&ONE);
    die(&lab, place);
    lab
}

fn die(lab: &Lab, place: &str) {
    let ran = lab.run_with(&["apply", "--auto-approve"], &[(VARIABLE, place)]);
    assert_eq!(ran.code, None, "{ran:?}");
    lab.sandbox.log().clear();
}

/// How often the next, good run asks for a new order, answers a challenge, finalizes and downloads.
fn asked(lab: &Lab) -> [usize; 4] {
    lab.done();
    assert_eq!((lab.sandbox.issued().len(), lab.txt().len()), (1, 0));
    ["newOrder", "challenge", "finalize", "certificate"].map(|operation| lab.count(operation))
}

#[test]
fn an_intent_without_an_order_is_ordered() {
    assert_eq!(asked(&died(CaOptions::default(), "after-intent")), [1, 1, 1, 1]);
}

#[test]
fn an_order_whose_url_was_lost_is_found_again() {
    let lab = died(CaOptions::default(), "after-new-order");
    assert_eq!(asked(&lab), [1, 1, 1, 1]);
}

#[test]
fn a_renewal_whose_order_was_lost_is_found_again_without_replaces() {
    let lab = Lab::new();
    lab.list(&ONE);
    lab.done();
    let id = lab.make_due("www");
    die(&lab, "after-new-order");
    lab.done();
    assert_eq!((lab.count("newOrder"), lab.sandbox.issued().len()), (2, 2));
    assert_eq!(lab.sandbox.issued()[1].replaces, Some(id));
}

#[test]
fn a_pending_order_is_validated() {
    assert_eq!(asked(&died(CaOptions::default(), "after-order-journaled")), [0, 1, 1, 1]);
}

#[test]
fn a_record_that_is_there_already_is_not_written_twice() {
    let lab = died(CaOptions::default(), "after-present");
    lab.done();
    // Only the clean-up.
    assert_eq!(lab.count("ChangeResourceRecordSets"), 1);
}

#[test]
fn a_challenge_that_the_ca_looks_at_is_not_answered_again() {
    let slow = CaOptions { validation_delay: Duration::from_secs(2), ..CaOptions::default() };
    assert_eq!(asked(&died(slow, "after-challenge")), [0, 0, 1, 1]);
}

#[test]
fn a_ready_order_is_finalized_with_the_journaled_csr() {
    let lab = died(CaOptions::default(), "after-validated");
    let csr = lab.entry("www").unwrap().attempt.unwrap().intent.csr;
    assert_eq!(asked(&lab), [0, 0, 1, 1]);
    assert!(!csr.is_empty() && lab.entry("www").is_none());
}

#[test]
fn an_order_in_processing_is_waited_for() {
    let slow = CaOptions { processing: Duration::from_secs(2), retry_after: 0, ..CaOptions::default() };
    assert_eq!(asked(&died(slow, "after-finalize")), [0, 0, 0, 1]);
}

#[test]
fn a_finalize_that_comes_too_late_is_no_error() {
    let lab = Lab::new();
    lab.list(&ONE);
    lab.sandbox.faults().script("finalize", 1, Mishap::refused(403, "orderNotReady"));
    assert_eq!(asked(&lab), [1, 1, 2, 1]);
}

#[test]
fn a_valid_order_is_downloaded() {
    assert_eq!(asked(&died(CaOptions::default(), "after-finalize")), [0, 0, 0, 1]);
}

#[test]
fn an_invalid_order_is_given_up_and_counted() {
    let slow = CaOptions { validation_delay: Duration::from_secs(1), ..CaOptions::default() };
    let lab = Lab::with(slow);
    lab.list(&ONE);
    lab.sandbox.faults().script("validation", 1, Mishap::refused(403, "unauthorized"));
    die(&lab, "after-challenge");
    let ran = lab.apply();
    assert_eq!((ran.code, lab.txt()), (Some(3), vec![]), "{ran:?}");
    let entry = lab.entry("www").unwrap();
    assert_eq!((entry.attempt, entry.failures.unwrap().count), (None, 1));
    lab.forget_back_off();
    assert_eq!(asked(&lab), [1, 1, 1, 1]);
}

#[test]
fn a_certificate_outlives_its_order() {
    let lab = died(CaOptions::default(), "after-certificate-journaled");
    lab.sandbox.advance(Duration::from_secs(8 * 86_400));
    assert_eq!(asked(&lab), [0, 0, 0, 1]);
}

#[test]
fn an_order_that_is_gone_is_ordered_anew() {
    let lab = died(CaOptions::default(), "after-validated");
    lab.sandbox.faults().script("order", 1, Mishap::refused(404, "malformed"));
    lab.done();
    assert_eq!((lab.count("newOrder"), lab.live("www")), (1, Some(1)));
}

#[test]
fn a_certificate_that_is_gone_too_is_ordered_anew_the_night_after() {
    let lab = died(CaOptions::default(), "after-certificate-journaled");
    lab.sandbox.faults().script("certificate", 1, Mishap::refused(404, "malformed"));
    assert_eq!(lab.apply().code, Some(3));
    lab.forget_back_off();
    lab.done();
    assert_eq!((lab.count("newOrder"), lab.live("www")), (1, Some(1)));
}

#[test]
fn a_downloaded_certificate_that_was_not_stored_is_downloaded_again() {
    assert_eq!(asked(&died(CaOptions::default(), "after-download")), [0, 0, 0, 1]);
}

#[test]
fn a_stored_certificate_is_only_published() {
    for place in ["after-deploy", "after-attempt-closed", "after-files", "after-manifest"] {
        let lab = died(CaOptions::default(), place);
        assert_eq!(asked(&lab), [0, 0, 0, 0], "{place}");
        assert_eq!(lab.published("www"), Some(1), "{place}");
    }
}

#[test]
fn a_published_certificate_is_only_cleaned_up_after() {
    let lab = died(CaOptions::default(), "before-clean-up");
    assert_eq!(asked(&lab), [0, 0, 0, 0]);
    // The one object is the head of the audit log.
    assert_eq!((lab.count("PutObject"), lab.count("ChangeResourceRecordSets")), (1, 1));
}

#[test]
fn an_attempt_without_its_key_is_begun_anew_before_anything_is_issued() {
    let lab = died(CaOptions::default(), "after-validated");
    std::fs::remove_file(lab.path("state/journal/www.key")).unwrap();
    // The CA gives the same order, which is ready, and gets the CSR of the new key.
    assert_eq!(asked(&lab), [1, 0, 1, 1]);
}

#[test]
fn a_list_that_asks_for_something_else_now_ends_the_old_attempt() {
    let lab = died(CaOptions::default(), "after-validated");
    lab.list(&[("www", "other.example.com")]);
    assert_eq!(asked(&lab), [1, 1, 1, 1]);
    assert_eq!(lab.sandbox.issued()[0].names, ["other.example.com"]);
}

#[test]
fn a_damaged_entry_stops_its_lineage_and_no_other() {
    let lab = Lab::new();
    lab.list(&[("api", "api.example.com"), ("www", "www.example.com")]);
    die(&lab, "after-settled");
    let entry = lab.read("state/journal/www.json");
    lab.write("state/journal/www.json", &entry.replace("www.example.com", "evil.example.com"));
    let ran = lab.apply();
    assert_eq!((ran.code, lab.published("api"), lab.published("www")), (Some(3), Some(1), None), "{ran:?}");
    assert!(ran.bad()[0].starts_with("certs.issue/www [store:journal] "), "{ran:?}");
}
