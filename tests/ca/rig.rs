//! Accounts in memory, a clock, CSRs and the steps of an order.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign::ca::{AcmeCa, Settings};
use countersign::fault::Fault;
use countersign::journal::Status;
use countersign::name::Identifier;
use countersign::port::{Accounts, Clock, Order, OrderRequest};
use countersign::secret::Secret;
use time::OffsetDateTime;

/// What an account store was told.
#[derive(Default)]
pub struct MemoryAccounts {
    pub key: Mutex<Option<Secret>>,
    pub url: Mutex<Option<String>>,
    pub keys_saved: Mutex<usize>,
}

impl Accounts for MemoryAccounts {
    fn load(&self, _: &str) -> Result<Option<(Secret, Option<String>)>, Fault> {
        let url = self.url.lock().unwrap().clone();
        Ok(self.key.lock().unwrap().clone().map(|key| (key, url)))
    }

    fn save_key(&self, _: &str, key: &Secret) -> Result<(), Fault> {
        *self.keys_saved.lock().unwrap() += 1;
        *self.key.lock().unwrap() = Some(key.clone());
        Ok(())
    }

    fn save_url(&self, _: &str, _: &str, url: &str) -> Result<(), Fault> {
        assert!(self.key.lock().unwrap().is_some(), "the key comes first");
        *self.url.lock().unwrap() = Some(url.to_owned());
        Ok(())
    }
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
        contact: vec!["mailto:ops@vtime.net".into()],
        timeout: Duration::from_secs(20),
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
    let key = rcgen::KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = rcgen::CertificateParams::new(names).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.serialize_request(&key).unwrap().der().to_vec()
}

/// Answers all open challenges of an order.
pub async fn answer_challenges(order: &mut dyn Order) {
    for authorization in order.authorizations().await.unwrap() {
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
