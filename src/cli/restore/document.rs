//! Restoring what `countersign export --with-keys` wrote.

use std::collections::BTreeSet;
use std::path::Path;

use zeroize::Zeroizing;

use super::{Row, Version, bring_back, unknown};
use crate::audit::{Chain, Kind, Record, chain::Extent};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::reports::Reports;
use crate::cli::session::Session;
use crate::cli::{export, source};
use crate::export::{Export, Kept, Rest};
use crate::fault::{Fault, Retry};
use crate::lineage::Pems;
use crate::name::LineageName;
use crate::port::{Accounts, Store};
use crate::report::Check;
use crate::store::Document;
use crate::trust::TrustState;

/// No export of any store is larger.
const MAX_BYTES: u64 = 1 << 30;

pub fn restore(
    session: &Session,
    source: Option<&Path>,
    names: &BTreeSet<LineageName>,
    reports: &mut Reports,
) -> Result<Vec<Row>, Failure> {
    let Some(source) = source else {
        let fault = Fault::new("restore:from-where", "there is nothing to restore from")
            .hint("name a file that `countersign export --with-keys` wrote, or give --from-bucket");
        return Err(Failure::new(Exit::Usage, Check::Completed, fault));
    };
    let export = Export::open(&read(source)?)?;
    if names.is_empty() && export.lineages.iter().any(|kept| kept.privkey.is_none()) {
        return Err(no_keys().into());
    }
    trust(session, &export, names, reports)?;
    let inventory = session.store.observe()?;
    let from = format!("an export of {}", export.made_at.date());
    let known: BTreeSet<LineageName> = export.lineages.iter().map(|kept| kept.meta.lineage.clone()).collect();
    let wanted = export.lineages.into_iter().filter(|kept| names.is_empty() || names.contains(&kept.meta.lineage));
    let mut rows: Vec<Row> = wanted
        .map(|kept| {
            let lineage = kept.meta.lineage.clone();
            match version(kept, &from) {
                Ok(version) => bring_back(session, &inventory, version),
                Err(fault) => Row { lineage, result: Err(fault) },
            }
        })
        .collect();
    rows.extend(names.difference(&known).map(|name| unknown(name, "the export")));
    Ok(rows)
}

fn read(source: &Path) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let file = if source.is_dir() { source.join(export::FILE) } else { source.to_owned() };
    let unreadable = || Fault::new("restore:unreadable", format!("failed to read {}", file.display()));
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
    let Kept { stashed, meta, cert, chain, privkey, published } = kept;
    let pems = Pems { privkey: privkey.ok_or_else(no_keys)?, cert, chain };
    Ok(Version { meta, pems, stashed, published: published.into_iter().collect(), from: from.to_owned() })
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
    if let Some(ledger) = &rest.ledger {
        session.store.write_json(Document::Ledger, ledger)?;
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
    session.store.append_audit(&[record], session.clock.now()).map(drop)
}

/// Accounts of authorities for which the store has none.
fn accounts(session: &Session, rest: &Rest) -> Result<(), Fault> {
    for account in &rest.accounts {
        let Some(key) = &account.key else { continue };
        let Some(authority) = session.config.authorities.get(&account.authority) else { continue };
        if session.store.load(&account.authority)?.is_none() {
            session.store.save_key(&account.authority, key)?;
            if let Some(url) = &account.url {
                session.store.save_url(&account.authority, &authority.directory, url)?;
            }
        }
    }
    Ok(())
}
