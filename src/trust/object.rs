//! Git objects as `trust` sees them, and the port through which they come.

use std::fmt;

use crate::fault::Fault;
use crate::name::{CommitId, hex, unhex};

/// A commit object may have this many bytes.
pub const MAX_COMMIT: usize = 64 * 1024;

/// The SHA-1 id of any git object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId([u8; 20]);

impl ObjectId {
    pub fn new(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// 40 lower-case hex digits.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let plain = |b: &u8| b.is_ascii_digit() || (b'a'..=b'f').contains(b);
        let text = std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|b| plain(&b)))?;
        Some(Self(unhex(text)?.try_into().ok()?))
    }

    pub fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    pub fn to_commit(self) -> CommitId {
        CommitId::parse(&hex(&self.0)).expect("40 hex digits are a commit id")
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What an implementation of git takes a commit's tree and parents to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    pub tree: ObjectId,
    pub parents: Vec<ObjectId>,
}

/// The bytes of a commit, with the readings of two implementations. A reading is missing if one cannot parse it.
#[derive(Clone, Debug)]
pub struct RawCommit {
    pub bytes: Vec<u8>,
    pub git2: Option<Reading>,
    pub gix: Option<Reading>,
}

/// The modes that git knows. Anything else is [`Mode::Other`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    Tree,
    File,
    Executable,
    Symlink,
    Submodule,
    Other,
}

impl Mode {
    pub fn of(bits: u32) -> Self {
        match bits {
            0o040000 => Self::Tree,
            0o100644 => Self::File,
            0o100755 => Self::Executable,
            0o120000 => Self::Symlink,
            0o160000 => Self::Submodule,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tree => "a directory",
            Self::File => "a file",
            Self::Executable => "an executable file (mode 100755)",
            Self::Symlink => "a symbolic link (mode 120000)",
            Self::Submodule => "a submodule (mode 160000)",
            Self::Other => "an entry with an unusual mode",
        })
    }
}

/// Where a path leads in a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreeEntry {
    pub mode: Mode,
    pub id: ObjectId,
}

/// An entry directly inside a tree. Names are bytes: git does not ask for UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedEntry {
    pub name: Vec<u8>,
    pub entry: TreeEntry,
}

/// Something in a store that makes git show another history than the one that was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hazard {
    /// `refs/replace/<…>`
    Replace(String),
    /// `info/grafts`
    Grafts,
    /// `objects/info/alternates`
    Alternates,
    /// `shallow`
    Shallow,
}

/// Reads objects of one store and checks that each has the id it was asked for by.
///
/// An object that is missing or damaged is a [`Fault`].
pub trait Objects {
    fn hazards(&self) -> Result<Vec<Hazard>, Fault>;
    /// `None` if it has more than [`MAX_COMMIT`] bytes.
    fn commit(&self, id: ObjectId) -> Result<Option<RawCommit>, Fault>;
    /// The parents only, for the walk. `None` if they cannot be told, or as [`Objects::commit`].
    fn parents(&self, id: ObjectId) -> Result<Option<Vec<ObjectId>>, Fault>;
    /// The entry at `path` (components joined by `/`) below a tree.
    fn entry(&self, tree: ObjectId, path: &str) -> Result<Option<TreeEntry>, Fault>;
    fn tree(&self, id: ObjectId) -> Result<Vec<NamedEntry>, Fault>;
    /// The bytes of a blob, or `None` if it has more than `cap`.
    fn blob(&self, id: ObjectId, cap: usize) -> Result<Option<Vec<u8>>, Fault>;
}
