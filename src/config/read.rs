//! Reads the files that a runner trusts: its config, the policy, the allowed signers.

use std::fs::Metadata;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use tracing::debug;

use crate::fault::{Fault, Retry};
use crate::regular;

/// The text of a file that nobody but its owner may write.
///
/// Fails with `config:unreadable`, at once if it is a named pipe or a device, or with `config:writable` if group or others may write it. The file that is judged
/// is the one that is read, also if the path changes in between.
pub fn read(path: &Path) -> Result<String, Fault> {
    open(path, |_| Ok(()))
}

/// The text of a file that nobody but its owner may read or write, such as a private key.
///
/// Fails as [`read`] does, and with `config:readable` if group or others may read it, or another user owns it who is not
/// root.
pub fn read_private(path: &Path) -> Result<String, Fault> {
    open(path, |about| private(path, about.mode() & 0o7777, about.uid()))
}

fn private(path: &Path, mode: u32, owner: u32) -> Result<(), Fault> {
    if mode & 0o044 != 0 {
        return Err(readable(path, mode));
    }
    if ![0, rustix::process::geteuid().as_raw()].contains(&owner) {
        let message = format!("`{}` belongs to another user (uid {owner})", path.display());
        let hint = format!("give this user a key of its own, or run `chown` on {}", path.display());
        return Err(Fault::new("config:readable", message).hint(hint).retry(Retry::Never));
    }
    Ok(())
}

fn open(path: &Path, judge: impl FnOnce(&Metadata) -> Result<(), Fault>) -> Result<String, Fault> {
    let unreadable = |error: std::io::Error| unreadable(path, &error);
    let mut file = regular::open(path).map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    if about.mode() & 0o022 != 0 {
        return Err(writable(path, about.mode() & 0o7777));
    }
    judge(&about)?;
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(unreadable)?;
    debug!(path = %path.display(), bytes = text.len(), "read");
    Ok(text)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Fault {
    let hint = match error.kind() {
        ErrorKind::InvalidInput => "put a file there: folders, named pipes and devices are not read",
        _ => "see that the file is there and that this user may read it",
    };
    Fault::new("config:unreadable", format!("failed to read `{}`", path.display()))
        .caused_by(error)
        .hint(hint)
        .retry(Retry::Never)
}

fn writable(path: &Path, mode: u32) -> Fault {
    let message = format!("`{}` may be written by others than its owner (mode {mode:04o})", path.display());
    Fault::new("config:writable", message)
        .hint(format!("make sure of what it says, then run `chmod go-w {}`", path.display()))
        .retry(Retry::Never)
}

fn readable(path: &Path, mode: u32) -> Fault {
    let message = format!("`{}` may be read by others than its owner (mode {mode:04o})", path.display());
    Fault::new("config:readable", message)
        .hint(format!("make a new key if somebody may have read it, then run `chmod go-rwx {}`", path.display()))
        .retry(Retry::Never)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    type Read = fn(&Path) -> Result<String, Fault>;

    fn with_mode(read: Read, mode: u32) -> Result<String, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "version: 1\n").unwrap();
        std::fs::set_permissions(file.path(), Permissions::from_mode(mode)).unwrap();
        read(file.path()).map_err(|fault| fault.code)
    }

    #[test]
    fn a_file_that_only_its_owner_may_write_is_read() {
        assert_eq!(with_mode(read, 0o644).as_deref(), Ok("version: 1\n"));
    }

    #[test]
    fn a_file_that_group_or_others_may_write_is_refused() {
        let modes = [0o664, 0o646, 0o620, 0o602];
        assert!(modes.into_iter().all(|mode| with_mode(read, mode).is_err_and(|code| code == "config:writable")));
    }

    #[test]
    fn a_private_file_that_group_or_others_may_read_is_refused() {
        assert!([0o600, 0o400].into_iter().all(|mode| with_mode(read_private, mode).is_ok()));
        let told = [0o640, 0o604, 0o444, 0o660].map(|mode| with_mode(read_private, mode).unwrap_err());
        assert_eq!(told, ["config:readable", "config:readable", "config:readable", "config:writable"]);
    }

    #[test]
    fn a_private_file_of_another_user_is_refused_and_one_of_root_is_not() {
        let us = rustix::process::geteuid().as_raw();
        let code = |owner| private(Path::new("key"), 0o600, owner).map_err(|fault| fault.code);
        assert_eq!([0, us, us + 1].map(code), [Ok(()), Ok(()), Err("config:readable".into())]);
    }

    #[test]
    fn a_missing_file_and_a_folder_are_unreadable() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
        let code = |path: &Path| read(path).unwrap_err().code;
        assert_eq!(code(folder.path()), "config:unreadable");
        assert_eq!(code(&folder.path().join("missing")), "config:unreadable");
    }
}
