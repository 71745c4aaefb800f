//! Names, zones and Route53.

use countersign::sandbox::{CaOptions, Mishap, Options, RecordSet, Routing, quote};

use super::super::rig::Lab;
use super::acme::Cas;
use super::{APPLY, Page};

/// What Route53 says when the records of a zone are asked for, each at a zone of its own.
const REFUSALS: [(&str, u16, &str); 6] = [
    ("denied", 403, "AccessDenied"),
    ("expired", 403, "ExpiredToken"),
    ("missing", 404, "NoSuchHostedZone"),
    ("oddity", 400, "Oddity"),
    ("signature", 403, "SignatureDoesNotMatch"),
    ("token", 403, "InvalidClientTokenId"),
];

/// Zones whose records stand in the way.
const OTHERS: [&str; 6] = ["alias", "caa", "circle", "contested", "crowd", "large"];

fn zone(name: &str) -> String {
    format!("Z{}", name.to_uppercase())
}

fn set(name: &str, kind: &str, values: Vec<String>, routing: Option<(&str, Routing)>) -> RecordSet {
    let routing = routing.map(|(id, routing)| (id.to_owned(), routing));
    RecordSet { name: name.to_owned(), kind: kind.to_owned(), ttl: 60, values, routing }
}

fn lab() -> Lab {
    let names = REFUSALS.iter().map(|(name, ..)| *name).chain(OTHERS);
    let zones = names.map(|name| (zone(name), format!("{name}.test"))).collect();
    let lab = Lab::with_options(Options { zones, ..Options::default() });
    let faults = lab.sandbox.faults();
    let rrset = |name: &str| format!("/2013-04-01/hostedzone/{}/rrset", zone(name));
    for (name, status, code) in REFUSALS {
        faults.script(&format!("ListResourceRecordSets {}", rrset(name)), 60, Mishap::refused(status, code));
    }
    let contested = Mishap::refused(400, "InvalidChangeBatch");
    faults.script(&format!("ChangeResourceRecordSets {}", rrset("contested")), 60, contested);
    let seed = |name: &str, set| lab.sandbox.seed_record(&zone(name), set).unwrap();
    let at = |name: &str| format!("_acme-challenge.www.{name}.test");
    let text = |text: &str| vec![quote(text)];
    seed("alias", set(&at("alias"), "TXT", text("x"), Some(("blue", Routing::Weight(1)))));
    for n in 0..8 {
        let id = format!("id{n}");
        seed("crowd", set(&at("crowd"), "TXT", text(&id), Some((&id, Routing::MultiValueAnswer))));
    }
    seed("large", set(&at("large"), "TXT", (0..140).map(|n| quote(&format!("{n:0>240}"))).collect(), None));
    seed("circle", set(&at("circle"), "CNAME", vec!["b.circle.test.".into()], None));
    seed("circle", set("b.circle.test", "CNAME", vec![format!("{}.", at("circle"))], None));
    seed("caa", set("caa.test", "CAA", vec![r#"0 issue "other-ca.test""#.into()], None));
    lab.sandbox.add_zone("ZTWICE1", "twice.test", false).unwrap();
    lab.sandbox.add_zone("ZTWICE2", "twice.test", false).unwrap();
    lab.sandbox.add_other_zone("ZTHEIRS", "theirs.test").unwrap();
    lab
}

#[test]
fn what_is_wrong_with_a_zone_is_told_with_what_to_do() {
    let lab = lab();
    let names = REFUSALS.iter().map(|(name, ..)| *name).chain(OTHERS).chain(["nowhere", "theirs", "twice"]);
    let list: Vec<(&str, String)> = names.map(|name| (name, format!("www.{name}.test"))).collect();
    lab.list(&list.iter().map(|(name, domain)| (*name, domain.as_str())).collect::<Vec<_>>());
    let mut page = Page::default();
    page.run(&lab, &APPLY);
    page.is("dns");
    let mut page = Page::default();
    page.run(&lab, &["doctor"]);
    page.is("dns-doctor");
}

#[test]
fn a_record_that_cannot_be_taken_away_is_told_with_what_to_do() {
    let lab = Lab::new();
    lab.list(&[("www", "www.example.com")]);
    lab.sandbox.faults().script("ChangeResourceRecordSets", 1, Mishap::Nothing);
    lab.sandbox.faults().script("ChangeResourceRecordSets", 60, Mishap::refused(403, "AccessDenied"));
    let mut page = Page::default();
    page.run(&lab, &APPLY);
    page.is("dns-left-behind");
}

#[test]
fn credentials_that_cannot_be_had_are_told_with_what_to_do() {
    let lab = Lab::new();
    lab.list(&[("theirs", "www.theirs.test"), ("www", "www.example.com")]);
    lab.sandbox.add_other_zone("ZTHEIRS", "theirs.test").unwrap();
    let role = "zones: {theirs.test: {id: ZTHEIRS, assume_role: \"arn:aws:iam::222222222222:role/nobody\"}}, ";
    lab.reconfigure("route53: {", &format!("route53: {{profile: nobody, {role}"));
    lab.reconfigure("prefix: certs/,", "prefix: certs/, profile: nobody,");
    let mut page = Page::default();
    page.run(&lab, &APPLY);
    page.run(&lab, &["doctor"]);
    page.is("aws-credentials");
}

#[test]
fn a_zone_id_that_is_none_is_told_with_what_to_do() {
    let lab = Lab::new();
    lab.list(&[("www", "www.example.com")]);
    let mut page = Page::default();
    page.add(&APPLY, &lab.run_with(&APPLY, &[("ACME_HOSTED_ZONE", "example.com")]));
    page.is("route53-bad-zone-id");
}

#[test]
fn a_ca_that_caa_records_cannot_name_is_told_with_what_to_do() {
    let lab = Lab::new();
    let mut cas = Cas::default();
    let ca = lab.authority("nameless", CaOptions::default(), "");
    let urls = ["newNonce", "newAccount", "newOrder"].map(|name| (name, ca.directory_url().replace("/dir", "/x")));
    let directory: serde_json::Map<_, _> = urls.into_iter().map(|(name, url)| (name.into(), url.into())).collect();
    let mishap = Mishap::Garbled(serde_json::Value::Object(directory).to_string());
    cas.add("nameless", ca, &[("directory", mishap)]);
    cas.list(&lab);
    let mut page = Page::default();
    page.run(&lab, &["plan", "--probe"]);
    page.is("caa-no-identity");
}
