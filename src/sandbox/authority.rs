//! The certificates of the CA: two roots over one intermediate, and a root of its own for the API's TLS.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SerialNumber, SubjectPublicKeyInfo,
};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use time::{Duration, OffsetDateTime};

pub(super) struct Authority {
    intermediate: Issuer<'static, KeyPair>,
    /// The intermediate as each root signed it, PEM. The first is the default chain.
    pub(super) chains: [String; 2],
    /// The roots of the chains, PEM.
    pub(super) roots: [String; 2],
}

/// A leaf to sign.
pub(super) struct Leaf<'a> {
    pub(super) names: &'a [String],
    pub(super) public_key: &'a SubjectPublicKeyInfo,
    pub(super) serial: [u8; 16],
    pub(super) not_before: OffsetDateTime,
    pub(super) not_after: OffsetDateTime,
    /// Whether the subject has a common name, as in Let's Encrypt's `classic` profile.
    pub(super) common_name: bool,
}

impl Authority {
    pub(super) fn new(now: OffsetDateTime) -> Result<Self, rcgen::Error> {
        let params = ca("Sandbox Intermediate E1", now, Some(0));
        let key = new_key()?;
        let sign = |name: &str| -> Result<(String, String), rcgen::Error> {
            let root = root(name, now)?;
            let chain = with_serial(&params)?.signed_by(&key, &root.issuer)?;
            Ok((chain.pem(), root.certificate.pem()))
        };
        let (first, second) = (sign("Sandbox Root X1")?, sign("Sandbox Root X2")?);
        let (chains, roots) = ([first.0, second.0], [first.1, second.1]);
        Ok(Self { intermediate: Issuer::new(params, key), chains, roots })
    }

    pub(super) fn sign(&self, leaf: &Leaf<'_>) -> Result<Certificate, rcgen::Error> {
        let mut params = CertificateParams::new(leaf.names)?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        // RFC 5280 appendix A: a common name has at most 64 characters.
        let name = leaf.names.iter().find(|name| name.len() <= 64).filter(|_| leaf.common_name);
        if let Some(name) = name {
            params.distinguished_name.push(DnType::CommonName, name.as_str());
        }
        params.not_before = leaf.not_before;
        params.not_after = leaf.not_after;
        params.serial_number = Some(SerialNumber::from_slice(&leaf.serial));
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.signed_by(leaf.public_key, &self.intermediate)
    }
}

/// The TLS settings of a server on 127.0.0.1, and the root (PEM) that its clients must trust.
pub(super) fn loopback_tls(
    now: OffsetDateTime,
) -> Result<(Arc<ServerConfig>, String), Box<dyn std::error::Error + Send + Sync>> {
    let root = root("Sandbox TLS Root", now)?;
    let key = new_key()?;
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()])?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.not_before = now - Duration::days(1);
    params.not_after = now + Duration::days(90);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let certificate = with_serial(&params)?.signed_by(&key, &root.issuer)?;

    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = builder.with_no_client_auth().with_single_cert(chain, key.into())?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((Arc::new(config), root.certificate.pem()))
}

/// A positive serial number of 127 bits at most, of which 120 are random (CA/B Forum BR 7.1: at least 64).
pub(super) fn new_serial() -> Result<[u8; 16], rcgen::Error> {
    let mut serial = [4; 16];
    aws_lc_rs::rand::fill(&mut serial[1..]).map_err(|_| rcgen::Error::RingUnspecified)?;
    Ok(serial)
}

struct Root {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

fn root(name: &str, now: OffsetDateTime) -> Result<Root, rcgen::Error> {
    let (params, key) = (ca(name, now, None), new_key()?);
    let certificate = with_serial(&params)?.self_signed(&key)?;
    Ok(Root { certificate, issuer: Issuer::new(params, key) })
}

fn ca(name: &str, now: OffsetDateTime, path_length: Option<u8>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "countersign sandbox");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(path_length.map_or(BasicConstraints::Unconstrained, BasicConstraints::Constrained));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    params.not_before = now - Duration::days(1);
    params.not_after = now + Duration::days(3_650);
    params.use_authority_key_identifier_extension = true;
    params
}

fn with_serial(params: &CertificateParams) -> Result<CertificateParams, rcgen::Error> {
    let mut params = params.clone();
    params.serial_number = Some(SerialNumber::from_slice(&new_serial()?));
    Ok(params)
}

fn new_key() -> Result<KeyPair, rcgen::Error> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
}
