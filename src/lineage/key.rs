//! Private keys of other tools, in the one form that the store has: PKCS#8 in PEM (RFC 5958, RFC 7468 section 10).

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use zeroize::Zeroizing;

use super::public_key_of;
use crate::fault::Fault;
use crate::secret::Secret;

/// The same key as PKCS#8. Takes that, `RSA PRIVATE KEY` (RFC 8017) and `EC PRIVATE KEY` (RFC 5915).
///
/// # Errors
/// `check:key-mismatch` if the text is no private key that this tool can use. The text is not repeated.
pub fn to_pkcs8(pem: &Secret) -> Result<Secret, Fault> {
    let unusable = || {
        Fault::new("check:key-mismatch", "the private key cannot be read")
            .hint("keys are RSA of 2048 bits or more, or ECDSA P-256 or P-384, in PEM and without a passphrase")
    };
    let read = PrivateKeyDer::from_pem_slice(pem.reveal().as_bytes()).map_err(|_| unusable())?;
    let key = match &read {
        PrivateKeyDer::Pkcs8(der) => encode(der.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(der) => encode(&rsa_key(der.secret_pkcs1_der()).ok_or_else(unusable)?),
        PrivateKeyDer::Sec1(der) => encode(&ec_key(der.secret_sec1_der()).ok_or_else(unusable)?),
        _ => return Err(unusable()),
    };
    public_key_of(&key).map_err(|_| unusable())?;
    Ok(key)
}

/// Whether the key is ECDSA P-256, as the keys of accounts must be.
pub fn is_p256(pkcs8: &Secret) -> bool {
    let pair = rcgen::KeyPair::from_pem(pkcs8.reveal());
    pair.is_ok_and(|pair| pair.is_compatible(&rcgen::PKCS_ECDSA_P256_SHA256))
}

fn rsa_key(der: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let pair = rsa::KeyPair::from_der(der).ok()?;
    let pkcs8: Pkcs8V1Der<'_> = pair.as_der().ok()?;
    Some(Zeroizing::new(pkcs8.as_ref().to_vec()))
}

fn ec_key(der: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let curves = [&ECDSA_P256_SHA256_FIXED_SIGNING, &ECDSA_P384_SHA384_FIXED_SIGNING];
    let pair = curves.into_iter().find_map(|curve| EcdsaKeyPair::from_private_key_der(curve, der).ok())?;
    Some(Zeroizing::new(pair.to_pkcs8v1().ok()?.as_ref().to_vec()))
}

fn encode(der: &[u8]) -> Secret {
    let base64 = Zeroizing::new(STANDARD.encode(der));
    let mut text = String::with_capacity(base64.len() + base64.len() / 64 + 64);
    text.push_str("-----BEGIN PRIVATE KEY-----\n");
    for line in base64.as_bytes().chunks(64) {
        text.extend(line.iter().copied().map(char::from));
        text.push('\n');
    }
    text.push_str("-----END PRIVATE KEY-----\n");
    Secret::new(text)
}
