//! A certificate signing request (PKCS#10, RFC 2986) whose private key never comes here.

use std::collections::BTreeSet;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateSigningRequestDer;
use rustls_pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use x509_parser::asn1_rs::Oid;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::cri_attributes::ParsedCriAttribute;
use x509_parser::error::X509Error;
use x509_parser::extensions::{GeneralName, ParsedExtension, X509Extension};
use x509_parser::oid_registry::{OID_PKCS1_RSASSAPSS, OID_PKCS1_SHA1WITHRSA, OID_SHA1_WITH_RSA};
use x509_parser::prelude::FromDer;

use super::KeyType;
use crate::diag::Code;
use crate::lineage::key_type;
use crate::name::{Digest, Identifier};

/// A longer text is none: ten times the request for a hundred names.
const LONGEST: usize = 64 * 1024;
/// RFC 7633: the TLS feature extension, must-staple.
const TLS_FEATURE: &str = "1.3.6.1.5.5.7.1.24";
const BEGIN: &str = "-----BEGIN CERTIFICATE REQUEST-----";
const END: &str = "-----END CERTIFICATE REQUEST-----";

/// A request for a key that a list may ask for. Serialised as base64 of its DER, which is sent to the CA as it is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Csr {
    der: Vec<u8>,
    public_key: Digest,
    key: KeyType,
}

/// What a list holds a request against.
pub struct Request {
    pub csr: Csr,
    /// The DNS names of its subject alternative name extension.
    pub alternative: BTreeSet<Identifier>,
    /// The common names of its subject, which ask for certification too (RFC 8555 section 7.4).
    pub common: BTreeSet<Identifier>,
}

/// Why a text is no request that can be used. Says nothing of what the text holds, unless that is a name.
#[derive(Debug, PartialEq, Eq)]
pub struct Flaw {
    pub code: Code,
    pub message: String,
    pub hint: &'static str,
}

impl Csr {
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Digest of the subject public key info (DER).
    pub fn public_key(&self) -> &Digest {
        &self.public_key
    }

    pub fn key(&self) -> KeyType {
        self.key
    }

    fn new(der: &[u8], parsed: &X509CertificationRequest<'_>) -> Option<Self> {
        let info = &parsed.certification_request_info.subject_pki;
        Some(Self { der: der.to_vec(), public_key: Digest::of(info.raw), key: key_type(info)? })
    }
}

impl Request {
    /// Reads one PEM block and checks it as a CA would: its own signature, the key, the extensions.
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        let der = pem(text)?;
        let parsed = read(&der).ok_or_else(|| bad("the request cannot be read", AGAIN))?;
        let csr = Csr::new(&der, &parsed)
            .ok_or_else(|| bad("the key of the request is none that a list can ask for", KEYS))?;
        check_signature(&parsed)?;
        let mut alternative = BTreeSet::new();
        for attribute in parsed.certification_request_info.iter_attributes() {
            if let ParsedCriAttribute::ExtensionRequest(asked) = attribute.parsed_attribute() {
                for extension in &asked.extensions {
                    alternative.extend(names(extension)?);
                }
            }
        }
        let subject = &parsed.certification_request_info.subject;
        let common = subject.iter_common_name().map(|name| name.as_str().map_or(Err(bad(STRANGE, NAMES)), name_of));
        let common = common.collect::<Result<_, _>>()?;
        Ok(Self { csr, alternative, common })
    }
}

const AGAIN: &str = "copy the file again, as `openssl req -new` wrote it";
const KEYS: &str = "make an ECDSA P-256 or P-384 key, or an RSA key of 2048, 3072 or 4096 bits, and a request for it";
const NAMES: &str = "make the request anew with exactly the listed domains as DNS names";
const STRANGE: &str = "the request holds a name that is no domain";

fn bad(message: impl Into<String>, hint: &'static str) -> Flaw {
    Flaw { code: Code::BadCsr, message: message.into(), hint }
}

/// The DER of the only block, without text around it: what is signed must be what is read.
fn pem(text: &str) -> Result<Vec<u8>, Flaw> {
    // As some tools call it.
    let text = text.trim().replace(" NEW CERTIFICATE REQUEST", " CERTIFICATE REQUEST");
    let whole = text.len() <= LONGEST && text.starts_with(BEGIN) && text.ends_with(END);
    match text.matches("-----BEGIN").count() {
        1 if whole => CertificateSigningRequestDer::from_pem_slice(text.as_bytes())
            .map(|der| der.as_ref().to_vec())
            .map_err(|_| bad("the request cannot be read", AGAIN)),
        0 | 1 => Err(bad(
            "there is no certificate request in PEM",
            "write `csr: |`, and below it the whole file of `openssl req -new`, indented",
        )),
        _ => Err(bad("there is more than one PEM block", "keep the certificate request alone")),
    }
}

fn read(der: &[u8]) -> Option<X509CertificationRequest<'_>> {
    X509CertificationRequest::from_der(der).ok().filter(|(rest, _)| rest.is_empty()).map(|(_, parsed)| parsed)
}

/// Whoever made it has the key (RFC 2986 section 3). SHA-1 shows nothing any more.
fn check_signature(parsed: &X509CertificationRequest<'_>) -> Result<(), Flaw> {
    let algorithm = &parsed.signature_algorithm.algorithm;
    if [OID_PKCS1_SHA1WITHRSA, OID_SHA1_WITH_RSA].contains(algorithm) {
        return Err(bad("the request is signed with SHA-1", "make it anew: `openssl req -new -sha256`"));
    }
    // Let's Encrypt takes no PSS.
    let verified = match *algorithm == OID_PKCS1_RSASSAPSS {
        true => Err(X509Error::SignatureUnsupportedAlgorithm),
        false => parsed.verify_signature(),
    };
    verified.map_err(|error| match error {
        X509Error::SignatureUnsupportedAlgorithm => {
            bad("the request is signed in a way that is not known here", "make it anew: `openssl req -new -sha256`")
        }
        _ => bad("the request is not signed by its own key", AGAIN),
    })
}

/// The names of an extension. Those that CAs set as they see fit whatever a request says are left to them; any other is
/// refused, since its certificate would lack what somebody counts on.
fn names(extension: &X509Extension<'_>) -> Result<BTreeSet<Identifier>, Flaw> {
    match extension.parsed_extension() {
        ParsedExtension::SubjectAlternativeName(found) => found.general_names.iter().map(dns_name).collect(),
        ParsedExtension::BasicConstraints(found) if !found.ca => Ok(BTreeSet::new()),
        ParsedExtension::KeyUsage(_)
        | ParsedExtension::ExtendedKeyUsage(_)
        | ParsedExtension::SubjectKeyIdentifier(_) => Ok(BTreeSet::new()),
        ParsedExtension::BasicConstraints(_) => {
            Err(bad("the request asks for the certificate of a CA", "make it anew, without `CA:TRUE`"))
        }
        _ => Err(unknown(&extension.oid)),
    }
}

fn unknown(oid: &Oid<'_>) -> Flaw {
    match oid.to_id_string() {
        id if id == TLS_FEATURE => Flaw {
            code: Code::MustStaple,
            message: "the request asks for OCSP must-staple, which cannot be had any more".into(),
            hint: "make it anew, without `tlsfeature`: public CAs no longer answer OCSP",
        },
        id => bad(
            format!("the request asks for the extension {id}, which no CA here would grant"),
            "make it anew with no other extension than `subjectAltName`",
        ),
    }
}

fn dns_name(name: &GeneralName<'_>) -> Result<Identifier, Flaw> {
    match name {
        GeneralName::DNSName(text) => name_of(text),
        _ => Err(bad(STRANGE, NAMES)),
    }
}

fn name_of(text: &str) -> Result<Identifier, Flaw> {
    Identifier::parse(text).map_err(|error| bad(format!("{STRANGE}: {error}"), NAMES))
}

impl TryFrom<String> for Csr {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let der = STANDARD.decode(text).map_err(|_| "the request is not base64")?;
        read(&der).and_then(|parsed| Self::new(&der, &parsed)).ok_or("the request cannot be read")
    }
}

impl From<Csr> for String {
    fn from(csr: Csr) -> Self {
        STANDARD.encode(csr.der)
    }
}

/// By the digest of its DER: another request, be it for the same key, is another one.
impl fmt::Display for Csr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Digest::of(&self.der))
    }
}

impl fmt::Debug for Csr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Csr({self})")
    }
}
