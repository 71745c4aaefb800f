//! The CA's rules: profiles, chains, orders without challenges, clocks, and how often the CA is asked.

use countersign::sandbox::{CaOptions, Mishap};

use super::rig::{Lab, lineage};

fn profile(lab: &Lab, name: &str) -> Option<String> {
    lab.inventory().live.remove(&lineage(name)).unwrap().meta.profile
}

#[test]
fn a_profile_that_the_directory_does_not_offer_gets_no_order() {
    let lab = Lab::new();
    lab.list(&[("api", "api.example.com"), ("www", "domains: [www.example.com], profile: nothing")]);
    let ran = lab.apply();
    assert_eq!((ran.code, lab.live("api"), lab.count("newOrder")), (Some(3), Some(1), 1), "{ran:?}");
    assert!(ran.bad()[0].starts_with("certs.issue/www [acme:invalidProfile]"), "{ran:?}");
    assert!(ran.out.contains("classic, shortlived"), "{ran:?}");
}

#[test]
fn a_preferred_profile_is_taken_where_it_is_offered_and_the_default_elsewhere() {
    let lab = Lab::new();
    let list = [
        ("api", "domains: [api.example.com], preferred_profile: shortlived"),
        ("www", "domains: [www.example.com], preferred_profile: nothing"),
    ];
    lab.list(&list);
    lab.done();
    assert_eq!((profile(&lab, "api").as_deref(), profile(&lab, "www")), (Some("shortlived"), None));
    lab.done();
    assert_eq!((lab.live("api"), lab.live("www")), (Some(1), Some(1)));
}

#[test]
fn the_list_can_prefer_a_chain() {
    let lab = Lab::new();
    lab.list(&[("www", "domains: [www.example.com], preferred_chain: Sandbox Root X2"), ("api", "api.example.com")]);
    lab.done();
    let chains = ["www", "api"].map(|name| lab.read(&format!("state/live/{name}/chain.pem")));
    assert_ne!(chains[0], chains[1]);
    lab.done();
    assert_eq!(lab.sandbox.issued().len(), 2);
}

#[test]
fn an_order_that_needs_no_challenge_touches_no_zone() {
    let lab = Lab::with(CaOptions { reuse_authorizations: true, ..CaOptions::default() });
    lab.list(&[("www", "www.example.com")]);
    lab.done();
    lab.make_due("www");
    lab.sandbox.log().clear();
    lab.done();
    let dns =
        ["ListHostedZones", "ListHostedZonesByName", "ListResourceRecordSets", "ChangeResourceRecordSets", "GetChange"];
    assert_eq!((lab.live("www"), dns.map(|operation| lab.count(operation))), (Some(2), [0; 5]));
    assert_eq!(lab.count("challenge"), 0);
}

#[test]
fn a_certificate_whose_time_is_a_little_away_is_waited_for() {
    let lab = Lab::new();
    lab.list(&[("www", "www.example.com")]);
    // Its certificates begin an hour before the CA's clock.
    lab.sandbox.advance(std::time::Duration::from_secs(3602));
    lab.done();
    assert_eq!(lab.published("www"), Some(1));
}

#[test]
fn a_certificate_whose_time_is_still_to_come_is_neither_live_nor_published() {
    let lab = Lab::new();
    lab.list(&[("www", "www.example.com")]);
    lab.sandbox.advance(std::time::Duration::from_secs(2 * 3600 - 60));
    let ran = lab.apply();
    assert_eq!((ran.code, lab.live("www"), lab.published("www")), (Some(3), None, None), "{ran:?}");
    assert!(ran.bad()[0].starts_with("certs.issue/www [check:not-yet-valid]"), "{ran:?}");
    let entry = lab.entry("www").unwrap();
    assert!(entry.attempt.unwrap().certificate.is_some() && !lab.path("state/quarantine/www").exists());
}

#[test]
fn a_proxy_in_trouble_and_slow_answers_do_not_fail_a_wave() {
    let lab = Lab::new();
    lab.list(&[("api", "api.example.com"), ("www", "www.example.com")]);
    let page = || Mishap::Html { status: 503, retry_after: Some("1".into()) };
    for operation in ["newOrder", "authz", "challenge", "finalize", "certificate"] {
        lab.sandbox.faults().script(operation, 1, page());
    }
    lab.done();
    assert_eq!((lab.published("api"), lab.published("www")), (Some(1), Some(1)));
}

#[test]
fn a_wave_asks_seven_times_a_name_and_for_few_nonces() {
    const NAMES: usize = 60;
    let lab = Lab::new();
    let names: Vec<(String, String)> = (0..NAMES).map(|n| (format!("n{n}"), format!("n{n}.example.com"))).collect();
    let list: Vec<(&str, &str)> = names.iter().map(|(name, domain)| (name.as_str(), domain.as_str())).collect();
    lab.list(&list);
    lab.done();
    let counts = lab.sandbox.log().counts();
    let acme =
        ["directory", "newAccount", "account", "newOrder", "authz", "challenge", "order", "finalize", "certificate"];
    let asked: usize = acme.iter().map(|operation| counts.get(*operation).copied().unwrap_or(0)).sum();
    let nonces = counts.get("newNonce").copied().unwrap_or(0);
    assert!(asked <= 7 * NAMES + 12 && nonces <= 40, "{asked} requests and {nonces} nonces: {counts:?}");
    assert_eq!(lab.sandbox.issued().len(), NAMES);
}
