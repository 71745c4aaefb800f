//! The CA adapter: [`port::Ca`](crate::port::Ca) over instant-acme, behind an HTTP client of our own.
//!
//! Nothing asks the network before something is ordered or renewal information is wanted. `http` is the wire,
//! `reply` is what instant-acme drops from replies, `refusal` turns errors into faults and says what is repeated.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use instant_acme::{Account, CertificateIdentifier, NewOrder};
use tokio::sync::OnceCell;

use crate::fault::Fault;
use crate::port::{Accounts, Ca, Clock, Order, OrderRequest, RenewalInfo};

mod account;
mod ari;
mod http;
mod order;
mod refusal;
mod reply;
mod skew;

use http::Client;
use order::AcmeOrder;
use refusal::{Refusal, Tries};
use reply::observed;

/// One authority of the runner's configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name by which the account is stored.
    pub authority: String,
    /// The URL of the directory (RFC 8555 section 7.1.1), `https` only.
    pub directory: String,
    /// Further TLS roots for the CA's API, beside the system's.
    pub root_pem: Option<Vec<u8>>,
    /// Contact URLs of the account (RFC 8555 section 7.3).
    pub contact: Vec<String>,
    /// The deadline of one request and its answer.
    pub timeout: Duration,
}

/// One CA with one account.
#[derive(Clone)]
pub struct AcmeCa {
    shared: Arc<Shared>,
}

impl AcmeCa {
    /// Fails if `root_pem` holds no certificate. Opens no connection.
    pub fn new(settings: Settings, accounts: Arc<dyn Accounts>, clock: Arc<dyn Clock>) -> Result<Self, Fault> {
        let client = Client::new(&settings, clock.clone())?;
        Ok(Self { shared: Arc::new(Shared { client, settings, accounts, clock, account: OnceCell::new() }) })
    }
}

impl AcmeCa {
    /// The names by which CAA records call this CA (RFC 8555 section 9.7.6). Needs no account.
    pub async fn caa_identities(&self) -> Result<Vec<String>, Fault> {
        Ok(self.shared.client.directory().await?.meta.caa_identities.clone())
    }

    /// The URL of the account if the CA knows the stored key. `None` if there is no key yet; none is made.
    ///
    /// # Errors
    /// The CA's: `acme:accountDoesNotExist`, `acme:unauthorized` and what may happen on the way.
    pub async fn existing_account(&self) -> Result<Option<String>, Fault> {
        let shared = &self.shared;
        account::check(&shared.client, &shared.settings, &*shared.accounts).await
    }
}

struct Shared {
    client: Client,
    settings: Settings,
    accounts: Arc<dyn Accounts>,
    clock: Arc<dyn Clock>,
    account: OnceCell<Account>,
}

impl Shared {
    /// The account, opened or created by whoever comes first.
    async fn account(&self) -> Result<&Account, Fault> {
        self.account.get_or_try_init(|| account::open(&self.client, &self.settings, &*self.accounts)).await
    }
}

#[async_trait]
impl Ca for AcmeCa {
    fn directory(&self) -> &str {
        &self.shared.settings.directory
    }

    async fn new_order(&self, request: &OrderRequest) -> Result<Box<dyn Order>, Fault> {
        let account = self.shared.account().await?;
        let has_ari = self.shared.client.directory().await?.renewal_info.is_some();
        let identifiers: Vec<_> =
            request.identifiers.iter().map(|name| instant_acme::Identifier::Dns(name.to_string())).collect();
        let mut new = NewOrder::new(&identifiers);
        if let Some(profile) = &request.profile {
            new = new.profile(profile);
        }
        if let Some((aki, serial)) = request.replaces.as_ref().filter(|_| has_ari).and_then(|id| id.split_once('.')) {
            new = new.replaces(CertificateIdentifier { authority_key_identifier: aki.into(), serial: serial.into() });
        }
        let mut tries = Tries::default();
        loop {
            let (result, reply) = observed(account.new_order(&new)).await;
            let refusal = match result {
                Ok(order) => return Ok(Box::new(AcmeOrder::made(self.shared.clone(), order))),
                Err(error) => Refusal::new(error, reply.as_ref()),
            };
            // A CA that reuses an order may not mirror `replaces`. The order stands all the same.
            if let Some(url) = reply.and_then(|reply| reply.created()) {
                return self.order(&url).await;
            }
            tries.again(refusal).await?;
        }
    }

    async fn order(&self, url: &str) -> Result<Box<dyn Order>, Fault> {
        Ok(Box::new(AcmeOrder::at(self.shared.clone(), url)))
    }

    async fn renewal_info(&self, ari_id: &str) -> Result<Option<RenewalInfo>, Fault> {
        ari::ask(&self.shared.client, &*self.shared.clock, ari_id).await
    }

    async fn certificate(&self, url: &str) -> Result<String, Fault> {
        let account = self.shared.account().await?;
        let mut tries = Tries::default();
        loop {
            // instant-acme fetches a certificate only through its order, which a CA forgets earlier. It signs a
            // POST-as-GET for any URL, though, and the chain is in the reply that it cannot read as an order.
            let (result, reply) = observed(account.order(url.to_owned())).await;
            if let Some(chain) = reply.as_ref().and_then(|reply| reply.chain()) {
                return Ok(chain);
            }
            let refusal = match result {
                Ok(_) => return Err(Fault::new("acme:malformed-reply", format!("{url} is an order, no certificate"))),
                Err(error) => Refusal::new(error, reply.as_ref()),
            };
            tries.again(refusal).await?;
        }
    }
}
