//! The policy file: what is read, what is refused, and which rules match (T26, T27, T30).

use countersign::name::Identifier;
use countersign::trust::policy::Op;
use countersign::trust::{AllowedSigners, Policy};

const KEY: &str = "RWS7z90AmaxUIjBnjVdX5yUiTuI0gbTMn2o7YPYc7QNmNa/M00MIAa/d";

fn signers() -> AllowedSigners {
    AllowedSigners::parse(include_str!("../policy/allowed_signers.example"), "allowed_signers").unwrap()
}

/// Ann signs and approves, bob signs; `rest` follows.
fn read(rest: &str) -> Result<Policy, Vec<String>> {
    let people = format!("{{ann: {{signs: [ann@example.com], approves: [{KEY}]}}, bob: {{signs: [bob@example.com]}}}}");
    parse(&format!("version: 1\npeople: {people}\n{rest}\n"))
}

fn parse(text: &str) -> Result<Policy, Vec<String>> {
    let line = |d: &countersign::diag::Diagnostic| format!("{}: {}: {}", d.labels[0].place.line, d.code, d.message);
    Policy::parse(text, "policy.yaml", &signers()).map_err(|found| found.iter().map(line).collect())
}

fn rule(text: &str) -> Vec<String> {
    read(&format!("rules:\n  - {text}")).err().unwrap_or_default()
}

#[test]
fn the_example_is_valid() {
    assert_eq!(parse(include_str!("../policy/policy.example.yaml")).err(), None);
}

#[test]
fn every_fault_of_a_rule_is_found_with_its_line() {
    let table = [
        ("{id: r, names: [a.example.com], by: [an]}", "4: bad-value: `an` is not one of the people"),
        ("{id: r, names: [a.example.com], by: [ann, ann]}", "4: bad-value: `ann` stands twice"),
        ("{id: r, names: [a.example.com]}", "4: missing-key: a rule needs the key `by`"),
        ("{id: r, by: [ann]}", "4: bad-value: the rule does not say what it is about"),
        ("{id: r, names: [], by: [ann]}", "4: bad-value: a rule with no names matches nothing"),
        ("{id: r, name: [a.example.com], wildcard: true, by: [ann]}", "4: unknown-key: `name` is not a key of a rule"),
        ("{id: r, hooks: true, wildcard: true, by: [ann]}", "4: bad-value: a rule about hooks is about nothing else"),
        ("{id: r, wildcard: false, names: [a.b], by: [ann]}", "4: bad-value: `wildcard: false` means nothing"),
        ("{id: r, names: [a.b], ops: [delete], by: [ann]}", "4: bad-value: `delete` is not an operation"),
        ("{id: r, names: [a.b], ops: [], by: [ann]}", "4: bad-value: a rule about no operation matches nothing"),
        ("{id: r, names: [a.b.], by: [ann]}", "4: bad-identifier: a trailing dot is not part of an identifier"),
        ("{id: R, names: [a.b], by: [ann]}", "4: bad-value: `R` is not the id of a rule"),
        ("{id: r, names: [a.b], by: [ann], threshold: 0}", "4: bad-value: a number from 1 to 100 is expected"),
    ];
    assert_eq!(
        table.map(|(text, _)| (text, rule(text).first().cloned().unwrap_or_default())),
        table.map(|(text, found)| (text, found.to_owned()))
    );
}

#[test]
fn a_rule_that_nobody_can_satisfy_is_refused() {
    let locked = |rules: &str| rule(rules).iter().any(|line| line.contains("P09-lockout"));
    assert!(locked("{id: r, names: [a.b], by: []}"));
    assert!(locked("{id: r, names: [a.b], by: [bob], threshold: 2}"));
    assert!(locked("{id: r, hooks: true, by: [ann, bob], threshold: 2}"));
    assert!(!locked("{id: r, names: [a.b], by: [ann, bob], threshold: 2}"));
    assert!(!locked("{id: r, hooks: true, by: [ann, bob]}"));
}

#[test]
fn a_person_without_a_line_in_allowed_signers_cannot_sign() {
    let text = "version: 1\npeople: {eve: {signs: [eve@example.com]}}\nrules: [{id: r, names: [a.b], by: [eve]}]\n";
    assert!(parse(text).unwrap_err()[0].contains("P09-lockout"));
}

#[test]
fn nobody_counts_twice() {
    let twice = |people: &str| parse(&format!("version: 1\npeople: {people}\nrules: []\n")).unwrap_err();
    assert_eq!(twice("{ann: {signs: [a@b]}, bob: {signs: [a@b]}}"), ["2: bad-value: `a@b` already stands for `ann`"]);
    let keys = twice(&format!("{{ann: {{approves: [{KEY}]}}, bob: {{approves: [{KEY}]}}}}"));
    assert_eq!(keys, ["2: bad-value: this key already stands for `ann`"]);
    assert_eq!(twice("{ann: {}}"), ["2: bad-value: `ann` can neither sign nor approve"]);
    assert_eq!(twice("{ann: {approves: [RWQx]}}"), ["2: bad-value: `RWQx` is not a minisign public key"]);
}

#[test]
fn a_merger_is_not_a_person() {
    let found = read("mergers: [ann@example.com]\nrules: []").unwrap_err();
    assert_eq!(found, ["3: bad-value: `ann@example.com` signs for `ann`, so it cannot be a merger"]);
}

#[test]
fn two_rules_have_two_ids() {
    let found = read("rules:\n  - {id: r, names: [a.b], by: [ann]}\n  - {id: r, names: [c.d], by: [ann]}").unwrap_err();
    assert_eq!(found, ["5: bad-value: two rules have the id `r`"]);
}

#[test]
fn every_rule_that_matches_is_asked() {
    let policy = read(
        "rules:\n\
         - {id: team, names: [\"*.team.example.com\"], by: [bob]}\n\
         - {id: apex, names: [team.example.com], by: [ann]}\n\
         - {id: pay, names: [pay.team.example.com], by: [ann]}\n\
         - {id: gone, names: [\"*.team.example.com\"], ops: [remove], by: [ann]}\n\
         - {id: wild, wildcard: true, names: [\"*.team.example.com\"], by: [ann]}",
    )
    .unwrap();
    let ids = |name: &str, op| {
        let identifier = Identifier::parse(name).unwrap();
        policy.rules_for(&identifier, op).iter().map(|rule| rule.id.clone()).collect::<Vec<_>>().join(" ")
    };
    let table = [
        ("a.team.example.com", Op::Add, "team"),
        ("a.team.example.com", Op::Remove, "team gone"),
        ("pay.team.example.com", Op::Change, "team pay"),
        ("team.example.com", Op::Add, "apex"),
        ("*.team.example.com", Op::Add, "team pay wild"),
        ("*.example.com", Op::Add, ""),
        ("evilteam.example.com", Op::Add, ""),
        ("a.evilteam.example.com", Op::Add, ""),
        ("other.example.com", Op::Add, ""),
    ];
    assert_eq!(table.map(|(name, op, _)| (name, op, ids(name, op))), table.map(|(n, o, ids)| (n, o, ids.to_owned())));
}

#[test]
fn a_wildcard_needs_a_rule_that_says_so() {
    let policy = read("rules: [{id: team, names: [\"*.team.example.com\"], by: [bob]}]").unwrap();
    assert!(policy.rules_for(&Identifier::parse("*.team.example.com").unwrap(), Op::Add).is_empty());
}

#[test]
fn an_unknown_key_and_another_version_are_refused() {
    assert_eq!(read("rule: []").unwrap_err(), ["3: unknown-key: `rule` is not a key of a policy"]);
    let version = parse("version: 2\npeople: {}\nrules: []\n").unwrap_err();
    assert_eq!(version, ["1: unsupported-version: this version of the format is not known"]);
    assert!(parse("").is_err());
}
