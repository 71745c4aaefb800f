//! A CA that exists for one test, and what it issues.

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer as By, KeyPair};
use time::{Duration, OffsetDateTime};

pub struct Issuer {
    key: KeyPair,
    params: CertificateParams,
}

/// PEM texts.
pub struct Made {
    pub key: String,
    pub cert: String,
    pub chain: String,
}

impl Made {
    pub fn fullchain(&self) -> String {
        format!("{}{}", self.cert, self.chain)
    }
}

impl Issuer {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Some CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self { key: KeyPair::generate().unwrap(), params }
    }

    /// Valid for 90 days of which one has passed.
    pub fn issue(&self, names: &[&str]) -> Made {
        self.issue_for(&KeyPair::generate().unwrap(), names, -1)
    }

    /// Valid for 90 days, the first of which is so many days from now.
    pub fn issue_for(&self, key: &KeyPair, names: &[&str], first: i64) -> Made {
        let mut params =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        params.distinguished_name = DistinguishedName::new();
        #[expect(clippy::disallowed_methods, reason = "a certificate of a test is valid when the test runs")]
        let begins = OffsetDateTime::now_utc() + Duration::days(first);
        (params.not_before, params.not_after) = (begins, begins + Duration::days(90));
        let cert = params.signed_by(key, &By::from_params(&self.params, &self.key)).unwrap();
        Made { key: unix(&key.serialize_pem()), cert: unix(&cert.pem()), chain: self.root() }
    }

    pub fn root(&self) -> String {
        unix(&self.params.self_signed(&self.key).unwrap().pem())
    }
}

fn unix(pem: &str) -> String {
    pem.replace("\r\n", "\n")
}
