//! The verdict on a branch.

use super::*;

#[test]
fn a_branch_of_signed_commits_may_be_merged() {
    let house = House::new();
    house.commit(&[("domains.yaml", &list(&["www"]))], Some("ann"));
    house.commit(&[("README", "hello")], Some("ann"));
    let ran = house.validate(&[]);
    let expected = "countersign validate: done (exit 0): 2 new commits, 1 certificate, 0 errors, 0 warnings";
    assert_eq!((ran.code, ran.last_line()), (0, expected), "{}", ran.stderr);
}

#[test]
fn a_broken_rule_is_told_with_commit_line_name_and_what_satisfies_it() {
    let house = House::new();
    let bad = house.commit(&[("domains.yaml", &list(&["www"]))], None);
    house.commit(&[("domains.yaml", &list(&["api", "www"]))], Some("ann"));
    let ran = house.validate(&[]);
    let expected = format!(
        "error[S01-unsigned]: the commit is not signed\n --> domains.yaml:5:11\n  commit: {bad}\n  names: www\n  \
         help: sign with an SSH key:\n"
    );
    assert_eq!((ran.code, ran.stderr.contains(&expected)), (4, true), "{}", ran.stderr);
}

#[test]
fn an_unknown_key_is_told_with_its_fingerprint() {
    let house = House::new();
    house.commit(&[("domains.yaml", &list(&["www"]))], Some("mallory"));
    let key = house.tool(&house.path(""), "ssh-keygen", &["-lf", "mallory.pub"]);
    let signer = format!("  signer: {}\n", key.split(' ').nth(1).unwrap());
    let ran = house.validate(&[]);
    assert_eq!((ran.code, ran.stderr.contains(&signer)), (4, true), "{}", ran.stderr);
}

#[test]
fn a_signed_commit_does_not_cover_the_unsigned_one_below_it() {
    let house = House::new();
    house.commit(&[("domains.yaml", &list(&["evil"]))], None);
    house.commit(&[("README", "hello")], Some("ann"));
    assert_eq!(house.rules(&[]), refused(&["S01-unsigned"]));
}

#[test]
fn a_list_with_errors_is_refused_with_line_and_column() {
    let house = House::new();
    house.commit(&[("domains.yaml", &list(&["www", "www"]))], Some("ann"));
    let ran = house.validate(&[]);
    assert_eq!(ran.code, 4);
    assert!(ran.stderr.contains("error[duplicate-name]") && ran.stderr.contains("domains.yaml:5:11"), "{}", ran.stderr);
}

#[test]
fn what_is_not_committed_does_not_count() {
    let house = House::new();
    house.write("clone/domains.yaml", "rubbish: [");
    assert_eq!(house.rules(&[]), VALID);
    assert_eq!(house.run(&["validate"]).code, 4);
}

/// The base goes on after the branch has left it.
fn parted(ours: &[(&str, &str)], theirs: &[(&str, &str)]) -> House {
    let house = House::new();
    house.git(&["switch", "-q", "-c", "other"]);
    house.commit(ours, Some("ann"));
    house.git(&["push", "-q", "origin", "HEAD:main"]);
    house.git(&["switch", "-q", "feature"]);
    house.commit(theirs, Some("ann"));
    house
}

#[test]
fn a_branch_behind_its_base_may_be_merged_but_not_pushed() {
    let house = parted(&[("README", "x")], &[("domains.yaml", &list(&["www"]))]);
    assert_eq!(house.rules(&[]), refused(&["H01-rollback"]));
    assert_eq!(house.rules(&["--merge-method", "merge"]), VALID);
}

#[test]
fn a_merge_of_two_lines_that_both_changed_the_list_is_foreseen() {
    let house = parted(&[("domains.yaml", &list(&["api"]))], &[("domains.yaml", &list(&["www"]))]);
    assert_eq!(house.rules(&["--merge-method", "merge"]), refused(&["H04-evil-merge"]));
}

#[test]
fn a_merge_of_files_that_are_only_valid_apart_is_foreseen() {
    let claim = |name: &str| format!("version: 1\ncertificates: [{{name: {name}, domains: [www.example.com]}}]\n");
    let house = parted(&[("domains/a.yaml", &claim("a"))], &[("domains/b.yaml", &claim("b"))]);
    let config = std::fs::read_to_string(house.path("runner/countersign.yaml")).unwrap();
    house.write("runner/countersign.yaml", &config.replace("allow_local", "list: domains/, allow_local"));
    assert_eq!(house.rules(&["--merge-method", "merge"]), refused(&["C14-invalid-list"]));
    let told = house.validate(&["--merge-method", "merge"]).stderr;
    assert!(told.contains("duplicate-identifier-set") && told.contains("domains/b.yaml:2"), "{told}");
}

#[test]
fn an_older_commit_than_the_base_is_a_rollback() {
    let house = House::new();
    house.commit(&[("domains.yaml", &list(&["www"]))], Some("ann"));
    house.git(&["push", "-q", "origin", "HEAD:main"]);
    assert_eq!(house.rules(&["--head", "HEAD~1"]), refused(&["H01-rollback"]));
}

#[test]
fn a_history_of_its_own_is_refused() {
    let house = House::new();
    house.git(&["switch", "-q", "--orphan", "orphan"]);
    house.commit(&[("domains.yaml", EMPTY)], Some("ann"));
    assert_eq!(house.rules(&["--merge-method", "merge"]), refused(&["H01-rollback"]));
}

#[test]
fn a_base_without_the_introduction_is_refused() {
    let house = House::new();
    house.git(&["switch", "-q", "--orphan", "orphan"]);
    house.commit(&[("domains.yaml", EMPTY)], Some("ann"));
    let ran = house.run(&["validate", "--base", "orphan"]);
    assert_eq!((ran.code, ran.stderr.contains("does not descend from the introduction")), (4, true), "{}", ran.stderr);
}

#[test]
fn a_squash_or_rebase_by_the_forge_loses_the_signatures() {
    let house = House::new();
    house.commit(&[("domains.yaml", &list(&["www"]))], Some("ann"));
    for method in ["squash", "rebase"] {
        assert_eq!(house.rules(&["--merge-method", method]), refused(&["X07-squash-surprise"]), "{method}");
    }
    assert_eq!(house.rules(&["--merge-method", "merge"]), VALID);
}

#[test]
fn a_squash_of_nothing_protected_is_fine_where_only_that_has_to_be_signed() {
    let house = House::new();
    house.commit(&[("README", "hello")], None);
    let config = house.config().replace("trust: {introduction", "trust: {require: protected, introduction");
    let base = house.id("origin/main");
    house.write("runner/countersign.yaml", &config.replace(&house.id("HEAD"), &base));
    assert_eq!(house.rules(&["--merge-method", "squash"]), VALID);
    house.commit(&[("hooks/after-issue", "#!/bin/sh\n")], Some("ann"));
    assert_eq!(house.rules(&["--merge-method", "squash"]), refused(&["X07-squash-surprise"]));
}

#[test]
fn a_merge_names_those_who_may_sign_it() {
    let house = House::new();
    house.commit(&[("domains.yaml", &list(&["www"]))], Some("ann"));
    let note = "note: the merge commit is to be signed by one of these, and to add nothing of its own:\n  ann@example.com SHA256:";
    assert!(house.validate(&["--merge-method", "merge"]).stdout.contains(note));
}

#[test]
fn the_verdict_is_that_of_the_runner() {
    let heads = [
        ("domains.yaml", list(&["www"]), Some("ann")),
        ("domains.yaml", list(&["www"]), None),
        ("domains.yaml", list(&["www"]), Some("mallory")),
        ("domains.yaml", list(&["www", "www"]), Some("ann")),
        ("Domains.yaml", list(&["www"]), Some("ann")),
    ];
    for (path, text, signer) in heads {
        let house = House::new();
        house.commit(&[(path, &text)], signer);
        let (code, rules) = house.rules(&[]);
        house.git(&["push", "-q", "origin", "HEAD:main"]);
        let run = house.run(&["verify"]);
        assert_eq!(run.code, code, "{}", run.stderr);
        assert!(rules.iter().all(|rule| run.stderr.contains(rule)), "{rules:?}: {}", run.stderr);
    }
}

/// A house in which two people have to agree on every name.
fn two_of_two() -> House {
    let house = House::new();
    let config = house
        .config()
        .replace("allowed_signers: allowed_signers", "allowed_signers: allowed_signers, policy: policy.yaml");
    house.write("runner/countersign.yaml", &config);
    house.write(
        "runner/policy.yaml",
        "version: 1\n\
         people:\n  ann: {signs: [ann@example.com]}\n  \
         bob: {approves: [RWS7z90AmaxUIjBnjVdX5yUiTuI0gbTMn2o7YPYc7QNmNa/M00MIAa/d]}\n\
         rules:\n  - {id: both, names: [\"*.example.com\"], by: [ann, bob], threshold: 2}\n",
    );
    house
}

#[test]
fn a_branch_that_only_lacks_approvals_is_not_wrong() {
    let house = two_of_two();
    house.commit(&[("domains.yaml", &list(&["www"]))], Some("ann"));
    assert_eq!(house.rules(&[]), (6, vec!["P04-threshold".to_owned()]));
    let ran = house.validate(&[]);
    assert!(
        ran.stderr.contains(" --> domains.yaml:3:11\n") && ran.stderr.contains("names: www.example.com"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_branch_that_also_breaks_a_rule_is_refused() {
    let house = two_of_two();
    house.commit(&[("domains.yaml", &list(&["www"]))], Some("ann"));
    assert_eq!(house.rules(&["--merge-method", "squash"]).0, 4);
    house.commit(&[("README", "x")], None);
    assert_eq!(house.rules(&[]).0, 4);
}
