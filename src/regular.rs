//! Reads of files that somebody else may have put there: regular ones only, so that none waits for another program.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Read, Result};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Opens a file for reading. A named pipe, a device, a socket or a folder is refused at once.
pub fn open(path: &Path) -> Result<File> {
    open_with(path, 0)
}

/// The same, and a link at the file's own name is refused too.
pub fn open_no_link(path: &Path) -> Result<File> {
    open_with(path, libc::O_NOFOLLOW)
}

fn open_with(path: &Path, flags: i32) -> Result<File> {
    // Nobody has to stand at the other end of a pipe, and a terminal does not become ours.
    let flags = flags | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(Error::new(ErrorKind::InvalidInput, "it is not a regular file"));
    }
    Ok(file)
}

/// All bytes of an open file, unless there are more than `most`.
pub fn read(file: File, most: u64) -> Result<Vec<u8>> {
    let size = file.metadata()?.len();
    if size > most {
        return Err(Error::new(ErrorKind::FileTooLarge, format!("it has {size} bytes")));
    }
    // Room at once: a buffer that grows would leave copies of a key behind.
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1);
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn only_a_regular_file_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        rustix::fs::mkfifoat(rustix::fs::CWD, path("pipe"), rustix::fs::Mode::RUSR).unwrap();
        let _socket = UnixListener::bind(path("socket")).unwrap();
        std::fs::write(path("file"), "text").unwrap();
        std::os::unix::fs::symlink("file", path("link")).unwrap();
        let opens = |path: &Path| (open(path).is_ok(), open_no_link(path).is_ok());
        let others = [path("pipe"), path("socket"), "/dev/zero".into(), "/dev/tty".into(), dir.path().to_owned()];
        assert!(others.iter().all(|other| opens(other) == (false, false)));
        assert_eq!((opens(&path("file")), opens(&path("link"))), ((true, true), (true, false)));
    }

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "text").unwrap();
        let read = |most| read(open(file.path()).unwrap(), most).map_err(|error| error.kind());
        assert_eq!((read(4), read(3)), (Ok(b"text".to_vec()), Err(ErrorKind::FileTooLarge)));
    }
}
