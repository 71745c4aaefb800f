//! Keys that are withdrawn (T8, T32).

use super::*;

#[test]
fn a_revoked_key_is_refused_although_it_stands_in_allowed_signers() {
    let house = House::new();
    let head = house.commit(&[("domains.yaml", &list(&["www"]))], &house.ann);
    let root = TrustRoot { revoked: [house.ann.fingerprint()].into(), ..house.root() };
    let refused = house.refused(&root, None, &head);
    let refusal = &refused.refusals[0];
    assert_eq!((refusal.rule.as_str(), refusal.principal.as_deref()), ("S08-revoked", Some("ann@example.com")));
}

#[test]
fn a_backdated_commit_of_a_revoked_key_is_refused() {
    let mut house = House::new();
    house.repo.set_time(datetime!(2001-01-01 00:00 UTC));
    let head = house.commit(&[("domains.yaml", &list(&["www"]))], &house.ann);
    let root = TrustRoot { revoked: [house.ann.fingerprint()].into(), ..house.root() };
    assert_eq!(rules(&house.judge(&root, None, &head)), ["S08-revoked"]);
}

#[test]
fn a_revocation_takes_effect_although_the_head_has_not_moved() {
    let house = House::new();
    let head = house.commit(&[("domains.yaml", &list(&["www"]))], &house.ann);
    let state = house.verified(&house.root(), None, &head).state().clone();
    let root = TrustRoot { revoked: [house.ann.fingerprint()].into(), ..house.root() };
    assert_eq!(rules(&house.judge(&root, Some(&state), &head)), ["S08-revoked"]);
}

#[test]
fn a_revoked_commit_stays_refused_when_a_merge_drops_what_it_did() {
    let house = House::new();
    let bad = house.on(&[&house.introduction], &[("domains.yaml", &list(&["evil"]))], &house.ann);
    let good = house.on(&[&house.introduction], &[("README", "x")], &house.bob);
    let merge = house.on(&[&good, &bad], &[], &house.bob);
    let root = TrustRoot { revoked: [house.ann.fingerprint()].into(), ..house.root() };
    assert_eq!(rules(&house.judge(&root, None, &merge)), ["S08-revoked", "H04-evil-merge"]);
}

#[test]
fn what_a_signer_made_before_it_was_taken_out_stays() {
    let house = House::new();
    let before = house.commit(&[("domains.yaml", &list(&["www"]))], &house.ann);
    let state = house.verified(&house.root(), None, &before).state().clone();
    let root = TrustRoot { signers: signers(&[&house.bob]), ..house.root() };
    let verified = house.verified(&root, Some(&state), &before);
    assert_eq!((names(&verified), verified.commits_walked()), (vec!["www".to_owned()], 1));
}

#[test]
fn what_a_signer_makes_after_it_was_taken_out_is_refused() {
    let house = House::new();
    let before = house.commit(&[("domains.yaml", &list(&["www"]))], &house.ann);
    let state = house.verified(&house.root(), None, &before).state().clone();
    let after = house.commit(&[("domains.yaml", &list(&["more"]))], &house.ann);
    let root = TrustRoot { signers: signers(&[&house.bob]), ..house.root() };
    let refused = house.refused(&root, Some(&state), &after);
    let found: Vec<_> = refused.refusals.iter().map(|r| (r.rule.as_str(), r.commit.as_ref())).collect();
    assert_eq!(found, [("S02-unknown-key", Some(&after))]);
}

#[test]
fn a_moved_introduction_leaves_revoked_commits_behind() {
    let house = House::new();
    let bad = house.commit(&[("domains.yaml", &list(&["www"]))], &house.ann);
    let state = house.verified(&house.root(), None, &bad).state().clone();
    let head = house.commit(&[("README", "x")], &house.bob);
    let root = TrustRoot { revoked: [house.ann.fingerprint()].into(), introduction: bad, ..house.root() };
    assert_eq!(house.verified(&root, Some(&state), &head).commits_walked(), 1);
}
