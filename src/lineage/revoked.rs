//! Revocation: why, by whose signature, and that it happened (RFC 5280 section 5.3.1, RFC 8555 section 7.6).

use std::fmt;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// Why a certificate is revoked, as far as subscribers may say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RevocationReason {
    Unspecified = 0,
    KeyCompromise = 1,
    AffiliationChanged = 3,
    Superseded = 4,
    CessationOfOperation = 5,
}

impl RevocationReason {
    pub const ALL: [Self; 5] = [
        Self::Unspecified,
        Self::KeyCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "keyCompromise",
            Self::AffiliationChanged => "affiliationChanged",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessationOfOperation",
        }
    }

    /// The number in the request and in the CRL.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// A name of RFC 5280, also in another case or with `-`, `_` or blanks between its words.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |text: &str| text.replace(['-', '_', ' '], "").to_ascii_lowercase();
        Self::ALL.into_iter().find(|reason| plain(reason.as_str()) == plain(text))
    }

    /// Whose signature fits best. A CA blocks a key whose holder says that it is compromised.
    pub fn usual_signer(self) -> RevokedBy {
        if self == Self::KeyCompromise { RevokedBy::CertificateKey } else { RevokedBy::AccountKey }
    }
}

impl fmt::Display for RevocationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Which key signs the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RevokedBy {
    AccountKey,
    CertificateKey,
}

impl RevokedBy {
    pub fn other(self) -> Self {
        match self {
            Self::AccountKey => Self::CertificateKey,
            Self::CertificateKey => Self::AccountKey,
        }
    }
}

/// A version that is to be revoked, before the CA has said that it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    pub version: u64,
    pub serial: String,
    pub reason: RevocationReason,
    /// `None` is whoever fits best.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<RevokedBy>,
}

/// `revoked.json` beside a version: the CA has revoked it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    pub reason: RevocationReason,
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_understood_however_its_words_are_joined() {
        let spellings = ["keyCompromise", "keycompromise", "key-compromise", "KEY_COMPROMISE", "key compromise"];
        assert!(spellings.iter().all(|text| RevocationReason::parse(text) == Some(RevocationReason::KeyCompromise)));
        assert_eq!(RevocationReason::parse("the key leaked"), None);
    }
}
