//! The key to go on with, where the list says that it is reused.

use time::OffsetDateTime;

use crate::fault::Fault;
use crate::lineage::{Revocation, RevocationReason, Stored};
use crate::list::KeyType;
use crate::name::{Digest, LineageName};
use crate::port::Store;
use crate::secret::Secret;

/// The key of the newest version of ours, if it was made here, is of the right type and nobody else has it.
pub fn kept_key(
    store: &dyn Store,
    lineage: &LineageName,
    key: KeyType,
    pending: &[Revocation],
) -> Result<Option<Secret>, Fault> {
    let versions = store.versions(lineage)?;
    let newest = versions.iter().rev().find(|stored| stored.is_ours() && stored.meta.key_source.is_made());
    let fits = |stored: &&Stored| {
        stored.facts().key == Some(key) && !is_compromised(&versions, &stored.facts().public_key, pending)
    };
    newest.filter(fits).map_or(Ok(None), |stored| Ok(store.pems(stored)?.privkey))
}

/// Whether a version with this key was or is to be revoked because somebody else may have it.
pub fn is_compromised(versions: &[Stored], public_key: &Digest, pending: &[Revocation]) -> bool {
    let compromise = RevocationReason::KeyCompromise;
    let is_pending = |version| pending.iter().any(|pending| pending.version == version && pending.reason == compromise);
    versions.iter().filter(|stored| stored.facts().public_key == *public_key).any(|stored| {
        stored.revoked.as_ref().is_some_and(|revoked| revoked.reason == compromise) || is_pending(stored.meta.version)
    })
}

/// Revocations of the other versions that have the key of a compromised one and have not ended.
pub fn sharing(
    versions: &[Stored],
    compromised: &Revocation,
    pending: &[Revocation],
    now: OffsetDateTime,
) -> Vec<Revocation> {
    let same = versions.iter().find(|stored| stored.meta.version == compromised.version);
    let Some(key) = same.map(|stored| &stored.facts().public_key) else { return Vec::new() };
    let is_told = |stored: &Stored| {
        let told = stored.revoked.as_ref().is_some_and(|revoked| revoked.reason == compromised.reason);
        told || pending.iter().any(|pending| pending.version == stored.meta.version)
    };
    let others = versions.iter().filter(|stored| stored.meta.version != compromised.version);
    let due = others.filter(|stored| stored.facts().public_key == *key && stored.facts().not_after > now);
    let revocation = |stored: &Stored| {
        let (version, serial) = (stored.meta.version, stored.facts().serial.clone());
        Revocation { version, serial, reason: compromised.reason, by: compromised.by }
    };
    due.filter(|stored| stored.is_ours() && !is_told(stored)).map(revocation).collect()
}
