//! Runs the hooks: commands of the runner's config, and scripts of the verified commit if the runner wants them.
//!
//! A command is run at least once for each version. What failed is run again by the next apply, without a new order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use serde_json::json;
use tempfile::TempDir;

use crate::cli::output::Output;
use crate::cli::reports::Reports;
use crate::cli::session::Session;
use crate::cli::source::Source;
use crate::fault::Fault;
use crate::hook::{Event, Facts, Ran, Told};
use crate::name::{Digest, LineageName};
use crate::outcome::Outcome;
use crate::port::Inventory;
use crate::program::Program;
use crate::report::terminal;
use crate::source::BareStore;
use crate::store::{Document, write};
use crate::trust::Script;

/// The hooks of one run.
pub struct Hooks {
    told: Told,
    /// Why nobody knows what was told. That is no reason to renew nothing.
    lost: Option<Fault>,
    commands: BTreeMap<Event, Vec<Command>>,
    /// Where the scripts are once one of them is needed. Goes with the run.
    folder: Option<TempDir>,
    /// Commands that did not end in time. They are not waited for again in this run.
    hung: BTreeSet<Digest>,
}

/// One thing to run.
#[derive(Clone)]
struct Command {
    id: Digest,
    title: String,
    what: What,
}

#[derive(Clone)]
enum What {
    Program(Vec<String>),
    /// Of the verified commit; or why it cannot be run.
    Script(Event, Result<Script, Fault>),
}

/// Before anything is changed: what is live by now was told, or is nobody's business. `None` if there are no hooks.
pub fn prepare(session: &Session, source: &Source, inventory: &Inventory) -> Result<Option<Hooks>, Fault> {
    if !session.config.hooks.are_used() {
        // Whoever takes hooks up again hears of what changes from then on.
        session.store.remove_document(Document::Hooks)?;
        return Ok(None);
    }
    let (told, lost) = match session.store.read_json(Document::Hooks) {
        Ok(Some(told)) => (told, None),
        Ok(None) => {
            let told = Told::all(inventory);
            session.store.write_json(Document::Hooks, &told)?;
            (told, None)
        }
        Err(fault) => {
            let hint = "no hook ran; move hooks.json away: what is live then counts as told";
            (Told::default(), Some(fault.hint(hint)))
        }
    };
    let commands = Event::ALL.into_iter().map(|event| (event, commands(session, source, event))).collect();
    Ok(Some(Hooks { told, lost, commands, folder: None, hung: BTreeSet::new() }))
}

/// The commands of the configuration first, then the script.
fn commands(session: &Session, source: &Source, event: Event) -> Vec<Command> {
    let hooks = &session.config.hooks;
    let mut all: Vec<Command> = hooks.commands(event).iter().map(|argv| Command::configured(argv)).collect();
    if hooks.from_repo {
        let script = script(session, source, event).transpose();
        all.extend(script.map(|script| Command::script(event, script)));
    }
    all
}

fn script(session: &Session, source: &Source, event: Event) -> Result<Option<Script>, Fault> {
    let objects = BareStore::open(&session.config.state.join("git"))?;
    let script = source.list.script(&objects, event.as_str())?;
    match &script {
        None => Ok(None),
        Some(_) if !source.current => {
            Err(Fault::new("hooks:unverified", "the scripts wait: the trust root has changed since they were verified")
                .hint("see why the head is refused; once it verifies the scripts run again"))
        }
        Some(found) if !found.executable => {
            Err(Fault::new("hooks:not-executable", format!("`hooks/{}` is not executable", event.as_str()))
                .hint(format!("`git update-index --chmod=+x hooks/{}`, then commit and sign it", event.as_str())))
        }
        Some(_) => Ok(script),
    }
}

fn make_folder(state: &Path) -> Result<TempDir, Fault> {
    use std::os::unix::fs::PermissionsExt;
    let place = std::env::temp_dir();
    let unusable = |error: &std::io::Error| {
        Fault::new("hooks:folder", format!("failed to make a folder for the scripts in {}", place.display()))
            .caused_by(error)
            .hint("set TMPDIR to a folder where this user may write and execute, outside of `state:`")
    };
    let real = place.canonicalize().map_err(|error| unusable(&error))?;
    if state.canonicalize().is_ok_and(|state| real.starts_with(state)) {
        return Err(unusable(&std::io::Error::other("it is inside of the state directory")));
    }
    let private = std::fs::Permissions::from_mode(0o700);
    tempfile::Builder::new()
        .prefix("countersign-hooks-")
        .permissions(private)
        .tempdir_in(real)
        .map_err(|error| unusable(&error))
}

impl Command {
    fn configured(argv: &[String]) -> Self {
        let id = Digest::of(&serde_json::to_vec(argv).expect("words are plain data"));
        Self { id, title: argv.join(" "), what: What::Program(argv.to_vec()) }
    }

    fn script(event: Event, script: Result<Script, Fault>) -> Self {
        let title = format!("hooks/{}", event.as_str());
        Self { id: Digest::of(title.as_bytes()), title, what: What::Script(event, script) }
    }

    /// A script that does not start is not a matter of its path.
    fn advise(&self, fault: Fault) -> Fault {
        match self.what {
            What::Script(..) if fault.code == "program:unusable" => fault.hint(
                "see that its first line names its interpreter (`#!/bin/sh`), and that TMPDIR is a folder where files may \
                 be executed",
            ),
            _ => fault,
        }
    }
}

impl Hooks {
    /// Runs what is due after an apply, keeps what was told, and puts the results into the report.
    pub fn tell(
        mut self,
        session: &Session,
        outcomes: &[Outcome],
        reports: &mut Reports,
        output: &Output,
    ) -> Result<(), Fault> {
        if let Some(fault) = self.lost {
            return Err(fault);
        }
        let inventory = reports.run.inventory.clone();
        self.told.forget_others(&inventory);
        let outcome = |name: &LineageName| outcomes.iter().find(|outcome| outcome.lineage == *name);
        let names: BTreeSet<&LineageName> =
            inventory.live.keys().chain(outcomes.iter().map(|outcome| &outcome.lineage)).collect();
        let live = session.config.state.join("live");
        let mut all = Vec::new();
        for lineage in names.into_iter() {
            let (stored, outcome) = (inventory.live.get(lineage), outcome(lineage));
            let due = stored.and_then(|stored| self.told.due(stored));
            let failed = outcome.filter(|outcome| outcome.failed()).map(|_| Event::OnFailure);
            for event in due.into_iter().chain(failed) {
                let facts = Facts { event, lineage, stored, outcome, live: &live };
                let ran = session.block_on(self.run_all(session, &facts));
                ran.iter().for_each(|ran| {
                    output.text(&terminal::hook(ran, output.paint));
                    output.json("hook", json!({ "hook": ran }));
                });
                if !ran.is_empty() {
                    session.store.write_json(Document::Hooks, &self.told)?;
                }
                all.extend(ran);
            }
        }
        reports.run.hooks = Some(all);
        session.store.write_json(Document::Hooks, &self.told)
    }

    /// Runs the commands of one event for one lineage, each on its own: one that fails does not hold the others.
    async fn run_all(&mut self, session: &Session, facts: &Facts<'_>) -> Vec<Ran> {
        let stop = session.signals.orderly();
        let kept = facts.stored.filter(|_| facts.event != Event::OnFailure);
        let (mut all, mut complete) = (Vec::new(), true);
        for command in self.commands.get(&facts.event).cloned().unwrap_or_default() {
            if kept.is_some_and(|stored| self.told.has(stored, &command.id)) {
                continue;
            }
            let started = Instant::now();
            let Some(result) = stop.unless_asked(self.run(session, &command, facts)).await else {
                complete = false;
                break;
            };
            match (&result, kept) {
                (Ok(()), Some(stored)) => self.told.tell(stored, command.id.clone()),
                (Ok(()), None) => {}
                (Err(fault), _) => {
                    complete = false;
                    if fault.code == "program:timeout" {
                        self.hung.insert(command.id.clone());
                    }
                }
            }
            all.push(Ran {
                lineage: facts.lineage.clone(),
                event: facts.event,
                command: command.title.clone(),
                fault: result.err(),
                seconds: started.elapsed().as_secs_f64(),
            });
        }
        if let Some(stored) = kept.filter(|_| complete) {
            self.told.finish(stored);
        }
        all
    }

    async fn run(&mut self, session: &Session, command: &Command, facts: &Facts<'_>) -> Result<(), Fault> {
        if self.hung.contains(&command.id) {
            let text = format!("`{}` was not run: it hung for another lineage of this run", command.title);
            return Err(Fault::new("hooks:hung", text).hint("the next run tries again"));
        }
        let argv = self.argv(&command.what, &session.config.state)?;
        tracing::debug!(lineage = %facts.lineage, event = facts.event.as_str(), command = command.title, "hook");
        let input = facts.to_json().to_string() + "\n";
        let timeout = session.config.hooks.timeout;
        let environment = facts.environment();
        let (environment, stdin) = (environment.as_slice(), input.as_bytes());
        let program = Program { argv: &argv, environment, stdin, folder: Path::new("/"), timeout };
        // A script is known by its path in the config repo.
        program
            .run()
            .await
            .map(drop)
            .map_err(|fault| Fault { message: fault.message.replace(&argv.join(" "), &command.title), ..fault })
            .map_err(|fault| command.advise(fault))
    }

    /// A script is written where it can be run, away from keys and state.
    fn argv(&mut self, what: &What, state: &Path) -> Result<Vec<String>, Fault> {
        match what {
            What::Program(argv) => Ok(argv.clone()),
            What::Script(event, script) => {
                let script = script.as_ref().map_err(Clone::clone)?;
                let folder = match &self.folder {
                    Some(folder) => folder,
                    None => self.folder.insert(make_folder(state)?),
                };
                let path = folder.path().join(event.as_str());
                write::file(&path, &script.bytes, 0o700)?;
                Ok(vec![path.display().to_string()])
            }
        }
    }
}
