//! The folder of a lineage on a machine that uses it.
//!
//! `current` is a relative link to `releases/<sequence>`, so the folder works wherever it is mounted. Releases never
//! change; one that was damaged is written anew beside itself, as `<sequence>.2`.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, DirBuilder, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::version::{Version, parse_manifest};
use crate::bucket::layout::{FILES, Manifest, PRIVKEY, Pointer};
use crate::fault::{Fault, Retry};
use crate::lineage::naming::{self, Naming};
use crate::lineage::{Pems, public_key_of};
use crate::name::{Digest, LineageName};
use crate::secret::Secret;
use crate::store::lock::{Lock, NoLock};
use crate::store::write;

/// The link to the release in use.
pub const CURRENT: &str = "current";
const RELEASES: &str = "releases";
/// Changes whenever another version is in use.
const MARKER: &str = "version.json";
const MANIFEST: &str = "manifest.json";
/// The folder itself may be entered by all, so that they see the marker. The releases may not.
const OPEN: u32 = 0o755;

/// The folder, with its lock.
pub struct Folder {
    root: PathBuf,
    _lock: Lock,
}

/// A folder below `releases/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Release {
    pub sequence: u64,
    /// From 1. More than one only if an earlier one was damaged.
    copy: u32,
}

/// The version in use, as `version.json` has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    pub lineage: LineageName,
    pub sequence: u64,
    pub serial: String,
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
    /// Digest of the manifest.
    pub manifest: Digest,
    pub release: Release,
}

impl Marker {
    pub fn new(release: Release, manifest: &Manifest, digest: Digest) -> Self {
        let Manifest { lineage, sequence, serial, not_after, .. } = manifest.clone();
        Self { lineage, sequence, serial, not_after, manifest: digest, release }
    }

    pub fn is_of(&self, release: Release, manifest: &Digest) -> bool {
        self.release == release && self.manifest == *manifest
    }
}

impl Folder {
    /// Makes the folder if there is none, and takes its lock.
    ///
    /// # Errors
    /// `pull:folder`, `pull:foreign` (others may write there, or something else stands there), `run:locked`.
    pub fn open(path: &Path, now: OffsetDateTime) -> Result<Self, Fault> {
        let root = own(path)?;
        let lock = Lock::on(&root.join("lock"), "pull", now).map_err(NoLock::into_fault).map_err(here)?;
        write::own_folder(&root.join(RELEASES)).map_err(here)?;
        Ok(Self { root, _lock: lock })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What `current` points at.
    pub fn current(&self) -> Result<Option<Release>, Fault> {
        let link = self.root.join(CURRENT);
        let target = match fs::read_link(&link) {
            Ok(target) => target,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(_) => return Err(foreign(format!("{} is no link of countersign", link.display()))),
        };
        let name = target.to_str().and_then(|target| target.strip_prefix("releases/")).and_then(Release::parse);
        name.map(Some)
            .ok_or_else(|| foreign(format!("{} leads to {} and not to a release", link.display(), target.display())))
    }

    pub fn marker(&self, lineage: &LineageName) -> Result<Option<Marker>, Fault> {
        let path = self.root.join(MARKER);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(&path).caused_by(&error)),
        };
        let marker: Marker = serde_json::from_slice(&text).map_err(|error| unreadable(&path).caused_by(&error))?;
        if marker.lineage != *lineage {
            return Err(foreign(format!("{} is the folder of `{}`", self.root.display(), marker.lineage)));
        }
        Ok(Some(marker))
    }

    /// The newest whole release of the version that a pointer names, with all names of files that are asked for.
    /// `own_key` says that the key is this machine's.
    pub fn find(&self, pointer: &Pointer, also: &BTreeSet<Naming>, own_key: bool) -> Option<(Release, Manifest)> {
        let mut releases = self.releases().ok()?;
        releases.retain(|release| release.sequence == pointer.sequence);
        releases.into_iter().rev().find_map(|release| Some((release, self.whole(release, pointer, also, own_key)?)))
    }

    /// Writes a release that was not there yet, durably.
    pub fn write(&self, version: &Version, also: &BTreeSet<Naming>) -> Result<Release, Fault> {
        let sequence = version.manifest.sequence;
        let taken = self.releases()?.into_iter().filter(|release| release.sequence == sequence);
        let release = Release { sequence, copy: taken.map(|release| release.copy).max().unwrap_or(0) + 1 };
        let files = naming::files(&version.pems, &version.url, also);
        let mode = |secret| if secret { write::PRIVATE } else { write::PUBLIC };
        let mut all: Vec<(&str, &[u8], u32)> =
            files.iter().map(|file| (file.name.as_str(), file.bytes.as_slice(), mode(file.secret))).collect();
        all.push((MANIFEST, &version.manifest_bytes, write::PUBLIC));
        write::folder(&self.path(release), &all).map_err(here)?;
        Ok(release)
    }

    /// Whether a server may be reading a key below `current`.
    pub fn current_has_key(&self) -> Result<bool, Fault> {
        Ok(self.current()?.is_some_and(|current| self.path(current).join(PRIVKEY).exists()))
    }

    pub fn has(&self, release: Release) -> bool {
        self.path(release).is_dir()
    }

    /// Swaps `current`.
    pub fn point(&self, release: Release) -> Result<(), Fault> {
        write::link(&self.root.join(CURRENT), &Path::new(RELEASES).join(release.to_string())).map_err(here)
    }

    /// Says that a version is in use.
    pub fn confirm(&self, marker: &Marker) -> Result<(), Fault> {
        let mut bytes = serde_json::to_vec_pretty(marker).expect("plain data");
        bytes.push(b'\n');
        write::file(&self.root.join(MARKER), &bytes, write::PUBLIC).map_err(here)
    }

    /// Removes all but the newest releases and the one in use, and what an interrupted pull left behind.
    pub fn prune(&self, keep: usize, used: Release) -> Result<(), Fault> {
        let others: Vec<Release> = self.releases()?.into_iter().filter(|release| *release != used).collect();
        let too_many = others.len().saturating_sub(keep.saturating_sub(1));
        let old = others[..too_many].iter().map(|release| self.path(*release));
        let leftovers =
            self.names()?.into_iter().filter(|name| is_leftover(name)).map(|name| self.releases_dir().join(name));
        old.chain(leftovers).try_for_each(|path| write::remove(&path)).map_err(here)
    }

    /// The manifest of a release, if all that it must hold is there and sound.
    fn whole(&self, release: Release, pointer: &Pointer, also: &BTreeSet<Naming>, own_key: bool) -> Option<Manifest> {
        let read = |name: &str| fs::read(self.path(release).join(name)).ok().map(Zeroizing::new);
        let manifest = read(MANIFEST).filter(|bytes| Digest::of(bytes) == pointer.manifest)?;
        let (manifest, url) = parse_manifest(&manifest).ok()?;
        let sound = |name: &str| {
            read(name).filter(|bytes| manifest.files.get(name).is_some_and(|said| said.sha256 == Digest::of(bytes)))
        };
        let text = |name: &str| String::from_utf8(sound(name)?.to_vec()).ok();
        let [cert, chain, _] = FILES;
        let privkey = match own_key {
            // The manifest does not know it.
            true => Some(Secret::new(String::from_utf8(read(PRIVKEY)?.to_vec()).ok()?)),
            false if manifest.has_key() => Some(Secret::new(text(PRIVKEY)?)),
            false => None,
        };
        if privkey.as_ref().is_some_and(|key| public_key_of(key).as_ref() != Ok(&manifest.public_key)) {
            return None;
        }
        let pems = Pems { privkey, cert: text(cert)?, chain: text(chain)? };
        let files = naming::files(&pems, &url, also);
        files.iter().all(|file| read(&file.name).as_ref() == Some(&file.bytes)).then_some(manifest)
    }

    fn releases_dir(&self) -> PathBuf {
        self.root.join(RELEASES)
    }

    fn path(&self, release: Release) -> PathBuf {
        self.releases_dir().join(release.to_string())
    }

    /// Oldest first.
    fn releases(&self) -> Result<Vec<Release>, Fault> {
        let mut releases: Vec<Release> = self.names()?.iter().filter_map(|name| Release::parse(name)).collect();
        releases.sort_unstable();
        Ok(releases)
    }

    fn names(&self) -> Result<Vec<String>, Fault> {
        let dir = self.releases_dir();
        let entries = fs::read_dir(&dir).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
        let entries = entries.map_err(|error| unreadable(&dir).caused_by(&error))?;
        Ok(entries.into_iter().filter_map(|entry| entry.file_name().into_string().ok()).collect())
    }
}

impl Release {
    fn parse(name: &str) -> Option<Self> {
        let (sequence, copy) = name.split_once('.').unwrap_or((name, "1"));
        let release = Self { sequence: sequence.parse().ok()?, copy: copy.parse().ok()? };
        (release.sequence > 0 && release.copy > 0 && release.to_string() == name).then_some(release)
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.copy {
            1 => write!(f, "{}", self.sequence),
            copy => write!(f, "{}.{copy}", self.sequence),
        }
    }
}

impl TryFrom<String> for Release {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::parse(&name).ok_or_else(|| format!("`{name}` is no release"))
    }
}

impl From<Release> for String {
    fn from(release: Release) -> Self {
        release.to_string()
    }
}

/// What [`write::folder`] had begun.
fn is_leftover(name: &str) -> bool {
    name.strip_prefix('.').and_then(|name| name.strip_suffix(".tmp")).is_some_and(|name| Release::parse(name).is_some())
}

/// The real path of a folder that nobody else may write. Made if only the last part of it is missing.
fn own(path: &Path) -> Result<PathBuf, Fault> {
    let failed = |error: &std::io::Error| {
        Fault::new("pull:folder", format!("failed to make or open {}", path.display()))
            .caused_by(error)
            .hint("the folder above it must be there, and this user must be allowed to write there")
    };
    match DirBuilder::new().mode(OPEN).create(path) {
        // The umask may have taken bits away.
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(OPEN)).map_err(|error| failed(&error))?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(&error)),
    }
    let root = path.canonicalize().map_err(|error| failed(&error))?;
    let above = root.parent().unwrap_or(&root);
    let mode = above.metadata().map_err(|error| failed(&error))?.mode();
    // Whoever may rename the folder may put another one in its place.
    if mode & 0o022 != 0 && mode & 0o1000 == 0 {
        let text = format!("{} may be written by others (mode {:04o})", above.display(), mode & 0o7777);
        return Err(Fault::new("pull:foreign", text)
            .hint(format!("chmod go-w {}", above.display()))
            .retry(Retry::Never));
    }
    let found = root.metadata().map_err(|error| failed(&error))?;
    if !found.is_dir() {
        return Err(foreign(format!("{} is no folder", root.display())));
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(foreign(format!("{} belongs to another user than the one of this pull", root.display())));
    }
    if found.mode() & 0o022 != 0 {
        let text = format!("{} may be written by others (mode {:04o})", root.display(), found.mode() & 0o7777);
        return Err(Fault::new("pull:foreign", text)
            .hint(format!("chmod go-w {}", root.display()))
            .retry(Retry::Never));
    }
    Ok(root)
}

/// Faults of a write speak of the store.
fn here(fault: Fault) -> Fault {
    let code = fault.code.replace("store:", "pull:");
    let hint = match code.as_str() {
        "pull:no-space" => "make room on the file system of the folder, then pull again",
        "pull:unwritable" => "the folder and what is in it must belong to the user of this pull",
        "pull:foreign" => "countersign follows no links of others here; move it away",
        _ => return Fault { code, ..fault },
    };
    Fault { code, ..fault }.hint(hint)
}

fn unreadable(path: &Path) -> Fault {
    Fault::new("pull:folder", format!("failed to read {}", path.display()))
        .hint("if it was damaged, move it away; the next pull makes it anew")
}

fn foreign(text: String) -> Fault {
    Fault::new("pull:foreign", text)
        .hint("give each lineage a folder of its own, which only pull writes")
        .retry(Retry::Never)
}
