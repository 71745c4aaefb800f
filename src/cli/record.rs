//! What a run writes into the audit log, and what the log forbids it to do.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::apply::Target;
use crate::audit::{Chain, Head, copy, findings, record};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::reports::Reports;
use crate::cli::session::Session;
use crate::fault::{Fault, Retry};
use crate::plan::Plan;
use crate::port::Bucket;
use crate::report::{Applied, Check};
use crate::store::FileStore;
use crate::trust::{Refused, TrustState, VerifiedList};

/// The rule that both the trust state and the log can break.
pub const ROLLBACK: &str = "X01-state-rollback";

/// The buckets that keep a copy of the log's end.
pub type Buckets = BTreeMap<String, Arc<dyn Bucket>>;

/// Writes down a state that the log does not know yet: a run was cut short.
pub fn catch_up(session: &Session, state: &TrustState) -> Result<(), Failure> {
    Ok(session.note(&[record::verified(state, None)]).map(drop)?)
}

/// Refuses a trust state that is older than the log. Says whether the log knows it.
pub fn refuse_rollback(store: &FileStore, state: Option<&TrustState>) -> Result<bool, Failure> {
    let mut tail = store.audit_tail()?;
    if tail.last_commit().is_none() {
        tail = store.audit()?;
    }
    let Some(last) = tail.last_commit() else { return Ok(true) };
    let Some(state) = state else {
        return Err(rolled_back("is gone".into(), last.as_str()));
    };
    if state.last_verified == *last {
        return Ok(true);
    }
    let earlier = store.audit()?;
    let commits = earlier.entries.iter().filter_map(|entry| entry.record.by.as_ref()).map(|by| &by.commit);
    if commits.into_iter().any(|commit| *commit == state.last_verified) {
        return Err(rolled_back(format!("says {}", state.last_verified), last.as_str()));
    }
    Ok(false)
}

/// A head was verified. Says nothing if it is the one of the last run.
pub fn verified(
    session: &Session,
    before: Option<&TrustState>,
    list: &VerifiedList,
    reports: &mut Reports,
) -> Result<(), Failure> {
    let key = |state: &TrustState| (state.last_verified.clone(), state.trust_root.clone());
    let news = if before.map(key) == Some(key(list.state())) {
        Vec::new()
    } else {
        vec![record::verified(list.state(), list.policy())]
    };
    let head = session.note(&news)?;
    tell(reports, head.as_ref());
    Ok(())
}

/// A head was refused. A log that cannot be written does not change the verdict.
pub fn refused(session: &Session, refused: &Refused, reports: &mut Reports) {
    match session.note(&[record::refused(refused)]) {
        Ok(head) => tell(reports, head.as_ref()),
        Err(fault) => tracing::warn!("the refusal is not in the audit log: {fault}"),
    }
}

/// Before the first order: compares the log with its copies, and writes down what is about to be done.
pub async fn before(session: &Session, plan: &Plan, limits_forced: bool, buckets: &Buckets) -> Result<(), Failure> {
    if !plan.has_changes() {
        return Ok(());
    }
    let chain = session.store.audit()?;
    for bucket in buckets.values() {
        match copy::compare(bucket.as_ref(), &chain).await {
            Err(fault) if fault.code == ROLLBACK => return Err(distrust(fault)),
            // A bucket that is out of reach holds up nothing.
            Err(fault) => tracing::warn!("the copy of the audit log's end was not compared: {fault}"),
            Ok(_) => {}
        }
    }
    Ok(session.note(&record::intent(plan, limits_forced)).map(drop)?)
}

/// After the last publish: writes down what became of it, and copies the end of the log into the buckets.
///
/// A run that was told to stop leaves the copy to the next one when its grace is over.
pub async fn after(
    session: &Session,
    applied: &Applied,
    buckets: &Buckets,
    reports: &mut Reports,
) -> Result<Option<Head>, Failure> {
    let chain = session.store.audit()?;
    let run = &reports.run;
    let results = run.plan.as_ref().map(|plan| record::results(&chain, plan, &applied.outcomes, &run.inventory));
    let mut results = results.unwrap_or_default();
    results.extend(applied.revoked.iter().map(record::revoked));
    session.note(&results)?;
    let chain = session.store.audit()?;
    tell(reports, chain.head());
    let stop = session.signals.orderly();
    for bucket in buckets.values() {
        let copied = stop.answer(copy::write(bucket.as_ref(), &chain, session.clock.now())).await;
        copied.unwrap_or(Ok(())).map_err(distrust)?;
    }
    broken(&chain)?;
    Ok(chain.head().cloned())
}

pub fn buckets(targets: &BTreeMap<String, Target>) -> Buckets {
    targets.iter().map(|(name, target)| (name.clone(), target.bucket.clone())).collect()
}

fn tell(reports: &mut Reports, head: Option<&Head>) {
    reports.fact("audit_head", head.map_or("-".into(), ToString::to_string));
}

/// Nothing is held back for a broken log, but nobody shall overlook it.
fn broken(chain: &Chain) -> Result<(), Failure> {
    match findings::chain(chain).into_iter().next() {
        Some(first) => Err(Failure::new(Exit::Failed, Check::NoRollback, first.fault)),
        None => Ok(()),
    }
}

fn distrust(fault: Fault) -> Failure {
    match fault.code.as_str() {
        ROLLBACK => Failure::new(Exit::Refused, Check::NoRollback, fault),
        _ => fault.into(),
    }
}

fn rolled_back(what: String, last: &str) -> Failure {
    let fault = Fault::new(ROLLBACK, format!("trust-state.json {what}, but the audit log knows {last}"))
        .hint("bring back trust-state.json and audit.jsonl from the same, latest backup of the store")
        .retry(Retry::Never);
    Failure::new(Exit::Refused, Check::NoRollback, fault)
}
