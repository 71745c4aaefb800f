//! Accounts: made, bound, taken over, re-keyed and given up.

use std::sync::Arc;

use countersign::ca::{AcmeCa, ExternalAccount, describe_key};
use countersign::fault::{Fault, Retry};
use countersign::port::Ca;
use countersign::sandbox::{CaOptions, Mishap, Sandbox};
use countersign::secret::Secret;
use futures::future::join_all;
use serde_json::json;

use super::rig::{MemoryAccounts, connect, request, settings};
use super::sandbox::{open, start};
use crate::jose::{Key, Raw};

async fn may_order(ca: &AcmeCa) -> Result<(), Fault> {
    ca.new_order(&request(&["a.example.test"])).await.map(drop)
}

/// An account that was made elsewhere, and its key.
async fn foreign(sandbox: &Sandbox, key: Key) -> (Raw, Secret) {
    let raw = Raw::registered(sandbox, key).await;
    let pem = Secret::new(raw.key.pem());
    (raw, pem)
}

fn with_external(sandbox: &Sandbox, accounts: &Arc<MemoryAccounts>, hmac: Result<&str, Fault>) -> AcmeCa {
    let mut settings = settings(&sandbox.directory_url(), sandbox.tls_root_pem());
    let hmac = hmac.map(|text| Secret::new(text.to_owned()));
    settings.external_account = Some(ExternalAccount { kid: "kid-1".into(), hmac });
    connect(settings, accounts)
}

async fn bound() -> Sandbox {
    start(CaOptions { external_account: Some(("kid-1".into(), vec![7; 32])), ..CaOptions::default() }).await
}

/// 32 times 7 in base64url.
const HMAC: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";

#[tokio::test]
async fn an_account_is_bound_to_an_external_one() {
    let sandbox = bound().await;
    for text in [HMAC.to_owned(), format!("{HMAC}=\n")] {
        assert_eq!(may_order(&with_external(&sandbox, &Arc::default(), Ok(&text))).await, Ok(()));
    }
}

#[tokio::test]
async fn a_ca_that_wants_a_binding_is_asked_once_by_a_whole_wave() {
    let sandbox = bound().await;
    let ca = open(&sandbox, &Arc::default());
    let refused = join_all((0..20).map(|_| may_order(&ca))).await;
    let codes: Vec<_> = refused.into_iter().map(|result| result.unwrap_err().code).collect();
    assert_eq!(codes, vec!["acme:externalAccountRequired"; 20]);
    assert_eq!(sandbox.log().count("newAccount"), 1);
}

#[tokio::test]
async fn a_binding_key_that_is_missing_or_none_reaches_no_ca() {
    let sandbox = bound().await;
    let missing = Fault::new("config:unreadable", "gone").retry(Retry::Never);
    let fault = may_order(&with_external(&sandbox, &Arc::default(), Err(missing.clone()))).await;
    assert_eq!(fault, Err(missing));
    let fault = may_order(&with_external(&sandbox, &Arc::default(), Ok("not base64!"))).await.unwrap_err();
    assert_eq!((fault.code.as_str(), sandbox.log().count("newAccount")), ("acme:eab", 0));
}

#[tokio::test]
async fn an_account_that_exists_needs_no_binding_key() {
    let sandbox = bound().await;
    let accounts = Arc::default();
    may_order(&with_external(&sandbox, &accounts, Ok(HMAC))).await.unwrap();
    let later = with_external(&sandbox, &accounts, Err(Fault::new("config:unreadable", "gone")));
    assert_eq!(may_order(&later).await, Ok(()));
}

#[tokio::test]
async fn an_imported_key_that_is_not_of_p256_gives_way_to_a_new_one() {
    for key in [Key::rsa(), Key::p384()] {
        let sandbox = start(CaOptions::default()).await;
        let (raw, pem) = foreign(&sandbox, key).await;
        let accounts = Arc::new(MemoryAccounts::default());
        let ca = open(&sandbox, &accounts);
        assert_eq!(ca.import_account(&pem).await.ok(), raw.kid);
        may_order(&ca).await.unwrap();
        assert_eq!(describe_key(&accounts.kept().key), Ok(("P-256".into(), false)));
        let (status, problem) = raw.order(&["a.example.test"]).await.problem();
        assert!(status >= 400, "the old key still signs: {problem}");
    }
}

#[tokio::test]
async fn an_imported_p256_key_stays() {
    let sandbox = start(CaOptions::default()).await;
    let (raw, pem) = foreign(&sandbox, Key::p256()).await;
    let ca = open(&sandbox, &Arc::default());
    ca.import_account(&pem).await.unwrap();
    may_order(&ca).await.unwrap();
    assert_eq!(raw.order(&["b.example.test"]).await.status, 201);
}

#[tokio::test]
async fn a_key_that_the_ca_does_not_know_is_not_imported() {
    let sandbox = start(CaOptions::default()).await;
    let accounts = Arc::new(MemoryAccounts::default());
    let fault = open(&sandbox, &accounts).import_account(&Secret::new(Key::rsa().pem())).await.unwrap_err();
    assert_eq!((fault.code.as_str(), accounts.kept.lock().unwrap().is_none()), ("acme:accountDoesNotExist", true));
}

#[tokio::test]
async fn an_account_is_never_overwritten() {
    let sandbox = start(CaOptions::default()).await;
    let accounts = Arc::default();
    let ca = open(&sandbox, &accounts);
    may_order(&ca).await.unwrap();
    let kept = accounts.kept();
    let (_, pem) = foreign(&sandbox, Key::p256()).await;
    assert_eq!(ca.import_account(&pem).await.unwrap_err().code, "acme:account-exists");
    assert_eq!(ca.new_account_key().unwrap_err().code, "acme:account-exists");
    assert_eq!(accounts.kept(), kept);
}

#[tokio::test]
async fn a_key_change_whose_answer_was_lost_is_found_out() {
    let sandbox = start(CaOptions::default()).await;
    let accounts = Arc::default();
    let ca = open(&sandbox, &accounts);
    may_order(&ca).await.unwrap();
    let old = accounts.kept().key;
    sandbox.faults().script("keyChange", 1, Mishap::Lost);
    ca.change_key().await.unwrap();
    assert_ne!(accounts.kept().key, old);
    assert_eq!(may_order(&open(&sandbox, &accounts)).await, Ok(()));
}

#[tokio::test]
async fn a_key_change_that_the_ca_did_not_hear_of_is_finished_by_the_next_run_with_the_same_key() {
    let sandbox = start(CaOptions::default()).await;
    let accounts = Arc::default();
    let ca = open(&sandbox, &accounts);
    may_order(&ca).await.unwrap();
    sandbox.faults().script("keyChange", 1, Mishap::Unreached);
    assert_eq!(ca.change_key().await.unwrap_err().code, "acme:unreachable");
    let next = accounts.kept().next.unwrap();
    assert_eq!(may_order(&open(&sandbox, &accounts)).await, Ok(()));
    assert_eq!((accounts.kept().key, accounts.kept().next), (next, None));
}

#[tokio::test]
async fn a_key_change_that_the_ca_refuses_leaves_the_account_as_it_was() {
    let sandbox = start(CaOptions::default()).await;
    let accounts = Arc::default();
    let ca = open(&sandbox, &accounts);
    may_order(&ca).await.unwrap();
    let kept = accounts.kept();
    sandbox.faults().script("keyChange", 1, Mishap::refused(400, "badPublicKey"));
    assert_eq!(ca.change_key().await.unwrap_err().code, "acme:badPublicKey");
    assert_eq!((accounts.kept(), may_order(&open(&sandbox, &accounts)).await), (kept, Ok(())));
}

#[tokio::test]
async fn the_state_of_an_account_is_told_while_its_key_changes() {
    let sandbox = start(CaOptions::default()).await;
    let accounts = Arc::default();
    let ca = open(&sandbox, &accounts);
    assert_eq!(ca.account_state().await, Ok(None));
    may_order(&ca).await.unwrap();
    sandbox.faults().script("keyChange", 1, Mishap::Unreached);
    ca.change_key().await.unwrap_err();
    let state = ca.account_state().await.unwrap().unwrap();
    assert_eq!((state.status.as_str(), state.contact), ("valid", vec!["mailto:ops@lab.test".to_owned()]));
    assert!(accounts.kept().next.is_some());
}

#[tokio::test]
async fn a_deactivated_account_is_forgotten_even_if_the_answer_was_lost() {
    let sandbox = start(CaOptions::default()).await;
    let accounts = Arc::default();
    let ca = open(&sandbox, &accounts);
    may_order(&ca).await.unwrap();
    sandbox.faults().script("account", 1, Mishap::Lost);
    assert_eq!(ca.deactivate_account().await.unwrap_err().code, "acme:unreachable");
    ca.deactivate_account().await.unwrap();
    assert!(accounts.kept.lock().unwrap().is_none());
}

#[tokio::test]
async fn a_deactivated_account_is_not_asked_to_order_again_and_again() {
    let sandbox = start(CaOptions::default()).await;
    let accounts = Arc::default();
    may_order(&open(&sandbox, &accounts)).await.unwrap();
    let elsewhere = Arc::new(MemoryAccounts::default());
    *elsewhere.kept.lock().unwrap() = Some(accounts.kept());
    open(&sandbox, &elsewhere).deactivate_account().await.unwrap();
    sandbox.log().clear();
    let ca = open(&sandbox, &accounts);
    for _ in 0..3 {
        let fault = may_order(&ca).await.unwrap_err();
        assert_eq!((fault.code.as_str(), fault.retry), ("acme:account-refused", Retry::Never));
    }
    assert_eq!(sandbox.log().count("newOrder"), 1);
}

#[tokio::test]
async fn changed_terms_of_service_are_not_asked_about_again() {
    let sandbox = start(CaOptions::default()).await;
    let ca = open(&sandbox, &Arc::default());
    sandbox.faults().script("newOrder", 2, Mishap::refused(403, "userActionRequired"));
    for _ in 0..3 {
        let fault = may_order(&ca).await.unwrap_err();
        assert_eq!((fault.code.as_str(), fault.retry), ("acme:userActionRequired", Retry::Never));
    }
    assert_eq!(sandbox.faults().left("newOrder"), 1);
}

#[tokio::test]
async fn the_contact_is_told_when_the_account_is_made() {
    let sandbox = start(CaOptions::default()).await;
    let ca = open(&sandbox, &Arc::default());
    ca.register().await.unwrap();
    assert_eq!(sandbox.log().counts().get("account"), None, "{}", json!(sandbox.log().counts()));
    assert_eq!(ca.account_state().await.unwrap().unwrap().contact, ["mailto:ops@lab.test"]);
}
