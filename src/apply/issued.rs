//! What the CA issued: checked against the intent, then live, or in quarantine.

use time::OffsetDateTime;

use crate::fault::Fault;
use crate::journal::{self, Attempt};
use crate::lineage::{Meta, Origin, Pems, Stored, check};
use crate::name::LineageName;
use crate::port::Store;

/// Checks what the CA issued against the intent and makes it the live version, or puts it into quarantine.
pub fn store(
    store: &dyn Store,
    lineage: &LineageName,
    attempt: &Attempt,
    chain: &str,
    url: String,
    now: OffsetDateTime,
) -> Result<Stored, Fault> {
    let intent = &attempt.intent;
    let lost = || Fault::new("journal:key-lost", "the journaled private key is gone; the next run orders again");
    let key = store.attempt_key(lineage)?.ok_or_else(lost)?;
    let (pems, facts) = match check::check_issued(intent, &key, chain, now) {
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
        origin: Origin::Ordered,
        stored_at: now,
        facts,
    };
    store.deploy(meta, &pems)
}
