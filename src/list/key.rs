//! Where the key of a certificate comes from.

use std::fmt;

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeySource {
    /// Made here, a new one for every certificate.
    #[default]
    New,
    /// Made here, and kept when the certificate is renewed.
    Reused,
    /// From a file of the runner, by the word that its config has for it.
    Given(String),
}

impl KeySource {
    pub fn is_new(&self) -> bool {
        *self == Self::New
    }

    /// Whether the key is made here.
    pub fn is_made(&self) -> bool {
        matches!(self, Self::New | Self::Reused)
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => f.pad("new"),
            Self::Reused => f.pad("reused"),
            Self::Given(word) => write!(f, "given as `{word}`"),
        }
    }
}
