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
mod reason;
pub mod saved;
mod step;
pub mod steps;
pub mod window;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

pub use choices::Choices;
pub use limits::{ApprovedPlan, Limits};
pub use price::{Account, Priced, Share};
pub use reason::Reason;
pub use step::{Action, Adopt, LiveVersion, Step};

use crate::fault::Fault;
use crate::ledger::Ledger;
use crate::lineage::Provenance;
use crate::list::KeySource;
use crate::name::{CommitId, Digest, LineageName};
use crate::port::{Inventory, RenewalInfo};
use crate::trust::VerifiedList;

/// The format of a saved plan. Another one is refused.
pub const FORMAT: u32 = 1;

/// A duration as people say it: `29d`, `17h`, `5min`.
pub fn days(duration: Duration) -> String {
    match duration {
        d if d.whole_days() >= 2 => format!("{}d", d.whole_days()),
        d if d.whole_hours() >= 2 => format!("{}h", d.whole_hours()),
        d => format!("{}min", d.whole_minutes()),
    }
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
