//! `audit.jsonl`: the one file of the store that is lengthened and never replaced.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use time::OffsetDateTime;
use tracing::warn;

use super::layout::Layout;
use super::{read, write};
use crate::audit::chain::{self, Chain, Extent};
use crate::audit::{Head, Kind, Record};
use crate::fault::Fault;
use crate::regular;

/// So much of the end of a long log is read when only its end is wanted. No run writes as much in one go.
const TAIL: u64 = 8 << 20;

/// The whole log. One that is not there is empty.
pub fn whole(layout: &Layout) -> Result<Chain, Fault> {
    let path = layout.audit();
    let Some(mut file) = reader(&path)? else { return Ok(Chain::default()) };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|error| read::unreadable(&path).caused_by(&error))?;
    Ok(Chain::read(&bytes, Extent::Whole))
}

/// The last entries: all of them if the log is short.
pub fn tail(layout: &Layout) -> Result<Chain, Fault> {
    let path = layout.audit();
    let failed = |error: std::io::Error| read::unreadable(&path).caused_by(&error);
    let Some(mut file) = reader(&path)? else { return Ok(Chain::default()) };
    let length = file.metadata().map_err(failed)?.len();
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))
        .and_then(|_| file.read_to_end(&mut bytes))
        .map_err(failed)?;
    if length <= TAIL {
        return Ok(Chain::read(&bytes, Extent::Whole));
    }
    let begin = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |newline| newline + 1);
    Ok(Chain::read(&bytes[begin..], Extent::Tail))
}

/// Lengthens the log, durably, and gives its new end. A torn last line is taken away first, and the log says so.
pub fn append(layout: &Layout, records: &[Record], now: OffsetDateTime) -> Result<Option<Head>, Fault> {
    let path = layout.audit();
    let before = tail(layout)?;
    if records.is_empty() && before.torn == 0 {
        return Ok(before.head().cloned());
    }
    let mut records = records.to_vec();
    if before.torn > 0 {
        warn!(bytes = before.torn, "the last line of audit.jsonl was torn by a crash and is taken away");
        let result = Some(format!("{} bytes of a torn line taken away", before.torn));
        records.insert(0, Record { result, ..Record::new(Kind::Repaired) });
    }
    let (lines, head) = chain::link(before.head(), &records, now);
    let is_new = path.symlink_metadata().is_err();
    lengthen(&path, before.torn as u64, lines.as_bytes()).map_err(|error| write::failed("write", &path, &error))?;
    if is_new {
        write::sync_parent(&path).map_err(|error| write::failed("write", &path, &error))?;
    }
    Ok(head)
}

fn lengthen(path: &Path, torn: u64, lines: &[u8]) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(write::PRIVATE).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let mut file = options.open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(std::io::Error::new(ErrorKind::AlreadyExists, "it is not a regular file"));
    }
    if torn > 0 {
        file.set_len(found.len().saturating_sub(torn))?;
    }
    file.write_all(lines)?;
    file.sync_all()
}

fn reader(path: &Path) -> Result<Option<File>, Fault> {
    let failed = |error: std::io::Error| read::unreadable(path).caused_by(&error);
    match regular::open_no_link(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
    }
}
