//! `countersign export`: lineages in one file, to be moved to another machine. Without keys unless asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::cli::args::{Export as Args, Global};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, counted};
use crate::cli::session::no_lineage;
use crate::cli::settings;
use crate::clock::SystemClock;
use crate::export::{Account, Export, FORMAT, Kept, Rest, Waiting};
use crate::fault::{Fault, Retry};
use crate::lineage::{Pems, Stored};
use crate::name::LineageName;
use crate::port::{Accounts, Clock, Inventory, KeptAccount, Store};
use crate::report::terminal::plain;
use crate::store::{Document, FileStore, write};

/// The document in a folder. No lineage can have this name.
pub const FILE: &str = "EXPORT.json";

pub fn run(global: &Global, args: &Args, output: &Output) -> Exit {
    export(global, args, output).unwrap_or_else(|failure| failure.end("export", output))
}

fn export(global: &Global, args: &Args, output: &Output) -> Result<Exit, Failure> {
    let config = settings::load(global)?;
    let store = FileStore::open_read_only(&config.state)?;
    let names = names(&args.lineages)?;
    let before = moment(&store)?;
    let inventory = store.observe()?;
    let chosen = chosen(&inventory, &names)?;
    let lineages = chosen.iter().map(|held| held.kept(&store, args.with_keys)).collect::<Result<Vec<_>, _>>()?;
    let imported = waiting(&store, &inventory, &names, args.with_keys)?;
    let rest = names.is_empty().then(|| rest(&store, args.with_keys)).transpose()?;
    if moment(&store)? != before {
        return Err(Fault::new("export:changed", "a run changed the store while it was read, and nothing was written")
            .hint("export it again when that run has ended")
            .into());
    }
    let by = env!("CARGO_PKG_VERSION").to_owned();
    let export = Export { format: FORMAT, by, made_at: SystemClock.now(), lineages, imported, store: rest };
    let out = write_out(&args.out, &export)?;
    show(&export, args.with_keys, &out, output);
    Ok(Exit::Done)
}

/// What every run changes. Two exports with the same moment saw the same store.
fn moment(store: &FileStore) -> Result<(String, Option<Value>), Fault> {
    Ok((store.audit_text()?, store.read_json(Document::TrustState)?))
}

fn names(texts: &[String]) -> Result<BTreeSet<LineageName>, Fault> {
    texts.iter().map(|text| LineageName::parse(text).map_err(|error| no_lineage(text).caused_by(&error))).collect()
}

/// A lineage as the store has it.
struct Held<'a> {
    stashed: bool,
    stored: &'a Stored,
    below: Option<&'a Stored>,
}

impl Held<'_> {
    fn kept(&self, store: &FileStore, with_keys: bool) -> Result<Kept, Fault> {
        let below = self.below.map(|stored| kept(store, stored, with_keys)).transpose()?;
        Ok(Kept { stashed: self.stashed, below: below.map(Box::new), ..kept(store, self.stored, with_keys)? })
    }
}

/// Live and stashed lineages, or those that were named. One that cannot be read is not left out in silence.
fn chosen<'a>(inventory: &'a Inventory, names: &BTreeSet<LineageName>) -> Result<Vec<Held<'a>>, Fault> {
    let wanted = |name: &LineageName| names.is_empty() || names.contains(name);
    if let Some((_, fault)) = inventory.broken.iter().find(|(name, _)| wanted(name)) {
        return Err(fault.clone());
    }
    let places = [(false, &inventory.live), (true, &inventory.stash)];
    let held: BTreeMap<&LineageName, Held<'a>> = places
        .into_iter()
        .flat_map(|(stashed, place)| place.iter().map(move |(name, stored)| (name, stashed, stored)))
        .filter(|(name, ..)| wanted(name))
        .map(|(name, stashed, stored)| (name, Held { stashed, stored, below: inventory.set_aside.get(name) }))
        .collect();
    let known = |name: &&LineageName| held.contains_key(name) || inventory.imported.contains_key(name);
    match names.iter().find(|name| !known(name)) {
        Some(name) => Err(no_lineage(name.as_str())),
        None => Ok(held.into_values().collect()),
    }
}

fn kept(store: &FileStore, stored: &Stored, with_keys: bool) -> Result<Kept, Fault> {
    let Pems { privkey, cert, chain } = store.pems(stored)?;
    let (meta, published) = (stored.meta.clone(), stored.published.clone());
    let (privkey, revoked) = (privkey.filter(|_| with_keys), stored.revoked.clone());
    Ok(Kept { stashed: false, meta, cert, chain, privkey, published, revoked, below: None })
}

fn waiting(
    store: &FileStore,
    inventory: &Inventory,
    names: &BTreeSet<LineageName>,
    with_keys: bool,
) -> Result<Vec<Waiting>, Fault> {
    let wanted = inventory.imported.keys().filter(|name| names.is_empty() || names.contains(*name));
    let loaded = wanted.map(|name| store.imported(name)).collect::<Result<Vec<_>, _>>()?;
    let waiting = |(imported, Pems { privkey, cert, chain })| Waiting {
        imported,
        cert,
        chain,
        privkey: privkey.filter(|_| with_keys),
    };
    Ok(loaded.into_iter().flatten().map(waiting).collect())
}

fn rest(store: &FileStore, with_keys: bool) -> Result<Rest, Fault> {
    let mut accounts = Vec::new();
    for authority in store.authorities()? {
        if let Some(KeptAccount { key, url, next }) = store.load(&authority)?.filter(|_| with_keys) {
            accounts.push(Account { authority, key: Some(key), url, next });
        }
    }
    Ok(Rest {
        trust_state: store.read_json(Document::TrustState)?,
        first_seen: store.read_json(Document::FirstSeen)?,
        ledger: store.read_json(Document::Ledger)?,
        audit: store.audit_text()?,
        accounts,
    })
}

fn show(export: &Export, with_keys: bool, out: &Path, output: &Output) {
    let mut text = String::new();
    let names = export.lineages.iter().map(|kept| &kept.meta.lineage);
    let names = names.chain(export.imported.iter().map(|waiting| &waiting.imported.lineage));
    let width = names.map(|name| name.as_str().len()).max().unwrap_or_default();
    for kept in &export.lineages {
        let (meta, state) = (&kept.meta, if kept.stashed { "stashed" } else { "live" });
        text += &format!(
            "{:<width$}  {state:<7}  v{}  until {}\n",
            meta.lineage,
            meta.version,
            meta.facts.not_after.date()
        );
    }
    for Waiting { imported, .. } in &export.imported {
        let until = imported.facts.not_after.date();
        text += &format!("{:<width$}  imported from {}  until {until}\n", imported.lineage, imported.from);
    }
    text += match with_keys {
        true => "The private keys are in it: whoever reads it can be all of these servers.\n",
        false => "No private keys are in it; --with-keys adds them, and only then it can be restored.\n",
    };
    output.text(&plain(&text));
    let names: Vec<&LineageName> = export.lineages.iter().map(|kept| &kept.meta.lineage).collect();
    let imported: Vec<&LineageName> = export.imported.iter().map(|waiting| &waiting.imported.lineage).collect();
    output.json(
        "export",
        json!({"exit": 0, "out": out, "with_keys": with_keys, "lineages": names, "imported": imported}),
    );
    let keys = if with_keys { "with keys" } else { "without keys" };
    output.summary("export", Exit::Done, &format!("{} {keys} in {}", counted(names.len(), "lineage"), out.display()));
}

/// Writes the file or the folder, and gives its absolute path.
fn write_out(named: &Path, export: &Export) -> Result<PathBuf, Fault> {
    // Without a slash at its end, so that a link at the name itself is seen and not followed.
    let out: PathBuf =
        std::path::absolute(named).map_err(|error| unwritable(named).caused_by(&error))?.components().collect();
    let written = if is_folder(named) { into_folder(&out, export) } else { write::new_file(&out, &export.seal()) };
    match written {
        Err(Fault { code, message, causes, .. }) if code.starts_with("store:") => {
            let mut fault = unwritable(&out);
            fault.causes = [vec![message], causes].concat();
            Err(fault)
        }
        written => written.map(|()| out),
    }
}

fn is_folder(out: &Path) -> bool {
    out.is_dir() || out.as_os_str().to_string_lossy().ends_with('/')
}

/// The document, and the PEM files of each lineage for whoever wants no document.
fn into_folder(dir: &Path, export: &Export) -> Result<(), Fault> {
    let is_there = dir.symlink_metadata().is_ok();
    if is_there && dir.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Fault::new("export:exists", format!("{} is not empty", dir.display()))
            .hint("name a folder that is not there yet")
            .retry(Retry::Never));
    }
    write::own_folder(dir)?;
    let filled = fill(dir, export);
    if filled.is_err() {
        // It was empty: all that is in it came from here.
        let _ = write::remove(dir);
        if is_there {
            let _ = write::own_folder(dir);
        }
    }
    filled
}

fn fill(dir: &Path, export: &Export) -> Result<(), Fault> {
    for kept in &export.lineages {
        let fullchain = format!("{}{}", kept.cert, kept.chain);
        let mut files = vec![
            ("cert.pem", kept.cert.as_bytes(), write::PUBLIC),
            ("chain.pem", kept.chain.as_bytes(), write::PUBLIC),
            ("fullchain.pem", fullchain.as_bytes(), write::PUBLIC),
        ];
        files.extend(kept.privkey.as_ref().map(|key| ("privkey.pem", key.reveal().as_bytes(), write::PRIVATE)));
        write::folder(&dir.join(kept.meta.lineage.as_str()), &files)?;
    }
    write::new_file(&dir.join(FILE), &export.seal())
}

fn unwritable(path: &Path) -> Fault {
    Fault::new("export:unwritable", format!("failed to write {}, and nothing is left of it", path.display()))
        .hint("name a place where this user may write, on a file system that keeps mode 0600")
        .retry(Retry::Never)
}
