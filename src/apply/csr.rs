//! A key and a request for it (PKCS#10), made before the CA hears of the order.

use std::collections::BTreeSet;

use rcgen::{CertificateParams, DistinguishedName, KeyPair, RsaKeySize};

use crate::fault::Fault;
use crate::list::KeyType;
use crate::name::Identifier;
use crate::secret::Secret;

/// The kept key, or a new one, and a CSR. An RSA key takes up to a second, so none is made on an async thread.
pub async fn made(
    kept: Option<Secret>,
    key: KeyType,
    identifiers: BTreeSet<Identifier>,
) -> Result<(Secret, Vec<u8>), Fault> {
    let made = tokio::task::spawn_blocking(move || match kept {
        Some(key) => for_key(&key, &identifiers).map(|csr| (key, csr)),
        None => generate(key, &identifiers),
    });
    made.await.map_err(|error| Fault::new("key:generate", "failed to make a key").caused_by(&error))?
}

/// Makes a key (PKCS#8 PEM) and a CSR (DER) with empty subject and exactly these names.
///
/// Takes up to a second for RSA: not for an async thread.
pub fn generate(key: KeyType, identifiers: &BTreeSet<Identifier>) -> Result<(Secret, Vec<u8>), Fault> {
    let broken = |error: rcgen::Error| Fault::new("key:generate", "failed to make a key and its CSR").caused_by(&error);
    let pair = key_pair(key).map_err(broken)?;
    let csr = signed(&pair, identifiers).map_err(broken)?;
    Ok((Secret::new(pair.serialize_pem()), csr))
}

/// A CSR (DER) for a key that is there (PKCS#8 PEM).
pub fn for_key(key: &Secret, identifiers: &BTreeSet<Identifier>) -> Result<Vec<u8>, Fault> {
    // The cause could repeat the key.
    let broken = |_| Fault::new("key:unusable", "failed to make a CSR with the key");
    signed(&KeyPair::from_pem(key.reveal()).map_err(broken)?, identifiers).map_err(broken)
}

fn signed(pair: &KeyPair, identifiers: &BTreeSet<Identifier>) -> Result<Vec<u8>, rcgen::Error> {
    let names: Vec<String> = identifiers.iter().map(|name| name.as_str().to_owned()).collect();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    Ok(params.serialize_request(pair)?.der().to_vec())
}

fn key_pair(key: KeyType) -> Result<KeyPair, rcgen::Error> {
    let rsa = |size| KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, size);
    match key {
        KeyType::EcdsaP256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
        KeyType::EcdsaP384 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
        KeyType::Rsa2048 => rsa(RsaKeySize::_2048),
        KeyType::Rsa3072 => rsa(RsaKeySize::_3072),
        KeyType::Rsa4096 => rsa(RsaKeySize::_4096),
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    #[test]
    fn keys_are_made_off_the_threads_that_run_the_wave() {
        let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            // The only thread for such work is taken, so nothing can be made before it is let go.
            let (let_go, held) = std::sync::mpsc::channel::<()>();
            let holding = tokio::task::spawn_blocking(move || held.recv());
            let names = BTreeSet::from([Identifier::parse("www.example.com").unwrap()]);
            let mut key = pin!(made(None, KeyType::Rsa2048, names));
            assert!(futures::poll!(&mut key).is_pending());
            drop(let_go);
            assert!(key.await.is_ok() && holding.await.unwrap().is_err());
        });
    }
}
