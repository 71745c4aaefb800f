//! What becomes of certificates after they were issued: which chain is taken, and revocation.

use std::sync::Arc;

use countersign::ca::AcmeCa;
use countersign::lineage::RevocationReason;
use countersign::port::Ca;
use countersign::sandbox::{CaOptions, Mishap, Sandbox};
use countersign::secret::Secret;
use x509_parser::prelude::{FromDer, Pem, X509Certificate};

use super::rig::{connect, request, settings};
use super::sandbox::{issue, issue_for, open, start};

async fn issued() -> (Sandbox, AcmeCa, String) {
    let sandbox = start(CaOptions::default()).await;
    let ca = open(&sandbox, &Arc::default());
    let url = issue(&sandbox, &ca, &request(&["a.example.test"])).await;
    (sandbox, ca, url)
}

/// Who issued the topmost certificate.
fn top(chain: &str) -> String {
    let pems: Vec<Pem> = Pem::iter_from_buffer(chain.as_bytes()).map(Result::unwrap).collect();
    let (_, certificate) = X509Certificate::from_der(&pems.last().unwrap().contents).unwrap();
    certificate.issuer().iter_common_name().next().unwrap().as_str().unwrap().to_owned()
}

#[tokio::test]
async fn without_a_wish_the_chain_is_the_cas_own_choice() {
    let (sandbox, ca, url) = issued().await;
    assert_eq!(top(&ca.certificate(&url, None).await.unwrap()), "Sandbox Root X1");
    assert_eq!(sandbox.log().count("certificate"), 1);
}

#[tokio::test]
async fn the_chain_of_the_preferred_issuer_is_taken() {
    let (_sandbox, ca, url) = issued().await;
    for issuer in ["Sandbox Root X2", "Sandbox Root X1"] {
        assert_eq!(top(&ca.certificate(&url, Some(issuer)).await.unwrap()), issuer);
    }
}

#[tokio::test]
async fn an_issuer_that_no_chain_has_leaves_the_default() {
    let (_sandbox, ca, url) = issued().await;
    assert_eq!(top(&ca.certificate(&url, Some("Nobody's Root")).await.unwrap()), "Sandbox Root X1");
}

#[tokio::test]
async fn an_alternate_that_is_not_to_be_had_leaves_the_default() {
    let (sandbox, ca, url) = issued().await;
    sandbox.faults().script("certificate", 1, Mishap::Nothing);
    sandbox.faults().script("certificate", 1, Mishap::refused(404, "malformed"));
    assert_eq!(top(&ca.certificate(&url, Some("Sandbox Root X2")).await.unwrap()), "Sandbox Root X1");
}

#[tokio::test]
async fn an_authority_can_prefer_a_chain_for_all_its_orders() {
    let (sandbox, _, _) = issued().await;
    let accounts = Arc::default();
    let url = issue(&sandbox, &open(&sandbox, &accounts), &request(&["b.example.test"])).await;
    let mut settings = settings(&sandbox.directory_url(), sandbox.tls_root_pem());
    settings.preferred_chain = Some("Sandbox Root X2".into());
    let ca = connect(settings, &accounts);
    assert_eq!(top(&ca.certificate(&url, None).await.unwrap()), "Sandbox Root X2");
    assert_eq!(top(&ca.certificate(&url, Some("Sandbox Root X1")).await.unwrap()), "Sandbox Root X1");
}

fn leaf(sandbox: &Sandbox) -> String {
    sandbox.issued()[0].pem.clone()
}

fn reason(sandbox: &Sandbox) -> Option<u8> {
    sandbox.issued()[0].revoked.map(|(_, reason)| reason)
}

#[tokio::test]
async fn an_account_revokes_what_it_ordered_with_the_reason() {
    for wanted in RevocationReason::ALL {
        let (sandbox, ca, _) = issued().await;
        ca.revoke(&leaf(&sandbox), wanted, None).await.unwrap();
        assert_eq!(reason(&sandbox), Some(wanted.code()));
    }
}

#[tokio::test]
async fn a_certificate_that_is_revoked_already_is_no_error() {
    let (sandbox, ca, _) = issued().await;
    for _ in 0..2 {
        ca.revoke(&leaf(&sandbox), RevocationReason::Superseded, None).await.unwrap();
    }
    assert_eq!((reason(&sandbox), sandbox.log().count("revokeCert")), (Some(4), 2));
}

#[tokio::test]
async fn another_account_is_told_of_the_certificates_own_key() {
    let (sandbox, _, _) = issued().await;
    let other = open(&sandbox, &Arc::default());
    let fault = other.revoke(&leaf(&sandbox), RevocationReason::Superseded, None).await.unwrap_err();
    assert_eq!((fault.code.as_str(), reason(&sandbox)), ("acme:unauthorized", None));
    assert!(fault.hint.unwrap().contains("--by certificate-key"));
}

#[tokio::test]
async fn the_key_of_a_certificate_revokes_it_without_an_account() {
    for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_RSA_SHA256] {
        let sandbox = start(CaOptions::default()).await;
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        issue_for(&sandbox, &open(&sandbox, &Arc::default()), &request(&["a.example.test"]), &key).await;
        sandbox.log().clear();
        let anybody = open(&sandbox, &Arc::default());
        let key = Secret::new(key.serialize_pem());
        anybody.revoke(&leaf(&sandbox), RevocationReason::KeyCompromise, Some(&key)).await.unwrap();
        assert_eq!((reason(&sandbox), sandbox.log().count("newAccount")), (Some(1), 0));
    }
}

#[tokio::test]
async fn a_foreign_key_revokes_nothing() {
    let (sandbox, ca, _) = issued().await;
    let key = Secret::new(rcgen::KeyPair::generate().unwrap().serialize_pem());
    let fault = ca.revoke(&leaf(&sandbox), RevocationReason::KeyCompromise, Some(&key)).await.unwrap_err();
    assert_eq!((fault.code.as_str(), reason(&sandbox)), ("acme:unauthorized", None));
}
