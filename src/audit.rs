//! The audit log: what was verified, ordered and published, each entry chained to the one before. Pure.
//!
//! One entry is one line of JSON in `audit.jsonl`; `prev` is the SHA-256 of the line before, without its newline. The
//! chain alone shows edits in the middle. Its head stands in the reports and in the buckets too, where whoever
//! rewrites the whole file cannot reach.

pub mod chain;
pub mod copy;
pub mod findings;
pub mod record;

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::lineage::Provenance;
use crate::name::{CommitId, Digest, Identifier, LineageName};

pub use chain::Chain;

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A head was verified that was not the last verified one, or by another trust root.
    Verified,
    /// A head was refused.
    Refused,
    /// An order is about to be made. Written before the CA hears of it.
    Ordering,
    /// A certificate was issued and is live.
    Issued,
    /// A version stands in a bucket, pointer included.
    Published,
    /// Taken out of `live/`: a verified commit removed it.
    Stashed,
    Unstashed,
    /// A certificate that was not ordered is about to become live. Written before it does.
    Adopting,
    /// An imported, provided or earlier certificate is live: a verified commit asks for it.
    Adopted,
    /// An operator imported a certificate. It waits for the list.
    Imported,
    /// An operator brought a version back from an export or from a bucket.
    Restored,
    /// An operator makes an earlier version live again, as a new one. Written before it is.
    RolledBack,
    /// Old versions were deleted, by the rule of the runner.
    Pruned,
    /// A step came to nothing in this run.
    Failed,
    /// A revocation is about to be asked for.
    Revoking,
    /// The CA has revoked a version.
    Revoked,
    /// An account was made, taken over, given another key or given up.
    Account,
    /// An operator overruled the plan or the limits.
    Forced,
    /// The last line was cut short by a crash and was taken away.
    Repaired,
    /// Written by a newer countersign.
    #[serde(other)]
    Unknown,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Refused => "refused",
            Self::Ordering => "ordering",
            Self::Issued => "issued",
            Self::Published => "published",
            Self::Stashed => "stashed",
            Self::Unstashed => "unstashed",
            Self::Adopting => "adopting",
            Self::Adopted => "adopted",
            Self::Imported => "imported",
            Self::Restored => "restored",
            Self::RolledBack => "rolled-back",
            Self::Pruned => "pruned",
            Self::Failed => "failed",
            Self::Revoking => "revoking",
            Self::Revoked => "revoked",
            Self::Account => "account",
            Self::Forced => "forced",
            Self::Repaired => "repaired",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What happened. Fields that do not apply are left out of the line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub kind: Kind,
    /// Who asked for it: commit, signers, digests of list and trust root. `None` for a refused head and a repair.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Provenance>,
    /// The refused head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<CommitId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<LineageName>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub names: BTreeSet<Identifier>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage_version: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_url: Option<String>,
    /// The end of a log that is lost: this one goes on in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Head>,
    /// Digest of the approved plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Digest>,
    /// Broken rules of a refused head, the fault of a failure, the reason of whoever forced something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
}

impl Record {
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            by: None,
            head: None,
            lineage: None,
            names: BTreeSet::new(),
            lineage_version: None,
            serial: None,
            bucket: None,
            order_url: None,
            replaces: None,
            plan: None,
            result: None,
        }
    }
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Counts from 1.
    pub seq: u64,
    /// Digest of the line before; of no bytes for the first.
    pub prev: Digest,
    #[serde(with = "time::serde::rfc3339")]
    pub time: OffsetDateTime,
    #[serde(flatten)]
    pub record: Record,
}

/// The end of a chain: it stands for everything before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    pub seq: u64,
    /// Of the last line.
    pub digest: Digest,
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.seq, self.digest)
    }
}
