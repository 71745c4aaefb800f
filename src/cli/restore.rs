//! `countersign restore`: lineages come back from an export or from the published versions.
//!
//! Of a lineage that is there already, the certificate that ends later is used, whichever side has it.

mod bucket;
mod document;

use std::path::Path;

use serde_json::{Value, json};

use crate::audit::{Kind, Record};
use crate::cli::args::{Global, Report, Restore as Args};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, counted};
use crate::cli::reports::{Ended, Reports, reported};
use crate::cli::session::{Session, parse_name};
use crate::fault::{Fault, Retry};
use crate::lineage::foreign::check_foreign;
use crate::lineage::{Etags, Meta, Pems, Revoked, Stored};
use crate::name::LineageName;
use crate::port::{Inventory, Store};
use crate::report::terminal::{self, plain};

pub fn run(global: &Global, args: &Args, output: &Output) -> Exit {
    reported("restore", &Report::default(), output, |reports| body(global, args, output, reports))
}

/// A version from elsewhere.
struct Version {
    meta: Meta,
    pems: Pems,
    stashed: bool,
    /// ETags of the pointers that were written for it, by bucket.
    published: Vec<(String, Etags)>,
    /// The CA has revoked it.
    revoked: Option<Revoked>,
    /// The newest of ours, if this one is somebody else's.
    below: Option<Box<Version>>,
    from: String,
}

/// What became of a lineage.
struct Row {
    lineage: LineageName,
    result: Result<Became, Fault>,
}

enum Became {
    /// Live, or stashed.
    Restored(Box<Stored>, bool),
    /// An import, which waits for the list.
    Waits,
    /// The store has this very certificate.
    Have,
    /// What the store has ends later.
    Older,
}

fn body(global: &Global, args: &Args, output: &Output, reports: &mut Reports) -> Result<Ended, Failure> {
    let names = args.words().iter().map(|name| parse_name(name)).collect::<Result<_, _>>()?;
    let session = Session::open(global, "restore", reports)?;
    let rows = match &args.from_bucket {
        Some(bucket) => bucket::restore(&session, bucket, &names, reports)?,
        None => document::restore(&session, args.source.as_deref().unwrap_or(Path::new("")), &names, reports)?,
    };
    let width = rows.iter().map(|row| row.lineage.as_str().len()).max().unwrap_or(0);
    for row in &rows {
        output.text(&format!("{:<width$}  {}\n", row.lineage, plain(&text(row))));
        if let Err(fault) = &row.result {
            output.text(&terminal::details(fault, "    "));
        }
    }
    let count = |is: fn(&Row) -> bool| rows.iter().filter(|row| is(row)).count();
    let restored = count(|row| matches!(row.result, Ok(Became::Restored(..) | Became::Waits)));
    let failed = count(|row| row.result.is_err());
    let exit = if failed > 0 { Exit::Partial } else { Exit::Done };
    output.json("restore", json!({"exit": exit as u8, "lineages": rows.iter().map(object).collect::<Vec<_>>()}));
    let kept = rows.len() - restored - failed;
    Ok(Ended::new(exit, format!("{} restored, {kept} kept as they are, {failed} failed", counted(restored, "lineage"))))
}

fn text(row: &Row) -> String {
    match &row.result {
        Ok(Became::Restored(stored, stashed)) => {
            let place = if *stashed { "the stash" } else { "live" };
            format!("restored to {place} as v{}, until {}", stored.meta.version, stored.facts().not_after.date())
        }
        Ok(Became::Waits) => "imported: waits until the list has it".into(),
        Ok(Became::Have) => "is there already".into(),
        Ok(Became::Older) => "kept: what the store has ends later".into(),
        Err(fault) => fault.to_string(),
    }
}

fn object(row: &Row) -> Value {
    let state = match &row.result {
        Ok(Became::Restored(..)) => "restored",
        Ok(Became::Waits) => "imported",
        Ok(Became::Have) => "have",
        Ok(Became::Older) => "older",
        Err(_) => "failed",
    };
    json!({"name": row.lineage, "state": state, "text": text(row), "fault": row.result.as_ref().err()})
}

/// Brings one version back, and writes it into the audit log.
fn bring_back(session: &Session, inventory: &Inventory, version: Version) -> Row {
    let lineage = version.meta.lineage.clone();
    Row { result: try_bring_back(session, inventory, version), lineage }
}

fn try_bring_back(session: &Session, inventory: &Inventory, version: Version) -> Result<Became, Fault> {
    let lineage = &version.meta.lineage;
    if let Some(fault) = inventory.broken.get(lineage) {
        return Err(fault.clone());
    }
    check(&version)?;
    let live = inventory.live.get(lineage);
    // Two of the same second: the later version.
    let rank = |meta: &Meta| (meta.facts.not_after, meta.version);
    match live.or_else(|| inventory.stash.get(lineage)).map(|held| &held.meta) {
        Some(held) if held.facts == version.meta.facts => return Ok(Became::Have),
        Some(held) if rank(held) >= rank(&version.meta) => return Ok(Became::Older),
        Some(_) => {}
        None => {
            if let Some(below) = &version.below {
                check(below)?;
                put(session, below)?;
            }
        }
    }
    let stored = put(session, &version)?;
    // What is live here stays live, whatever it was where it comes from.
    let stashed = version.stashed && live.is_none();
    if stashed {
        session.store.stash(lineage)?;
    }
    Ok(Became::Restored(Box::new(stored), stashed))
}

fn check(version: &Version) -> Result<(), Fault> {
    let (_, facts, _) = check_foreign(version.pems.privkey.as_ref(), &version.pems.fullchain())?;
    if facts != version.meta.facts {
        let text = "the certificate is not the one that its facts describe";
        return Err(Fault::new("restore:damaged", text).retry(Retry::Never));
    }
    Ok(())
}

/// Makes a version live.
fn put(session: &Session, version: &Version) -> Result<Stored, Fault> {
    let (meta, store) = (&version.meta, &session.store);
    // Before it stands there, as with an order: what a crash leaves is then explained.
    let record = Record {
        by: Some(meta.provenance.clone()),
        lineage: Some(meta.lineage.clone()),
        names: meta.facts.identifiers.clone(),
        serial: Some(meta.facts.serial.clone()),
        result: Some(format!("from {}", version.from)),
        ..Record::new(Kind::Restored)
    };
    session.note(&[record])?;
    let stored = store.restore(meta.clone(), &version.pems)?;
    for (bucket, etags) in version.published.iter().filter(|_| stored.meta.version == meta.version) {
        store.record_published(&stored, bucket, etags)?;
    }
    if let Some(revoked) = &version.revoked {
        store.record_revoked(&stored, revoked)?;
    }
    Ok(stored)
}

fn unknown(name: &LineageName, place: &str) -> Row {
    let fault = Fault::new("restore:no-lineage", format!("{place} holds no lineage `{name}`"))
        .hint("without a name all that it holds comes back")
        .retry(Retry::Never);
    Row { lineage: name.clone(), result: Err(fault) }
}
