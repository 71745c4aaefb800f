//! What a run writes into the log.

use std::collections::BTreeMap;

use super::{Chain, Entry, Kind, Record};
use crate::fault::Fault;
use crate::lineage::{Imported, Origin, Provenance, Revocation, Stored};
use crate::name::{Digest, LineageName};
use crate::outcome::{Outcome, Revoking};
use crate::plan::{Action, Plan, Reason, Step};
use crate::port::Inventory;
use crate::trust::{Refused, TrustState};

/// A longer text than this says nothing more.
const LONGEST: usize = 300;

/// A head was verified.
pub fn verified(state: &TrustState, policy: Option<&Digest>) -> Record {
    let by = Provenance {
        commit: state.last_verified.clone(),
        signers: state.head_signer.iter().cloned().collect(),
        list: state.list.clone(),
        trust_root: state.trust_root.clone(),
        approvals: Vec::new(),
        policy: policy.cloned(),
    };
    Record { by: Some(by), ..Record::new(Kind::Verified) }
}

/// A head was refused.
pub fn refused(refused: &Refused) -> Record {
    let rules: Vec<&str> = refused.refusals.iter().map(|refusal| refusal.rule.as_str()).collect();
    Record { head: refused.head.clone(), result: Some(clip(&rules.join(" "))), ..Record::new(Kind::Refused) }
}

/// What an approved plan is about to do: written before the first order.
pub fn intent(plan: &Plan, limits_forced: bool) -> Vec<Record> {
    let digest = plan.digest();
    let mut records = Vec::new();
    if limits_forced {
        let by = Some(plan.basis.provenance(None));
        let result = Some("--force-limits".to_owned());
        records.push(Record { by, result, plan: Some(digest.clone()), ..Record::new(Kind::Forced) });
    }
    for step in &plan.steps {
        let forced = step.reasons.iter().find_map(|reason| match reason {
            Reason::Forced { reason } => Some(reason),
            _ => None,
        });
        if let Some(reason) = forced {
            records.push(Record { result: Some(clip(reason)), ..about(plan, step, Kind::Forced) });
        }
        if step.adopt.is_some() && step.action.changes() {
            records.push(Record { plan: Some(digest.clone()), ..about(plan, step, Kind::Adopting) });
        }
        if let Some(revocation) = &step.revokes {
            records.push(revoking(&step.lineage, revocation));
        }
        if step.action.orders() {
            records.push(Record { plan: Some(digest.clone()), ..about(plan, step, Kind::Ordering) });
        }
    }
    records
}

/// A revocation is about to be asked for.
pub fn revoking(lineage: &LineageName, revocation: &Revocation) -> Record {
    of_revocation(Kind::Revoking, lineage, revocation)
}

/// What became of a revocation.
pub fn revoked(revoking: &Revoking) -> Record {
    let (lineage, revocation) = (&revoking.lineage, &revoking.revocation);
    match &revoking.fault {
        None => of_revocation(Kind::Revoked, lineage, revocation),
        Some(fault) => Record { result: Some(tell(fault)), ..of_revocation(Kind::Failed, lineage, revocation) },
    }
}

/// An account of this store was made, taken over, given another key or given up.
pub fn account(what: &str) -> Record {
    Record { result: Some(clip(what)), ..Record::new(Kind::Account) }
}

/// An operator makes an earlier version live again. Written before it is.
pub fn rolling_back(to: &Stored, reason: &str) -> Record {
    Record { result: Some(clip(reason)), ..of_version(to, Kind::RolledBack) }
}

/// Somebody else's certificate waits for the list.
pub fn imported(imported: &Imported) -> Record {
    Record {
        lineage: Some(imported.lineage.clone()),
        names: imported.facts.identifiers.clone(),
        serial: Some(imported.facts.serial.clone()),
        result: Some(format!("from {}", imported.from)),
        ..Record::new(Kind::Imported)
    }
}

/// Old versions were deleted by the rule of the runner.
pub fn pruned(lineage: &LineageName, bucket: Option<&str>, versions: &[u64]) -> Record {
    let versions: Vec<String> = versions.iter().map(ToString::to_string).collect();
    Record {
        lineage: Some(lineage.clone()),
        bucket: bucket.map(str::to_owned),
        result: Some(clip(&format!("versions {}", versions.join(", ")))),
        ..Record::new(Kind::Pruned)
    }
}

/// A version stands in a bucket, or did not come there.
pub fn published(stored: &Stored, bucket: &str, fault: Option<&Fault>) -> Record {
    let kind = if fault.is_some() { Kind::Failed } else { Kind::Published };
    Record { bucket: Some(bucket.to_owned()), result: fault.map(tell), ..of_version(stored, kind) }
}

fn of_revocation(kind: Kind, lineage: &LineageName, revocation: &Revocation) -> Record {
    Record {
        lineage: Some(lineage.clone()),
        lineage_version: Some(revocation.version),
        serial: Some(revocation.serial.clone()),
        result: Some(revocation.reason.to_string()),
        ..Record::new(kind)
    }
}

/// What became of it. Orders of earlier runs that were cut short before they could write it down are told too.
pub fn results(chain: &Chain, plan: &Plan, outcomes: &[Outcome], inventory: &Inventory) -> Vec<Record> {
    let mut records: Vec<Record> = open_orders(chain)
        .into_iter()
        .filter_map(|(lineage, entry)| finished(entry, inventory.live.get(lineage)?))
        .collect();
    let steps: BTreeMap<&LineageName, &Step> = plan.steps.iter().map(|step| (&step.lineage, step)).collect();
    for outcome in outcomes {
        let Some(step) = steps.get(&outcome.lineage) else { continue };
        let live = inventory.live.get(&outcome.lineage);
        if let Some(fault) = &outcome.fault {
            let order_url = outcome.order_url.clone();
            records.push(Record { order_url, result: Some(tell(fault)), ..about(plan, step, Kind::Failed) });
        } else if outcome.action == Action::Stash {
            records.push(about(plan, step, Kind::Stashed));
        } else if step.unstash {
            records.push(about(plan, step, Kind::Unstashed));
        }
        if let Some(live) = live.filter(|live| step.adopt.is_some() && is_new(step, live)) {
            records.push(of_version(live, Kind::Adopted));
        }
        for (bucket, fault) in &outcome.published {
            let nothing_live = || {
                let kind = if fault.is_some() { Kind::Failed } else { Kind::Published };
                Record { bucket: Some(bucket.clone()), result: fault.as_ref().map(tell), ..about(plan, step, kind) }
            };
            let replaced =
                outcome.replaced.get(bucket).map(|keys| clip(&format!("replaced by hand: {}", keys.join(", "))));
            let record = live.map_or_else(nothing_live, |live| published(live, bucket, fault.as_ref()));
            records.push(Record { result: record.result.or(replaced), ..record });
        }
    }
    records
}

/// The last order of each lineage that has no certificate yet.
fn open_orders(chain: &Chain) -> BTreeMap<&LineageName, &Entry> {
    let mut open = BTreeMap::new();
    for entry in &chain.entries {
        match (entry.record.kind, &entry.record.lineage) {
            (Kind::Ordering, Some(lineage)) => drop(open.insert(lineage, entry)),
            (Kind::Issued, Some(lineage)) => drop(open.remove(lineage)),
            _ => {}
        }
    }
    open
}

fn finished(order: &Entry, live: &Stored) -> Option<Record> {
    let ours = live.meta.origin == Origin::Ordered
        && live.meta.stored_at >= order.time
        && live.facts().identifiers == order.record.names;
    ours.then(|| Record { order_url: Some(live.meta.order_url.clone()), ..of_version(live, Kind::Issued) })
}

/// Whether the step made this version.
fn is_new(step: &Step, live: &Stored) -> bool {
    live.meta.origin != Origin::Ordered && step.live.as_ref().is_none_or(|before| before.version < live.meta.version)
}

fn of_version(stored: &Stored, kind: Kind) -> Record {
    Record {
        by: Some(stored.meta.provenance.clone()),
        lineage: Some(stored.meta.lineage.clone()),
        names: stored.facts().identifiers.clone(),
        lineage_version: Some(stored.meta.version),
        serial: Some(stored.facts().serial.clone()),
        ..Record::new(kind)
    }
}

fn about(plan: &Plan, step: &Step, kind: Kind) -> Record {
    Record {
        by: Some(plan.basis.provenance(Some(step))),
        lineage: Some(step.lineage.clone()),
        names: step.certificate.as_ref().map(|certificate| certificate.identifiers.clone()).unwrap_or_default(),
        ..Record::new(kind)
    }
}

fn tell(fault: &Fault) -> String {
    clip(&fault.to_string())
}

fn clip(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}
