//! Makes the tree of the store, and makes sure that it is ours.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::layout::{FOLDERS, Layout, NEIGHBOURS, SCHEMA};
use super::{read, write};
use crate::fault::{Fault, Retry};

/// Makes what is missing and checks what is there. Gives the layout below the real path of `root`.
pub fn prepare(root: &Path) -> Result<Layout, Fault> {
    let layout = claim(root)?;
    for folder in FOLDERS {
        write::own_folder(&layout.folder(folder))?;
        probe(&layout.folder(folder))?;
    }
    if layout.schema().symlink_metadata().is_err() {
        write::file(&layout.schema(), format!("{SCHEMA}\n").as_bytes(), write::PRIVATE)?;
    }
    Ok(layout)
}

/// Makes and checks the root only. Several runs may do so at once.
pub fn claim(root: &Path) -> Result<Layout, Fault> {
    let layout = Layout::new(&real_root(root)?);
    check_schema(&layout)?;
    check_content(&layout)?;
    check_owners(&layout, probe(layout.root())?)?;
    write::own_folder(layout.root())?;
    Ok(layout)
}

/// Bytes for one order: key and journal entry, twice while they are replaced, a version with its chain, and what the
/// reports and the audit log say. Each of a dozen files takes whole blocks.
const PER_ORDER: u64 = 64 << 10;
/// Bytes for what does not grow with the orders.
const IN_ALL: u64 = 1 << 20;

/// Bytes that this user may still write to the file system of a path. `None` if it does not say how large it is.
pub fn free(path: &Path) -> io::Result<Option<u64>> {
    let found = rustix::fs::statvfs(path)?;
    Ok((found.f_blocks > 0).then(|| found.f_bavail.saturating_mul(found.f_frsize)))
}

pub fn has_room_for(layout: &Layout, orders: usize) -> Result<(), Fault> {
    let needed = PER_ORDER.saturating_mul(orders as u64).saturating_add(IN_ALL);
    match free(layout.root()) {
        Ok(Some(free)) if free < needed => {
            let error = io::Error::new(
                io::ErrorKind::StorageFull,
                format!("{} KiB are free, and {} KiB may be needed for {orders} orders", free >> 10, needed >> 10),
            );
            Err(write::failed("keep room in", layout.root(), &error))
        }
        Ok(_) => Ok(()),
        Err(error) => Err(write::failed("ask for the room of", layout.root(), &error)),
    }
}

/// Refuses a tree that a newer countersign wrote.
pub fn check_schema(layout: &Layout) -> Result<(), Fault> {
    let path = layout.schema();
    let Some(text) = read::text(&path)? else { return Ok(()) };
    match text.trim_end().parse::<u32>() {
        Ok(found) if found > SCHEMA => Err(read::newer_schema(&path, found, SCHEMA)),
        Ok(_) => Ok(()),
        Err(error) => {
            let hint = "it was cut or changed; bring it back from a backup";
            Err(read::unreadable(&path).caused_by(&error).hint(hint))
        }
    }
}

fn real_root(root: &Path) -> Result<PathBuf, Fault> {
    let failed = |error| write::failed("make", root, &error);
    if fs::metadata(root).is_err() {
        root.parent().map_or(Ok(()), fs::create_dir_all).map_err(failed)?;
        write::own_folder(root)?;
    }
    let real = fs::canonicalize(root).map_err(failed)?;
    if !real.is_dir() {
        return Err(foreign(format!("{} is no folder", real.display())).hint("let `state:` name a folder of its own"));
    }
    Ok(real)
}

/// A wrong `state:` must not turn somebody's folder into a store.
fn check_content(layout: &Layout) -> Result<(), Fault> {
    if layout.schema().symlink_metadata().is_ok() {
        return Ok(());
    }
    let known = |name: &str| {
        FOLDERS.contains(&name) || NEIGHBOURS.contains(&name) || name.ends_with(".tmp") || name.starts_with(".tmp")
    };
    match read::names(layout.root())?.into_iter().find(|name| !known(name)) {
        None => Ok(()),
        Some(name) => Err(foreign(format!("{} holds `{name}` and is no store", layout.root().display()))
            .hint("let `state:` name a folder of its own")),
    }
}

fn check_owners(layout: &Layout, us: u32) -> Result<(), Fault> {
    let own = [layout.root().to_owned()].into_iter().chain(FOLDERS.map(|name| layout.folder(name)));
    for path in own {
        match path.symlink_metadata() {
            Err(_) => {}
            Ok(found) if !found.is_dir() => {
                return Err(foreign(format!("{} is no folder", path.display()))
                    .hint("the store does not follow links inside its tree; move it away"));
            }
            Ok(found) if found.uid() != us => {
                let message = format!("{} belongs to user {}, this run is user {us}", path.display(), found.uid());
                return Err(foreign(message).hint("run as the owner, or give the whole folder to the user of this run"));
            }
            Ok(_) => {}
        }
    }
    Ok(())
}

/// Who we are is what the file system says about a file that we make. It shows too whether we may make one: better now
/// than when a certificate waits for its place.
fn probe(root: &Path) -> Result<u32, Fault> {
    let found = tempfile::tempfile_in(root).and_then(|file| file.metadata());
    found.map(|found| found.uid()).map_err(|error| write::failed("write to", root, &error))
}

fn foreign(message: String) -> Fault {
    Fault::new("store:foreign", message).retry(Retry::Never)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_of_another_user_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let layout = prepare(dir.path()).unwrap();
        let us = probe(layout.root()).unwrap();
        assert_eq!(check_owners(&layout, us), Ok(()));
        assert_eq!(check_owners(&layout, us + 1).unwrap_err().code, "store:foreign");
    }

    #[test]
    fn there_is_room_for_an_order_and_not_for_more_than_the_disk_holds() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        assert_eq!(has_room_for(&layout, 1), Ok(()));
        assert_eq!(has_room_for(&layout, usize::MAX).unwrap_err().code, "store:no-space");
    }
}
