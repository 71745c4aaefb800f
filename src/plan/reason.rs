//! Why a step is what it is.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::{Share, days, seconds};
use crate::fault::Fault;
use crate::lineage::RevocationReason;
use crate::list::{KeySource, KeyType};
use crate::name::Identifier;

/// Why a step is what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum Reason {
    /// In the list, not in the store.
    New,
    #[serde(rename_all = "kebab-case")]
    WindowOpen {
        #[serde(with = "time::serde::rfc3339")]
        since: OffsetDateTime,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        explanation: Option<String>,
    },
    /// Less is left than the list's `renew: {before: …}`.
    RenewBefore {
        #[serde(with = "seconds")]
        left: Duration,
    },
    /// Less is left than a third (or half) of the lifetime.
    LifetimeSpent {
        #[serde(with = "seconds")]
        left: Duration,
    },
    Expired {
        #[serde(with = "time::serde::rfc3339")]
        since: OffsetDateTime,
    },
    IdentifiersChanged {
        added: BTreeSet<Identifier>,
        removed: BTreeSet<Identifier>,
    },
    KeyTypeChanged {
        from: Option<KeyType>,
        to: KeyType,
    },
    /// The runner's file or the list's CSR has another key than the certificate, or the key is not where it should be.
    OtherKey {
        source: KeySource,
    },
    AuthorityChanged {
        from: String,
        to: String,
    },
    ProfileChanged {
        from: Option<String>,
        to: Option<String>,
    },
    /// An operator asked for it.
    Forced {
        reason: String,
    },
    /// The CA has revoked it, or is about to.
    Revoked {
        reason: RevocationReason,
    },
    /// An earlier run left an order behind that can still be finished.
    Unfinished,
    /// A bucket lacks parts of the live version.
    BucketDrift {
        bucket: String,
        missing: Vec<String>,
    },
    /// In the store, not in the list.
    Removed,
    /// In the stash, and in the list again.
    Returned,
    /// The stash has expired: it is deleted rather than brought back.
    #[serde(rename_all = "kebab-case")]
    StashExpired {
        #[serde(with = "time::serde::rfc3339")]
        since: OffsetDateTime,
    },
    /// An operator imported it.
    Imported {
        from: String,
    },
    /// An operator imported a certificate for other names than the list has, or without the key for another one.
    ImportDiffers,
    /// The runner's files hold another certificate than before.
    Provided {
        word: String,
    },
    /// It was ordered and is provided now, the other way round, or provided under another word.
    ProvidedChanged {
        from: Option<String>,
        to: Option<String>,
    },
    NotDue,
    /// Earlier orders failed; the next try is later.
    BacksOff {
        failures: u32,
        last: Fault,
    },
    /// One of the CA's limits has no room for the order.
    LimitReached {
        share: Share,
    },
    /// The CA said that a limit has no room, or that it waits for a person.
    LimitSaid {
        said: Fault,
    },
    /// The head was refused: nothing new until it verifies.
    HeadRefused,
    /// A bucket to publish to is open to others: nothing new until it is closed.
    BucketUnsafe {
        bucket: String,
    },
    /// The store's data of this lineage cannot be read.
    Broken {
        fault: Fault,
    },
    /// Not among the names of `--only`, or not in the saved plan.
    NotSelected,
}

impl Reason {
    /// What has to be mended before another try.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::BacksOff { last: fault, .. } | Self::LimitSaid { said: fault } | Self::Broken { fault } => {
                Some(fault)
            }
            _ => None,
        }
    }

    /// Whether time alone takes it away, or somebody who does not want to wait.
    pub fn passes(&self) -> bool {
        matches!(self, Self::BacksOff { .. } | Self::LimitSaid { .. } | Self::LimitReached { .. })
    }

    /// One short phrase for people.
    pub fn text(&self) -> String {
        match self {
            Self::New => "new".into(),
            Self::WindowOpen { since, explanation: None } => format!("window open since {}", since.date()),
            Self::WindowOpen { since, explanation: Some(url) } => {
                format!("window open since {}, see {url}", since.date())
            }
            Self::RenewBefore { left } => format!("{} left, the list asks to renew before", days(*left)),
            Self::LifetimeSpent { left } => format!("{} left", days(*left)),
            Self::Expired { since } => format!("expired on {}", since.date()),
            Self::IdentifiersChanged { added, removed } => format!("identifiers changed:{}", changes(added, removed)),
            Self::KeyTypeChanged { from: Some(from), to } => format!("key type changed from {from} to {to}"),
            Self::KeyTypeChanged { from: None, to } => format!("key type changed to {to}"),
            Self::OtherKey { source: KeySource::Csr(_) } => "the CSR has another key".into(),
            Self::OtherKey { source: source @ KeySource::Given(_) } => format!("another key is {source}"),
            Self::OtherKey { .. } => "the key is made here from now on".into(),
            Self::AuthorityChanged { from, to } => format!("authority changed from {from} to {to}"),
            Self::ProfileChanged { to: Some(to), .. } => format!("profile changed to {to}"),
            Self::ProfileChanged { to: None, .. } => "profile taken back".into(),
            Self::Forced { reason } => format!("forced: {reason}"),
            Self::Revoked { reason } => format!("revoked: {reason}"),
            Self::Unfinished => "finishes an order that an earlier run began".into(),
            Self::BucketDrift { bucket, missing } if missing.len() <= 2 => {
                format!("bucket {bucket}: {}", missing.join(", "))
            }
            Self::BucketDrift { bucket, missing } => {
                format!("bucket {bucket}: {} objects are missing or replaced", missing.len())
            }
            Self::Removed => "removed from the list".into(),
            Self::Returned => "back in the list".into(),
            Self::StashExpired { since } => format!("the stashed one expired on {}", since.date()),
            Self::Imported { from } => format!("imported from {from}"),
            Self::ImportDiffers => "the imported certificate is for other names or another key".into(),
            Self::Provided { word } => format!("provided by the runner as `{word}`"),
            Self::ProvidedChanged { to: Some(word), .. } => format!("from now on provided by the runner as `{word}`"),
            Self::ProvidedChanged { from, to: None } => {
                format!("no longer provided by the runner as `{}`", from.as_deref().unwrap_or_default())
            }
            Self::NotDue => "not due".into(),
            Self::BacksOff { failures: 1, last } => format!("failed once: {last}"),
            Self::BacksOff { failures, last } => format!("failed {failures} times: {last}"),
            Self::LimitReached { share } => format!("no room at the CA: {}", share.text()),
            Self::LimitSaid { said } => format!("the CA said: {said}"),
            Self::HeadRefused => "nothing new while the head is refused".into(),
            Self::BucketUnsafe { bucket } => format!("nothing new while bucket {bucket} is not safe"),
            Self::Broken { fault } => fault.to_string(),
            Self::NotSelected => "not selected for this run".into(),
        }
    }
}

fn changes(added: &BTreeSet<Identifier>, removed: &BTreeSet<Identifier>) -> String {
    let added = added.iter().map(|name| format!(" +{name}"));
    added.chain(removed.iter().map(|name| format!(" -{name}"))).collect()
}
