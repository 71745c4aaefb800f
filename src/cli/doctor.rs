//! `countersign doctor`: everything that a run needs, cheap checks first. Takes no lock and changes nothing.

mod challenges;
mod checks;
mod host;
mod limits;
mod network;

use serde::Serialize;
use serde_json::json;

use crate::cli::args::Global;
use crate::cli::exit::Exit;
use crate::cli::output::{Output, counted};
use crate::cli::settings;
use crate::clock::SystemClock;
use crate::fault::Fault;
use crate::port::Clock;
use crate::report::terminal::{Paint, plain};

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Ok,
    Warn,
    Fail,
}

/// One line of the answer.
#[derive(Clone, Debug, Serialize)]
struct Checked {
    check: &'static str,
    state: State,
    fact: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

impl Checked {
    fn ok(check: &'static str, fact: impl Into<String>) -> Self {
        Self { check, state: State::Ok, fact: fact.into(), fix: None }
    }

    fn warn(check: &'static str, fact: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, state: State::Warn, fact: fact.into(), fix: Some(fix.into()) }
    }

    fn fail(check: &'static str, fact: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, state: State::Fail, fact: fact.into(), fix: Some(fix.into()) }
    }

    fn of(check: &'static str, state: State, fault: &Fault) -> Self {
        let causes: String = fault.causes.iter().map(|cause| format!(": {cause}")).collect();
        Self { check, state, fact: format!("{fault}{causes}"), fix: fault.hint.clone() }
    }

    fn text(&self, paint: Paint) -> String {
        let word = match self.state {
            State::Ok => paint.good("ok  "),
            State::Warn => paint.warn("warn"),
            State::Fail => paint.bad("FAIL"),
        };
        let below = " ".repeat(21);
        let fix =
            self.fix.as_ref().map(|fix| format!("{below}fix: {}\n", plain(fix).replace('\n', &format!("\n{below}"))));
        let fix = fix.unwrap_or_default();
        format!("{word}  {:<13}  {}\n{fix}", self.check, plain(&self.fact))
    }
}

/// Shows each line as soon as it is known.
struct Sheet<'a> {
    output: &'a Output,
    lines: Vec<Checked>,
}

impl Sheet<'_> {
    fn add(&mut self, line: Checked) {
        self.output.text(&line.text(self.output.paint));
        self.lines.push(line);
    }

    fn count(&self, state: State) -> usize {
        self.lines.iter().filter(|line| line.state == state).count()
    }
}

pub fn run(global: &Global, output: &Output) -> Exit {
    let mut sheet = Sheet { output, lines: Vec::new() };
    examine(global, &mut sheet);
    let (warned, failed) = (sheet.count(State::Warn), sheet.count(State::Fail));
    let exit = if failed > 0 { Exit::Failed } else { Exit::Done };
    output.json("doctor", json!({"exit": exit as u8, "checks": sheet.lines}));
    let checks = counted(sheet.lines.len(), "check");
    output.summary("doctor", exit, &format!("{checks}, {}, {failed} failed", counted(warned, "warning")));
    exit
}

/// What a check needs may come from the one before it; without that, the rest is not asked.
fn examine(global: &Global, sheet: &mut Sheet<'_>) {
    let config = match settings::load(global) {
        Ok(config) => config,
        Err(failure) => {
            sheet.output.error(&failure.details);
            return sheet.add(Checked::of("config", State::Fail, &failure.fault));
        }
    };
    sheet.add(Checked::ok("config", format!("read; the state is in {}", config.state.display())));
    let Some((root, store)) = checks::local(&config, sheet) else { return };
    host::look(&config, &store, SystemClock.now(), sheet);
    limits::look(&config, &store, SystemClock.now(), sheet);
    challenges::look(&config, sheet);
    network::ask(&config, &root, store, sheet);
}
