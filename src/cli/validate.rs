//! `countersign validate`

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cli::args::{Global, Validate as Args};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, counted};
use crate::cli::reports::{Ended, reported};
use crate::cli::settings;
use crate::diag::{SourceFile, render};
use crate::fault::Fault;
use crate::list::parse::{Parsed, parse};
use crate::report::Check;
use crate::report::terminal::Paint;

/// Lists longer than this are not read.
const MAX_LIST: u64 = 16 << 20;

pub fn run(global: &Global, args: &Args, output: &Output) -> Exit {
    reported("validate", args.report.junit.as_deref(), output, |reports| {
        let config = settings::load_if_any(global)?;
        let files = read(args.list.as_deref())?;
        let known = config.map(|config| config.known());
        if known.is_none() {
            output.text("note: no runner configuration, so authorities and buckets are not checked\n");
        }
        let Parsed { list, diagnostics } = parse(&files, known.as_ref());
        output.error(&render::render(&diagnostics, &files, output.paint == Paint::Color));
        let errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
        let exit = if list.is_some() { Exit::Done } else { Exit::Refused };
        output.json("validate", json!({"exit": exit as u8, "diagnostics": diagnostics}));
        let warnings = diagnostics.len() - errors;
        if exit == Exit::Refused {
            let mut fault = Fault::new("list:invalid", format!("the list has {}", counted(errors, "error")));
            fault.causes = diagnostics.iter().filter(|d| d.is_error()).map(line).collect();
            reports.run.failed.insert(Check::ListValid, fault);
        }
        let count = list.map_or("no valid list".into(), |list| counted(list.len(), "certificate"));
        let (errors, warnings) = (counted(errors, "error"), counted(warnings, "warning"));
        Ok(Ended::new(exit, format!("{count}, {errors}, {warnings}")))
    })
}

fn line(diagnostic: &crate::diag::Diagnostic) -> String {
    let place = diagnostic.labels.first().map(|label| &label.place);
    let place = place.map(|place| format!("{}:{}:{}: ", place.file, place.line, place.column)).unwrap_or_default();
    format!("{place}{} [{}]", diagnostic.message, diagnostic.code)
}

fn read(list: Option<&Path>) -> Result<Vec<SourceFile>, Failure> {
    let path = list.map_or_else(default_list, Path::to_owned);
    let paths = if path.is_dir() { parts(&path)? } else { vec![path] };
    let files = paths.iter().map(|path| read_one(path)).collect::<Result<Vec<_>, _>>()?;
    if files.is_empty() {
        return Err(missing(Fault::new("list:missing", "the folder of the list has no `*.yaml`")));
    }
    Ok(files)
}

fn default_list() -> PathBuf {
    let folder = Path::new("domains");
    if !Path::new("domains.yaml").exists() && folder.is_dir() { folder.into() } else { "domains.yaml".into() }
}

/// Every `*.yaml` directly inside, by name.
fn parts(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    Ok(paths)
}

fn read_one(path: &Path) -> Result<SourceFile, Failure> {
    let size = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?.len();
    if size > MAX_LIST {
        return Err(missing(Fault::new("list:too-large", format!("{} has more than 16 MiB", path.display()))));
    }
    let bytes = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
    Ok(SourceFile { path: path.display().to_string(), bytes })
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let fault = Fault::new("list:missing", format!("failed to read the list {}", path.display())).caused_by(error);
    missing(fault.hint("run this in a checkout of the config repo, or name the list: `countersign validate LIST`"))
}

fn missing(fault: Fault) -> Failure {
    Failure::new(Exit::Refused, Check::ListValid, fault)
}
