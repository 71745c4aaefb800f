//! Journal entries: one file a lineage, sealed with a digest, so that a cut or changed entry is never obeyed.

use std::path::Path;

use super::layout::Layout;
use super::{read, write};
use crate::fault::{Fault, Retry};
use crate::journal::{Entry, SCHEMA};
use crate::name::{Digest, LineageName};
use crate::secret::Secret;

/// Lineages with an entry, sorted.
pub fn lineages(layout: &Layout) -> Result<Vec<LineageName>, Fault> {
    let names = read::names(&layout.folder("journal"))?;
    Ok(names.iter().filter_map(|name| LineageName::parse(name.strip_suffix(".json")?).ok()).collect())
}

/// The entry of a lineage, or `None` if there is none.
pub fn entry(layout: &Layout, lineage: &LineageName) -> Result<Option<Entry>, Fault> {
    let path = layout.entry(lineage);
    let Some(bytes) = read::bytes(&path)? else { return Ok(None) };
    let entry = unseal(&path, &bytes)?;
    if entry.lineage != *lineage {
        return Err(damaged(&path, &format!("it is about `{}`", entry.lineage)));
    }
    Ok(Some(entry))
}

/// Writes an entry. One that cannot be read is not overwritten.
///
/// The key of an attempt goes as soon as no attempt needs it.
pub fn write_entry(layout: &Layout, new: &Entry) -> Result<(), Fault> {
    entry(layout, &new.lineage)?;
    write::file(&layout.entry(&new.lineage), &seal(new), write::PRIVATE)?;
    match new.attempt {
        Some(_) => Ok(()),
        None => write::remove(&layout.attempt_key(&new.lineage)),
    }
}

/// Removes the entry, then the key.
pub fn remove_entry(layout: &Layout, lineage: &LineageName) -> Result<(), Fault> {
    entry(layout, lineage)?;
    write::remove(&layout.entry(lineage))?;
    write::remove(&layout.attempt_key(lineage))
}

pub fn write_attempt_key(layout: &Layout, lineage: &LineageName, key: &Secret) -> Result<(), Fault> {
    write::file(&layout.attempt_key(lineage), key.reveal().as_bytes(), write::PRIVATE)
}

pub fn attempt_key(layout: &Layout, lineage: &LineageName) -> Result<Option<Secret>, Fault> {
    read::secret(&layout.attempt_key(lineage))
}

const BEFORE_DIGEST: &str = r#"{"digest":""#;
const BEFORE_ENTRY: &str = r#"","entry":"#;
const AFTER_ENTRY: &str = "}\n";

/// One JSON object: the digest of the entry's bytes, and the entry.
fn seal(entry: &Entry) -> Vec<u8> {
    let entry = serde_json::to_string(entry).expect("an entry is plain data");
    let digest = Digest::of(entry.as_bytes());
    format!("{BEFORE_DIGEST}{digest}{BEFORE_ENTRY}{entry}{AFTER_ENTRY}").into_bytes()
}

fn unseal(path: &Path, bytes: &[u8]) -> Result<Entry, Fault> {
    refuse_newer(path, bytes)?;
    let text = std::str::from_utf8(bytes).map_err(|_| damaged(path, "it is no text"))?;
    let parts = text
        .strip_prefix(BEFORE_DIGEST)
        .and_then(|rest| rest.strip_suffix(AFTER_ENTRY))
        .and_then(|rest| rest.split_once(BEFORE_ENTRY));
    let Some((digest, entry)) = parts else { return Err(damaged(path, "it was cut or written by something else")) };
    if Digest::of(entry.as_bytes()).to_string() != digest {
        return Err(damaged(path, "its digest does not match"));
    }
    serde_json::from_str(entry).map_err(|error| damaged(path, "it is no journal entry").caused_by(&error))
}

/// Looks for the schema only: a newer file may be of any other shape.
fn refuse_newer(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    let value: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
    let schema = |value: &serde_json::Value| value.get("schema").and_then(serde_json::Value::as_u64);
    match schema(&value).or_else(|| schema(value.get("entry")?)) {
        Some(found) if found > u64::from(SCHEMA) => {
            Err(read::newer_schema(path, u32::try_from(found).unwrap_or(u32::MAX), SCHEMA))
        }
        _ => Ok(()),
    }
}

fn damaged(path: &Path, why: &str) -> Fault {
    let mut fault = Fault::new("store:journal", format!("the journal entry {} is damaged", path.display()))
        .hint("bring it back from a backup, or move it away with its .key: the lineage then begins a new order")
        .retry(Retry::Never);
    fault.causes.push(why.to_owned());
    fault
}
