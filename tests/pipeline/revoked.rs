//! Revocation, and the compromise of a key: mark, replace, publish, revoke, whatever comes in between.

use countersign::audit::Kind;
use countersign::failpoint::VARIABLE;
use countersign::lineage::{Revocation, RevocationReason};
use countersign::sandbox::Mishap;

use super::rig::{Lab, Ran, lineage};

const ONE: [(&str, &str); 1] = [("www", "www.example.com")];
const COMPROMISED: [&str; 6] = ["apply", "--auto-approve", "--force", "www", "--reason", "keyCompromise"];

fn lab() -> Lab {
    let lab = Lab::new();
    lab.list(&ONE);
    lab.done();
    lab
}

fn revoke(lab: &Lab, more: &[&str]) -> Ran {
    lab.run(&[&["revoke", "www", "--auto-approve"], more].concat())
}

/// The reason of each certificate's revocation at the CA, oldest first.
fn reasons(lab: &Lab) -> Vec<Option<u8>> {
    lab.sandbox.issued().into_iter().map(|one| one.revoked.map(|(_, reason)| reason)).collect()
}

fn audited(lab: &Lab, kind: Kind) -> Vec<(Option<u64>, String)> {
    let chain = lab.store().audit().unwrap();
    let of_kind = chain.of_kind(kind).map(|entry| &entry.record);
    of_kind.map(|record| (record.lineage_version, record.result.clone().unwrap_or_default())).collect()
}

#[test]
fn a_revoked_version_is_shown_audited_and_replaced_by_the_next_apply() {
    let lab = lab();
    let ran = revoke(&lab, &["--reason", "superseded"]);
    assert_eq!((ran.code, reasons(&lab)), (Some(0), vec![Some(4)]), "{ran:?}");
    assert_eq!(audited(&lab, Kind::Revoked), [(Some(1), "superseded".to_owned())]);
    for command in [vec!["status"], vec!["show", "www"]] {
        let ran = lab.run(&command);
        assert!(ran.out.contains("revoked"), "{ran:?}");
    }
    let plan = lab.run(&["plan"]);
    assert!(plan.out.contains("renew") && plan.out.contains("revoked: superseded"), "{plan:?}");
    let ran = lab.done();
    assert_eq!((lab.live("www"), lab.published("www"), lab.txt().len()), (Some(2), Some(2), 0), "{ran:?}");
    assert_eq!(reasons(&lab), [Some(4), None]);
}

#[test]
fn a_live_version_that_is_revoked_fails_its_expiry_case_until_it_is_replaced() {
    let lab = lab();
    revoke(&lab, &[]);
    lab.sandbox.faults().script("newOrder", 1, Mishap::refused(400, "rejectedIdentifier"));
    let ran = lab.apply();
    assert!(ran.bad().iter().any(|bad| bad.starts_with("certs.expiry/www [expiry:revoked]")), "{ran:?}");
    lab.forget_back_off();
    lab.done();
}

#[test]
fn a_second_revocation_is_no_error_and_asks_nobody() {
    let lab = lab();
    revoke(&lab, &[]);
    lab.sandbox.log().clear();
    let ran = revoke(&lab, &[]);
    assert_eq!((ran.code, lab.count("revokeCert")), (Some(0), 0), "{ran:?}");
}

#[test]
fn a_key_that_turns_out_to_be_compromised_is_told_though_the_version_was_revoked_before() {
    let lab = lab();
    revoke(&lab, &["--reason", "superseded"]);
    let ran = revoke(&lab, &["--reason", "keyCompromise"]);
    assert_eq!((ran.code, reasons(&lab)), (Some(0), vec![Some(1)]), "{ran:?}");
}

#[test]
fn a_revocation_that_the_ca_refuses_is_told_and_not_repeated() {
    let lab = lab();
    lab.sandbox.faults().script("revokeCert", 2, Mishap::refused(403, "unauthorized"));
    let ran = revoke(&lab, &["--by", "account-key"]);
    assert_eq!((ran.code, lab.inventory().journal.len()), (Some(1), 0), "{ran:?}");
    assert!(ran.err.contains("--by certificate-key"), "{ran:?}");
    lab.sandbox.faults().clear();
    lab.done();
    assert_eq!(reasons(&lab), [None]);
}

#[test]
fn a_revocation_that_did_not_reach_the_ca_is_finished_by_the_next_apply() {
    let lab = lab();
    lab.sandbox.faults().script("revokeCert", 1, Mishap::Unreached);
    let ran = revoke(&lab, &["--reason", "superseded"]);
    assert_eq!((ran.code, reasons(&lab)), (Some(1), vec![None]), "{ran:?}");
    lab.done();
    assert_eq!((reasons(&lab), lab.live("www")), (vec![Some(4), None], Some(2)));
    assert_eq!(audited(&lab, Kind::Revoked), [(Some(1), "superseded".to_owned())]);
}

#[test]
fn without_a_terminal_and_without_a_word_nothing_is_revoked() {
    let lab = lab();
    let ran = lab.run(&["revoke", "www"]);
    assert_eq!((ran.code, reasons(&lab)), (Some(64), vec![None]), "{ran:?}");
}

#[test]
fn a_name_or_a_version_that_is_not_there_is_named() {
    let lab = lab();
    let ran = lab.run(&["revoke", "wwww", "--auto-approve"]);
    assert!(ran.code == Some(1) && ran.err.contains("`wwww`"), "{ran:?}");
    let ran = revoke(&lab, &["--version", "7"]);
    assert!(ran.code == Some(1) && ran.err.contains("no version 7"), "{ran:?}");
    assert_eq!(reasons(&lab), [None]);
}

#[test]
fn a_stashed_version_can_be_revoked() {
    let lab = lab();
    lab.list(&[]);
    lab.done();
    let ran = revoke(&lab, &["--reason", "cessationOfOperation"]);
    assert_eq!((ran.code, reasons(&lab)), (Some(0), vec![Some(5)]), "{ran:?}");
}

#[test]
fn an_old_version_can_be_revoked_and_the_live_one_stays() {
    let lab = lab();
    lab.make_due("www");
    lab.done();
    let ran = revoke(&lab, &["--version", "1"]);
    assert_eq!((ran.code, reasons(&lab)), (Some(0), vec![Some(0), None]), "{ran:?}");
    lab.done();
    assert_eq!(lab.live("www"), Some(2));
}

#[test]
fn a_compromised_key_is_replaced_published_and_then_revoked_by_one_command() {
    let lab = lab();
    let key = lab.read("state/live/www/privkey.pem");
    let ran = lab.run(&COMPROMISED);
    assert_eq!((ran.code, reasons(&lab)), (Some(0), vec![Some(1), None]), "{ran:?}");
    assert_eq!((lab.live("www"), lab.published("www")), (Some(2), Some(2)));
    assert_ne!(lab.read("state/live/www/privkey.pem"), key);
    assert_eq!(audited(&lab, Kind::Forced), [(None, "keyCompromise".to_owned())]);
    assert_eq!(audited(&lab, Kind::Revoked), [(Some(1), "keyCompromise".to_owned())]);
    let calls: Vec<String> = lab.sandbox.log().calls().into_iter().map(|call| call.operation).collect();
    let place = |operation: &str| calls.iter().rposition(|call| call == operation).unwrap();
    assert!(place("PutObject") > place("revokeCert") || place("certificate") < place("revokeCert"), "{calls:?}");
    lab.done();
    assert_eq!(lab.live("www"), Some(2));
}

#[test]
fn a_compromised_key_is_revoked_whatever_became_of_the_replacement() {
    let lab = lab();
    lab.sandbox.faults().script("newOrder", 1, Mishap::refused(400, "rejectedIdentifier"));
    let ran = lab.run(&COMPROMISED);
    assert_eq!((ran.code, reasons(&lab), lab.live("www")), (Some(3), vec![Some(1)], Some(1)), "{ran:?}");
    lab.forget_back_off();
    lab.done();
    assert_eq!((lab.live("www"), reasons(&lab)), (Some(2), vec![Some(1), None]));
}

#[test]
fn a_ca_that_does_not_take_the_certificates_key_is_asked_by_the_account() {
    let lab = lab();
    lab.sandbox.faults().script("revokeCert", 1, Mishap::refused(403, "unauthorized"));
    let ran = lab.run(&COMPROMISED);
    assert_eq!((ran.code, reasons(&lab)), (Some(0), vec![Some(1), None]), "{ran:?}");
}

#[test]
fn a_revocation_that_fails_is_a_failed_run_and_is_tried_again() {
    let lab = lab();
    lab.sandbox.faults().script("revokeCert", 10, Mishap::Unreached);
    let ran = lab.run(&COMPROMISED);
    assert_eq!((ran.code, lab.live("www"), reasons(&lab)), (Some(3), Some(2), vec![None, None]), "{ran:?}");
    assert!(ran.bad().iter().any(|bad| bad.starts_with("certs.revoke/www [acme:unreachable]")), "{ran:?}");
    lab.sandbox.faults().clear();
    lab.done();
    assert_eq!((reasons(&lab), lab.live("www")), (vec![Some(1), None], Some(2)));
    assert!(lab.inventory().journal.is_empty());
}

#[test]
fn a_crash_at_any_place_of_a_compromise_ends_with_one_replacement_and_a_revoked_key() {
    let (same_command, plain_apply) = (&COMPROMISED[..], &COMPROMISED[..2]);
    let places = [
        ("after-intent", same_command),
        ("after-intent", plain_apply),
        ("after-new-order", plain_apply),
        ("after-finalize", plain_apply),
        ("after-deploy", same_command),
        ("after-published", plain_apply),
        ("before-revoke", same_command),
        ("after-revoke", plain_apply),
    ];
    for (place, again) in places {
        let lab = lab();
        let ran = lab.run_with(&COMPROMISED, &[(VARIABLE, place)]);
        assert_eq!(ran.code, None, "{place} is not reached: {ran:?}");
        let ran = lab.run(again);
        let told = format!("{place}, then {again:?}: {ran:?}");
        assert_eq!((ran.code, reasons(&lab)), (Some(0), vec![Some(1), None]), "{told}");
        assert_eq!((lab.live("www"), lab.published("www"), lab.txt().len()), (Some(2), Some(2), 0), "{told}");
        assert!(lab.inventory().journal.is_empty(), "{told}");
    }
}

#[test]
fn an_order_that_was_under_way_at_a_compromise_is_left_behind() {
    let lab = lab();
    lab.make_due("www");
    let ran = lab.run_with(&["apply", "--auto-approve"], &[(VARIABLE, "after-validated")]);
    assert_eq!(ran.code, None);
    let csr = lab.entry("www").unwrap().attempt.unwrap().intent.csr;
    let ran = lab.run_with(&COMPROMISED, &[(VARIABLE, "after-intent")]);
    assert_eq!(ran.code, None, "{ran:?}");
    let entry = lab.entry("www").unwrap();
    assert_ne!(entry.attempt.unwrap().intent.csr, csr);
    let stored = lab.inventory().live.remove(&lineage("www")).unwrap();
    let serial = stored.facts().serial.clone();
    let expected = Revocation { version: 1, serial, reason: RevocationReason::KeyCompromise, by: None };
    assert_eq!(entry.revocations, [expected]);
}

#[test]
fn a_forced_name_that_is_in_neither_list_nor_store_is_an_error() {
    let lab = lab();
    let ran = lab.run(&["apply", "--auto-approve", "--force", "wwww", "--reason", "keyCompromise"]);
    assert!(ran.code == Some(64) && ran.err.contains("wwww"), "{ran:?}");
}
