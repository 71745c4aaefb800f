//! Every write to the store: durable when the call returns, whole or not at all, with its mode whatever the umask.
//!
//! The rule: a temporary name in the same folder, fsync, rename, fsync of the folder.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::fault::{Fault, Retry};

/// Mode of files that hold a secret or concern nobody else.
pub const PRIVATE: u32 = 0o600;
/// Mode of certificates. The folders above keep strangers out.
pub const PUBLIC: u32 = 0o644;
const FOLDER: u32 = 0o700;

/// A value as JSON for people, with a newline at its end.
pub fn pretty<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("plain data");
    bytes.push(b'\n');
    bytes
}

/// Writes or replaces one file.
pub fn file(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Fault> {
    let temporary = temporary(path);
    let written = clear(&temporary)
        .and_then(|()| create(&temporary, bytes, mode)?.sync_all())
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| sync_parent(path));
    written.map_err(|error| {
        let _ = fs::remove_file(&temporary);
        failed("write", path, &error)
    })
}

/// Writes a report over an older one, and over nothing else: what is there is a regular file that begins as reports do.
///
/// # Errors
/// `store:foreign`, and what may happen to a [`file`].
pub fn report(path: &Path, text: &str, begins: &str) -> Result<(), Fault> {
    let is_older = || match path.symlink_metadata() {
        // Nothing, or nothing that could be written over: the write says why.
        Err(_) => true,
        Ok(found) if !found.is_file() => false,
        Ok(found) => found.len() == 0 || fs::read(path).is_ok_and(|older| older.starts_with(begins.as_bytes())),
    };
    if !is_older() {
        let text = format!("{} is there and is no earlier report of this kind", path.display());
        return Err(Fault::new("store:foreign", text)
            .hint("name another file, or remove this one")
            .retry(Retry::Never));
    }
    file(path, text.as_bytes(), PUBLIC)
}

/// Lengthens a private file, or begins it. Whoever needs it after a crash writes a [`file`].
pub fn append(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    open_to_append(path)?.write_all(bytes).map_err(|error| failed("write", path, &error))
}

/// A private file that is lengthened.
pub fn open_to_append(path: &Path) -> Result<File, Fault> {
    // No link of somebody else is followed, and no pipe is waited for.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let opened = OpenOptions::new().create(true).append(true).mode(PRIVATE).custom_flags(flags).open(path);
    let regular = |file: File| match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(ErrorKind::InvalidInput, "it is not a regular file")),
    };
    opened.and_then(regular).map_err(|error| failed("write", path, &error))
}

/// Writes a file that only its owner may read, where none is yet: a name that is taken is never overwritten.
pub fn new_file(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    let temporary = temporary(path);
    let written = clear(&temporary)
        .and_then(|()| create(&temporary, bytes, PRIVATE)?.sync_all())
        .and_then(|()| fs::hard_link(&temporary, path))
        .and_then(|()| fs::remove_file(&temporary))
        .and_then(|()| sync_parent(path));
    written.map_err(|error| {
        let _ = fs::remove_file(&temporary);
        match error.kind() {
            ErrorKind::AlreadyExists => Fault::new("export:exists", format!("{} is there already", path.display()))
                .hint("name a file that is not there yet")
                .retry(Retry::Never),
            _ => failed("write", path, &error),
        }
    })
}

/// Writes a folder with its files, each given by name, bytes and mode. It must not exist yet.
pub fn folder(path: &Path, files: &[(&str, &[u8], u32)]) -> Result<(), Fault> {
    let temporary = temporary(path);
    let written = clear(&temporary).and_then(|()| fill(&temporary, files)).and_then(|()| {
        if path.symlink_metadata().is_ok() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        fs::rename(&temporary, path)?;
        sync_parent(path)
    });
    written.map_err(|error| {
        let _ = fs::remove_dir_all(&temporary);
        failed("write", path, &error)
    })
}

/// Writes a folder with its files anew, over one that is there, without waiting for the disk: for what may be lost.
pub fn passing_folder(path: &Path, files: &[(&str, &[u8], u32)]) -> Result<(), Fault> {
    let written = clear(path).and_then(|()| make_folder(path)).and_then(|()| {
        files.iter().try_for_each(|(name, bytes, mode)| create(&path.join(name), bytes, *mode).map(drop))
    });
    written.map_err(|error| failed("write", path, &error))
}

/// Makes or swaps a symbolic link. Whoever reads sees the old target or the new one.
pub fn link(path: &Path, target: &Path) -> Result<(), Fault> {
    let temporary = temporary(path);
    clear(&temporary)
        .and_then(|()| symlink(target, &temporary))
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| sync_parent(path))
        .map_err(|error| failed("link", path, &error))
}

/// Makes a folder that only its owner may enter, or takes one that is there.
///
/// # Errors
/// `store:foreign` if something else than a folder stands there, a symbolic link too.
pub fn own_folder(path: &Path) -> Result<(), Fault> {
    match path.symlink_metadata() {
        Ok(found) if !found.is_dir() => Err(Fault::new("store:foreign", format!("{} is no folder", path.display()))
            .hint("the store does not follow links of others; move it away")
            .retry(Retry::Never)),
        Ok(found) if found.permissions().mode() & 0o777 == FOLDER => Ok(()),
        Ok(_) => chmod(path, FOLDER).map_err(|error| failed("protect", path, &error)),
        Err(_) => make_folder(path).and_then(|()| sync_parent(path)).map_err(|error| failed("make", path, &error)),
    }
}

/// Moves a file or folder inside the store. The target must not exist yet.
pub fn rename(from: &Path, to: &Path) -> Result<(), Fault> {
    if to.symlink_metadata().is_ok() {
        return Err(failed("write", to, &ErrorKind::AlreadyExists.into()));
    }
    fs::rename(from, to)
        .and_then(|()| sync_parent(to))
        .and_then(|()| sync_parent(from))
        .map_err(|error| failed("move", from, &error))
}

/// Removes a file or link, or a folder with what is in it. What is gone already is no error.
pub fn remove(path: &Path) -> Result<(), Fault> {
    if path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        return Ok(());
    }
    clear(path).and_then(|()| sync_parent(path)).map_err(|error| failed("remove", path, &error))
}

/// The fault for an error while writing.
pub fn failed(verb: &str, path: &Path, error: &io::Error) -> Fault {
    let (code, hint) = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            ("store:no-space", "make room on that file system, then run again")
        }
        ErrorKind::PermissionDenied
        | ErrorKind::ReadOnlyFilesystem
        | ErrorKind::NotADirectory
        | ErrorKind::AlreadyExists => (
            "store:unwritable",
            "see that what stands above it is a folder, and that the user of this run owns it and may write there",
        ),
        _ => ("store:io", "see the cause; once the file system is sound, run again: nothing is half written"),
    };
    Fault::new(code, format!("failed to {verb} {}", path.display())).caused_by(error).hint(hint)
}

fn create(path: &Path, bytes: &[u8], mode: u32) -> io::Result<File> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(path)?;
    file.write_all(bytes)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    Ok(file)
}

/// All files are written before the first is synced: the file system then needs few commits.
fn fill(path: &Path, files: &[(&str, &[u8], u32)]) -> io::Result<()> {
    make_folder(path)?;
    let written: Vec<File> =
        files.iter().map(|(name, bytes, mode)| create(&path.join(name), bytes, *mode)).collect::<io::Result<_>>()?;
    for file in written {
        file.sync_all()?;
    }
    File::open(path)?.sync_all()
}

/// The umask may have taken bits away. A folder that another run has just made is as good.
fn make_folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(FOLDER).create(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists || !path.symlink_metadata()?.is_dir() => Err(error),
        _ => chmod(path, FOLDER),
    }
}

/// Takes away what a run before left behind.
fn clear(path: &Path) -> io::Result<()> {
    let gone = match path.symlink_metadata() {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    gone.or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

fn temporary(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or(OsStr::new("")).to_string_lossy();
    path.with_file_name(format!(".{name}.tmp"))
}

fn chmod(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// Makes the name of a new file durable.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    // The parent of a plain name is the current folder.
    let parent = path.parent().unwrap_or(Path::new("/"));
    File::open(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        path.symlink_metadata().unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_file_replaces_a_wider_one_and_what_a_crash_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        fs::write(dir.path().join(".key.tmp"), "half").unwrap();
        file(&path, b"new", PRIVATE).unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"new".to_vec(), 0o600));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_that_waits_at_the_temporary_name_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let outside = dir.path().join("outside");
        fs::write(&outside, "untouched").unwrap();
        symlink(&outside, dir.path().join(".key.tmp")).unwrap();
        file(&dir.path().join("key"), b"secret", PRIVATE).unwrap();
        assert_eq!(fs::read_to_string(&outside).unwrap(), "untouched");
    }

    #[test]
    fn a_link_at_the_name_itself_is_replaced_and_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let outside = dir.path().join("outside");
        fs::write(&outside, "untouched").unwrap();
        symlink(&outside, dir.path().join("key")).unwrap();
        file(&dir.path().join("key"), b"secret", PRIVATE).unwrap();
        assert_eq!(fs::read_to_string(&outside).unwrap(), "untouched");
        assert!(!dir.path().join("key").is_symlink());
    }

    #[test]
    fn a_folder_is_never_written_over_another() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("1");
        folder(&path, &[("a", b"first", PUBLIC)]).unwrap();
        assert_eq!(folder(&path, &[("a", b"second", PUBLIC)]).unwrap_err().code, "store:unwritable");
        assert_eq!(fs::read_to_string(path.join("a")).unwrap(), "first");
        assert!(!dir.path().join(".1.tmp").exists());
    }

    #[test]
    fn a_full_disk_and_a_read_only_one_have_their_own_codes() {
        let code = |raw| failed("write", Path::new("a"), &io::Error::from_raw_os_error(raw)).code;
        assert_eq!([libc::ENOSPC, libc::EDQUOT].map(code), ["store:no-space"; 2]);
        assert_eq!([libc::EACCES, libc::EPERM, libc::EROFS, libc::ENOTDIR].map(code), ["store:unwritable"; 4]);
        assert_eq!(code(libc::EIO), "store:io");
    }

    #[test]
    fn a_write_to_a_full_device_leaves_nothing_and_says_no_space() {
        let fault = failed("write", Path::new("a"), &fs::write("/dev/full", "x").unwrap_err());
        assert_eq!(fault.code, "store:no-space");
    }
}
