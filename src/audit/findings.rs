//! What does not fit: the log against itself, the store and the buckets against the log, signers against the trust
//! root of today.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Chain, Kind};
use crate::diag::Severity;
use crate::fault::Fault;
use crate::lineage::Stored;
use crate::name::{CommitId, LineageName};
use crate::port::{Inventory, ObjectSummary};
use crate::trust::{AllowedSigners, Fingerprint};

/// One thing that somebody should look at. Only errors make an audit fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub severity: Severity,
    #[serde(flatten)]
    pub fault: Fault,
}

impl Finding {
    pub fn error(fault: Fault) -> Self {
        Self { severity: Severity::Error, fault }
    }

    fn warning(fault: Fault) -> Self {
        Self { severity: Severity::Warning, fault }
    }
}

/// Breaks of the chain.
pub fn chain(chain: &Chain) -> Vec<Finding> {
    let broken = |place: &super::chain::Break| {
        Finding::error(
            Fault::new("audit:broken-chain", format!("line {} of audit.jsonl: {}", place.line, place.why))
                .hint("somebody changed the log: compare it with a backup, and its end with the copy in the bucket"),
        )
    };
    let torn = (chain.torn > 0).then(|| {
        Finding::warning(
            Fault::new("audit:torn-line", format!("the last {} bytes of audit.jsonl are a torn line", chain.torn))
                .hint("a run is writing, or was cut short: the next run takes the line away and says so in the log"),
        )
    });
    chain.breaks.iter().map(broken).chain(torn).collect()
}

/// Live certificates that a key authorised which is revoked or not allowed any more.
pub fn signers(inventory: &Inventory, allowed: &AllowedSigners, revoked: &BTreeSet<Fingerprint>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (lineage, stored) in &inventory.live {
        for signer in &stored.meta.provenance.signers {
            let keys: Vec<_> = signer.split(' ').filter_map(|word| Fingerprint::parse(word).ok()).collect();
            let allowed = match &keys[..] {
                [] => continue,
                [key] => allowed.get(key).is_some(),
                [_, authority, ..] => allowed.authority(authority).is_some_and(|line| line.vouches_for(signer)),
            };
            if keys.iter().any(|key| revoked.contains(key)) {
                let text = format!("`{lineage}` was authorised by {signer}, whose key is revoked");
                findings.push(Finding::error(Fault::new("audit:revoked-signer", text).hint(format!(
                    "have another signer confirm the entry, or revoke the certificate: `countersign show {lineage}`"
                ))));
            } else if !allowed {
                let text = format!("`{lineage}` was authorised by {signer}, who may not sign any more");
                let hint = "what a signer authorised before being taken out of allowed_signers stays valid";
                findings.push(Finding::warning(Fault::new("audit:removed-signer", text).hint(hint)));
            }
        }
    }
    findings
}

/// Live folders that no verified commit authorised, as far as the log knows.
pub fn folders(chain: &Chain, inventory: &Inventory) -> Vec<Finding> {
    let known = Known::of(chain);
    let live = inventory.live.iter().filter_map(|(lineage, stored)| known.doubt(stored).map(|why| (lineage, why)));
    let strange = inventory.broken.keys().filter(|lineage| !known.lineages.contains(lineage));
    let strange = strange.map(|lineage| (lineage, "it cannot be read and the log never had it".to_owned()));
    let unauthorised = |(lineage, why): (&LineageName, String)| {
        Finding::error(
            Fault::new("audit:unauthorised-lineage", format!("no verified commit authorised `live/{lineage}`: {why}"))
                .hint(format!(
                    "find out who put it there; `countersign show {lineage}` tells what it is. Move it out of the \
                     store, and revoke the certificate if a CA issued it"
                )),
        )
    };
    live.chain(strange).map(unauthorised).chain(restored(&known, inventory)).collect()
}

/// What an operator brought back: who authorised it is told by where it came from, and not by this log.
fn restored(known: &Known<'_>, inventory: &Inventory) -> Vec<Finding> {
    let told = inventory.live.iter().filter(|(_, stored)| {
        let commit = &stored.meta.provenance.commit;
        known.restored.contains(commit) && !known.commits.contains(commit)
    });
    let note = |(lineage, stored): (&LineageName, &Stored)| {
        let commit = stored.meta.provenance.commit.short();
        let text = format!("`{lineage}` was restored, and this log did not see commit {commit} verified");
        Finding::warning(
            Fault::new("audit:restored-lineage", text)
                .hint("compare it with the log of the old store; its next renewal is authorised by the list of then"),
        )
    };
    told.map(note).collect()
}

/// Prefixes of a bucket that no verified commit authorised.
pub fn prefixes(
    chain: &Chain,
    inventory: &Inventory,
    bucket: &str,
    listing: &BTreeMap<String, ObjectSummary>,
) -> Vec<Finding> {
    let known = Known::of(chain);
    let mut strange: BTreeSet<String> = BTreeSet::new();
    for key in listing.keys().filter(|key| *key != super::copy::KEY) {
        let mut parts = key.splitn(4, '/');
        let first = parts.next().unwrap_or_default();
        let lineage = LineageName::parse(first).ok().filter(|name| known.holds(name, inventory));
        match (lineage, parts.next(), parts.next()) {
            (None, below, _) => drop(strange.insert(if below.is_some() { format!("{first}/") } else { key.clone() })),
            (Some(lineage), Some("v"), Some(version)) if !known.issued(&lineage, version, inventory) => {
                strange.insert(format!("{first}/v/{version}/"));
            }
            _ => {}
        }
    }
    let unauthorised = |prefix: String| {
        Finding::error(
            Fault::new("audit:unauthorised-prefix", format!("no verified commit authorised `{prefix}` in `{bucket}`"))
                .hint("find out who wrote it (the bucket's access log tells), then delete it"),
        )
    };
    strange.into_iter().map(unauthorised).collect()
}

/// What the log says was asked for by verified commits.
struct Known<'a> {
    lineages: BTreeSet<&'a LineageName>,
    commits: BTreeSet<&'a CommitId>,
    /// Commits that stand in what an operator restored.
    restored: BTreeSet<&'a CommitId>,
    /// Lineage and serial.
    issued: BTreeSet<(&'a LineageName, &'a str)>,
    ordered: BTreeMap<&'a LineageName, Vec<&'a super::Entry>>,
}

impl<'a> Known<'a> {
    fn of(chain: &'a Chain) -> Self {
        let verified = chain.of_kind(Kind::Verified).filter_map(|entry| entry.record.by.as_ref());
        let became_live = [Kind::Issued, Kind::Adopted, Kind::Restored];
        let issued = became_live.into_iter().flat_map(|kind| chain.of_kind(kind)).map(|entry| &entry.record);
        let mut ordered: BTreeMap<&LineageName, Vec<&super::Entry>> = BTreeMap::new();
        for entry in chain.of_kind(Kind::Ordering).chain(chain.of_kind(Kind::Adopting)) {
            if let Some(lineage) = &entry.record.lineage {
                ordered.entry(lineage).or_default().push(entry);
            }
        }
        Self {
            lineages: chain.entries.iter().filter_map(|entry| entry.record.lineage.as_ref()).collect(),
            commits: verified.map(|by| &by.commit).collect(),
            restored: chain
                .of_kind(Kind::Restored)
                .filter_map(|entry| Some(&entry.record.by.as_ref()?.commit))
                .collect(),
            issued: issued.filter_map(|record| Some((record.lineage.as_ref()?, record.serial.as_deref()?))).collect(),
            ordered,
        }
    }

    /// Why nobody seems to have asked for a stored version.
    fn doubt(&self, stored: &Stored) -> Option<String> {
        let (lineage, facts) = (&stored.meta.lineage, stored.facts());
        let commit = &stored.meta.provenance.commit;
        let fits =
            |entry: &&super::Entry| entry.record.names == facts.identifiers && entry.time <= stored.meta.stored_at;
        let ordered = || self.ordered.get(lineage).is_some_and(|orders| orders.iter().any(fits));
        if !self.issued.contains(&(lineage, facts.serial.as_str())) && !ordered() {
            return Some(format!("the log has no order that led to serial {}", facts.serial));
        }
        let known = self.commits.contains(commit) || self.restored.contains(commit);
        (!known).then(|| format!("the log does not know the commit {commit} as verified"))
    }

    fn holds(&self, lineage: &LineageName, inventory: &Inventory) -> bool {
        self.lineages.contains(lineage) && inventory.live.get(lineage).is_none_or(|live| self.doubt(live).is_none())
    }

    /// Whether `<sequence>-<serial>` is a version that was issued, or the live one of an order that is known.
    fn issued(&self, lineage: &LineageName, version: &str, inventory: &Inventory) -> bool {
        let serial = version.split_once('-').map_or(version, |(_, serial)| serial);
        let held = inventory.live.get(lineage).or_else(|| inventory.stash.get(lineage));
        self.issued.contains(&(lineage, serial)) || held.is_some_and(|held| held.facts().serial == serial)
    }
}
