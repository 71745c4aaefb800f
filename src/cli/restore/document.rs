//! Restoring what `countersign export --with-keys` wrote.

use std::collections::BTreeSet;
use std::path::Path;

use tracing::warn;
use zeroize::Zeroizing;

use super::{Became, Row, Version, bring_back, unknown};
use crate::audit::{Chain, Kind, Record, chain::Extent, record};
use crate::cli::failure::Failure;
use crate::cli::reports::Reports;
use crate::cli::session::Session;
use crate::cli::{export, source};
use crate::export::{Export, Kept, Rest, Waiting};
use crate::fault::{Fault, Retry};
use crate::lineage::{Pems, Stored};
use crate::name::LineageName;
use crate::port::{Accounts, Inventory, Store};
use crate::store::Document;
use crate::trust::TrustState;

/// No export of any store is larger.
const MAX_BYTES: u64 = 1 << 30;

pub fn restore(
    session: &Session,
    source: &Path,
    names: &BTreeSet<LineageName>,
    reports: &mut Reports,
) -> Result<Vec<Row>, Failure> {
    let export = Export::open(&read(source)?)?;
    if names.is_empty() && !export.has_keys() {
        return Err(no_keys().into());
    }
    trust(session, &export, names, reports)?;
    let inventory = session.store.observe()?;
    let from = format!("an export of {}", export.made_at.date());
    let lineages = export.lineages.iter().map(|kept| &kept.meta.lineage);
    let known: BTreeSet<LineageName> =
        lineages.chain(export.imported.iter().map(|waiting| &waiting.imported.lineage)).cloned().collect();
    let wanted = |name: &LineageName| names.is_empty() || names.contains(name);
    let mut rows = Vec::new();
    for kept in export.lineages.into_iter().filter(|kept| wanted(&kept.meta.lineage)) {
        let lineage = kept.meta.lineage.clone();
        rows.push(match version(kept, &from) {
            Ok(version) => bring_back(session, &inventory, version),
            Err(fault) => Row { lineage, result: Err(fault) },
        });
    }
    for waiting in export.imported.into_iter().filter(|waiting| wanted(&waiting.imported.lineage)) {
        rows.push(Row { lineage: waiting.imported.lineage.clone(), result: import(session, &inventory, waiting) });
    }
    rows.extend(names.difference(&known).map(|name| unknown(name, "the export")));
    Ok(rows)
}

/// One that waited there waits here.
fn import(session: &Session, inventory: &Inventory, waiting: Waiting) -> Result<Became, Fault> {
    let Waiting { imported, cert, chain, privkey } = waiting;
    let lineage = &imported.lineage;
    let waits = inventory.imported.get(lineage).map(|held| &held.facts);
    let held = [&inventory.live, &inventory.stash, &inventory.set_aside];
    if held
        .into_iter()
        .filter_map(|held| held.get(lineage))
        .map(Stored::facts)
        .chain(waits)
        .any(|held| *held == imported.facts)
    {
        return Ok(Became::Have);
    }
    if waits.is_some_and(|held| held.not_after >= imported.facts.not_after) {
        return Ok(Became::Older);
    }
    let privkey = (!imported.keyless).then(|| privkey.ok_or_else(no_keys)).transpose()?;
    session.store.add_imported(&imported, &Pems { privkey, cert, chain })?;
    session.note(&[record::imported(&imported)])?;
    Ok(Became::Waits)
}

fn read(source: &Path) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let file = if source.is_dir() { source.join(export::FILE) } else { source.to_owned() };
    let unreadable = || {
        Fault::new("restore:unreadable", format!("failed to read {}", file.display()))
            .hint("name a file or folder that `countersign export --with-keys --out PATH` wrote")
    };
    let found = std::fs::metadata(&file).map_err(|error| unreadable().caused_by(&error))?;
    if !found.is_file() || found.len() > MAX_BYTES {
        return Err(unreadable().hint("it is no file, or larger than 1 GiB").retry(Retry::Never));
    }
    std::fs::read(&file).map(Zeroizing::new).map_err(|error| unreadable().caused_by(&error))
}

fn no_keys() -> Fault {
    Fault::new("restore:no-keys", "the export holds no private keys")
        .hint("make one that does, on the other machine: `countersign export --with-keys --out FILE`")
        .retry(Retry::Never)
}

fn version(kept: Kept, from: &str) -> Result<Version, Fault> {
    let Kept { stashed, meta, cert, chain, privkey, published, revoked, below } = kept;
    let privkey = meta.has_key().then(|| privkey.ok_or_else(no_keys)).transpose()?;
    let pems = Pems { privkey, cert, chain };
    let below = below.map(|kept| version(*kept, from)).transpose()?.map(Box::new);
    let (published, from) = (published.into_iter().collect(), from.to_owned());
    Ok(Version { meta, pems, stashed, published, revoked, below, from })
}

/// Lineages need a trust state, or the next run refuses the store. The one of a whole store moves with it; else the
/// config repo is verified from the introduction on, as on any new machine.
fn trust(
    session: &Session,
    export: &Export,
    names: &BTreeSet<LineageName>,
    reports: &mut Reports,
) -> Result<(), Failure> {
    let rest = export.store.as_ref().filter(|_| names.is_empty());
    if session.store.read_json::<TrustState>(Document::TrustState)?.is_some() {
        return Ok(rest.map(|rest| accounts(session, rest)).transpose().map(drop)?);
    }
    let Some((rest, state)) = rest.and_then(|rest| Some((rest, rest.trust_state.as_ref()?))) else {
        return source::fetch(session, reports).map(drop);
    };
    let state: TrustState = serde_json::from_value(state.clone()).map_err(|_| {
        Fault::new("restore:damaged", "the trust state of the export cannot be read").retry(Retry::Never)
    })?;
    audit(session, rest)?;
    accounts(session, rest)?;
    for (document, value) in [(Document::Ledger, &rest.ledger), (Document::FirstSeen, &rest.first_seen)] {
        if let Some(value) = value {
            session.store.write_json(document, value)?;
        }
    }
    Ok(session.store.write_json(Document::TrustState, &state)?)
}

/// The log goes on. If this store has begun one of its own, that one says which it goes on for.
fn audit(session: &Session, rest: &Rest) -> Result<(), Fault> {
    if rest.audit.is_empty() || session.store.audit_text()?.starts_with(&rest.audit) {
        return Ok(());
    }
    if session.store.begin_audit(&rest.audit)? {
        return Ok(());
    }
    let moved = Chain::read(rest.audit.as_bytes(), Extent::Whole);
    let result = Some("the log of the store that was moved here is not part of this one".to_owned());
    let record = Record { replaces: moved.head().cloned(), result, ..Record::new(Kind::Restored) };
    session.note(&[record]).map(drop)
}

/// Accounts of authorities for which the store has none. Of any other the operator is told.
fn accounts(session: &Session, rest: &Rest) -> Result<(), Fault> {
    for account in &rest.accounts {
        let Some(key) = &account.key else { continue };
        let name = &account.authority;
        let Some(authority) = session.config.authorities.get(name) else {
            warn!("the account of `{name}` was not restored: the runner's config has no such authority");
            continue;
        };
        match session.store.load(name)? {
            Some(kept) if kept.key != *key => warn!("the account of `{name}` that is here is kept"),
            Some(_) => {}
            None => {
                session.store.save_key(name, key)?;
                if let Some(url) = account.url.as_ref().filter(|url| origin(url) == origin(&authority.directory)) {
                    session.store.save_url(name, &authority.directory, url)?;
                    account.next.iter().try_for_each(|next| session.store.save_next_key(name, next))?;
                }
            }
        }
    }
    Ok(())
}

/// Scheme and host of a URL. A CA's account is of no use at another one; without its URL the CA is asked for it.
fn origin(url: &str) -> Vec<&str> {
    url.splitn(4, '/').take(3).collect()
}
