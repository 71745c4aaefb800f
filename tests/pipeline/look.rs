//! What people see: of the store, of one lineage, and of the servers that should show it.

use std::fs;
use std::sync::Arc;

use countersign::lineage::CertFacts;
use countersign::port::Store;
use countersign::sandbox::{ACCESS_KEY, Mishap, RecordSet, SECRET_KEY};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::rig::{Lab, lineage};

const WWW: [(&str, &str); 1] = [("www", "www.example.com")];

fn json(lab: &Lab, args: &[&str]) -> Value {
    let (_, said, complaint) = lab.ask(&[args, &["--json"]].concat());
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}{complaint}"))
}

#[test]
fn status_shows_live_and_stashed_lineages_by_expiry() {
    let lab = Lab::new();
    let short = ("api", "domains: [api.example.com], profile: shortlived");
    lab.list(&[WWW[0], short, ("gone", "gone.example.com")]);
    lab.done();
    lab.list(&[WWW[0], short]);
    let ran = lab.done();
    assert!(ran.out.contains("First to expire: api in 6d"), "{ran:?}");
    let (code, said, _) = lab.ask(&["status"]);
    let lines: Vec<Vec<&str>> = said.lines().map(|line| line.split_whitespace().take(2).collect()).collect();
    assert_eq!((code, lines[0].as_slice()), (Some(0), ["api", "live"].as_slice()));
    assert!(lines.contains(&vec!["gone", "stashed"]) && lines.contains(&vec!["www", "live"]), "{said}");
    assert!(said.ends_with("countersign status: done (exit 0): 2 live, 1 stashed, 0 broken\n"), "{said}");
    let said = json(&lab, &["status"]);
    let states = said["lineages"].as_array().unwrap().iter().map(|one| (one["name"].as_str(), one["state"].as_str()));
    assert!(states.clone().any(|state| state == (Some("gone"), Some("stashed"))), "{said}");
}

#[test]
fn status_can_fail_for_what_ends_soon() {
    let lab = Lab::new();
    lab.list(&[WWW[0], ("api", "domains: [api.example.com], profile: shortlived")]);
    lab.done();
    let (code, said, _) = lab.ask(&["status", "--fail-under", "14d"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.ends_with("less than 14d left, revoked or none: api\n"), "{said}");
    assert_eq!(json(&lab, &["status", "--fail-under", "14d"])["under"], serde_json::json!(["api"]));
    assert_eq!(lab.ask(&["status", "--fail-under", "3d"]).0, Some(0));
    assert_eq!(lab.ask(&["status", "--fail-under", "soon"]).0, Some(64));
}

#[test]
fn what_waits_for_its_first_certificate_is_shown_with_the_reason() {
    let lab = Lab::new();
    lab.list(&WWW);
    lab.sandbox.faults().script("newOrder", 1, Mishap::refused(400, "no\nway\u{1b}[2J"));
    assert_eq!(lab.apply().code, Some(3));
    let (code, said, _) = lab.ask(&["status", "--fail-under", "1h"]);
    assert_eq!(code, Some(1), "{said}");
    let row = said.lines().next().unwrap();
    assert!(row.starts_with("www  waiting  failed once, next try 20") && !said.contains('\u{1b}'), "{said}");
    assert_eq!(json(&lab, &["status"])["waiting"][0]["name"], "www");
    let (code, _, complaint) = lab.ask(&["show", "www"]);
    assert!(code == Some(1) && complaint.contains("`www` has a placeholder and no certificate yet"), "{complaint}");
}

#[test]
fn show_tells_what_a_person_asks_at_night() {
    let lab = Lab::new();
    lab.list(&WWW);
    lab.done();
    let (code, said, _) = lab.ask(&["show", "www"]);
    let live = lab.inventory().live.remove(&lineage("www")).unwrap();
    let facts = live.facts();
    let trust = "leads to no root of the web: the root is not among them".to_owned();
    for (name, value) in [
        ("subject", "CN=www.example.com".to_owned()),
        ("names", "www.example.com".to_owned()),
        ("serial", facts.serial.clone()),
        ("fingerprint", facts.fingerprint.to_string()),
        ("trust", trust),
        ("authorised", format!("commit {}", lab.repo.head().unwrap())),
        ("published", "certs  s3://pki-certs/certs/www/v/1-".to_owned() + &facts.serial),
        ("versions", "1".to_owned()),
    ] {
        let row = format!("  {name:<13} {value}");
        assert!(said.lines().any(|line| line.starts_with(&row)), "{row} is missing in {said}");
    }
    for name in ["issuer", "valid", "ari window", "chain", "signed by", "order"] {
        assert!(said.lines().any(|line| line.trim_start().starts_with(name)), "{name} is missing in {said}");
    }
    assert_eq!(code, Some(0));
}

#[test]
fn what_does_not_lead_to_a_root_of_its_authority_is_never_live() {
    let lab = Lab::new();
    let config = lab.read("countersign.yaml");
    lab.write("countersign.yaml", &config.replace("root: ca-root.pem", "root: ca-root.pem, anchors: anchors.pem"));
    lab.write("anchors.pem", lab.sandbox.tls_root_pem());
    lab.list(&WWW);
    let ran = lab.apply();
    assert_eq!((ran.code, lab.live("www"), lab.published("www")), (Some(3), None, None), "{ran:?}");
    assert!(ran.bad().iter().any(|bad| bad.contains("[check:anchor]")), "{ran:?}");
    assert!(lab.path("state/quarantine/www").exists());
    lab.write("anchors.pem", lab.sandbox.issuer_root_pem());
    lab.forget_back_off();
    lab.done();
    let (_, said, _) = lab.ask(&["show", "www"]);
    assert!(said.contains("leads to a root of ") && said.contains("anchors.pem"), "{said}");
}

/// Serves a chain in PEM on a port of this machine, for as long as the lab is there.
pub fn serve(lab: &Lab, chain: &str, key: &str) -> u16 {
    let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap()));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    lab.spawn(async move {
        let listener = TcpListener::from_std(listener).unwrap();
        while let Ok((stream, _)) = listener.accept().await {
            let _ = acceptor.accept(stream).await;
        }
    });
    port
}

/// A lab in whose DNS `www.example.com` is this machine, with version 1 live.
fn served() -> (Lab, countersign::lineage::Pems) {
    let lab = Lab::new();
    let values = vec!["127.0.0.1".to_owned()];
    let set = RecordSet { name: "www.example.com".into(), kind: "A".into(), ttl: 60, values, routing: None };
    lab.sandbox.seed_record("ZONE1", set).unwrap();
    lab.list(&WWW);
    lab.done();
    let live = lab.inventory().live.remove(&lineage("www")).unwrap();
    let pems = lab.store().pems(&live).unwrap();
    (lab, pems)
}

fn list_served(lab: &Lab, port: u16) {
    lab.list(&[("www", &format!("domains: [www.example.com], served: [\"www.example.com:{port}\"]"))]);
}

#[test]
fn a_server_that_shows_the_live_version_is_green_and_is_named_by_show() {
    let (lab, pems) = served();
    let port = serve(&lab, &pems.fullchain(), pems.privkey.as_ref().unwrap().reveal());
    list_served(&lab, port);
    let ran = lab.done();
    let case = ran.junit().case("certs.served", "www");
    assert!(case.system_out.contains(&format!("www.example.com:{port} shows version 1")), "{ran:?}");
    let (_, said, _) = lab.ask(&["show", "www"]);
    assert!(said.contains(&format!("  served        www.example.com:{port} shows version 1 (seen 20")), "{said}");
}

#[test]
fn what_was_seen_of_a_lineage_is_kept_by_a_run_that_leaves_it_out() {
    let (lab, pems) = served();
    let port = serve(&lab, &pems.fullchain(), pems.privkey.as_ref().unwrap().reveal());
    let www = format!("domains: [www.example.com], served: [\"www.example.com:{port}\"]");
    lab.list(&[("www", &www), ("api", "api.example.com")]);
    lab.done();
    let ran = lab.run(&["apply", "--auto-approve", "--only", "api"]);
    let seen = || json(&lab, &["show", "www"])["served"][0]["shows"].clone();
    assert_eq!((ran.code, seen()), (Some(0), "shows version 1".into()), "{ran:?}");
    lab.write("state/served.json", "{");
    assert_eq!((lab.ask(&["status"]).0, seen()), (Some(0), Value::Null));
    lab.done();
    assert_eq!(seen(), "shows version 1");
    lab.list(&[("www", "www.example.com"), ("api", "api.example.com")]);
    lab.done();
    assert!(!lab.path("state/served.json").exists());
}

#[test]
fn a_server_that_shows_another_certificate_is_red_by_name() {
    let (lab, pems) = served();
    let mut other = rcgen::CertificateParams::new(["www.example.com".to_owned()]).unwrap();
    other.not_after = time::macros::datetime!(2025-01-01 0:00 UTC);
    other.not_before = time::macros::datetime!(2024-01-01 0:00 UTC);
    let key = rcgen::KeyPair::generate().unwrap();
    let other = other.self_signed(&key).unwrap().pem();
    let ports =
        [serve(&lab, &other, &key.serialize_pem()), serve(&lab, &pems.cert, pems.privkey.as_ref().unwrap().reveal())];
    for (port, code) in ports.into_iter().zip(["served:expired", "served:chain"]) {
        list_served(&lab, port);
        let ran = lab.apply();
        let verdict = ran.junit().case("certs.served", "www").verdict.as_ref().unwrap();
        assert_eq!(ran.code, Some(3), "{ran:?}");
        assert!(verdict.message.starts_with(&format!("[{code}] www.example.com:{port}: shows ")), "{ran:?}");
    }
    let (_, said, _) = lab.ask(&["status"]);
    assert!(said.contains("not served: www.example.com:"), "{said}");
}

#[test]
fn a_server_that_is_not_there_is_an_error_of_its_lineage_and_of_no_other() {
    let (lab, _) = served();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let www = format!("domains: [www.example.com], served: [\"www.example.com:{closed}\"]");
    lab.list(&[("www", &www), ("api", "api.example.com")]);
    let ran = lab.apply();
    assert_eq!((ran.code, lab.live("api")), (Some(3), Some(1)), "{ran:?}");
    let bad = ran.bad();
    assert_eq!(bad.len(), 1, "{bad:?}");
    assert!(bad[0].starts_with("certs.served/www [served:unreachable] www.example.com:"), "{bad:?}");
}

#[test]
fn a_clone_that_is_gone_is_fetched_again_in_the_same_run() {
    let lab = Lab::new();
    lab.list(&WWW);
    lab.done();
    fs::remove_dir_all(lab.path("state/git")).unwrap();
    lab.list(&[WWW[0], ("api", "api.example.com")]);
    lab.done();
    assert_eq!((lab.live("api"), lab.count("newOrder")), (Some(1), 2));
}

#[test]
fn route53_and_s3_take_their_credentials_from_different_places() {
    let lab = Lab::new();
    let config = lab.read("countersign.yaml");
    lab.write("countersign.yaml", &config.replace("region: us-east-1,", "region: us-east-1, profile: le-s3,"));
    let profile =
        |secret: &str| format!("[le-s3]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {secret}\n");
    lab.write("credentials", &profile("not this one"));
    lab.list(&WWW);
    let file = lab.path("credentials").display().to_string();
    let run = || lab.run_with(&["apply", "--auto-approve"], &[("AWS_SHARED_CREDENTIALS_FILE", &file)]);
    let ran = run();
    assert_eq!((ran.code, ran.err.contains("[s3:SignatureDoesNotMatch]")), (Some(1), true), "{ran:?}");
    lab.write("credentials", &profile(SECRET_KEY));
    let ran = run();
    assert_eq!((ran.code, lab.published("www"), lab.count("newOrder")), (Some(0), Some(1), 1), "{ran:?}");
}

#[test]
fn the_configuration_may_come_from_standard_input_or_a_variable() {
    let lab = Lab::new();
    lab.list(&WWW);
    let text = lab.read("countersign.yaml");
    fs::rename(lab.path("countersign.yaml"), lab.path("elsewhere.yaml")).unwrap();
    let ran = lab.run_with(&["apply", "--auto-approve"], &[("COUNTERSIGN_CONFIG_TEXT", &text)]);
    assert_eq!((ran.code, lab.live("www")), (Some(0), Some(1)), "{ran:?}");
    let ran = lab.run_with_input(&["--config", "-", "status"], &text);
    assert!(ran.0 == Some(0) && ran.1.contains("1 live, 0 stashed"), "{ran:?}");
}

#[test]
fn the_serial_that_show_names_is_that_of_the_file() {
    let lab = Lab::new();
    lab.list(&WWW);
    lab.done();
    let facts = CertFacts::from_pem(&lab.read("state/live/www/cert.pem")).unwrap();
    assert_eq!(json(&lab, &["show", "www"])["certificate"]["serial"], facts.serial);
}
