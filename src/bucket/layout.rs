//! What stands where in a bucket: keys, the manifest of a version, and the pointer to the current one. Pure.
//!
//! Objects below `<lineage>/v/` never change. `<lineage>/current.json` is written last, by compare-and-swap, so a
//! reader sees the old version or the new one. The pointer holds the manifest's digest and the manifest the
//! digests of the files: torn writes and damage in transit show, a person who may write to the bucket does not.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::lineage::naming::{self, Naming};
use crate::lineage::{Meta, Pems, Stored};
use crate::name::{CommitId, Digest, Identifier, LineageName};
use crate::port::ObjectSummary;
use crate::secret::Secret;

/// The schema of manifests and pointers.
pub const SCHEMA: u32 = 1;

/// The files of every version.
pub const FILES: [&str; 3] = ["cert.pem", "chain.pem", "fullchain.pem"];
/// The file of a version whose key is known to the publisher.
pub const PRIVKEY: &str = "privkey.pem";

const MANIFEST: &str = "manifest.json";

/// `manifest.json`: what a version holds, and who asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub schema: u32,
    pub lineage: LineageName,
    pub sequence: u64,
    pub serial: String,
    pub names: BTreeSet<Identifier>,
    #[serde(with = "time::serde::rfc3339")]
    pub not_before: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
    /// Digest of the subject public key info (DER).
    pub public_key: Digest,
    pub files: BTreeMap<String, FileDigest>,
    /// The verified commit that asked for the certificate, and who signed it.
    pub commit: CommitId,
    pub signers: Vec<String>,
    /// Who approved it, if somebody had to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<String>,
    /// All that the store knows of the version, so that a lost store can be rebuilt. Absent in early manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

/// One file of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDigest {
    /// Bytes.
    pub size: u64,
    pub sha256: Digest,
}

/// `current.json`: the version that readers should use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pointer {
    pub schema: u32,
    pub lineage: LineageName,
    /// Counts up, never down.
    pub sequence: u64,
    /// Where the version's objects are, below the bucket's prefix, with a `/` at the end.
    pub prefix: String,
    /// Digest of the bytes of `manifest.json`.
    pub manifest: Digest,
    /// When the certificate ends.
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
    /// The sequence of the pointer that this one replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<u64>,
}

impl Manifest {
    pub fn new(stored: &Stored, pems: &Pems) -> Self {
        let facts = stored.facts();
        let digest = |bytes: &[u8]| FileDigest { size: bytes.len() as u64, sha256: Digest::of(bytes) };
        Self {
            schema: SCHEMA,
            lineage: stored.meta.lineage.clone(),
            sequence: stored.meta.version,
            serial: facts.serial.clone(),
            names: facts.identifiers.clone(),
            not_before: facts.not_before,
            not_after: facts.not_after,
            public_key: facts.public_key.clone(),
            files: files(pems).iter().map(|(name, bytes)| ((*name).to_owned(), digest(bytes))).collect(),
            commit: stored.meta.provenance.commit.clone(),
            signers: stored.meta.provenance.signers.clone(),
            approvals: stored.meta.provenance.approvals.clone(),
            meta: Some(stored.meta.clone()),
        }
    }

    /// The files of the version that a reader needs.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        names(self.has_key())
    }

    /// Whether the key is published beside the certificate. If not, whoever made the request has it.
    pub fn has_key(&self) -> bool {
        self.files.contains_key(PRIVKEY)
    }

    /// Whether both describe the same files of the same version. A later release may word the rest differently.
    pub fn same_version(&self, other: &Self) -> bool {
        let key = |manifest: &Self| (manifest.lineage.clone(), manifest.sequence, manifest.serial.clone());
        key(self) == key(other) && self.files == other.files
    }
}

impl Pointer {
    /// The pointer to a version whose manifest has this digest.
    pub fn new(stored: &Stored, manifest: Digest, previous: Option<u64>) -> Self {
        Self {
            schema: SCHEMA,
            lineage: stored.meta.lineage.clone(),
            sequence: stored.meta.version,
            prefix: version_prefix(stored),
            manifest,
            not_after: stored.facts().not_after,
            previous,
        }
    }
}

/// The bytes of a manifest or pointer.
pub fn to_json<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("plain data");
    bytes.push(b'\n');
    bytes
}

fn names(has_key: bool) -> impl Iterator<Item = &'static str> {
    FILES.into_iter().chain(has_key.then_some(PRIVKEY))
}

/// The files of a version with their bytes.
pub fn files(pems: &Pems) -> Vec<(&'static str, Zeroizing<Vec<u8>>)> {
    let fullchain = pems.fullchain();
    let texts = [&pems.cert, &pems.chain, &fullchain].map(String::as_str);
    let texts = texts.into_iter().chain(pems.privkey.as_ref().map(Secret::reveal));
    names(pems.privkey.is_some()).zip(texts.map(|text| Zeroizing::new(text.as_bytes().to_vec()))).collect()
}

/// `<lineage>/v/<sequence>-<serial>/`
pub fn version_prefix(stored: &Stored) -> String {
    format!("{}/v/{}-{}/", stored.meta.lineage, stored.meta.version, stored.facts().serial)
}

pub fn manifest_key(stored: &Stored) -> String {
    version_prefix(stored) + MANIFEST
}

/// `<lineage>/current.json`
pub fn pointer_key(lineage: &LineageName) -> String {
    format!("{lineage}/current.json")
}

/// The lineage of a pointer's key.
pub fn lineage_of_pointer(key: &str) -> Option<LineageName> {
    LineageName::parse(key.strip_suffix("/current.json")?).ok()
}

/// `<lineage>/<file>`, for scripts that know no pointer. Not atomic.
pub fn flat_key(lineage: &LineageName, file: &str) -> String {
    format!("{lineage}/{file}")
}

/// A key of a lineage without the lineage, as it is recorded.
pub fn below<'a>(lineage: &LineageName, key: &'a str) -> &'a str {
    key.strip_prefix(lineage.as_str()).and_then(|rest| rest.strip_prefix('/')).unwrap_or(key)
}

/// The versions of a lineage that may go, newest first, each with its keys: older than the live one and not among the
/// newest `keep`, of which the live one is the first.
pub fn old_versions(
    listing: &BTreeMap<String, ObjectSummary>,
    lineage: &LineageName,
    live: u64,
    keep: usize,
) -> Vec<(u64, Vec<String>)> {
    let start = format!("{lineage}/v/");
    let mut versions: BTreeMap<Reverse<u64>, Vec<String>> = BTreeMap::new();
    for key in listing.range(start.clone()..).map(|(key, _)| key).take_while(|key| key.starts_with(&start)) {
        let sequence = key[start.len()..].split_once('-').and_then(|(sequence, _)| sequence.parse().ok());
        if let Some(sequence) = sequence.filter(|sequence| *sequence < live) {
            versions.entry(Reverse(sequence)).or_default().push(key.clone());
        }
    }
    versions.into_iter().map(|(Reverse(sequence), keys)| (sequence, keys)).skip(keep.max(1) - 1).collect()
}

/// Whether a bucket holds a version, as far as its list tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Publication {
    Current,
    Missing(Vec<Gap>),
}

/// What is wrong in a bucket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gap {
    /// An object of the version, or a flat copy, is not there.
    Object(String),
    /// An object of the version, or a flat copy, is another one than was written.
    Replaced(String),
    /// There is no pointer.
    Pointer,
    /// The pointer is not the one that was written for this version.
    OtherPointer,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(key) => write!(f, "`{key}` is missing"),
            Self::Replaced(key) => write!(f, "`{key}` is not the one that was recorded"),
            Self::Pointer => f.write_str("there is no pointer"),
            Self::OtherPointer => f.write_str("the pointer is not the one of this version"),
        }
    }
}

/// Compares a bucket's list with the ETags that were recorded for the bucket named `bucket_name`.
pub fn publication(
    listing: &BTreeMap<String, ObjectSummary>,
    stored: &Stored,
    bucket_name: &str,
    flat: Option<&BTreeSet<Naming>>,
) -> Publication {
    let lineage = &stored.meta.lineage;
    let prefix = version_prefix(stored);
    let has_key = stored.meta.has_key();
    let versioned = names(has_key).map(|file| format!("{prefix}{file}")).chain([manifest_key(stored)]);
    let copies = flat.map(|also| naming::names(has_key, &stored.meta.certificate_url, also)).unwrap_or_default();
    let copies = copies.iter().map(|(file, _)| flat_key(lineage, file));
    let recorded = stored.published.get(bucket_name);
    let is_ours = |key: &str, found: &ObjectSummary| {
        recorded.is_some_and(|etags| etags.0.get(below(lineage, key)) == Some(&found.etag))
    };
    let gap = |key: String| match listing.get(&key) {
        None => Some(Gap::Object(key)),
        // Without a record it has to be looked at anyway, for the pointer's sake.
        Some(found) if recorded.is_some() && !is_ours(&key, found) => Some(Gap::Replaced(key)),
        Some(_) => None,
    };
    let mut gaps: Vec<Gap> = versioned.chain(copies).filter_map(gap).collect();
    let pointer = pointer_key(lineage);
    match listing.get(&pointer) {
        None => gaps.push(Gap::Pointer),
        Some(found) if !is_ours(&pointer, found) => gaps.push(Gap::OtherPointer),
        Some(_) => {}
    }
    if gaps.is_empty() { Publication::Current } else { Publication::Missing(gaps) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_pointer_tells_its_lineage() {
        let www = LineageName::parse("www").unwrap();
        assert_eq!(lineage_of_pointer(&pointer_key(&www)), Some(www));
        let others = ["www/v/1-a/cert.pem", "current.json", "a/b/current.json", "../current.json"];
        assert_eq!(others.map(lineage_of_pointer), [const { None }; 4]);
    }

    #[test]
    fn the_newest_versions_stay_and_so_does_what_is_no_version_or_not_older_than_the_live_one() {
        let keys = [
            "ww/v/1-aa/cert.pem",
            "www/current.json",
            "www/v/10-aa/cert.pem",
            "www/v/2-aa/cert.pem",
            "www/v/2-aa/privkey.pem",
            "www/v/9-aa/cert.pem",
            "www/v/11-aa/cert.pem",
            "www/v/3-aa/cert.pem",
            "www/v/notes",
            "wwww/v/1-aa/cert.pem",
        ];
        let object = ObjectSummary { etag: String::new(), size: 0 };
        let listing = keys.map(|key| (key.to_owned(), object.clone())).into();
        let www = LineageName::parse("www").unwrap();
        let old = |keep| old_versions(&listing, &www, 10, keep);
        let keys = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
        assert_eq!(old(3), [(2, keys(&["www/v/2-aa/cert.pem", "www/v/2-aa/privkey.pem"]))]);
        assert_eq!(old(1).len(), 3);
        assert_eq!(old(4), []);
    }
}
