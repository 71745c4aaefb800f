//! What to do about one lineage.

use std::fmt;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{Priced, Reason};
use crate::lineage::Revocation;
use crate::list::Certificate;
use crate::name::{Digest, LineageName};

/// What to do about a lineage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Order the first certificate.
    Issue,
    /// Order the same again before it ends.
    Renew,
    /// Order another certificate, because the list asks for something else.
    Reissue,
    /// Upload the live version, which a bucket lacks.
    Publish,
    /// Take out of `live/` and keep: the list has it no more.
    Stash,
    /// Take back into `live/`: the list has it again.
    Unstash,
    /// Make live what was not ordered: an imported or provided certificate, or an earlier version.
    Adopt,
    /// Nothing to do.
    Keep,
    /// Something is due, but not in this run.
    Defer,
}

impl Action {
    pub const ALL: [Self; 9] = [
        Self::Issue,
        Self::Renew,
        Self::Reissue,
        Self::Publish,
        Self::Stash,
        Self::Unstash,
        Self::Adopt,
        Self::Keep,
        Self::Defer,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Issue => "issue",
            Self::Renew => "renew",
            Self::Reissue => "reissue",
            Self::Publish => "publish",
            Self::Stash => "stash",
            Self::Unstash => "unstash",
            Self::Adopt => "adopt",
            Self::Keep => "keep",
            Self::Defer => "defer",
        }
    }

    /// What was done, for people.
    pub fn past(self) -> &'static str {
        match self {
            Self::Issue => "issued",
            Self::Renew => "renewed",
            Self::Reissue => "reissued",
            Self::Publish => "published",
            Self::Stash => "stashed",
            Self::Unstash => "unstashed",
            Self::Adopt => "adopted",
            Self::Keep | Self::Defer => "kept",
        }
    }

    /// Whether it needs an order at the CA.
    pub fn orders(self) -> bool {
        matches!(self, Self::Issue | Self::Renew | Self::Reissue)
    }

    /// Whether it changes anything.
    pub fn changes(self) -> bool {
        !matches!(self, Self::Keep | Self::Defer)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The live version of a lineage, as far as a plan needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveVersion {
    pub version: u64,
    pub serial: String,
    pub issuer: String,
    #[serde(with = "time::serde::rfc3339")]
    pub not_before: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
}

/// What becomes live without an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Adopt {
    /// An earlier version of the lineage, again, as a new one.
    Earlier { version: u64 },
    /// What an operator imported.
    Imported,
    /// What the runner's files hold.
    Provided { word: String, files: Digest },
}

/// What to do about one lineage, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub lineage: LineageName,
    pub action: Action,
    /// At least one.
    pub reasons: Vec<Reason>,
    /// What the list asks for. `None` when the list does not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<LiveVersion>,
    /// Take the lineage out of the stash first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unstash: bool,
    /// Make this live first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<Adopt>,
    /// Delete the expired stash first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub discard_stash: bool,
    /// The version whose key is compromised: its key is not used again, and the CA revokes it after it was replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revokes: Option<Revocation>,
    /// RFC 9773 section 5: the certificate that the order replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// Who signed what the list says of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signers: Vec<String>,
    /// Who approved it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<String>,
    /// What the order counts as at the CA. Absent without an order, and for a CA without known limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Priced>,
    /// When something will be due: the renewal of a kept lineage, the next try of a deferred one.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    pub due: Option<OffsetDateTime>,
}

impl Step {
    /// Whether something becomes live that was not before, rather than the next of the same files.
    pub(super) fn adopts_anew(&self) -> bool {
        let same_word = |reason: &Reason| matches!(reason, Reason::Provided { .. });
        self.adopt.is_some() && !(self.live.is_some() && self.reasons.iter().any(same_word))
    }
}
