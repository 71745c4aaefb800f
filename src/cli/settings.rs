//! Where the runner's configuration comes from.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::cli::args::Global;
use crate::cli::failure::Failure;
use crate::config::pull::Pull;
use crate::config::{Config, read};
use crate::diag::{Diagnostic, SourceFile, render};
use crate::fault::Fault;

/// The configuration itself in a variable, instead of a file.
const TEXT_VARIABLE: &str = "COUNTERSIGN_CONFIG_TEXT";

/// The file that is taken if nothing else is said. No folder above is searched.
const DEFAULT_FILE: &str = "countersign.yaml";
/// The same on a machine that pulls.
const PULL_FILE: &str = "pull.yaml";

/// Reads the configuration: `--config` or `COUNTERSIGN_CONFIG`, `-` for standard input, the text in
/// `COUNTERSIGN_CONFIG_TEXT`, or `./countersign.yaml`.
pub fn load(global: &Global) -> Result<Config, Failure> {
    let (text, name, base) = text(global)?;
    let parsed = Config::parse(&text, &name);
    let parsed = parsed.map_err(|found| invalid(&name, &text, &found, "config"))?;
    Ok(parsed.resolved(&base))
}

/// Reads what a machine is to pull: `--config` or `COUNTERSIGN_CONFIG`, else `./pull.yaml`.
pub fn load_pull(global: &Global) -> Result<Pull, Failure> {
    let (text, name, base) = match &global.config {
        Some(_) => text(global)?,
        None => read_file(Path::new(PULL_FILE), &here()?)?,
    };
    let parsed = Pull::parse(&text, &name);
    Ok(parsed.map_err(|found| invalid(&name, &text, &found, "pull"))?.resolved(&base))
}

fn invalid(name: &str, text: &str, found: &[Diagnostic], schema: &str) -> Failure {
    let source = SourceFile { path: name.to_owned(), bytes: text.as_bytes().to_vec() };
    let example = if schema == "pull" { "policy/pull.example.yaml" } else { "policy/countersign.example.yaml" };
    let mut fault = Fault::new("config:invalid", format!("{name} is not a valid configuration"))
        .hint(format!("{example} explains every key, `countersign schema {schema}` lists them"));
    fault.causes = render::lines(found);
    Failure { details: render::render(found, &[source], false), ..Failure::from(fault) }
}

/// The configuration if there is one to be found. Nobody has to have one to validate a list.
pub fn load_if_any(global: &Global) -> Result<Option<Config>, Failure> {
    let named = global.config.is_some() || std::env::var_os(TEXT_VARIABLE).is_some();
    if named || Path::new(DEFAULT_FILE).exists() { load(global).map(Some) } else { Ok(None) }
}

/// The file that [`load`] reads, if it is one.
pub fn file(global: &Global) -> Option<PathBuf> {
    match &global.config {
        Some(path) if path.as_os_str() == "-" => None,
        Some(path) => Some(path.clone()),
        None if std::env::var_os(TEXT_VARIABLE).is_some() => None,
        None => Some(DEFAULT_FILE.into()),
    }
}

fn text(global: &Global) -> Result<(String, String, PathBuf), Failure> {
    let here = here()?;
    match &global.config {
        Some(path) if path.as_os_str() == "-" => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map_err(|error| {
                Fault::new("config:unreadable", "failed to read the configuration from standard input")
                    .caused_by(&error)
            })?;
            Ok((text, "standard input".into(), here))
        }
        Some(path) => read_file(path, &here),
        None => match std::env::var(TEXT_VARIABLE) {
            Ok(text) => Ok((text, TEXT_VARIABLE.into(), here)),
            Err(_) => read_file(Path::new(DEFAULT_FILE), &here),
        },
    }
}

fn here() -> Result<PathBuf, Fault> {
    std::env::current_dir()
        .map_err(|error| Fault::new("config:unreadable", "failed to find the current folder").caused_by(&error))
}

fn read_file(path: &Path, here: &Path) -> Result<(String, String, PathBuf), Failure> {
    let text = read::read(path).map_err(|fault| match (fault.code.as_str(), fault.hint.clone()) {
        ("config:unreadable", Some(hint)) => fault.hint(format!("{hint}; --config names another configuration")),
        _ => fault,
    })?;
    let base = here.join(path).parent().map_or_else(|| here.to_owned(), Path::to_owned);
    Ok((text, path.display().to_string(), base))
}
