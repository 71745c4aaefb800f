//! Tells the CA of every revocation that the journal knows of, whichever run began it.
//!
//! A revocation is journaled before the CA hears of it and stays there until the CA has said yes. At a compromise the
//! replacement comes first and this second, since a CRL takes hours to reach anybody while a name without a
//! certificate is down at once; but it happens whatever became of the replacement.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;

use crate::apply::{Ports, Stop, WIDTH};
use crate::failpoint::reach;
use crate::fault::{Fault, Retry};
use crate::journal::{self, Entry};
use crate::lineage::{Revocation, Revoked, RevokedBy, Stored};
use crate::name::LineageName;
use crate::outcome::Revoking;
use crate::port::{Ca, Clock, Store};

/// Through which adapters. An apply has more.
pub struct Through<'a> {
    pub cas: &'a BTreeMap<String, Arc<dyn Ca>>,
    pub store: &'a dyn Store,
    pub clock: &'a dyn Clock,
}

impl<'a> From<&'a Ports> for Through<'a> {
    fn from(ports: &'a Ports) -> Self {
        Self { cas: &ports.cas, store: ports.store.as_ref(), clock: ports.clock.as_ref() }
    }
}

/// Revokes what is to be revoked, and forgets it as soon as it is.
pub async fn revoke_all(
    entries: &mut BTreeMap<LineageName, Entry>,
    through: &Through<'_>,
    stop: &Stop,
) -> Vec<Revoking> {
    let due = entries.values_mut().filter(|entry| !entry.revocations.is_empty());
    let told = futures::stream::iter(due).map(|entry| revoke(entry, through, stop)).buffer_unordered(WIDTH);
    let mut told: Vec<Revoking> = told.collect::<Vec<_>>().await.into_iter().flatten().collect();
    told.sort_by(|a, b| (&a.lineage, a.revocation.version).cmp(&(&b.lineage, b.revocation.version)));
    told
}

/// The revocations of one lineage.
pub async fn revoke(entry: &mut Entry, through: &Through<'_>, stop: &Stop) -> Vec<Revoking> {
    let mut told = Vec::new();
    for revocation in entry.revocations.clone() {
        let asked = stop.answer(one(&entry.lineage, &revocation, through)).await;
        let mut fault = asked.unwrap_or_else(|| Err(interrupted())).err();
        if fault.as_ref().is_none_or(|fault| fault.code == EXPIRED) {
            entry.revocations.retain(|other| *other != revocation);
            fault = fault.or_else(|| through.store.settle_entry(entry).err());
        }
        told.push(Revoking { lineage: entry.lineage.clone(), revocation, fault });
    }
    told
}

/// Nobody relies on it any more, and a CA does not revoke it.
const EXPIRED: &str = "revoke:expired";

async fn one(lineage: &LineageName, revocation: &Revocation, through: &Through<'_>) -> Result<(), Fault> {
    let version = revocation.version;
    let stored = through.store.version(lineage, version)?.ok_or_else(|| {
        Fault::new("store:no-version", format!("version {version} of {lineage} is not in the store"))
            .hint("bring it back from a backup; its certificate is needed to have it revoked")
    })?;
    if stored.facts().not_after <= through.clock.now() {
        return Err(Fault::new(EXPIRED, format!("version {version} of {lineage} has expired")).retry(Retry::Never));
    }
    let authority = &stored.meta.authority;
    let unknown = || {
        Fault::new("acme:unknown-authority", format!("the runner's config has no authority `{authority}`"))
            .hint("add it under `authorities:`, with its `directory:`")
    };
    let ca = through.cas.get(authority).ok_or_else(unknown)?;
    reach("before-revoke");
    ask(ca.as_ref(), &stored, revocation, through.store).await?;
    reach("after-revoke");
    let revoked = Revoked { reason: revocation.reason, at: through.clock.now() };
    through.store.record_revoked(&stored, &revoked)
}

/// By the signer that was asked for, else by the usual one, and by the other if the CA does not take it.
async fn ask(ca: &dyn Ca, stored: &Stored, revocation: &Revocation, store: &dyn Store) -> Result<(), Fault> {
    let pems = store.pems(stored)?;
    let by = async |signer: RevokedBy| {
        let key = match signer {
            RevokedBy::AccountKey => None,
            RevokedBy::CertificateKey => Some(pems.privkey.as_ref().ok_or_else(|| keyless(stored))?),
        };
        ca.revoke(&pems.cert, revocation.reason, key).await
    };
    let Some(signer) = revocation.by else {
        let usual = pems.privkey.as_ref().map_or(RevokedBy::AccountKey, |_| revocation.reason.usual_signer());
        return match by(usual).await {
            Err(fault) if !journal::is_outage(&fault) => by(usual.other()).await.map_err(|_| fault),
            done => done,
        };
    };
    by(signer).await
}

fn keyless(stored: &Stored) -> Fault {
    let (lineage, version) = (&stored.meta.lineage, stored.meta.version);
    Fault::new("revoke:no-key", format!("the key of {lineage} v{version} is not here: the list has only its CSR"))
        .hint("revoke with `--by account-key`, or let whoever has the key ask the CA (RFC 8555 section 7.6)")
        .retry(Retry::Never)
}

fn interrupted() -> Fault {
    Fault::new("run:interrupted", "the run was told to stop before the CA answered").hint("the next run asks again")
}
