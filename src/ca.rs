//! The CA adapter: [`port::Ca`](crate::port::Ca) over instant-acme, behind an HTTP client of our own.
//!
//! Nothing asks the network before something is ordered or renewal information is wanted. `http` is the wire,
//! `reply` is what instant-acme drops from replies, `refusal` turns errors into faults and says what is repeated.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use instant_acme::{Account, CertificateIdentifier, NewOrder};
use serde_json::json;
use tokio::sync::OnceCell;
use tracing::warn;

use crate::caa::Applicant;
use crate::failpoint;
use crate::fault::{Fault, Retry};
use crate::journal;
use crate::lineage::{RevocationReason, pem};
use crate::list::ChallengeType;
use crate::name::Identifier;
use crate::port::{Accounts, Ca, Clock, Order, OrderRequest, RenewalInfo};
use crate::secret::Secret;

mod account;
mod ari;
mod chain;
mod http;
mod key;
mod key_change;
mod order;
mod refusal;
mod reply;
mod signed;
mod skew;

use http::Client;
use key::SigningKey;
use order::AcmeOrder;
use refusal::{Refusal, Tries};
use reply::{Reply, observed};
use signed::{Signer, post};

pub use account::AccountState;
pub use signed::ExternalAccount;

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
    /// What new accounts are bound to, if the CA asks for it (RFC 8555 section 7.3.4).
    pub external_account: Option<ExternalAccount>,
    /// Common name of the issuer at the top of the chain to take, where an order does not say.
    pub preferred_chain: Option<String>,
}

/// One CA with one account.
#[derive(Clone)]
pub struct AcmeCa {
    shared: Arc<Shared>,
}

/// What a CA calls itself becomes a record that people copy into a zone.
fn is_name(text: &str) -> bool {
    Identifier::parse(text).is_ok_and(|name| !name.is_wildcard())
}

impl AcmeCa {
    /// Fails if `root_pem` holds no certificate. Opens no connection.
    pub fn new(settings: Settings, accounts: Arc<dyn Accounts>, clock: Arc<dyn Clock>) -> Result<Self, Fault> {
        let client = Client::new(&settings, clock.clone())?;
        Ok(Self {
            shared: Arc::new(Shared {
                client,
                settings,
                accounts,
                clock,
                account: OnceCell::new(),
                refused: OnceLock::new(),
            }),
        })
    }
}

impl AcmeCa {
    /// The names by which CAA records call this CA (RFC 8555 section 9.7.6). Needs no account.
    pub async fn caa_identities(&self) -> Result<Vec<String>, Fault> {
        let said = &self.shared.client.directory().await?.meta.caa_identities;
        Ok(said.iter().filter(|name| is_name(name)).cloned().collect())
    }

    /// Whether the CA says when to renew (RFC 9773). Needs no account.
    pub async fn offers_renewal_info(&self) -> Result<bool, Fault> {
        Ok(self.shared.client.directory().await?.renewal_info.is_some())
    }

    /// The URL of the account if the CA knows the stored key. `None` if there is no key yet; none is made.
    ///
    /// # Errors
    /// The CA's: `acme:accountDoesNotExist`, `acme:unauthorized` and what may happen on the way.
    pub async fn existing_account(&self) -> Result<Option<String>, Fault> {
        let shared = &self.shared;
        account::check(&shared.client, &shared.settings, &*shared.accounts).await
    }

    /// Where the terms of service stand, if the CA has any (RFC 8555 section 7.1.1).
    pub async fn terms_of_service(&self) -> Result<Option<String>, Fault> {
        Ok(self.shared.client.directory().await?.meta.terms_of_service.clone())
    }

    /// How the stored account stands at the CA. `None` if there is none.
    pub async fn account_state(&self) -> Result<Option<AccountState>, Fault> {
        let shared = &self.shared;
        let Some(kept) = shared.accounts.load(&shared.settings.authority)? else { return Ok(None) };
        let Some(url) = &kept.url else { return Ok(None) };
        // While a key change is under way the CA may know either. Nothing is written here, so it is not finished.
        let next = kept.next.as_ref().map(SigningKey::from_pem).transpose()?;
        let key = match next {
            Some(next) if account::find(&shared.client, &next).await?.is_some() => next,
            _ => SigningKey::from_pem(&kept.key)?,
        };
        account::show(&shared.client, &key, url).await.map(Some)
    }

    /// The key for a new account, durable already. The CA has not heard of it.
    ///
    /// # Errors
    /// `acme:account-exists` if the store has a registered account.
    pub fn new_account_key(&self) -> Result<Secret, Fault> {
        let shared = &self.shared;
        if shared.accounts.load(&shared.settings.authority)?.is_some_and(|kept| kept.url.is_some()) {
            return Err(key_change::exists(&shared.settings));
        }
        account::key(&shared.settings, &*shared.accounts)
    }

    /// Registers that key and agrees to the terms of service. Gives the URL.
    pub async fn register(&self) -> Result<String, Fault> {
        let shared = &self.shared;
        let (_, url) = account::ready(&shared.client, &shared.settings, &*shared.accounts).await?;
        Ok(url)
    }

    /// Takes over the account of a key. A key that is not of P-256 gives way to a new one at once, and whoever had
    /// the account before loses it (RFC 8555 section 7.3.5).
    pub async fn import_account(&self, pem: &Secret) -> Result<String, Fault> {
        let shared = &self.shared;
        key_change::import(&shared.client, &shared.settings, &*shared.accounts, pem).await
    }

    /// Gives the account a new key. A change that was cut short is finished instead. Gives the URL.
    pub async fn change_key(&self) -> Result<String, Fault> {
        let shared = &self.shared;
        let kept = shared.accounts.load(&shared.settings.authority)?.ok_or_else(|| self.no_account())?;
        let (client, settings, accounts) = (&shared.client, &shared.settings, &*shared.accounts);
        let changed = match &kept.next {
            Some(_) => key_change::settle(client, settings, accounts, kept).await?,
            None => key_change::change(client, settings, accounts, kept).await?,
        };
        changed.url.ok_or_else(|| self.no_account())
    }

    /// Deactivates the account for good and forgets it. Gives its URL.
    pub async fn deactivate_account(&self) -> Result<String, Fault> {
        let shared = &self.shared;
        let kept = shared.accounts.load(&shared.settings.authority)?;
        let url = kept.and_then(|kept| kept.url).ok_or_else(|| self.no_account())?;
        let ready = account::ready(&shared.client, &shared.settings, &*shared.accounts).await;
        let (key, url) = match ready {
            Ok(ready) => ready,
            Err(fault) if fault.code == "acme:unauthorized" => {
                shared.accounts.forget(&shared.settings.authority)?;
                return Ok(url);
            }
            Err(fault) => return Err(fault),
        };
        account::deactivate(&shared.client, &key, &url).await?;
        failpoint::reach("after-deactivate");
        shared.accounts.forget(&shared.settings.authority)?;
        Ok(url)
    }

    fn no_account(&self) -> Fault {
        let settings = &self.shared.settings;
        Fault::new("acme:no-account", format!("the store has no account of {}", settings.authority))
            .hint(format!("make one: `countersign account register --authority {}`", settings.authority))
            .retry(Retry::Never)
    }
}

/// What kind of key this is, and whether an account with it would get another one.
///
/// # Errors
/// `acme:account-key`: not a private key in PEM, or of a kind that no CA takes.
pub fn describe_key(pem: &Secret) -> Result<(String, bool), Fault> {
    let key = SigningKey::from_pem(pem)?;
    Ok((key.to_string(), !key.is_p256()))
}

struct Shared {
    client: Client,
    settings: Settings,
    accounts: Arc<dyn Accounts>,
    clock: Arc<dyn Clock>,
    account: OnceCell<Account>,
    /// Why the CA does not want the account. It is not asked again: a wave would ask once for each lineage.
    refused: OnceLock<Fault>,
}

impl Shared {
    /// The account, opened or created by whoever comes first.
    async fn account(&self) -> Result<&Account, Fault> {
        if let Some(fault) = self.refused.get() {
            return Err(fault.clone());
        }
        let open = async {
            // Whoever waited for the first to open it gets the same answer.
            match self.refused.get() {
                Some(fault) => Err(fault.clone()),
                None => account::open(&self.client, &self.settings, &*self.accounts).await,
            }
        };
        let opened = self.account.get_or_try_init(|| open).await;
        opened.map_err(|fault| self.heard(fault))
    }

    /// Remembers a refusal that no repetition heals.
    fn heard(&self, fault: Fault) -> Fault {
        if fault.retry == Retry::Never && journal::is_about_account(&fault) {
            let _ = self.refused.set(fault.clone());
        }
        fault
    }

    /// A POST-as-GET of a chain. instant-acme fetches a certificate only through its order, which a CA forgets
    /// earlier. It signs a POST-as-GET for any URL, though, and the chain is in the reply that it cannot read as an
    /// order.
    async fn chain(&self, url: &str) -> Result<(String, Reply), Fault> {
        let account = self.account().await?;
        let mut tries = Tries::default();
        loop {
            let (result, reply) = observed(account.order(url.to_owned())).await;
            if let Some(chain) = reply.as_ref().and_then(|reply| reply.chain()) {
                return Ok((chain, reply.expect("a chain came in a reply")));
            }
            let refusal = match result {
                Ok(_) => return Err(Fault::new("acme:malformed-reply", format!("{url} is an order, no certificate"))),
                Err(error) => Refusal::new(error, reply.as_ref()),
            };
            tries.again(refusal).await?;
        }
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
            // No challenge was asked for yet: it is the account that may not order, or may not replace.
            if refusal.fault.code == "acme:unauthorized" && request.replaces.is_none() {
                return Err(self.shared.heard(account::may_not_order(refusal.fault)));
            }
            if refusal.fault.retry == Retry::Never {
                return Err(self.shared.heard(refusal.fault));
            }
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

    async fn applicant(&self, methods: BTreeSet<ChallengeType>) -> Result<Applicant, Fault> {
        let shared = &self.shared;
        let account = shared.accounts.load(&shared.settings.authority)?.and_then(|kept| kept.url);
        Ok(Applicant { identities: self.caa_identities().await?, account, methods })
    }

    async fn profiles(&self) -> Result<BTreeSet<String>, Fault> {
        Ok(self.shared.client.directory().await?.meta.profiles.keys().cloned().collect())
    }

    async fn certificate(&self, url: &str, preferred: Option<&str>) -> Result<String, Fault> {
        let (default, reply) = self.shared.chain(url).await?;
        let preferred = preferred.or(self.shared.settings.preferred_chain.as_deref());
        let Some(issuer) = preferred.filter(|issuer| !chain::ends_at(&default, issuer)) else { return Ok(default) };
        for alternate in chain::alternates(&reply) {
            match self.shared.chain(&alternate).await {
                Ok((other, _)) if chain::ends_at(&other, issuer) => return Ok(other),
                Ok(_) => {}
                Err(fault) => warn!(alternate, "a chain is not to be had: {fault}"),
            }
        }
        warn!(authority = self.shared.settings.authority, "no chain ends at `{issuer}`, the default is taken");
        Ok(default)
    }

    async fn revoke(&self, leaf: &str, reason: RevocationReason, key: Option<&Secret>) -> Result<(), Fault> {
        let shared = &self.shared;
        let unsupported =
            || Fault::new("acme:no-revocation", "the CA's directory has no revokeCert").retry(Retry::Never);
        let url = shared.client.directory().await?.revoke_cert.clone().ok_or_else(unsupported)?;
        let der = pem::certificates(leaf)?.into_iter().next().unwrap_or_default();
        let payload = json!({"certificate": BASE64_URL_SAFE_NO_PAD.encode(der), "reason": reason.code()});
        let sent = match key {
            Some(key) => post(&shared.client, Signer::Key(&SigningKey::from_pem(key)?), &url, Some(&payload)).await,
            None => {
                let (key, account) = account::ready(&shared.client, &shared.settings, &*shared.accounts).await?;
                let key = SigningKey::from_pem(&key)?;
                post(&shared.client, Signer::Account(&key, &account), &url, Some(&payload)).await
            }
        };
        match sent {
            Err(fault) if fault.code == "acme:alreadyRevoked" => Ok(()),
            Err(fault) if fault.code == "acme:unauthorized" && key.is_none() => {
                Err(fault.hint("the certificate was ordered by another account: revoke it `--by certificate-key`"))
            }
            sent => sent.map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_is_called_by_a_domain_name_or_not_at_all() {
        let said = ["letsencrypt.org", "evil.test\"\nfix: run this", "*.ca.test", "", "ca.test; accounturi=x"];
        assert_eq!(said.map(is_name), [true, false, false, false, false]);
    }
}
