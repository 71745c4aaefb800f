//! Looks at the servers that the list names, after everything else of an apply.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use serde_json::json;

use crate::cli::output::Output;
use crate::cli::reports::Reports;
use crate::cli::session::Session;
use crate::cli::{show, wire};
use crate::fault::Fault;
use crate::lineage::Stored;
use crate::list::endpoint::Endpoint;
use crate::port::Addresses;
use crate::report::served::{Expected, Look, Looks};
use crate::report::terminal;
use crate::served;
use crate::store::Document;

/// How long a server may take for its handshake.
const PATIENCE: Duration = Duration::from_secs(10);
/// Servers that are looked at together.
const WIDTH: usize = 32;

/// Puts what is served into the report, and keeps it for `status` and `show`.
///
/// # Errors
/// It cannot be kept. A server that shows something else is a finding.
pub fn look(session: &Session, reports: &mut Reports, output: &Output) -> Result<(), Fault> {
    let wanted = wanted(reports);
    let stop = session.signals.orderly();
    let Some(looks) = session.block_on(stop.unless_asked(all(session, wanted))) else { return Ok(()) };
    for (lineage, looks) in &looks {
        for look in looks {
            output.text(&terminal::served(lineage, look, output.paint));
            output.json("served", json!({ "lineage": lineage, "look": look }));
        }
    }
    let mut kept = earlier(session, reports);
    kept.extend(looks.clone());
    reports.run.served = (!looks.is_empty()).then_some(looks);
    match kept.is_empty() {
        true => session.store.remove_document(Document::Served),
        false => session.store.write_json(Document::Served, &kept),
    }
}

/// What was seen of lineages that this run leaves out.
fn earlier(session: &Session, reports: &Reports) -> Looks {
    let mut looks = show::looks(&session.store);
    let steps = reports.run.plan.iter().flat_map(|plan| &plan.steps);
    let planned: BTreeSet<_> = steps.map(|step| &step.lineage).collect();
    looks.retain(|name, _| reports.run.inventory.live.contains_key(name) && !planned.contains(name));
    looks
}

/// What is live and is served somewhere.
fn wanted(reports: &Reports) -> Vec<(Stored, Endpoint)> {
    let steps = reports.run.plan.iter().flat_map(|plan| &plan.steps);
    let listed =
        steps.filter_map(|step| Some((reports.run.inventory.live.get(&step.lineage)?, step.certificate.as_ref()?)));
    listed.flat_map(|(live, listed)| listed.served.iter().map(|at| (live.clone(), at.clone()))).collect()
}

async fn all(session: &Session, wanted: Vec<(Stored, Endpoint)>) -> Looks {
    let work = wanted.into_iter().map(|(live, at)| async move {
        let shown = shown(session, &at).await;
        let time = session.clock.now();
        let judged = match (shown, chain_of(session, &live)) {
            (Ok(shown), Ok(chain)) => Expected { live: &live, chain, grace: session.config.every }.judge(&shown, time),
            (Err(fault), _) | (_, Err(fault)) => Err(fault),
        };
        let shows = judged.clone().unwrap_or_default();
        (live.meta.lineage.clone(), Look { at, time, shows, fault: judged.err() })
    });
    let mut looks = Looks::new();
    for (lineage, look) in stream::iter(work).buffered(WIDTH).collect::<Vec<_>>().await {
        looks.entry(lineage).or_default().push(look);
    }
    looks
}

fn chain_of(session: &Session, live: &Stored) -> Result<usize, Fault> {
    let (leaf, chain) = session.store.certificates(live)?;
    Ok((leaf + &chain).matches("-----BEGIN CERTIFICATE-----").count())
}

/// The server hears the name of the list, wherever its address is from. The first that can be reached speaks for all.
async fn shown(session: &Session, at: &Endpoint) -> Result<Vec<Vec<u8>>, Fault> {
    let name = at.host.as_str();
    let Some(hosts) = wire::hosts(&session.config) else {
        return served::chain(&at.to_string(), name, PATIENCE).await;
    };
    let mut last = Fault::new("served:unreachable", format!("{name} has no address"))
        .hint("add an A or AAAA record, or take the server out of `served:`");
    for address in hosts.of(name).await? {
        match served::chain(&SocketAddr::new(address, at.port).to_string(), name, PATIENCE).await {
            Err(fault) if fault.code == "served:unreachable" => last = fault,
            shown => return shown,
        }
    }
    Err(last)
}
