//! Signed requests (RFC 8555 section 6.2): flattened JWS with ES256, ES384 or RS256.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::Value;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::problem::Problem;
use crate::name::Digest;

/// Members beyond these three, such as an unprotected header, are refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Flattened {
    protected: String,
    payload: String,
    signature: String,
}

/// The protected header. `crit` and all other members are refused.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub(super) alg: String,
    pub(super) url: String,
    pub(super) nonce: Option<String>,
    pub(super) jwk: Option<Value>,
    pub(super) kid: Option<String>,
    #[serde(rename = "typ")]
    _typ: Option<String>,
}

/// A request that is read and not yet verified.
pub(super) struct Jws {
    pub(super) header: Header,
    pub(super) payload: Vec<u8>,
    signed: String,
    signature: Vec<u8>,
}

impl Jws {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Problem> {
        let parts: Flattened = serde_json::from_slice(body)
            .map_err(|error| Problem::malformed(format!("Parse error reading JWS: {error}")))?;
        let header = serde_json::from_slice(&decode(&parts.protected)?)
            .map_err(|error| Problem::malformed(format!("Parse error reading JWS header: {error}")))?;
        let signed = format!("{}.{}", parts.protected, parts.payload);
        Ok(Self { header, payload: decode(&parts.payload)?, signed, signature: decode(&parts.signature)? })
    }

    pub(super) fn verify(&self, key: &Jwk) -> Result<(), Problem> {
        key.verify(&self.header.alg, self.signed.as_bytes(), &self.signature)
    }

    /// For external account bindings (RFC 8555 section 7.3.4).
    pub(super) fn verify_hmac(&self, key: &[u8]) -> Result<(), Problem> {
        use aws_lc_rs::hmac;
        if self.header.alg != "HS256" {
            return Err(Problem::new(400, "badSignatureAlgorithm", "An external account binding needs HS256"));
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        hmac::verify(&key, self.signed.as_bytes(), &self.signature)
            .map_err(|_| Problem::unauthorized("The external account binding is not signed by its key"))
    }
}

/// A public key of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Jwk {
    /// The coordinates in one piece.
    P256(Vec<u8>),
    P384(Vec<u8>),
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
}

impl Jwk {
    pub(super) fn parse(jwk: &Value) -> Result<Self, Problem> {
        let bad = |detail: &str| Problem::new(400, "badPublicKey", detail);
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let bytes = |name: &str| decode(text(name).ok_or_else(|| bad("The key lacks a parameter"))?);
        if text("d").is_some() {
            return Err(bad("This is a private key"));
        }
        let point = |length: usize| match (bytes("x")?, bytes("y")?) {
            (x, y) if (x.len(), y.len()) == (length, length) => Ok([x, y].concat()),
            _ => Err(bad("A coordinate has the wrong length")),
        };
        match (text("kty"), text("crv")) {
            (Some("EC"), Some("P-256")) => Ok(Self::P256(point(32)?)),
            (Some("EC"), Some("P-384")) => Ok(Self::P384(point(48)?)),
            (Some("RSA"), None) => match (bytes("n")?, bytes("e")?) {
                (n, e) if (256..=512).contains(&n.len()) && e == [1, 0, 1] => Ok(Self::Rsa { n, e }),
                _ => Err(bad("An RSA key has 2048 to 4096 bits and the exponent 65537")),
            },
            _ => Err(bad("Keys are of P-256, P-384 or RSA")),
        }
    }

    fn verify(&self, algorithm: &str, text: &[u8], signature: &[u8]) -> Result<(), Problem> {
        let point = |xy: &[u8]| [&[4], xy].concat();
        let verified = match (self, algorithm) {
            (Self::P256(xy), "ES256") => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point(xy)).verify(text, signature)
            }
            (Self::P384(xy), "ES384") => {
                UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point(xy)).verify(text, signature)
            }
            (Self::Rsa { n, e }, "RS256") => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, text, signature)
            }
            _ => {
                let detail = format!("The algorithm {algorithm} does not fit the key");
                return Err(Problem::new(400, "badSignatureAlgorithm", detail));
            }
        };
        verified.map_err(|_| Problem::malformed("JWS verification error"))
    }

    /// RFC 7638, as it stands in a key authorization.
    pub(super) fn thumbprint(&self) -> String {
        let b64 = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        // RFC 7638 section 3.3: only the required members, sorted, without blanks.
        let canonical = match self {
            Self::P256(xy) => {
                let (x, y) = (b64(&xy[..32]), b64(&xy[32..]));
                format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#)
            }
            Self::P384(xy) => {
                let (x, y) = (b64(&xy[..48]), b64(&xy[48..]));
                format!(r#"{{"crv":"P-384","kty":"EC","x":"{x}","y":"{y}"}}"#)
            }
            Self::Rsa { n, e } => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, b64(e), b64(n)),
        };
        b64(Digest::of(canonical.as_bytes()).as_bytes())
    }

    /// Whether a CSR or a certificate is about this very key.
    pub(super) fn is_key_of(&self, info: &SubjectPublicKeyInfo<'_>) -> bool {
        match (self, info.parsed()) {
            (Self::P256(xy) | Self::P384(xy), Ok(PublicKey::EC(point))) => {
                point.data() == [&[4], xy.as_slice()].concat()
            }
            (Self::Rsa { n, .. }, Ok(PublicKey::RSA(rsa))) => {
                let significant = rsa.modulus.iter().position(|byte| *byte != 0).unwrap_or(rsa.modulus.len());
                rsa.modulus[significant..] == n[..]
            }
            _ => false,
        }
    }
}

pub(super) fn decode(text: &str) -> Result<Vec<u8>, Problem> {
    BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| Problem::malformed("This is not base64url without padding"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_thumbprint_is_that_of_rfc_7638() {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3okn\
                 jhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQ\
                 vRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let key = Jwk::parse(&json!({"kty": "RSA", "n": n, "e": "AQAB"})).unwrap();
        assert_eq!(key.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn a_private_key_is_no_account_key() {
        let jwk = json!({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "d": "AA"});
        assert_eq!(Jwk::parse(&jwk).unwrap_err().kind, "badPublicKey");
    }

    #[test]
    fn an_unprotected_header_is_refused() {
        let body = json!({"protected": "e30", "payload": "", "signature": "", "header": {}});
        assert_eq!(
            Jws::parse(body.to_string().as_bytes()).err().map(|problem| problem.kind).as_deref(),
            Some("malformed")
        );
    }
}
