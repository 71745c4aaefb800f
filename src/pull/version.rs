//! The current version of a lineage as a bucket has it: read, and held against itself.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::bucket::layout::{Manifest, Pointer, SCHEMA, pointer_key};
use crate::fault::{Fault, Retry};
use crate::lineage::foreign::{Maker, check_foreign};
use crate::lineage::{CertFacts, Pems, key, pem, public_key_of};
use crate::name::{Digest, Identifier, LineageName};
use crate::port::Bucket;
use crate::regular;
use crate::secret::Secret;

/// How long one object may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of a pointer, of a manifest and of a file. Larger ones are none of ours.
const POINTER: usize = 16 * 1024;
const MANIFEST: usize = 256 * 1024;
const FILE: u64 = 256 * 1024;
/// The certificate may begin so much later than our clock says.
const SKEW: time::Duration = time::Duration::HOUR;

/// A version that passed all checks.
pub struct Version {
    pub manifest: Manifest,
    /// `manifest.json` as it is in the bucket.
    pub manifest_bytes: Vec<u8>,
    pub pems: Pems,
    /// The URL of the certificate at its CA. Empty if not known.
    pub url: String,
}

/// The pointer to the current version.
pub async fn pointer(bucket: &dyn Bucket, lineage: &LineageName) -> Result<Pointer, Fault> {
    let key = pointer_key(lineage);
    match get(bucket, &key).await? {
        Some(bytes) => read_pointer(&bytes, lineage),
        None => Err(Fault::new(
            "pull:unpublished",
            format!("there is no `{key}` below the prefix: `{lineage}` is not published here"),
        )
        .hint("see the name, the bucket and its prefix; `countersign show` tells where a lineage is published")
        .retry(Retry::Never)),
    }
}

/// What the pointer leads to. `None` if an object is not there: it was pruned meanwhile, or never written. The key of
/// this machine, if it has one, is the key of the version.
pub async fn fetch(
    bucket: &dyn Bucket,
    pointer: &Pointer,
    own_key: Option<Secret>,
    now: OffsetDateTime,
) -> Result<Option<Version>, Fault> {
    let Some(manifest_bytes) = get(bucket, &format!("{}manifest.json", pointer.prefix)).await? else { return Ok(None) };
    let (manifest, url) = read_manifest(&manifest_bytes, pointer)?;
    let mut files = Vec::new();
    for name in manifest.names() {
        let Some(bytes) = get(bucket, &format!("{}{name}", pointer.prefix)).await? else { return Ok(None) };
        files.push(read_file(&manifest, name, bytes)?);
    }
    if own_key.as_ref().is_some_and(|key| public_key_of(key).as_ref() != Ok(&manifest.public_key)) {
        return Err(other_key(&manifest));
    }
    let pems = read_pems(&manifest, files, own_key, now)?;
    Ok(Some(Version { manifest, manifest_bytes, pems, url }))
}

/// Whether the certificate serves these names.
pub fn check_names(manifest: &Manifest, domains: &BTreeSet<Identifier>) -> Result<(), Fault> {
    let serves = |wanted: &&Identifier| manifest.names.iter().any(|name| name == *wanted || name.covers(wanted));
    let missing: Vec<&str> = domains.iter().filter(|wanted| !serves(wanted)).map(Identifier::as_str).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let text = format!("version {} of `{}` does not serve {}", manifest.sequence, manifest.lineage, missing.join(", "));
    Err(Fault::new("pull:names", text)
        .hint("see the list of whoever publishes, and `domains` here")
        .retry(Retry::Never))
}

/// The leaf (DER) of a release.
pub fn leaf(release: &Path) -> Result<Vec<u8>, Fault> {
    let path = release.join("cert.pem");
    let text = fs::read_to_string(&path)
        .map_err(|error| Fault::new("pull:folder", format!("failed to read {}", path.display())).caused_by(&error))?;
    Ok(pem::certificates(&text)?.swap_remove(0))
}

/// The key of this machine, in the form that releases have.
pub fn own_key(path: &Path) -> Result<Secret, Fault> {
    let unusable = |cause: &(dyn std::error::Error + 'static)| {
        Fault::new("pull:key", format!("the key {} cannot be used", path.display()))
            .caused_by(cause)
            .hint("name the private key for which the CSR was made, in PEM and without a passphrase")
    };
    let read = regular::open(path).and_then(|file| regular::read(file, FILE)).map_err(|error| unusable(&error))?;
    // Not the error of a file that is no text: it could show bytes of the key.
    let text = String::from_utf8(read).map_err(|_| unusable(&std::io::Error::from(ErrorKind::InvalidData)))?;
    key::to_pkcs8(&Secret::new(text)).map_err(|fault| unusable(&fault))
}

fn other_key(manifest: &Manifest) -> Fault {
    let Manifest { lineage, sequence, .. } = manifest;
    Fault::new("pull:key-mismatch", format!("version {sequence} of `{lineage}` was issued for another key than `key`"))
        .hint("put the CSR of this key into the list; what is in use here stays until a version for it is published")
}

/// Somebody here needs the key that the version does not have.
pub fn keyless(manifest: &Manifest, wanted: &str) -> Fault {
    let Manifest { lineage, sequence, .. } = manifest;
    Fault::new("pull:keyless", format!("version {sequence} of `{lineage}` has no key, and {wanted}"))
        .hint("say where this machine has it: `key: PATH` in pull.yaml, or `--key PATH`")
        .retry(Retry::Never)
}

pub fn incomplete(lineage: &LineageName) -> Fault {
    Fault::new("pull:incomplete", format!("the pointer of `{lineage}` leads to a version that is not whole"))
        .hint("let the publisher run again: it brings back what is missing")
}

async fn get(bucket: &dyn Bucket, key: &str) -> Result<Option<Vec<u8>>, Fault> {
    let read = tokio::time::timeout(PATIENCE, bucket.get(key)).await;
    let read =
        read.map_err(|_| Fault::new("s3:unreachable", format!("`{key}` took more than {} s", PATIENCE.as_secs())))?;
    match read {
        Ok(found) => Ok(found.map(|(bytes, _)| bytes)),
        Err(fault) if fault.code == "s3:AccessDenied" => {
            Err(fault
                .hint("it may not be there, or the credentials lack s3:GetObject: `countersign iam-policy consumer`"))
        }
        Err(fault) => Err(fault),
    }
}

fn read_pointer(bytes: &[u8], lineage: &LineageName) -> Result<Pointer, Fault> {
    let pointer: Pointer = read_json(bytes, POINTER, "the pointer")?;
    newer(pointer.schema)?;
    if pointer.lineage != *lineage {
        return Err(damaged(format!("the pointer of `{lineage}` is about `{}`", pointer.lineage)));
    }
    // So the prefix cannot lead out of the lineage.
    let start = format!("{lineage}/v/{}-", pointer.sequence);
    let serial = pointer.prefix.strip_prefix(&start).and_then(|rest| rest.strip_suffix('/'));
    if pointer.sequence == 0 || !serial.is_some_and(is_serial) {
        return Err(damaged(format!(
            "the prefix in the pointer of `{lineage}` is none of version {}",
            pointer.sequence
        )));
    }
    Ok(pointer)
}

/// The manifest, and the URL of the certificate at its CA if that is known.
pub fn parse_manifest(bytes: &[u8]) -> Result<(Manifest, String), Fault> {
    let mut value: Value = read_json(bytes, MANIFEST, "the manifest")?;
    // It is for whoever rebuilds a store, and may grow in ways that do not concern a reader.
    let meta = value.as_object_mut().and_then(|fields| fields.remove("meta")).unwrap_or_default();
    let manifest = serde_json::from_value(value);
    let manifest = manifest.map_err(|error| damaged("the manifest cannot be read").caused_by(&error))?;
    Ok((manifest, meta["certificate_url"].as_str().unwrap_or_default().to_owned()))
}

fn read_manifest(bytes: &[u8], pointer: &Pointer) -> Result<(Manifest, String), Fault> {
    if Digest::of(bytes) != pointer.manifest {
        return Err(damaged("the manifest is not the one that the pointer names"));
    }
    let (manifest, url) = parse_manifest(bytes)?;
    newer(manifest.schema)?;
    let about = (&manifest.lineage, manifest.sequence, manifest.not_after);
    let prefix = format!("{}/v/{}-{}/", manifest.lineage, manifest.sequence, manifest.serial);
    if about != (&pointer.lineage, pointer.sequence, pointer.not_after) || prefix != pointer.prefix {
        return Err(damaged("the manifest is about another version than the pointer"));
    }
    Ok((manifest, url))
}

fn read_file(manifest: &Manifest, name: &str, bytes: Vec<u8>) -> Result<Zeroizing<String>, Fault> {
    let bytes = Zeroizing::new(bytes);
    let Some(said) = manifest.files.get(name) else { return Err(damaged(format!("the manifest has no `{name}`"))) };
    if said.size > FILE {
        return Err(damaged(format!("`{name}` is said to have {} bytes, the limit is {FILE}", said.size)));
    }
    if bytes.len() as u64 != said.size || Digest::of(&bytes) != said.sha256 {
        return Err(damaged(format!("`{name}` is not the file that the manifest describes")));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| damaged(format!("`{name}` is no text")))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Certificate, issuers and key, in the order of the manifest's names, as parts of one another and of the manifest.
fn read_pems(
    manifest: &Manifest,
    files: Vec<Zeroizing<String>>,
    own_key: Option<Secret>,
    now: OffsetDateTime,
) -> Result<Pems, Fault> {
    let [cert, chain, fullchain, key @ ..] = files.as_slice() else { return Err(damaged("files are missing")) };
    let privkey = own_key.or_else(|| key.first().map(|key| Secret::new(key.to_string())));
    let pems = Pems { privkey, cert: cert.to_string(), chain: chain.to_string() };
    if pems.fullchain() != **fullchain {
        return Err(damaged("`fullchain.pem` is not `cert.pem` and `chain.pem`"));
    }
    let (_, facts, maker) = check_foreign(pems.privkey.as_ref(), fullchain)?;
    if maker == Maker::Placeholder {
        return Err(damaged("it is a placeholder"));
    }
    check_facts(manifest, &facts, now).map(|()| pems)
}

fn check_facts(manifest: &Manifest, facts: &CertFacts, now: OffsetDateTime) -> Result<(), Fault> {
    let said = (&manifest.names, &manifest.serial, &manifest.public_key, manifest.not_before, manifest.not_after);
    if said != (&facts.identifiers, &facts.serial, &facts.public_key, facts.not_before, facts.not_after) {
        return Err(damaged("the certificate is not the one that the manifest describes"));
    }
    if facts.not_before > now + SKEW {
        let text = format!("the certificate is not valid before {}", facts.not_before);
        return Err(Fault::new("pull:not-yet-valid", text).hint("set the clock of this machine"));
    }
    Ok(())
}

fn read_json<T: serde::de::DeserializeOwned>(bytes: &[u8], most: usize, what: &str) -> Result<T, Fault> {
    if bytes.len() > most {
        return Err(damaged(format!("{what} has {} bytes, the limit is {most}", bytes.len())));
    }
    serde_json::from_slice(bytes).map_err(|error| damaged(format!("{what} cannot be read")).caused_by(&error))
}

fn newer(schema: u32) -> Result<(), Fault> {
    if schema <= SCHEMA {
        return Ok(());
    }
    let text = format!("it was published in the form {schema}, this countersign knows {SCHEMA}");
    Err(Fault::new("pull:newer", text).hint("install a newer countersign on this machine").retry(Retry::Never))
}

fn is_serial(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn damaged(text: impl Into<String>) -> Fault {
    Fault::new("pull:damaged", text)
        .hint("nothing was changed here; see who else writes below this prefix")
        .retry(Retry::Never)
}
