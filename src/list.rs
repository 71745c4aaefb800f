//! The list: the certificates that an organisation wants.

mod csr;
mod draft;
pub mod endpoint;
mod key;
pub mod parse;
mod rules;
mod script;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use time::Duration;

use self::endpoint::Endpoint;
use crate::diag::Place;
use crate::name::{Identifier, LineageName};

pub use csr::{Csr, Request};
pub use key::KeySource;

/// Key algorithm and size of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyType {
    #[serde(rename = "ecdsa-p256")]
    EcdsaP256,
    #[serde(rename = "ecdsa-p384")]
    EcdsaP384,
    #[serde(rename = "rsa-2048")]
    Rsa2048,
    #[serde(rename = "rsa-3072")]
    Rsa3072,
    #[serde(rename = "rsa-4096")]
    Rsa4096,
}

impl KeyType {
    pub const ALL: [Self; 5] = [Self::EcdsaP256, Self::EcdsaP384, Self::Rsa2048, Self::Rsa3072, Self::Rsa4096];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "ecdsa-p256",
            Self::EcdsaP384 => "ecdsa-p384",
            Self::Rsa2048 => "rsa-2048",
            Self::Rsa3072 => "rsa-3072",
            Self::Rsa4096 => "rsa-4096",
        }
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How control over the identifiers is shown to the CA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ChallengeType {
    /// RFC 8555 section 8.4.
    #[serde(rename = "dns-01")]
    Dns01,
    /// RFC 8555 section 8.3.
    #[serde(rename = "http-01")]
    Http01,
}

impl ChallengeType {
    pub const ALL: [Self; 2] = [Self::Dns01, Self::Http01];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dns01 => "dns-01",
            Self::Http01 => "http-01",
        }
    }
}

impl fmt::Display for ChallengeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One certificate that the list asks for, defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    pub name: LineageName,
    /// At least one.
    pub identifiers: BTreeSet<Identifier>,
    /// Name of an authority: built in, or from the runner's config.
    pub authority: String,
    pub key: KeyType,
    #[serde(default, skip_serializing_if = "KeySource::is_new")]
    pub key_source: KeySource,
    pub challenge: ChallengeType,
    /// Certificate profile that the CA must offer (draft-ietf-acme-profiles).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Profile to ask for where the CA offers it. Never beside `profile`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_profile: Option<String>,
    /// Common name of the issuer at the top of the chain to take, if the CA has such a one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_chain: Option<String>,
    /// Somebody else's key and certificate, by the word that the runner's config has for its files. Never ordered:
    /// authority, key, challenge and profile then mean nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provided: Option<String>,
    /// Names of the runner's buckets.
    pub publish: BTreeSet<String>,
    /// Servers that are to show it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub served: BTreeSet<Endpoint>,
    /// Renew when less than this is left, instead of by ARI or fraction.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_seconds")]
    pub renew_before: Option<Duration>,
}

impl Certificate {
    /// The profile to ask for, and whether nothing else will do.
    pub fn wanted_profile(&self) -> Option<(&str, bool)> {
        let required = self.profile.as_deref().map(|name| (name, true));
        required.or_else(|| self.preferred_profile.as_deref().map(|name| (name, false)))
    }

    /// Whether a certificate that was asked for with this profile is what the list wants.
    pub fn allows_profile(&self, profile: Option<&str>) -> bool {
        match self.wanted_profile() {
            Some((name, required)) => profile == Some(name) || (!required && profile.is_none()),
            None => profile.is_none(),
        }
    }
}

/// A list without errors. Certificates are sorted by name, names are unique.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize)]
pub struct List {
    certificates: BTreeMap<LineageName, Certificate>,
    #[serde(skip)]
    places: BTreeMap<LineageName, Place>,
}

impl List {
    /// Takes certificates with the place of their `name:`. `parse` has seen to it that names are unique.
    pub fn new(certificates: impl IntoIterator<Item = (Certificate, Place)>) -> Self {
        let mut list = Self::default();
        for (certificate, place) in certificates {
            list.places.insert(certificate.name.clone(), place);
            list.certificates.insert(certificate.name.clone(), certificate);
        }
        list
    }

    pub fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        self.certificates.values()
    }

    pub fn get(&self, name: &LineageName) -> Option<&Certificate> {
        self.certificates.get(name)
    }

    pub fn place(&self, name: &LineageName) -> Option<&Place> {
        self.places.get(name)
    }
}

mod optional_seconds {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use time::Duration;

    pub fn serialize<S: Serializer>(value: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        value.map(Duration::whole_seconds).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<i64>::deserialize(from)?.map(Duration::seconds))
    }
}
