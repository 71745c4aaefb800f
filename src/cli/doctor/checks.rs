//! What this machine alone can tell.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use super::{Checked, Sheet, State};
use crate::audit::findings::Finding;
use crate::cli::output::counted;
use crate::cli::{audit, source};
use crate::config::Config;
use crate::diag::Severity;
use crate::fault::Fault;
use crate::port::Store;
use crate::store::FileStore;
use crate::store::lock::Lock;
use crate::trust::TrustRoot;

/// User, trust files, store, lock and log. `None` if a run could not even begin.
pub fn local(config: &Config, sheet: &mut Sheet<'_>) -> Option<(TrustRoot, Arc<FileStore>)> {
    if fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0) {
        sheet.add(Checked::warn("user", "this is root", "run as a user of its own that owns the state directory"));
    }
    let root = trust(config, sheet);
    let store = store(config, sheet);
    match Lock::holder(&config.state) {
        None if store.is_none() => {
            sheet.add(Checked::warn("lock", "not looked at: the store cannot be read", "mend the store first"));
        }
        None => sheet.add(Checked::ok("lock", "free")),
        Some(holder) => {
            let fact = format!("`{}` runs: process {} on {}", holder.operation, holder.pid, holder.host);
            sheet.add(Checked::warn("lock", fact, "wait until that run has ended"));
        }
    }
    let (root, store) = (root?, store?);
    log(&root, &store, sheet);
    Some((root, store))
}

fn trust(config: &Config, sheet: &mut Sheet<'_>) -> Option<TrustRoot> {
    match source::trust_root(config) {
        Ok(root) => {
            let (keys, authorities) = (root.signers.iter().count(), root.signers.authorities().count());
            let keys = counted(keys, "key");
            let pinned =
                if authorities == 0 { String::new() } else { format!(", {authorities} authorities may certify") };
            sheet.add(Checked::ok("trust", format!("{keys} may sign{pinned}, {} are revoked", root.revoked.len())));
            Some(root)
        }
        Err(failure) => {
            sheet.output.error(&failure.details);
            sheet.add(Checked::of("trust", State::Fail, &failure.fault));
            None
        }
    }
}

fn store(config: &Config, sheet: &mut Sheet<'_>) -> Option<Arc<FileStore>> {
    let store = match FileStore::open_read_only(&config.state) {
        Ok(store) => store,
        Err(fault) => {
            sheet.add(Checked::of("store", State::Fail, &fault));
            return None;
        }
    };
    if !config.state.exists() {
        sheet.add(Checked::ok("store", "there is none yet; the first run makes it"));
        return Some(Arc::new(store));
    }
    let open = open_to_others(&config.state);
    for path in open.iter().take(5) {
        let fix = format!("make sure that nobody used it, then `chmod go= {path}`");
        sheet.add(Checked::fail("store", format!("{path} is open to others"), fix));
    }
    match store.observe() {
        Ok(inventory) => {
            for (lineage, fault) in &inventory.broken {
                let fault = Fault { message: format!("`{lineage}`: {}", fault.message), ..fault.clone() };
                sheet.add(Checked::of("store", State::Fail, &fault));
            }
            let (live, stashed) = (inventory.live.len(), inventory.stash.len());
            if open.is_empty() && inventory.broken.is_empty() {
                sheet
                    .add(Checked::ok("store", format!("{live} live, {stashed} stashed; only its owner may read keys")));
            }
        }
        Err(fault) => sheet.add(Checked::of("store", State::Fail, &fault)),
    }
    Some(Arc::new(store))
}

/// The root and private files that group or others may use.
fn open_to_others(state: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut look = |path: &Path| {
        let mode = path.symlink_metadata().map(|about| about.permissions().mode() & 0o077);
        if mode.is_ok_and(|mode| mode != 0) {
            found.push(path.display().to_string());
        }
    };
    look(state);
    let mut folders = ["archive", "stash", "journal", "accounts", "quarantine"].map(|name| state.join(name)).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let private =
                name == "privkey.pem" || name == "key.pem" || path.extension().is_some_and(|end| end == "key");
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => {
                    look(&path);
                    folders.push(path);
                }
                Ok(kind) if kind.is_file() && private => look(&path),
                _ => {}
            }
        }
    }
    found
}

fn log(root: &TrustRoot, store: &FileStore, sheet: &mut Sheet<'_>) {
    let read = store.audit().and_then(|chain| Ok((chain, store.observe()?)));
    let (chain, inventory) = match read {
        Ok(read) => read,
        Err(fault) => return sheet.add(Checked::of("audit", State::Fail, &fault)),
    };
    let found = audit::offline(root, &chain, &inventory);
    if found.is_empty() {
        let fact = format!("{} entries; verified commits authorised everything live", chain.entries.len());
        sheet.add(Checked::ok("audit", fact));
    }
    for Finding { severity, fault } in found {
        let state = if severity == Severity::Error { State::Fail } else { State::Warn };
        sheet.add(Checked::of("audit", state, &fault));
    }
}
