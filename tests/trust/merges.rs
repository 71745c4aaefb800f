//! Merges add nothing of their own (T14, T15).

use super::*;

/// Ann changes the list on one line, bob something else on the other.
fn two_lines(house: &House) -> [CommitId; 2] {
    let base = &house.introduction;
    [
        house.on(&[base], &[("domains.yaml", &list(&["www"]))], &house.ann),
        house.on(&[base], &[("README", "x")], &house.bob),
    ]
}

#[test]
fn a_merge_that_takes_the_changed_side_is_verified() {
    let house = House::new();
    let [listed, other] = two_lines(&house);
    for parents in [[&listed, &other], [&other, &listed]] {
        let head = house.on(&parents, &[("domains.yaml", &list(&["www"])), ("README", "x")], &house.bob);
        let verified = house.verified(&house.root(), None, &head);
        let www = LineageName::parse("www").unwrap();
        let [ann, bob] = [&house.ann, &house.bob].map(|who| format!("{} {}", who.principal(), who.fingerprint()));
        assert_eq!(verified.provenance(&www).signers, [ann, bob]);
    }
}

#[test]
fn a_merge_that_adds_a_name_of_its_own_is_refused() {
    let house = House::new();
    let [listed, other] = two_lines(&house);
    let head = house.on(&[&listed, &other], &[("domains.yaml", &list(&["www", "evil"]))], &house.bob);
    assert_eq!(house.rules(&head), ["H04-evil-merge"]);
}

#[test]
fn a_merge_that_drops_a_change_is_refused() {
    let house = House::new();
    let [listed, other] = two_lines(&house);
    let ours = house.on(&[&other, &listed], &[], &house.bob);
    assert_eq!(house.rules(&ours), ["H04-evil-merge"]);
}

#[test]
fn a_merge_of_two_lines_that_both_changed_the_list_is_refused() {
    let house = House::new();
    let base = &house.introduction;
    let one = house.on(&[base], &[("domains.yaml", &list(&["one"]))], &house.ann);
    let other = house.on(&[base], &[("domains.yaml", &list(&["other"]))], &house.bob);
    let head = house.on(&[&one, &other], &[("domains.yaml", &list(&["one", "other"]))], &house.ann);
    assert_eq!(house.rules(&head), ["H04-evil-merge"]);
}

#[test]
fn an_evil_merge_is_refused_although_nobody_had_to_sign_it() {
    let house = House::new();
    let [listed, other] = two_lines(&house);
    let head = house.repo.commit_on(&[other, listed], &[("hooks/on-failure", "#!/bin/sh\n")], "merge", None).unwrap();
    let protected = TrustRoot { require: Require::Protected, ..house.root() };
    assert_eq!(rules(&house.judge(&protected, None, &head)), ["H04-evil-merge", "H04-evil-merge"]);
}

#[test]
fn lines_that_were_merged_crosswise_are_refused() {
    let house = House::new();
    let [listed, other] = two_lines(&house);
    let both = [("domains.yaml", list(&["www"])), ("README", "x".to_owned())];
    let both: Vec<_> = both.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let one = house.on(&[&listed, &other], &both, &house.bob);
    let cross = house.on(&[&other, &listed], &both, &house.bob);
    let changed = house.on(&[&cross], &[("domains.yaml", &list(&["new"]))], &house.ann);
    let head = house.on(&[&one, &changed], &[("domains.yaml", &list(&["new"]))], &house.bob);
    assert_eq!(house.rules(&head), ["H04-evil-merge"]);
}

#[test]
fn a_merge_of_three_lines_is_refused() {
    let house = House::new();
    let [listed, other] = two_lines(&house);
    let third = house.on(&[&house.introduction], &[("NEWS", "x")], &house.bob);
    let head = house.on(&[&listed, &other, &third], &[], &house.bob);
    assert_eq!(house.rules(&head), ["G10-octopus"]);
}

#[test]
fn two_lines_may_change_different_files_of_a_list_directory() {
    let house = House::with(&[("domains/a.yaml", &list(&["a"])), ("domains/b.yaml", &list(&["b"]))]);
    let base = &house.introduction;
    let (a, b) = (list(&["a", "a2"]), list(&["b", "b2"]));
    let one = house.on(&[base], &[("domains/a.yaml", &a)], &house.ann);
    let other = house.on(&[base], &[("domains/b.yaml", &b)], &house.bob);
    let good = house.on(&[&one, &other], &[("domains/b.yaml", &b)], &house.bob);
    let evil = house.on(&[&one, &other], &[("domains/b.yaml", &b), ("domains/c.yaml", &list(&["c"]))], &house.bob);
    let root = TrustRoot { list: ListPath::parse("domains/").unwrap(), ..house.root() };
    assert_eq!(names(&house.verified(&root, None, &good)), ["a", "a2", "b", "b2"]);
    let refused = house.refused(&root, None, &evil);
    let found: Vec<_> = refused.refusals.iter().map(|r| (r.rule.as_str(), r.path.as_deref())).collect();
    assert_eq!(found, [("H04-evil-merge", Some("domains/c.yaml"))]);
}
