//! Where the key of a certificate comes from.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Csr;

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
    /// Made by whoever uses the certificate, and never here: the list has the request.
    Csr(Csr),
}

impl KeySource {
    pub fn is_new(&self) -> bool {
        *self == Self::New
    }

    /// Whether the key is made here.
    pub fn is_made(&self) -> bool {
        matches!(self, Self::New | Self::Reused)
    }

    /// Whether the private key is known here, so that it stands in the store beside its certificate.
    pub fn has_key(&self) -> bool {
        !matches!(self, Self::Csr(_))
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => f.pad("new"),
            Self::Reused => f.pad("reused"),
            Self::Given(word) => write!(f, "given as `{word}`"),
            Self::Csr(csr) => write!(f, "of the CSR {csr}"),
        }
    }
}
