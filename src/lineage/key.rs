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
    if ["ENCRYPTED PRIVATE KEY", "4,ENCRYPTED"].iter().any(|mark| pem.reveal().contains(mark)) {
        return Err(Fault::new("check:key-mismatch", "the private key has a passphrase")
            .hint("take the passphrase away: `openssl pkey -in KEY -out PLAIN`, under umask 077"));
    }
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

/// A private key as JWK (RFC 7517, RFC 7518 section 6), as certbot keeps those of its accounts.
///
/// # Errors
/// `check:key-mismatch` if it is neither an RSA key nor one on P-256.
pub fn from_jwk(jwk: &Secret) -> Result<Secret, Fault> {
    #[derive(serde::Deserialize)]
    struct Jwk {
        kty: String,
        #[serde(default)]
        crv: String,
        #[serde(flatten)]
        numbers: std::collections::BTreeMap<String, serde_json::Value>,
    }
    let unusable = || Fault::new("check:key-mismatch", "the key of the account cannot be read");
    let jwk: Jwk = serde_json::from_str(jwk.reveal()).map_err(|_| unusable())?;
    let number = |name: &str| {
        let text = jwk.numbers.get(name)?.as_str()?;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).ok().map(Zeroizing::new)
    };
    let der = match (jwk.kty.as_str(), jwk.crv.as_str()) {
        ("RSA", _) => {
            let names = ["n", "e", "d", "p", "q", "dp", "dq", "qi"];
            let numbers = names.iter().map(|name| number(name)).collect::<Option<Vec<_>>>().ok_or_else(unusable)?;
            rsa_key(&pkcs1(&numbers))
        }
        ("EC", "P-256") => ec_jwk(&number("d"), &number("x"), &number("y")),
        _ => None,
    };
    let key = encode(&der.ok_or_else(unusable)?);
    public_key_of(&key).map_err(|_| unusable())?;
    Ok(key)
}

fn ec_jwk(
    d: &Option<Zeroizing<Vec<u8>>>,
    x: &Option<Zeroizing<Vec<u8>>>,
    y: &Option<Zeroizing<Vec<u8>>>,
) -> Option<Zeroizing<Vec<u8>>> {
    let point = [&[4], x.as_ref()?.as_slice(), y.as_ref()?.as_slice()].concat();
    let pair = EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_FIXED_SIGNING, d.as_ref()?, &point);
    Some(Zeroizing::new(pair.ok()?.to_pkcs8v1().ok()?.as_ref().to_vec()))
}

/// `RSAPrivateKey` of RFC 8017 appendix A.1.2 with version 0.
fn pkcs1(numbers: &[Zeroizing<Vec<u8>>]) -> Zeroizing<Vec<u8>> {
    let mut body = Zeroizing::new(vec![2, 1, 0]);
    for number in numbers {
        let first = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
        let digits = &number[first..];
        let sign: &[u8] = if digits.first().is_none_or(|byte| byte & 0x80 != 0) { &[0] } else { &[] };
        tlv(2, &[sign, digits], &mut body);
    }
    let mut whole = Zeroizing::new(Vec::new());
    tlv(0x30, &[&body], &mut whole);
    whole
}

/// Tag, length and value of DER (X.690 section 8.1).
fn tlv(tag: u8, parts: &[&[u8]], out: &mut Vec<u8>) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let bytes: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
    out.push(tag);
    match length {
        0..=127 => out.extend(length.to_be_bytes().last()),
        _ => {
            out.extend((0x80_usize + bytes.len()).to_be_bytes().last());
            out.extend(&bytes);
        }
    }
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use rcgen::{KeyPair, PublicKeyData, RsaKeySize};

    use super::*;

    #[test]
    fn a_jwk_is_the_same_key_in_pem() {
        let key = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let text = |der: &[u8]| URL_SAFE_NO_PAD.encode(der);
        // What rcgen keeps is PKCS#8: version, algorithm, and PKCS#1 in an octet string.
        let pkcs8 = key.serialize_der();
        let pkcs1 = &pkcs8[26..];
        let mut at = 4;
        let mut numbers = Vec::new();
        while at < pkcs1.len() {
            let (length, head) = match pkcs1[at + 1] {
                short @ 0..=127 => (usize::from(short), 2),
                0x81 => (usize::from(pkcs1[at + 2]), 3),
                _ => (usize::from(pkcs1[at + 2]) * 256 + usize::from(pkcs1[at + 3]), 4),
            };
            numbers.push(text(&pkcs1[at + head..at + head + length]));
            at += head + length;
        }
        let [_, n, e, d, p, q, dp, dq, qi] = &numbers[..] else { panic!("{} numbers", numbers.len()) };
        let jwk =
            serde_json::json!({"kty": "RSA", "n": n, "e": e, "d": d, "p": p, "q": q, "dp": dp, "dq": dq, "qi": qi});
        let read = from_jwk(&Secret::new(jwk.to_string())).unwrap();
        assert_eq!(public_key_of(&read), Ok(crate::name::Digest::of(&key.subject_public_key_info())));
    }

    #[test]
    fn what_is_no_key_is_not_repeated() {
        for text in ["{\"kty\": \"RSA\", \"d\": \"hunter2\"}", "hunter2", "{\"kty\": \"oct\", \"k\": \"hunter2\"}"] {
            assert!(!format!("{:?}", from_jwk(&Secret::new(text.into())).unwrap_err()).contains("hunter2"));
        }
        let pem = "-----BEGIN EC PRIVATE KEY-----\naHVudGVyMg==\n-----END EC PRIVATE KEY-----\n";
        assert!(!format!("{:?}", to_pkcs8(&Secret::new(pem.into())).unwrap_err()).contains("aHVudGVyMg"));
    }
}
