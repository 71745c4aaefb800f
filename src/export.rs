//! An export: lineages of a store in one document, to be restored on another machine. Pure.
//!
//! One line of JSON: the SHA-256 of the document's bytes, then the document, so that a cut or changed file is never
//! restored. There are no paths in it, only names that cannot leave their folder. Keys are in it only if asked for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::fault::{Fault, Retry};
use crate::lineage::{Etags, Imported, Meta, Revoked, SCHEMA};
use crate::name::Digest;
use crate::secret::Secret;

/// The format of the document. A newer one is refused.
pub const FORMAT: u32 = 1;

const BEFORE_DIGEST: &str = r#"{"digest":""#;
const BEFORE_EXPORT: &str = r#"","export":"#;
const AFTER_EXPORT: &str = "}\n";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    pub format: u32,
    /// The version of the program that made it.
    pub by: String,
    #[serde(with = "time::serde::rfc3339")]
    pub made_at: OffsetDateTime,
    pub lineages: Vec<Kept>,
    /// Certificates of other tools that wait for the list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub imported: Vec<Waiting>,
    /// What belongs to no lineage. Only in an export of a whole store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<Rest>,
}

/// The version of a lineage that is live, or was when it was stashed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stashed: bool,
    pub meta: Meta,
    pub cert: String,
    pub chain: String,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "secret")]
    pub privkey: Option<Secret>,
    /// What was written for it, by bucket.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub published: BTreeMap<String, Etags>,
    /// The CA has revoked it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Revoked>,
    /// The newest of ours, if this one is somebody else's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<Box<Kept>>,
}

/// A certificate of another tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    pub imported: Imported,
    pub cert: String,
    pub chain: String,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "secret")]
    pub privkey: Option<Secret>,
}

/// A store without its lineages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rest {
    /// `trust-state.json`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_state: Option<serde_json::Value>,
    /// `first-seen.json`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<serde_json::Value>,
    /// `ledger.json`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<serde_json::Value>,
    /// `audit.jsonl`
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub audit: String,
    /// Only with keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<Account>,
}

/// An ACME account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub authority: String,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "secret")]
    pub key: Option<Secret>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// While a key change is under way: the CA may know either key.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "secret")]
    pub next: Option<Secret>,
}

impl Export {
    /// Whether everything in it has its private key, if the store had it, so that it can be restored.
    pub fn has_keys(&self) -> bool {
        let below = self.lineages.iter().filter_map(|kept| kept.below.as_deref());
        let kept = self.lineages.iter().chain(below).all(|kept| kept.privkey.is_some() == kept.meta.has_key());
        kept && self.imported.iter().all(|waiting| waiting.privkey.is_some() != waiting.imported.keyless)
    }

    /// The bytes of the file.
    pub fn seal(&self) -> Zeroizing<Vec<u8>> {
        let export = Zeroizing::new(serde_json::to_string(self).expect("an export is plain data"));
        let digest = Digest::of(export.as_bytes());
        Zeroizing::new(
            [BEFORE_DIGEST, &digest.to_string(), BEFORE_EXPORT, export.as_str(), AFTER_EXPORT].concat().into_bytes(),
        )
    }

    /// Reads a file. Nothing of its content is repeated in a fault, since it may hold keys.
    ///
    /// # Errors
    /// `restore:damaged`, and `restore:newer-format` if a newer countersign made it.
    pub fn open(bytes: &[u8]) -> Result<Self, Fault> {
        let damaged = |why: &str| {
            let mut fault = Fault::new("restore:damaged", "the export is damaged, and nothing of it was restored")
                .hint("copy it again, or make it anew: `countersign export --with-keys --out FILE`")
                .retry(Retry::Never);
            fault.causes.push(why.to_owned());
            fault
        };
        let text = std::str::from_utf8(bytes).map_err(|_| damaged("it is no text"))?;
        let parts = text
            .strip_prefix(BEFORE_DIGEST)
            .and_then(|rest| rest.strip_suffix(AFTER_EXPORT))
            .and_then(|rest| rest.split_once(BEFORE_EXPORT));
        let (digest, export) = parts.ok_or_else(|| damaged("it was cut, or is no export"))?;
        if Digest::of(export.as_bytes()).to_string() != digest {
            return Err(damaged("its digest does not match"));
        }
        refuse_newer(export)?;
        serde_json::from_str(export).map_err(|_| damaged("it does not have the form of an export"))
    }
}

fn refuse_newer(export: &str) -> Result<(), Fault> {
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    #[derive(Deserialize)]
    struct Schemas {
        lineages: Vec<Schema>,
    }
    #[derive(Deserialize)]
    struct Schema {
        meta: SchemaOf,
    }
    #[derive(Deserialize)]
    struct SchemaOf {
        schema: u32,
    }
    let format = serde_json::from_str::<Format>(export).map_or(0, |found| found.format);
    let schemas = serde_json::from_str::<Schemas>(export).map(|found| found.lineages).unwrap_or_default();
    if format > FORMAT || schemas.iter().any(|one| one.meta.schema > SCHEMA) {
        return Err(Fault::new("restore:newer-format", "a newer countersign made the export")
            .hint("restore it with that version")
            .retry(Retry::Never));
    }
    Ok(())
}

/// The only place where a key is made part of a document.
mod secret {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::secret::Secret;

    pub fn serialize<S: Serializer>(value: &Option<Secret>, to: S) -> Result<S::Ok, S::Error> {
        value.as_ref().map(Secret::reveal).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Secret>, D::Error> {
        Ok(Option::<String>::deserialize(from)?.map(Secret::new))
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn export() -> Export {
        let account =
            Account { authority: "lab".into(), key: Some(Secret::new("hunter2".into())), url: None, next: None };
        let store = Rest { accounts: vec![account], audit: "{}\n".into(), ..Rest::default() };
        let made_at = datetime!(2026-06-01 02:00 UTC);
        Export {
            format: FORMAT,
            by: "test".into(),
            made_at,
            lineages: Vec::new(),
            imported: Vec::new(),
            store: Some(store),
        }
    }

    #[test]
    fn what_is_sealed_is_read_back_and_a_debug_shows_no_key() {
        assert_eq!(Export::open(&export().seal()), Ok(export()));
        assert!(!format!("{:?}", export()).contains("hunter2"));
    }

    #[test]
    fn a_file_that_was_cut_or_changed_anywhere_is_refused_and_not_repeated() {
        let whole = export().seal();
        for at in 0..whole.len() {
            let fault = Export::open(&whole[..at]).unwrap_err();
            assert!(!format!("{fault:?}").contains("hunter2"));
            let mut changed = whole.to_vec();
            changed[at] ^= 1;
            assert!(Export::open(&changed).is_err(), "byte {at}");
        }
    }

    #[test]
    fn one_of_a_newer_format_is_refused_by_name() {
        let newer = Export { format: FORMAT + 1, ..export() };
        assert_eq!(Export::open(&newer.seal()).unwrap_err().code, "restore:newer-format");
    }
}
