//! What is kept between runs (T55, T59).

use super::*;

#[test]
fn the_last_verified_list_is_there_while_the_head_is_refused() {
    let house = House::new();
    let good = house.commit(&[("domains.yaml", &list(&["www"]))], &house.ann);
    let state = house.verified(&house.root(), None, &good).state().clone();
    let bad = house.repo.commit(&[("domains.yaml", &list(&["evil"]))], "change", None).unwrap();
    assert_eq!(rules(&house.judge(&house.root(), Some(&state), &bad)), ["S01-unsigned"]);
    let Verdict::Verified(last) = trust::last_verified(&house.root(), &state, &house.store(), None).unwrap() else {
        panic!("refused");
    };
    assert_eq!((names(&last), last.commit()), (vec!["www".to_owned()], &good));
}

#[test]
fn what_was_verified_under_another_trust_root_is_not_to_be_signed_again() {
    let house = House::new();
    let good = house.commit(&[("domains.yaml", &list(&["www"]))], &house.ann);
    let state = house.verified(&house.root(), None, &good).state().clone();
    let bad = house.repo.commit(&[("domains.yaml", &list(&["evil"]))], "change", None).unwrap();
    let root = TrustRoot { revoked: [house.mallory.fingerprint()].into(), ..house.root() };
    let Verdict::Refused(refused) = house.judge(&root, Some(&state), &bad) else { panic!("verified") };
    assert!(refused.refusals[0].hint.ends_with(&format!(" {good}")), "{}", refused.refusals[0].hint);
}

#[test]
fn a_state_that_does_not_belong_to_the_store_is_refused() {
    let house = House::new();
    let state = house.verified(&house.root(), None, &house.introduction).state().clone();
    let edited = TrustState { list: Digest::of(b"other"), ..state };
    let verdict = trust::last_verified(&house.root(), &edited, &house.store(), None).unwrap();
    assert_eq!(rules(&verdict), ["X01-state"]);
}

#[test]
fn the_state_survives_json() {
    let house = House::new();
    let head = house.commit(&[("domains.yaml", &list(&["www"]))], &house.ann);
    let state = house.verified(&house.root(), None, &head).state().clone();
    let json = serde_json::to_string(&state).unwrap();
    assert_eq!(serde_json::from_str::<TrustState>(&json).unwrap(), state);
}

#[test]
fn the_authors_of_the_list_are_remembered_over_runs() {
    let house = House::new();
    let first = house.commit(&[("domains.yaml", &list(&["www"]))], &house.ann);
    let state = house.verified(&house.root(), None, &first).state().clone();
    let head = house.commit(&[("README", "x")], &house.bob);
    let verified = house.verified(&house.root(), Some(&state), &head);
    let [ann, bob] = [&house.ann, &house.bob].map(|who| format!("{} {}", who.principal(), who.fingerprint()));
    assert_eq!(verified.provenance(&LineageName::parse("www").unwrap()).signers, [ann, bob]);
}

#[test]
fn everything_that_changes_a_verdict_changes_the_digest_of_the_trust_root() {
    let house = House::new();
    let root = house.root();
    let narrower = house.ann.allowed_signers_line().replace("\"git\"", "\"git\",valid-before=\"20270101Z\"");
    let roots = [
        root.clone(),
        TrustRoot { introduction: CommitId::parse(&"a".repeat(40)).unwrap(), ..root.clone() },
        TrustRoot { signers: signers(&[&house.ann]), ..root.clone() },
        TrustRoot { signers: AllowedSigners::parse(&narrower, "").unwrap(), ..root.clone() },
        TrustRoot { revoked: [house.mallory.fingerprint()].into(), ..root.clone() },
        TrustRoot { require: Require::Protected, ..root.clone() },
        TrustRoot { ref_name: "refs/heads/other".to_owned(), ..root.clone() },
        TrustRoot { list: ListPath::parse("domains/").unwrap(), ..root.clone() },
        TrustRoot { list: ListPath::parse("domains.yml").unwrap(), ..root },
    ];
    assert_eq!(roots.iter().map(TrustRoot::digest).collect::<BTreeSet<_>>().len(), roots.len());
}

#[test]
fn each_entry_has_the_signer_who_made_it_what_it_is() {
    let house = House::with(&[("domains.yaml", &list(&["old", "moved"]))]);
    house.commit(&[("domains.yaml", &list(&["old", "moved", "anns", "both"]))], &house.ann);
    let changed = list(&["moved", "old", "bobs", "anns", "both"]).replace("[both.example.com]", "[other.example.com]");
    let head = house.commit(&[("domains.yaml", &changed)], &house.bob);
    let verified = house.verified(&house.root(), None, &head);
    let first = |name: &str| {
        let made = verified.state().authors.of(&LineageName::parse(name).unwrap());
        made.first().and_then(|signer| signer.split(' ').next()).map(str::to_owned).unwrap()
    };
    let found = ["old", "moved", "anns", "bobs", "both"].map(first);
    let (ann, bob) = (house.ann.principal(), house.bob.principal());
    assert_eq!(found, ["introduction", "introduction", ann, bob, bob]);
}

#[test]
fn the_state_says_since_when_the_head_is_what_it_is() {
    let house = House::new();
    let head = house.commit(&[("domains.yaml", &list(&["www"]))], &house.ann);
    let later = NOW + time::Duration::days(3);
    let at = |state: Option<&TrustState>, head: &CommitId, now: OffsetDateTime| {
        let verdict = trust::verify(&house.root(), state, head, &house.store(), now, None).unwrap();
        let Verdict::Verified(list) = verdict else { panic!("refused") };
        list.state().clone()
    };
    let first = at(None, &head, NOW);
    let again = at(Some(&first), &head, later);
    assert_eq!([first.moved_at, again.moved_at, Some(again.verified_at)], [Some(NOW), Some(NOW), Some(later)]);
    let older = TrustState { moved_at: None, ..first };
    assert_eq!(at(Some(&older), &head, later).moved_at, Some(NOW), "a state of an older version");
    let next = house.commit(&[("README", "x")], &house.ann);
    assert_eq!(at(Some(&again), &next, later).moved_at, Some(later));
}
