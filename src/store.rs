//! The lineage store on disk. `docs/store.md` is its specification.

mod accounts;
mod audit;
mod entries;
mod imported;
pub mod layout;
pub mod lock;
mod placeholder;
mod prune;
mod read;
mod tree;
mod versions;
pub mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use tracing::{debug, info, warn};

use crate::audit::{Chain, Head, Record};
use crate::fault::{Fault, Retry};
use crate::journal::Entry;
use crate::ledger::{self, Ledger};
use crate::lineage::{Etags, Imported, Meta, Pems, Revoked, Stored};
use crate::name::LineageName;
use crate::port::{Accounts, Inventory, KeptAccount, RenewalInfo, Store};
use crate::secret::Secret;
use layout::Layout;

pub use layout::Document;
pub use tree::free;

/// The store below one folder. Whoever writes holds the [`lock::Lock`]; whoever reads needs none.
#[derive(Debug)]
pub struct FileStore {
    layout: Layout,
    access: Access,
    /// `published.json` is read, changed and written; two buckets of one version may come at once.
    publishing: Mutex<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

impl FileStore {
    /// Opens the store at `root` for writing, and makes what is missing of it: folders 0700 whatever the umask.
    ///
    /// # Errors
    /// `store:unwritable`, `store:foreign` (a link or somebody else's folder where the store wants its own, or
    /// other things than a store), `store:newer-schema`.
    pub fn open(root: &Path) -> Result<Self, Fault> {
        Ok(Self::new(tree::prepare(root)?, Access::Write))
    }

    /// Opens the store at `root` without making or changing anything. A store that is not there is an empty one.
    ///
    /// # Errors
    /// `store:newer-schema`. Every later write is refused with `store:read-only`.
    pub fn open_read_only(root: &Path) -> Result<Self, Fault> {
        let layout = Layout::new(root);
        tree::check_schema(&layout)?;
        Ok(Self::new(layout, Access::Read))
    }

    /// One of the single files at the top of the store, or `None` if there is none.
    pub fn read_json<T: DeserializeOwned>(&self, document: Document) -> Result<Option<T>, Fault> {
        read::json(&self.layout.document(document))
    }

    /// Replaces one of the single files at the top of the store, durably.
    pub fn write_json<T: Serialize>(&self, document: Document, value: &T) -> Result<(), Fault> {
        write::file(&self.writable()?.document(document), &write::pretty(value), write::PRIVATE)
    }

    /// Removes one of the single files at the top of the store, if it is there.
    pub fn remove_document(&self, document: Document) -> Result<(), Fault> {
        write::remove(&self.writable()?.document(document))
    }

    /// Brings a version back, from a bucket or an export, and swaps `live` to it. It keeps its number unless a later one
    /// was used here.
    pub fn restore(&self, meta: Meta, pems: &Pems) -> Result<Stored, Fault> {
        versions::restore(self.writable()?, meta, pems)
    }

    /// Lengthens the audit log, durably, and gives its new end. Nothing that stands there is ever rewritten.
    pub fn append_audit(&self, records: &[Record], now: OffsetDateTime) -> Result<Option<Head>, Fault> {
        audit::append(self.writable()?, records, now)
    }

    /// The bytes of the audit log, as a text.
    pub fn audit_text(&self) -> Result<String, Fault> {
        Ok(read::text(&self.layout.audit())?.unwrap_or_default())
    }

    /// Begins the audit log with what another store wrote. Says whether it did: there must be none yet.
    pub fn begin_audit(&self, text: &str) -> Result<bool, Fault> {
        let path = self.writable()?.audit();
        if path.symlink_metadata().is_ok() {
            return Ok(false);
        }
        write::new_file(&path, text.as_bytes()).map(|()| true)
    }

    /// Authorities that have an account here.
    pub fn authorities(&self) -> Result<Vec<String>, Fault> {
        read::names(&self.layout.folder("accounts"))
    }

    /// The whole audit log.
    pub fn audit(&self) -> Result<Chain, Fault> {
        audit::whole(&self.layout)
    }

    /// The last entries of the audit log: all of them while it is short.
    pub fn audit_tail(&self) -> Result<Chain, Fault> {
        audit::tail(&self.layout)
    }

    /// Leaf and chain of a version in PEM, without its key.
    pub fn certificates(&self, stored: &Stored) -> Result<(String, String), Fault> {
        versions::certificates(&self.layout, stored)
    }

    fn new(layout: Layout, access: Access) -> Self {
        Self { layout, access, publishing: Mutex::new(()) }
    }

    fn writable(&self) -> Result<&Layout, Fault> {
        match self.access {
            Access::Write => Ok(&self.layout),
            Access::Read => Err(Fault::new("store:read-only", "the store was opened for reading").retry(Retry::Never)),
        }
    }

    /// Lineages that have a name in one of the store's folders.
    fn named_in(&self, folder: &str) -> Result<BTreeSet<LineageName>, Fault> {
        let names = read::names(&self.layout.folder(folder))?;
        Ok(names.iter().filter_map(|name| LineageName::parse(name).ok()).collect())
    }
}

impl Store for FileStore {
    fn observe(&self) -> Result<Inventory, Fault> {
        let mut inventory = Inventory::default();
        let linked = self.named_in("live")?;
        for lineage in &linked {
            sort_in(versions::live(&self.layout, lineage), lineage, &mut inventory.live, &mut inventory.broken);
        }
        let stashed = self.named_in("stash")?;
        let unlinked = self.named_in("archive")?.difference(&linked).cloned().collect();
        for lineage in stashed.union(&unlinked) {
            sort_in(versions::stashed(&self.layout, lineage), lineage, &mut inventory.stash, &mut inventory.broken);
        }
        let others = |found: &BTreeMap<LineageName, Stored>| -> Vec<LineageName> {
            found.iter().filter(|(_, stored)| !stored.is_ours()).map(|(lineage, _)| lineage.clone()).collect()
        };
        for lineage in others(&inventory.live).iter().chain(&others(&inventory.stash)) {
            match versions::set_aside(&self.layout, lineage) {
                Ok(found) => inventory.set_aside.extend(found.map(|stored| (lineage.clone(), stored))),
                Err(fault) => warn!(%lineage, "an earlier version cannot be read: {fault}"),
            }
        }
        for lineage in &self.named_in("imported")? {
            match imported::waiting(&self.layout, lineage) {
                Ok(found) => inventory.imported.extend(found.map(|imported| (lineage.clone(), imported))),
                // What is live goes on; otherwise a person must say that the import is given up.
                Err(fault) if inventory.live.contains_key(lineage) => warn!(%lineage, "{fault}"),
                Err(fault) => drop(inventory.broken.entry(lineage.clone()).or_insert(fault)),
            }
        }
        inventory.placeholders = placeholder::all(&self.layout)?.into_iter().collect();
        for lineage in &entries::lineages(&self.layout)? {
            sort_in(entries::entry(&self.layout, lineage), lineage, &mut inventory.journal, &mut inventory.broken);
        }
        debug!(live = inventory.live.len(), stash = inventory.stash.len(), broken = inventory.broken.len(), "observed");
        Ok(inventory)
    }

    fn has_room_for(&self, orders: usize) -> Result<(), Fault> {
        tree::has_room_for(&self.layout, orders)
    }

    fn write_entry(&self, entry: &Entry) -> Result<(), Fault> {
        entries::write_entry(self.writable()?, entry)
    }

    fn remove_entry(&self, lineage: &LineageName) -> Result<(), Fault> {
        entries::remove_entry(self.writable()?, lineage)
    }

    fn write_attempt_key(&self, lineage: &LineageName, key: &Secret) -> Result<(), Fault> {
        entries::write_attempt_key(self.writable()?, lineage, key)
    }

    fn attempt_key(&self, lineage: &LineageName) -> Result<Option<Secret>, Fault> {
        entries::attempt_key(&self.layout, lineage)
    }

    fn deploy(&self, meta: Meta, pems: &Pems) -> Result<Stored, Fault> {
        let stored = versions::deploy(self.writable()?, meta, pems)?;
        debug!(lineage = %stored.meta.lineage, version = stored.meta.version, "deployed");
        Ok(stored)
    }

    fn quarantine(&self, lineage: &LineageName, pems: &Pems, why: &Fault) -> Result<(), Fault> {
        let path = versions::quarantine(self.writable()?, lineage, pems, why)?;
        warn!(%lineage, code = why.code, path = %path.display(), "quarantined");
        Ok(())
    }

    fn pems(&self, stored: &Stored) -> Result<Pems, Fault> {
        versions::pems(&self.layout, stored)
    }

    fn record_published(&self, stored: &Stored, bucket: &str, etags: &Etags) -> Result<(), Fault> {
        let layout = self.writable()?;
        let _one_at_a_time = self.publishing.lock().unwrap_or_else(PoisonError::into_inner);
        versions::record_published(layout, &stored.meta, bucket, etags)
    }

    fn version(&self, lineage: &LineageName, version: u64) -> Result<Option<Stored>, Fault> {
        versions::numbered(&self.layout, lineage, version)
    }

    fn versions(&self, lineage: &LineageName) -> Result<Vec<Stored>, Fault> {
        versions::all(&self.layout, lineage)
    }

    fn record_revoked(&self, stored: &Stored, revoked: &Revoked) -> Result<(), Fault> {
        versions::record_revoked(self.writable()?, &stored.meta, revoked)
    }

    fn stash(&self, lineage: &LineageName) -> Result<(), Fault> {
        versions::stash(self.writable()?, lineage)
    }

    fn unstash(&self, lineage: &LineageName) -> Result<(), Fault> {
        versions::unstash(self.writable()?, lineage)
    }

    fn discard_stash(&self, lineage: &LineageName) -> Result<(), Fault> {
        versions::discard_stash(self.writable()?, lineage)?;
        info!(%lineage, "the stashed certificate has expired: deleted");
        Ok(())
    }

    fn redeploy(&self, lineage: &LineageName, version: u64) -> Result<Stored, Fault> {
        versions::redeploy(self.writable()?, lineage, version)
    }

    fn prune(&self, lineage: &LineageName, keep: usize, spared: &BTreeSet<u64>) -> Result<Vec<u64>, Fault> {
        let pruned = prune::prune(self.writable()?, lineage, keep, spared)?;
        if !pruned.is_empty() {
            info!(%lineage, ?pruned, "old versions are deleted");
        }
        Ok(pruned)
    }

    fn add_imported(&self, imported: &Imported, pems: &Pems) -> Result<(), Fault> {
        imported::add(self.writable()?, imported, pems)
    }

    fn imported(&self, lineage: &LineageName) -> Result<Option<(Imported, Pems)>, Fault> {
        imported::load(&self.layout, lineage)
    }

    fn remove_imported(&self, lineage: &LineageName) -> Result<(), Fault> {
        imported::remove(self.writable()?, lineage)
    }

    fn add_placeholder(&self, lineage: &LineageName, pems: &Pems) -> Result<bool, Fault> {
        placeholder::add(self.writable()?, lineage, pems)
    }

    fn remove_placeholder(&self, lineage: &LineageName) -> Result<(), Fault> {
        placeholder::remove(self.writable()?, lineage)
    }

    fn renewal_infos(&self) -> Result<BTreeMap<String, RenewalInfo>, Fault> {
        let infos = self.read_json(Document::Ari);
        // The CA tells it all again: a damaged file costs questions, not a run.
        Ok(infos
            .unwrap_or_else(|fault| {
                warn!(%fault, "renewal information from earlier runs is lost");
                None
            })
            .unwrap_or_default())
    }

    fn write_renewal_infos(&self, infos: &BTreeMap<String, RenewalInfo>) -> Result<(), Fault> {
        self.write_json(Document::Ari, infos)
    }

    fn ledger(&self) -> Result<Ledger, Fault> {
        let path = self.layout.document(Document::Ledger);
        Ok(read::versioned_json(&path, ledger::SCHEMA)?.unwrap_or_default())
    }

    fn write_ledger(&self, ledger: &Ledger) -> Result<(), Fault> {
        self.write_json(Document::Ledger, ledger)
    }
}

impl Accounts for FileStore {
    fn load(&self, authority: &str) -> Result<Option<KeptAccount>, Fault> {
        accounts::load(&self.layout, authority)
    }

    fn save_key(&self, authority: &str, key: &Secret) -> Result<(), Fault> {
        accounts::save_key(self.writable()?, authority, key)
    }

    fn save_url(&self, authority: &str, directory: &str, url: &str) -> Result<(), Fault> {
        accounts::save_url(self.writable()?, authority, directory, url)
    }

    fn save_next_key(&self, authority: &str, key: &Secret) -> Result<(), Fault> {
        accounts::save_next_key(self.writable()?, authority, key)
    }

    fn promote_next_key(&self, authority: &str) -> Result<(), Fault> {
        accounts::promote_next_key(self.writable()?, authority)
    }

    fn drop_next_key(&self, authority: &str) -> Result<(), Fault> {
        accounts::drop_next_key(self.writable()?, authority)
    }

    fn forget(&self, authority: &str) -> Result<(), Fault> {
        accounts::forget(self.writable()?, authority)
    }
}

/// A lineage that cannot be read does not stop the others. The first fault of a lineage is kept.
fn sort_in<T>(
    found: Result<Option<T>, Fault>,
    lineage: &LineageName,
    sound: &mut BTreeMap<LineageName, T>,
    broken: &mut BTreeMap<LineageName, Fault>,
) {
    match found {
        Ok(Some(found)) => {
            sound.insert(lineage.clone(), found);
        }
        Ok(None) => {}
        Err(fault) => {
            broken.entry(lineage.clone()).or_insert(fault);
        }
    }
}
