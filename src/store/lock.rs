//! The lock: one run at a time on one store. It never waits, and the kernel frees it when a run dies.

use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{tree, write};
use crate::fault::Fault;
use crate::regular;

/// A longer text names no holder.
const LONGEST: u64 = 4096;

/// The lock, held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

/// Why there is no lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoLock {
    Held(Held),
    Fault(Fault),
}

/// Another run holds the lock. `None` if it has not written yet who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held(pub Option<Holder>);

/// Who holds the lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub pid: u32,
    pub host: String,
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// The command, like `apply`.
    pub operation: String,
}

impl Lock {
    /// Who holds the lock of the store at `root`, as far as can be told without touching it.
    pub fn holder(root: &Path) -> Option<Holder> {
        let file = regular::open_no_link(&root.join("lock")).ok()?;
        let holder: Holder = serde_json::from_slice(&regular::read(file, LONGEST).ok()?).ok()?;
        // A run that was killed leaves its name behind. The lock itself went with its process.
        let is_dead = holder.host == host() && !Path::new("/proc").join(holder.pid.to_string()).exists();
        (!is_dead).then_some(holder)
    }

    /// Takes the lock of the store at `root`, and makes the folder if there is none.
    pub fn acquire(root: &Path, operation: &str, now: OffsetDateTime) -> Result<Self, NoLock> {
        let layout = tree::claim(root).map_err(NoLock::Fault)?;
        Self::on(&layout.lock(), operation, now)
    }

    /// Takes the lock that one file is, and makes the file if there is none.
    pub fn on(path: &Path, operation: &str, now: OffsetDateTime) -> Result<Self, NoLock> {
        let failed = |error: io::Error| NoLock::Fault(write::failed("lock", path, &error));
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(write::PRIVATE)
            .custom_flags(libc::O_NOFOLLOW)
            .open(path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(NoLock::Held(Held(holder(&mut file)))),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let holder = Holder { pid: std::process::id(), host: host(), since: now, operation: operation.to_owned() };
        let text = serde_json::to_string(&holder).expect("a holder is plain data") + "\n";
        file.set_permissions(Permissions::from_mode(write::PRIVATE))
            .and_then(|()| file.set_len(0))
            .and_then(|()| file.write_all(text.as_bytes()))
            .map_err(failed)?;
        Ok(Self { file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Who comes next must not find our name. The lock itself goes with the file.
        let _ = self.file.set_len(0);
    }
}

impl NoLock {
    pub fn into_fault(self) -> Fault {
        match self {
            Self::Held(held) => Fault::new("run:locked", held.to_string())
                .hint("wait until that run has ended; the lock goes with its process"),
            Self::Fault(fault) => fault,
        }
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("another run holds the lock"),
            Some(Holder { pid, host, since, operation }) => {
                let format = time::macros::format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
                let since = since.to_offset(time::UtcOffset::UTC).format(format).unwrap_or_default();
                write!(f, "`{operation}` holds the lock: process {pid} on {host}, since {since}")
            }
        }
    }
}

fn holder(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(LONGEST).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| fs::read_to_string("/etc/hostname"));
    name.map_or_else(|_| "this host".to_owned(), |name| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-06-01 02:00 UTC);

    #[test]
    fn a_second_run_is_told_who_holds_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let _lock = Lock::acquire(dir.path(), "apply", NOW).unwrap();
        let Err(NoLock::Held(Held(Some(holder)))) = Lock::acquire(dir.path(), "plan", NOW) else {
            panic!("the second run should be refused by name");
        };
        assert_eq!(holder, Holder { pid: std::process::id(), host: host(), since: NOW, operation: "apply".into() });
    }

    #[test]
    fn the_lock_is_free_again_when_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        drop(Lock::acquire(dir.path(), "apply", NOW).unwrap());
        assert!(Lock::acquire(dir.path(), "plan", NOW).is_ok());
    }

    #[test]
    fn a_lock_file_that_is_a_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let outside = dir.path().join("outside");
        let root = dir.path().join("state");
        drop(Lock::acquire(&root, "apply", NOW).unwrap());
        fs::remove_file(root.join("lock")).unwrap();
        std::os::unix::fs::symlink(&outside, root.join("lock")).unwrap();
        assert!(matches!(Lock::acquire(&root, "apply", NOW), Err(NoLock::Fault(_))));
        assert!(!outside.exists());
    }
}
