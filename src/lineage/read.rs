//! Reads the facts out of a certificate.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::PublicKeyData;
use time::OffsetDateTime;
use x509_parser::asn1_rs::Oid;
use x509_parser::asn1_rs::oid;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::time::ASN1Time;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::CertFacts;
use super::pem::{self, malformed};
use crate::fault::Fault;
use crate::list::KeyType;
use crate::name::{Digest, Identifier, hex};
use crate::secret::Secret;

const P256: Oid<'static> = oid!(1.2.840.10045.3.1.7);
const P384: Oid<'static> = oid!(1.3.132.0.34);

impl CertFacts {
    /// Facts of the first certificate of a PEM text.
    ///
    /// # Errors
    /// `check:malformed` if it is not a certificate, `check:names` if it holds names other than DNS names.
    pub fn from_pem(leaf_pem: &str) -> Result<Self, Fault> {
        Self::from_der(&pem::certificates(leaf_pem)?[0])
    }

    /// Facts of a certificate in DER.
    ///
    /// # Errors
    /// As [`CertFacts::from_pem`].
    pub fn from_der(der: &[u8]) -> Result<Self, Fault> {
        let cert = parse(der)?;
        Ok(Self {
            identifiers: identifiers(&cert)?,
            not_before: time_of(cert.validity.not_before)?,
            not_after: time_of(cert.validity.not_after)?,
            serial: serial(&cert),
            issuer: issuer(&cert),
            key: key_type(cert.public_key()),
            public_key: Digest::of(cert.public_key().raw),
            fingerprint: Digest::of(der),
            ari_id: ari_id(&cert),
        })
    }
}

/// Digest of the subject public key info (DER) that belongs to a private key in PEM.
///
/// # Errors
/// `check:key-mismatch` if the text is no private key that this tool can use. The text is not repeated.
pub fn public_key_of(privkey: &Secret) -> Result<Digest, Fault> {
    match rcgen::KeyPair::from_pem(privkey.reveal()) {
        Ok(pair) => Ok(Digest::of(&pair.subject_public_key_info())),
        Err(_) => Err(Fault::new("check:key-mismatch", "the private key cannot be read")),
    }
}

/// The type of a private key in PEM. `None` for one that a list cannot ask for.
pub fn key_type_of(privkey: &Secret) -> Option<KeyType> {
    let pair = rcgen::KeyPair::from_pem(privkey.reveal()).ok()?;
    let der = pair.subject_public_key_info();
    key_type(&SubjectPublicKeyInfo::from_der(&der).ok()?.1)
}

/// The certificate in DER that has nothing behind it.
pub(super) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, Fault> {
    match X509Certificate::from_der(der) {
        Ok(([], cert)) => Ok(cert),
        Ok(_) => Err(malformed("there are bytes behind a certificate")),
        Err(error) => Err(malformed("a certificate cannot be read").caused_by(&error)),
    }
}

pub(super) fn time_of(time: ASN1Time) -> Result<OffsetDateTime, Fault> {
    OffsetDateTime::from_unix_timestamp(time.timestamp())
        .map_err(|error| malformed("a certificate has an impossible time").caused_by(&error))
}

fn identifiers(cert: &X509Certificate<'_>) -> Result<BTreeSet<Identifier>, Fault> {
    let names = match cert.subject_alternative_name() {
        Ok(Some(extension)) => &extension.value.general_names,
        Ok(None) => return Err(Fault::new("check:names", "the certificate names no domain")),
        Err(error) => return Err(malformed("the names of the certificate cannot be read").caused_by(&error)),
    };
    let read = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(text) => Identifier::parse(text)
            .map_err(|error| Fault::new("check:names", "the certificate holds a strange name").caused_by(&error)),
        other => {
            Err(Fault::new("check:names", format!("the certificate holds a name that is no domain: {}", shown(other))))
        }
    };
    names.iter().map(read).collect()
}

/// A name that is no domain, for people.
fn shown(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::IPAddress([a, b, c, d]) => format!("{a}.{b}.{c}.{d}"),
        GeneralName::IPAddress(_) => "an IPv6 address".to_owned(),
        GeneralName::RFC822Name(text) | GeneralName::URI(text) => (*text).to_owned(),
        other => other.to_string(),
    }
}

fn serial(cert: &X509Certificate<'_>) -> String {
    let bytes = cert.raw_serial();
    let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len().saturating_sub(1));
    hex(&bytes[first..])
}

fn issuer(cert: &X509Certificate<'_>) -> String {
    let common_name = cert.issuer().iter_common_name().next().and_then(|name| name.as_str().ok());
    common_name.map_or_else(|| cert.issuer().to_string(), str::to_owned)
}

/// The type of a public key. `None` for one that a list cannot ask for.
pub fn key_type(info: &SubjectPublicKeyInfo<'_>) -> Option<KeyType> {
    match info.parsed().ok()? {
        PublicKey::EC(_) => match info.algorithm.parameters.as_ref()?.as_oid().ok()? {
            curve if curve == P256 => Some(KeyType::EcdsaP256),
            curve if curve == P384 => Some(KeyType::EcdsaP384),
            _ => None,
        },
        PublicKey::RSA(key) => match key.key_size() {
            2048 => Some(KeyType::Rsa2048),
            3072 => Some(KeyType::Rsa3072),
            4096 => Some(KeyType::Rsa4096),
            _ => None,
        },
        _ => None,
    }
}

/// The serial number goes in with its leading zero octet, as DER has it.
fn ari_id(cert: &X509Certificate<'_>) -> Option<String> {
    let key_identifier = cert.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(aki) => aki.key_identifier.as_ref(),
        _ => None,
    })?;
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    Some(format!("{}.{}", encode(key_identifier.0), encode(cert.raw_serial())))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, Issuer, KeyIdMethod, KeyPair, RsaKeySize, SerialNumber};
    use time::macros::datetime;

    use super::*;

    /// A leaf for `a.example.com` and `*.example.com`; the issuer's key identifier is the one of RFC 9773.
    fn leaf(key: &KeyPair, serial: &[u8]) -> Vec<u8> {
        let mut issuer = CertificateParams::new(Vec::new()).unwrap();
        issuer.distinguished_name.push(DnType::CommonName, "Test CA 1");
        issuer.key_identifier_method =
            KeyIdMethod::PreSpecified(crate::name::unhex("69885b6b87464041e1b37b847ba0ae2cde01c8d4").unwrap());
        let issuer = Issuer::new(issuer, KeyPair::generate().unwrap());
        let mut params = CertificateParams::new(vec!["a.example.com".into(), "*.example.com".into()]).unwrap();
        params.serial_number = Some(SerialNumber::from_slice(serial));
        params.use_authority_key_identifier_extension = true;
        params.not_before = datetime!(2026-01-01 00:00 UTC);
        params.not_after = datetime!(2026-04-01 12:34:56 UTC);
        params.signed_by(key, &issuer).unwrap().der().to_vec()
    }

    #[test]
    fn the_facts_of_a_leaf_are_read() {
        let key = KeyPair::generate().unwrap();
        let der = leaf(&key, &[0x87, 0x65, 0x43, 0x21]);
        let facts = CertFacts {
            identifiers: ["a.example.com", "*.example.com"].map(|name| Identifier::parse(name).unwrap()).into(),
            not_before: datetime!(2026-01-01 00:00 UTC),
            not_after: datetime!(2026-04-01 12:34:56 UTC),
            serial: "87654321".into(),
            issuer: "Test CA 1".into(),
            key: Some(KeyType::EcdsaP256),
            public_key: public_key_of(&Secret::new(key.serialize_pem())).unwrap(),
            fingerprint: Digest::of(&der),
            ari_id: Some("aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE".into()),
        };
        assert_eq!(CertFacts::from_der(&der), Ok(facts.clone()));
        assert_eq!(CertFacts::from_pem(&pem::encode(&der)), Ok(facts));
    }

    #[test]
    fn a_serial_keeps_the_zeros_inside() {
        let key = KeyPair::generate().unwrap();
        let facts = CertFacts::from_der(&leaf(&key, &[0x05, 0x00, 0x10])).unwrap();
        assert_eq!(facts.serial, "050010");
    }

    #[test]
    fn each_key_type_of_a_list_is_recognised_and_no_other() {
        let ecdsa = |algorithm| KeyPair::generate_for(algorithm).unwrap();
        let rsa = |size| KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, size).unwrap();
        let read = |key: KeyPair| CertFacts::from_der(&leaf(&key, &[1])).unwrap().key;
        assert_eq!(read(ecdsa(&rcgen::PKCS_ECDSA_P256_SHA256)), Some(KeyType::EcdsaP256));
        assert_eq!(read(ecdsa(&rcgen::PKCS_ECDSA_P384_SHA384)), Some(KeyType::EcdsaP384));
        assert_eq!(read(rsa(RsaKeySize::_2048)), Some(KeyType::Rsa2048));
        assert_eq!(read(rsa(RsaKeySize::_3072)), Some(KeyType::Rsa3072));
        assert_eq!(read(ecdsa(&rcgen::PKCS_ED25519)), None);
    }

    #[test]
    fn a_certificate_for_an_address_or_without_names_is_refused() {
        let key = KeyPair::generate().unwrap();
        let code = |names: Vec<String>| {
            let cert = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
            CertFacts::from_der(cert.der()).unwrap_err().code
        };
        assert_eq!(code(vec!["192.0.2.1".into()]), "check:names");
        assert_eq!(code(vec!["localhost".into()]), "check:names");
        assert_eq!(code(vec![]), "check:names");
    }

    #[test]
    fn bytes_behind_a_certificate_and_cut_certificates_are_refused() {
        let der = leaf(&KeyPair::generate().unwrap(), &[1]);
        let longer = [der.as_slice(), &[0]].concat();
        assert_eq!(CertFacts::from_der(&longer).unwrap_err().code, "check:malformed");
        assert_eq!(CertFacts::from_der(&der[..der.len() - 1]).unwrap_err().code, "check:malformed");
    }

    #[test]
    fn a_key_that_cannot_be_read_is_not_repeated_in_the_fault() {
        let fault = public_key_of(&Secret::new("-----BEGIN PRIVATE KEY-----\nhunter2\n".into())).unwrap_err();
        assert!(!format!("{fault:?}").contains("hunter2"));
    }
}
