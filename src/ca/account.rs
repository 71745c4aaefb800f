//! The account: its key is kept before the CA hears of it, its URL after (RFC 8555 section 7.3).

use instant_acme::{Account, Key};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tracing::info;

use super::Settings;
use super::http::Client;
use super::refusal::{Refusal, Tries};
use super::reply::observed;
use crate::failpoint::reach;
use crate::fault::{Fault, Retry};
use crate::port::Accounts;
use crate::secret::Secret;

/// The stored account, else a new one. A key whose run ended early is registered again: the CA answers with the
/// account that it may have made (RFC 8555 section 7.3.1).
pub(super) async fn open(client: &Client, settings: &Settings, accounts: &dyn Accounts) -> Result<Account, Fault> {
    let key = match accounts.load(&settings.authority)? {
        Some((key, Some(url))) => return restore(client, settings, &key, &url).await,
        Some((key, None)) => key,
        None => {
            let key = make_key()?;
            accounts.save_key(&settings.authority, &key)?;
            reach("after-account-key");
            key
        }
    };
    let account = register(client, settings, &key).await?;
    set_contact(&account, settings).await?;
    reach("after-new-account");
    accounts.save_url(&settings.authority, &settings.directory, account.id())?;
    info!(authority = settings.authority, url = account.id(), "account");
    Ok(account)
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
    let Some((key, _)) = accounts.load(&settings.authority)? else { return Ok(None) };
    let mut tries = Tries::default();
    loop {
        let pkcs8 = read_key(&key)?;
        let signer = Key::from_pkcs8_der(pkcs8.clone_key()).map_err(|error| Refusal::new(error, None).fault)?;
        let builder = Account::builder_with_http(Box::new(client.clone()));
        let found = builder.from_key((signer, PrivateKeyDer::Pkcs8(pkcs8)), settings.directory.clone());
        let (result, reply) = observed(found).await;
        match result {
            Ok((account, _)) => return Ok(Some(account.id().to_owned())),
            Err(error) => tries.again(Refusal::new(error, reply.as_ref())).await?,
        }
    }
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

async fn register(client: &Client, settings: &Settings, key: &Secret) -> Result<Account, Fault> {
    let mut tries = Tries::default();
    loop {
        let pkcs8 = read_key(key)?;
        let signer = Key::from_pkcs8_der(pkcs8.clone_key()).map_err(|error| Refusal::new(error, None).fault)?;
        let builder = Account::builder_with_http(Box::new(client.clone()));
        let created = builder.create_from_key((signer, PrivateKeyDer::Pkcs8(pkcs8)), settings.directory.clone());
        let (result, reply) = observed(created).await;
        match result {
            Ok((account, _)) => return Ok(account),
            Err(error) => tries.again(Refusal::new(error, reply.as_ref())).await?,
        }
    }
}

/// instant-acme registers a given key without contacts, so they follow.
async fn set_contact(account: &Account, settings: &Settings) -> Result<(), Fault> {
    let contact: Vec<&str> = settings.contact.iter().map(String::as_str).collect();
    let mut tries = Tries::default();
    while !contact.is_empty() {
        let (result, reply) = observed(account.update_contacts(&contact)).await;
        match result {
            Ok(()) => break,
            Err(error) => tries.again(Refusal::new(error, reply.as_ref())).await?,
        }
    }
    Ok(())
}

fn make_key() -> Result<Secret, Fault> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256);
    let key = key.map_err(|error| Fault::new("acme:account-key", "no account key can be made").caused_by(&error))?;
    Ok(Secret::new(key.serialize_pem()))
}

fn read_key(key: &Secret) -> Result<PrivatePkcs8KeyDer<'static>, Fault> {
    // The reason is left out: it could quote the file.
    PrivatePkcs8KeyDer::from_pem_slice(key.reveal().as_bytes())
        .map_err(|_| Fault::new("acme:account-key", "the account key is not PKCS#8 in PEM").retry(Retry::Never))
}
