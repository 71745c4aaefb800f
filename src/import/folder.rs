//! A folder of another tool, and nothing outside of it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::fault::{Fault, Retry};
use crate::regular;
use crate::secret::Secret;

/// Keys, chains and settings are small.
const MAX_BYTES: u64 = 1024 * 1024;

/// A folder that is read. Links inside are followed as long as they stay inside.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// # Errors
    /// `import:unreadable` if it is no folder that this user may read.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        let state = || unreadable(path).hint("name the folder that the tool keeps its state in");
        let root = fs::canonicalize(path).map_err(|error| state().caused_by(&error))?;
        if !root.is_dir() {
            return Err(state());
        }
        Ok(Self { root })
    }

    /// Names directly inside a folder, sorted. None if there is no such folder.
    pub fn names(&self, path: &str) -> Result<Vec<String>, Fault> {
        let Some(dir) = self.resolve(path)? else { return Ok(Vec::new()) };
        if !dir.is_dir() {
            return Ok(Vec::new());
        }
        let entries = fs::read_dir(&dir).map_err(|error| unreadable(&dir).caused_by(&error))?;
        let mut names: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// The text of a file, or `None` if there is none.
    ///
    /// # Errors
    /// `import:outside` if a link leads out of the folder, `import:unreadable`.
    pub fn text(&self, path: &str) -> Result<Option<String>, Fault> {
        let Some(real) = self.resolve(path)? else { return Ok(None) };
        let failed = |error: std::io::Error| unreadable(&self.root.join(path)).caused_by(&error);
        let file = regular::open_no_link(&real).map_err(failed)?;
        let bytes = regular::read(file, MAX_BYTES).map_err(failed)?;
        // Not the error itself: it could show the bytes.
        String::from_utf8(bytes).map(Some).map_err(|_| unreadable(&self.root.join(path)).because("it is no text"))
    }

    /// The text of a file that must be there.
    pub fn need(&self, path: &str) -> Result<String, Fault> {
        self.text(path)?.ok_or_else(|| unreadable(&self.root.join(path)).because("it is missing"))
    }

    pub fn secret(&self, path: &str) -> Result<Secret, Fault> {
        self.need(path).map(Secret::new)
    }

    /// What a link or folder is in the end, below the root.
    pub fn real(&self, path: &str) -> Result<Option<String>, Fault> {
        let real = self.resolve(path)?;
        Ok(real.and_then(|real| Some(real.strip_prefix(&self.root).ok()?.to_str()?.to_owned())))
    }

    fn resolve(&self, path: &str) -> Result<Option<PathBuf>, Fault> {
        let asked = self.root.join(path);
        let real = match fs::canonicalize(&asked) {
            Ok(real) => real,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(&asked).caused_by(&error)),
        };
        if !real.starts_with(&self.root) {
            return Err(Fault::new("import:outside", format!("{} leads out of the folder", asked.display()))
                .hint("only what is inside is read; copy the folder with its links, as `cp -a` does")
                .retry(Retry::Never));
        }
        Ok(Some(real))
    }
}

fn unreadable(path: &Path) -> Fault {
    Fault::new("import:unreadable", format!("failed to read {}", path.display())).retry(Retry::Never)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_inside_and_nowhere_else() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("state");
        fs::create_dir_all(root.join("archive")).unwrap();
        fs::write(root.join("archive/key"), "inside").unwrap();
        fs::write(dir.path().join("shadow"), "outside").unwrap();
        symlink("archive/key", root.join("good")).unwrap();
        symlink("../shadow", root.join("bad")).unwrap();
        symlink(dir.path(), root.join("folder")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        let folder = Folder::open(&root).unwrap();
        assert_eq!(folder.text("good").unwrap().as_deref(), Some("inside"));
        let code = |path: &str| folder.text(path).unwrap_err().code;
        assert_eq!(["bad", "folder/shadow", "../shadow", "/etc/hostname"].map(code), ["import:outside"; 4]);
        assert_eq!(code("loop"), "import:unreadable");
        assert_eq!(code("archive"), "import:unreadable");
        assert_eq!(folder.text("missing"), Ok(None));
    }
}
