//! A folder with one sub-folder for each domain, as scripts around acme-tiny keep them: `domain.key`, `domain.crt` or
//! `signed.crt`, `domain.csr`, `account.key`.

use super::{AccountKey, Candidate, Folder, Found};
use crate::fault::Fault;

const KEYS: [&str; 3] = ["domain.key", "privkey.pem", "server.key"];
/// The whole chain first: `signed.crt` was the leaf alone before ACMEv2.
const CHAINS: [&str; 5] = ["chained.pem", "domain.crt", "fullchain.pem", "signed_chain.crt", "signed.crt"];

pub fn read(folder: &Folder) -> Result<Found, Fault> {
    let mut found = Found::default();
    for name in folder.names("")? {
        match one(folder, &name) {
            Ok(candidate) => found.candidates.extend(candidate),
            Err(fault) => found.broken.push((name.clone(), fault)),
        }
        if let Ok(Some(key)) = folder.text(&format!("{name}/account.key")) {
            let (key, place) = (crate::secret::Secret::new(key), format!("{name}/account.key"));
            found.accounts.push(AccountKey { place, directory: None, key, url: None });
        }
    }
    found.or_nothing("acme-tiny", "name the folder with a sub-folder for each domain, with domain.key and domain.crt")
}

fn one(folder: &Folder, name: &str) -> Result<Option<Candidate>, Fault> {
    let files = folder.names(name)?;
    let there = |names: &[&'static str]| names.iter().find(|name| files.iter().any(|file| file == *name)).copied();
    let (Some(key), Some(chain)) = (there(&KEYS), there(&CHAINS)) else { return Ok(None) };
    Ok(Some(Candidate {
        name: name.to_owned(),
        privkey: folder.secret(&format!("{name}/{key}"))?,
        chain: folder.need(&format!("{name}/{chain}"))?,
        directory: None,
        url: None,
    }))
}
