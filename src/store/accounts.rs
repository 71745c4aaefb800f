//! ACME accounts: a key and the account's URL for each authority.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::layout::Layout;
use super::{read, write};
use crate::fault::{Fault, Retry};
use crate::port::KeptAccount;
use crate::secret::Secret;

const SCHEMA: u32 = 1;
const KEY: &str = "key.pem";
/// While a key change is under way.
const NEXT: &str = "next.pem";
const ACCOUNT: &str = "account.json";

/// `account.json`.
#[derive(Serialize, Deserialize)]
struct Account {
    schema: u32,
    directory: String,
    url: String,
}

pub fn load(layout: &Layout, authority: &str) -> Result<Option<KeptAccount>, Fault> {
    let dir = dir(layout, authority)?;
    let Some(key) = read::secret(&dir.join(KEY))? else { return Ok(None) };
    let account: Option<Account> = read::versioned_json(&dir.join(ACCOUNT), SCHEMA)?;
    // One that has taken over and was not removed any more.
    let next = read::secret(&dir.join(NEXT))?.filter(|next| *next != key);
    Ok(Some(KeptAccount { key, url: account.map(|account| account.url), next }))
}

/// Another key than before has no URL yet. The old URL goes first: a key never stands beside a foreign URL.
pub fn save_key(layout: &Layout, authority: &str, key: &Secret) -> Result<(), Fault> {
    let dir = dir(layout, authority)?;
    write::own_folder(&dir)?;
    if read::secret(&dir.join(KEY))?.as_ref() == Some(key) {
        return Ok(());
    }
    write::remove(&dir.join(ACCOUNT))?;
    write::remove(&dir.join(NEXT))?;
    write::file(&dir.join(KEY), key.reveal().as_bytes(), write::PRIVATE)
}

pub fn save_url(layout: &Layout, authority: &str, directory: &str, url: &str) -> Result<(), Fault> {
    let path = dir(layout, authority)?.join(ACCOUNT);
    let account = Account { schema: SCHEMA, directory: directory.to_owned(), url: url.to_owned() };
    write::file(&path, &write::pretty(&account), write::PRIVATE)
}

pub fn save_next_key(layout: &Layout, authority: &str, key: &Secret) -> Result<(), Fault> {
    write::file(&dir(layout, authority)?.join(NEXT), key.reveal().as_bytes(), write::PRIVATE)
}

/// Another key of the same account: its URL stays.
pub fn promote_next_key(layout: &Layout, authority: &str) -> Result<(), Fault> {
    let dir = dir(layout, authority)?;
    if let Some(next) = read::secret(&dir.join(NEXT))? {
        write::file(&dir.join(KEY), next.reveal().as_bytes(), write::PRIVATE)?;
    }
    write::remove(&dir.join(NEXT))
}

pub fn drop_next_key(layout: &Layout, authority: &str) -> Result<(), Fault> {
    write::remove(&dir(layout, authority)?.join(NEXT))
}

/// The URL goes first: what a crash leaves is a key that the CA is asked about.
pub fn forget(layout: &Layout, authority: &str) -> Result<(), Fault> {
    let dir = dir(layout, authority)?;
    [ACCOUNT, NEXT, KEY].iter().try_for_each(|name| write::remove(&dir.join(name)))
}

/// The name comes from the runner's config, so it is looked at before it becomes a path.
fn dir(layout: &Layout, authority: &str) -> Result<PathBuf, Fault> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let sound = !authority.is_empty() && authority.len() <= 63 && !authority.starts_with('.');
    if !sound || !authority.chars().all(plain) || Path::new(authority).components().count() != 1 {
        let message = format!("`{authority}` cannot be the name of an authority");
        let hint = "use letters, digits, `.`, `_` and `-`, not beginning with a dot";
        return Err(Fault::new("store:authority", message).hint(hint).retry(Retry::Never));
    }
    Ok(layout.account(authority))
}
