//! `countersign revoke LINEAGE`: has the CA revoke a version. The next apply replaces it if the list still has it.

use serde_json::json;

use crate::apply::kept_key;
use crate::apply::revoke::{Through, revoke};
use crate::audit::record;
use crate::cli::args::{Global, Report, Revoke as Args};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::reports::{Ended, Reports, reported};
use crate::cli::session::{Session, no_lineage};
use crate::cli::{ask, wire};
use crate::fault::{Fault, Retry};
use crate::journal::{self, Entry};
use crate::lineage::{Revocation, RevocationReason, Stored};
use crate::name::LineageName;
use crate::outcome::Revoking;
use crate::port::{Inventory, Store};
use crate::report::terminal::{self, plain};

pub fn run(global: &Global, args: &Args, output: &Output) -> Exit {
    reported("revoke", &Report::default(), output, |reports| body(global, args, output, reports))
}

fn body(global: &Global, args: &Args, output: &Output, reports: &mut Reports) -> Result<Ended, Failure> {
    let session = Session::open(global, "revoke", reports)?;
    let inventory = session.store.observe()?;
    let stored = chosen(&session, &inventory, args)?;
    let (lineage, version, facts) = (&stored.meta.lineage, stored.meta.version, stored.facts());
    let reason = args.reason.into();
    if let Some(done) = stored.revoked.as_ref().filter(|done| !outdoes(reason, done.reason)) {
        let text = format!("{lineage} v{version} was revoked on {}: {}", done.at.date(), done.reason);
        output.json("revoke", json!({"exit": 0, "name": lineage, "lineage_version": version, "revoked": done}));
        return Ok(Ended::new(Exit::Done, text));
    }
    if facts.not_after <= reports.now() {
        let text = format!("{lineage} v{version} expired on {}, nobody relies on it", facts.not_after.date());
        let hint = format!("there is nothing to revoke; `countersign show {lineage}` lists the versions");
        return Err(Fault::new("revoke:expired", text).hint(hint).retry(Retry::Never).into());
    }
    let (until, serial) = (facts.not_after.date(), &facts.serial);
    let authority = plain(&stored.meta.authority);
    let question = format!("Revoke {lineage} v{version} (serial {serial}, until {until}) at {authority}: {reason}?");
    ask::confirmed(&question, args.auto_approve, output)?;

    let by = args.by.map(Into::into);
    let revocation = Revocation { version, serial: serial.clone(), reason, by };
    let mut entry = inventory.journal.get(lineage).cloned().unwrap_or_else(|| Entry::new(lineage.clone()));
    entry.revocations.retain(|other| other.version != version);
    let mut all = vec![revocation];
    if reason == RevocationReason::KeyCompromise {
        // Whoever has the key can be all of them.
        let versions = session.store.versions(lineage)?;
        all.extend(kept_key::sharing(&versions, &all[0], &entry.revocations, reports.now()));
    }
    entry.revocations.extend(all.iter().cloned());
    for revocation in &all {
        session.note(&[record::revoking(lineage, revocation)])?;
    }
    session.store.write_entry(&entry)?;
    let told = session.block_on(tell(&session, &mut entry))?;
    for revoking in &told {
        session.note(&[record::revoked(revoking)])?;
        output.text(&terminal::revoked(revoking, output.paint));
    }
    let own = told.into_iter().find(|revoking| revoking.revocation.version == version);
    end(&session, &mut entry, own, &stored, output)
}

async fn tell(session: &Session, entry: &mut Entry) -> Result<Vec<Revoking>, Fault> {
    let cas = wire::cas(session)?;
    let through = Through { cas: &cas, store: session.store.as_ref(), clock: session.clock.as_ref() };
    Ok(revoke(entry, &through, &session.signals.orderly()).await)
}

fn end(
    session: &Session,
    entry: &mut Entry,
    own: Option<Revoking>,
    stored: &Stored,
    output: &Output,
) -> Result<Ended, Failure> {
    let (lineage, version) = (&stored.meta.lineage, stored.meta.version);
    match own.and_then(|revoking| revoking.fault) {
        None => {
            output.json("revoke", json!({"exit": 0, "name": lineage, "lineage_version": version}));
            let next = "the next apply replaces it if the list still has it";
            Ok(Ended::new(Exit::Done, format!("{lineage} v{version} is revoked; {next}")))
        }
        Some(fault) if journal::is_outage(&fault) => {
            Err(fault.hint("the next apply asks again; or run the same command once more").into())
        }
        // The CA's judgement. Whoever asked is told, and no later run repeats it.
        Some(fault) => {
            entry.revocations.retain(|other| other.version != version);
            session.store.settle_entry(entry)?;
            Err(fault.into())
        }
    }
}

/// A key that turns out to be compromised is told to the CA whatever it was told before.
fn outdoes(reason: RevocationReason, before: RevocationReason) -> bool {
    reason == RevocationReason::KeyCompromise && before != reason
}

fn chosen(session: &Session, inventory: &Inventory, args: &Args) -> Result<Stored, Fault> {
    let none = || no_lineage(&args.lineage);
    let name = LineageName::parse(&args.lineage).map_err(|error| none().caused_by(&error))?;
    if let Some(fault) = inventory.broken.get(&name) {
        return Err(fault.clone());
    }
    match args.lineage_version {
        None => inventory.live.get(&name).or_else(|| inventory.stash.get(&name)).cloned().ok_or_else(none),
        Some(version) => session.store.version(&name, version)?.ok_or_else(|| {
            Fault::new("store:no-version", format!("{name} has no version {version}"))
                .hint(format!("`countersign show {name}` lists the versions"))
                .retry(Retry::Never)
        }),
    }
}
