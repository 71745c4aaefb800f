//! `countersign rollback LINEAGE`: makes an earlier version live again and points the buckets at it.
//!
//! It becomes a new version with the bytes of the old one, so that numbers only go up and readers accept it.

use std::collections::BTreeMap;

use serde_json::json;

use crate::apply::publish::publish;
use crate::audit::record;
use crate::cli::args::{Global, Report, Rollback as Args};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::reports::{Ended, Reports, reported};
use crate::cli::session::{Session, parse_name};
use crate::cli::{ask, observe, wire};
use crate::fault::{Fault, Retry};
use crate::lineage::{Stored, earlier};
use crate::name::LineageName;
use crate::port::{Inventory, Store};
use crate::report::terminal::{self, plain};

pub fn run(global: &Global, args: &Args, output: &Output) -> Exit {
    reported("rollback", &Report::default(), output, |reports| body(global, args, output, reports))
}

fn body(global: &Global, args: &Args, output: &Output, reports: &mut Reports) -> Result<Ended, Failure> {
    let lineage = parse_name(&args.lineage)?;
    let session = Session::open(global, "rollback", reports)?;
    let inventory = session.store.observe()?;
    let live = live(&inventory, &lineage)?;
    let versions = session.store.versions(&lineage)?;
    let entry = inventory.journal.get(&lineage).into_iter();
    let revoking: Vec<u64> = entry.flat_map(|entry| &entry.revocations).map(|revocation| revocation.version).collect();
    let chosen = earlier::choose(&versions, live, args.to, &revoking, reports.now())?;
    let (from, to, facts) = (live.meta.version, chosen.meta.version, chosen.facts());
    let which = format!("version {to} again, serial {}, until {}", facts.serial, facts.not_after.date());
    ask::confirmed(&format!("{lineage} is at version {from}. Use {which}?"), args.auto_approve, output)?;

    session.note(&[record::rolling_back(chosen, &args.reason)])?;
    let stored = session.store.redeploy(&lineage, to)?;
    let version = stored.meta.version;
    output.text(&format!("{lineage}  version {version} is live: {which}\n"));
    let published = session.block_on(publish_all(&session, &stored, live))?;
    for (bucket, fault) in &published {
        session.note(&[record::published(&stored, bucket, fault.as_ref())])?;
        output.text(&line(bucket, version, fault.as_ref()));
    }
    let failed = published.values().any(Option::is_some);
    let exit = if failed { Exit::Partial } else { Exit::Done };
    output.json(
        "rollback",
        json!({"exit": exit as u8, "name": lineage, "lineage_version": version, "same_as": to, "instead_of": from,
            "serial": facts.serial, "buckets": published}),
    );
    let next = if failed { "the next apply uploads what is missing" } else { "the next apply goes by the list again" };
    Ok(Ended::new(exit, format!("{lineage} v{version} is v{to} again; {next}")))
}

fn line(bucket: &str, version: u64, fault: Option<&Fault>) -> String {
    match fault {
        None => format!("  bucket {bucket} points at version {version}\n"),
        Some(fault) => {
            format!("  bucket {bucket}: {}\n{}", plain(&fault.to_string()), terminal::details(fault, "    "))
        }
    }
}

fn live<'a>(inventory: &'a Inventory, lineage: &LineageName) -> Result<&'a Stored, Fault> {
    if let Some(fault) = inventory.broken.get(lineage) {
        return Err(fault.clone());
    }
    inventory.live.get(lineage).ok_or_else(|| {
        Fault::new("store:no-lineage", format!("no lineage `{lineage}` is live"))
            .hint("`countersign status` lists the names")
            .retry(Retry::Never)
    })
}

/// To every bucket that had the version of before, as long as the configuration still has it.
async fn publish_all(
    session: &Session,
    stored: &Stored,
    before: &Stored,
) -> Result<BTreeMap<String, Option<Fault>>, Fault> {
    let pems = session.store.pems(stored)?;
    let mut published = BTreeMap::new();
    for (name, (bucket, configured)) in wire::buckets(&session.config).await {
        if !before.published.contains_key(&name) {
            continue;
        }
        let upload = async {
            let listing = observe::look_at(bucket.as_ref(), &name).await?;
            let flat = configured.flat.as_ref();
            let published = publish(bucket.as_ref(), &name, &listing, stored, &pems, flat).await?;
            session.store.record_published(stored, &name, &published.etags)
        };
        published.insert(name.clone(), upload.await.err());
    }
    Ok(published)
}
