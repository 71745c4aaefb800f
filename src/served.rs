//! Which certificate a TLS server shows.

use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::fault::Fault;
use crate::tls::of_any_certificate;

/// The chain (DER, leaf first) that a server shows for `name` (SNI, RFC 6066 section 3).
///
/// Whether it is to be trusted is for the caller to judge. That the server has the leaf's key is proven.
///
/// # Errors
/// `served:unreachable` and `served:tls`.
pub async fn chain(address: &str, name: &str, timeout: Duration) -> Result<Vec<Vec<u8>>, Fault> {
    let shake = async {
        let stream = TcpStream::connect(address).await.map_err(|error| unreachable(address, name).caused_by(&error))?;
        let server = ServerName::try_from(name.to_owned()).map_err(|error| tls(address, name).caused_by(&error))?;
        let config = of_any_certificate().map_err(|error| tls(address, name).caused_by(&error))?;
        let stream = TlsConnector::from(Arc::new(config)).connect(server, stream).await;
        stream.map_err(|error| tls(address, name).caused_by(&error))
    };
    let stream = tokio::time::timeout(timeout, shake).await.map_err(|_| {
        let seconds = timeout.as_secs_f32();
        let late = format!("{address} did not complete a TLS handshake within {seconds} s");
        Fault::new("served:unreachable", late).hint(look(address, name))
    })??;
    let shown = stream.get_ref().1.peer_certificates().unwrap_or_default();
    Ok(shown.iter().map(|certificate| certificate.to_vec()).collect())
}

fn unreachable(address: &str, name: &str) -> Fault {
    Fault::new("served:unreachable", format!("failed to connect to {address}")).hint(look(address, name))
}

fn tls(address: &str, name: &str) -> Fault {
    Fault::new("served:tls", format!("the TLS handshake with {address} for `{name}` failed")).hint(look(address, name))
}

fn look(address: &str, name: &str) -> String {
    format!("see what answers there: `openssl s_client -connect {address} -servername {name}`")
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use rustls::ServerConfig;
    use rustls::crypto::aws_lc_rs;
    use rustls::server::ResolvesServerCertUsingSni;
    use rustls::sign::CertifiedKey as SigningKey;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    const SOON: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_secs(60);

    /// A server with a certificate for each name. Gives its address, and the certificates.
    async fn server(names: [&str; 2]) -> (String, [Vec<u8>; 2]) {
        let provider = aws_lc_rs::default_provider();
        let mut by_name = ResolvesServerCertUsingSni::new();
        let certificates = names.map(|name| {
            let CertifiedKey { cert, signing_key } = generate_simple_self_signed([name.to_owned()]).unwrap();
            let key = signing_key.serialize_der().try_into().unwrap();
            let key = provider.key_provider.load_private_key(key).unwrap();
            by_name.add(name, SigningKey::new(vec![cert.der().clone()], key)).unwrap();
            cert.der().to_vec()
        });
        let config = ServerConfig::builder_with_provider(Arc::new(provider)).with_safe_default_protocol_versions();
        let config = config.unwrap().with_no_client_auth().with_cert_resolver(Arc::new(by_name));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = acceptor.accept(stream).await;
            }
        });
        (address, certificates)
    }

    #[tokio::test]
    async fn the_certificate_for_the_name_is_seen_and_no_other() {
        let (address, [first, second]) = server(["a.example.com", "b.example.com"]).await;
        assert_eq!(chain(&address, "a.example.com", LONG).await, Ok(vec![first]));
        assert_eq!(chain(&address, "b.example.com", LONG).await, Ok(vec![second]));
        assert_eq!(chain(&address, "c.example.com", LONG).await.unwrap_err().code, "served:tls");
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_or_says_nothing_is_unreachable() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = silent.local_addr().unwrap().to_string();
        assert_eq!(chain(&address, "a.example.com", SOON).await.unwrap_err().code, "served:unreachable");
        drop(silent);
        assert_eq!(chain(&address, "a.example.com", LONG).await.unwrap_err().code, "served:unreachable");
    }
}
