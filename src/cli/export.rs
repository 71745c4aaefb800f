//! `countersign export`: lineages in one file, to be moved to another machine. Without keys unless asked for.

use std::path::Path;

use serde_json::json;

use crate::cli::args::{Export as Args, Global};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, counted};
use crate::cli::settings;
use crate::clock::SystemClock;
use crate::export::{Account, Export, FORMAT, Kept, Rest};
use crate::fault::{Fault, Retry};
use crate::lineage::{Pems, Stored};
use crate::name::LineageName;
use crate::port::{Accounts, Clock, Inventory, Store};
use crate::report::terminal::plain;
use crate::store::{Document, FileStore, write};

/// The document in a folder.
pub const FILE: &str = "export.json";

pub fn run(global: &Global, args: &Args, output: &Output) -> Exit {
    match export(global, args, output) {
        Ok(exit) => exit,
        Err(failure) => {
            failure.show("export", output);
            output.summary("export", failure.exit, &failure.summary());
            failure.exit
        }
    }
}

fn export(global: &Global, args: &Args, output: &Output) -> Result<Exit, Failure> {
    let config = settings::load(global)?;
    let store = FileStore::open_read_only(&config.state)?;
    let inventory = store.observe()?;
    let chosen = chosen(&inventory, &args.lineages)?;
    let lineages: Vec<Kept> = chosen
        .iter()
        .map(|(stashed, stored)| Ok(kept(&store, stored, *stashed, args.with_keys)?))
        .collect::<Result<_, Failure>>()?;
    let rest = args.lineages.is_empty().then(|| rest(&store, args.with_keys)).transpose()?;
    let by = env!("CARGO_PKG_VERSION").to_owned();
    let export = Export { format: FORMAT, by, made_at: SystemClock.now(), lineages, store: rest };
    let out = std::path::absolute(&args.out).map_err(|error| unwritable(&args.out).caused_by(&error))?;
    if is_folder(&args.out) {
        into_folder(&out, &export)?
    } else {
        write::new_file(&out, &export.seal())?
    }
    for (stashed, stored) in &chosen {
        let facts = stored.facts();
        let state = if *stashed { "stashed" } else { "live" };
        let line =
            format!("{}  {state}  v{}  until {}\n", stored.meta.lineage, stored.meta.version, facts.not_after.date());
        output.text(&plain(&line));
    }
    if args.with_keys {
        output.text("The private keys are in it: whoever reads it can be all of these servers.\n");
    } else {
        output.text("No private keys are in it; --with-keys adds them, and only then it can be restored.\n");
    }
    let names: Vec<&LineageName> = chosen.iter().map(|(_, stored)| &stored.meta.lineage).collect();
    output.json("export", json!({"exit": 0, "out": out, "with_keys": args.with_keys, "lineages": names}));
    let keys = if args.with_keys { "with keys" } else { "without keys" };
    output.summary("export", Exit::Done, &format!("{} {keys} in {}", counted(chosen.len(), "lineage"), out.display()));
    Ok(Exit::Done)
}

/// Live and stashed lineages, or those that were named. One that cannot be read is not left out in silence.
fn chosen<'a>(inventory: &'a Inventory, names: &[String]) -> Result<Vec<(bool, &'a Stored)>, Failure> {
    let find = |name: &LineageName| {
        let live = inventory.live.get(name).map(|stored| (false, stored));
        live.or_else(|| inventory.stash.get(name).map(|stored| (true, stored)))
    };
    if names.is_empty() {
        if let Some(fault) = inventory.broken.values().next() {
            return Err(fault.clone().into());
        }
        let held = inventory.live.keys().chain(inventory.stash.keys());
        return Ok(held.filter_map(find).collect());
    }
    let named = names.iter().map(|text| {
        let none = || {
            Fault::new("store:no-lineage", format!("the store holds no lineage `{}`", plain(text)))
                .hint("`countersign status` lists the names")
                .retry(Retry::Never)
        };
        let name = LineageName::parse(text).map_err(|error| none().caused_by(&error))?;
        if let Some(fault) = inventory.broken.get(&name) {
            return Err(fault.clone().into());
        }
        Ok(find(&name).ok_or_else(none)?)
    });
    named.collect()
}

fn kept(store: &FileStore, stored: &Stored, stashed: bool, with_keys: bool) -> Result<Kept, Fault> {
    let Pems { privkey, cert, chain } = store.pems(stored)?;
    let (meta, published) = (stored.meta.clone(), stored.published.clone());
    Ok(Kept { stashed, meta, cert, chain, privkey: with_keys.then_some(privkey), published })
}

fn rest(store: &FileStore, with_keys: bool) -> Result<Rest, Fault> {
    let mut accounts = Vec::new();
    for authority in store.authorities()? {
        if let Some((key, url)) = store.load(&authority)?.filter(|_| with_keys) {
            accounts.push(Account { authority, key: Some(key), url });
        }
    }
    Ok(Rest {
        trust_state: store.read_json(Document::TrustState)?,
        ledger: store.read_json(Document::Ledger)?,
        audit: store.audit_text()?,
        accounts,
    })
}

fn is_folder(out: &Path) -> bool {
    out.is_dir() || out.as_os_str().to_string_lossy().ends_with('/')
}

/// The document, and the PEM files of each lineage for whoever wants no document.
fn into_folder(dir: &Path, export: &Export) -> Result<(), Fault> {
    let occupied = dir.read_dir().is_ok_and(|mut entries| entries.next().is_some());
    if occupied {
        return Err(Fault::new("export:exists", format!("{} is not empty", dir.display()))
            .hint("name a folder that is not there yet")
            .retry(Retry::Never));
    }
    write::own_folder(dir)?;
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
    Fault::new("export:unwritable", format!("failed to write {}", path.display()))
}
