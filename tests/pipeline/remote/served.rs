//! Servers that show something else than what is live.

use countersign::port::Store;
use countersign::sandbox::RecordSet;
use rcgen::{CertificateParams, KeyPair};
use time::macros::datetime;

use super::super::look::serve;
use super::super::rig::{Lab, lineage};
use super::{APPLY, Page};

const NAMES: [&str; 4] = ["chain", "expired", "other", "silent"];

/// A certificate that somebody else made, and its key.
fn foreign(name: &str, until: time::OffsetDateTime) -> (String, String) {
    let mut params = CertificateParams::new([format!("{name}.example.com")]).unwrap();
    (params.not_before, params.not_after) = (datetime!(2024-01-01 0:00 UTC), until);
    params.serial_number = Some(vec![7; 16].into());
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[test]
fn a_server_that_shows_something_else_is_told_with_what_to_do() {
    let lab = Lab::new();
    for name in NAMES {
        let (name, values) = (format!("{name}.example.com"), vec!["127.0.0.1".to_owned()]);
        lab.sandbox.seed_record("ZONE1", RecordSet { name, kind: "A".into(), ttl: 60, values, routing: None }).unwrap();
    }
    let domains = NAMES.map(|name| format!("{name}.example.com"));
    lab.list(&NAMES.iter().zip(&domains).map(|(name, domain)| (*name, domain.as_str())).collect::<Vec<_>>());
    lab.done();
    let live = lab.inventory().live.remove(&lineage("chain")).unwrap();
    let pems = lab.store().pems(&live).unwrap();
    let (expired, expired_key) = foreign("expired", datetime!(2025-01-01 0:00 UTC));
    let (other, other_key) = foreign("other", datetime!(2090-01-01 0:00 UTC));
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    std::thread::spawn(move || silent.incoming().flatten().for_each(drop));
    let ports = [
        serve(&lab, &pems.cert, pems.privkey.as_ref().unwrap().reveal()),
        serve(&lab, &expired, &expired_key),
        serve(&lab, &other, &other_key),
        port,
    ];
    // Long ago: nobody waits any more for the server to get it.
    let meta = "state/archive/other/1/meta.json";
    let mut stored: serde_json::Value = serde_json::from_str(&lab.read(meta)).unwrap();
    stored["stored_at"] = "2026-01-01T00:00:00Z".into();
    lab.write(meta, &stored.to_string());
    let served = NAMES
        .iter()
        .zip(ports)
        .map(|(name, port)| format!("domains: [{name}.example.com], served: [\"{name}.example.com:{port}\"]"));
    let served: Vec<String> = served.collect();
    lab.list(&NAMES.iter().zip(&served).map(|(name, keys)| (*name, keys.as_str())).collect::<Vec<_>>());
    let mut page = Page::default();
    page.run(&lab, &APPLY);
    page.run(&lab, &["status"]);
    page.is("served");
}
