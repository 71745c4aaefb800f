//! Token files in their folder: never through a link, whole or not at all, with their mode whatever the umask.
//!
//! Web servers read the folder, so it may belong to somebody who is trusted less than the state directory. Nothing is
//! written or removed but through the open folder, and only by names that cannot lead out of it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, fchmod, open, openat, renameat, unlinkat};

use crate::fault::{Fault, Retry};
use crate::journal::TokenFile;

/// Puts the file there, unless it is there already.
pub fn put(file: &TokenFile, mode: u32) -> Result<(), Fault> {
    let folder = opened(&file.folder).map_err(|error| unusable(&file.folder, &error))?;
    let failed = |error: io::Error| failed("write", file, &error);
    match content(&folder, file).map_err(failed)? {
        Some(found) if found == file.content.as_bytes() => Ok(()),
        Some(_) => {
            let text = format!("`{}` in {} is somebody else's file", file.token, file.folder.display());
            Err(Fault::new("http:foreign-file", text).hint("see who else writes to the folder"))
        }
        None => write(&folder, file, Mode::from_raw_mode(mode)).map_err(failed),
    }
}

/// Takes the file away if it is ours. A folder that is gone has none of ours.
pub fn take(file: &TokenFile) -> Result<(), Fault> {
    let folder = match opened(&file.folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened.map_err(|error| unusable(&file.folder, &error))?,
    };
    let taken = content(&folder, file).and_then(|found| match found {
        Some(found) if found == file.content.as_bytes() => remove(&folder, &file.token),
        _ => Ok(()),
    });
    taken.and_then(|()| remove(&folder, &temporary(file))).map_err(|error| failed("remove", file, &error))
}

/// Whether the folder can be used, and who else may change what is in it.
///
/// # Errors
/// `http:folder`; `http:writable` if others than root and this user may write.
pub fn check(path: &Path) -> Result<(), Fault> {
    let folder = opened(path).map_err(|error| unusable(path, &error))?;
    let about = File::from(folder).metadata().map_err(|error| unusable(path, &error))?;
    let mode = about.permissions().mode() & 0o7777;
    if rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_err() {
        let text = format!("this user may not write to {} (mode {mode:04o}, owner {})", path.display(), about.uid());
        return Err(Fault::new("http:folder", text).hint("let this user own the folder, mode 0755"));
    }
    if mode & 0o022 != 0 || ![0, rustix::process::geteuid().as_raw()].contains(&about.uid()) {
        let text = format!("others may write to {} (mode {mode:04o}, owner {})", path.display(), about.uid());
        return Err(Fault::new("http:writable", text).hint(
            "whoever can put files there can have certificates for the names: let this user own it, and `chmod go-w`",
        ));
    }
    Ok(())
}

/// The folder itself: a link at its place is refused.
fn opened(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
    Ok(open(path, flags, Mode::empty())?)
}

/// What stands at the file's name, as far as a token file goes. A link or a folder there is somebody else's.
fn content(folder: &OwnedFd, file: &TokenFile) -> io::Result<Option<Vec<u8>>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = match openat(folder, &*file.token, flags, Mode::empty()) {
        Ok(opened) => opened,
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(rustix::io::Errno::LOOP) => return Ok(Some(Vec::new())),
        Err(error) => return Err(error.into()),
    };
    let opened = File::from(opened);
    let mut found = Vec::new();
    if opened.metadata()?.is_file() {
        opened.take(file.content.len() as u64 + 1).read_to_end(&mut found)?;
    }
    Ok(Some(found))
}

fn write(folder: &OwnedFd, file: &TokenFile, mode: Mode) -> io::Result<()> {
    let temporary = temporary(file);
    remove(folder, &temporary)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut made = File::from(openat(folder, &*temporary, flags, Mode::RUSR | Mode::WUSR)?);
    made.write_all(file.content.as_bytes())?;
    fchmod(&made, mode)?;
    Ok(renameat(folder, &*temporary, folder, &*file.token)?)
}

fn remove(folder: &OwnedFd, name: &str) -> io::Result<()> {
    match unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn temporary(file: &TokenFile) -> String {
    format!(".{}.tmp", file.token)
}

fn unusable(path: &Path, error: &io::Error) -> Fault {
    let (shown, raw) = (path.display(), error.raw_os_error());
    // With O_NOFOLLOW and O_DIRECTORY a link is no directory.
    let link = path.symlink_metadata().is_ok_and(|about| about.is_symlink());
    let hint = match raw {
        Some(libc::ENOENT) => format!("make it: `install -d -m 0755 {shown}`"),
        _ if link => "it is a symbolic link: name the folder itself under `http:` in the runner's config".to_owned(),
        _ => "see `folder:` under `http:` in the runner's config".to_owned(),
    };
    Fault::new("http:folder", format!("the folder {shown} cannot be used for http-01"))
        .caused_by(error)
        .hint(hint)
        .retry(Retry::Never)
}

fn failed(what: &str, file: &TokenFile, error: &io::Error) -> Fault {
    Fault::new("http:folder", format!("failed to {what} `{}` in {}", file.token, file.folder.display()))
        .caused_by(error)
        .hint("see that this user may write to the folder, and that the disk is not full")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::*;

    fn file(folder: &Path) -> TokenFile {
        let (host, token, content) = ("www.example.com".into(), "tok-EN_1".into(), "tok-EN_1.thumb".into());
        TokenFile { folder: folder.to_owned(), host, token, content }
    }

    fn names(folder: &Path) -> Vec<PathBuf> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into()).collect()
    }

    #[test]
    fn a_file_has_exactly_the_content_and_the_mode_and_goes_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path());
        put(&file, 0o640).unwrap();
        put(&file, 0o640).unwrap();
        let path = folder.path().join("tok-EN_1");
        assert_eq!(fs::read_to_string(&path).unwrap(), "tok-EN_1.thumb");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o640);
        take(&file).unwrap();
        take(&file).unwrap();
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn what_a_crash_left_unfinished_goes_too() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".tok-EN_1.tmp"), "tok").unwrap();
        take(&file(folder.path())).unwrap();
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_link_in_place_of_the_folder_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        fs::create_dir(&real).unwrap();
        symlink(&real, &link).unwrap();
        let fault = put(&file(&link), 0o644).unwrap_err();
        assert_eq!(fault.code, "http:folder");
        assert!(fault.hint.unwrap().contains("symbolic link"));
        assert_eq!(take(&file(&link)).unwrap_err().code, "http:folder");
        assert!(names(&real).is_empty());
    }

    #[test]
    fn a_link_in_place_of_the_file_is_neither_followed_nor_removed() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::NamedTempFile::new().unwrap();
        fs::write(outside.path(), "tok-EN_1.thumb").unwrap();
        for name in ["tok-EN_1", ".tok-EN_1.tmp"] {
            symlink(outside.path(), folder.path().join(name)).unwrap();
        }
        let file = file(folder.path());
        assert_eq!(put(&file, 0o600).unwrap_err().code, "http:foreign-file");
        take(&file).unwrap();
        assert_eq!(fs::read_to_string(outside.path()).unwrap(), "tok-EN_1.thumb");
        assert_eq!(names(folder.path()), [PathBuf::from("tok-EN_1")]);
    }

    #[test]
    fn somebody_elses_file_is_neither_written_over_nor_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tok-EN_1");
        fs::write(&path, "theirs").unwrap();
        let file = file(folder.path());
        assert_eq!(put(&file, 0o644).unwrap_err().code, "http:foreign-file");
        take(&file).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
    }

    #[test]
    fn a_folder_that_others_may_write_to_is_told_of() {
        let folder = tempfile::tempdir().unwrap();
        let code = |mode| {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
            check(folder.path()).map_err(|fault| fault.code)
        };
        assert_eq!(code(0o755), Ok(()));
        assert_eq!([0o1777, 0o775].map(code).map(Result::unwrap_err), ["http:writable"; 2]);
        assert_eq!(check(&folder.path().join("missing")).unwrap_err().code, "http:folder");
    }
}
