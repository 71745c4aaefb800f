//! What a stored certificate says, and where it came from.

pub mod anchors;
pub mod check;
pub mod describe;
pub mod earlier;
pub mod foreign;
pub mod key;
pub mod naming;
pub mod pem;
mod read;
pub mod revoked;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::list::{Certificate, KeySource, KeyType};
use crate::name::{CommitId, Digest, Identifier, LineageName};

pub use read::{key_type, key_type_of, public_key_of};
pub use revoked::{Revocation, RevocationReason, Revoked, RevokedBy};

/// The schema of `meta.json`. A newer one is refused, never overwritten.
pub const SCHEMA: u32 = 1;

/// Facts read from a leaf certificate (RFC 5280).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertFacts {
    /// The DNS names of the subject alternative name extension.
    pub identifiers: BTreeSet<Identifier>,
    #[serde(with = "time::serde::rfc3339")]
    pub not_before: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
    /// Lower-case hex without leading zero octets.
    pub serial: String,
    /// The issuer's common name, or the whole issuer if it has none.
    pub issuer: String,
    /// `None` for a key that a list cannot ask for.
    pub key: Option<KeyType>,
    /// Digest of the subject public key info (DER).
    pub public_key: Digest,
    /// Digest of the certificate (DER).
    pub fingerprint: Digest,
    /// RFC 9773 section 4.1: base64url(AKI) `.` base64url(serial). `None` without an authority key identifier.
    pub ari_id: Option<String>,
}

impl CertFacts {
    pub fn lifetime(&self) -> time::Duration {
        self.not_after - self.not_before
    }
}

/// Who asked for a certificate, as proven by verification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The verified head when the certificate was ordered.
    pub commit: CommitId,
    /// Principals and fingerprints of those who signed what made the entry, like `ann@example.com SHA256:…`.
    pub signers: Vec<String>,
    /// Digest of the list at that commit.
    pub list: Digest,
    /// Digest of the trust root that judged it.
    pub trust_root: Digest,
    /// People who approved the entry, each with the minisign key, like `bob RWQ…`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<String>,
    /// Digest of the policy file, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Digest>,
}

/// How a version came into the store.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Ordered at the CA.
    #[default]
    Ordered,
    /// Taken over from another tool or from files, by this name. From then on it is renewed like any other.
    Imported(String),
    /// Somebody else's certificate, from files of the runner. Never ordered.
    Provided {
        /// The word under `provided:` in the runner's config.
        word: String,
        /// Digest of leaf and issuers in PEM.
        files: Digest,
    },
}

impl Origin {
    fn is_ordered(&self) -> bool {
        *self == Self::Ordered
    }
}

/// A certificate that an operator imported, and that waits until a verified list asks for it. Not a version yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    pub schema: u32,
    pub lineage: LineageName,
    /// The tool that it comes from, or `pem`.
    pub from: String,
    /// The authority that issued it, if the runner's config knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// URL of the CA's directory, empty if not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub directory: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub certificate_url: String,
    #[serde(with = "time::serde::rfc3339")]
    pub taken_at: OffsetDateTime,
    /// It came without its private key: only an entry with a CSR for that key can take it up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keyless: bool,
    pub facts: CertFacts,
}

impl Imported {
    /// Whether this is what a list asks for, so that it can become live. Without its key only the CSR for that very key
    /// can be what it was issued for.
    pub fn is_for(&self, certificate: &Certificate) -> bool {
        let same_key = match &certificate.key_source {
            KeySource::Csr(csr) => *csr.public_key() == self.facts.public_key,
            _ => false,
        };
        self.facts.identifiers == certificate.identifiers && (same_key || !self.keyless)
    }
}

/// `meta.json` beside a stored version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    pub schema: u32,
    pub lineage: LineageName,
    pub version: u64,
    pub authority: String,
    pub directory: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    pub order_url: String,
    /// Stands in the `url` file too.
    pub certificate_url: String,
    pub provenance: Provenance,
    #[serde(default, skip_serializing_if = "KeySource::is_new")]
    pub key_source: KeySource,
    #[serde(default, skip_serializing_if = "Origin::is_ordered")]
    pub origin: Origin,
    #[serde(with = "time::serde::rfc3339")]
    pub stored_at: OffsetDateTime,
    pub facts: CertFacts,
}

impl Meta {
    /// Whether the version has its private key beside it. Without one, whoever made the request has it.
    pub fn has_key(&self) -> bool {
        self.key_source.has_key()
    }
}

/// A version of a lineage as the store holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    pub meta: Meta,
    /// What was written for this version, by bucket.
    #[serde(default)]
    pub published: BTreeMap<String, Etags>,
    /// The CA has revoked it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Revoked>,
}

impl Stored {
    pub fn facts(&self) -> &CertFacts {
        &self.meta.facts
    }

    /// Whether this tool renews it: it is not somebody else's.
    pub fn is_ours(&self) -> bool {
        !matches!(self.meta.origin, Origin::Provided { .. })
    }
}

/// The ETag of each object of a version when it was written to a bucket, by its key below the lineage's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Recorded")]
pub struct Etags(pub BTreeMap<String, String>);

#[derive(Deserialize)]
#[serde(untagged)]
enum Recorded {
    /// As an earlier release kept it.
    Pointer(String),
    Objects(BTreeMap<String, String>),
}

impl From<Recorded> for Etags {
    fn from(recorded: Recorded) -> Self {
        match recorded {
            Recorded::Pointer(etag) => Self([("current.json".to_owned(), etag)].into()),
            Recorded::Objects(etags) => Self(etags),
        }
    }
}

/// The PEM files of a version. The key is wiped when dropped and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Pems {
    /// `None` if it is known to whoever made the request alone.
    pub privkey: Option<crate::secret::Secret>,
    pub cert: String,
    pub chain: String,
}

impl Pems {
    pub fn fullchain(&self) -> String {
        format!("{}{}", self.cert, self.chain)
    }
}
