//! One version of a lineage, taken back or taken up again.

use clap::{Args, ValueEnum};

use crate::lineage::{RevocationReason, RevokedBy};

#[derive(Debug, Args)]
pub struct Revoke {
    /// The name of the lineage, live or stashed
    #[arg(value_name = "LINEAGE")]
    pub lineage: String,
    /// Why, in the words of RFC 5280
    #[arg(long, value_name = "REASON", value_enum, ignore_case = true, default_value = "unspecified")]
    pub reason: Reason,
    /// Whose key signs the request [default: the account's, at keyCompromise the certificate's, else the other]
    #[arg(long, value_name = "KEY", value_enum)]
    pub by: Option<By>,
    /// Another version than the one in use
    #[arg(long = "version", value_name = "NUMBER")]
    pub lineage_version: Option<u64>,
    /// Do not ask
    #[arg(long)]
    pub auto_approve: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "The next apply goes by the list and by the calendar again: it renews the certificate if that is \
                        due, and replaces it if the list asks for something else."
)]
pub struct Rollback {
    /// The name of a live lineage
    #[arg(value_name = "LINEAGE")]
    pub lineage: String,
    /// The version to use again [default: the newest earlier one with another certificate that is still valid]
    #[arg(long, value_name = "NUMBER")]
    pub to: Option<u64>,
    /// Why; stands in the audit log
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Do not ask
    #[arg(long)]
    pub auto_approve: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "camelCase")]
pub enum Reason {
    /// No reason that concerns others
    Unspecified,
    /// Somebody else has or may have the key
    #[value(alias = "key-compromise")]
    KeyCompromise,
    /// The names or the organisation are not ours any more
    #[value(alias = "affiliation-changed")]
    AffiliationChanged,
    /// Another certificate has taken its place
    Superseded,
    /// The service is gone
    #[value(alias = "cessation-of-operation")]
    CessationOfOperation,
}

impl From<Reason> for RevocationReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Unspecified => Self::Unspecified,
            Reason::KeyCompromise => Self::KeyCompromise,
            Reason::AffiliationChanged => Self::AffiliationChanged,
            Reason::Superseded => Self::Superseded,
            Reason::CessationOfOperation => Self::CessationOfOperation,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// The account that ordered it
    AccountKey,
    /// The key of the certificate itself
    CertificateKey,
}

impl From<By> for RevokedBy {
    fn from(by: By) -> Self {
        match by {
            By::AccountKey => Self::AccountKey,
            By::CertificateKey => Self::CertificateKey,
        }
    }
}
