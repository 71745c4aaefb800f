//! SSH signatures of messages (OpenSSH's PROTOCOL.sshsig).

use aws_lc_rs::digest::{SHA256, SHA512, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::trust::certificate::Certificate;
use crate::trust::key::{KeyError, PublicKey, SignatureError};
use crate::trust::wire::{Reader, put_string};

const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";
const MAGIC: &[u8] = b"SSHSIG";
/// OpenSSH wraps at 70.
const MAX_LINE: usize = 76;

/// A signature with the key that claims to have made it. Nothing is proven before [`SshSignature::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshSignature {
    pub key: PublicKey,
    /// By which an authority vouches for the key, if the signature brings one along.
    pub certificate: Option<Box<Certificate>>,
    pub namespace: Vec<u8>,
    hash: Hash,
    signature: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    Sha256,
    Sha512,
}

/// Why a text is not a signature that could be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvelopeError {
    /// Not the armor that OpenSSH writes: another kind of signature, or something before, between or after it.
    Armor(&'static str),
    Malformed,
    Key(KeyError),
    /// Hashed with something else than SHA-256 or SHA-512.
    Hash,
}

impl SshSignature {
    /// Reads the armored text. One newline may follow the last line.
    pub fn parse(armored: &str) -> Result<Self, EnvelopeError> {
        Self::from_bytes(&unarmor(armored)?)
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let mut reader = Reader(bytes);
        let mut fields = || {
            let preamble = reader.take(MAGIC.len())? == MAGIC && reader.u32()? == 1;
            let [key, namespace, reserved, hash, signature] =
                [reader.string()?, reader.string()?, reader.string()?, reader.string()?, reader.string()?];
            (preamble && reserved.is_empty() && reader.is_empty()).then_some((key, namespace, hash, signature))
        };
        let (key, namespace, hash, signature) = fields().ok_or(EnvelopeError::Malformed)?;
        let hash = match hash {
            b"sha256" => Hash::Sha256,
            b"sha512" => Hash::Sha512,
            _ => return Err(EnvelopeError::Hash),
        };
        let certificate = Certificate::is_blob(key).then(|| Certificate::from_blob(key).map(Box::new));
        let certificate = certificate.transpose().map_err(EnvelopeError::Key)?;
        let key = match &certificate {
            Some(certificate) => certificate.key.clone(),
            None => PublicKey::from_blob(key).map_err(EnvelopeError::Key)?,
        };
        Ok(Self { key, certificate, namespace: namespace.to_vec(), hash, signature: signature.to_vec() })
    }

    /// Whether the key really signed `message` in the namespace that the signature names. Says nothing about the
    /// certificate.
    pub fn verify(&self, message: &[u8]) -> Result<(), SignatureError> {
        let (name, algorithm): (&[u8], _) = match self.hash {
            Hash::Sha256 => (b"sha256", &SHA256),
            Hash::Sha512 => (b"sha512", &SHA512),
        };
        let mut signed = MAGIC.to_vec();
        put_string(&mut signed, &self.namespace);
        put_string(&mut signed, b"");
        put_string(&mut signed, name);
        put_string(&mut signed, digest(algorithm, message).as_ref());
        self.key.verify(&signed, &self.signature)
    }
}

fn unarmor(armored: &str) -> Result<Vec<u8>, EnvelopeError> {
    let inside = armored
        .strip_prefix(BEGIN)
        .and_then(|rest| rest.strip_prefix('\n'))
        .ok_or(EnvelopeError::Armor("it does not begin as an SSH signature"))?;
    let (body, rest) = inside.split_once(END).ok_or(EnvelopeError::Armor("its last line is missing"))?;
    // Tools other than git may leave an empty line at the end; all implementations read it alike.
    if !matches!(rest, "" | "\n") {
        return Err(EnvelopeError::Armor("something follows after its last line"));
    }
    let lines = body.strip_suffix('\n').ok_or(EnvelopeError::Armor("its last line does not stand alone"))?;
    if lines.split('\n').any(|line| line.is_empty() || line.len() > MAX_LINE) {
        return Err(EnvelopeError::Armor("a line of it is empty or too long"));
    }
    STANDARD.decode(lines.replace('\n', "")).map_err(|_| EnvelopeError::Armor("it is not base64"))
}
