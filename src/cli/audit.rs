//! `countersign audit`: the log, and what it does not explain. Takes no lock and changes nothing.

use serde_json::json;

use crate::audit::findings::{self, Finding};
use crate::audit::{Chain, Entry, copy};
use crate::cli::args::{Audit as Args, Global};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, counted};
use crate::cli::runtime::runtime;
use crate::cli::{settings, source, wire};
use crate::config::Config;
use crate::diag::Severity;
use crate::port::{Inventory, Store};
use crate::report::stamp;
use crate::report::terminal::{self, Paint, plain};
use crate::store::FileStore;
use crate::trust::TrustRoot;

pub fn run(global: &Global, args: &Args, output: &Output) -> Exit {
    audit(global, args, output).unwrap_or_else(|failure| failure.end("audit", output))
}

fn audit(global: &Global, args: &Args, output: &Output) -> Result<Exit, Failure> {
    let config = settings::load(global)?;
    let store = FileStore::open_read_only(&config.state)?;
    let (chain, inventory) = (store.audit()?, store.observe()?);
    let mut found = offline(&source::trust_root(&config)?, &chain, &inventory);
    if args.online {
        found.extend(runtime()?.block_on(online(&config, &chain, &inventory)));
    } else if !config.buckets.is_empty() {
        output.text("note: buckets are not looked at without --online\n");
    }
    for entry in &chain.entries {
        output.text(&line(entry, output.paint));
    }
    for finding in &found {
        output.text(&finding_text(finding, output.paint));
    }
    let errors = found.iter().filter(|finding| finding.severity == Severity::Error).count();
    let exit = if errors > 0 { Exit::Failed } else { Exit::Done };
    output
        .json("audit", json!({"exit": exit as u8, "head": chain.head(), "entries": chain.entries, "findings": found}));
    let whole = if chain.breaks.is_empty() { "the chain holds" } else { "the chain is BROKEN" };
    let counts = match found.len() {
        0 => "no findings".to_owned(),
        some => format!("{}, {errors} bad", counted(some, "finding")),
    };
    output.summary("audit", exit, &format!("{}, {whole}; {counts}", counted(chain.entries.len(), "entry")));
    Ok(exit)
}

/// What the store alone shows.
pub fn offline(root: &TrustRoot, chain: &Chain, inventory: &Inventory) -> Vec<Finding> {
    let mut found = findings::chain(chain);
    found.extend(findings::signers(inventory, &root.signers, &root.revoked));
    found.extend(findings::folders(chain, inventory));
    found
}

/// What the buckets show. One that cannot be looked at is a finding too.
async fn online(config: &Config, chain: &Chain, inventory: &Inventory) -> Vec<Finding> {
    let mut found = Vec::new();
    for (name, (bucket, _)) in wire::buckets(config).await {
        match bucket.list().await {
            Ok(listing) => found.extend(findings::prefixes(chain, inventory, &name, &listing)),
            Err(fault) => {
                found.push(Finding::error(fault));
                continue;
            }
        }
        found.extend(copy::compare(bucket.as_ref(), chain).await.err().map(Finding::error));
    }
    found
}

fn line(entry: &Entry, paint: Paint) -> String {
    let record = &entry.record;
    let mut facts: Vec<String> = Vec::new();
    facts.extend(record.lineage.as_ref().map(ToString::to_string));
    facts.extend(record.lineage_version.map(|version| format!("v{version}")));
    facts.extend(record.serial.as_ref().map(|serial| format!("serial {serial}")));
    facts.extend(record.bucket.as_ref().map(|bucket| format!("in {bucket}")));
    facts.extend(record.head.as_ref().map(|head| format!("commit {}", head.short())));
    if let Some(by) = &record.by {
        facts.push(format!("commit {}", by.commit.short()));
        facts.extend(by.signers.iter().cloned());
        facts.extend(by.approvals.iter().map(|approval| format!("approved by {approval}")));
    }
    facts.extend(record.result.clone());
    let kind = format!("{:<9}", record.kind);
    format!("{:>5}  {}  {}  {}\n", entry.seq, stamp(entry.time), paint.bold(&kind), plain(&facts.join("  ")))
}

/// One finding for people.
fn finding_text(finding: &Finding, paint: Paint) -> String {
    let word = match finding.severity {
        Severity::Error => paint.bad("FINDING"),
        Severity::Warning => paint.warn("note   "),
    };
    let fault = &finding.fault;
    format!("{word}  {}\n{}", plain(&fault.to_string()), terminal::details(fault, "         "))
}
