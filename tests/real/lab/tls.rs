//! A root and a server certificate for 127.0.0.1, which Debian's Pebble does not ship.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};

/// Files that a TLS server on loopback needs, and the root that its clients need.
pub struct Tls {
    pub root: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Tls {
    pub fn generate(dir: &Path) -> Tls {
        std::fs::create_dir_all(dir).expect("a directory for certificates");
        let root_key = KeyPair::generate().expect("a key");
        let mut root = CertificateParams::new(Vec::new()).expect("no names");
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root_certificate = root.self_signed(&root_key).expect("a root");

        let key = KeyPair::generate().expect("a key");
        let mut server = CertificateParams::new(Vec::new()).expect("no names");
        // With the subject of the root OpenSSL would take it for self-signed.
        server.distinguished_name.push(DnType::CommonName, "127.0.0.1");
        server.subject_alt_names = vec![SanType::IpAddress(std::net::Ipv4Addr::LOCALHOST.into())];
        server.use_authority_key_identifier_extension = true;
        let certificate = server.signed_by(&key, &Issuer::new(root, root_key)).expect("a server certificate");

        Tls {
            root: write(dir, "root.pem", &root_certificate.pem()),
            certificate: write(dir, "server.pem", &certificate.pem()),
            key: write(dir, "server-key.pem", &key.serialize_pem()),
        }
    }
}

fn write(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, text).expect("a PEM file");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("a private file");
    path
}
