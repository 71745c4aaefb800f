//! `countersign account`: the ACME accounts of this store.

use std::path::Path;

use serde_json::{Value, json};

use crate::audit::record;
use crate::ca::{self, AcmeCa};
use crate::cli::args::{Account as Args, AccountCommand, Global, ImportAccount, RegisterAccount, Report};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, counted};
use crate::cli::reports::{Ended, Reports, reported};
use crate::cli::runtime::runtime;
use crate::cli::session::Session;
use crate::cli::{ask, settings, wire};
use crate::clock::SystemClock;
use crate::fault::{Fault, Retry};
use crate::port::{Accounts, Clock};
use crate::report::terminal::{details, plain};
use crate::secret::Secret;
use crate::store::{FileStore, write};

pub fn run(global: &Global, args: &Args, output: &Output) -> Exit {
    reported("account", &Report::default(), output, |reports| match &args.command {
        AccountCommand::Show { authority } => show(global, authority.as_deref(), output),
        AccountCommand::Register(args) => register(global, args, output, reports),
        AccountCommand::Import(args) => import(global, args, output, reports),
        AccountCommand::KeyChange { authority } => key_change(global, authority, output, reports),
        AccountCommand::Deactivate { authority, auto_approve } => {
            deactivate(global, authority, *auto_approve, output, reports)
        }
    })
}

/// Asks the CAs, and changes nothing.
fn show(global: &Global, only: Option<&str>, output: &Output) -> Result<Ended, Failure> {
    let config = settings::load(global)?;
    if let Some(name) = only.filter(|name| !config.authorities.contains_key(*name)) {
        return Err(unknown(name).into());
    }
    let store = std::sync::Arc::new(FileStore::open_read_only(&config.state)?);
    let clock: std::sync::Arc<dyn Clock> = std::sync::Arc::new(SystemClock);
    let cas = wire::acme(&config, &store, &clock)?;
    let runtime = runtime()?;
    let (mut shown, mut failed) = (Vec::new(), 0);
    for (name, ca) in cas.iter().filter(|(name, _)| only.is_none_or(|only| only == name.as_str())) {
        let Some(kept) = store.load(name)? else { continue };
        let state = runtime.block_on(ca.account_state());
        failed += usize::from(state.is_err());
        let (text, value) = told(name, kept.url.as_deref(), kept.next.is_some(), state);
        output.text(&text);
        shown.push(value);
    }
    let exit = if failed == 0 { Exit::Done } else { Exit::Failed };
    let bad = if failed > 0 { format!(", {failed} not in order") } else { String::new() };
    let summary = counted(shown.len(), "account") + &bad;
    output.json("account", json!({"exit": exit as u8, "accounts": shown}));
    Ok(Ended::new(exit, summary))
}

type Asked = Result<Option<ca::AccountState>, Fault>;

fn told(name: &str, url: Option<&str>, changing: bool, state: Asked) -> (String, Value) {
    let url = plain(url.unwrap_or("not registered yet"));
    let mut text = format!("{name}\n  url       {url}\n");
    let mut value = json!({"authority": name, "url": url, "key_change_pending": changing});
    match state {
        Ok(Some(state)) => {
            let contact = if state.contact.is_empty() { "none".into() } else { plain(&state.contact.join(", ")) };
            text += &format!("  status    {}\n  contact   {contact}\n", plain(&state.status));
            (value["status"], value["contact"]) = (json!(state.status), json!(state.contact));
        }
        Ok(None) => text += "  status    the CA has not heard of its key\n",
        Err(fault) => {
            text += &format!("  status    {}\n{}", plain(&fault.to_string()), details(&fault, "            "));
            value["fault"] = json!(fault);
        }
    }
    if changing {
        text += "  key       a change was cut short; `account key-change` or the next apply finishes it\n";
    }
    (text, value)
}

fn register(global: &Global, args: &RegisterAccount, output: &Output, reports: &mut Reports) -> Result<Ended, Failure> {
    let (session, ca) = open(global, &args.authority, "account register", reports)?;
    let key = match &args.out {
        // Looked at before a key is made.
        Some(file) if file.symlink_metadata().is_ok() && session.store.load(&args.authority)?.is_none() => {
            return Err(taken(file).into());
        }
        _ => ca.new_account_key()?,
    };
    if let Some(file) = &args.out {
        write_out(file, &key)?;
    }
    let terms = session.block_on(ca.terms_of_service())?;
    if let Some(terms) = &terms {
        output.error(&format!("Registering means to agree to {}\n", plain(terms)));
    }
    let url = session.block_on(ca.register())?;
    session.note(&[record::account(&format!("registered {url} at {}", args.authority))])?;
    output.json("account", json!({"exit": 0, "authority": args.authority, "url": url, "terms_of_service": terms}));
    let out = args.out.as_ref().map(|file| format!("; its key is in {} too", file.display())).unwrap_or_default();
    Ok(Ended::new(Exit::Done, format!("registered {}{out}", plain(&url))))
}

/// A file that holds this very key was written by a run that was cut short.
fn write_out(file: &Path, key: &Secret) -> Result<(), Fault> {
    match write::new_file(file, key.reveal().as_bytes()) {
        Err(_) if std::fs::read(file).is_ok_and(|bytes| bytes == key.reveal().as_bytes()) => Ok(()),
        Err(_) if file.symlink_metadata().is_ok() => Err(taken(file)),
        written => written,
    }
}

fn taken(file: &Path) -> Fault {
    Fault::new("run:file-exists", format!("{} exists and is not overwritten", file.display()))
        .hint("name another file; `countersign account import` takes a key that exists")
        .retry(Retry::Never)
}

fn import(global: &Global, args: &ImportAccount, output: &Output, reports: &mut Reports) -> Result<Ended, Failure> {
    let (session, ca) = open(global, &args.authority, "account import", reports)?;
    let key = read_key(&session, &args.key)?;
    let (kind, changes) = ca::describe_key(&key)?;
    if changes {
        let question = format!(
            "The account's key is {kind}. It gives way to a new P-256 key, and whatever uses the old one \
             cannot use the account any more. Go on?"
        );
        ask::confirmed(&question, args.auto_approve, output)?;
    }
    let url = session.block_on(ca.import_account(&key))?;
    session.note(&[record::account(&format!("imported {url} at {}", args.authority))])?;
    output.json("account", json!({"exit": 0, "authority": args.authority, "url": url, "key_changed": changes}));
    let note = if changes {
        "it has a new P-256 key, the imported one is worth nothing any more"
    } else {
        "whoever has a copy of the key can use it too; `account key-change` ends that"
    };
    Ok(Ended::new(Exit::Done, format!("imported {}; {note}", plain(&url))))
}

/// A path, `file://` or `s3://bucket/key`.
fn read_key(session: &Session, from: &str) -> Result<Secret, Fault> {
    let unreadable = || Fault::new("acme:account-key", format!("failed to read the account key {}", plain(from)));
    let bytes = if let Some(rest) = from.strip_prefix("s3://") {
        let (bucket, key) = rest
            .split_once('/')
            .filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty())
            .ok_or_else(|| unreadable().hint("write it as `s3://bucket/key`").retry(Retry::Never))?;
        let found = session.block_on(async { wire::bucket(&session.config, bucket).await.get(key).await })?;
        found
            .ok_or_else(|| {
                unreadable().hint("there is no such object: correct the bucket or the key").retry(Retry::Never)
            })?
            .0
    } else {
        let path = from.strip_prefix("file://").unwrap_or(from);
        std::fs::read(path).map_err(|error| unreadable().caused_by(&error).retry(Retry::Never))?
    };
    String::from_utf8(bytes)
        .map(Secret::new)
        .map_err(|_| unreadable().hint("it is no text: name a file in PEM").retry(Retry::Never))
}

fn key_change(global: &Global, authority: &str, output: &Output, reports: &mut Reports) -> Result<Ended, Failure> {
    let (session, ca) = open(global, authority, "account key-change", reports)?;
    let url = session.block_on(ca.change_key())?;
    session.note(&[record::account(&format!("another key for {url} at {authority}"))])?;
    output.json("account", json!({"exit": 0, "authority": authority, "url": url}));
    Ok(Ended::new(Exit::Done, format!("{} has a new key", plain(&url))))
}

fn deactivate(
    global: &Global,
    authority: &str,
    auto_approve: bool,
    output: &Output,
    reports: &mut Reports,
) -> Result<Ended, Failure> {
    let (session, ca) = open(global, authority, "account deactivate", reports)?;
    let url = session.store.load(authority)?.and_then(|kept| kept.url).unwrap_or_default();
    let question = format!(
        "Deactivate {} at {authority}? It never comes back: certificates stay valid and can then be revoked \
         only by their own keys.",
        plain(&url)
    );
    ask::confirmed(&question, auto_approve, output)?;
    let url = session.block_on(ca.deactivate_account())?;
    session.note(&[record::account(&format!("deactivated {url} at {authority}"))])?;
    output.json("account", json!({"exit": 0, "authority": authority, "url": url}));
    Ok(Ended::new(Exit::Done, format!("{} is deactivated, the store has forgotten it", plain(&url))))
}

fn open(global: &Global, authority: &str, verb: &str, reports: &mut Reports) -> Result<(Session, AcmeCa), Failure> {
    let session = Session::open(global, verb, reports)?;
    let mut cas = wire::acme(&session.config, &session.store, &session.clock)?;
    let ca = cas.remove(authority).ok_or_else(|| unknown(authority))?;
    Ok((session, ca))
}

fn unknown(authority: &str) -> Fault {
    Fault::new("acme:unknown-authority", format!("the runner's config has no authority `{}`", plain(authority)))
        .hint("`letsencrypt` and `letsencrypt-staging` are built in; others stand under `authorities:`")
        .retry(Retry::Never)
}
