//! Takes old versions away where the runner's config says how many are kept. The live one always stays.
//!
//! What cannot be taken away is told and left to the next run.

use std::collections::BTreeSet;

use tracing::warn;

use crate::apply::{Ports, Stop, Target, guard};
use crate::bucket::layout;
use crate::fault::Fault;
use crate::lineage::Stored;
use crate::name::LineageName;
use crate::port::Inventory;

/// Versions of a lineage that were taken away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pruned {
    pub lineage: LineageName,
    /// `None`: out of the store.
    pub bucket: Option<String>,
    pub versions: Vec<u64>,
}

/// Looks at every live lineage.
pub async fn prune(ports: &Ports, stop: &Stop) -> Vec<Pruned> {
    if ports.keep.is_none() && ports.targets.values().all(|target| target.keep.is_none()) {
        return Vec::new();
    }
    let inventory = match ports.store.observe() {
        Ok(inventory) => inventory,
        Err(fault) => {
            warn!("old versions are still there: {fault}");
            return Vec::new();
        }
    };
    let mut pruned = Vec::new();
    for stored in inventory.live.values() {
        let lineage = &stored.meta.lineage;
        let mut add = |bucket: Option<&String>, versions: Result<Vec<u64>, Fault>| match versions {
            Ok(versions) if versions.is_empty() => {}
            Ok(versions) => pruned.push(Pruned { lineage: lineage.clone(), bucket: bucket.cloned(), versions }),
            Err(fault) => warn!(%lineage, "old versions are still there: {fault}"),
        };
        if let Some(keep) = ports.keep {
            add(None, ports.store.prune(lineage, keep, &spared(stored, &inventory)));
        }
        for (name, target) in &ports.targets {
            // Only where the pointer of the live version is ours.
            if let Some(keep) = target.keep.filter(|_| stored.published.contains_key(name)) {
                let deleted = stop.answer(guard::guarded(delete_old(target, stored, keep))).await;
                add(Some(name), deleted.unwrap_or(Ok(Vec::new())));
            }
        }
    }
    pruned
}

/// Versions that somebody still needs: to revoke them, or to go back to ours from somebody else's.
fn spared(stored: &Stored, inventory: &Inventory) -> BTreeSet<u64> {
    let lineage = &stored.meta.lineage;
    let entry = inventory.journal.get(lineage);
    let to_revoke = entry.into_iter().flat_map(|entry| &entry.revocations).map(|revocation| revocation.version);
    to_revoke.chain(inventory.set_aside.get(lineage).map(|stored| stored.meta.version)).collect()
}

async fn delete_old(target: &Target, stored: &Stored, keep: usize) -> Result<Vec<u64>, Fault> {
    let mut deleted = Vec::new();
    for (version, keys) in layout::old_versions(&target.listing, &stored.meta.lineage, stored.meta.version, keep) {
        for key in &keys {
            target.bucket.delete(key).await?;
        }
        deleted.push(version);
    }
    Ok(deleted)
}
