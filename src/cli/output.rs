//! Standard output and standard error. A closed pipe is not an error.

use std::cell::Cell;
use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::cli::args::Global;
use crate::cli::exit::Exit;
use crate::cli::term::{self, Surroundings};
use crate::fault::Fault;
use crate::report::terminal::{self, Paint, fold};

/// The version of all JSON output.
const JSON_VERSION: u32 = 1;

/// A word as it is typed in a shell: quoted where it must be.
pub fn word(text: &str) -> String {
    shlex::try_quote(text).unwrap_or_default().into_owned()
}

/// `1 commit`, `2 commits`.
pub fn counted(count: usize, noun: &str) -> String {
    match noun.strip_suffix('y') {
        _ if count == 1 => format!("1 {noun}"),
        Some(stem) => format!("{count} {stem}ies"),
        None => format!("{count} {noun}s"),
    }
}

/// Where a command's answer goes, and in which form.
pub struct Output {
    pub paint: Paint,
    pub json: bool,
    pub quiet: bool,
    pub around: Surroundings,
    /// Whether an object was written. Every command but `apply` writes one.
    answered: Cell<bool>,
}

impl Output {
    pub fn new(global: &Global, around: Surroundings) -> Self {
        Self {
            paint: term::paint(global.color, around),
            json: global.json,
            quiet: global.quiet,
            around,
            answered: Cell::new(false),
        }
    }

    /// Text of the answer, for people only. At a terminal long lines are folded.
    pub fn text(&self, text: &str) {
        match self.around.width {
            Some(width) => self.exactly(&fold(text, width)),
            None => self.exactly(text),
        }
    }

    /// Text of the answer that programs read as it stands: scripts, units, policies.
    pub fn exactly(&self, text: &str) {
        if !self.json && !self.quiet {
            answer(text);
        }
    }

    /// One versioned object, on one line.
    pub fn json(&self, kind: &str, mut value: Value) {
        if self.json {
            value["version"] = JSON_VERSION.into();
            value["type"] = kind.into();
            answer(&format!("{value}\n"));
            self.answered.set(true);
        }
    }

    pub fn has_answered(&self) -> bool {
        self.answered.get()
    }

    /// The last line of the answer. Whoever asked for quiet hears only of what is not done.
    pub fn summary(&self, command: &str, exit: Exit, text: &str) {
        if self.json || (self.quiet && exit == Exit::Done) {
            return;
        }
        answer(&(summary_line(command, exit, text) + "\n"));
    }

    /// A fault that ended the work.
    pub fn fault(&self, fault: &Fault) {
        let text = terminal::fault(fault, self.paint);
        self.error(&self.around.width.map_or_else(|| text.clone(), |width| fold(&text, width)));
    }

    /// Diagnostics and what else belongs to standard error.
    pub fn error(&self, text: &str) {
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }
}

/// Stable: `countersign apply: partial (exit 3): …`.
pub fn summary_line(command: &str, exit: Exit, text: &str) -> String {
    format!("countersign {command}: {} (exit {}): {text}", exit.word(), exit as u8)
}

/// Whether a part of the answer could not be written, though somebody waits for it: a disk was full.
static LOST: AtomicBool = AtomicBool::new(false);

pub fn is_cut() -> bool {
    LOST.load(Ordering::Relaxed)
}

fn answer(text: &str) {
    let mut to = std::io::stdout().lock();
    let written = to.write_all(text.as_bytes()).and_then(|()| to.flush());
    if written.is_err_and(|error| error.kind() != ErrorKind::BrokenPipe) {
        LOST.store(true, Ordering::Relaxed);
    }
}
