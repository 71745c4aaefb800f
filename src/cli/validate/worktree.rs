//! The list as it stands in the folder: saved, committed or not.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::cli::args::Global;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::counted;
use crate::cli::settings;
use crate::cli::validate::Checked;
use crate::diag::SourceFile;
use crate::fault::Fault;
use crate::list::parse::parse;
use crate::regular;
use crate::report::Check;
use crate::source::Checkout;

/// Lists longer than this are not read.
const MAX_LIST: u64 = 16 << 20;

pub fn check(global: &Global, list: Option<&Path>) -> Result<Checked, Failure> {
    let known = settings::load_if_any(global)?.map(|config| config.known());
    let path = list.map_or_else(default_list, Path::to_owned);
    let files = read(&path)?;
    let parsed = parse(&files, known.as_ref());
    let note = "no runner configuration, so authorities and buckets are not checked";
    Ok(Checked {
        about: parsed.list.map_or("no valid list".into(), |list| counted(list.certificates().count(), "certificate")),
        notes: known.is_none().then(|| note.to_owned()).into_iter().collect(),
        diagnostics: parsed.diagnostics,
        files,
        list: shown(&path),
        ..Checked::default()
    })
}

fn default_list() -> PathBuf {
    let folder = Path::new("domains");
    if !Path::new("domains.yaml").exists() && folder.is_dir() { folder.into() } else { "domains.yaml".into() }
}

/// Where a list can be.
const LIST: &str = "run this in a checkout of the config repo, or name the list: `countersign validate LIST`";

fn read(path: &Path) -> Result<Vec<SourceFile>, Failure> {
    let paths = if path.is_dir() { parts(path)? } else { vec![path.to_owned()] };
    let files = paths.iter().map(|path| read_one(path)).collect::<Result<Vec<_>, _>>()?;
    if files.is_empty() {
        return Err(missing(Fault::new("list:missing", "the folder of the list has no `*.yaml`").hint(LIST)));
    }
    Ok(files)
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
    match regular::open(path).and_then(|file| regular::read(file, MAX_LIST)) {
        Ok(bytes) => Ok(SourceFile { path: shown(path), bytes }),
        Err(error) if error.kind() == ErrorKind::FileTooLarge => {
            let fault = Fault::new("list:too-large", format!("{} has more than 16 MiB", path.display()));
            Err(missing(fault.hint("a list is text that people write: see that this is the right file")))
        }
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// The path in the repository if the file is in one: reports are read from there, wherever this was run.
fn shown(path: &Path) -> String {
    let inside = || {
        let path = path.canonicalize().ok()?;
        let root = Checkout::root(path.parent()?)?;
        path.strip_prefix(root).ok().map(|path| path.display().to_string())
    };
    inside().unwrap_or_else(|| path.display().to_string())
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let fault = Fault::new("list:missing", format!("failed to read the list {}", path.display())).caused_by(error);
    missing(fault.hint(LIST))
}

fn missing(fault: Fault) -> Failure {
    Failure::new(Exit::Refused, Check::ListValid, fault)
}
