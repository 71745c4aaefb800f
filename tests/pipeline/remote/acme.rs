//! What a CA says no with, and what keeps it from answering.

use std::time::Duration;

use countersign::sandbox::{CaOptions, Mishap, Sandbox};

use super::super::rig::Lab;
use super::{APPLY, Page};

/// Step of issuance, status and type. Each is for a certificate of its own.
const PROBLEMS: [(&str, u16, &str); 16] = [
    ("newOrder", 409, "alreadyReplaced"),
    ("newOrder", 400, "compound"),
    ("newOrder", 400, "invalidProfile"),
    ("newOrder", 400, "malformed"),
    ("newOrder", 403, "orderNotReady"),
    ("newOrder", 400, "rejectedIdentifier"),
    ("newOrder", 400, "unsupportedIdentifier"),
    ("newOrder", 400, "oddity"),
    ("validation", 403, "caa"),
    ("validation", 400, "connection"),
    ("validation", 400, "dns"),
    ("validation", 403, "incorrectResponse"),
    ("validation", 400, "tls"),
    ("validation", 403, "unauthorized"),
    ("issuance", 400, "badCSR"),
    ("issuance", 400, "badPublicKey"),
];

#[test]
fn what_a_ca_refuses_an_order_for_is_told_with_what_to_do() {
    let lab = Lab::new();
    let names = PROBLEMS.map(|(.., kind)| (kind.to_lowercase(), format!("{}.example.com", kind.to_lowercase())));
    let mut list: Vec<(&str, &str)> = names.iter().map(|(name, domain)| (name.as_str(), domain.as_str())).collect();
    for ((step, status, kind), (_, domain)) in PROBLEMS.iter().zip(&list) {
        lab.sandbox.faults().script(&format!("{step} {domain}"), 1, Mishap::refused(*status, kind));
    }
    let profile = "domains: [profile.example.com], profile: tlsserver";
    list.extend([("paused", "paused.example.com"), ("profile", profile)]);
    lab.sandbox.pause("paused.example.com");
    lab.list(&list);
    let mut page = Page::default();
    page.run(&lab, &APPLY);
    page.is("acme-order");
}

/// A lab with a list in which each certificate is for a CA of its own.
#[derive(Default)]
pub struct Cas {
    list: Vec<(String, String)>,
    running: Vec<Sandbox>,
}

impl Cas {
    pub fn add(&mut self, name: &str, sandbox: Sandbox, script: &[(&str, Mishap)]) {
        for (operation, mishap) in script {
            sandbox.faults().script(operation, if *mishap == Mishap::Nothing { 1 } else { 60 }, mishap.clone());
        }
        self.running.push(sandbox);
        self.name(name);
    }

    fn name(&mut self, name: &str) {
        self.list.push((name.to_owned(), format!("domains: [{name}.example.com], authority: {name}")));
    }

    pub fn list(&self, lab: &Lab) {
        lab.list(&self.list.iter().map(|(name, keys)| (name.as_str(), keys.as_str())).collect::<Vec<_>>());
    }

    pub fn applied(&self, lab: &Lab, name: &str) {
        self.list(lab);
        let mut page = Page::default();
        page.run(lab, &APPLY);
        page.is(name);
    }
}

#[test]
fn what_keeps_a_ca_from_being_asked_is_told_with_what_to_do() {
    let lab = Lab::new();
    let page = |status| Mishap::Html { status, retry_after: Some("3600".into()) };
    let busy = Mishap::Refused { status: 500, code: "serverInternal".into(), retry_after: Some("0".into()) };
    let refused = Mishap::refused;
    let cases = [
        ("account-gone", "newOrder", refused(400, "accountDoesNotExist")),
        ("account-refused", "newOrder", refused(403, "unauthorized")),
        ("algorithm", "newAccount", refused(400, "badSignatureAlgorithm")),
        ("bad-nonce", "newOrder", refused(400, "badNonce")),
        ("broken-off", "newOrder", Mishap::Unreached),
        ("contact", "newAccount", refused(400, "invalidContact")),
        ("contact-kind", "newAccount", refused(400, "unsupportedContact")),
        ("external", "newAccount", refused(403, "externalAccountRequired")),
        ("no-directory", "directory", Mishap::Garbled("<html>".into())),
        ("no-page", "directory", page(404)),
        ("page", "newOrder", page(503)),
        ("rate-limited", "newOrder", Mishap::rate_limited(3600)),
        ("server", "newOrder", busy),
        ("terms", "newOrder", refused(403, "userActionRequired")),
        ("timeout", "newOrder", Mishap::Stalled(Duration::from_secs(60))),
        ("untrusted", "", Mishap::Nothing),
    ];
    let mut cas = Cas::default();
    for (name, operation, mishap) in cases {
        let ca = lab.authority(name, CaOptions::default(), if name == "timeout" { ", timeout: 1" } else { "" });
        cas.add(name, ca, &[(operation, mishap)]);
    }
    lab.reconfigure(", root: root-untrusted.pem", "");
    let bound = CaOptions { external_account: Some(("k".into(), vec![7; 32])), ..CaOptions::default() };
    cas.add("eab", lab.authority("eab", bound, ", eab: {kid: k, hmac_file: short}"), &[]);
    lab.write("short", "c2hvcnQ\n");
    lab.reconfigure("dns:", "  unreachable: {directory: \"https://127.0.0.1:1/dir\"}\ndns:");
    cas.name("unreachable");
    cas.applied(&lab, "acme-server");
}

#[test]
#[ignore = "needs faketime: ci/install"]
fn a_wrong_clock_is_told_with_what_to_do() {
    let lab = Lab::new();
    lab.list(&[("www", "www.example.com")]);
    let mut page = Page::default();
    for args in [&APPLY[..], &["doctor"]] {
        let ran = lab.run_under(&["faketime", "-f", "+90000s"], args, &[("FAKETIME_DONT_FAKE_MONOTONIC", "1")]);
        page.add(args, &ran);
    }
    page.is("acme-clock");
}
