//! Keys that sign requests: of accounts, and of certificates that are to be revoked (RFC 8555 section 6.2).

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair,
    RSA_PKCS1_SHA256,
};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;
use zeroize::Zeroizing;

use crate::fault::{Fault, Retry};
use crate::secret::Secret;

/// A private key with the JWS algorithm that fits it (RFC 7518 section 3.1).
pub(super) struct SigningKey {
    pair: Pair,
    jwk: Value,
}

enum Pair {
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    /// With its size in bits.
    Rsa(rsa::KeyPair, usize),
}

impl SigningKey {
    /// Reads PKCS#8, PKCS#1 or SEC1 in PEM: RSA of 2048 to 4096 bits, P-256 or P-384.
    pub fn from_pem(pem: &Secret) -> Result<Self, Fault> {
        if pem.reveal().contains("ENCRYPTED") {
            return Err(unusable("the key is encrypted with a passphrase")
                .hint("decrypt it first: `openssl pkey -in FILE -out PLAIN`, and remove PLAIN afterwards"));
        }
        // The parsers' errors are left out: they could quote the file.
        let der = PrivateKeyDer::from_pem_slice(pem.reveal().as_bytes())
            .map_err(|_| unusable("there is no private key in PEM (PKCS#8, PKCS#1 or SEC1)"))?;
        Self::of_pair(read(&der).ok_or_else(|| unusable("the key is neither RSA nor P-256 nor P-384"))?)
    }

    fn of_pair(pair: Pair) -> Result<Self, Fault> {
        if let Pair::Rsa(_, bits) = &pair
            && !(2048..=4096).contains(bits)
        {
            return Err(unusable(format!("the RSA key has {bits} bits; a CA takes 2048 to 4096")));
        }
        let jwk = jwk(&pair).ok_or_else(|| unusable("the public key cannot be read"))?;
        Ok(Self { pair, jwk })
    }

    /// What an account key of this tool is, and the only kind that instant-acme signs with.
    pub fn is_p256(&self) -> bool {
        matches!(self.pair, Pair::P256(_))
    }

    pub fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::P256(_) => "ES256",
            Pair::P384(_) => "ES384",
            Pair::Rsa(..) => "RS256",
        }
    }

    /// The public key (RFC 7517).
    pub fn jwk(&self) -> &Value {
        &self.jwk
    }

    pub fn sign(&self, text: &[u8]) -> Result<Vec<u8>, Fault> {
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::P256(pair) | Pair::P384(pair) => pair.sign(&random, text).map(|signed| signed.as_ref().to_vec()),
            Pair::Rsa(pair, _) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, text, &mut signature).map(|()| signature)
            }
        };
        signature.map_err(|_| unusable("the key cannot sign"))
    }

    /// The key in PKCS#8, as the store keeps it.
    pub fn to_pem(&self) -> Result<Secret, Fault> {
        let lost = |_| unusable("the key cannot be written as PKCS#8");
        let der = match &self.pair {
            Pair::P256(pair) | Pair::P384(pair) => Zeroizing::new(pair.to_pkcs8v1().map_err(lost)?.as_ref().to_vec()),
            Pair::Rsa(pair, _) => {
                let der: Pkcs8V1Der<'static> = pair.as_der().map_err(lost)?;
                Zeroizing::new(der.as_ref().to_vec())
            }
        };
        let text = Zeroizing::new(BASE64_STANDARD.encode(&*der));
        let mut pem = String::from("-----BEGIN PRIVATE KEY-----\n");
        for line in text.as_bytes().chunks(64) {
            pem.extend(line.iter().map(|byte| char::from(*byte)));
            pem.push('\n');
        }
        pem.push_str("-----END PRIVATE KEY-----\n");
        Ok(Secret::new(pem))
    }
}

impl fmt::Display for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pair {
            Pair::P256(_) => f.write_str("P-256"),
            Pair::P384(_) => f.write_str("P-384"),
            Pair::Rsa(_, bits) => write!(f, "RSA of {bits} bits"),
        }
    }
}

fn read(der: &PrivateKeyDer<'_>) -> Option<Pair> {
    let ecdsa = |algorithm: &'static EcdsaSigningAlgorithm| match der {
        PrivateKeyDer::Pkcs8(key) => EcdsaKeyPair::from_pkcs8(algorithm, key.secret_pkcs8_der()).ok(),
        PrivateKeyDer::Sec1(key) => EcdsaKeyPair::from_private_key_der(algorithm, key.secret_sec1_der()).ok(),
        _ => None,
    };
    if let Some(pair) = ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING) {
        return Some(Pair::P256(pair));
    }
    if let Some(pair) = ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING) {
        return Some(Pair::P384(pair));
    }
    let pair = match der {
        PrivateKeyDer::Pkcs8(key) => rsa::KeyPair::from_pkcs8(key.secret_pkcs8_der()).ok()?,
        PrivateKeyDer::Pkcs1(key) => rsa::KeyPair::from_der(key.secret_pkcs1_der()).ok()?,
        _ => return None,
    };
    let bits = pair.public_modulus_len() * 8;
    Some(Pair::Rsa(pair, bits))
}

fn jwk(pair: &Pair) -> Option<Value> {
    let b64 = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let ec = |pair: &EcdsaKeyPair, curve: &str| {
        let (_, point) = pair.public_key().as_ref().split_first()?;
        let (x, y) = point.split_at(point.len() / 2);
        Some(json!({"kty": "EC", "crv": curve, "x": b64(x), "y": b64(y)}))
    };
    match pair {
        Pair::P256(pair) => ec(pair, "P-256"),
        Pair::P384(pair) => ec(pair, "P-384"),
        Pair::Rsa(pair, _) => {
            let der: PublicKeyX509Der<'static> = pair.public_key().as_der().ok()?;
            let (_, info) = SubjectPublicKeyInfo::from_der(der.as_ref()).ok()?;
            let Ok(PublicKey::RSA(key)) = info.parsed() else { return None };
            let number = |bytes: &[u8]| b64(&bytes[bytes.iter().position(|byte| *byte != 0).unwrap_or(0)..]);
            Some(json!({"kty": "RSA", "n": number(key.modulus), "e": number(key.exponent)}))
        }
    }
}

fn unusable(message: impl Into<String>) -> Fault {
    Fault::new("acme:account-key", message).retry(Retry::Never)
}

#[cfg(test)]
mod tests {
    use rcgen::{KeyPair as Made, RsaKeySize};

    use super::*;

    fn read_back(pem: String) -> Result<SigningKey, Fault> {
        SigningKey::from_pem(&Secret::new(pem))
    }

    #[test]
    fn a_key_is_the_same_after_it_was_written_and_read() {
        let p384 = Made::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        let rsa = Made::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        for (made, shown) in [(Made::generate().unwrap(), "P-256"), (p384, "P-384"), (rsa, "RSA of 2048 bits")] {
            let key = read_back(made.serialize_pem()).unwrap();
            let again = SigningKey::from_pem(&key.to_pem().unwrap()).unwrap();
            assert_eq!((key.to_string().as_str(), key.jwk()), (shown, again.jwk()));
        }
    }

    #[test]
    fn what_is_no_usable_key_is_told_without_quoting_it() {
        let told = |pem: &str| read_back(pem.to_owned()).err().map(|fault| fault.message).unwrap();
        assert!(told("hello").contains("no private key"));
        assert!(
            told("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n")
                .contains("passphrase")
        );
        let ed25519 = Made::generate_for(&rcgen::PKCS_ED25519).unwrap().serialize_pem();
        assert!(told(&ed25519).contains("neither RSA nor P-256 nor P-384"));
    }
}
