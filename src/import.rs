//! What other tools leave on disk, read so that their certificates and settings can be taken over.
//!
//! Nothing here writes, and nothing outside of the folder that was named is read, wherever its links point.

pub mod acme_tiny;
pub mod acmetool;
pub mod certbot;
mod folder;
pub mod judge;
pub mod letsencrypt_aws;
mod settings;
pub mod yaml;

use std::collections::BTreeSet;

use crate::fault::Fault;
use crate::secret::Secret;

pub use folder::Folder;
pub use settings::{Becomes, Setting};

/// A certificate as a tool keeps it. Nothing about it is checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// What the tool calls it.
    pub name: String,
    /// PEM. `None` if whoever uses the certificate keeps it elsewhere.
    pub privkey: Option<Secret>,
    /// The request that it was issued for, PEM, if the tool keeps one.
    pub csr: Option<String>,
    /// PEM, leaf first.
    pub chain: String,
    /// URL of the CA's directory, if the tool says.
    pub directory: Option<String>,
    pub url: Option<String>,
}

/// A certificate that the tool was to get: it has none yet, or none that can be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    pub name: String,
    pub domains: BTreeSet<String>,
    pub directory: Option<String>,
    /// In the words of a list.
    pub key: Option<String>,
}

/// The key of an ACME account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountKey {
    /// Where it was found, for people.
    pub place: String,
    pub directory: Option<String>,
    /// PEM.
    pub key: Secret,
    /// The account's URL, if the tool says.
    pub url: Option<String>,
}

/// Everything that a tool's folder or file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub candidates: Vec<Candidate>,
    pub wishes: Vec<Wish>,
    pub accounts: Vec<AccountKey>,
    pub settings: Vec<Setting>,
    /// What could not be read, by the tool's name for it.
    pub broken: Vec<(String, Fault)>,
}

impl Found {
    fn is_empty(&self) -> bool {
        self.candidates.is_empty() && self.wishes.is_empty() && self.settings.is_empty() && self.broken.is_empty()
    }

    /// A folder in which nothing was found is most likely the wrong one.
    fn or_nothing(self, tool: &str, hint: &str) -> Result<Self, Fault> {
        if self.is_empty() {
            return Err(Fault::new("import:nothing", format!("there is nothing of {tool} in this folder")).hint(hint));
        }
        Ok(self)
    }
}

/// Directories that have moved since the tools were set up
/// (<https://community.letsencrypt.org/t/end-of-life-plan-for-acmev1/88430>).
const MOVED: [(&str, &str); 2] = [
    ("https://acme-v01.api.letsencrypt.org/directory", "https://acme-v02.api.letsencrypt.org/directory"),
    ("https://acme-staging.api.letsencrypt.org/directory", "https://acme-staging-v02.api.letsencrypt.org/directory"),
];

/// The directory that answers today for one that a tool names.
pub fn todays(directory: &str) -> &str {
    MOVED.iter().find(|(old, _)| *old == directory).map_or(directory, |(_, new)| new)
}
