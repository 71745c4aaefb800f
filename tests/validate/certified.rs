//! Commits that git signed with an SSH certificate, and the runner's memory of when it saw them (T7).

use super::*;

/// A house whose runner pins an authority, which may vouch for ann.
fn house() -> House {
    let house = House::new();
    let at = house.path("");
    house.tool(&at, "ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", "ca"]);
    let fingerprint = house.tool(&at, "ssh-keygen", &["-l", "-f", "ca.pub"]);
    let fingerprint = fingerprint.split(' ').nth(1).unwrap();
    let public = std::fs::read_to_string(house.path("ca.pub")).unwrap();
    house.write("runner/allowed_signers", &format!("ann@example.com cert-authority,namespaces=\"git\" {public}"));
    let pinned = format!("trust: {{certificate_authorities: [\"{fingerprint}\"], ");
    house.write("runner/countersign.yaml", &house.config().replace("trust: {", &pinned));
    house
}

/// Certifies ann's key for a time, commits a list with it, and pushes that to the runner's branch.
fn change(house: &House, validity: &str) -> String {
    let options = ["-q", "-s", "ca", "-I", "ann", "-n", "ann@example.com", "-V", validity, "ann.pub"];
    house.tool(&house.path(""), "ssh-keygen", &options);
    let commit = house.commit(&[("domains.yaml", &list(&["www"]))], Some("ann-cert"));
    house.git(&["push", "-q", "origin", "HEAD:main"]);
    commit
}

fn first_seen(house: &House) -> Option<serde_json::Value> {
    let text = std::fs::read_to_string(house.path("runner/state/first-seen.json")).ok()?;
    Some(serde_json::from_str(&text).unwrap())
}

#[test]
fn a_commit_that_git_signs_with_a_certificate_is_verified() {
    let house = house();
    change(&house, "-5m:+1h");
    let ran = house.run(&["verify"]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("signed by ann@example.com SHA256:"), "{}", ran.stdout);
}

#[test]
fn a_branch_that_git_signs_with_a_certificate_is_valid_before_it_is_merged() {
    let house = house();
    change(&house, "-5m:+1h");
    house.git(&["update-ref", "refs/remotes/origin/main", "HEAD~1"]);
    assert_eq!(house.rules(&[]), VALID);
    change(&house, "-2h:-1h");
    house.git(&["update-ref", "refs/remotes/origin/main", "HEAD~1"]);
    assert_eq!(house.rules(&[]), refused(&["S07-ca-cert"]));
}

#[test]
fn a_refused_head_is_remembered_with_the_time_of_its_certified_commits_until_it_is_verified() {
    let house = house();
    let certified = change(&house, "-5m:+1h");
    house.commit(&[("README", "x")], None);
    house.git(&["push", "-q", "origin", "HEAD:main"]);
    assert_eq!(house.run(&["verify"]).code, 4);
    let seen = first_seen(&house).unwrap();
    assert_eq!(seen.as_object().unwrap().keys().collect::<Vec<_>>(), [&certified]);
    assert_eq!(house.run(&["verify"]).code, 4);
    assert_eq!(first_seen(&house), Some(seen), "the second look does not count");
    house.git(&["push", "-q", "-f", "origin", &format!("{certified}:main")]);
    assert_eq!(house.run(&["verify"]).code, 0);
    assert_eq!(first_seen(&house), Some(serde_json::json!({})));
}

#[test]
fn a_certificate_that_has_ended_counts_if_the_commit_was_seen_before() {
    let house = house();
    let certified = change(&house, "-2h:-1h");
    let ran = house.run(&["verify"]);
    assert_eq!((ran.code, first_seen(&house)), (4, None));
    assert!(ran.stderr.contains("was not valid when the commit was seen first"), "{}", ran.stderr);
    let then = countersign::port::Clock::now(&countersign::clock::SystemClock) - time::Duration::minutes(90);
    let then = then.format(&time::format_description::well_known::Rfc3339).unwrap();
    house.write("runner/state/first-seen.json", &serde_json::json!({ certified: then }).to_string());
    assert_eq!(house.run(&["verify"]).code, 0);
}

#[test]
fn a_damaged_memory_of_certificates_makes_them_count_for_less_and_stops_nothing() {
    let house = house();
    change(&house, "-5m:+1h");
    house.run(&["verify"]);
    house.write("runner/state/first-seen.json", "{");
    assert_eq!(house.run(&["verify"]).code, 0);
}

#[test]
fn an_authority_that_is_not_pinned_is_an_error_of_the_runners_files() {
    let house = house();
    house.write("runner/countersign.yaml", &house.config());
    let ran = house.run(&["verify"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("signers-cert-authority"), "{}", ran.stderr);
    assert!(ran.stderr.contains("trust.certificate_authorities"), "{}", ran.stderr);
}
