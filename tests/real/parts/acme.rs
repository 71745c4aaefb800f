//! Pebble: it really looks up the challenge, its log can be counted, it can be started anew.

use std::future::Future;
use std::pin::Pin;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use instant_acme::{
    Account, BodyWrapper, BytesResponse, ChallengeType, HttpClient, Identifier, NewAccount, NewOrder, Order,
    OrderStatus, RetryPolicy,
};

use crate::lab::daemon::output;
use crate::lab::pebble::{Options, Pebble, Requests};
use crate::lab::web::{Web, wait};
use crate::lab::{Lab, ZONE};

#[test]
#[ignore = "needs the lab: ci/install"]
fn pebble_issues_a_chain_that_openssl_verifies_and_logs_each_request() {
    let lab = Lab::start();

    let chain = wait(async {
        let mut order = order(&account(&lab.pebble).await).await;
        answer_challenges(&mut order, Some(&lab)).await;
        assert_eq!(order.poll_ready(&patience()).await.unwrap(), OrderStatus::Ready);
        order.finalize().await.unwrap();
        order.poll_certificate(&patience()).await.unwrap()
    });

    let (root, leaf) = (lab.dir().join("root.pem"), lab.dir().join("chain.pem"));
    std::fs::write(&root, lab.pebble.issuing_root()).unwrap();
    std::fs::write(&leaf, chain).unwrap();
    output(Command::new("openssl").arg("verify").arg("-CAfile").args([&root]).arg("-untrusted").args([&leaf, &leaf]));
    let expected =
        Requests { new_account: 1, new_order: 1, challenge: 1, finalize: 1, certificate: 1, ..Requests::default() };
    assert_eq!(lab.pebble.requests(), expected);
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn pebble_refuses_a_challenge_that_dns_does_not_answer() {
    let lab = Lab::start();

    let error = wait(async {
        let mut order = order(&account(&lab.pebble).await).await;
        answer_challenges(&mut order, None).await;
        order.poll_ready(&patience()).await.unwrap_err()
    });

    assert!(error.to_string().contains(":unauthorized"), "{error}");
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn pebble_refuses_nonces_as_often_as_told() {
    let lab = Lab::with_pebble(Options { nonce_reject: 100, ..Options::default() });

    let error = wait(async { builder(&lab.pebble, &new_account()).await.err().unwrap() });

    assert!(error.to_string().contains("badNonce"), "{error}");
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn pebble_can_be_started_anew_on_its_url() {
    let mut lab = Lab::start();
    let (url, root) = (lab.pebble.directory(), lab.pebble.issuing_root());

    lab.pebble.restart();

    assert_eq!(lab.pebble.directory(), url);
    assert_ne!(lab.pebble.issuing_root(), root);
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn a_pebble_that_hangs_is_noticed_and_can_be_started_anew() {
    let mut lab = Lab::start();
    lab.pebble.freeze();

    assert!(lab.pebble.hangs());
    lab.pebble.restart();
    assert!(!lab.pebble.hangs());
}

/// instant-acme over the lab's client.
struct Http(Web);

impl HttpClient for Http {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let web = self.0.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let answer = web.send(Request::from_parts(parts, body)).await;
            let answer = answer.map_err(|e| instant_acme::Error::Other(e.into()))?;
            Ok(BytesResponse::from(answer.map(Full::new)))
        })
    }
}

fn new_account() -> NewAccount<'static> {
    NewAccount { contact: &[], terms_of_service_agreed: true, only_return_existing: false }
}

async fn builder(pebble: &Pebble, account: &NewAccount<'_>) -> Result<Account, instant_acme::Error> {
    let builder = Account::builder_with_http(Box::new(Http(pebble.web())));
    Ok(builder.create(account, pebble.directory(), None).await?.0)
}

async fn account(pebble: &Pebble) -> Account {
    builder(pebble, &new_account()).await.unwrap()
}

async fn order(account: &Account) -> Order {
    account.new_order(&NewOrder::new(&[Identifier::Dns(format!("www.{ZONE}"))])).await.unwrap()
}

/// Says that the challenges can be validated; with a lab, after their values stand in its zone.
async fn answer_challenges(order: &mut Order, lab: Option<&Lab>) {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.unwrap();
        let mut challenge = authorization.challenge(ChallengeType::Dns01).unwrap();
        if let Some(lab) = lab {
            let value = format!("\"{}\"", challenge.key_authorization().dns_value());
            lab.judge.seed(&lab.zone_id, &format!("_acme-challenge.www.{ZONE}"), "TXT", &[&value]);
        }
        challenge.set_ready().await.unwrap();
    }
}

fn patience() -> RetryPolicy {
    RetryPolicy::new().initial_delay(Duration::from_millis(20)).backoff(1.5)
}
