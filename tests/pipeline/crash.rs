//! A crash at each boundary of the journal, then the next run.

use countersign::failpoint::{PLACES, VARIABLE};
use countersign::sandbox::{RecordSet, quote};

use super::rig::{Lab, Ran, csr};

/// Two authorizations whose values share one record set.
const ONE: [(&str, &str); 1] = [("www", "\"*.example.com\", example.com")];
const APPLY: [&str; 2] = ["apply", "--auto-approve"];

/// A lab where somebody else has a value at the name of the challenges.
pub fn lab() -> Lab {
    let lab = Lab::new();
    lab.list(&ONE);
    lab.sandbox.seed_record("ZONE1", foreign()).unwrap();
    lab
}

fn foreign() -> RecordSet {
    let (name, values) = ("_acme-challenge.example.com".to_owned(), vec![quote("somebody else's")]);
    RecordSet { name, kind: "TXT".into(), ttl: 300, values, routing: None }
}

/// Runs until the place is reached. What readers see must be whole.
pub fn crash(lab: &Lab, place: &str) -> Ran {
    let ran = lab.run_with(&APPLY, &[(VARIABLE, place)]);
    lab.published("www");
    assert!(lab.sandbox.txt("_acme-challenge.example.com").contains(&"somebody else's".to_owned()), "{place}");
    ran
}

/// The next run ends well, and nothing was done twice on the way.
pub fn assert_whole(lab: &Lab, version: u64, places: &[&str]) {
    lab.done();
    let told = format!("after {places:?}: {:?}", lab.sandbox.log().counts());
    assert_eq!(lab.sandbox.issued().len() as u64, version, "{told}");
    // A number that a write which was cut short had taken is not used again.
    let live = lab.live("www");
    assert!(live >= Some(version) && live == lab.published("www"), "{live:?} {told}");
    assert_eq!(lab.sandbox.records("ZONE1"), [foreign()], "{told}");
    assert!(lab.inventory().journal.is_empty(), "{told}");
    assert!(!lab.path("state/journal/www.key").exists(), "{told}");
    let lost = places.iter().filter(|place| **place == "after-new-order").count();
    // A renewal that looks for a lost order is refused once, because that order replaces the certificate already.
    let looks = if version == 1 { lost } else { 2 * lost };
    assert!(lab.count("newOrder") <= 1 + looks, "{told}");
    assert!(lab.count("challenge") <= 2 && lab.count("finalize") <= 1, "{told}");
    let accounts: std::collections::BTreeSet<_> = lab.sandbox.issued().into_iter().map(|one| one.account).collect();
    assert_eq!(accounts.len(), 1, "{told}");
}

#[test]
fn a_crash_with_a_csr_of_the_list_costs_no_certificate_and_leaves_no_key() {
    for place in ["after-intent", "after-order-journaled", "after-finalize", "after-deploy", "after-files"] {
        let lab = lab();
        let (_, entry, _) = csr(&["*.example.com", "example.com"]);
        lab.list(&[("www", &entry)]);
        assert_eq!(crash(&lab, place).code, None, "{place} is not reached");
        assert!(!lab.path("state/journal/www.key").exists(), "{place}");
        assert_whole(&lab, 1, &[place]);
    }
}

fn assert_survives(places: &[&str]) {
    for place in places {
        let lab = lab();
        let ran = crash(&lab, place);
        assert_eq!(ran.code, None, "{place} is not reached: {ran:?}");
        assert_whole(&lab, 1, &[place]);
    }
}

#[test]
fn a_crash_before_the_order_is_known_costs_no_certificate() {
    assert_survives(&PLACES[..6]);
}

#[test]
fn a_crash_while_names_are_validated_costs_no_certificate() {
    assert_survives(&PLACES[6..12]);
}

#[test]
fn a_crash_while_the_certificate_is_issued_costs_no_certificate() {
    assert_survives(&PLACES[12..17]);
}

#[test]
fn a_crash_while_publishing_shows_the_old_or_the_new() {
    assert_survives(&PLACES[17..21]);
}

#[test]
fn a_crash_while_cleaning_up_leaves_no_record_to_the_next_run() {
    assert_survives(&PLACES[21..]);
}
