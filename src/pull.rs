//! Brings the current version of a lineage from a bucket to a machine that only reads, and has it used there.
//!
//! Whoever opens `current/` there sees the old version or the new one, whenever this is cut short; the next pull goes
//! on. A version counts as used when its reload came to a good end, and only then the marker file says so.

mod folder;
mod version;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tracing::{debug, warn};

use crate::bucket::layout::{Manifest, Pointer};
use crate::failpoint::reach;
use crate::fault::{Fault, Retry};
use crate::lineage::naming::Naming;
use crate::name::{Digest, Identifier, LineageName};
use crate::port::{Bucket, Clock};
use crate::program::Program;
use crate::served;
use folder::{Folder, Marker, Release};

/// How often a version is looked for anew that was pruned while it was read.
const TRIES: usize = 3;
/// Between two looks at what a server shows. A server that reloads lets its old processes answer for a moment.
const PAUSE: Duration = Duration::from_millis(200);
/// A certificate of which less than this part is left should have been renewed: the floor of the runner's reports.
const LOW: i32 = 6;
/// How long one handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// One lineage on a machine that uses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumer {
    pub lineage: LineageName,
    /// The folder of this lineage on this machine.
    pub into: PathBuf,
    /// Names that the certificate must serve.
    pub domains: BTreeSet<Identifier>,
    /// Names of files besides those of certbot.
    pub also: BTreeSet<Naming>,
    /// The private key of this machine, PEM: the certificate must be for it. `None`: the key comes with the version, or
    /// is nobody's business here.
    pub key: Option<PathBuf>,
    pub reload: Option<Reload>,
    pub served: Option<Served>,
    /// How many releases are kept, the current one included. At least 1.
    pub keep: usize,
}

/// What makes a server read its files again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reload {
    /// A program with its arguments.
    pub argv: Vec<String>,
    pub timeout: Duration,
}

/// Where the certificate must be seen afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Host and port.
    pub at: String,
    /// The name to ask for. `None`: the first of the certificate that is no wildcard, else `www` below the first.
    pub name: Option<String>,
    /// How long the server may take to show it.
    pub timeout: Duration,
}

/// What a pull came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    pub sequence: u64,
    pub serial: String,
    pub not_after: OffsetDateTime,
    /// The version that was used before. `None` for the first one.
    pub before: Option<u64>,
    /// Whether anything was done.
    pub new: bool,
}

/// Pulls one lineage.
///
/// # Errors
/// `pull:…`, and those of the bucket, of the reload and of the server. The version of before is in use then, if there
/// was one.
pub async fn pull(consumer: &Consumer, bucket: &dyn Bucket, clock: &dyn Clock) -> Result<Pulled, Fault> {
    let folder = Folder::open(&consumer.into, clock.now())?;
    let (current, marker) = (folder.current()?, folder.marker(&consumer.lineage)?);
    let found = find(consumer, bucket, &folder, marker.as_ref(), clock).await?;
    let is_used = current == Some(found.release)
        && marker.as_ref().is_some_and(|marker| marker.is_of(found.release, &found.digest));
    let before = marker.as_ref().map(|marker| marker.release);
    if !is_used {
        take(consumer, &folder, &found, before.or(current.filter(|current| *current != found.release))).await?;
    }
    if let Err(fault) = folder.prune(consumer.keep, found.release) {
        warn!(lineage = %consumer.lineage, "old releases are still there: {fault}");
    }
    let Manifest { sequence, serial, not_before, not_after, .. } = found.manifest;
    // Whoever holds back newer pointers shows an old one until it ends.
    if not_after - clock.now() < (not_after - not_before) / LOW {
        warn!(lineage = %consumer.lineage, "version {sequence} ends at {not_after}, and the bucket has no newer one");
    }
    Ok(Pulled { sequence, serial, not_after, before: before.map(|release| release.sequence), new: !is_used })
}

/// A version that is on this machine.
struct Found {
    release: Release,
    manifest: Manifest,
    digest: Digest,
}

/// The current version of the bucket, fetched if it is not here yet.
async fn find(
    consumer: &Consumer,
    bucket: &dyn Bucket,
    folder: &Folder,
    marker: Option<&Marker>,
    clock: &dyn Clock,
) -> Result<Found, Fault> {
    for _ in 0..TRIES {
        let pointer = version::pointer(bucket, &consumer.lineage).await?;
        accept(&pointer, marker, clock.now())?;
        let digest = pointer.manifest.clone();
        if let Some((release, manifest)) = folder.find(&pointer, &consumer.also, consumer.key.is_some()) {
            version::check_names(&manifest, &consumer.domains)?;
            return Ok(Found { release, manifest, digest });
        }
        let key = consumer.key.as_deref().map(version::own_key).transpose()?;
        let Some(version) = version::fetch(bucket, &pointer, key, clock.now()).await? else { continue };
        version::check_names(&version.manifest, &consumer.domains)?;
        // A server that reads the key beside the certificate would not start again.
        let wanted = if version.pems.privkey.is_some() {
            None
        } else if consumer.also.contains(&Naming::Haproxy) {
            Some("`haproxy` needs one")
        } else {
            folder.current_has_key()?.then_some("what is in use here has one")
        };
        if let Some(wanted) = wanted {
            return Err(version::keyless(&version.manifest, wanted));
        }
        let release = folder.write(&version, &consumer.also)?;
        reach("after-release");
        debug!(lineage = %consumer.lineage, %release, "written");
        return Ok(Found { release, manifest: version.manifest, digest });
    }
    Err(version::incomplete(&consumer.lineage))
}

/// Refuses a pointer that leads back, elsewhere, or to what has ended.
fn accept(pointer: &Pointer, marker: Option<&Marker>, now: OffsetDateTime) -> Result<(), Fault> {
    let Pointer { lineage, sequence, not_after, .. } = pointer;
    match marker {
        Some(marker) if *sequence < marker.sequence => {
            let text =
                format!("the bucket has version {sequence} of `{lineage}`, this machine had {}", marker.sequence);
            return Err(Fault::new("pull:rollback", text)
                .hint("ask whoever publishes; a publisher that started anew is pulled into another folder")
                .retry(Retry::Never));
        }
        Some(marker) if *sequence == marker.sequence && pointer.manifest != marker.manifest => {
            let text = format!("version {sequence} of `{lineage}` is another one than this machine had");
            return Err(Fault::new("pull:differs", text)
                .hint("ask whoever publishes: a version never changes, so somebody else wrote it")
                .retry(Retry::Never));
        }
        _ => {}
    }
    if *not_after <= now {
        let text = format!("version {sequence} of `{lineage}`, the newest in the bucket, ended at {not_after}");
        return Err(Fault::new("pull:expired", text)
            .hint("see why it is not renewed: `countersign status`, where it is published"));
    }
    Ok(())
}

/// Makes a release the current one and has it used, or brings back the one of before.
async fn take(consumer: &Consumer, folder: &Folder, found: &Found, before: Option<Release>) -> Result<(), Fault> {
    folder.point(found.release)?;
    reach("after-swap");
    let Err(mut fault) = apply(consumer, &found.manifest, folder.root()).await else {
        reach("after-reload");
        return folder.confirm(&Marker::new(found.release, &found.manifest, found.digest.clone()));
    };
    let Some(before) = before.filter(|before| *before != found.release && folder.has(*before)) else {
        let stays = format!("`current` stays with version {}, since there is none before it", found.release.sequence);
        fault.message = format!("{}; {stays}", fault.message);
        return Err(fault);
    };
    folder.point(before)?;
    fault.message = format!("{}; `current` is version {} again", fault.message, before.sequence);
    // The server may have read the new files by now.
    if let Err(again) = reload(consumer, before.sequence, None, folder.root()).await {
        fault = fault.because(format!("the reload with version {} failed too: {again}", before.sequence));
    }
    Err(fault)
}

async fn apply(consumer: &Consumer, manifest: &Manifest, root: &Path) -> Result<(), Fault> {
    reload(consumer, manifest.sequence, Some(manifest), root).await?;
    match &consumer.served {
        Some(served) => is_served(served, manifest, root).await,
        None => Ok(()),
    }
}

/// The variables are those of hooks.
async fn reload(consumer: &Consumer, version: u64, manifest: Option<&Manifest>, root: &Path) -> Result<(), Fault> {
    let Some(reload) = &consumer.reload else { return Ok(()) };
    let mut environment = vec![
        ("COUNTERSIGN_LINEAGE", consumer.lineage.to_string()),
        ("COUNTERSIGN_LIVE", root.join(folder::CURRENT).display().to_string()),
        ("COUNTERSIGN_VERSION", version.to_string()),
    ];
    if let Some(manifest) = manifest {
        let names: Vec<&str> = manifest.names.iter().map(Identifier::as_str).collect();
        environment.push(("COUNTERSIGN_SERIAL", manifest.serial.clone()));
        environment.push(("COUNTERSIGN_NOT_AFTER", manifest.not_after.format(&Rfc3339).unwrap_or_default()));
        environment.push(("COUNTERSIGN_DOMAINS", names.join(" ")));
    }
    let Reload { argv, timeout } = reload;
    let program = Program { argv, environment: &environment, stdin: &[], folder: Path::new("/"), timeout: *timeout };
    program.run().await.map(drop)
}

/// Looks until the server shows the leaf of the current release, or its time is over.
async fn is_served(served: &Served, manifest: &Manifest, root: &Path) -> Result<(), Fault> {
    let wanted = version::leaf(&root.join(folder::CURRENT))?;
    let name = served.name.clone().unwrap_or_else(|| asked_name(&manifest.names));
    let name = name.as_str();
    let deadline = tokio::time::Instant::now() + served.timeout;
    loop {
        let fault = match served::chain(&served.at, name, served.timeout.min(HANDSHAKE)).await {
            Ok(chain) if chain.first() == Some(&wanted) => return Ok(()),
            Ok(chain) => not_served(served, name, manifest.sequence, chain.first()),
            Err(fault) => fault,
        };
        if tokio::time::Instant::now() >= deadline {
            return Err(fault);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The name that clients are most likely to ask for.
fn asked_name(names: &BTreeSet<Identifier>) -> String {
    let plain = names.iter().find(|name| !name.is_wildcard()).map(|name| name.as_str().to_owned());
    let below = || names.first().map(|wildcard| format!("www.{}", wildcard.base()));
    plain.or_else(below).unwrap_or_else(|| "localhost".to_owned())
}

fn not_served(served: &Served, name: &str, version: u64, shown: Option<&Vec<u8>>) -> Fault {
    let facts = shown.and_then(|leaf| crate::lineage::CertFacts::from_der(leaf).ok());
    let shown = facts.map_or("another certificate".into(), |facts| format!("serial {}", facts.serial));
    let text = format!("{} shows {shown} for `{name}`, not version {version}", served.at);
    Fault::new("pull:not-served", text).hint("see that the server reads its files below `current/` of this folder")
}

#[cfg(test)]
mod tests;
