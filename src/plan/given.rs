//! Keys that are not made here but given by the runner, as far as a plan needs them.

use crate::fault::{Fault, Retry};
use crate::list::{Certificate, KeySource, KeyType};
use crate::name::{Digest, LineageName};
use crate::plan::Observed;

/// What is known of a key without the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// Digest of the subject public key info (DER).
    pub public_key: Digest,
    /// `None` for a key that a list cannot ask for.
    pub key: Option<KeyType>,
}

/// The public key that a certificate is to have, as the digest of its DER. `None` if the key is made here.
pub fn of<'a>(wanted: &'a Certificate, observed: &'a Observed) -> Result<Option<&'a Digest>, Fault> {
    let word = match &wanted.key_source {
        KeySource::New | KeySource::Reused => return Ok(None),
        KeySource::Csr(csr) => return Ok(Some(csr.public_key())),
        KeySource::Given(word) => word,
    };
    let unknown = || {
        Fault::new("key:unknown", format!("the runner has no key `{word}`"))
            .hint(format!("add `{word}: PATH` under `given_keys:` in the runner's config"))
            .retry(Retry::Never)
    };
    let given = observed.given.get(&wanted.key_source).ok_or_else(unknown)?.as_ref().map_err(Clone::clone)?;
    if given.key == Some(wanted.key) {
        return Ok(Some(&given.public_key));
    }
    let kind = given.key.map_or("of a kind that no list can ask for", KeyType::as_str);
    let fault = Fault::new("key:type", format!("the key given as `{word}` is {kind}, the list says {}", wanted.key));
    let hint = match given.key {
        Some(kind) => format!("let the list say `key: {kind}`, or put another key into the file"),
        None => "put an ECDSA P-256 or P-384 key, or an RSA key of 2048, 3072 or 4096 bits, into the file".to_owned(),
    };
    Err(fault.hint(hint).retry(Retry::Never))
}

/// Whoever gives a key, or a CSR for one, must replace it when somebody else may have it.
pub fn compromised(lineage: &LineageName, source: &KeySource) -> Fault {
    let text = format!("the key of `{lineage}` is compromised, and the same key is {source}");
    let replace = match source {
        KeySource::Csr(_) => "make a new key and put its CSR into the list",
        _ => "put a new key into the file",
    };
    let hint = format!(
        "{replace}, then run `countersign apply --force {lineage} --reason keyCompromise`; to stop the use of the old \
         one at once, `countersign revoke {lineage} --reason keyCompromise`"
    );
    Fault::new(COMPROMISED, text).hint(hint).retry(Retry::Never)
}

/// The code of the fault for a key that is fixed and compromised.
pub const COMPROMISED: &str = "key:compromised";
