//! The account: its key is kept before the CA hears of it, its URL after (RFC 8555 section 7.3).

use ::http::header::LOCATION;
use instant_acme::Account;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::json;
use tracing::info;

use super::http::Client;
use super::key::SigningKey;
use super::refusal::{Refusal, Tries};
use super::reply::{Reply, observed};
use super::signed::{Signer, binding, is_created, post};
use super::{Settings, key_change};
use crate::failpoint::reach;
use crate::fault::{Fault, Retry};
use crate::port::{Accounts, KeptAccount};
use crate::secret::Secret;

/// How an account stands at the CA (RFC 8555 section 7.1.2).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct AccountState {
    #[serde(skip)]
    pub url: String,
    pub status: String,
    #[serde(default)]
    pub contact: Vec<String>,
}

/// The stored account, else a new one. A key whose run ended early is registered again: the CA answers with the
/// account that it may have made (RFC 8555 section 7.3.1).
pub(super) async fn open(client: &Client, settings: &Settings, accounts: &dyn Accounts) -> Result<Account, Fault> {
    let (key, url) = ready(client, settings, accounts).await?;
    restore(client, settings, &key, &url).await
}

/// Key and URL of the account, whatever earlier runs left undone.
pub(super) async fn ready(
    client: &Client,
    settings: &Settings,
    accounts: &dyn Accounts,
) -> Result<(Secret, String), Fault> {
    let kept = KeptAccount { url: None, next: None, key: key(settings, accounts)? };
    let kept = accounts.load(&settings.authority)?.unwrap_or(kept);
    match key_change::settle(client, settings, accounts, kept).await? {
        KeptAccount { key, url: Some(url), .. } => Ok((key, url)),
        KeptAccount { key, url: None, .. } => {
            let url = register(client, settings, accounts, &key).await?;
            Ok((key, url))
        }
    }
}

/// The stored key, else a new one that is stored now.
pub(super) fn key(settings: &Settings, accounts: &dyn Accounts) -> Result<Secret, Fault> {
    if let Some(kept) = accounts.load(&settings.authority)? {
        return Ok(kept.key);
    }
    let key = make_key()?;
    accounts.save_key(&settings.authority, &key)?;
    reach("after-account-key");
    Ok(key)
}

/// Whether the CA knows the stored key: its account's URL, or `None` if no account was made yet. Makes none.
///
/// # Errors
/// `acme:accountDoesNotExist` for a key that the CA does not know, `acme:unauthorized` for a deactivated account.
pub(super) async fn check(
    client: &Client,
    settings: &Settings,
    accounts: &dyn Accounts,
) -> Result<Option<String>, Fault> {
    let Some(kept) = accounts.load(&settings.authority)? else { return Ok(None) };
    // While a key change is under way the CA may know either.
    if let Some(next) = &kept.next
        && let Some(url) = find(client, &SigningKey::from_pem(next)?).await?
    {
        return Ok(Some(url));
    }
    let found = find(client, &SigningKey::from_pem(&kept.key)?).await?;
    found.map(Some).ok_or_else(|| unknown(settings))
}

/// The URL of the account with this key, if there is one (RFC 8555 section 7.3.1).
pub(super) async fn find(client: &Client, key: &SigningKey) -> Result<Option<String>, Fault> {
    let url = &client.directory().await?.new_account;
    match post(client, Signer::Key(key), url, Some(&json!({"onlyReturnExisting": true}))).await {
        Ok(reply) => location(&reply).map(Some),
        Err(fault) if fault.code == "acme:accountDoesNotExist" => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// Registers the key, agreeing to the terms of service, and keeps the URL.
pub(super) async fn register(
    client: &Client,
    settings: &Settings,
    accounts: &dyn Accounts,
    key: &Secret,
) -> Result<String, Fault> {
    let signer = SigningKey::from_pem(key)?;
    let directory = client.directory().await?;
    let mut new = json!({"termsOfServiceAgreed": true});
    if !settings.contact.is_empty() {
        new["contact"] = json!(settings.contact);
    }
    if let Some(external) = &settings.external_account {
        new["externalAccountBinding"] = binding(external, &directory.new_account, &signer)?;
    }
    let reply = post(client, Signer::Key(&signer), &directory.new_account, Some(&new)).await?;
    let url = location(&reply)?;
    reach("after-new-account");
    accounts.save_url(&settings.authority, &settings.directory, &url)?;
    let terms = directory.meta.terms_of_service.as_deref().filter(|_| is_created(&reply)).unwrap_or("-");
    info!(authority = settings.authority, url, terms, "account");
    Ok(url)
}

/// How the account stands there.
pub(super) async fn show(client: &Client, key: &SigningKey, url: &str) -> Result<AccountState, Fault> {
    let reply = post(client, Signer::Account(key, url), url, None).await?;
    read_state(&reply, url)
}

/// For good (RFC 8555 section 7.3.6). An account that is gone already is no error.
pub(super) async fn deactivate(client: &Client, key: &Secret, url: &str) -> Result<(), Fault> {
    let key = SigningKey::from_pem(key)?;
    let payload = json!({"status": "deactivated"});
    match post(client, Signer::Account(&key, url), url, Some(&payload)).await {
        Ok(reply) if read_state(&reply, url)?.status == "deactivated" => Ok(()),
        Ok(_) => Err(Fault::new("acme:malformed-reply", "the CA did not deactivate the account")),
        // RFC 8555 section 7.3.6: whatever a deactivated account signs is refused as unauthorized.
        Err(fault) if ["acme:accountDoesNotExist", "acme:unauthorized"].contains(&fault.code.as_str()) => Ok(()),
        Err(fault) => Err(fault),
    }
}

/// Who may not order will not be let either when it asks again.
pub(super) fn may_not_order(fault: Fault) -> Fault {
    Fault { code: "acme:account-refused".into(), ..fault }
        .hint(
            "`countersign account show` tells how the account stands; one that was deactivated never comes back: \
             `account deactivate` forgets it, `account register` makes another",
        )
        .retry(Retry::Never)
}

pub(super) fn make_key() -> Result<Secret, Fault> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256);
    let key = key.map_err(|error| Fault::new("acme:account-key", "no account key can be made").caused_by(&error))?;
    Ok(Secret::new(key.serialize_pem()))
}

pub(super) fn unknown(settings: &Settings) -> Fault {
    let message = format!("{} knows no account with this key", settings.directory);
    Fault::new("acme:accountDoesNotExist", message)
        .hint("compare the authority with the CA that the account was made at; `account register` makes a new one")
        .retry(Retry::Never)
}

async fn restore(client: &Client, settings: &Settings, key: &Secret, url: &str) -> Result<Account, Fault> {
    let mut tries = Tries::default();
    loop {
        let builder = Account::builder_with_http(Box::new(client.clone()));
        let restored = builder.from_parts(url.to_owned(), read_key(key)?, settings.directory.clone());
        let (result, reply) = observed(restored).await;
        match result {
            Ok(account) => return Ok(account),
            Err(error) => tries.again(Refusal::new(error, reply.as_ref())).await?,
        }
    }
}

fn read_state(reply: &Reply, url: &str) -> Result<AccountState, Fault> {
    let state: AccountState = serde_json::from_slice(&reply.body)
        .map_err(|error| Fault::new("acme:malformed-reply", "the account cannot be read").caused_by(&error))?;
    Ok(AccountState { url: url.to_owned(), ..state })
}

fn location(reply: &Reply) -> Result<String, Fault> {
    let url = reply.headers.get(LOCATION).and_then(|url| url.to_str().ok());
    let url = url.filter(|url| is_plain(url)).map(str::to_owned);
    url.ok_or_else(|| Fault::new("acme:malformed-reply", "the CA does not tell the account's URL"))
}

/// The URL becomes a part of CAA records and of hints: no character in it may end either.
fn is_plain(url: &str) -> bool {
    url.chars().all(|c| c.is_ascii_alphanumeric() || "-._~:/?#@&=%+,".contains(c))
}

fn read_key(key: &Secret) -> Result<PrivatePkcs8KeyDer<'static>, Fault> {
    // The reason is left out: it could quote the file.
    PrivatePkcs8KeyDer::from_pem_slice(key.reveal().as_bytes())
        .map_err(|_| Fault::new("acme:account-key", "the account key is not PKCS#8 in PEM").retry(Retry::Never))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_url_holds_nothing_that_ends_a_record_or_a_command() {
        assert!(is_plain("https://acme-v02.api.letsencrypt.org/acme/acct/123"));
        let odd = ["https://ca.test/1\"", "https://ca.test/1;x", "https://ca.test/`id`", "https://ca.test/$(id)"];
        assert_eq!(odd.map(is_plain), [false; 4]);
    }
}
