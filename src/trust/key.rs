//! SSH public keys of the kinds that may sign, and their fingerprints.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512,
    RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::name::NameError;
use crate::trust::wire::Reader;

/// The fingerprint of a public key as OpenSSH shows it: `SHA256:` and unpadded base64.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint(String);

impl Fingerprint {
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let digest = text.strip_prefix("SHA256:").and_then(|text| STANDARD_NO_PAD.decode(text).ok());
        match digest {
            Some(digest) if digest.len() == 32 => Ok(Self(text.to_owned())),
            _ => Err(NameError(format!("`{text}` is not `SHA256:` and 43 base64 characters"))),
        }
    }

    /// Of a key blob: what stands in base64 in a public key file.
    pub fn of(blob: &[u8]) -> Self {
        Self::from_sha256(digest(&SHA256, blob).as_ref())
    }

    /// From a digest that somebody else made of a key blob.
    pub fn from_sha256(digest: &[u8]) -> Self {
        Self(format!("SHA256:{}", STANDARD_NO_PAD.encode(digest)))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.0
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

/// Why a key cannot be used. Reads after "the key".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyError {
    Malformed,
    /// Of a kind or size that is not accepted.
    Weak(String),
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("is malformed"),
            Self::Weak(why) => f.write_str(why),
        }
    }
}

/// A public key that may sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    blob: Vec<u8>,
    material: Material,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Material {
    Ed25519([u8; 32]),
    SkEd25519 { point: [u8; 32], application: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

/// Why a signature does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureError {
    Bad,
    /// A security key that signed without being touched.
    NoTouch,
    /// An algorithm that is not accepted, such as `ssh-rsa` with SHA-1.
    Algorithm,
}

/// RSA moduli below this are refused.
const MIN_RSA_BITS: usize = 3072;
const MAX_RSA_BITS: usize = 8192;

impl PublicKey {
    /// Reads a key blob (RFC 4253 section 6.6, RFC 8709, RFC 5656, OpenSSH's PROTOCOL.u2f).
    pub fn from_blob(blob: &[u8]) -> Result<Self, KeyError> {
        let mut reader = Reader(blob);
        let kind = reader.string().ok_or(KeyError::Malformed)?;
        let material = match kind {
            b"ssh-ed25519" => point(&mut reader).map(Material::Ed25519),
            b"sk-ssh-ed25519@openssh.com" => point(&mut reader)
                .and_then(|point| Some(Material::SkEd25519 { point, application: reader.string()?.to_vec() })),
            b"ecdsa-sha2-nistp256" => curve_point(&mut reader, b"nistp256", 65).map(Material::P256),
            b"ecdsa-sha2-nistp384" => curve_point(&mut reader, b"nistp384", 97).map(Material::P384),
            b"ssh-rsa" => rsa(&mut reader)?,
            other => return Err(KeyError::Weak(format!("is of type {}, which is not accepted", plain(other)))),
        };
        match material {
            Some(material) if reader.is_empty() => Ok(Self { blob: blob.to_vec(), material }),
            _ => Err(KeyError::Malformed),
        }
    }

    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.blob)
    }

    /// The key type's name in the SSH protocol.
    pub fn kind(&self) -> &'static str {
        match self.material {
            Material::Ed25519(_) => "ssh-ed25519",
            Material::SkEd25519 { .. } => "sk-ssh-ed25519@openssh.com",
            Material::P256(_) => "ecdsa-sha2-nistp256",
            Material::P384(_) => "ecdsa-sha2-nistp384",
            Material::Rsa { .. } => "ssh-rsa",
        }
    }

    /// Type and base64, as in a public key file.
    pub fn to_openssh(&self) -> String {
        format!("{} {}", self.kind(), STANDARD.encode(&self.blob))
    }

    /// Whether `signature` (RFC 4253 section 6.6: algorithm and bytes) of this key over `message` holds.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        let mut reader = Reader(signature);
        let (Some(algorithm), Some(bytes)) = (reader.string(), reader.string()) else {
            return Err(SignatureError::Bad);
        };
        let trailer = reader.0;
        match &self.material {
            Material::SkEd25519 { point, application } if algorithm == b"sk-ssh-ed25519@openssh.com" => {
                verify_sk(point, application, message, bytes, trailer)
            }
            _ if !trailer.is_empty() => Err(SignatureError::Bad),
            Material::Ed25519(point) if algorithm == b"ssh-ed25519" => {
                hold(UnparsedPublicKey::new(&ED25519, point).verify(message, bytes).is_ok())
            }
            Material::P256(point) if algorithm == b"ecdsa-sha2-nistp256" => {
                let fixed = fixed_pair(bytes, 32).ok_or(SignatureError::Bad)?;
                hold(UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, &fixed).is_ok())
            }
            Material::P384(point) if algorithm == b"ecdsa-sha2-nistp384" => {
                let fixed = fixed_pair(bytes, 48).ok_or(SignatureError::Bad)?;
                hold(UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).verify(message, &fixed).is_ok())
            }
            Material::Rsa { n, e } => {
                let parameters = match algorithm {
                    b"rsa-sha2-256" => &RSA_PKCS1_2048_8192_SHA256,
                    b"rsa-sha2-512" => &RSA_PKCS1_2048_8192_SHA512,
                    _ => return Err(SignatureError::Algorithm),
                };
                hold(RsaPublicKeyComponents { n, e }.verify(parameters, message, bytes).is_ok())
            }
            _ => Err(SignatureError::Algorithm),
        }
    }
}

fn hold(holds: bool) -> Result<(), SignatureError> {
    if holds { Ok(()) } else { Err(SignatureError::Bad) }
}

/// The signed bytes are the hashed application, flags, counter and the hashed message. Bit 0 of flags: touched.
fn verify_sk(
    point: &[u8; 32],
    application: &[u8],
    message: &[u8],
    signature: &[u8],
    trailer: &[u8],
) -> Result<(), SignatureError> {
    if trailer.len() != 5 {
        return Err(SignatureError::Bad);
    }
    let signed = [digest(&SHA256, application).as_ref(), trailer, digest(&SHA256, message).as_ref()].concat();
    hold(UnparsedPublicKey::new(&ED25519, point).verify(&signed, signature).is_ok())?;
    if trailer[0] & 1 == 0 { Err(SignatureError::NoTouch) } else { Ok(()) }
}

fn point(reader: &mut Reader<'_>) -> Option<[u8; 32]> {
    reader.string()?.try_into().ok()
}

fn curve_point(reader: &mut Reader<'_>, curve: &[u8], len: usize) -> Option<Vec<u8>> {
    let named = reader.string()? == curve;
    let point = reader.string()?;
    (named && point.len() == len && point[0] == 4).then(|| point.to_vec())
}

fn rsa(reader: &mut Reader<'_>) -> Result<Option<Material>, KeyError> {
    let (Some(e), Some(n)) = (reader.mpint(), reader.mpint()) else {
        return Ok(None);
    };
    let bits = n.len() * 8 - n[0].leading_zeros() as usize;
    if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
        return Err(KeyError::Weak(format!("is RSA with {bits} bits; {MIN_RSA_BITS} to {MAX_RSA_BITS} are accepted")));
    }
    Ok(Some(Material::Rsa { n: n.to_vec(), e: e.to_vec() }))
}

/// Two mpints as two numbers of `size` bytes each.
fn fixed_pair(bytes: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut reader = Reader(bytes);
    let mut fixed = vec![0; 2 * size];
    for half in fixed.chunks_exact_mut(size) {
        let number = reader.mpint()?;
        half[size.checked_sub(number.len())?..].copy_from_slice(number);
    }
    reader.is_empty().then_some(fixed)
}

/// Bytes from outside as short printable text.
pub(super) fn plain(bytes: &[u8]) -> String {
    bytes.iter().take(40).map(|b| if b.is_ascii_graphic() { *b as char } else { '?' }).collect()
}
