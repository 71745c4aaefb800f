//! `countersign import`: certificates of other tools, to wait in the store until the list has them.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::audit::record;
use crate::cli::args::{Global, Import as Args, ImportFrom, Report};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, counted};
use crate::cli::reports::{Ended, Reports, reported};
use crate::cli::session::Session;
use crate::cli::settings;
use crate::config::Config;
use crate::fault::{Fault, Retry};
use crate::import::judge::{Judged, Take, judge, lineage_name};
use crate::import::yaml::{self, Entry};
use crate::import::{
    AccountKey, Becomes, Candidate, Folder, Found, acme_tiny, acmetool, certbot, letsencrypt_aws, todays,
};
use crate::lineage::key;
use crate::port::{Accounts, Inventory, Store};
use crate::report::terminal::{self, plain};
use crate::secret::Secret;
use crate::store::FileStore;

/// Where letsencrypt-aws has its configuration.
const VARIABLE: &str = "LETSENCRYPT_AWS_CONFIG";

pub fn run(global: &Global, args: &Args, output: &Output) -> Exit {
    reported("import", &Report::default(), output, |reports| body(global, args, output, reports))
}

/// Where to import to. Nothing but settings can be shown without a configuration, and nothing is written without a
/// session.
struct Place {
    config: Option<Config>,
    store: Option<Arc<FileStore>>,
    session: Option<Session>,
    inventory: Inventory,
}

/// One line of the answer.
struct Row {
    name: String,
    state: &'static str,
    text: String,
    fault: Option<Fault>,
}

fn body(global: &Global, args: &Args, output: &Output, reports: &mut Reports) -> Result<Ended, Failure> {
    let (from, mut found) = read(&args.from)?;
    let mut place = place(global, args, reports)?;
    let mut entries = Vec::new();
    let mut rows: Vec<Row> =
        found.candidates.iter().map(|one| candidate(one, from, args, &mut place, &mut entries, reports)).collect();
    rows.extend(found.broken.iter().map(|(name, fault)| refused(name, fault.clone())));
    entries.extend(wishes(&found, &entries, &place));
    name_authorities(&mut found, &place);
    let accounts: Vec<(String, String)> = found.accounts.iter().map(|one| account(one, &place)).collect();
    show(&rows, &entries, &found, &accounts, args.dry_run, output);
    let count = |state| rows.iter().filter(|row| row.state == state).count();
    let (taken, had, failed) = (count("imported"), count("have"), count("refused"));
    let exit = if failed > 0 { Exit::Partial } else { Exit::Done };
    let dry = if args.dry_run { "would be " } else { "" };
    let text = format!(
        "{} {dry}imported, {had} already there, {failed} refused; {} for the list",
        counted(taken, "certificate"),
        counted(entries.len(), "entry"),
    );
    output.json("import", answer(exit, &rows, &entries, &found, &accounts));
    Ok(Ended::new(exit, text))
}

fn read(from: &ImportFrom) -> Result<(&'static str, Found), Failure> {
    Ok(match from {
        ImportFrom::Certbot { dir } => ("certbot", certbot::read(&Folder::open(dir)?)?),
        ImportFrom::Acmetool { dir, response_file } => {
            let text = response_file.as_deref().map(named).transpose()?;
            let name = response_file.as_ref().map(|path| path.display().to_string());
            let responses = name.as_deref().zip(text.as_deref());
            ("acmetool", acmetool::read(&Folder::open(dir)?, responses)?)
        }
        ImportFrom::AcmeTiny { dir } => ("acme-tiny", acme_tiny::read(&Folder::open(dir)?)?),
        ImportFrom::LetsencryptAws { file } => {
            let text = match file {
                Some(file) => named(file)?,
                None => std::env::var(VARIABLE).map_err(|_| {
                    Fault::new("import:unreadable", format!("{VARIABLE} is not set"))
                        .hint("name a file with the JSON, `-` for standard input, or set the variable")
                })?,
            };
            ("letsencrypt-aws", letsencrypt_aws::read(&text)?)
        }
        ImportFrom::Pem { name, key, chain, cert, .. } => {
            let leaf = cert.as_deref().map(named).transpose()?.unwrap_or_default();
            let line = if leaf.is_empty() || leaf.ends_with('\n') { "" } else { "\n" };
            let candidate = Candidate {
                name: name.clone(),
                privkey: key.as_deref().map(named).transpose()?.map(Secret::new),
                csr: None,
                chain: format!("{leaf}{line}{}", named(chain)?),
                directory: None,
                url: None,
            };
            ("pem", Found { candidates: vec![candidate], ..Found::default() })
        }
    })
}

/// A file that the operator named; `-` is standard input.
fn named(path: &Path) -> Result<String, Fault> {
    let text = match path.as_os_str() == "-" {
        true => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map(|_| text)
        }
        false => std::fs::read_to_string(path),
    };
    text.map_err(|error| {
        Fault::new("import:unreadable", format!("failed to read {}", path.display()))
            .caused_by(&error)
            .hint("name a text file that this user may read, or `-` for standard input")
            .retry(Retry::Never)
    })
}

fn place(global: &Global, args: &Args, reports: &mut Reports) -> Result<Place, Failure> {
    let settings_only = matches!(args.from, ImportFrom::LetsencryptAws { .. });
    if settings_only {
        let config = settings::load_if_any(global)?;
        return Ok(Place { config, store: None, session: None, inventory: Inventory::default() });
    }
    if args.dry_run {
        let config = settings::load(global)?;
        let store = Arc::new(FileStore::open_read_only(&config.state)?);
        let inventory = store.observe()?;
        return Ok(Place { config: Some(config), store: Some(store), session: None, inventory });
    }
    let session = Session::open(global, "import", reports)?;
    let (config, store) = (session.config.clone(), session.store.clone());
    let inventory = store.observe()?;
    Ok(Place { config: Some(config), store: Some(store), session: Some(session), inventory })
}

impl Place {
    /// The runner's name for a CA.
    fn authority(&self, directory: Option<&str>) -> Option<String> {
        let today = todays(directory?);
        let authorities = self.config.as_ref()?.authorities.iter();
        authorities.into_iter().find(|(_, authority)| authority.directory == today).map(|(name, _)| name.clone())
    }
}

fn candidate(
    one: &Candidate,
    from: &str,
    args: &Args,
    place: &mut Place,
    entries: &mut Vec<Entry>,
    reports: &Reports,
) -> Row {
    let named = match &args.from {
        ImportFrom::Pem { authority, .. } => authority.clone(),
        _ => None,
    };
    let authority = named.or_else(|| place.authority(one.directory.as_deref()));
    let judged = match judge(one, from, authority.clone(), &place.inventory, reports.now()) {
        Ok(judged) => judged,
        Err(fault) => return refused(&one.name, fault),
    };
    let Judged { lineage, facts, verdict } = judged;
    let note = match (&authority, &one.directory) {
        (None, Some(directory)) => Some(format!("the runner's config has no authority with the directory {directory}")),
        _ if one.privkey.is_none() && one.csr.is_none() => {
            Some("its key is elsewhere: add the request that it was issued for as `csr:`".into())
        }
        _ => None,
    };
    entries.push(Entry {
        name: lineage.to_string(),
        domains: facts.identifiers.iter().map(ToString::to_string).collect(),
        authority,
        key: facts.key.map(|key| key.to_string()),
        csr: one.csr.clone(),
        note,
    });
    let kind = facts.key.map_or("other", |key| key.as_str());
    let text = format!("{kind}, until {}, from {}", facts.not_after.date(), facts.issuer);
    match verdict.and_then(|take| take_over(take, place)) {
        Ok(state) => Row { name: lineage.to_string(), state, text, fault: None },
        Err(fault) => refused(lineage.as_str(), fault),
    }
}

fn take_over(take: Take, place: &mut Place) -> Result<&'static str, Fault> {
    let Take::Over(taken) = take else { return Ok("have") };
    let (imported, pems) = *taken;
    if let Some(session) = &place.session {
        session.store.add_imported(&imported, &pems)?;
        session.note(&[record::imported(&imported)])?;
    }
    place.inventory.imported.insert(imported.lineage.clone(), imported);
    Ok("imported")
}

fn refused(name: &str, fault: Fault) -> Row {
    Row { name: name.to_owned(), state: "refused", text: fault.to_string(), fault: Some(fault) }
}

/// A CA that is known here is a word of the list.
fn name_authorities(found: &mut Found, place: &Place) {
    for setting in &mut found.settings {
        let Becomes::Authority(url) = &setting.becomes else { continue };
        if let Some(name) = place.authority(Some(url)).or_else(|| built_in(url)) {
            setting.becomes = Becomes::List(format!("authority: {name}"));
        }
    }
}

/// Entries for what the tool was to get and has no certificate for.
fn wishes(found: &Found, entries: &[Entry], place: &Place) -> Vec<Entry> {
    let open = found.wishes.iter().filter(|wish| !entries.iter().any(|entry| entry.domains == wish.domains));
    let entry = |wish: &crate::import::Wish| Entry {
        name: lineage_name(&wish.name).map_or_else(|_| wish.name.clone(), |name| name.to_string()),
        domains: wish.domains.clone(),
        authority: place.authority(wish.directory.as_deref()).or_else(|| built_in(wish.directory.as_deref()?)),
        key: wish.key.clone(),
        csr: None,
        note: Some("there is no certificate to take over: it will be ordered".into()),
    };
    open.map(entry).collect()
}

/// Without a configuration the built-in authorities are known all the same.
fn built_in(directory: &str) -> Option<String> {
    let known = crate::config::BUILT_IN.iter().find(|(_, url, _)| *url == todays(directory));
    known.map(|(name, ..)| (*name).to_owned())
}

/// Keeps the key of an account if it can be used as it is, and says what became of it.
fn account(account: &AccountKey, place: &Place) -> (String, String) {
    let text = try_account(account, place).unwrap_or_else(|fault| plain(&fault.to_string()));
    (account.place.clone(), text)
}

fn try_account(account: &AccountKey, place: &Place) -> Result<String, Fault> {
    let pkcs8 = key::to_pkcs8(&account.key)?;
    let authority = place.authority(account.directory.as_deref());
    let name = authority.as_deref().unwrap_or("NAME");
    if !key::is_p256(&pkcs8) {
        return Ok(format!(
            "not taken: accounts use P-256 keys. `countersign account import FILE --authority {name}` changes it to one"
        ));
    }
    let Some(authority) = authority else {
        return Ok("not taken: nobody says which authority of the runner's config it is for".into());
    };
    let (Some(config), Some(store)) = (&place.config, &place.store) else { return Ok("not taken".into()) };
    match store.load(&authority)? {
        Some(kept) if kept.key == pkcs8 => return Ok(format!("already the account of `{authority}`")),
        Some(_) => return Ok(format!("not taken: the store has another account for `{authority}`")),
        None => {}
    }
    if place.session.is_some() {
        store.save_key(&authority, &pkcs8)?;
        if let Some(url) = &account.url {
            store.save_url(&authority, &config.authorities[&authority].directory, url)?;
        }
    }
    Ok(format!("the account of `{authority}` from now on"))
}

fn show(rows: &[Row], entries: &[Entry], found: &Found, accounts: &[(String, String)], dry_run: bool, output: &Output) {
    let width = rows.iter().map(|row| plain(&row.name).chars().count()).max().unwrap_or(0);
    for row in rows {
        let state = match row.state {
            "refused" => output.paint.bad("refused "),
            "have" => output.paint.dim("have    "),
            _ if dry_run => output.paint.good("would   "),
            _ => output.paint.good("imported"),
        };
        output.text(&format!("{state}  {:<width$}  {}\n", plain(&row.name), plain(&row.text)));
        if let Some(fault) = &row.fault {
            output.text(&terminal::details(fault, "          "));
        }
    }
    for (place, text) in accounts {
        output.text(&format!("account   {}  {}\n", plain(place), plain(text)));
    }
    if !found.settings.is_empty() {
        output.text("\nSettings:\n");
        for setting in &found.settings {
            let (key, value) = (plain(&setting.key), plain(&setting.value));
            output.text(&format!("  {key} = {value}\n      {}\n", plain(&setting.becomes.text())));
        }
    }
    if !entries.is_empty() {
        output.text(
            "\nAdd this to the list, below `certificates:`. What was imported is used as soon as it is there:\n\n",
        );
        output.text(&plain(&yaml::entries(entries)));
    }
}

fn answer(exit: Exit, rows: &[Row], entries: &[Entry], found: &Found, accounts: &[(String, String)]) -> Value {
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| json!({"name": row.name, "state": row.state, "text": row.text, "fault": row.fault}))
        .collect();
    let accounts: Vec<Value> = accounts.iter().map(|(place, text)| json!({"place": place, "result": text})).collect();
    json!({
        "exit": exit as u8,
        "certificates": rows,
        "accounts": accounts,
        "settings": found.settings,
        "list": yaml::entries(entries),
    })
}
