//! What the CA issued: checked against the intent, then live, or in quarantine.

use time::OffsetDateTime;

use crate::fault::Fault;
use crate::journal::{self, Attempt, Intent};
use crate::lineage::anchors::Anchors;
use crate::lineage::check::{self, check_issued};
use crate::lineage::{CertFacts, Meta, Origin, Pems, Stored};
use crate::name::LineageName;
use crate::port::Store;
use crate::secret::Secret;

/// Checks what the CA issued against the intent and makes it the live version, or puts it into quarantine.
pub fn store(
    store: &dyn Store,
    lineage: &LineageName,
    attempt: &Attempt,
    chain: &str,
    url: String,
    anchors: Option<&Anchors>,
    now: OffsetDateTime,
) -> Result<Stored, Fault> {
    let intent = &attempt.intent;
    let lost = || Fault::new("journal:key-lost", "the journaled private key is gone; the next run orders again");
    let kept = || store.attempt_key(lineage)?.ok_or_else(lost);
    let key = intent.key_source.has_key().then(kept).transpose()?;
    let (pems, facts) = match judge(intent, key.as_ref(), chain, anchors, now) {
        Ok(checked) => checked,
        // Nothing is wrong with it. It is fetched again later.
        Err(fault) if fault.code == check::NOT_YET_VALID => return Err(fault),
        Err(fault) => {
            let pems = Pems { privkey: key, cert: chain.to_owned(), chain: String::new() };
            store.quarantine(lineage, &pems, &fault)?;
            return Err(fault);
        }
    };
    let meta = Meta {
        schema: journal::SCHEMA,
        lineage: lineage.clone(),
        version: 0,
        authority: intent.authority.clone(),
        directory: intent.directory.clone(),
        profile: intent.profile.clone(),
        order_url: attempt.order.clone().unwrap_or_default(),
        certificate_url: url,
        provenance: intent.provenance.clone(),
        key_source: intent.key_source.clone(),
        origin: Origin::Ordered,
        stored_at: now,
        facts,
    };
    store.deploy(meta, &pems)
}

/// Against the intent, and whether whoever connects will know its root if the runner says which roots those are.
fn judge(
    intent: &Intent,
    key: Option<&Secret>,
    chain: &str,
    anchors: Option<&Anchors>,
    now: OffsetDateTime,
) -> Result<(Pems, CertFacts), Fault> {
    let (pems, facts) = check_issued(intent, key, chain, now)?;
    if let Some(anchors) = anchors {
        anchors.check(&pems.fullchain(), &facts.identifiers, now)?;
    }
    Ok((pems, facts))
}
