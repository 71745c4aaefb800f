//! OpenSSH certificates of users' keys (OpenSSH's PROTOCOL.certkeys).

use crate::trust::key::{KeyError, PublicKey, SignatureError};
use crate::trust::wire::{Reader, put_string};

/// The end of every certificate's type name.
const SUFFIX: &[u8] = b"-cert-v01@openssh.com";
const USER: u32 = 1;

/// What an authority says about a key. Nothing is proven before [`Certificate::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The key that it is about.
    pub key: PublicKey,
    /// Whether it is for a user, not for a host.
    pub is_user: bool,
    /// As they stand there. None stands for everybody, says the protocol.
    pub principals: Vec<String>,
    /// Seconds since 1970.
    pub valid_after: u64,
    /// Seconds since 1970, itself not included.
    pub valid_before: u64,
    /// Whether there are conditions that whoever accepts it has to enforce.
    pub has_critical_options: bool,
    pub authority: PublicKey,
    signed: Vec<u8>,
    signature: Vec<u8>,
}

impl Certificate {
    /// Whether a key blob is a certificate, readable or not.
    pub fn is_blob(blob: &[u8]) -> bool {
        Reader(blob).string().is_some_and(|kind| kind.ends_with(SUFFIX))
    }

    /// Reads a certificate, and the keys in it, of which both must be of a kind that is accepted.
    pub fn from_blob(blob: &[u8]) -> Result<Self, KeyError> {
        let mut reader = Reader(blob);
        let kind = reader.string().ok_or(KeyError::Malformed)?;
        let plain = plain_kind(kind).ok_or(KeyError::Malformed)?;
        let _nonce = reader.string().ok_or(KeyError::Malformed)?;
        let key = key(&mut reader, &plain)?;
        let rest = Fields::read(&mut reader, blob).ok_or(KeyError::Malformed)?;
        Ok(Self {
            key,
            is_user: rest.kind == USER,
            principals: names(rest.principals).ok_or(KeyError::Malformed)?,
            valid_after: rest.valid_after,
            valid_before: rest.valid_before,
            has_critical_options: !rest.critical_options.is_empty(),
            authority: PublicKey::from_blob(rest.authority)?,
            signed: rest.signed.to_vec(),
            signature: rest.signature.to_vec(),
        })
    }

    /// Whether the authority that it names really signed it.
    pub fn verify(&self) -> Result<(), SignatureError> {
        self.authority.verify(&self.signed, &self.signature)
    }

    /// For how many seconds it is valid; 0 if for none.
    pub fn lifetime(&self) -> u64 {
        self.valid_before.saturating_sub(self.valid_after)
    }

    /// Whether it is valid so many seconds after 1970.
    pub fn is_valid_at(&self, seconds: i64) -> bool {
        u64::try_from(seconds).is_ok_and(|at| self.valid_after <= at && at < self.valid_before)
    }
}

/// What follows the key.
struct Fields<'a> {
    kind: u32,
    principals: &'a [u8],
    valid_after: u64,
    valid_before: u64,
    critical_options: &'a [u8],
    authority: &'a [u8],
    /// Everything before the signature.
    signed: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Fields<'a> {
    fn read(reader: &mut Reader<'a>, blob: &'a [u8]) -> Option<Self> {
        let _serial = reader.u64()?;
        let kind = reader.u32()?;
        let _key_id = reader.string()?;
        let principals = reader.string()?;
        let (valid_after, valid_before) = (reader.u64()?, reader.u64()?);
        let critical_options = reader.string()?;
        let _extensions = reader.string()?;
        let _reserved = reader.string()?;
        let authority = reader.string()?;
        let signed = &blob[..blob.len() - reader.0.len()];
        let signature = reader.string()?;
        let whole = reader.is_empty();
        whole.then_some(Self {
            kind,
            principals,
            valid_after,
            valid_before,
            critical_options,
            authority,
            signed,
            signature,
        })
    }
}

/// The type of the key in a certificate of this type.
fn plain_kind(kind: &[u8]) -> Option<Vec<u8>> {
    let plain = kind.strip_suffix(SUFFIX)?;
    // Security keys bear the vendor's name with and without a certificate.
    Some(if plain.starts_with(b"sk-") { [plain, b"@openssh.com"].concat() } else { plain.to_vec() })
}

/// The key's fields stand in a certificate as they stand in its own blob.
fn key(reader: &mut Reader<'_>, kind: &[u8]) -> Result<PublicKey, KeyError> {
    let strings = match kind {
        b"ssh-ed25519" => 1,
        b"sk-ssh-ed25519@openssh.com" | b"ecdsa-sha2-nistp256" | b"ecdsa-sha2-nistp384" | b"ssh-rsa" => 2,
        other => {
            return Err(KeyError::Weak(format!(
                "is of type {}, which is not accepted",
                crate::trust::key::plain(other)
            )));
        }
    };
    let mut blob = Vec::new();
    put_string(&mut blob, kind);
    for _ in 0..strings {
        put_string(&mut blob, reader.string().ok_or(KeyError::Malformed)?);
    }
    PublicKey::from_blob(&blob)
}

/// Names that are not plain text are no names of anybody.
fn names(packed: &[u8]) -> Option<Vec<String>> {
    let mut reader = Reader(packed);
    let mut names = Vec::new();
    while !reader.is_empty() {
        names.push(std::str::from_utf8(reader.string()?).ok()?.to_owned());
    }
    Some(names)
}
