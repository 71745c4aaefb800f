use std::collections::BTreeMap;

use countersign::dns::{DnsSolver, Pin, Settings};
use countersign::journal::RecordSet;
use countersign::sandbox::{Options, Sandbox};

use super::rig::{dns, sandbox, sdk, seed_cname, seed_soa, settings};

async fn locate(dns: &DnsSolver, base: &str) -> Result<(String, String), String> {
    let mut all = dns.sets(&[base.to_owned()]).await;
    all.remove(0).map(|RecordSet { zone, name }| (zone, name)).map_err(|fault| fault.code)
}

fn at(zone: &str, name: &str) -> Result<(String, String), String> {
    Ok((zone.to_owned(), name.to_owned()))
}

fn pin(id: &str) -> Pin {
    Pin { id: id.to_owned(), role: None }
}

#[tokio::test]
async fn a_name_is_found_in_its_longest_zone() {
    let sandbox = sandbox().await;
    let dns = dns(&sandbox);
    assert_eq!(locate(&dns, "example.test").await, at("Z1", "_acme-challenge.example.test"));
    assert_eq!(locate(&dns, "a.sub.example.test").await, at("Z2", "_acme-challenge.a.sub.example.test"));
}

#[tokio::test]
async fn a_cname_leads_to_another_zone() {
    let sandbox = sandbox().await;
    seed_cname(&sandbox, "Z1", "_acme-challenge.www.example.test", "www.v.sub.example.test");
    assert_eq!(locate(&dns(&sandbox), "www.example.test").await, at("Z2", "www.v.sub.example.test"));
}

#[tokio::test]
async fn cnames_in_a_circle_are_an_error() {
    let sandbox = sandbox().await;
    seed_cname(&sandbox, "Z1", "_acme-challenge.a.example.test", "b.example.test");
    seed_cname(&sandbox, "Z1", "b.example.test", "_acme-challenge.a.example.test");
    assert_eq!(locate(&dns(&sandbox), "a.example.test").await, Err("dns:cname-chain".into()));
}

#[tokio::test]
async fn eight_cnames_are_followed_and_nine_are_not() {
    let sandbox = sandbox().await;
    let name =
        |at: usize| if at == 0 { "_acme-challenge.a.example.test".into() } else { format!("c{at}.example.test") };
    for at in 0..8 {
        seed_cname(&sandbox, "Z1", &name(at), &name(at + 1));
    }
    assert_eq!(locate(&dns(&sandbox), "a.example.test").await, at("Z1", "c8.example.test"));
    seed_cname(&sandbox, "Z1", "c8.example.test", "c9.example.test");
    assert_eq!(locate(&dns(&sandbox), "a.example.test").await, Err("dns:cname-chain".into()));
}

#[tokio::test]
async fn one_bad_name_does_not_fail_the_others() {
    let sandbox = sandbox().await;
    seed_cname(&sandbox, "Z1", "_acme-challenge.bad.example.test", "_acme-challenge.bad.example.test");
    let bases = ["a.example.test", "bad.example.test", "b.example.test"].map(str::to_owned);
    let found = dns(&sandbox).sets(&bases).await;
    assert_eq!(found.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
}

#[tokio::test]
async fn a_pin_wins_and_asks_nothing() {
    let sandbox = sandbox().await;
    let pins = BTreeMap::from([("example.test".to_owned(), pin("/hostedzone/Z9"))]);
    let dns = DnsSolver::new(Settings { pins, ..settings(&sandbox) }, &sdk(&sandbox), &BTreeMap::new()).unwrap();
    assert_eq!(locate(&dns, "example.test").await, at("Z9", "_acme-challenge.example.test"));
    assert_eq!(sandbox.log().count("ListHostedZones"), 0);
}

#[tokio::test]
async fn the_zone_of_the_configuration_takes_what_no_pin_takes() {
    let sandbox = sandbox().await;
    let settings = Settings {
        pins: BTreeMap::from([("sub.example.test".to_owned(), pin("Z8"))]),
        hosted_zone: Some("Z9".into()),
        ..settings(&sandbox)
    };
    let dns = DnsSolver::new(settings, &sdk(&sandbox), &BTreeMap::new()).unwrap();
    assert_eq!(locate(&dns, "sub.example.test").await, at("Z8", "_acme-challenge.sub.example.test"));
    assert_eq!(locate(&dns, "example.test").await, at("Z9", "_acme-challenge.example.test"));
    assert_eq!(sandbox.log().count("ListHostedZones"), 0);
}

#[tokio::test]
async fn zones_are_listed_once_for_many_names() {
    let sandbox = sandbox().await;
    let bases: Vec<_> = (0..100).map(|at| format!("n{at}.example.test")).collect();
    assert!(dns(&sandbox).sets(&bases).await.iter().all(Result::is_ok));
    assert_eq!(sandbox.log().count("ListHostedZones"), 1);
}

#[tokio::test]
async fn many_zones_are_listed_page_by_page() {
    let zones = (0..250).map(|at| (format!("Z{at}"), format!("z{at}.test"))).collect();
    let sandbox = Sandbox::start(Options { zones, ..Options::default() }).await.unwrap();
    assert_eq!(locate(&dns(&sandbox), "a.z249.test").await, at("Z249", "_acme-challenge.a.z249.test"));
}

#[tokio::test]
async fn a_private_zone_is_not_taken() {
    let sandbox = sandbox().await;
    sandbox.add_zone("Z3", "a.example.test", true).unwrap();
    assert_eq!(locate(&dns(&sandbox), "a.example.test").await, at("Z1", "_acme-challenge.a.example.test"));
}

#[tokio::test]
async fn two_zones_of_one_name_ask_for_a_pin() {
    let zones = vec![("Z1".to_owned(), "example.test".to_owned()), ("Z2".to_owned(), "example.test".to_owned())];
    let sandbox = Sandbox::start(Options { zones, ..Options::default() }).await.unwrap();
    assert_eq!(locate(&dns(&sandbox), "example.test").await, Err("route53:ambiguous-zone".into()));
}

#[tokio::test]
async fn of_two_zones_of_one_name_the_delegated_one_is_named() {
    let zones = vec![("Z2".to_owned(), "example.test".to_owned()), ("Z1".to_owned(), "example.test".to_owned())];
    let sandbox = Sandbox::start(Options { zones, ..Options::default() }).await.unwrap();
    // DNS serves the second one.
    seed_soa(&sandbox, "Z2", "example.test", "ns-9.sandbox.test. hostmaster.sandbox.test. 1 7200 900 1209600 60");
    let mut found = dns(&sandbox).sets(&["www.example.test".to_owned()]).await;
    let hint = found.remove(0).unwrap_err().hint.unwrap();
    assert!(hint.starts_with("Z1 is the one") && hint.contains("{example.test: Z1}"), "{hint}");
}

#[tokio::test]
async fn a_name_that_no_server_answers_for_is_an_error() {
    let sandbox = sandbox().await;
    assert_eq!(locate(&dns(&sandbox), "elsewhere.test").await, Err("dns:lookup".into()));
}

#[tokio::test]
async fn a_bad_zone_id_is_refused_before_anything_is_asked() {
    let sandbox = sandbox().await;
    let bad = Settings { hosted_zone: Some("Z1/../Z2".into()), ..settings(&sandbox) };
    assert_eq!(DnsSolver::new(bad, &sdk(&sandbox), &BTreeMap::new()).unwrap_err().code, "route53:bad-zone-id");
}
