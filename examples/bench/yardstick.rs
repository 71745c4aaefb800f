//! The floor: one wave of orders, as fast as the protocol allows. No journal, no checks, no retries: not a product.
//!
//! One HTTP/2 connection, at most 32 requests in flight, nonces from replies, one Route53 batch (CREATE without reading
//! first) of up to 711 names, GetChange as often as Route53's five calls a second allow, no pause before any other
//! poll, keys made while DNS settles.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use aws_sdk_route53::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_route53::types::{
    Change, ChangeAction, ChangeBatch, ChangeStatus, ResourceRecord, ResourceRecordSet, RrType,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use bytes::Bytes;
use countersign::name::Digest;
use futures::{StreamExt, TryStreamExt, stream};
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use serde_json::{Value, json};

use crate::Outcome;
use crate::world::{ZONE, name};

type Failed = Box<dyn Error + Send + Sync>;

const WIDTH: usize = 32;
/// 32,000 characters of values in a request, 45 in a value.
const BATCH: usize = 711;
const POLL: Duration = Duration::from_millis(250);

pub fn run(lab: &str, names: usize) -> Outcome {
    let lab: Value = serde_json::from_str(lab)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let issued = runtime.block_on(wave(&lab, names))?;
    println!("{issued} certificates");
    Ok(())
}

async fn wave(lab: &Value, names: usize) -> Result<usize, Failed> {
    let mut acme = Acme::connect(lab)?;
    acme.open(text(lab, "directory")?).await?;
    let acme = &acme;
    let orders: Vec<Order> =
        stream::iter(0..names).map(|at| order(acme, name(at))).buffered(WIDTH).try_collect().await?;

    let route53 = route53(lab)?;
    let zone = text(lab, "zone")?;
    let keys = tokio::task::spawn_blocking({
        let names: Vec<String> = (0..names).map(name).collect();
        move || names.iter().map(|name| request(name)).collect::<Result<Vec<_>, Failed>>()
    });
    change_all(&route53, zone, ChangeAction::Create, &orders, true).await?;

    let work = orders.iter().zip(keys.await??).map(|(order, csr)| finish(acme, order, csr));
    let chains: Vec<Bytes> = stream::iter(work).buffer_unordered(WIDTH).try_collect().await?;
    change_all(&route53, zone, ChangeAction::Delete, &orders, false).await?;
    Ok(chains.len())
}

struct Order {
    url: String,
    finalize: String,
    challenge: String,
    name: String,
    value: String,
}

async fn order(acme: &Acme, name: String) -> Result<Order, Failed> {
    let domain = format!("{name}.{ZONE}");
    let asked = json!({"identifiers": [{"type": "dns", "value": domain}]}).to_string();
    let (headers, body) = acme.post(text(&acme.directory, "newOrder")?, &asked).await?;
    let order: Value = serde_json::from_slice(&body)?;
    let url = headers.get("location").ok_or("an order without a URL")?.to_str()?.to_owned();
    let (_, body) = acme.post(order["authorizations"][0].as_str().ok_or("no authorization")?, "").await?;
    let authorization: Value = serde_json::from_slice(&body)?;
    let offered = authorization["challenges"].as_array().ok_or("no challenges")?;
    let challenge = offered.iter().find(|challenge| challenge["type"] == "dns-01").ok_or("no dns-01")?;
    let value = Digest::of(format!("{}.{}", text(challenge, "token")?, acme.thumbprint).as_bytes());
    Ok(Order {
        url,
        finalize: text(&order, "finalize")?.to_owned(),
        challenge: text(challenge, "url")?.to_owned(),
        name: format!("_acme-challenge.{domain}."),
        value: format!("\"{}\"", BASE64.encode(value.as_bytes())),
    })
}

/// Answers, finalizes and downloads. Gives the chain.
async fn finish(acme: &Acme, order: &Order, csr: String) -> Result<Bytes, Failed> {
    acme.post(&order.challenge, "{}").await?;
    let mut payload = String::new();
    let mut url = &order.url;
    loop {
        let (_, body) = acme.post(url, &payload).await?;
        let seen: Value = serde_json::from_slice(&body)?;
        match text(&seen, "status")? {
            "ready" => {
                payload = json!({"csr": csr}).to_string();
                url = &order.finalize;
            }
            "valid" => return Ok(acme.post(text(&seen, "certificate")?, "").await?.1),
            "pending" | "processing" => {
                payload = String::new();
                url = &order.url;
                tokio::time::sleep(POLL).await;
            }
            status => return Err(format!("the order is {status}").into()),
        }
    }
}

fn request(name: &str) -> Result<String, Failed> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec![format!("{name}.{ZONE}")])?;
    params.distinguished_name = DistinguishedName::new();
    Ok(BASE64.encode(params.serialize_request(&key)?.der()))
}

fn route53(lab: &Value) -> Result<aws_sdk_route53::Client, Failed> {
    let credentials = Credentials::new(text(lab, "access_key")?, text(lab, "secret_key")?, None, None, "bench");
    let config = aws_sdk_route53::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials)
        .endpoint_url(text(lab, "route53")?);
    Ok(aws_sdk_route53::Client::from_conf(config.build()))
}

async fn change_all(
    route53: &aws_sdk_route53::Client,
    zone: &str,
    action: ChangeAction,
    orders: &[Order],
    waits: bool,
) -> Outcome {
    let mut changes = Vec::new();
    for part in orders.chunks(BATCH) {
        let batch: Result<Vec<Change>, Failed> = part.iter().map(|order| change(action.clone(), order)).collect();
        let batch = ChangeBatch::builder().set_changes(Some(batch?)).build()?;
        let answer = route53.change_resource_record_sets().hosted_zone_id(zone).change_batch(batch).send().await?;
        changes.push(answer.change_info().ok_or("a change without an id")?.id().to_owned());
    }
    while let Some(id) = changes.last().filter(|_| waits) {
        let answer = route53.get_change().id(id.trim_start_matches("/change/")).send().await?;
        if answer.change_info().is_some_and(|info| *info.status() == ChangeStatus::Insync) {
            changes.pop();
        } else {
            tokio::time::sleep(POLL).await;
        }
    }
    Ok(())
}

fn change(action: ChangeAction, order: &Order) -> Result<Change, Failed> {
    let record = ResourceRecord::builder().value(&order.value).build()?;
    let set = ResourceRecordSet::builder().name(&order.name).r#type(RrType::Txt).ttl(60).resource_records(record);
    Ok(Change::builder().action(action).resource_record_set(set.build()?).build()?)
}

/// RFC 8555, as far as the wave needs it.
struct Acme {
    https: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    key: EcdsaKeyPair,
    jwk: Value,
    thumbprint: String,
    directory: Value,
    account: Option<String>,
    nonces: Arc<Mutex<Vec<String>>>,
}

impl Acme {
    fn connect(lab: &Value) -> Result<Self, Failed> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(text(lab, "ca_root")?)?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let tls = tls.with_root_certificates(roots).with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_http2().wrap_connector(tcp);
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
        let point = key.public_key().as_ref();
        let (x, y) = (BASE64.encode(&point[1..33]), BASE64.encode(&point[33..]));
        let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        Ok(Self {
            https: Client::builder(TokioExecutor::new()).http2_only(true).build(https),
            key,
            jwk: serde_json::from_str(&canonical)?,
            thumbprint: BASE64.encode(Digest::of(canonical.as_bytes()).as_bytes()),
            directory: Value::Null,
            account: None,
            nonces: Arc::default(),
        })
    }

    async fn open(&mut self, directory: &str) -> Outcome {
        self.directory = serde_json::from_slice(&self.send(Method::GET, directory, String::new()).await?.1)?;
        let (headers, _) = self.post(text(&self.directory, "newAccount")?, r#"{"termsOfServiceAgreed":true}"#).await?;
        self.account = Some(headers.get("location").ok_or("an account without a URL")?.to_str()?.to_owned());
        Ok(())
    }

    async fn post(&self, url: &str, payload: &str) -> Result<(HeaderMap, Bytes), Failed> {
        let kept = self.nonces.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let nonce = match kept {
            Some(nonce) => nonce,
            None => {
                let (headers, _) = self.send(Method::HEAD, text(&self.directory, "newNonce")?, String::new()).await?;
                headers.get("replay-nonce").ok_or("no nonce")?.to_str()?.to_owned()
            }
        };
        let mut header = json!({"alg": "ES256", "url": url, "nonce": nonce});
        match &self.account {
            Some(account) => header["kid"] = json!(account),
            None => header["jwk"] = self.jwk.clone(),
        }
        let (protected, payload) = (BASE64.encode(header.to_string()), BASE64.encode(payload));
        let signature = self.key.sign(&SystemRandom::new(), format!("{protected}.{payload}").as_bytes())?;
        let body = json!({"protected": protected, "payload": payload, "signature": BASE64.encode(signature)});
        let (headers, body) = self.send(Method::POST, url, body.to_string()).await?;
        if let Some(nonce) = headers.get("replay-nonce") {
            self.nonces.lock().unwrap_or_else(PoisonError::into_inner).push(nonce.to_str()?.to_owned());
        }
        Ok((headers, body))
    }

    async fn send(&self, method: Method, url: &str, body: String) -> Result<(HeaderMap, Bytes), Failed> {
        let request = Request::builder().method(method).uri(url).header("user-agent", "yardstick");
        let request = request.header("content-type", "application/jose+json").body(Full::new(body.into()))?;
        let (head, body) = self.https.request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        if !head.status.is_success() {
            return Err(format!("{url}: {} {}", head.status, String::from_utf8_lossy(&body)).into());
        }
        Ok((head.headers, body))
    }
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str, Failed> {
    value[key].as_str().ok_or_else(|| format!("{key} is missing").into())
}
