//! The plan: what to do about each lineage, as data.
//!
//! A plan holds no handles, no clock and no secrets: it can be saved, compared, digested and read by people. Only a
//! [`VerifiedList`](crate::trust::VerifiedList) can be planned, and only an [`ApprovedPlan`] can be applied.

mod choices;
pub mod given;
pub mod limits;
pub mod matrix;
pub mod price;
pub mod provided;
pub mod saved;
pub mod steps;
pub mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

pub use choices::Choices;
pub use limits::{ApprovedPlan, Limits};
pub use price::{Account, Priced, Share};

use crate::fault::Fault;
use crate::ledger::Ledger;
use crate::lineage::{Provenance, Revocation, RevocationReason};
use crate::list::{Certificate, KeySource, KeyType};
use crate::name::{CommitId, Digest, Identifier, LineageName};
use crate::port::{Inventory, RenewalInfo};
use crate::trust::VerifiedList;

/// The format of a saved plan. Another one is refused.
pub const FORMAT: u32 = 1;

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

/// A duration as people say it: `29d`, `17h`, `5min`.
pub fn days(duration: Duration) -> String {
    match duration {
        d if d.whole_days() >= 2 => format!("{}d", d.whole_days()),
        d if d.whole_hours() >= 2 => format!("{}h", d.whole_hours()),
        d => format!("{}min", d.whole_minutes()),
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

/// How far a plan may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Everything that the verified head asks for.
    Full,
    /// The head was refused or out of reach: renewals and uploads of the last verified list only.
    RenewOnly,
}

/// What a plan was made from. If any of it changes, the plan is stale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    pub commit: CommitId,
    pub list: Digest,
    pub trust_root: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Digest>,
    /// Live version by lineage.
    pub live: BTreeMap<LineageName, u64>,
    pub journal: Digest,
    /// Digest of the pointers of each bucket. Empty for `--offline`.
    pub pointers: BTreeMap<String, Digest>,
}

/// What the world looks like, read once before planning.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    pub inventory: Inventory,
    /// What each bucket lacks of each live version. A bucket that was not looked at is absent.
    pub missing: BTreeMap<String, BTreeMap<LineageName, Vec<String>>>,
    /// Digest of the pointers of each bucket that was looked at.
    pub pointers: BTreeMap<String, Digest>,
    /// Buckets that must not hold keys.
    pub unsafe_buckets: BTreeSet<String>,
    /// By ARI id.
    pub renewal_infos: BTreeMap<String, RenewalInfo>,
    /// What the runner's files hold, by the word that lists use, or why they cannot be used.
    pub provided: BTreeMap<String, Result<provided::Provided, Fault>>,
    /// The keys that the runner gives, or why they cannot be used.
    pub given: BTreeMap<KeySource, Result<given::Given, Fault>>,
    /// What counts against the CAs' limits.
    pub ledger: Ledger,
}

/// A plan. Steps are sorted by name, one for each lineage of the list and of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub format: u32,
    #[serde(with = "time::serde::rfc3339")]
    pub created: OffsetDateTime,
    pub mode: Mode,
    /// Who signed the head. `None` for the introduction and for an unsigned commit that touches nothing protected.
    pub signer: Option<String>,
    pub basis: Basis,
    pub steps: Vec<Step>,
    /// What the orders of the plan leave of the accounts, for CAs with known limits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<Account>,
}

/// Makes the plan for a verified list.
pub fn plan(source: &VerifiedList, mode: Mode, observed: &Observed, choices: &Choices, now: OffsetDateTime) -> Plan {
    let mut steps = steps::steps(source.list(), mode, observed, choices, now);
    for step in &mut steps {
        if step.certificate.is_some() {
            let provenance = source.provenance(&step.lineage);
            (step.signers, step.approvals) = (provenance.signers, provenance.approvals);
        }
        if source.withdrawn().contains(&step.lineage) && (step.action.orders() || step.adopt.is_some()) {
            step.reasons.push(Reason::HeadRefused);
            step.action = Action::Defer;
        }
    }
    let accounts = price::price(&mut steps, observed, choices, now);
    Plan {
        format: FORMAT,
        created: now,
        mode,
        signer: source.head_signer().map(str::to_owned),
        basis: basis(source, observed),
        steps,
        accounts,
    }
}

fn basis(source: &VerifiedList, observed: &Observed) -> Basis {
    let inventory = &observed.inventory;
    Basis {
        commit: source.commit().clone(),
        list: source.list_digest().clone(),
        trust_root: source.trust_root().clone(),
        policy: source.policy().cloned(),
        live: inventory.live.iter().map(|(name, stored)| (name.clone(), stored.meta.version)).collect(),
        journal: Digest::of(&serde_json::to_vec(&inventory.journal).expect("entries are plain data")),
        pointers: observed.pointers.clone(),
    }
}

impl Step {
    /// Whether something becomes live that was not before, rather than the next of the same files.
    fn adopts_anew(&self) -> bool {
        let same_word = |reason: &Reason| matches!(reason, Reason::Provided { .. });
        self.adopt.is_some() && !(self.live.is_some() && self.reasons.iter().any(same_word))
    }
}

impl Basis {
    /// Who asks for what a step does.
    pub fn provenance(&self, step: Option<&Step>) -> Provenance {
        Provenance {
            commit: self.commit.clone(),
            signers: step.map(|step| step.signers.clone()).unwrap_or_default(),
            list: self.list.clone(),
            trust_root: self.trust_root.clone(),
            approvals: step.map(|step| step.approvals.clone()).unwrap_or_default(),
            policy: self.policy.clone(),
        }
    }
}

impl Plan {
    /// Digest of everything but the time of creation.
    pub fn digest(&self) -> Digest {
        let content = (self.format, self.mode, &self.signer, &self.basis, &self.steps);
        Digest::of(&serde_json::to_vec(&content).expect("a plan is plain data"))
    }

    pub fn count(&self, action: Action) -> usize {
        self.steps.iter().filter(|step| step.action == action).count()
    }

    pub fn has_changes(&self) -> bool {
        self.steps.iter().any(|step| step.action.changes() || step.revokes.is_some())
    }

    /// The kept lineage that is due first, and when.
    pub fn next_renewal(&self) -> Option<(&LineageName, OffsetDateTime)> {
        let kept = self.steps.iter().filter(|step| !step.action.orders());
        kept.filter_map(|step| Some((&step.lineage, step.due?))).min_by_key(|(_, due)| *due)
    }
}

mod seconds {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use time::Duration;

    pub fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        value.whole_seconds().serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        Ok(Duration::seconds(i64::deserialize(from)?))
    }
}
