//! Publishes a version to a bucket, and repairs one that was published.
//!
//! Immutable objects first, the manifest after them, the pointer last. Every write is conditional and sent once;
//! after an error or a refusal the object itself tells how it ended. So any run may be cut short anywhere, and the
//! next one goes on.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::try_join_all;
use tracing::debug;

use crate::bucket::layout::{
    self, Manifest, Pointer, SCHEMA, flat_key, manifest_key, pointer_key, to_json, version_prefix,
};
use crate::failpoint::reach;
use crate::fault::{Fault, Retry};
use crate::lineage::naming::{self, Naming};
use crate::lineage::{Etags, Pems, Stored};
use crate::name::Digest;
use crate::port::{Bucket, Condition, ObjectSummary, Written};

/// A write is sent so many times, each time after a look.
const TRIES: usize = 4;

/// What stands in a bucket now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// To be recorded.
    pub etags: Etags,
    /// Keys of objects that this store had written, that held something else, and that were written anew.
    pub replaced: Vec<String>,
}

/// Brings a version with its pointer into the bucket that the runner's config calls `name`.
///
/// What is there already is compared and left. An object that was recorded and holds something else now was replaced by
/// hand: it is put back. `flat` adds plain copies for scripts, after the pointer.
///
/// # Errors
/// `s3:pointer-ahead` if the bucket points at a later version, `s3:pointer-differs` if at another one of the same
/// number, `s3:immutable-differs` if an object of this version that was never recorded holds something else, and the
/// bucket's own faults. Nothing of this is ever overwritten.
pub async fn publish(
    bucket: &dyn Bucket,
    name: &str,
    listing: &BTreeMap<String, ObjectSummary>,
    stored: &Stored,
    pems: &Pems,
    flat: Option<&BTreeSet<Naming>>,
) -> Result<Published, Fault> {
    let target = Target { bucket, stored, before: stored.published.get(name), metadata: metadata(stored) };
    let key = pointer_key(&stored.meta.lineage);
    let pointer = bucket.get(&key).await?;
    let place = place(stored, pointer.as_ref())?;
    let mut objects = target.put_files(listing, pems).await?;
    reach("after-files");
    let (manifest, object) = target.put_manifest(listing, &Manifest::new(stored, pems), &place).await?;
    objects.push(object);
    reach("after-manifest");
    let etag = target.move_pointer(pointer, manifest).await?;
    objects.push(Object { key, etag, replaced: false });
    reach("after-pointer");
    if let Some(also) = flat {
        let copies = naming::files(pems, &stored.meta.certificate_url, also);
        objects.extend(try_join_all(copies.iter().map(|file| target.put_copy(&file.name, &file.bytes))).await?);
        try_join_all(stale_keys(listing, stored, also).map(async |name| target.put_copy(&name, b"").await)).await?;
    }
    let lineage = &stored.meta.lineage;
    debug!(%lineage, sequence = stored.meta.version, "published");
    let replaced = objects.iter().filter(|object| object.replaced).map(|object| object.key.clone()).collect();
    let etags = objects.into_iter().map(|object| (layout::below(lineage, &object.key).to_owned(), object.etag));
    Ok(Published { etags: Etags(etags.collect()), replaced })
}

/// Copies with the key of an earlier version, if this one has none: nothing takes their place, so that no script takes
/// them for the key of this certificate. They are emptied, since a runner may not be allowed to delete.
fn stale_keys(
    listing: &BTreeMap<String, ObjectSummary>,
    stored: &Stored,
    also: &BTreeSet<Naming>,
) -> impl Iterator<Item = String> {
    let names = naming::names(true, "", also).into_iter().filter(|_| !stored.meta.has_key());
    let secret = names.filter_map(|(name, secret)| secret.then_some(name));
    secret.filter(|name| listing.contains_key(&flat_key(&stored.meta.lineage, name)))
}

/// Where one version goes.
struct Target<'a> {
    bucket: &'a dyn Bucket,
    stored: &'a Stored,
    /// What was recorded when it was written.
    before: Option<&'a Etags>,
    metadata: BTreeMap<String, String>,
}

/// An object that stands in the bucket as it should.
struct Object {
    key: String,
    etag: String,
    /// Whether it held something else, though this store had written it.
    replaced: bool,
}

/// Where the pointer of a bucket stands, seen from our version.
enum Place {
    Absent,
    Behind(u64),
    /// Same sequence, with the manifest's digest.
    Here(Digest),
}

/// What stands at a key after a conditional write.
enum Landed {
    /// Our bytes, with their ETag.
    Ours(String),
    /// Other bytes, with their ETag.
    Theirs(Vec<u8>, String),
}

impl Target<'_> {
    async fn put_files(&self, listing: &BTreeMap<String, ObjectSummary>, pems: &Pems) -> Result<Vec<Object>, Fault> {
        let prefix = version_prefix(self.stored);
        let put = async |name: &str, bytes: &[u8]| {
            let key = format!("{prefix}{name}");
            match self.put_new(listing, &key, bytes).await? {
                Landed::Ours(etag) => Ok(Object { key, etag, replaced: false }),
                Landed::Theirs(_, etag) => self.put_back(key, bytes, etag).await,
            }
        };
        try_join_all(layout::files(pems).iter().map(|(name, bytes)| put(name, bytes))).await
    }

    /// With the digest of the manifest that stands in the bucket. An earlier release may have worded it differently.
    async fn put_manifest(
        &self,
        listing: &BTreeMap<String, ObjectSummary>,
        manifest: &Manifest,
        place: &Place,
    ) -> Result<(Digest, Object), Fault> {
        let (key, ours) = (manifest_key(self.stored), to_json(manifest));
        let (found, etag) = match self.put_new(listing, &key, &ours).await? {
            Landed::Ours(etag) => return Ok((Digest::of(&ours), Object { key, etag, replaced: false })),
            Landed::Theirs(found, etag) => (found, etag),
        };
        let digest = Digest::of(&found);
        let is_named = !matches!(place, Place::Here(named) if *named != digest);
        match serde_json::from_slice::<Manifest>(&found) {
            Ok(other) if is_named && other.same_version(manifest) => {
                Ok((digest, Object { key, etag, replaced: false }))
            }
            _ => Ok((Digest::of(&ours), self.put_back(key, &ours, etag).await?)),
        }
    }

    /// Writes over an object that is known to be of this store, as it was found.
    async fn put_back(&self, key: String, bytes: &[u8], found: String) -> Result<Object, Fault> {
        if !self.has_written(&key) {
            return Err(differs(&key));
        }
        match self.write(&key, bytes, &Condition::Etag(found)).await? {
            Landed::Ours(etag) => Ok(Object { key, etag, replaced: true }),
            Landed::Theirs(..) => Err(contested(&key)),
        }
    }

    fn has_written(&self, key: &str) -> bool {
        self.before.is_some_and(|etags| etags.0.contains_key(layout::below(&self.stored.meta.lineage, key)))
    }

    async fn move_pointer(&self, mut found: Option<(Vec<u8>, String)>, manifest: Digest) -> Result<String, Fault> {
        let key = pointer_key(&self.stored.meta.lineage);
        for _ in 0..TRIES {
            let place = place(self.stored, found.as_ref())?;
            let etag = found.map(|(_, etag)| etag);
            let previous = match (place, etag.clone()) {
                (Place::Here(digest), Some(etag)) if digest == manifest => return Ok(etag),
                (Place::Here(_), _) => return Err(pointer_differs(self.stored)),
                (Place::Behind(sequence), _) => Some(sequence),
                (Place::Absent, _) => None,
            };
            let pointer = to_json(&Pointer::new(self.stored, manifest.clone(), previous));
            let condition = etag.map_or(Condition::Absent, Condition::Etag);
            match self.write(&key, &pointer, &condition).await? {
                Landed::Ours(etag) => return Ok(etag),
                Landed::Theirs(bytes, etag) => found = Some((bytes, etag)),
            }
        }
        Err(contested(&key))
    }

    async fn put_copy(&self, name: &str, bytes: &[u8]) -> Result<Object, Fault> {
        let key = flat_key(&self.stored.meta.lineage, name);
        let (condition, replaced) = match self.bucket.get(&key).await? {
            Some((found, etag)) if found == bytes => return Ok(Object { key, etag, replaced: false }),
            Some((_, etag)) => (Condition::Etag(etag), self.has_written(&key)),
            None => (Condition::Absent, false),
        };
        match self.write(&key, bytes, &condition).await? {
            Landed::Ours(etag) => Ok(Object { key, etag, replaced }),
            Landed::Theirs(..) => Err(contested(&key)),
        }
    }

    /// What is listed is looked at first, so that a repair sends no key anew.
    async fn put_new(
        &self,
        listing: &BTreeMap<String, ObjectSummary>,
        key: &str,
        bytes: &[u8],
    ) -> Result<Landed, Fault> {
        if listing.contains_key(key)
            && let Some((found, etag)) = self.bucket.get(key).await?
        {
            return Ok(landed(bytes, found, etag));
        }
        self.write(key, bytes, &Condition::Absent).await
    }

    /// Writes until it is known what stands at the key.
    async fn write(&self, key: &str, bytes: &[u8], condition: &Condition) -> Result<Landed, Fault> {
        let mut last = None;
        for _ in 0..TRIES {
            match self.bucket.put(key, bytes, &self.metadata, condition).await {
                Ok(Written::Done(etag)) => return Ok(Landed::Ours(etag)),
                Ok(Written::Refused) => {}
                Err(fault) if fault.retry == Retry::Never => return Err(fault),
                Err(fault) => {
                    debug!(key, code = fault.code, "a write failed; looking whether it happened");
                    last = Some(fault);
                }
            }
            match self.bucket.get(key).await {
                Err(fault) => return Err(last.unwrap_or(fault)),
                // The object is as it was before: the write did not happen.
                Ok(Some((_, etag))) if *condition == Condition::Etag(etag.clone()) && last.is_some() => {}
                Ok(Some((found, etag))) => return Ok(landed(bytes, found, etag)),
                Ok(None) => {}
            }
        }
        Err(last.unwrap_or_else(|| contested(key)))
    }
}

fn landed(ours: &[u8], found: Vec<u8>, etag: String) -> Landed {
    if found == ours { Landed::Ours(etag) } else { Landed::Theirs(found, etag) }
}

/// Who asked for the version, on every object of it. The manifest says it in full.
fn metadata(stored: &Stored) -> BTreeMap<String, String> {
    let provenance = &stored.meta.provenance;
    let pairs = [
        ("lineage", stored.meta.lineage.to_string()),
        ("sequence", stored.meta.version.to_string()),
        ("commit", provenance.commit.to_string()),
        ("signers", header_value(&provenance.signers)),
    ];
    let approvals = Some(header_value(&provenance.approvals)).filter(|approvals| !approvals.is_empty());
    let policy = provenance.policy.as_ref().map(ToString::to_string);
    let pairs = pairs.into_iter().chain(approvals.map(|approvals| ("approvals", approvals)));
    let pairs = pairs.chain(policy.map(|policy| ("policy", policy)));
    pairs.map(|(name, value)| (name.to_owned(), value)).collect()
}

/// S3 takes 2 KB of metadata in all, and what is not plain ASCII comes back encoded.
fn header_value(texts: &[String]) -> String {
    const LONGEST: usize = 600;
    let text = texts.join(", ");
    text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).take(LONGEST).collect()
}

/// Refuses a pointer that is ahead of us or that we do not understand.
fn place(stored: &Stored, found: Option<&(Vec<u8>, String)>) -> Result<Place, Fault> {
    let lineage = &stored.meta.lineage;
    let Some((bytes, _)) = found else { return Ok(Place::Absent) };
    let pointer: Pointer = serde_json::from_slice(bytes).map_err(|error| {
        let message = format!("`{}` is not a pointer that this countersign can read", pointer_key(lineage));
        Fault::new("s3:pointer-unreadable", message)
            .caused_by(&error)
            .hint("see who wrote it; if it is of no use, delete the object and apply again")
            .retry(Retry::Never)
    })?;
    if pointer.schema > SCHEMA || pointer.lineage != *lineage {
        return Err(pointer_differs(stored));
    }
    let ours = stored.meta.version;
    match pointer.sequence {
        theirs if theirs > ours => {
            let message = format!("the bucket points at version {theirs} of `{lineage}`, the store has {ours}");
            let hint = "another store publishes here, or this store is old: `countersign restore --from-bucket`";
            Err(Fault::new("s3:pointer-ahead", message).hint(hint).retry(Retry::Never))
        }
        theirs if theirs == ours => match pointer.prefix == version_prefix(stored) {
            true => Ok(Place::Here(pointer.manifest)),
            false => Err(pointer_differs(stored)),
        },
        theirs => Ok(Place::Behind(theirs)),
    }
}

fn pointer_differs(stored: &Stored) -> Fault {
    let lineage = &stored.meta.lineage;
    let message = format!("the bucket's pointer of `{lineage}` is of another store or of a newer countersign");
    Fault::new("s3:pointer-differs", message)
        .hint("give each store a prefix of its own, or `countersign restore --from-bucket`")
        .retry(Retry::Never)
}

fn differs(key: &str) -> Fault {
    Fault::new("s3:immutable-differs", format!("`{key}` is in the bucket with another content"))
        .hint("find out who wrote it; delete the object, then apply again")
        .retry(Retry::Never)
}

fn contested(key: &str) -> Fault {
    Fault::new("s3:contested", format!("somebody else writes `{key}` at the same time"))
        .hint("see that only one store publishes below this prefix")
}

#[cfg(test)]
mod tests;
