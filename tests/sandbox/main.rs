//! The stand-ins are as strict as the real servers: proven with independent clients.

mod acme;
mod dns;
#[allow(dead_code, reason = "tests/ca uses it too")]
mod jose;
mod route53;
mod s3;

use bytes::Bytes;
use countersign::sandbox::{Options, RecordSet, Sandbox, quote};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// Zone `Z1` is `example.com`, `Z2` is `other.test`; the bucket is `certs`.
pub fn options() -> Options {
    let zone = |id: &str, name: &str| (id.to_owned(), name.to_owned());
    Options {
        zones: vec![zone("Z1", "example.com"), zone("Z2", "other.test")],
        buckets: vec!["certs".to_owned()],
        ..Options::default()
    }
}

pub async fn start() -> Sandbox {
    Sandbox::start(options()).await.unwrap()
}

pub fn record(kind: &str, name: &str, values: &[&str]) -> RecordSet {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    RecordSet { name: name.to_owned(), kind: kind.to_owned(), ttl: 60, values, routing: None }
}

/// Puts TXT values at a name of `Z1`, in place of what was there.
pub fn seed_txt(sandbox: &Sandbox, name: &str, values: &[String]) {
    let quoted: Vec<String> = values.iter().map(|value| quote(value)).collect();
    let quoted: Vec<&str> = quoted.iter().map(String::as_str).collect();
    sandbox.seed_record("Z1", record("TXT", name, &quoted)).unwrap();
}

pub type Https = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A client that trusts the CA's API and nothing else.
pub fn connector(sandbox: &Sandbox) -> HttpsConnector<HttpConnector> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(sandbox.tls_root_pem().as_bytes()).unwrap()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_root_certificates(roots).with_no_client_auth();
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_all_versions().wrap_connector(http)
}

pub fn https(sandbox: &Sandbox) -> Https {
    Client::builder(TokioExecutor::new()).build(connector(sandbox))
}
