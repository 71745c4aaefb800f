//! Tells people, once for each apply that went wrong.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::exit::Exit;
use crate::cli::output::summary_line;
use crate::cli::runtime::runtime;
use crate::config::{Notify, read};
use crate::fault::Fault;
use crate::notify;
use crate::program::Program;
use crate::report::{Case, Run, Verdict};
use crate::secret::Secret;

/// How long a program may take to tell people.
const TIMEOUT: Duration = Duration::from_secs(30);

/// People are told of what they may have to do something about.
fn matters(exit: Exit) -> bool {
    matches!(exit, Exit::Failed | Exit::Partial | Exit::Refused | Exit::Locked)
}

/// Whoever cannot be told is no reason to end a run in another way: it stands in the log.
pub fn people(settings: &Notify, run: &Run, exit: Exit, summary: &str) {
    if !matters(exit) {
        return;
    }
    let news = news(run, exit, summary);
    if let Some(file) = &settings.webhook_file
        && let Err(fault) = read::read_private(file).and_then(|url| post(url, &news))
    {
        tracing::warn!(hint = fault.hint, "nobody was told by the webhook: {fault}");
    }
    if !settings.command.is_empty()
        && let Err(fault) = run_program(&settings.command, &news)
    {
        tracing::warn!(hint = fault.hint, "nobody was told by `notify.command`: {fault}");
    }
}

fn run_program(argv: &[String], news: &Value) -> Result<(), Fault> {
    let stdin = news.to_string().into_bytes();
    let program = Program { argv, environment: &[], stdin: &stdin, folder: Path::new("/"), timeout: TIMEOUT };
    runtime()?.block_on(program.run()).map(drop)
}

fn post(url: String, news: &Value) -> Result<(), Fault> {
    runtime()?.block_on(notify::webhook(&Secret::new(url), news))
}

/// `text` is what chat programs show; the rest is for programs.
fn news(run: &Run, exit: Exit, summary: &str) -> Value {
    let failed: Vec<Value> = run.cases().iter().filter_map(failure).collect();
    let line = summary_line("apply", exit, summary);
    let lines = failed.iter().take(10).filter_map(|one| one["text"].as_str());
    let text = std::iter::once(line.as_str()).chain(lines).collect::<Vec<_>>().join("\n");
    json!({"version": 1, "exit": exit as u8, "summary": summary, "failed": failed, "text": text})
}

fn failure(case: &Case) -> Option<Value> {
    let (Verdict::Failed(fault) | Verdict::Error(fault)) = &case.verdict else { return None };
    let text = format!("{}/{}: {fault}", case.suite, case.name);
    Some(json!({"suite": case.suite, "name": case.name, "code": fault.code, "text": text}))
}
