//! Reads files of the store: bounded, and never through a link at the file's own name.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::fault::{Fault, Retry};
use crate::regular;
use crate::secret::Secret;

/// No file of the store is larger.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// The bytes of a file, or `None` if there is none.
pub fn bytes(path: &Path) -> Result<Option<Vec<u8>>, Fault> {
    match regular::open_no_link(path).and_then(|file| regular::read(file, MAX_BYTES)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path).caused_by(&error)),
    }
}

/// The text of a file, or `None` if there is none.
pub fn text(path: &Path) -> Result<Option<String>, Fault> {
    match bytes(path)?.map(String::from_utf8) {
        None => Ok(None),
        Some(Ok(text)) => Ok(Some(text)),
        // Not the error itself: it shows the bytes.
        Some(Err(_)) => Err(unreadable(path).hint("it is no text; bring it back from a backup")),
    }
}

/// A secret text, or `None` if there is none.
pub fn secret(path: &Path) -> Result<Option<Secret>, Fault> {
    Ok(text(path)?.map(Secret::new))
}

/// A JSON file without a schema of its own, or `None` if there is none.
pub fn json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Fault> {
    bytes(path)?.map(|bytes| parse(path, &bytes)).transpose()
}

/// A JSON file with a field `schema`, or `None` if there is none.
///
/// # Errors
/// `store:newer-schema` if a newer countersign wrote it.
pub fn versioned_json<T: DeserializeOwned>(path: &Path, schema: u32) -> Result<Option<T>, Fault> {
    #[derive(Deserialize)]
    struct Schema {
        schema: u32,
    }
    let Some(bytes) = bytes(path)? else { return Ok(None) };
    let found: Schema = parse(path, &bytes)?;
    if found.schema > schema {
        return Err(newer_schema(path, found.schema, schema));
    }
    parse(path, &bytes).map(Some)
}

/// A JSON value out of the bytes of a file.
pub fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(bytes).map_err(|error| {
        let hint = "it was cut or changed; bring it back from a backup";
        unreadable(path).caused_by(&error).hint(hint)
    })
}

/// The names in a folder, sorted. A folder that is not there has none.
pub fn names(path: &Path) -> Result<Vec<String>, Fault> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(path).caused_by(&error)),
    };
    let name = |entry: io::Result<fs::DirEntry>| entry.map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = entries
        .filter_map(|entry| name(entry).transpose())
        .collect::<io::Result<_>>()
        .map_err(|error| unreadable(path).caused_by(&error))?;
    names.sort_unstable();
    Ok(names)
}

/// The fault for something that a newer countersign wrote.
pub fn newer_schema(path: &Path, found: u32, known: u32) -> Fault {
    let message = format!("{} has schema {found}, this countersign knows {known}", path.display());
    Fault::new("store:newer-schema", message)
        .hint("run the newer countersign that wrote it; nothing was changed")
        .retry(Retry::Never)
}

pub fn unreadable(path: &Path) -> Fault {
    Fault::new("store:unreadable", format!("failed to read {}", path.display())).retry(Retry::Never)
}
