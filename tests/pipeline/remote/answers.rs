//! A CA whose answers are well-formed and make no sense.

use countersign::sandbox::{CaOptions, Mishap, Sandbox};
use serde_json::json;

use super::super::rig::Lab;
use super::acme::Cas;

fn order(ca: &Sandbox, status: &str) -> Mishap {
    let finalize = ca.directory_url().replace("/dir", "/finalize/1");
    let order = json!({"status": status, "identifiers": [], "authorizations": [], "finalize": finalize});
    Mishap::Garbled(order.to_string())
}

fn authorization(status: &str, challenges: &[(&str, &str)]) -> Mishap {
    let challenges = challenges.iter().map(
        |(kind, token)| json!({"type": kind, "url": "https://127.0.0.1:1/chall", "status": "pending", "token": token}),
    );
    let identifier = json!({"type": "dns", "value": "www.example.com"});
    let challenges: Vec<_> = challenges.collect();
    Mishap::Garbled(json!({"identifier": identifier, "status": status, "challenges": challenges}).to_string())
}

fn directory() -> Mishap {
    let urls = ["newNonce", "newAccount", "newOrder"].map(|name| (name.to_owned(), json!("no url")));
    Mishap::Garbled(serde_json::Value::Object(urls.into_iter().collect()).to_string())
}

#[test]
fn answers_that_make_no_sense_are_told_with_what_to_do() {
    let lab = Lab::new();
    let mut cas = Cas::default();
    let mut add = |name: &str, script: &dyn Fn(&Sandbox) -> Vec<(&'static str, Mishap)>| {
        let ca = lab.authority(name, CaOptions::default(), "");
        let script = script(&ca);
        cas.add(name, ca, &script);
    };
    add("bad-url", &|_| vec![("directory", directory())]);
    add("cut", &|_| vec![("authz", Mishap::Garbled("<html>".into()))]);
    add("expired", &|_| vec![("authz", authorization("expired", &[]))]);
    add("gone", &|_| vec![("order", Mishap::refused(404, "malformed"))]);
    add("invalid", &|ca| vec![("order", order(ca, "invalid"))]);
    add("no-certificate", &|ca| vec![("order", order(ca, "valid"))]);
    add("not-offered", &|_| vec![("authz", authorization("pending", &[("http-01", "t")]))]);
    add("pending", &|ca| {
        vec![("order", Mishap::Nothing), ("order", order(ca, "ready")), ("finalize", order(ca, "pending"))]
    });
    cas.applied(&lab, "acme-answers");
}
