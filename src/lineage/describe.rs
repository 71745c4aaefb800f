//! What a chain says, certificate by certificate, for people.

use serde::Serialize;
use time::OffsetDateTime;

use super::pem;
use super::read::{parse, time_of};
use crate::fault::Fault;
use crate::name::{Digest, hex};

/// One certificate in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Description {
    /// Distinguished name; often empty in a leaf.
    pub subject: String,
    pub issuer: String,
    /// Lower-case hex without leading zero octets.
    pub serial: String,
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
    /// Of the DER.
    pub fingerprint: Digest,
}

/// The certificates of a PEM text, in order.
///
/// # Errors
/// `check:malformed`
pub fn describe(text: &str) -> Result<Vec<Description>, Fault> {
    pem::certificates(text)?.iter().map(|der| describe_der(der)).collect()
}

/// One certificate in DER.
///
/// # Errors
/// `check:malformed`
pub fn describe_der(der: &[u8]) -> Result<Description, Fault> {
    let cert = parse(der)?;
    Ok(Description {
        subject: cert.subject().to_string(),
        issuer: cert.issuer().to_string(),
        serial: hex(cert.raw_serial()).trim_start_matches("00").to_owned(),
        not_after: time_of(cert.validity.not_after)?,
        fingerprint: Digest::of(der),
    })
}
