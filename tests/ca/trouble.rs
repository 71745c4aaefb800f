//! The sandbox as a CA in trouble.

use std::sync::Arc;
use std::time::Duration;

use countersign::fault::{Fault, Retry};
use countersign::journal::Status;
use countersign::port::Ca;
use countersign::sandbox::{CaOptions, Mishap, Sandbox};

use super::rig::{MemoryAccounts, connect, csr, is_over, request, settings, until};
use super::sandbox::{answer, issue, open, start};

fn page(retry_after: &str) -> Mishap {
    Mishap::Html { status: 503, retry_after: Some(retry_after.to_owned()) }
}

async fn order_fault(sandbox: &Sandbox) -> Fault {
    open(sandbox, &Arc::default()).new_order(&request(&["a.example.test"])).await.err().unwrap()
}

#[tokio::test]
async fn a_limit_says_when_to_come_again() {
    let sandbox = start(CaOptions::default()).await;
    sandbox.faults().script("newOrder", 1, Mishap::rate_limited(3600));
    let fault = order_fault(&sandbox).await;
    assert_eq!((fault.code.as_str(), fault.retry), ("acme:rateLimited", Retry::After(3600)));
}

#[tokio::test]
async fn a_busy_ca_is_asked_again() {
    let sandbox = start(CaOptions::default()).await;
    for operation in ["directory", "newAccount", "newOrder", "authz", "challenge", "order", "finalize"] {
        sandbox.faults().script(operation, 2, page("0"));
    }
    issue(&sandbox, &open(&sandbox, &Arc::default()), &request(&["a.example.test"])).await;
    assert_eq!(sandbox.issued().len(), 1);
}

#[tokio::test]
async fn a_ca_that_stays_busy_is_left_alone() {
    let sandbox = start(CaOptions::default()).await;
    sandbox.faults().script("newOrder", 10, page("0"));
    assert_eq!(order_fault(&sandbox).await.code, "acme:http-503");
    assert_eq!(sandbox.faults().left("newOrder"), 5);
}

#[tokio::test]
async fn a_page_that_asks_for_an_hour_is_not_waited_for() {
    let sandbox = start(CaOptions::default()).await;
    sandbox.faults().script("newOrder", 1, page("3600"));
    let fault = order_fault(&sandbox).await;
    assert_eq!((fault.code.as_str(), fault.retry), ("acme:http-503", Retry::After(3600)));
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_a_timeout() {
    let sandbox = start(CaOptions::default()).await;
    sandbox.faults().script("newOrder", 1, Mishap::Stalled(Duration::from_secs(600)));
    let mut impatient = settings(&sandbox.directory_url(), sandbox.tls_root_pem());
    impatient.timeout = Duration::from_secs(1);
    let ca = connect(impatient, &Arc::default());
    let fault = ca.new_order(&request(&["a.example.test"])).await.err().unwrap();
    assert_eq!(fault.code, "acme:timeout");
}

#[tokio::test]
async fn rubbish_is_a_malformed_reply() {
    let sandbox = start(CaOptions::default()).await;
    sandbox.faults().script("order", 1, Mishap::Garbled("<html>".into()));
    let ca = open(&sandbox, &Arc::default());
    let mut order = ca.new_order(&request(&["a.example.test"])).await.unwrap();
    assert_eq!(order.refresh().await.map_err(|fault| fault.code), Err("acme:malformed-reply".into()));
}

#[tokio::test]
async fn a_lost_answer_to_new_account_makes_no_second_account() {
    let sandbox = start(CaOptions::default()).await;
    let accounts = Arc::new(MemoryAccounts::default());
    sandbox.faults().script("newAccount", 1, Mishap::Lost);
    assert!(open(&sandbox, &accounts).new_order(&request(&["a.example.test"])).await.is_err());
    open(&sandbox, &accounts).new_order(&request(&["a.example.test"])).await.unwrap();
    assert_eq!(*accounts.keys_saved.lock().unwrap(), 1);
}

#[tokio::test]
async fn a_lost_answer_to_finalize_leaves_a_valid_order() {
    let sandbox = start(CaOptions::default()).await;
    let ca = open(&sandbox, &Arc::default());
    let mut order = ca.new_order(&request(&["a.example.test"])).await.unwrap();
    answer(&sandbox, &mut *order, true).await;
    until(&mut *order, is_over).await;
    sandbox.faults().script("finalize", 1, Mishap::Lost);
    let csr = csr(&["a.example.test"]);
    assert_eq!(order.finalize(&csr).await.map_err(|fault| fault.code), Err("acme:unreachable".into()));
    assert!(matches!(order.finalize(&csr).await, Ok(Status::Valid(_))));
    assert_eq!(sandbox.issued().len(), 1);
}

#[tokio::test]
async fn a_busy_answer_to_renewal_information_is_no_missing_answer() {
    let sandbox = start(CaOptions::default()).await;
    sandbox.faults().script("renewalInfo", 1, Mishap::rate_limited(60));
    let asked = open(&sandbox, &Arc::default()).renewal_info("aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE").await;
    assert_eq!(asked.map_err(|fault| fault.code), Err("acme:rateLimited".into()));
}

#[tokio::test]
async fn a_ca_that_is_down_is_unreachable_and_named() {
    let settings = settings("https://127.0.0.1:1/dir", &any_root());
    let fault = connect(settings, &Arc::default()).renewal_info("a.b").await.unwrap_err();
    assert_eq!(fault.code, "acme:unreachable");
    assert!(fault.hint.unwrap().contains("https://127.0.0.1:1/dir"));
}

fn any_root() -> String {
    rcgen::generate_simple_self_signed(["ca.test".to_owned()]).unwrap().cert.pem()
}
