//! Accounts in memory, a clock, CSRs and the steps of an order.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use countersign::ca::{AcmeCa, Settings};
use countersign::fault::Fault;
use countersign::journal::Status;
use countersign::list::ChallengeType;
use countersign::name::Identifier;
use countersign::port::{Accounts, Clock, KeptAccount, Order, OrderRequest};
use countersign::secret::Secret;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use time::OffsetDateTime;

/// What an account store was told.
#[derive(Default)]
pub struct MemoryAccounts {
    pub kept: Mutex<Option<KeptAccount>>,
    pub keys_saved: Mutex<usize>,
}

impl MemoryAccounts {
    pub fn kept(&self) -> KeptAccount {
        self.kept.lock().unwrap().clone().expect("there is an account")
    }

    fn change(&self, change: impl FnOnce(&mut KeptAccount)) -> Result<(), Fault> {
        change(self.kept.lock().unwrap().as_mut().expect("the key comes first"));
        Ok(())
    }
}

impl Accounts for MemoryAccounts {
    fn load(&self, _: &str) -> Result<Option<KeptAccount>, Fault> {
        Ok(self.kept.lock().unwrap().clone())
    }

    fn save_key(&self, _: &str, key: &Secret) -> Result<(), Fault> {
        *self.keys_saved.lock().unwrap() += 1;
        *self.kept.lock().unwrap() = Some(KeptAccount { key: key.clone(), url: None, next: None });
        Ok(())
    }

    fn save_url(&self, _: &str, _: &str, url: &str) -> Result<(), Fault> {
        self.change(|kept| kept.url = Some(url.to_owned()))
    }

    fn save_next_key(&self, _: &str, key: &Secret) -> Result<(), Fault> {
        self.change(|kept| kept.next = Some(key.clone()))
    }

    fn promote_next_key(&self, _: &str) -> Result<(), Fault> {
        self.change(|kept| kept.key = kept.next.take().unwrap_or_else(|| kept.key.clone()))
    }

    fn drop_next_key(&self, _: &str) -> Result<(), Fault> {
        self.change(|kept| kept.next = None)
    }

    fn forget(&self, _: &str) -> Result<(), Fault> {
        *self.kept.lock().unwrap() = None;
        Ok(())
    }
}

pub type Https = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A client that trusts the sandbox's API and nothing else.
#[cfg(feature = "sandbox")]
pub fn https(sandbox: &countersign::sandbox::Sandbox) -> Https {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(sandbox.tls_root_pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_root_certificates(roots).with_no_client_auth();
    let https = HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_http1();
    Client::builder(TokioExecutor::new()).build(https.build())
}

pub struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> OffsetDateTime {
        countersign::clock::SystemClock.now()
    }
}

pub fn settings(directory: &str, root: &str) -> Settings {
    Settings {
        authority: "lab".into(),
        directory: directory.into(),
        root_pem: Some(root.as_bytes().to_vec()),
        contact: vec!["mailto:ops@lab.test".into()],
        timeout: Duration::from_secs(20),
        external_account: None,
        preferred_chain: None,
    }
}

pub fn connect(settings: Settings, accounts: &Arc<MemoryAccounts>) -> AcmeCa {
    AcmeCa::new(settings, accounts.clone(), Arc::new(WallClock)).unwrap()
}

pub fn request(names: &[&str]) -> OrderRequest {
    let identifiers: BTreeSet<_> = names.iter().map(|name| Identifier::parse(name).unwrap()).collect();
    OrderRequest { identifiers, profile: None, replaces: None }
}

pub fn csr(names: &[&str]) -> Vec<u8> {
    csr_for(names, &rcgen::KeyPair::generate().unwrap())
}

pub fn csr_for(names: &[&str], key: &rcgen::KeyPair) -> Vec<u8> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = rcgen::CertificateParams::new(names).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.serialize_request(key).unwrap().der().to_vec()
}

/// Answers all open challenges of an order.
pub async fn answer_challenges(order: &mut dyn Order) {
    for authorization in order.authorizations(ChallengeType::Dns01).await.unwrap() {
        if let Some(challenge) = authorization.challenge {
            order.set_ready(&challenge.url).await.unwrap();
        }
    }
}

/// Asks until the CA has done what it has to do by itself.
pub async fn until(order: &mut dyn Order, done: impl Fn(&Status) -> bool) -> Status {
    loop {
        tokio::time::sleep(order.rest()).await;
        let status = order.refresh().await.unwrap();
        if done(&status) {
            return status;
        }
    }
}

pub fn is_over(status: &Status) -> bool {
    !matches!(status, Status::Pending | Status::Processing)
}
