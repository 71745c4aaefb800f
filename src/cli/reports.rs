//! The frame of a command that reports: a pessimistic file first, the true one on every way out.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use time::OffsetDateTime;

use crate::cli::args::Report;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, summary_line};
use crate::cli::tell;
use crate::clock::SystemClock;
use crate::config::Notify;
use crate::fault::Fault;
use crate::port::{Clock, Inventory, Store};
use crate::report::{Check, Run, html, junit, metrics};
use crate::store::{FileStore, write};

/// The end of a command that was not cut short.
pub struct Ended {
    pub exit: Exit,
    /// The text of the summary line.
    pub summary: String,
}

impl Ended {
    pub fn new(exit: Exit, summary: impl Into<String>) -> Self {
        Self { exit, summary: summary.into() }
    }
}

/// What a command finds out, and the files that will tell of it.
pub struct Reports {
    pub run: Run,
    /// JUnit files.
    files: Vec<PathBuf>,
    /// Folders, each with a page.
    pages: Vec<PathBuf>,
    /// Read on an early end, so that expiry is told whatever else went wrong.
    pub store: Option<Arc<FileStore>>,
    /// Where the figures of the run go, if somebody wants them.
    pub metrics: Option<PathBuf>,
    /// Who is told if the run goes wrong.
    pub notify: Option<Notify>,
}

impl Reports {
    pub fn now(&self) -> OffsetDateTime {
        self.run.started
    }

    /// Says a fact, in place of what was said under the same name.
    pub fn fact(&mut self, name: &'static str, value: impl Into<String>) {
        self.run.facts.retain(|(other, _)| *other != name);
        self.run.facts.push((name, value.into()));
    }

    /// One more place for the reports. They say at once that the run is not complete.
    pub fn also(&mut self, to: &Report) -> Result<(), Fault> {
        if let Some(file) = &to.junit {
            let file = absolute(file);
            make(file.parent())?;
            save(&file, &self.run)?;
            self.files.push(file);
        }
        if let Some(folder) = &to.html {
            let folder = absolute(folder);
            make(Some(&folder))?;
            save_page(&folder, &self.run, "the run did not come to its end")?;
            self.pages.push(folder);
        }
        Ok(())
    }

    fn look_into_store(&mut self) {
        let unread = self.run.inventory == Inventory::default();
        if let Some(store) = self.store.as_ref().filter(|_| unread) {
            self.run.inventory = store.observe().unwrap_or_default();
        }
    }

    fn save(&self, ending: &str) -> Result<(), Fault> {
        self.files.iter().try_for_each(|file| save(file, &self.run))?;
        self.pages.iter().try_for_each(|folder| save_page(folder, &self.run, ending))
    }
}

fn make(folder: Option<&Path>) -> Result<(), Fault> {
    folder
        .map_or(Ok(()), |folder| std::fs::create_dir_all(folder).map_err(|error| write::failed("make", folder, &error)))
}

fn save(file: &Path, run: &Run) -> Result<(), Fault> {
    write::report(file, &junit::render(run), "<?xml")
}

fn save_page(folder: &Path, run: &Run, ending: &str) -> Result<(), Fault> {
    write::report(&folder.join("report.css"), html::STYLE, "")?;
    write::report(&folder.join("index.html"), &html::render(run, ending), "<!DOCTYPE html>")
}

/// Runs a command and sees to its reports, its summary line and its exit code.
pub fn reported(
    command: &'static str,
    to: &Report,
    output: &Output,
    body: impl FnOnce(&mut Reports) -> Result<Ended, Failure>,
) -> Exit {
    let facts = vec![("command", command.to_owned()), ("version", env!("CARGO_PKG_VERSION").to_owned())];
    let mut reports = Reports {
        run: Run::begun(SystemClock.now(), facts),
        files: Vec::new(),
        pages: Vec::new(),
        store: None,
        metrics: None,
        notify: None,
    };
    let result = reports.also(to).map_err(Failure::from).and_then(|()| body(&mut reports));
    let ended = result.unwrap_or_else(|failure| {
        failure.show(command, output);
        reports.run.failed.insert(failure.check, failure.fault.clone());
        reports.look_into_store();
        Ended::new(failure.exit, failure.summary())
    });
    finish(command, ended, reports, output)
}

/// The report of a call whose arguments nobody understands. `said` is what the parser says.
pub fn misused(file: &Path, said: &str) -> Result<(), Fault> {
    let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let message = lines.next().unwrap_or("the arguments make no sense").trim_start_matches("error: ");
    let mut fault = Fault::new("run:usage", message).hint("`countersign COMMAND --help` lists the flags");
    fault.causes = lines.map(str::to_owned).collect();
    let mut run = Run::begun(SystemClock.now(), vec![("version", env!("CARGO_PKG_VERSION").to_owned())]);
    run.failed.insert(Check::Completed, fault);
    save(&absolute(file), &run)
}

fn absolute(file: &Path) -> PathBuf {
    std::path::absolute(file).unwrap_or_else(|_| file.to_owned())
}

fn finish(command: &str, mut ended: Ended, mut reports: Reports, output: &Output) -> Exit {
    reports.run.ended = SystemClock.now();
    let incomplete = reports.run.failed.get(&Check::Completed).is_some_and(|fault| fault.code == "run:incomplete");
    if incomplete {
        reports.run.failed.remove(&Check::Completed);
    }
    if ended.exit == Exit::Interrupted {
        let fault = Fault::new("run:interrupted", "the run was told to stop").hint("the next run goes on from here");
        reports.run.failed.insert(Check::Completed, fault);
    }
    let figures = reports.metrics.as_ref().map_or(Ok(()), |path| {
        write::file(path, metrics::render(&reports.run, ended.exit as u8).as_bytes(), write::PUBLIC)
    });
    let line = summary_line(command, ended.exit, &ended.summary);
    if let Err(fault) = reports.save(&line).and(figures) {
        Failure::from(fault).show(command, output);
        ended.exit = if ended.exit == Exit::Done { Exit::Failed } else { ended.exit };
    }
    if let Some(notify) = &reports.notify {
        tell::people(notify, &reports.run, ended.exit, &ended.summary);
    }
    output.summary(command, ended.exit, &ended.summary);
    ended.exit
}
