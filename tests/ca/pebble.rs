//! Against Debian's Pebble: `cargo test --test ca -- --ignored`. Challenges are taken as answered.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use countersign::ca::AcmeCa;
use countersign::journal::Status;
use countersign::list::ChallengeType;
use countersign::port::{Ca, Order};
use futures::future::join_all;
use futures::stream::{self, StreamExt};

use super::rig::{MemoryAccounts, answer_challenges, connect, csr, is_over, request, settings, until};

struct Pebble {
    child: Child,
    directory: String,
    root: String,
    _folder: tempfile::TempDir,
}

impl Drop for Pebble {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Pebble {
    /// `nonce_reject` is the share of nonces that are refused, in percent.
    fn start(nonce_reject: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tls = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let ports: Vec<TcpListener> = (0..2).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let address = |at: usize| ports[at].local_addr().unwrap().to_string();
        let config = serde_json::json!({"pebble": {
            "listenAddress": address(0), "managementListenAddress": address(1),
            "certificate": file("cert.pem", &tls.cert.pem()),
            "privateKey": file("key.pem", &tls.signing_key.serialize_pem()),
            "httpPort": 5002, "tlsPort": 5001, "ocspResponderURL": "", "certificateValidityPeriod": 7_776_000,
        }});
        let config = file("pebble.json", &config.to_string());
        let directory = format!("https://{}/dir", address(0));
        drop(ports);
        let mut child = Command::new("pebble")
            .args(["-config", &config])
            .env("PEBBLE_VA_ALWAYS_VALID", "1")
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env("PEBBLE_WFE_NONCEREJECT", nonce_reject.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("pebble is installed");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        lines.find(|line| line.as_ref().unwrap().contains("ACME directory available")).unwrap().unwrap();
        // Pebble stops when nobody reads what it says.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, directory, root: tls.cert.pem(), _folder: folder }
    }

    fn ca(&self, accounts: &Arc<MemoryAccounts>) -> AcmeCa {
        connect(settings(&self.directory, &self.root), accounts)
    }
}

/// One wave: all orders first, then everything else.
async fn issue(ca: &AcmeCa, names: &[String]) -> Vec<String> {
    let ordered =
        stream::iter(names.to_vec()).map(|name| async move { (ca.new_order(&request(&[&name])).await.unwrap(), name) });
    let orders: Vec<(Box<dyn Order>, String)> = ordered.buffered(32).collect().await;
    let issued = stream::iter(orders).map(|(mut order, name)| async move {
        answer_challenges(&mut *order).await;
        assert_eq!(until(&mut *order, is_over).await, Status::Ready);
        order.finalize(&csr(&[&name])).await.unwrap();
        let Status::Valid(url) = until(&mut *order, is_over).await else { panic!("{name} is not issued") };
        ca.certificate(&url, None).await.unwrap()
    });
    issued.buffered(32).collect().await
}

#[tokio::test]
#[ignore = "needs pebble"]
async fn a_wave_of_orders_is_issued() {
    let pebble = Pebble::start(5);
    let names: Vec<_> = (0..64).map(|at| format!("n{at}.example.test")).collect();
    let chains = issue(&pebble.ca(&Arc::default()), &names).await;
    assert!(chains.iter().all(|chain| chain.matches("BEGIN CERTIFICATE").count() == 2));
}

#[tokio::test]
#[ignore = "needs pebble"]
async fn half_of_the_nonces_may_be_refused() {
    let pebble = Pebble::start(50);
    let names: Vec<_> = (0..8).map(|at| format!("n{at}.example.test")).collect();
    assert_eq!(issue(&pebble.ca(&Arc::default()), &names).await.len(), 8);
}

#[tokio::test]
#[ignore = "needs pebble"]
async fn concurrent_orders_share_one_account() {
    let (pebble, accounts) = (Pebble::start(0), Arc::new(MemoryAccounts::default()));
    let ca = pebble.ca(&accounts);
    let request = request(&["a.example.test"]);
    let orders = join_all((0..16).map(|_| ca.new_order(&request))).await;
    assert!(orders.iter().all(Result::is_ok));
    assert_eq!(*accounts.keys_saved.lock().unwrap(), 1);
}

#[tokio::test]
#[ignore = "needs pebble"]
async fn a_key_without_a_url_finds_its_account_again() {
    let (pebble, accounts) = (Pebble::start(0), Arc::new(MemoryAccounts::default()));
    pebble.ca(&accounts).new_order(&request(&["a.example.test"])).await.unwrap();
    let first = accounts.kept.lock().unwrap().as_mut().unwrap().url.take();
    pebble.ca(&accounts).new_order(&request(&["b.example.test"])).await.unwrap();
    assert_eq!(accounts.kept().url, first);
}

#[tokio::test]
#[ignore = "needs pebble"]
async fn an_order_goes_on_in_another_run() {
    let (pebble, accounts) = (Pebble::start(0), Arc::new(MemoryAccounts::default()));
    let url = pebble.ca(&accounts).new_order(&request(&["*.example.test"])).await.unwrap().url().to_owned();
    let ca = pebble.ca(&accounts);
    let mut order = ca.order(&url).await.unwrap();
    assert_eq!(order.refresh().await, Ok(Status::Pending));
    assert_eq!(order.authorizations(ChallengeType::Dns01).await.unwrap()[0].base, "example.test");
    answer_challenges(&mut *order).await;
    until(&mut *order, is_over).await;
    let mut again = ca.order(&url).await.unwrap();
    again.finalize(&csr(&["*.example.test"])).await.unwrap();
    assert!(matches!(until(&mut *again, is_over).await, Status::Valid(_)));
}

#[tokio::test]
#[ignore = "needs pebble"]
async fn a_second_finalize_tells_how_the_order_stands() {
    let pebble = Pebble::start(0);
    let ca = pebble.ca(&Arc::default());
    let mut order = ca.new_order(&request(&["a.example.test"])).await.unwrap();
    answer_challenges(&mut *order).await;
    until(&mut *order, is_over).await;
    let csr = csr(&["a.example.test"]);
    order.finalize(&csr).await.unwrap();
    until(&mut *order, is_over).await;
    assert!(matches!(order.finalize(&csr).await, Ok(Status::Valid(_))));
}

#[tokio::test]
#[ignore = "needs pebble"]
async fn an_order_that_the_ca_does_not_know_is_gone() {
    let pebble = Pebble::start(0);
    let url = pebble.directory.replace("/dir", "/my-order/nothing");
    let mut order = pebble.ca(&Arc::default()).order(&url).await.unwrap();
    assert_eq!(order.refresh().await, Ok(Status::Gone));
}

#[tokio::test]
#[ignore = "needs pebble"]
async fn a_ca_without_renewal_information_says_nothing() {
    let pebble = Pebble::start(0);
    assert_eq!(pebble.ca(&Arc::default()).renewal_info("aki.serial").await, Ok(None));
}

#[tokio::test]
#[ignore = "needs pebble"]
async fn a_ca_with_an_unknown_root_is_unreachable() {
    let pebble = Pebble::start(0);
    let mut untrusting = settings(&pebble.directory, &pebble.root);
    untrusting.root_pem = None;
    let Err(fault) = connect(untrusting, &Arc::default()).new_order(&request(&["a.example.test"])).await else {
        panic!("the root is unknown")
    };
    assert_eq!(fault.code, "acme:unreachable");
    assert!(fault.causes.iter().any(|cause| cause.contains("UnknownIssuer")), "{fault:?}");
}
