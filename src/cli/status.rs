//! `countersign status`

use std::collections::BTreeSet;

use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use crate::cli::args::{Global, Status as Args};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::{settings, show};
use crate::clock::SystemClock;
use crate::fault::Fault;
use crate::lineage::Stored;
use crate::name::LineageName;
use crate::plan::days;
use crate::port::{Clock, Inventory, Store};
use crate::report::finding::one_line;
use crate::report::served::Looks;
use crate::report::stamp;
use crate::report::terminal::Paint;
use crate::store::FileStore;
use crate::yaml::duration;

pub fn run(global: &Global, args: &Args, output: &Output) -> Exit {
    status(global, args, output).unwrap_or_else(|failure| failure.end("status", output))
}

fn status(global: &Global, args: &Args, output: &Output) -> Result<Exit, Failure> {
    let config = settings::load(global)?;
    let store = FileStore::open_read_only(&config.state)?;
    let (inventory, looks, now) = (store.observe()?, show::looks(&store), SystemClock.now());
    output.text(&text(&inventory, &looks, now, output.paint));
    let under = args.fail_under.map(|least| under(&inventory, least, now)).unwrap_or_default();
    let exit = if under.is_empty() { Exit::Done } else { Exit::Failed };
    let lineages: Vec<Value> =
        rows(&inventory).iter().map(|(name, state, stored)| object(name, state, stored, &inventory, &looks)).collect();
    let mut answer = json!({"exit": exit as u8, "lineages": lineages, "broken": inventory.broken});
    answer["placeholders"] = json!(inventory.placeholders);
    answer["waiting"] =
        waiting(&inventory).into_iter().map(|name| json!({"name": name, "waits": waits(&inventory, name)})).collect();
    if args.fail_under.is_some() {
        answer["under"] = json!(under);
    }
    output.json("status", answer);
    output.summary("status", exit, &summary(&inventory, args.fail_under, &under));
    Ok(exit)
}

/// A line for each lineage, and below it what is wrong with it.
fn text(inventory: &Inventory, looks: &Looks, now: OffsetDateTime, paint: Paint) -> String {
    let rows = rows(inventory);
    let waiting = waiting(inventory);
    let names = rows.iter().map(|(name, ..)| *name).chain(waiting.iter().copied()).chain(inventory.broken.keys());
    let width = names.map(|name| name.as_str().len()).max().unwrap_or(0);
    let mut out = String::new();
    for (name, state, stored) in &rows {
        out += &line(name, state, stored, width, now, paint);
        let not_served = looks.get(*name).filter(|_| *state == "live").into_iter().flatten();
        let not_served = not_served.filter_map(|look| Some((format!("not served: {look}"), look.fault.as_ref()?)));
        let failed = waits(inventory, name).zip(last(inventory, name));
        for (trouble, fault) in failed.into_iter().chain(not_served) {
            out += &format!("{:<width$}  {}\n", "", paint.bad(&one_line(&trouble)));
            out += &next(fault, width);
        }
    }
    for name in waiting {
        let why = waits(inventory, name).unwrap_or_else(|| "no certificate yet: `countersign plan` says why".into());
        out += &format!("{name:<width$}  {}  {}\n", paint.warn("waiting"), one_line(&why));
        out += &last(inventory, name).map(|fault| next(fault, width)).unwrap_or_default();
    }
    for (name, fault) in &inventory.broken {
        out += &format!("{name:<width$}  {}  {}\n", paint.bad("broken "), one_line(&fault.to_string()));
        out += &next(fault, width);
    }
    out
}

/// What to do about it, below the column of the states.
fn next(fault: &Fault, width: usize) -> String {
    fault.hint.as_ref().map(|hint| format!("{:<width$}  hint: {}\n", "", one_line(hint))).unwrap_or_default()
}

/// What the last order failed with.
fn last<'i>(inventory: &'i Inventory, name: &LineageName) -> Option<&'i Fault> {
    Some(&inventory.journal.get(name)?.failures.as_ref()?.last)
}

/// What has no certificate yet, as far as the store knows: with a placeholder, or with an order that failed.
fn waiting(inventory: &Inventory) -> BTreeSet<&LineageName> {
    let known = |name: &&LineageName| {
        inventory.live.contains_key(*name)
            || inventory.stash.contains_key(*name)
            || inventory.broken.contains_key(*name)
    };
    let failed = inventory.journal.values().filter(|entry| entry.failures.is_some()).map(|entry| &entry.lineage);
    inventory.placeholders.iter().chain(failed).filter(|name| !known(name)).collect()
}

/// Why the last order failed, and when it is tried again.
pub fn waits(inventory: &Inventory, name: &LineageName) -> Option<String> {
    let failures = inventory.journal.get(name)?.failures.as_ref()?;
    let times = if failures.count == 1 { "once".to_owned() } else { format!("{} times", failures.count) };
    Some(format!("failed {times}, next try {}: {}", stamp(failures.not_before), failures.last))
}

fn summary(inventory: &Inventory, least: Option<Duration>, under: &[&LineageName]) -> String {
    let (live, stashed, broken) = (inventory.live.len(), inventory.stash.len(), inventory.broken.len());
    let waiting = match waiting(inventory).len() {
        0 => String::new(),
        some => format!(", {some} without a certificate"),
    };
    let counts = format!("{live} live, {stashed} stashed, {broken} broken{waiting}");
    match least.filter(|_| !under.is_empty()) {
        Some(least) => {
            let names: Vec<&str> = under.iter().map(|name| name.as_str()).collect();
            format!("{counts}; less than {} left, revoked or none: {}", duration::format(least), names.join(", "))
        }
        None => counts,
    }
}

/// What is live and ends too soon or is revoked, and what is wanted and has no certificate that can be read.
fn under(inventory: &Inventory, least: Duration, now: OffsetDateTime) -> Vec<&LineageName> {
    let late = |stored: &Stored| stored.revoked.is_some() || stored.facts().not_after - now < least;
    let late = inventory.live.iter().filter(|(_, stored)| late(stored)).map(|(name, _)| name);
    late.chain(waiting(inventory)).chain(inventory.broken.keys()).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Live and stashed lineages by expiry.
fn rows(inventory: &Inventory) -> Vec<(&LineageName, &'static str, &Stored)> {
    let live = inventory.live.iter().map(|(name, stored)| (name, "live", stored));
    let stash = inventory.stash.iter().map(|(name, stored)| (name, "stashed", stored));
    let mut rows: Vec<_> = live.chain(stash).collect();
    rows.sort_by_key(|(name, _, stored)| (stored.facts().not_after, *name));
    rows
}

fn line(name: &LineageName, state: &str, stored: &Stored, width: usize, now: OffsetDateTime, paint: Paint) -> String {
    let facts = stored.facts();
    let left = facts.not_after - now;
    let left = match left {
        _ if stored.revoked.is_some() => paint.bad("revoked"),
        left if !left.is_positive() => paint.bad("expired"),
        left if left < facts.lifetime() / 6 => paint.bad(&format!("{:>4} left", days(left))),
        left if left < facts.lifetime() / 3 => paint.warn(&format!("{:>4} left", days(left))),
        left => paint.good(&format!("{:>4} left", days(left))),
    };
    let version = stored.meta.version;
    format!("{name:<width$}  {state:<7}  {left}  {}  v{version}  {}\n", facts.not_after.date(), one_line(&facts.issuer))
}

fn object(name: &LineageName, state: &str, stored: &Stored, inventory: &Inventory, looks: &Looks) -> Value {
    json!({
        "name": name,
        "state": state,
        "lineage_version": stored.meta.version,
        "not_after": stamp(stored.facts().not_after),
        "serial": stored.facts().serial,
        "revoked": stored.revoked,
        "issuer": stored.facts().issuer,
        "identifiers": stored.facts().identifiers,
        "waits": waits(inventory, name),
        "served": looks.get(name).filter(|_| state == "live"),
    })
}
