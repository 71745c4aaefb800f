//! `explain`

use countersign::explain::{all, kinds};

use super::*;

#[test]
fn every_rule_is_explained() {
    let house = House::new();
    for rule in all() {
        let ran = house.run(&["explain", rule.id]);
        assert_eq!((ran.code, ran.stdout.contains(rule.why)), (0, true), "{}", rule.id);
    }
}

#[test]
fn without_a_code_all_are_listed() {
    let ran = House::new().run(&["explain"]);
    let ids = all().map(|rule| rule.id).chain(kinds().map(|kind| kind.code));
    assert_eq!(ids.filter(|id| !ran.stdout.contains(&format!("  {id} "))).collect::<Vec<_>>(), [""; 0]);
    let (rules, kinds) = (all().count(), kinds().count());
    assert_eq!(ran.last_line(), format!("countersign explain: done (exit 0): {rules} rules, {kinds} kinds of failure"));
}

#[test]
fn the_code_behind_a_failure_is_explained_under_the_name_that_the_server_gave() {
    let ran = House::new().run(&["explain", "s3:NoSuchBucket"]);
    assert_eq!((ran.code, ran.stdout.lines().next()), (0, Some("s3:NoSuchBucket")), "{}", ran.stderr);
}

#[test]
fn a_code_is_recognised_in_brackets_in_capitals_and_a_rule_by_its_number() {
    let house = House::new();
    for (typed, meant) in [("[dns:lookup]", "dns:lookup"), ("RUN:LOCKED", "run:locked"), ("g12", "G12-two-signatures")]
    {
        assert_eq!(house.run(&["explain", typed]).stdout.lines().next(), Some(meant), "{typed}");
    }
}

#[test]
fn an_unknown_rule_is_bad_usage_and_a_similar_one_is_named() {
    let ran = House::new().run(&["explain", "S1-unsigned"]);
    assert_eq!((ran.code, ran.stderr.contains("did you mean S01-unsigned")), (64, true), "{}", ran.stderr);
}
