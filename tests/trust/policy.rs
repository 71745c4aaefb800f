//! Who may change what (T10, T26, T27), and revocation by name.

use super::*;

pub const TEAMS: &str = "rules:\n\
    - {id: a, names: [\"*.a.example.com\"], by: [ann]}\n\
    - {id: b, names: [\"*.b.example.com\"], by: [bob]}\n";

/// A list of entries, each a lineage with its settings in flow style.
pub fn entries(entries: &[&str]) -> String {
    let lines: String = entries.iter().map(|entry| format!("  - {{{entry}}}\n")).collect();
    format!("version: 1\ncertificates:\n{lines}")
}

/// The introduction has `one` for a and `two` for b.
pub fn house() -> House {
    House::with(&[("domains.yaml", &entries(&[ONE, TWO]))])
}

pub const ONE: &str = "name: one, domains: [x.a.example.com]";
pub const TWO: &str = "name: two, domains: [x.b.example.com]";

/// What is refused of a list that ann commits: rules and names.
fn by_ann(list: &[&str]) -> Vec<(&'static str, String)> {
    let house = house();
    let head = house.commit(&[("domains.yaml", &entries(list))], &house.ann);
    found(&house.judge(&house.ruled(TEAMS), None, &head))
}

pub fn found(verdict: &Verdict) -> Vec<(&'static str, String)> {
    let Verdict::Refused(refused) = verdict else { return Vec::new() };
    let found = |r: &trust::Refusal| (r.rule.as_str(), r.name.clone().unwrap_or_default());
    refused.refusals.iter().map(found).collect()
}

pub fn scope(name: &str) -> Vec<(&'static str, String)> {
    vec![("P05-scope", name.to_owned())]
}

#[test]
fn whoever_may_not_change_a_certificate_may_not_swap_its_key() {
    let csr = || {
        let mut params = rcgen::CertificateParams::new(vec!["x.b.example.com".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        let pem = params.serialize_request(&rcgen::KeyPair::generate().unwrap()).unwrap().pem().unwrap();
        format!("{TWO}, csr: {}", serde_json::Value::from(pem))
    };
    assert_eq!(by_ann(&[ONE, &csr()]), scope("x.b.example.com"));
    let house = House::with(&[("domains.yaml", &entries(&[ONE, &csr()]))]);
    let head = house.commit(&[("domains.yaml", &entries(&[ONE, &csr()]))], &house.ann);
    assert_eq!(found(&house.judge(&house.ruled(TEAMS), None, &head)), scope("x.b.example.com"));
}

#[test]
fn somebody_in_scope_may_add_change_and_remove() {
    assert_eq!(by_ann(&[ONE, TWO, "name: new, domains: [y.a.example.com]"]), []);
    assert_eq!(by_ann(&["name: one, domains: [x.a.example.com, y.a.example.com], key: rsa-2048", TWO]), []);
    assert_eq!(by_ann(&[TWO]), []);
}

#[test]
fn each_kind_of_change_out_of_scope_is_refused_by_name() {
    let b = scope("x.b.example.com");
    assert_eq!(by_ann(&[ONE, TWO, "name: new, domains: [y.b.example.com]"]), scope("y.b.example.com"));
    assert_eq!(by_ann(&[ONE]), b);
    for setting in
        ["authority: letsencrypt", "key: rsa-2048", "profile: tlsserver", "publish: [certs]", "renew: {before: 20d}"]
    {
        assert_eq!(by_ann(&[ONE, &format!("{TWO}, {setting}")]), b, "{setting}");
    }
    let defaults =
        format!("version: 1\ndefaults: {{key: rsa-2048}}\n{}", &entries(&[ONE, TWO])["version: 1\n".len()..]);
    let house = house();
    let head = house.commit(&[("domains.yaml", &defaults)], &house.ann);
    assert_eq!(found(&house.judge(&house.ruled(TEAMS), None, &head)), b);
}

#[test]
fn a_name_moved_between_lineages_needs_its_rule() {
    let moved = ["name: one, domains: [x.a.example.com, x.b.example.com]"];
    assert_eq!(by_ann(&moved), [scope("x.b.example.com"), scope("x.b.example.com")].concat());
}

#[test]
fn a_lineage_with_names_of_two_teams_needs_both_for_its_settings() {
    let both = "name: one, domains: [x.a.example.com, y.b.example.com]";
    let house = House::with(&[("domains.yaml", &entries(&[both]))]);
    let head = house.commit(&[("domains.yaml", &entries(&[&format!("{both}, key: rsa-2048")]))], &house.ann);
    assert_eq!(found(&house.judge(&house.ruled(TEAMS), None, &head)), scope("y.b.example.com"));
}

#[test]
fn what_no_rule_matches_is_refused() {
    assert_eq!(by_ann(&[ONE, TWO, "name: evil, domains: [a.example.com]"]), scope("a.example.com"));
    assert_eq!(by_ann(&[ONE, TWO, "name: evil, domains: [x.evila.example.com]"]), scope("x.evila.example.com"));
    assert_eq!(by_ann(&[ONE, TWO, "name: wild, domains: [\"*.a.example.com\"]"])[0], scope("*.a.example.com")[0]);
}

#[test]
fn a_refusal_says_where_who_which_rule_and_who_could() {
    let house = house();
    let head =
        house.commit(&[("domains.yaml", &entries(&[ONE, TWO, "name: new, domains: [y.b.example.com]"]))], &house.ann);
    let refused = house.refused(&house.ruled(TEAMS), None, &head);
    let refusal = &refused.refusals[0];
    let place = refusal.place.as_ref().unwrap();
    assert_eq!((place.file.as_str(), place.line), ("domains.yaml", 5));
    assert_eq!((refusal.commit.as_ref(), refusal.principal.as_deref()), (Some(&head), Some("ann@example.com")));
    let message = "`y.b.example.com` is added to `new` by ann@example.com: the rule `b` needs 1 of bob and has nobody";
    assert_eq!(refusal.message, message);
    assert_eq!(refusal.hint, "have the change made and signed by one of bob");
    assert!(!refused.missing_approvals_only);
}

#[test]
fn every_rule_that_matches_must_hold() {
    let house = house();
    let rules = format!("{TEAMS}- {{id: extra, names: [x.a.example.com], by: [bob]}}\n");
    let changed = format!("{ONE}, key: rsa-2048");
    let head = house.commit(&[("domains.yaml", &entries(&[&changed, TWO]))], &house.ann);
    assert_eq!(
        found(&house.judge(&house.ruled(&rules), None, &head)),
        [("P06-and-not-or", "x.a.example.com".to_owned())]
    );
}

#[test]
fn a_later_commit_of_somebody_else_does_not_cover_what_was_slipped_in_before() {
    let house = house();
    let evil = format!("{TWO}, publish: [evil]");
    house.commit(&[("domains.yaml", &entries(&[ONE, &evil]))], &house.ann);
    let head = house.commit(&[("domains.yaml", &entries(&[ONE, &format!("{evil}, key: rsa-2048")]))], &house.bob);
    let refused = house.refused(&house.ruled(TEAMS), None, &head);
    assert_eq!(refused.refusals.len(), 1);
    assert!(refused.refusals[0].message.starts_with("publishing to `evil` of `two`"));
}

#[test]
fn what_was_changed_and_taken_back_needs_nobody() {
    let house = house();
    house.commit(&[("domains.yaml", &entries(&[ONE]))], &house.ann);
    let head = house.commit(&[("domains.yaml", &entries(&[ONE, TWO]))], &house.ann);
    assert_eq!(found(&house.judge(&house.ruled(TEAMS), None, &head)), []);
}

#[test]
fn what_was_verified_before_stays_when_the_policy_becomes_stricter() {
    let house = house();
    let head = house.commit(&[("domains.yaml", &entries(&[ONE]))], &house.ann);
    let state = house.verified(&house.root(), None, &head).state().clone();
    let next = house.commit(&[("README", "x")], &house.bob);
    assert_eq!(found(&house.judge(&house.ruled(TEAMS), Some(&state), &next)), []);
    assert_eq!(found(&house.judge(&house.ruled(TEAMS), None, &next)), scope("x.b.example.com"));
}

#[test]
fn hooks_need_their_rule() {
    let house = house();
    let head = house.commit(&[("hooks/after-issue", "#!/bin/sh\n")], &house.bob);
    let hooks = |by: &str| house.ruled(&format!("rules: [{{id: hooks, hooks: true, by: [{by}]}}]"));
    assert_eq!(found(&house.judge(&hooks("bob"), None, &head)), []);
    let path = || vec![("P05-scope", "hooks/after-issue".to_owned())];
    assert_eq!(found(&house.judge(&hooks("ann"), None, &head)), path());
    assert_eq!(found(&house.judge(&house.ruled(TEAMS), None, &head)), path());
}

#[test]
fn the_forge_may_merge_and_nothing_else() {
    let house = house();
    let forge = Signer::generate("forge@example.com");
    let root = TrustRoot { signers: signers(&[&house.ann, &house.bob, &forge]), ..house.ruled(TEAMS) };
    let text = "version: 1\n\
        people: {ann: {signs: [ann@example.com]}}\n\
        mergers: [forge@example.com]\n\
        rules: [{id: a, names: [\"*.a.example.com\"], by: [ann]}]\n";
    let root = TrustRoot { policy: Some(Policy::parse(text, "", &root.signers).unwrap()), ..root };
    let changed = entries(&[&format!("{ONE}, key: rsa-2048"), TWO]);
    let base = &house.introduction;
    let side = house.on(&[base], &[("domains.yaml", &changed)], &house.ann);
    let squash = house.on(&[base], &[("domains.yaml", &changed)], &forge);
    let merge = house.on(&[base, &side], &[("domains.yaml", &changed)], &forge);
    let readme = house.on(&[&merge], &[("README", "x")], &forge);
    let rules_at = |head| rules(&house.judge(&root, None, head));
    assert_eq!(rules_at(&merge), [""; 0]);
    assert_eq!(rules_at(&squash), ["S11-forge-key"]);
    assert_eq!(rules_at(&readme), ["S11-forge-key"]);
    let refused = house.refused(&root, None, &squash);
    assert!(refused.refusals[0].hint.contains("switch the forge to merge commits"));
}

/// Ann made `www`, bob `mail`, and both were verified; then ann's key is revoked.
fn revoked() -> (House, TrustState, TrustRoot) {
    let house = House::new();
    house.commit(&[("domains.yaml", &list(&["www"]))], &house.ann);
    let head = house.commit(&[("domains.yaml", &list(&["www", "mail"]))], &house.bob);
    let state = house.verified(&house.root(), None, &head).state().clone();
    let root = TrustRoot { revoked: [house.ann.fingerprint()].into(), ..house.root() };
    (house, state, root)
}

#[test]
fn only_the_names_that_nobody_but_a_revoked_key_authorised_are_refused() {
    let (house, state, root) = revoked();
    let head = state.last_verified.clone();
    assert_eq!(found(&house.judge(&root, Some(&state), &head)), [("S08-revoked", "www".to_owned())]);
    let Verdict::Verified(last) = trust::last_verified(&root, &state, &house.store(), None).unwrap() else {
        panic!("refused");
    };
    let withdrawn: Vec<_> = last.withdrawn().iter().map(LineageName::as_str).collect();
    assert_eq!((names(&last), withdrawn), (vec!["mail".to_owned(), "www".to_owned()], vec!["www"]));
}

#[test]
fn a_name_of_a_revoked_key_is_good_again_when_another_signer_changes_it() {
    let (house, state, root) = revoked();
    let changed = list(&["www", "mail"]).replace("[www.example.com]", "[www.example.com], key: rsa-2048");
    let head = house.commit(&[("domains.yaml", &changed)], &house.bob);
    assert_eq!(names(&house.verified(&root, Some(&state), &head)), ["mail", "www"]);
}

#[test]
fn a_name_of_a_revoked_key_may_be_removed() {
    let (house, state, root) = revoked();
    let head = house.commit(&[("domains.yaml", &list(&["mail"]))], &house.bob);
    assert_eq!(names(&house.verified(&root, Some(&state), &head)), ["mail"]);
}

#[test]
fn a_hook_of_a_revoked_key_is_refused() {
    let house = House::new();
    let head = house.commit(&[("hooks/after-issue", "#!/bin/sh\n")], &house.ann);
    let state = house.verified(&house.root(), None, &head).state().clone();
    let root = TrustRoot { revoked: [house.ann.fingerprint()].into(), ..house.root() };
    let hook = [("S08-revoked", "hooks/after-issue".to_owned())];
    assert_eq!(found(&house.judge(&root, Some(&state), &head)), hook);
}
