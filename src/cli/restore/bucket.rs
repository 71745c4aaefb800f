//! Restoring a lost store from the versions that it published.
//!
//! The chain of digests from the pointer to the files shows torn writes and damage; who may write to the bucket may
//! also write what is restored. Keys must belong to their certificates, and numbers go on from the published ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::StreamExt;

use super::{Row, Version, bring_back, unknown};
use crate::audit::{Kind, Record, copy};
use crate::bucket::layout::{self, Manifest, Pointer};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::reports::Reports;
use crate::cli::session::Session;
use crate::cli::{source, wire};
use crate::fault::{Fault, Retry};
use crate::lineage::{CertFacts, Etags, Meta, Origin, Pems, Provenance, SCHEMA};
use crate::list::Certificate;
use crate::name::{Digest, LineageName};
use crate::port::{Bucket, ObjectSummary, Store};
use crate::report::Check;
use crate::secret::Secret;
use crate::trust::VerifiedList;

/// How many lineages are fetched at a time.
const WIDTH: usize = 16;

type Listing = BTreeMap<String, ObjectSummary>;

pub fn restore(
    session: &Session,
    name: &str,
    names: &BTreeSet<LineageName>,
    reports: &mut Reports,
) -> Result<Vec<Row>, Failure> {
    let (name, bucket) = session.block_on(choose(session, name))?;
    // As on any new machine: the head is verified from the introduction on, and the trust state is kept.
    let list = source::fetch(session, reports)?.list;
    let listing = session.block_on(bucket.list())?;
    let published: BTreeSet<LineageName> = listing.keys().filter_map(|key| layout::lineage_of_pointer(key)).collect();
    let wanted: Vec<&LineageName> =
        published.iter().filter(|lineage| names.is_empty() || names.contains(*lineage)).collect();
    let fetched = session.block_on(async {
        let fetch = |lineage: &LineageName| {
            let (lineage, bucket, name, list) = (lineage.clone(), bucket.clone(), name.clone(), &list);
            async move { (lineage.clone(), version(bucket.as_ref(), &name, &lineage, list).await) }
        };
        futures::stream::iter(wanted).map(fetch).buffered(WIDTH).collect::<Vec<_>>().await
    });
    let inventory = session.store.observe()?;
    let mut rows = Vec::new();
    for (lineage, found) in fetched {
        rows.push(match found {
            Ok(version) => bring_back(session, &inventory, version),
            Err(fault) => Row { lineage, result: Err(fault) },
        });
    }
    let back = rows.iter().filter(|row| row.result.is_ok()).map(|row| &row.lineage);
    remember(session, bucket.as_ref(), &name, &listing, &back.cloned().collect())?;
    rows.extend(names.difference(&published).map(|lineage| unknown(lineage, &format!("bucket `{name}`"))));
    Ok(rows)
}

/// The bucket of this name, or the only one.
async fn choose(session: &Session, name: &str) -> Result<(String, Arc<dyn Bucket>), Failure> {
    let mut buckets = wire::buckets(&session.config).await;
    let known = buckets.keys().cloned().collect::<Vec<_>>().join(", ");
    let name = match (name, buckets.len()) {
        ("", 1) => buckets.keys().next().cloned().unwrap_or_default(),
        _ => name.to_owned(),
    };
    match buckets.remove(&name) {
        Some((bucket, _)) => Ok((name, bucket)),
        None => {
            let (text, hint) = match (name.is_empty(), known.is_empty()) {
                (_, true) => {
                    ("no bucket is configured".into(), "say under `buckets:` where versions were published".into())
                }
                (true, _) => {
                    ("several buckets are configured".into(), format!("give one: --from-bucket NAME. Known: {known}"))
                }
                _ => (format!("there is no bucket `{name}`"), format!("known buckets: {known}")),
            };
            let fault = Fault::new("restore:bucket", text).hint(hint);
            Err(Failure::new(Exit::Usage, Check::Completed, fault))
        }
    }
}

/// The version that the pointer of a lineage names.
async fn version(
    bucket: &dyn Bucket,
    name: &str,
    lineage: &LineageName,
    list: &VerifiedList,
) -> Result<Version, Fault> {
    let key = layout::pointer_key(lineage);
    let (bytes, etag) = object(bucket, &key).await?;
    let mut etags = Etags([(layout::below(lineage, &key).to_owned(), etag)].into());
    let pointer: Pointer = serde_json::from_slice(&bytes).map_err(|error| damaged(&key).caused_by(&error))?;
    let prefix = format!("{lineage}/v/");
    // What a pointer says becomes a key: it stays below its own lineage.
    if pointer.schema > layout::SCHEMA || pointer.lineage != *lineage || !pointer.prefix.starts_with(&prefix) {
        return Err(damaged(&key));
    }
    let key = format!("{}manifest.json", pointer.prefix);
    let (bytes, etag) = object(bucket, &key).await?;
    etags.0.insert(layout::below(lineage, &key).to_owned(), etag);
    if Digest::of(&bytes) != pointer.manifest {
        return Err(damaged(&key).because("the digest in the pointer is another one"));
    }
    let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|error| damaged(&key).caused_by(&error))?;
    let pems = files(bucket, &pointer.prefix, &manifest, &mut etags).await?;
    let facts = CertFacts::from_pem(&pems.cert)?;
    let meta = meta(manifest, facts, &pointer, list.list().get(lineage))?;
    Ok(Version {
        stashed: list.list().get(lineage).is_none(),
        meta,
        pems,
        published: vec![(name.to_owned(), etags)],
        revoked: None,
        below: None,
        from: format!("bucket {name}"),
    })
}

async fn files(bucket: &dyn Bucket, prefix: &str, manifest: &Manifest, etags: &mut Etags) -> Result<Pems, Fault> {
    let mut texts = BTreeMap::new();
    for file in manifest.names() {
        let key = format!("{prefix}{file}");
        let said = manifest.files.get(file).ok_or_else(|| damaged(&key))?;
        let (bytes, etag) = object(bucket, &key).await?;
        etags.0.insert(layout::below(&manifest.lineage, &key).to_owned(), etag);
        if bytes.len() as u64 != said.size || Digest::of(&bytes) != said.sha256 {
            return Err(damaged(&key).because("the digest in the manifest is another one"));
        }
        texts.insert(file, Secret::new(String::from_utf8(bytes).map_err(|_| damaged(&key))?));
    }
    let text = |file: &str| texts.get(file).map(|text| text.reveal().to_owned()).unwrap_or_default();
    Ok(Pems { cert: text("cert.pem"), chain: text("chain.pem"), privkey: texts.remove(layout::PRIVKEY) })
}

/// What the manifest says of the version, held against its certificate. One of an earlier release says less: the
/// verified list then tells the authority.
fn meta(manifest: Manifest, facts: CertFacts, pointer: &Pointer, entry: Option<&Certificate>) -> Result<Meta, Fault> {
    let key = format!("{}manifest.json", pointer.prefix);
    let fits = manifest.lineage == pointer.lineage
        && manifest.sequence == pointer.sequence
        && manifest.serial == facts.serial
        && manifest.names == facts.identifiers
        && manifest.public_key == facts.public_key;
    let meta = match manifest.meta {
        Some(meta) => meta,
        None => Meta {
            schema: SCHEMA,
            lineage: manifest.lineage,
            version: manifest.sequence,
            authority: entry.map(|entry| entry.authority.clone()).unwrap_or_default(),
            directory: String::new(),
            profile: entry.and_then(|entry| entry.profile.clone()),
            order_url: String::new(),
            certificate_url: String::new(),
            provenance: Provenance {
                commit: manifest.commit,
                signers: manifest.signers,
                list: Digest::of(b""),
                trust_root: Digest::of(b""),
                approvals: manifest.approvals,
                policy: None,
            },
            key_source: Default::default(),
            origin: Origin::Ordered,
            stored_at: facts.not_before,
            facts: facts.clone(),
        },
    };
    match fits && meta.schema <= SCHEMA && (&meta.lineage, meta.version) == (&pointer.lineage, pointer.sequence) {
        true => Ok(Meta { facts, ..meta }),
        false => Err(damaged(&key).because("it is about another version than the pointer and the files")),
    }
}

/// What the log of the lost store knew: its end, and the older versions of what came back.
fn remember(
    session: &Session,
    bucket: &dyn Bucket,
    name: &str,
    listing: &Listing,
    back: &BTreeSet<LineageName>,
) -> Result<(), Failure> {
    let chain = session.store.audit()?;
    let mut records = Vec::new();
    if let Some(lost) = session.block_on(copy::lost(bucket, &chain))? {
        let result = Some("the log of the lost store ended here".to_owned());
        records.push(Record {
            replaces: Some(lost),
            bucket: Some(name.to_owned()),
            result,
            ..Record::new(Kind::Restored)
        });
    }
    for key in listing.keys() {
        let mut parts = key.split('/');
        let (lineage, v, version, file) = (parts.next(), parts.next(), parts.next(), parts.next());
        let lineage = lineage.and_then(|text| LineageName::parse(text).ok()).filter(|name| back.contains(name));
        let (Some(lineage), Some("v"), Some(version), Some("manifest.json")) = (lineage, v, version, file) else {
            continue;
        };
        let Some((number, serial)) = version.split_once('-') else { continue };
        let known = chain.entries.iter().any(|entry| {
            entry.record.lineage.as_ref() == Some(&lineage) && entry.record.serial.as_deref() == Some(serial)
        });
        if !known {
            records.push(Record {
                lineage: Some(lineage),
                lineage_version: number.parse().ok(),
                serial: Some(serial.to_owned()),
                bucket: Some(name.to_owned()),
                result: Some("published by the lost store".to_owned()),
                ..Record::new(Kind::Restored)
            });
        }
    }
    session.note(&records)?;
    Ok(())
}

async fn object(bucket: &dyn Bucket, key: &str) -> Result<(Vec<u8>, String), Fault> {
    bucket.get(key).await?.ok_or_else(|| damaged(key).because("it is not there"))
}

fn damaged(key: &str) -> Fault {
    Fault::new("restore:damaged", format!("`{key}` in the bucket is not as it was published"))
        .hint("bring back the earlier version of that object if the bucket keeps them; without it the certificate is ordered anew")
        .retry(Retry::Never)
}
