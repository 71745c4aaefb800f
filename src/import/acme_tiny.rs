//! A folder with one sub-folder for each domain, as scripts around acme-tiny keep them: `domain.key`, `domain.crt` or
//! `signed.crt`, `domain.csr`, `account.key`. Where there is no key, `domain.csr` says for which one it was issued.

use super::{AccountKey, Candidate, Folder, Found};
use crate::fault::Fault;
use crate::list::Request;

const KEYS: [&str; 3] = ["domain.key", "privkey.pem", "server.key"];
const CSR: &str = "domain.csr";
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
    let (key, csr) = (there(&KEYS), there(&[CSR]));
    let Some(chain) = there(&CHAINS).filter(|_| key.or(csr).is_some()) else { return Ok(None) };
    let text = |file| folder.need(&format!("{name}/{file}"));
    Ok(Some(Candidate {
        name: name.to_owned(),
        privkey: key.map(|key| folder.secret(&format!("{name}/{key}"))).transpose()?,
        csr: csr.filter(|_| key.is_none()).map(text).transpose()?.filter(|csr| Request::parse(csr).is_ok()),
        chain: text(chain)?,
        directory: None,
        url: None,
    }))
}
