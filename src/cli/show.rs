//! `countersign show LINEAGE`: what the certificate says, and who authorised it.

use std::fmt::Write;

use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::bucket::layout;
use crate::cli::args::{Global, Show as Args};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::session::no_lineage;
use crate::cli::{settings, status, wire};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::fault::{Fault, Retry};
use crate::lineage::anchors::Anchors;
use crate::lineage::describe::{Description, describe};
use crate::lineage::{Meta, Origin, Revocation, Stored};
use crate::list::KeySource;
use crate::name::LineageName;
use crate::plan::days;
use crate::port::{Clock, Inventory, RenewalInfo, Store};
use crate::report::finding::one_line;
use crate::report::served::{Look, Looks};
use crate::report::stamp;
use crate::store::{Document, FileStore};

pub fn run(global: &Global, args: &Args, output: &Output) -> Exit {
    show(global, args, output).unwrap_or_else(|failure| failure.end("show", output))
}

/// Everything that is known about a lineage.
struct Shown {
    state: &'static str,
    stored: Stored,
    chain: Vec<Description>,
    /// The roots that the chain was held against, and what came of it.
    anchors: (String, Option<Fault>),
    ari: Option<RenewalInfo>,
    versions: Vec<u64>,
    /// Name and place of each bucket that holds this version.
    published: Vec<(String, String)>,
    /// What servers showed after the last apply.
    served: Vec<Look>,
    /// Why the last order failed, if it did.
    waits: Option<String>,
    /// The CA has not said yes to it yet.
    revocation: Option<Revocation>,
}

fn show(global: &Global, args: &Args, output: &Output) -> Result<Exit, Failure> {
    let config = settings::load(global)?;
    let store = FileStore::open_read_only(&config.state)?;
    let inventory = store.observe()?;
    let (name, state, stored) = find(&inventory, &args.lineage)?;
    let (leaf, chain) = store.certificates(&stored)?;
    let renewal_infos = store.renewal_infos()?;
    let fullchain = leaf + &chain;
    if args.chain {
        output.text(&fullchain);
        return Ok(Exit::Done);
    }
    let shown = Shown {
        state,
        chain: describe(&fullchain)?,
        anchors: trust(&config, &stored, &fullchain),
        ari: stored.facts().ari_id.as_ref().and_then(|id| renewal_infos.get(id)).cloned(),
        versions: store.versions(&name)?.iter().map(|stored| stored.meta.version).collect(),
        published: stored.published.keys().map(|bucket| (bucket.clone(), place(&config, bucket, &stored))).collect(),
        served: looks(&store).remove(&name).filter(|_| state == "live").unwrap_or_default(),
        waits: status::waits(&inventory, &name),
        revocation: pending(&inventory, &stored),
        stored,
    };
    output.text(&text(&shown, SystemClock.now()));
    output.json("show", object(&shown));
    let facts = shown.stored.facts();
    let version = shown.stored.meta.version;
    output.summary("show", Exit::Done, &format!("{name} v{version}, {state}, until {}", facts.not_after.date()));
    Ok(Exit::Done)
}

/// Holds the chain against the roots of its authority, or those of the web if the configuration names none.
fn trust(config: &Config, stored: &Stored, fullchain: &str) -> (String, Option<Fault>) {
    let own = wire::anchors(config).map(|mut all| all.remove(&stored.meta.authority));
    match own.map(|own| own.unwrap_or_else(Anchors::web)) {
        Ok(roots) => {
            let judged = roots.check(fullchain, &stored.facts().identifiers, SystemClock.now());
            (roots.name, judged.err())
        }
        Err(fault) => ("the configuration".into(), Some(Fault { causes: vec![fault.message.clone()], ..fault })),
    }
}

/// What servers showed when an apply looked last. A damaged file is only a loss: the next apply looks again.
pub fn looks(store: &FileStore) -> Looks {
    store.read_json(Document::Served).ok().flatten().unwrap_or_default()
}

fn pending(inventory: &Inventory, stored: &Stored) -> Option<Revocation> {
    let entry = inventory.journal.get(&stored.meta.lineage)?;
    entry.revocations.iter().find(|pending| pending.version == stored.meta.version).cloned()
}

fn find(inventory: &Inventory, text: &str) -> Result<(LineageName, &'static str, Stored), Fault> {
    let none = || no_lineage(text);
    let name = LineageName::parse(text).map_err(|error| none().caused_by(&error))?;
    if let Some(fault) = inventory.broken.get(&name) {
        return Err(fault.clone());
    }
    if inventory.placeholders.contains(&name) {
        let text = format!("`{name}` has a placeholder and no certificate yet");
        let why =
            status::waits(inventory, &name).unwrap_or_else(|| "`countersign plan` says what is to be done".into());
        return Err(Fault::new("store:no-lineage", text).hint(why).retry(Retry::Never));
    }
    let live = inventory.live.get(&name).map(|stored| ("live", stored));
    let stash = || inventory.stash.get(&name).map(|stored| ("stashed", stored));
    let (state, stored) = live.or_else(stash).ok_or_else(none)?;
    Ok((name, state, stored.clone()))
}

fn place(config: &Config, bucket: &str, stored: &Stored) -> String {
    let key = layout::version_prefix(stored);
    match config.buckets.get(bucket) {
        Some(bucket) => format!("s3://{}/{}{key}", bucket.bucket, bucket.prefix),
        None => key,
    }
}

/// Lines of a name and a value.
struct Rows(String);

impl Rows {
    fn row(&mut self, name: &str, value: &str) {
        let _ = writeln!(self.0, "  {name:<13} {}", one_line(value));
    }
}

fn text(it: &Shown, now: OffsetDateTime) -> String {
    let meta = &it.stored.meta;
    let mut rows = Rows(format!("{}  {}  version {}\n", meta.lineage, it.state, meta.version));
    certificate(it, now, &mut rows);
    chain(it, &mut rows);
    origin(meta, &mut rows);
    whereabouts(it, &mut rows);
    rows.0
}

fn certificate(it: &Shown, now: OffsetDateTime, rows: &mut Rows) {
    let facts = it.stored.facts();
    let leaf = it.chain.first();
    let names: Vec<&str> = facts.identifiers.iter().map(|name| name.as_str()).collect();
    let left = facts.not_after - now;
    let left = if left.is_positive() { format!("{} left", days(left)) } else { "expired".into() };
    let subject = leaf.map(|leaf| leaf.subject.as_str()).filter(|subject| !subject.is_empty()).unwrap_or("(empty)");
    rows.row("subject", subject);
    rows.row("names", &names.join(", "));
    rows.row("issuer", leaf.map_or(&facts.issuer, |leaf| &leaf.issuer));
    rows.row("valid", &format!("{} to {} ({left})", stamp(facts.not_before), stamp(facts.not_after)));
    rows.row("serial", &facts.serial);
    if let Some(revoked) = &it.stored.revoked {
        rows.row("revoked", &format!("{} ({})", stamp(revoked.at), revoked.reason));
    }
    if let Some(pending) = &it.revocation {
        rows.row("revocation", &format!("not done yet ({}), the next apply asks again", pending.reason));
    }
    rows.row("fingerprint", &facts.fingerprint.to_string());
    let key = facts.key.map_or("other", |key| key.as_str());
    match &it.stored.meta.key_source {
        KeySource::New => rows.row("key", key),
        source => rows.row("key", &format!("{key}, {source}")),
    }
    match &it.ari {
        Some(info) => rows.row("ari window", &format!("{} to {}", stamp(info.start), stamp(info.end))),
        None => rows.row("ari window", "not known"),
    }
}

fn chain(it: &Shown, rows: &mut Rows) {
    for (at, link) in it.chain.iter().enumerate().skip(1) {
        rows.row(if at == 1 { "chain" } else { "" }, &format!("{}, until {}", link.subject, link.not_after.date()));
    }
    match &it.anchors {
        (roots, None) => rows.row("trust", &format!("leads to a root of {roots}")),
        (roots, Some(fault)) => {
            let why: String = fault.causes.iter().map(|cause| format!(": {cause}")).collect();
            rows.row("trust", &format!("leads to no root of {roots}{why}"));
        }
    }
}

/// Who authorised it, and where it is from.
fn origin(meta: &Meta, rows: &mut Rows) {
    let provenance = &meta.provenance;
    rows.row("authorised", &format!("commit {}", provenance.commit));
    provenance.signers.iter().for_each(|signer| rows.row("  signed by", signer));
    provenance.approvals.iter().for_each(|approval| rows.row("  approved by", approval));
    rows.row("  list", &provenance.list.to_string());
    rows.row("  trust root", &provenance.trust_root.to_string());
    rows.row("  policy", &provenance.policy.as_ref().map_or("none".into(), ToString::to_string));
    match &meta.origin {
        Origin::Ordered => rows.row("ordered at", &format!("{} ({})", meta.authority, meta.directory)),
        Origin::Imported(from) => rows.row("imported", &format!("from {from}")),
        Origin::Provided { word, .. } => {
            rows.row("provided", &format!("by the runner as `{word}`, and never ordered"));
        }
    }
    if !meta.order_url.is_empty() {
        rows.row("order", &meta.order_url);
    }
}

fn whereabouts(it: &Shown, rows: &mut Rows) {
    rows.row("stored", &stamp(it.stored.meta.stored_at));
    for (bucket, place) in &it.published {
        rows.row("published", &format!("{bucket}  {place}"));
    }
    if it.published.is_empty() {
        rows.row("published", "nowhere");
    }
    for look in &it.served {
        rows.row("served", &format!("{look} (seen {})", stamp(look.time)));
    }
    let versions: Vec<String> = it.versions.iter().map(u64::to_string).collect();
    rows.row("versions", &versions.join(" "));
    if let Some(waits) = &it.waits {
        rows.row("renewal", waits);
    }
}

fn object(shown: &Shown) -> Value {
    let (meta, facts) = (&shown.stored.meta, shown.stored.facts());
    let published: Vec<Value> =
        shown.published.iter().map(|(bucket, place)| json!({"bucket": bucket, "place": place})).collect();
    json!({
        "exit": 0,
        "name": meta.lineage,
        "state": shown.state,
        "lineage_version": meta.version,
        "certificate": facts,
        "key_source": meta.key_source,
        "chain": shown.chain,
        "trust": {"roots": shown.anchors.0, "fault": shown.anchors.1},
        "ari_window": shown.ari,
        "provenance": meta.provenance,
        "authority": meta.authority,
        "directory": meta.directory,
        "order_url": meta.order_url,
        "certificate_url": meta.certificate_url,
        "stored_at": stamp(meta.stored_at),
        "published": published,
        "served": shown.served,
        "versions": shown.versions,
        "waits": shown.waits,
        "revoked": shown.stored.revoked,
        "revocation_pending": shown.revocation,
    })
}
