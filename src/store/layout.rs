//! Where things are: every path of the store in one place.

use std::path::{Path, PathBuf};

use crate::name::LineageName;

/// The schema of the whole tree. An older binary refuses a newer one.
pub const SCHEMA: u32 = 1;

/// Folders that the store makes for itself.
pub const FOLDERS: [&str; 8] =
    ["live", "archive", "stash", "imported", "placeholder", "accounts", "journal", "quarantine"];

/// What others may put into the same folder: the source, the trust state, the reports.
pub const NEIGHBOURS: [&str; 11] = [
    "git",
    "report",
    "trust-state.json",
    "first-seen.json",
    "audit.jsonl",
    "hooks.json",
    "ledger.json",
    "ari.json",
    "schema",
    "lock",
    "lost+found",
];

/// The name of the link that says which version of a stashed lineage was live.
pub const LIVE: &str = "live";

/// A single JSON file at the top of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Document {
    /// What was verified last. The types are those of `trust`.
    TrustState,
    /// When commits of a refused head were seen first.
    FirstSeen,
    /// What hooks were told.
    Hooks,
    /// What servers showed at the last look.
    Served,
    /// The orders of the past days, for the CA's limits.
    Ledger,
    /// Renewal information by ARI id.
    Ari,
}

impl Document {
    pub fn file_name(self) -> &'static str {
        match self {
            Self::TrustState => "trust-state.json",
            Self::FirstSeen => "first-seen.json",
            Self::Hooks => "hooks.json",
            Self::Served => "served.json",
            Self::Ledger => "ledger.json",
            Self::Ari => "ari.json",
        }
    }
}

/// The tree below one root.
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn folder(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub fn document(&self, document: Document) -> PathBuf {
        self.root.join(document.file_name())
    }

    pub fn schema(&self) -> PathBuf {
        self.root.join("schema")
    }

    pub fn audit(&self) -> PathBuf {
        self.root.join("audit.jsonl")
    }

    pub fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    pub fn live(&self, lineage: &LineageName) -> PathBuf {
        self.root.join("live").join(lineage.as_str())
    }

    pub fn archive(&self, lineage: &LineageName) -> PathBuf {
        self.root.join("archive").join(lineage.as_str())
    }

    pub fn stash(&self, lineage: &LineageName) -> PathBuf {
        self.root.join("stash").join(lineage.as_str())
    }

    pub fn imported(&self, lineage: &LineageName) -> PathBuf {
        self.root.join("imported").join(lineage.as_str())
    }

    pub fn placeholder(&self, lineage: &LineageName) -> PathBuf {
        self.root.join("placeholder").join(lineage.as_str())
    }

    pub fn quarantine(&self, lineage: &LineageName) -> PathBuf {
        self.root.join("quarantine").join(lineage.as_str())
    }

    pub fn entry(&self, lineage: &LineageName) -> PathBuf {
        self.root.join("journal").join(format!("{}.json", lineage.as_str()))
    }

    pub fn attempt_key(&self, lineage: &LineageName) -> PathBuf {
        self.root.join("journal").join(format!("{}.key", lineage.as_str()))
    }

    pub fn account(&self, authority: &str) -> PathBuf {
        self.root.join("accounts").join(authority)
    }
}

/// What `live/<lineage>` points at.
pub fn live_target(lineage: &LineageName, version: u64) -> PathBuf {
    PathBuf::from(format!("../archive/{}/{version}", lineage.as_str()))
}

/// The version in a link target, if the target is exactly what [`live_target`] makes.
pub fn version_of_target(lineage: &LineageName, target: &Path) -> Option<u64> {
    let version = version(target.file_name()?.to_str()?)?;
    (target.as_os_str() == live_target(lineage, version).as_os_str()).then_some(version)
}

/// The version that a folder name stands for: a decimal number from 1 without leading zeros.
pub fn version(name: &str) -> Option<u64> {
    let number: u64 = name.parse().ok()?;
    (number > 0 && number.to_string() == name).then_some(number)
}

/// The version that a folder name takes up, also if it was left unfinished as `.<version>.tmp`.
pub fn version_taken(name: &str) -> Option<u64> {
    version(name).or_else(|| version(name.strip_prefix('.')?.strip_suffix(".tmp")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_relative_target_names_a_version() {
        let www = LineageName::parse("www").unwrap();
        let read = |target: &str| version_of_target(&www, Path::new(target));
        assert_eq!(read("../archive/www/12"), Some(12));
        let strange = ["../archive/www/0", "../archive/www/012", "../archive/api/1", "/archive/www/1", "archive/www/1"];
        assert_eq!(strange.map(read), [None; 5]);
        assert_eq!(read("../archive/www/1/"), None);
        assert_eq!(read("../archive/./www/1"), None);
    }

    #[test]
    fn an_unfinished_folder_takes_up_its_number() {
        assert_eq!(
            ["3", ".4.tmp", "live", ".tmp", "+5", "x.6.tmp"].map(version_taken),
            [Some(3), Some(4), None, None, None, None]
        );
    }
}
