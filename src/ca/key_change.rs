//! Another key for the same account (RFC 8555 section 7.3.5), and keys that came from elsewhere.
//!
//! The next key is durable before the CA hears of it. After a crash the CA says which of both it knows.

use serde_json::json;
use tracing::{info, warn};

use super::http::Client;
use super::key::SigningKey;
use super::signed::{Signer, inner, post};
use super::{Settings, account};
use crate::failpoint::reach;
use crate::fault::{Fault, Retry};
use crate::journal;
use crate::port::{Accounts, KeptAccount};
use crate::secret::Secret;

/// Ends a key change that an earlier run began. Nothing is asked if there is none.
///
/// A key that is not of P-256 was imported by a run that was cut short: it gives way now.
pub(super) async fn settle(
    client: &Client,
    settings: &Settings,
    accounts: &dyn Accounts,
    kept: KeptAccount,
) -> Result<KeptAccount, Fault> {
    let Some(next) = &kept.next else {
        return if SigningKey::from_pem(&kept.key)?.is_p256() {
            Ok(kept)
        } else {
            change(client, settings, accounts, kept).await
        };
    };
    let next = SigningKey::from_pem(next)?;
    if account::find(client, &next).await?.is_none() {
        return change(client, settings, accounts, kept).await;
    }
    promote(settings, accounts, kept)
}

/// Gives the account a new key.
pub(super) async fn change(
    client: &Client,
    settings: &Settings,
    accounts: &dyn Accounts,
    mut kept: KeptAccount,
) -> Result<KeptAccount, Fault> {
    let old = SigningKey::from_pem(&kept.key)?;
    let account = match &kept.url {
        Some(url) => url.clone(),
        None => account::find(client, &old).await?.ok_or_else(|| account::unknown(settings))?,
    };
    if client.directory().await?.key_change.is_none() {
        return Err(unsupported());
    }
    let next = match &kept.next {
        Some(next) => next.clone(),
        None => {
            let next = account::make_key()?;
            accounts.save_next_key(&settings.authority, &next)?;
            reach("after-next-key");
            next
        }
    };
    kept.next = Some(next.clone());
    let next = SigningKey::from_pem(&next)?;
    if let Err(fault) = send(client, &account, &old, &next).await {
        // The answer may have been lost, and a second request is then refused because the first was heard.
        if account::find(client, &next).await?.is_none() {
            return Err(refused(fault, settings, accounts, &old)?);
        }
    }
    reach("after-key-change");
    promote(settings, accounts, KeptAccount { url: Some(account), ..kept })
}

/// Takes over an account by its key. One that is not of P-256 is changed at once.
pub(super) async fn import(
    client: &Client,
    settings: &Settings,
    accounts: &dyn Accounts,
    pem: &Secret,
) -> Result<String, Fault> {
    let key = SigningKey::from_pem(pem)?;
    let plain = key.to_pem()?;
    let kept = match accounts.load(&settings.authority)? {
        // An import that was cut short.
        Some(kept) if kept.key == plain => kept,
        Some(_) => return Err(exists(settings)),
        None => {
            let url = account::find(client, &key).await?.ok_or_else(|| account::unknown(settings))?;
            if !key.is_p256() && client.directory().await?.key_change.is_none() {
                return Err(unsupported());
            }
            accounts.save_key(&settings.authority, &plain)?;
            reach("after-import");
            accounts.save_url(&settings.authority, &settings.directory, &url)?;
            KeptAccount { key: plain, url: Some(url), next: None }
        }
    };
    let (_, url) = match settle(client, settings, accounts, kept).await? {
        KeptAccount { key, url: Some(url), .. } => (key, url),
        KeptAccount { .. } => account::ready(client, settings, accounts).await?,
    };
    Ok(url)
}

/// There is an account already, and it is never overwritten.
pub(super) fn exists(settings: &Settings) -> Fault {
    let message = format!("the store has an account of {} already", settings.authority);
    Fault::new("acme:account-exists", message)
        .hint(
            "`countersign account show` shows it; keep it, or give it up for good with `countersign account deactivate`",
        )
        .retry(Retry::Never)
}

async fn send(client: &Client, account: &str, old: &SigningKey, next: &SigningKey) -> Result<(), Fault> {
    let url = client.directory().await?.key_change.as_deref().ok_or_else(unsupported)?;
    let request = inner(next, url, &json!({"account": account, "oldKey": old.jwk()}))?;
    post(client, Signer::Account(old, account), url, Some(&request)).await.map(drop)
}

fn promote(settings: &Settings, accounts: &dyn Accounts, kept: KeptAccount) -> Result<KeptAccount, Fault> {
    accounts.promote_next_key(&settings.authority)?;
    info!(authority = settings.authority, "the account has a new key");
    let key = kept.next.unwrap_or(kept.key);
    Ok(KeptAccount { key, url: kept.url, next: None })
}

/// A judgement ends the change, so that the old key goes on to serve. After an outage it is tried again.
fn refused(fault: Fault, settings: &Settings, accounts: &dyn Accounts, old: &SigningKey) -> Result<Fault, Fault> {
    let judged = !journal::is_outage(&fault) && !matches!(fault.retry, Retry::After(_));
    if judged && old.is_p256() {
        warn!(authority = settings.authority, "the CA refused another key, the account keeps its own");
        accounts.drop_next_key(&settings.authority)?;
    }
    let hint = if judged { "the account keeps its key" } else { "the next run continues with the same new key" };
    Ok(fault.hint(hint))
}

fn unsupported() -> Fault {
    Fault::new("acme:no-key-change", "the CA's directory has no keyChange").retry(Retry::Never).hint(
        "without it only P-256 account keys can be used: import such a key, or make an account with `account register`",
    )
}
