//! Who stands for something: whoever made it so on a line on which it stayed so (T15, T26, T33).

use countersign::lineage::Provenance;

use super::approvals::Case;
use super::policy::{ONE, TEAMS, TWO, entries, found, house, scope};
use super::*;

const NEW: &str = "name: new, domains: [y.a.example.com]";

/// Merges of two heads with these files, in both orders, each by bob.
fn merged(house: &House, heads: [&CommitId; 2], files: &[(&str, &str)]) -> [CommitId; 2] {
    let [one, other] = heads;
    [house.on(&[one, other], files, &house.bob), house.on(&[other, one], files, &house.bob)]
}

#[test]
fn what_was_taken_back_does_not_cover_the_same_of_somebody_else() {
    let house = house();
    let (before, after) = (entries(&[ONE, TWO]), entries(&[ONE, TWO, NEW]));
    let added = house.on(&[&house.introduction], &[("domains.yaml", &after)], &house.ann);
    let taken_back = house.on(&[&added], &[("domains.yaml", &before)], &house.ann);
    let again = house.on(&[&house.introduction], &[("domains.yaml", &after)], &house.bob);
    for head in merged(&house, [&taken_back, &again], &[("domains.yaml", &after)]) {
        assert_eq!(found(&house.judge(&house.ruled(TEAMS), None, &head)), scope("y.a.example.com"));
    }
}

#[test]
fn what_was_taken_back_in_one_file_does_not_cover_it_while_others_change() {
    let (before, after) = (entries(&[ONE]), entries(&[ONE, NEW]));
    let house = House::with(&[("domains/a.yaml", &before), ("domains/b.yaml", &entries(&[TWO]))]);
    let changed = entries(&["name: three, domains: [z.a.example.com]"]);
    let added = house.on(&[&house.introduction], &[("domains/a.yaml", &after)], &house.ann);
    let taken_back = house.on(&[&added], &[("domains/a.yaml", &before), ("domains/c.yaml", &changed)], &house.ann);
    let again = house.on(&[&house.introduction], &[("domains/a.yaml", &after)], &house.bob);
    let root = TrustRoot { list: ListPath::parse("domains/").unwrap(), ..house.ruled(TEAMS) };
    let files = [("domains/a.yaml", after.as_str()), ("domains/c.yaml", &changed)];
    for head in merged(&house, [&taken_back, &again], &files) {
        assert_eq!(found(&house.judge(&root, None, &head)), scope("y.a.example.com"));
    }
}

#[test]
fn a_script_that_was_taken_back_does_not_cover_the_same_of_somebody_else() {
    let house = house();
    let script = [("hooks/after-issue", "#!/bin/sh\n")];
    let nothing = house.on(&[&house.introduction], &[("README", "x")], &house.ann);
    let added = house.on(&[&nothing], &script, &house.ann);
    let without = house.repo.tree_with(&added, "hooks", None).unwrap();
    let taken_back = house.repo.commit_tree(without, &[added], "take back", Some(&house.ann)).unwrap();
    let again = house.on(&[&house.introduction], &script, &house.bob);
    let root = house.ruled("rules: [{id: hooks, hooks: true, by: [ann]}]");
    for head in merged(&house, [&taken_back, &again], &[script[0], ("README", "x")]) {
        assert_eq!(found(&house.judge(&root, None, &head)), scope("hooks/after-issue"));
    }
}

#[test]
fn whoever_corrects_a_list_does_not_stand_for_what_was_slipped_in_while_nobody_could_read_it() {
    let house = house();
    let (broken, corrected) = (format!("{}oops", entries(&[ONE, TWO, NEW])), entries(&[ONE, TWO, NEW]));
    house.commit(&[("domains.yaml", &broken)], &house.bob);
    let head = house.commit(&[("domains.yaml", &corrected)], &house.ann);
    let refused = house.refused(&house.ruled(TEAMS), None, &head);
    assert_eq!(found(&Verdict::Refused(refused.clone().into())), scope("y.a.example.com"));
    assert!(refused.refusals[0].hint.starts_with("the list could not be read for a while"), "{refused:?}");

    house.commit(&[("domains.yaml", &entries(&[ONE, TWO]))], &house.bob);
    let head = house.commit(&[("domains.yaml", &corrected)], &house.ann);
    assert_eq!(found(&house.judge(&house.ruled(TEAMS), None, &head)), []);
}

#[test]
fn whoever_breaks_and_corrects_a_list_stands_for_it() {
    let house = house();
    house.commit(&[("domains.yaml", &format!("{}oops", entries(&[ONE, TWO, NEW])))], &house.ann);
    let head = house.commit(&[("domains.yaml", &entries(&[ONE, TWO, NEW]))], &house.ann);
    assert_eq!(found(&house.judge(&house.ruled(TEAMS), None, &head)), []);
}

#[test]
fn of_what_was_made_while_nobody_could_read_the_list_both_are_named() {
    let house = house();
    house.commit(&[("domains.yaml", &format!("{}oops", entries(&[ONE, TWO, NEW])))], &house.bob);
    let head = house.commit(&[("domains.yaml", &entries(&[ONE, TWO, NEW]))], &house.ann);
    let verified = house.verified(&house.root(), None, &head);
    let signers = |name| {
        let Provenance { signers, .. } = verified.provenance(&LineageName::parse(name).unwrap());
        signers.iter().map(|signer| signer.split('@').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((signers("new"), signers("one").len()), (vec!["ann".to_owned(), "bob".to_owned()], 2));
    assert!(signers("one")[0].starts_with("introduction"), "{:?}", signers("one"));
}

#[test]
fn an_approval_of_what_was_taken_back_does_not_cover_another_line() {
    let case = Case::new();
    let (house, www) = (&case.house, list(&["www"]));
    let again = www.replace("version", "# again\nversion");
    let approved = case.changed(EMPTY, &www, &[]);
    let taken_back = house.on(&[&approved], &[("domains.yaml", EMPTY)], &house.ann);
    let other = house.on(&[&house.introduction], &[("domains.yaml", &again)], &house.ann);
    let tree = house.repo.tree_with(&taken_back, "domains.yaml", Some((&again, 0o100644))).unwrap();
    for parents in [[taken_back.clone(), other.clone()], [other, taken_back]] {
        let head = house.repo.commit_tree(tree, &parents, "merge", Some(&house.ann)).unwrap();
        assert_eq!(rules(&house.judge(&case.root, None, &head)), ["P04-threshold"]);
    }
}
