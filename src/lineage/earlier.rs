//! Which earlier version of a lineage may be used again.

use time::OffsetDateTime;

use super::Stored;
use crate::fault::{Fault, Retry};

/// The version `wanted`, or the newest one below the live one with another certificate that may be used.
///
/// `revoking` are versions that are about to be revoked.
///
/// # Errors
/// `rollback:none`, `rollback:live`, `rollback:expired`, `rollback:revoked`.
pub fn choose<'a>(
    versions: &'a [Stored],
    live: &Stored,
    wanted: Option<u64>,
    revoking: &[u64],
    now: OffsetDateTime,
) -> Result<&'a Stored, Fault> {
    let lineage = &live.meta.lineage;
    let none = |text: String| {
        Fault::new("rollback:none", text)
            .hint(format!("`countersign show {lineage}` lists the versions"))
            .retry(Retry::Never)
    };
    let Some(wanted) = wanted else {
        let mut earlier = versions.iter().rev().filter(|version| version.meta.version < live.meta.version);
        let usable = earlier.find(|version| obstacle(version, live, revoking, now).is_none());
        return usable.ok_or_else(|| none(format!("`{lineage}` has no earlier certificate that can be used")));
    };
    let version = versions.iter().find(|version| version.meta.version == wanted);
    let version = version.ok_or_else(|| none(format!("`{lineage}` has no version {wanted}")))?;
    obstacle(version, live, revoking, now).map_or(Ok(version), Err)
}

fn obstacle(version: &Stored, live: &Stored, revoking: &[u64], now: OffsetDateTime) -> Option<Fault> {
    let (lineage, number, facts) = (&version.meta.lineage, version.meta.version, version.facts());
    let (code, why) = if facts.serial == live.facts().serial {
        ("rollback:live", "is the certificate that is in use".to_owned())
    } else if facts.not_after <= now {
        ("rollback:expired", format!("expired on {}", facts.not_after.date()))
    } else if version.revoked.is_some() || revoking.contains(&number) {
        ("rollback:revoked", "is revoked".to_owned())
    } else {
        return None;
    };
    let hint = format!("to order anew: `countersign apply --force {lineage} --reason TEXT`");
    Some(Fault::new(code, format!("version {number} of `{lineage}` {why}")).hint(hint).retry(Retry::Never))
}
