//! `countersign status`

use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::cli::args::Global;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::settings;
use crate::clock::SystemClock;
use crate::lineage::Stored;
use crate::name::LineageName;
use crate::plan::days;
use crate::port::{Clock, Inventory, Store};
use crate::report::stamp;
use crate::report::terminal::{Paint, plain};
use crate::store::FileStore;

pub fn run(global: &Global, output: &Output) -> Exit {
    match status(global, output) {
        Ok(exit) => exit,
        Err(failure) => {
            failure.show("status", output);
            output.summary("status", failure.exit, &failure.summary());
            failure.exit
        }
    }
}

fn status(global: &Global, output: &Output) -> Result<Exit, Failure> {
    let config = settings::load(global)?;
    let inventory = FileStore::open_read_only(&config.state)?.observe()?;
    let now = SystemClock.now();
    let rows = rows(&inventory);
    let width = rows.iter().map(|(name, ..)| name.as_str().len()).max().unwrap_or(0);
    for (name, state, stored) in &rows {
        output.text(&line(name, state, stored, width, now, output.paint));
    }
    for (name, fault) in &inventory.broken {
        output.text(&format!("{name:<width$}  {}  {}\n", output.paint.bad("broken "), plain(&fault.to_string())));
    }
    let lineages: Vec<Value> = rows.iter().map(|(name, state, stored)| object(name, state, stored)).collect();
    output.json("status", json!({"exit": 0, "lineages": lineages, "broken": inventory.broken}));
    let (live, stashed, broken) = (inventory.live.len(), inventory.stash.len(), inventory.broken.len());
    output.summary("status", Exit::Done, &format!("{live} live, {stashed} stashed, {broken} broken"));
    Ok(Exit::Done)
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
    format!("{name:<width$}  {state:<7}  {left}  {}  v{version}  {}\n", facts.not_after.date(), plain(&facts.issuer))
}

fn object(name: &LineageName, state: &str, stored: &Stored) -> Value {
    json!({
        "name": name,
        "state": state,
        "lineage_version": stored.meta.version,
        "not_after": stamp(stored.facts().not_after),
        "serial": stored.facts().serial,
        "revoked": stored.revoked,
        "issuer": stored.facts().issuer,
        "identifiers": stored.facts().identifiers,
    })
}
