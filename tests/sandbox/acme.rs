use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use countersign::sandbox::{CaOptions, Mishap, Options, RateLimits, RenewalWindow, Sandbox};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, BodyWrapper, BytesResponse, CertificateIdentifier, ChallengeType,
    Error, HttpClient, Identifier, NewAccount, NewOrder, Order, OrderStatus, RetryPolicy, RevocationReason,
    RevocationRequest,
};
use rcgen::{CertificateParams, KeyPair};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};

use crate::jose::{Key, Raw, b64, order};
use crate::{connector, options, record, seed_txt, start};

struct Plain(Client<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>>);

impl HttpClient for Plain {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let answer = self.0.request(request);
        Box::pin(async { answer.await.map(BytesResponse::from).map_err(|error| Error::Other(Box::new(error))) })
    }
}

fn client(sandbox: &Sandbox) -> Box<dyn HttpClient> {
    Box::new(Plain(Client::builder(TokioExecutor::new()).build(connector(sandbox))))
}

async fn account(sandbox: &Sandbox) -> (Account, AccountCredentials) {
    let new = NewAccount { contact: &[], terms_of_service_agreed: true, only_return_existing: false };
    Account::builder_with_http(client(sandbox)).create(&new, sandbox.directory_url(), None).await.unwrap()
}

async fn new_order(account: &Account, names: &[&str]) -> Order {
    let names: Vec<Identifier> = names.iter().map(|name| Identifier::Dns((*name).to_owned())).collect();
    account.new_order(&NewOrder::new(&names)).await.unwrap()
}

/// Puts the TXT records of an order in place and says so to the CA.
async fn answer_challenges(sandbox: &Sandbox, order: &mut Order) {
    let mut values: Vec<(String, String)> = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.unwrap();
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let mut challenge = authorization.challenge(ChallengeType::Dns01).unwrap();
        let Identifier::Dns(base) = challenge.identifier().identifier.clone() else { panic!("a DNS identifier") };
        values.push((format!("_acme-challenge.{base}"), challenge.key_authorization().dns_value()));
        let name = &values.last().unwrap().0;
        let here: Vec<String> =
            values.iter().filter(|(other, _)| other == name).map(|(_, value)| value.clone()).collect();
        seed_txt(sandbox, name, &here);
        challenge.set_ready().await.unwrap();
    }
}

fn csr(names: &[&str]) -> Vec<u8> {
    let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.serialize_request(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

async fn issue(sandbox: &Sandbox, account: &Account, names: &[&str]) -> String {
    let mut order = new_order(account, names).await;
    answer_challenges(sandbox, &mut order).await;
    finish(&mut order, names).await
}

async fn finish(order: &mut Order, names: &[&str]) -> String {
    let retries = RetryPolicy::new().initial_delay(Duration::from_millis(1));
    assert_eq!(order.poll_ready(&retries).await.unwrap(), OrderStatus::Ready);
    order.finalize_csr(&csr(names)).await.unwrap();
    order.poll_certificate(&retries).await.unwrap()
}

fn problem(error: Error) -> (u16, String) {
    let Error::Api(problem) = error else { panic!("a problem document, not {error}") };
    let kind = problem.r#type.unwrap();
    (problem.status.unwrap(), kind.rsplit(':').next().unwrap().to_owned())
}

fn chain(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).map(Result::unwrap).collect()
}

/// Whether each certificate is signed by the next, and the last by the root.
fn builds_to(pem: &str, root: &str) -> bool {
    let mut chain = chain(pem);
    chain.push(CertificateDer::from_pem_slice(root.as_bytes()).unwrap());
    let parsed: Vec<_> = chain.iter().map(|der| x509_parser::parse_x509_certificate(der).unwrap().1).collect();
    parsed.windows(2).all(|pair| pair[0].verify_signature(Some(pair[1].public_key())).is_ok())
}

#[tokio::test]
async fn instant_acme_gets_a_certificate_for_a_wildcard_and_its_base() {
    let sandbox = start().await;
    let (account, _) = account(&sandbox).await;
    let pem = issue(&sandbox, &account, &["example.com", "*.example.com"]).await;
    assert_eq!(chain(&pem).len(), 2);
    assert!(builds_to(&pem, sandbox.issuer_root_pem()));
    assert_eq!(sandbox.issued()[0].names, ["*.example.com", "example.com"]);
    assert_eq!(sandbox.log().count("newOrder"), 1);
}

#[tokio::test]
async fn the_alternate_chain_builds_to_the_other_root() {
    let sandbox = start().await;
    let raw = Raw::registered(&sandbox, Key::p256()).await;
    let path = raw_certificate(&sandbox, &raw, "www.example.com").await;
    let main = raw.post(&path, "").await;
    let links: Vec<&str> = main.headers.get_all("link").iter().map(|link| link.to_str().unwrap()).collect();
    assert!(links.contains(&format!("<{}{path}/1>;rel=\"alternate\"", raw.base).as_str()), "{links:?}");
    let alternate = raw.post(&format!("{path}/1"), "").await;
    assert!(builds_to(std::str::from_utf8(&alternate.body).unwrap(), sandbox.alternate_root_pem()));
}

#[tokio::test]
async fn a_wrong_txt_record_makes_challenge_authorization_and_order_invalid() {
    let sandbox = start().await;
    let raw = Raw::registered(&sandbox, Key::p256()).await;
    seed_txt(&sandbox, "_acme-challenge.www.example.com", &["wrong".to_owned()]);
    let order = raw.order(&["www.example.com"]).await;
    let challenge = raw.post(&dns_challenge(&raw, &order.json()).await, "{}").await.json();
    assert_eq!(challenge["status"], "invalid");
    assert_eq!(challenge["error"]["type"], "urn:ietf:params:acme:error:unauthorized");
    let order = raw.post(&path_of(&raw, order.header("location")), "").await.json();
    assert_eq!(order["status"], "invalid");
}

#[tokio::test]
async fn a_missing_txt_record_is_a_dns_problem() {
    let sandbox = start().await;
    let raw = Raw::registered(&sandbox, Key::p256()).await;
    let order = raw.order(&["www.example.com"]).await.json();
    let challenge = raw.post(&dns_challenge(&raw, &order).await, "{}").await.json();
    assert_eq!(challenge["error"]["type"], "urn:ietf:params:acme:error:dns");
}

#[tokio::test]
async fn validation_follows_a_cname_into_another_zone() {
    let sandbox = start().await;
    let raw = Raw::registered(&sandbox, Key::p256()).await;
    let order = raw.order(&["www.example.com"]).await.json();
    let (path, value) = dns_challenge_and_value(&raw, &order).await;
    let alias = record("CNAME", "_acme-challenge.www.example.com", &["www.other.test"]);
    sandbox.seed_record("Z1", alias).unwrap();
    sandbox.seed_record("Z2", record("TXT", "www.other.test", &[&format!("{value:?}")])).unwrap();
    assert_eq!(raw.post(&path, "{}").await.json()["status"], "valid");
}

#[tokio::test]
async fn a_caa_record_for_another_ca_forbids() {
    let sandbox = start().await;
    let raw = Raw::registered(&sandbox, Key::p256()).await;
    sandbox.seed_record("Z1", record("CAA", "example.com", &["0 issue \"letsencrypt.org\""])).unwrap();
    let order = raw.order(&["www.example.com"]).await.json();
    let (path, value) = dns_challenge_and_value(&raw, &order).await;
    seed_txt(&sandbox, "_acme-challenge.www.example.com", &[value]);
    assert_eq!(raw.post(&path, "{}").await.json()["error"]["type"], "urn:ietf:params:acme:error:caa");
}

#[tokio::test]
async fn an_unfinished_order_for_the_same_names_and_profile_is_reused() {
    let sandbox = start().await;
    let (account, _) = account(&sandbox).await;
    let first = new_order(&account, &["www.example.com", "example.com"]).await;
    let second = new_order(&account, &["example.com", "www.example.com"]).await;
    assert_eq!(first.url(), second.url());
    let names = [Identifier::Dns("example.com".to_owned()), Identifier::Dns("www.example.com".to_owned())];
    let short = account.new_order(&NewOrder::new(&names).profile("shortlived")).await.unwrap();
    assert_ne!(first.url(), short.url());
}

#[tokio::test]
async fn replaces_is_consumed_by_a_live_order_and_comes_back_with_an_invalid_one() {
    let sandbox = start().await;
    let raw = Raw::registered(&sandbox, Key::p256()).await;
    raw_certificate(&sandbox, &raw, "www.example.com").await;
    let mut payload = order(&["www.example.com"]);
    payload["replaces"] = json!(sandbox.issued()[0].ari_id);
    let first = raw.post("/new-order", &payload.to_string()).await;
    assert_eq!((first.status, &first.json()["replaces"]), (201, &payload["replaces"]));
    assert_eq!(raw.post("/new-order", &payload.to_string()).await.problem(), (409, "alreadyReplaced".to_owned()));
    assert_eq!(raw.order(&["www.example.com"]).await.header("location"), first.header("location"));

    let authorization = path_of(&raw, first.json()["authorizations"][0].as_str().unwrap());
    raw.post(&authorization, r#"{"status":"deactivated"}"#).await;
    assert_eq!(raw.post("/new-order", &payload.to_string()).await.status, 201);
}

#[tokio::test]
async fn orders_that_boulder_refuses_are_refused() {
    let sandbox = start().await;
    let raw = Raw::registered(&sandbox, Key::p256()).await;
    let many: Vec<String> = (0..101).map(|n| format!("n{n}.example.com")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let refusals = [
        (order(&[]), "malformed"),
        (order(&many), "malformed"),
        (order(&["*.example.com", "www.example.com"]), "malformed"),
        (order(&["localhost"]), "rejectedIdentifier"),
        (order(&["a.*.example.com"]), "rejectedIdentifier"),
        (json!({"identifiers": [{"type": "ip", "value": "10.0.0.1"}]}), "unsupportedIdentifier"),
        (json!({"identifiers": order(&["a.b"])["identifiers"], "profile": "x"}), "invalidProfile"),
        (json!({"identifiers": order(&["a.b"])["identifiers"], "notAfter": "2030-01-01T00:00:00Z"}), "malformed"),
    ];
    for (payload, kind) in refusals {
        assert_eq!(raw.post("/new-order", &payload.to_string()).await.problem(), (400, kind.to_owned()), "{payload}");
    }
}

#[tokio::test]
async fn an_order_is_finalized_once_and_only_when_it_is_ready() {
    let sandbox = start().await;
    let (account, _) = account(&sandbox).await;
    let mut order = new_order(&account, &["www.example.com"]).await;
    let early = order.finalize_csr(&csr(&["www.example.com"])).await.unwrap_err();
    assert_eq!(problem(early), (403, "orderNotReady".to_owned()));
    answer_challenges(&sandbox, &mut order).await;
    finish(&mut order, &["www.example.com"]).await;
    let late = order.finalize_csr(&csr(&["www.example.com"])).await.unwrap_err();
    assert_eq!(problem(late), (403, "orderNotReady".to_owned()));
}

#[tokio::test]
async fn a_csr_must_name_exactly_the_identifiers_of_the_order() {
    let sandbox = start().await;
    let (account, _) = account(&sandbox).await;
    let mut order = new_order(&account, &["a.example.com", "b.example.com"]).await;
    answer_challenges(&sandbox, &mut order).await;
    for names in [vec!["a.example.com"], vec!["a.example.com", "b.example.com", "c.example.com"]] {
        let refusal = order.finalize_csr(&csr(&names)).await.unwrap_err();
        assert_eq!(problem(refusal), (400, "badCSR".to_owned()), "{names:?}");
    }
}

#[tokio::test]
async fn a_csr_with_a_broken_signature_is_refused() {
    let sandbox = start().await;
    let (account, _) = account(&sandbox).await;
    let mut order = new_order(&account, &["www.example.com"]).await;
    answer_challenges(&sandbox, &mut order).await;
    let mut csr = csr(&["www.example.com"]);
    *csr.last_mut().unwrap() ^= 1;
    assert_eq!(problem(order.finalize_csr(&csr).await.unwrap_err()), (400, "badCSR".to_owned()));
}

#[tokio::test]
async fn the_account_key_is_no_certificate_key() {
    let sandbox = start().await;
    let (account, credentials) = account(&sandbox).await;
    let mut order = new_order(&account, &["www.example.com"]).await;
    answer_challenges(&sandbox, &mut order).await;
    let credentials: Value = serde_json::to_value(&credentials).unwrap();
    let pkcs8 =
        base64::Engine::decode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, credentials["key_pkcs8"].as_str().unwrap());
    let key = KeyPair::try_from(pkcs8.unwrap()).unwrap();
    let params = CertificateParams::new(vec!["www.example.com".to_owned()]).unwrap();
    let csr = params.serialize_request(&key).unwrap();
    assert_eq!(problem(order.finalize_csr(csr.der()).await.unwrap_err()), (400, "badCSR".to_owned()));
}

#[tokio::test]
async fn a_leaf_has_the_lifetime_of_its_profile_and_a_long_serial() {
    let sandbox = start().await;
    let (account, _) = account(&sandbox).await;
    issue(&sandbox, &account, &["www.example.com"]).await;
    let names = [Identifier::Dns("www.example.com".to_owned())];
    let mut order = account.new_order(&NewOrder::new(&names).profile("shortlived")).await.unwrap();
    answer_challenges(&sandbox, &mut order).await;
    finish(&mut order, &["www.example.com"]).await;
    let hours: Vec<i64> = sandbox
        .issued()
        .iter()
        .map(|issued| (issued.not_after - issued.not_before + time::Duration::SECOND).whole_hours())
        .collect();
    assert_eq!(hours, [90 * 24, 160]);
    assert_eq!(sandbox.issued()[0].serial.len(), 32);
}

#[tokio::test]
async fn the_renewal_window_is_two_percent_around_two_thirds() {
    let sandbox = start().await;
    let (account, _) = account(&sandbox).await;
    let pem = issue(&sandbox, &account, &["www.example.com"]).await;
    let id = CertificateIdentifier::try_from(&chain(&pem)[0]).unwrap();
    let (info, _) = account.renewal_info(&id).await.unwrap();
    let (start, end) = (info.suggested_window.start, info.suggested_window.end);
    assert_eq!((end - start).whole_minutes(), (90 * 24 * 60) / 50);
    let middle: time::Duration = start + (end - start) / 2 - sandbox.issued()[0].not_before;
    assert_eq!(middle.whole_hours(), 60 * 24 - 1);
    assert_eq!(id.to_string(), sandbox.issued()[0].ari_id);
}

#[tokio::test]
async fn a_renewal_window_can_be_set_and_is_to_be_asked_for_every_six_hours() {
    let sandbox = start().await;
    let raw = Raw::registered(&sandbox, Key::p256()).await;
    raw_certificate(&sandbox, &raw, "www.example.com").await;
    let ari_id = &sandbox.issued()[0].ari_id;
    let start = time::macros::datetime!(2030-01-01 0:00 UTC);
    sandbox.set_renewal_window(ari_id, RenewalWindow { start, end: start + time::Duration::HOUR, explanation: None });
    let answer = raw.get(&format!("/renewal-info/{ari_id}")).await;
    assert_eq!(answer.json()["suggestedWindow"]["end"], "2030-01-01T01:00:00Z");
    assert_eq!(answer.header("retry-after"), "21600");
    assert_eq!(raw.get("/renewal-info/AAAA.AAAA").await.problem(), (404, "malformed".to_owned()));
}

#[tokio::test]
async fn an_account_revokes_its_certificate_once() {
    let sandbox = start().await;
    let (account, _) = account(&sandbox).await;
    let pem = issue(&sandbox, &account, &["www.example.com"]).await;
    let certificate = &chain(&pem)[0];
    let revocation = || RevocationRequest { certificate, reason: Some(RevocationReason::KeyCompromise) };
    account.revoke(&revocation()).await.unwrap();
    assert_eq!(sandbox.issued()[0].revoked.unwrap().1, 1);
    assert_eq!(problem(account.revoke(&revocation()).await.unwrap_err()), (400, "alreadyRevoked".to_owned()));
}

#[tokio::test]
async fn a_stranger_may_not_revoke_nor_download() {
    let sandbox = start().await;
    let owner = Raw::registered(&sandbox, Key::p256()).await;
    let path = raw_certificate(&sandbox, &owner, "www.example.com").await;
    let stranger = Raw::registered(&sandbox, Key::p256()).await;
    let payload = json!({"certificate": b64(&sandbox.issued()[0].der)}).to_string();
    let unauthorized = (403, "unauthorized".to_owned());
    assert_eq!(stranger.post("/revoke-cert", &payload).await.problem(), unauthorized);
    assert_eq!(Raw::new(&sandbox, Key::p256()).post("/revoke-cert", &payload).await.problem(), unauthorized);
    assert_eq!(stranger.post(&path, "").await.problem(), unauthorized);
}

#[tokio::test]
async fn the_key_of_a_certificate_revokes_it_as_compromised() {
    let sandbox = start().await;
    let raw = Raw::registered(&sandbox, Key::p256()).await;
    let path = raw_ready_order(&sandbox, &raw, "www.example.com").await;
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["www.example.com".to_owned()]).unwrap();
    let mut params = params;
    params.distinguished_name = rcgen::DistinguishedName::new();
    let csr = json!({"csr": b64(params.serialize_request(&key).unwrap().der())});
    raw.post(&path.replace("/order/", "/finalize/"), &csr.to_string()).await;

    let algorithm = &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
    let key = aws_lc_rs::signature::EcdsaKeyPair::from_pkcs8(algorithm, &key.serialize_der()).unwrap();
    let by_key = Raw::new(&sandbox, Key::P256(key));
    let payload = json!({"certificate": b64(&sandbox.issued()[0].der), "reason": 4}).to_string();
    assert_eq!(by_key.post("/revoke-cert", &payload).await.status, 200);
    assert_eq!(sandbox.issued()[0].revoked.unwrap().1, 1);
}

#[tokio::test]
async fn account_keys_are_of_p256_p384_or_rsa() {
    let sandbox = start().await;
    for key in [Key::p256(), Key::p384(), Key::rsa()] {
        let raw = Raw::registered(&sandbox, key).await;
        let kid = raw.kid.clone().unwrap();
        let known = Raw { kid: None, ..raw }.post("/new-account", r#"{"onlyReturnExisting":true}"#).await;
        assert_eq!((known.status, known.header("location")), (200, kid.as_str()));
    }
}

#[tokio::test]
async fn an_account_can_change_its_key_and_be_deactivated() {
    let sandbox = start().await;
    let (mut account, old) = account(&sandbox).await;
    let _new_credentials = account.update_key().await.unwrap();
    new_order(&account, &["www.example.com"]).await;
    account.deactivate().await.unwrap();
    let old = Account::builder_with_http(client(&sandbox)).from_credentials(old).await.unwrap();
    let names = [Identifier::Dns("www.example.com".to_owned())];
    let refusal = old.new_order(&NewOrder::new(&names)).await.err().unwrap();
    assert_eq!(problem(refusal), (403, "unauthorized".to_owned()));
}

#[tokio::test]
async fn a_key_that_another_account_has_is_no_new_key() {
    let sandbox = start().await;
    let taken = Raw::registered(&sandbox, Key::p256()).await;
    let raw = Raw::registered(&sandbox, Key::rsa()).await;
    let inner = json!({"alg": "ES256", "jwk": taken.key.jwk(), "url": format!("{}/key-change", raw.base)});
    let payload = json!({"account": raw.kid, "oldKey": raw.key.jwk()});
    let inner = taken.key.jws(&inner, &payload.to_string());
    let answer = raw.post("/key-change", &inner.to_string()).await;
    assert_eq!((answer.status, answer.header("location")), (409, taken.kid.unwrap().as_str()));
}

#[tokio::test]
async fn a_request_that_is_not_well_signed_is_refused() {
    let sandbox = start().await;
    let raw = Raw::registered(&sandbox, Key::p256()).await;
    let path = "/new-order";
    let payload = order(&["www.example.com"]).to_string();
    let with = async |name: &str, value: Value| {
        let mut header = raw.header(path).await;
        header[name] = value;
        raw.send(path, &raw.key.jws(&header, &payload)).await.problem()
    };
    assert_eq!(with("url", json!("https://127.0.0.1/new-order")).await, (403, "unauthorized".to_owned()));
    assert_eq!(with("nonce", json!("AAAA")).await, (400, "badNonce".to_owned()));
    assert_eq!(with("alg", json!("HS256")).await, (400, "badSignatureAlgorithm".to_owned()));
    assert_eq!(with("kid", json!(format!("{}/acct/999", raw.base))).await, (400, "accountDoesNotExist".to_owned()));
    assert_eq!(with("jwk", raw.key.jwk()).await, (400, "malformed".to_owned()));
    let forged = Key::p256().jws(&raw.header(path).await, &payload);
    assert_eq!(raw.send(path, &forged).await.problem(), (400, "malformed".to_owned()));
    assert_eq!(sandbox.log().count("newOrder"), 6);
}

#[tokio::test]
async fn a_nonce_is_good_once() {
    let sandbox = start().await;
    let raw = Raw::registered(&sandbox, Key::p256()).await;
    let body = raw.key.jws(&raw.header("/new-order").await, &order(&["www.example.com"]).to_string());
    assert_eq!(raw.send("/new-order", &body).await.status, 201);
    assert_eq!(raw.send("/new-order", &body).await.problem(), (400, "badNonce".to_owned()));
}

#[tokio::test]
async fn a_request_needs_a_user_agent_and_the_content_type_of_jose() {
    let sandbox = start().await;
    let raw = Raw::registered(&sandbox, Key::p256()).await;
    let body = raw.key.jws(&raw.header("/new-order").await, "{}").to_string();
    let bare = || Request::post(format!("{}/new-order", raw.base));
    let jose = bare().header("content-type", "application/jose+json").body(Full::from(body.clone())).unwrap();
    assert_eq!(raw.request(jose).await.problem(), (400, "malformed".to_owned()));
    let json =
        bare().header("user-agent", "x").header("content-type", "application/json").body(Full::from(body)).unwrap();
    assert_eq!(raw.request(json).await.problem(), (415, "malformed".to_owned()));
}

#[tokio::test]
async fn every_nth_nonce_is_bad_if_so_asked() {
    let ca = CaOptions { bad_nonce_every: std::num::NonZeroU64::new(3), ..CaOptions::default() };
    let sandbox = Sandbox::start(Options { ca, ..options() }).await.unwrap();
    let raw = Raw::registered(&sandbox, Key::p256()).await;
    let statuses =
        [raw.order(&["a.example.com"]).await, raw.order(&["a.example.com"]).await].map(|answer| answer.status);
    assert_eq!(statuses, [201, 400]);
}

#[tokio::test]
async fn a_valid_authorization_serves_again_if_so_asked() {
    let ca = CaOptions { reuse_authorizations: true, ..CaOptions::default() };
    let sandbox = Sandbox::start(Options { ca, ..options() }).await.unwrap();
    let raw = Raw::registered(&sandbox, Key::p256()).await;
    raw_certificate(&sandbox, &raw, "www.example.com").await;
    assert_eq!(raw.order(&["www.example.com"]).await.json()["status"], "ready");
}

#[tokio::test]
async fn an_authorization_is_pending_with_retry_after_while_its_challenge_is_validated() {
    let ca = CaOptions { validation_delay: Duration::from_secs(3_600), retry_after: 7, ..CaOptions::default() };
    let sandbox = Sandbox::start(Options { ca, ..options() }).await.unwrap();
    let raw = Raw::registered(&sandbox, Key::p256()).await;
    let order = raw.order(&["www.example.com"]).await.json();
    let challenge = raw.post(&dns_challenge(&raw, &order).await, "{}").await;
    assert_eq!(challenge.json()["status"], "processing");
    let authorization = raw.post(&path_of(&raw, order["authorizations"][0].as_str().unwrap()), "").await;
    assert_eq!((authorization.json()["status"].as_str(), authorization.header("retry-after")), (Some("pending"), "7"));
}

#[tokio::test]
async fn a_slow_issuance_is_seen_as_processing_with_retry_after() {
    let long = Duration::from_secs(3_600);
    let ca = CaOptions { processing: long, retry_after: 7, ..CaOptions::default() };
    let sandbox = Sandbox::start(Options { ca, ..options() }).await.unwrap();
    let raw = Raw::registered(&sandbox, Key::p256()).await;
    let path = raw_ready_order(&sandbox, &raw, "www.example.com").await;
    let payload = json!({"csr": b64(&csr(&["www.example.com"]))}).to_string();
    raw.post(&path.replace("/order/", "/finalize/"), &payload).await;
    let order = raw.post(&path, "").await;
    assert_eq!((order.json()["status"].as_str(), order.header("retry-after")), (Some("processing"), "7"));
}

#[tokio::test]
async fn an_expired_order_is_not_found() {
    let sandbox = start().await;
    let raw = Raw::registered(&sandbox, Key::p256()).await;
    let path = path_of(&raw, raw.order(&["www.example.com"]).await.header("location"));
    sandbox.advance(Duration::from_secs(7 * 86_400));
    assert_eq!(raw.post(&path, "").await.problem(), (404, "malformed".to_owned()));
}

#[tokio::test]
async fn an_external_account_can_be_required() {
    let ca = CaOptions { external_account: Some(("kid".to_owned(), vec![7; 32])), ..CaOptions::default() };
    let sandbox = Sandbox::start(Options { ca, ..options() }).await.unwrap();
    let create = async |key: Option<u8>| {
        let new = NewAccount { contact: &[], terms_of_service_agreed: true, only_return_existing: false };
        let binding = key.map(|byte| instant_acme::ExternalAccountKey::new("kid".to_owned(), &[byte; 32]));
        Account::builder_with_http(client(&sandbox)).create(&new, sandbox.directory_url(), binding.as_ref()).await
    };
    assert!(create(Some(7)).await.is_ok());
    assert_eq!(problem(create(Some(8)).await.err().unwrap()), (403, "unauthorized".to_owned()));
    assert_eq!(problem(create(None).await.err().unwrap()), (403, "externalAccountRequired".to_owned()));
}

#[tokio::test]
async fn a_scripted_rate_limit_is_a_problem_with_retry_after_and_without_effect() {
    let sandbox = start().await;
    let raw = Raw::registered(&sandbox, Key::p256()).await;
    sandbox.faults().script("newOrder", 1, Mishap::rate_limited(3_600));
    let answer = raw.order(&["www.example.com"]).await;
    assert_eq!((answer.problem(), answer.header("retry-after")), ((429, "rateLimited".to_owned()), "3600"));
    assert_eq!(raw.order(&["www.example.com"]).await.status, 201);
}

#[tokio::test]
async fn a_lost_answer_leaves_its_effect_behind() {
    let sandbox = start().await;
    let raw = Raw::registered(&sandbox, Key::p256()).await;
    raw_certificate(&sandbox, &raw, "www.example.com").await;
    let mut payload = order(&["www.example.com"]);
    payload["replaces"] = json!(sandbox.issued()[0].ari_id);
    sandbox.faults().script("newOrder", 1, Mishap::Lost);
    let body = raw.key.jws(&raw.header("/new-order").await, &payload.to_string());
    let request = Request::post(format!("{}/new-order", raw.base))
        .header("content-type", "application/jose+json")
        .header("user-agent", "x");
    assert!(raw.https.request(request.body(Full::from(body.to_string())).unwrap()).await.is_err());
    assert_eq!(raw.post("/new-order", &payload.to_string()).await.problem(), (409, "alreadyReplaced".to_owned()));
}

#[tokio::test]
async fn a_proxy_can_answer_in_html() {
    let sandbox = start().await;
    let raw = Raw::registered(&sandbox, Key::p256()).await;
    sandbox.faults().script("newOrder", 1, Mishap::Html { status: 503, retry_after: Some("120".to_owned()) });
    let answer = raw.order(&["www.example.com"]).await;
    assert_eq!((answer.status, answer.header("content-type"), answer.header("retry-after")), (503, "text/html", "120"));
}

#[tokio::test]
async fn a_stalled_body_stops_half_way() {
    let sandbox = start().await;
    let raw = Raw::new(&sandbox, Key::p256());
    let length = raw.get("/dir").await.body.len();
    sandbox.faults().script("directory", 1, Mishap::Stalled(Duration::from_secs(3_600)));
    let request = Request::get(sandbox.directory_url()).body(Full::default()).unwrap();
    let mut body = raw.https.request(request).await.unwrap().into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first.len(), length / 2);
}

#[tokio::test]
async fn an_offer_that_no_client_knows_has_no_token() {
    let sandbox = start().await;
    let raw = Raw::registered(&sandbox, Key::p256()).await;
    let order = raw.order(&["www.example.com"]).await.json();
    let authorization = raw.post(&path_of(&raw, order["authorizations"][0].as_str().unwrap()), "").await.json();
    let kinds: Vec<&str> =
        authorization["challenges"].as_array().unwrap().iter().map(|offer| offer["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["http-01", "dns-01", "sandbox-persist-01"]);
    assert_eq!(authorization["challenges"][2].get("token"), None);
}

#[tokio::test]
async fn issuance_can_fail_after_finalization() {
    let sandbox = start().await;
    let raw = Raw::registered(&sandbox, Key::p256()).await;
    let path = raw_ready_order(&sandbox, &raw, "www.example.com").await;
    sandbox.faults().script("issuance", 1, Mishap::refused(500, "serverInternal"));
    let payload = json!({"csr": b64(&csr(&["www.example.com"]))}).to_string();
    let order = raw.post(&path.replace("/order/", "/finalize/"), &payload).await.json();
    assert_eq!(order["status"], "invalid");
    assert_eq!(order["error"]["type"], "urn:ietf:params:acme:error:serverInternal");
}

fn path_of(raw: &Raw, url: &str) -> String {
    url.strip_prefix(&raw.base).unwrap().to_owned()
}

async fn dns_challenge(raw: &Raw, order: &Value) -> String {
    dns_challenge_and_value(raw, order).await.0
}

/// The path of the only dns-01 challenge of an order, and what its TXT record must hold.
async fn dns_challenge_and_value(raw: &Raw, order: &Value) -> (String, String) {
    let authorization = path_of(raw, order["authorizations"][0].as_str().unwrap());
    let authorization = raw.post(&authorization, "").await.json();
    let challenges = authorization["challenges"].as_array().unwrap();
    let challenge = challenges.iter().find(|challenge| challenge["type"] == "dns-01").unwrap();
    let jwk = raw.key.jwk();
    // RFC 7638: sorted members without blanks, which is how serde_json writes a map.
    let sorted: std::collections::BTreeMap<String, Value> = serde_json::from_value(jwk).unwrap();
    let sha256 = |text: &str| b64(countersign::name::Digest::of(text.as_bytes()).as_bytes());
    let thumbprint = sha256(&serde_json::to_string(&sorted).unwrap());
    let value = sha256(&format!("{}.{thumbprint}", challenge["token"].as_str().unwrap()));
    (path_of(raw, challenge["url"].as_str().unwrap()), value)
}

/// The path of a ready order.
async fn raw_ready_order(sandbox: &Sandbox, raw: &Raw, name: &str) -> String {
    let order = raw.order(&[name]).await;
    let (challenge, value) = dns_challenge_and_value(raw, &order.json()).await;
    seed_txt(sandbox, &format!("_acme-challenge.{name}"), &[value]);
    raw.post(&challenge, "{}").await;
    path_of(raw, order.header("location"))
}

/// The path of a certificate.
async fn raw_certificate(sandbox: &Sandbox, raw: &Raw, name: &str) -> String {
    let order = raw_ready_order(sandbox, raw, name).await;
    let payload = json!({"csr": b64(&csr(&[name]))}).to_string();
    let order = raw.post(&order.replace("/order/", "/finalize/"), &payload).await.json();
    path_of(raw, order["certificate"].as_str().unwrap())
}

#[tokio::test]
async fn a_limit_says_when_to_come_again_in_its_header_and_in_its_text() {
    let limits = RateLimits { orders_per_account: Some((1, Duration::from_secs(3 * 3_600))), ..RateLimits::default() };
    let ca = CaOptions { limits, ..CaOptions::default() };
    let sandbox = Sandbox::start(Options { ca, ..options() }).await.unwrap();
    let raw = Raw::registered(&sandbox, Key::p256()).await;
    assert_eq!(raw.order(&["a.example.com"]).await.status, 201);
    let refused = raw.order(&["b.example.com"]).await;
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((10_700..=10_800).contains(&wait), "{wait}");
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(
        detail.starts_with("too many new orders (1) from this account in the last 3h0m0s, retry after 2"),
        "{detail}"
    );
    sandbox.advance(Duration::from_secs(3 * 3_600));
    assert_eq!(raw.order(&["b.example.com"]).await.status, 201);
}
