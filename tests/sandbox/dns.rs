use std::net::SocketAddr;
use std::time::Duration;

use countersign::sandbox::Sandbox;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RecordType;

use crate::{options, record, seed_txt, start};

fn resolver(server: SocketAddr) -> TokioResolver {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = server.port();
        connection
    });
    let server = NameServerConfig::new(server.ip(), true, connections.to_vec());
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).build().unwrap()
}

/// The data of the answers as text, sorted.
async fn ask(sandbox: &Sandbox, name: &str, kind: RecordType) -> Result<Vec<String>, hickory_resolver::net::NetError> {
    let lookup = resolver(sandbox.dns_addr()).lookup(format!("{name}."), kind).await?;
    let mut answers: Vec<String> = lookup.answers().iter().map(|record| record.data.to_string()).collect();
    answers.sort();
    Ok(answers)
}

#[tokio::test]
async fn all_values_of_a_name_are_served() {
    let sandbox = start().await;
    seed_txt(&sandbox, "_acme-challenge.example.com", &["one".to_owned(), "two".to_owned()]);
    assert_eq!(ask(&sandbox, "_acme-challenge.example.com", RecordType::TXT).await.unwrap(), ["one", "two"]);
}

#[tokio::test]
async fn what_does_not_fit_a_datagram_comes_over_tcp() {
    let sandbox = start().await;
    let values: Vec<String> = (0..100).map(|n| format!("{n:043}")).collect();
    seed_txt(&sandbox, "_acme-challenge.example.com", &values);
    assert_eq!(ask(&sandbox, "_acme-challenge.example.com", RecordType::TXT).await.unwrap(), values);
}

#[tokio::test]
async fn the_zone_cut_can_be_found_by_its_ns_and_soa() {
    let sandbox = start().await;
    let servers = ask(&sandbox, "example.com", RecordType::NS).await.unwrap();
    assert_eq!(servers, ["ns-1.sandbox.test.", "ns-2.sandbox.test."]);
    assert_eq!(ask(&sandbox, "example.com", RecordType::SOA).await.unwrap().len(), 1);
    assert_eq!(ask(&sandbox, "ns-1.sandbox.test", RecordType::A).await.unwrap(), ["127.0.0.1"]);
    let below = ask(&sandbox, "www.example.com", RecordType::NS).await.unwrap_err();
    assert!(below.is_nx_domain(), "{below}");
}

#[tokio::test]
async fn an_alias_is_answered_with_its_target() {
    let sandbox = start().await;
    sandbox.seed_record("Z1", record("CNAME", "a.example.com", &["b.other.test"])).unwrap();
    sandbox.seed_record("Z2", record("TXT", "b.other.test", &["\"value\""])).unwrap();
    assert_eq!(ask(&sandbox, "a.example.com", RecordType::TXT).await.unwrap(), ["b.other.test.", "value"]);
}

#[tokio::test]
async fn a_name_with_other_records_has_no_data_and_an_unknown_one_does_not_exist() {
    let sandbox = start().await;
    seed_txt(&sandbox, "a.b.example.com", &["value".to_owned()]);
    let empty = ask(&sandbox, "b.example.com", RecordType::TXT).await.unwrap_err();
    assert!(empty.is_no_records_found() && !empty.is_nx_domain(), "{empty}");
    assert!(ask(&sandbox, "c.example.com", RecordType::TXT).await.unwrap_err().is_nx_domain());
}

#[tokio::test]
async fn a_private_zone_is_not_served() {
    let sandbox = start().await;
    sandbox.add_zone("Z3", "internal.test", true).unwrap();
    sandbox.seed_record("Z3", record("TXT", "a.internal.test", &["\"value\""])).unwrap();
    assert!(ask(&sandbox, "a.internal.test", RecordType::TXT).await.is_err());
}

#[tokio::test]
async fn caa_records_are_served() {
    let sandbox = start().await;
    sandbox.seed_record("Z1", record("CAA", "example.com", &["0 issue \"sandbox.test\""])).unwrap();
    let answers = ask(&sandbox, "example.com", RecordType::CAA).await.unwrap();
    assert_eq!(answers, ["0 issue \"sandbox.test\""]);
}

#[tokio::test]
async fn the_log_shows_what_was_asked() {
    let sandbox = Sandbox::start(countersign::sandbox::Options { latency: Duration::ZERO, ..options() }).await.unwrap();
    let _ = ask(&sandbox, "c.example.com", RecordType::TXT).await;
    let calls = sandbox.log().calls();
    assert!(calls.iter().all(|call| call.operation == "DNS TXT" && call.subject == "c.example.com"), "{calls:?}");
}
