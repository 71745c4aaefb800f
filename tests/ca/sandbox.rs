//! Against the sandbox, which looks TXT records up and keeps Boulder's rules.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use countersign::ca::AcmeCa;
use countersign::fault::{Fault, Retry};
use countersign::journal::Status;
use countersign::list::ChallengeType;
use countersign::port::Clock as _;
use countersign::port::{Answer, Ca, Challenge, Order, OrderRequest};
use countersign::sandbox::{CaOptions, Options, RecordSet, RenewalWindow, Sandbox, quote};
use futures::stream::{self, StreamExt};

use super::rig::{MemoryAccounts, connect, csr_for, is_over, request, settings, until};

pub async fn start(ca: CaOptions) -> Sandbox {
    let zones = vec![("Z1".to_owned(), "example.test".to_owned())];
    Sandbox::start(Options { zones, ca, ..Options::default() }).await.unwrap()
}

pub fn open(sandbox: &Sandbox, accounts: &Arc<MemoryAccounts>) -> AcmeCa {
    connect(settings(&sandbox.directory_url(), sandbox.tls_root_pem()), accounts)
}

/// The order's challenges answered, with the right values in DNS or with wrong ones.
pub async fn answer(sandbox: &Sandbox, order: &mut dyn Order, right: bool) {
    let open = order.authorizations(ChallengeType::Dns01).await.unwrap().into_iter();
    let open: Vec<_> = open.filter_map(|a| a.challenge.map(|challenge| (a.base, challenge))).collect();
    for (base, _) in &open {
        let own = open.iter().filter(|(other, _)| other == base);
        let txt = |challenge: &Challenge| match &challenge.answer {
            Answer::Txt(value) => value.clone(),
            Answer::File { .. } => panic!("a file is no answer to dns-01"),
        };
        let values = own.map(|(_, challenge)| quote(&if right { txt(challenge) } else { "wrong".into() })).collect();
        let name = format!("_acme-challenge.{base}");
        let set = RecordSet { name, kind: "TXT".into(), ttl: 60, values, routing: None };
        sandbox.seed_record("Z1", set).unwrap();
    }
    for (_, challenge) in open {
        order.set_ready(&challenge.url).await.unwrap();
    }
}

/// The URL of a certificate.
pub async fn issue(sandbox: &Sandbox, ca: &AcmeCa, request: &OrderRequest) -> String {
    issue_for(sandbox, ca, request, &rcgen::KeyPair::generate().unwrap()).await
}

pub async fn issue_for(sandbox: &Sandbox, ca: &AcmeCa, request: &OrderRequest, key: &rcgen::KeyPair) -> String {
    let mut order = ca.new_order(request).await.unwrap();
    answer(sandbox, &mut *order, true).await;
    assert_eq!(until(&mut *order, is_over).await, Status::Ready);
    let names: Vec<&str> = request.identifiers.iter().map(|name| name.as_str()).collect();
    order.finalize(&csr_for(&names, key)).await.unwrap();
    let Status::Valid(url) = until(&mut *order, is_over).await else { panic!("the order is not valid") };
    url
}

fn ari(sandbox: &Sandbox) -> String {
    sandbox.issued().last().unwrap().ari_id.clone()
}

#[tokio::test]
async fn a_wildcard_and_its_base_are_issued_together() {
    let sandbox = start(CaOptions::default()).await;
    let ca = open(&sandbox, &Arc::default());
    let url = issue(&sandbox, &ca, &request(&["example.test", "*.example.test"])).await;
    assert_eq!(ca.certificate(&url, None).await.unwrap().matches("BEGIN CERTIFICATE").count(), 2);
}

#[tokio::test]
async fn nothing_is_asked_before_something_is_ordered() {
    let sandbox = start(CaOptions::default()).await;
    let accounts = Arc::default();
    let url = open(&sandbox, &accounts).new_order(&request(&["a.example.test"])).await.unwrap().url().to_owned();
    sandbox.log().clear();
    let order = open(&sandbox, &accounts).order(&url).await.unwrap();
    assert_eq!(order.url(), url);
    assert!(sandbox.log().counts().is_empty());
}

#[tokio::test]
async fn a_new_order_fetches_no_authorizations() {
    let sandbox = start(CaOptions::default()).await;
    open(&sandbox, &Arc::default()).new_order(&request(&["a.example.test"])).await.unwrap();
    assert_eq!(sandbox.log().count("authz"), 0);
}

#[tokio::test]
async fn nonces_of_replies_are_used_again() {
    let sandbox = start(CaOptions::default()).await;
    let ca = open(&sandbox, &Arc::default());
    for at in 0..5 {
        issue(&sandbox, &ca, &request(&[&format!("n{at}.example.test")])).await;
    }
    assert_eq!(sandbox.log().count("newNonce"), 1);
    assert_eq!(sandbox.log().count("directory"), 1);
}

#[tokio::test]
async fn a_wave_of_five_hundred_orders_asks_for_forty_nonces_at_most() {
    let sandbox = start(CaOptions::default()).await;
    let ca = open(&sandbox, &Arc::default());
    let names: Vec<String> = (0..500).map(|at| format!("n{at}.example.test")).collect();
    let ordered = stream::iter(&names).map(async |name| ca.new_order(&request(&[name])).await.map(drop));
    let ordered: Vec<Result<(), Fault>> = ordered.buffer_unordered(32).collect().await;
    assert_eq!(ordered, vec![Ok(()); 500]);
    let nonces = sandbox.log().count("newNonce");
    assert!(nonces <= 40 && sandbox.log().count("newOrder") == 500, "{nonces}");
}

#[tokio::test]
async fn a_known_account_is_not_registered_again() {
    let sandbox = start(CaOptions::default()).await;
    let accounts = Arc::default();
    open(&sandbox, &accounts).new_order(&request(&["a.example.test"])).await.unwrap();
    open(&sandbox, &accounts).new_order(&request(&["b.example.test"])).await.unwrap();
    assert_eq!(sandbox.log().count("newAccount"), 1);
}

#[tokio::test]
async fn every_second_request_may_meet_a_bad_nonce() {
    let sandbox = start(CaOptions { bad_nonce_every: NonZeroU64::new(2), ..CaOptions::default() }).await;
    issue(&sandbox, &open(&sandbox, &Arc::default()), &request(&["a.example.test"])).await;
    assert_eq!(sandbox.issued().len(), 1);
}

#[tokio::test]
async fn a_wrong_record_ends_the_order_with_the_name_and_the_reason() {
    let sandbox = start(CaOptions::default()).await;
    let ca = open(&sandbox, &Arc::default());
    let mut order = ca.new_order(&request(&["a.example.test", "b.example.test"])).await.unwrap();
    answer(&sandbox, &mut *order, false).await;
    let Status::Invalid(fault) = until(&mut *order, is_over).await else { panic!("the record is wrong") };
    assert_eq!(fault.code, "acme:unauthorized");
    assert!(fault.message.starts_with("a.example.test: "), "{fault:?}");
    assert!(fault.causes.iter().any(|cause| cause.starts_with("b.example.test: ")), "{fault:?}");
}

#[tokio::test]
async fn a_restored_order_tells_why_it_ended() {
    let sandbox = start(CaOptions::default()).await;
    let ca = open(&sandbox, &Arc::default());
    let mut order = ca.new_order(&request(&["*.example.test"])).await.unwrap();
    answer(&sandbox, &mut *order, false).await;
    let mut restored = ca.order(order.url()).await.unwrap();
    let Ok(Status::Invalid(fault)) = restored.refresh().await else { panic!("the record is wrong") };
    assert!(fault.message.starts_with("*.example.test: "), "{fault:?}");
}

#[tokio::test]
async fn an_order_in_processing_becomes_valid() {
    let slow = Duration::from_millis(100);
    let options = CaOptions { processing: slow, validation_delay: slow, retry_after: 0, ..CaOptions::default() };
    let sandbox = start(options).await;
    issue(&sandbox, &open(&sandbox, &Arc::default()), &request(&["a.example.test"])).await;
    assert_eq!(sandbox.issued().len(), 1);
}

#[tokio::test]
async fn polling_rests_as_long_as_the_ca_asks() {
    let options = CaOptions { processing: Duration::from_millis(500), retry_after: 1, ..CaOptions::default() };
    let sandbox = start(options).await;
    issue(&sandbox, &open(&sandbox, &Arc::default()), &request(&["a.example.test"])).await;
    // After the challenge, and after finalize.
    assert_eq!(sandbox.log().count("order"), 2);
}

#[tokio::test]
async fn a_reused_authorization_has_no_challenge() {
    let sandbox = start(CaOptions { reuse_authorizations: true, ..CaOptions::default() }).await;
    let ca = open(&sandbox, &Arc::default());
    issue(&sandbox, &ca, &request(&["a.example.test"])).await;
    let mut order = ca.new_order(&request(&["a.example.test"])).await.unwrap();
    assert_eq!(order.authorizations(ChallengeType::Dns01).await.unwrap()[0].challenge, None);
    assert_eq!(order.refresh().await, Ok(Status::Ready));
}

#[tokio::test]
async fn an_expired_order_is_gone_and_its_certificate_stays() {
    let sandbox = start(CaOptions::default()).await;
    let accounts = Arc::default();
    let ca = open(&sandbox, &accounts);
    let url = issue(&sandbox, &ca, &request(&["a.example.test"])).await;
    let mut order = ca.new_order(&request(&["b.example.test"])).await.unwrap();
    sandbox.advance(Duration::from_secs(8 * 86_400));
    assert_eq!(order.refresh().await, Ok(Status::Gone));
    assert!(open(&sandbox, &accounts).certificate(&url, None).await.is_ok());
}

#[tokio::test]
async fn an_unknown_profile_is_not_tried_again() {
    let sandbox = start(CaOptions::default()).await;
    let wanted = OrderRequest { profile: Some("nothing".into()), ..request(&["a.example.test"]) };
    let fault = open(&sandbox, &Arc::default()).new_order(&wanted).await.err().unwrap();
    assert_eq!((fault.code.as_str(), fault.retry), ("acme:invalidProfile", Retry::Never));
}

#[tokio::test]
async fn an_order_that_replaces_a_certificate_is_taken_once() {
    let sandbox = start(CaOptions::default()).await;
    let ca = open(&sandbox, &Arc::default());
    issue(&sandbox, &ca, &request(&["a.example.test"])).await;
    let replacing = OrderRequest { replaces: Some(ari(&sandbox)), ..request(&["a.example.test"]) };
    issue(&sandbox, &ca, &replacing).await;
    assert_eq!(sandbox.issued()[1].replaces, replacing.replaces);
    let fault = ca.new_order(&replacing).await.err().unwrap();
    assert_eq!(fault.code, "acme:alreadyReplaced");
}

#[tokio::test]
async fn a_reused_order_is_taken_though_it_does_not_replace() {
    let sandbox = start(CaOptions::default()).await;
    let ca = open(&sandbox, &Arc::default());
    issue(&sandbox, &ca, &request(&["a.example.test"])).await;
    let first = ca.new_order(&request(&["a.example.test"])).await.unwrap();
    let replacing = OrderRequest { replaces: Some(ari(&sandbox)), ..request(&["a.example.test"]) };
    assert_eq!(ca.new_order(&replacing).await.unwrap().url(), first.url());
}

#[tokio::test]
async fn renewal_information_needs_no_account() {
    let sandbox = start(CaOptions::default()).await;
    issue(&sandbox, &open(&sandbox, &Arc::default()), &request(&["a.example.test"])).await;
    let accounts = Arc::new(MemoryAccounts::default());
    let info = open(&sandbox, &accounts).renewal_info(&ari(&sandbox)).await.unwrap().unwrap();
    assert!(info.start < info.end);
    assert_eq!(*accounts.keys_saved.lock().unwrap(), 0);
}

#[tokio::test]
async fn a_certificate_of_another_ca_has_no_renewal_information() {
    let sandbox = start(CaOptions::default()).await;
    let info = open(&sandbox, &Arc::default()).renewal_info("aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE").await;
    assert_eq!(info, Ok(None));
}

#[tokio::test]
async fn a_window_that_ends_before_it_starts_is_no_answer() {
    let sandbox = start(CaOptions::default()).await;
    let ca = open(&sandbox, &Arc::default());
    issue(&sandbox, &ca, &request(&["a.example.test"])).await;
    let start = countersign::clock::SystemClock.now();
    let window = RenewalWindow { start, end: start - Duration::from_secs(1), explanation: None };
    sandbox.set_renewal_window(&ari(&sandbox), window);
    assert_eq!(ca.renewal_info(&ari(&sandbox)).await, Ok(None));
}
