//! `explain`

use countersign::explain::all;

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
fn without_a_rule_all_are_listed() {
    let ran = House::new().run(&["explain"]);
    assert!(all().all(|rule| ran.stdout.contains(&format!("  {} ", rule.id))));
    assert_eq!(ran.last_line(), format!("countersign explain: done (exit 0): {} rules", all().count()));
}

#[test]
fn an_unknown_rule_is_bad_usage_and_a_similar_one_is_named() {
    let ran = House::new().run(&["explain", "S1-unsigned"]);
    assert_eq!((ran.code, ran.stderr.contains("did you mean S01-unsigned")), (64, true), "{}", ran.stderr);
}
