//! Whether a chain leads to a root that whoever connects will know.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::aws_lc_rs;
use rustls::{CertificateError, Error, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use time::OffsetDateTime;

use super::pem;
use crate::fault::Fault;
use crate::name::Identifier;

/// Trusted roots (RFC 5280 section 6.1.1, trust anchors).
#[derive(Clone, Debug)]
pub struct Anchors {
    /// For people: `the web`, or the file.
    pub name: String,
    roots: Arc<RootCertStore>,
}

impl Anchors {
    /// The roots of Mozilla's programme, as this version was built with them.
    pub fn web() -> Self {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        Self { name: "the web".to_owned(), roots: Arc::new(roots) }
    }

    /// The certificates of a PEM text, each of which is trusted.
    ///
    /// # Errors
    /// `check:anchors` if one cannot be read, or there is none.
    pub fn from_pem(name: impl Into<String>, text: &str) -> Result<Self, Fault> {
        let name = name.into();
        let unusable = || Fault::new("check:anchors", format!("the roots in {name} cannot be read"));
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(text.as_bytes()) {
            let root = root.map_err(|error| unusable().caused_by(&error))?;
            roots.add(root).map_err(|error| unusable().caused_by(&error))?;
        }
        if roots.is_empty() {
            return Err(unusable().hint("it must hold certificates in PEM"));
        }
        Ok(Self { name, roots: Arc::new(roots) })
    }

    /// Judges a chain in PEM, leaf first, as a TLS client does that connects to each of the names.
    ///
    /// # Errors
    /// `check:malformed`, and `check:anchor` if one of the clients would refuse it.
    pub fn check<'i>(
        &self,
        chain: &str,
        names: impl IntoIterator<Item = &'i Identifier>,
        now: OffsetDateTime,
    ) -> Result<(), Fault> {
        let chain: Vec<CertificateDer<'_>> = pem::certificates(chain)?.into_iter().map(CertificateDer::from).collect();
        let refused = || {
            Fault::new("check:anchor", format!("the chain does not lead to a root of {}", self.name)).hint(
                "it is not used, and what is live stays: see `preferred_chain` and `anchors` of the authority in the runner's \
                 config",
            )
        };
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(self.roots.clone(), provider).build();
        let verifier = verifier.map_err(|error| refused().caused_by(&error))?;
        let seconds = u64::try_from(now.unix_timestamp()).unwrap_or_default();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        for name in names {
            // A client never asks for a wildcard, but for a name below it.
            let host = if name.is_wildcard() { format!("any.{}", name.base()) } else { name.as_str().to_owned() };
            let host = ServerName::try_from(host).map_err(|error| refused().caused_by(&error))?;
            verifier
                .verify_server_cert(&chain[0], &chain[1..], &host, &[], now)
                .map_err(|error| refused().caused_by(&Why(error)))?;
        }
        Ok(())
    }
}

/// The reason, in the words of this program.
#[derive(Debug)]
struct Why(Error);

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Error::InvalidCertificate(CertificateError::UnknownIssuer) => f.write_str("the root is not among them"),
            other => other.fmt(f),
        }
    }
}

impl std::error::Error for Why {}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-06-01 00:00 UTC);

    /// A root, and a chain for names that leads to it through another CA.
    fn chain(names: &[&str]) -> (String, String) {
        let ca = |name: &str| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            (params, KeyPair::generate().unwrap())
        };
        let ((root, root_key), (between, between_key)) = (ca("Root"), ca("Between"));
        let mut leaf = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        (leaf.not_before, leaf.not_after) = (NOW - time::Duration::DAY, NOW + time::Duration::DAY);
        let root_pem = root.self_signed(&root_key).unwrap().pem();
        let root = Issuer::new(root, root_key);
        let between_pem = between.signed_by(&between_key, &root).unwrap().pem();
        let leaf = leaf.signed_by(&KeyPair::generate().unwrap(), &Issuer::new(between, between_key)).unwrap();
        (root_pem, (leaf.pem() + &between_pem).replace("\r\n", "\n"))
    }

    fn names(names: &[&str]) -> Vec<Identifier> {
        names.iter().map(|name| Identifier::parse(name).unwrap()).collect()
    }

    #[test]
    fn a_chain_leads_to_its_own_root_and_to_no_other() {
        let (root, chain) = chain(&["www.example.com", "*.example.net"]);
        let names = names(&["www.example.com", "*.example.net"]);
        let own = Anchors::from_pem("lab.pem", &root).unwrap();
        assert_eq!(own.check(&chain, &names, NOW), Ok(()));
        let fault = Anchors::web().check(&chain, &names, NOW).unwrap_err();
        assert_eq!(
            (fault.code.as_str(), fault.causes.as_slice()),
            ("check:anchor", ["the root is not among them".to_owned()].as_slice())
        );
    }

    #[test]
    fn a_name_that_is_not_in_the_certificate_and_a_certificate_that_has_ended_are_refused() {
        let (root, chain) = chain(&["www.example.com"]);
        let own = Anchors::from_pem("lab.pem", &root).unwrap();
        let code = |name: &str, now| own.check(&chain, &names(&[name]), now).map_err(|fault| fault.code);
        assert_eq!(code("api.example.com", NOW), Err("check:anchor".into()));
        assert_eq!(code("www.example.com", NOW + time::Duration::days(2)), Err("check:anchor".into()));
    }

    #[test]
    fn a_file_without_certificates_is_no_set_of_roots() {
        assert_eq!(Anchors::from_pem("empty.pem", "").unwrap_err().code, "check:anchors");
    }
}
