//! Versions of a lineage: reading them, adding one, and moving a lineage to the stash and back.
//!
//! A lineage's folder is in `archive/` or in `stash/`, never in both. It moves by one rename.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::layout::{LIVE, Layout, live_target, version, version_of_target, version_taken};
use super::write::pretty;
use super::{placeholder, read, write};
use crate::fault::{Fault, Retry};
use crate::lineage::{CertFacts, Etags, Meta, Origin, Pems, Revoked, SCHEMA, Stored, public_key_of};
use crate::name::LineageName;
use crate::secret::Secret;

const PRIVKEY: &str = "privkey.pem";
const CERT: &str = "cert.pem";
const CHAIN: &str = "chain.pem";
const FULLCHAIN: &str = "fullchain.pem";
const URL: &str = "url";
const META: &str = "meta.json";
const PUBLISHED: &str = "published.json";
const REVOKED: &str = "revoked.json";

/// The version that is live. `None` if there is no link.
pub fn live(layout: &Layout, lineage: &LineageName) -> Result<Option<Stored>, Fault> {
    let link = layout.live(lineage);
    let Some(target) = target(&link)? else { return Ok(None) };
    if target == placeholder::target(lineage) {
        return Ok(None);
    }
    let Some(version) = version_of_target(lineage, &target) else {
        return Err(broken(format!("{} points at {}", link.display(), target.display()))
            .hint(format!("let it point at {}", live_target(lineage, 1).display())));
    };
    let archive = layout.archive(lineage);
    // A write would refuse it, after an order was spent.
    if archive.is_symlink() {
        return Err(broken(format!("{} is a link", archive.display()))
            .hint("the store does not follow links inside its tree; move it away"));
    }
    let dir = archive.join(version.to_string());
    match dir.symlink_metadata() {
        Ok(found) if found.is_dir() => stored(&dir, lineage, version).map(Some),
        _ if layout.stash(lineage).symlink_metadata().is_ok() => Ok(None),
        _ => Err(broken(format!("{} points at nothing", link.display()))
            .hint("let it point at a version that is there, or remove it to have the certificate ordered anew")),
    }
}

/// The version of a stashed lineage that was live. `None` if the lineage is not stashed.
///
/// An `unstash` that was cut short counts as not begun.
pub fn stashed(layout: &Layout, lineage: &LineageName) -> Result<Option<Stored>, Fault> {
    let (stash, archive) = (layout.stash(lineage), layout.archive(lineage));
    match (stash.symlink_metadata().is_ok(), archive.symlink_metadata().is_ok()) {
        (true, true) => Err(broken(format!("`{}` is in archive and in stash", lineage.as_str()))
            .hint("keep the one that is right and move the other out of the store")),
        (true, false) => {
            marked(&stash, lineage)?.map(|version| at(&stash, lineage, version)).transpose().and_then(|found| {
                found.map(Some).ok_or_else(|| broken(format!("{} does not say what was live", stash.display())))
            })
        }
        (false, _) => match target(&layout.live(lineage))? {
            Some(_) => Ok(None),
            None => marked(&archive, lineage)?.map(|version| at(&archive, lineage, version)).transpose(),
        },
    }
}

/// Every version that is kept, oldest first.
pub fn all(layout: &Layout, lineage: &LineageName) -> Result<Vec<Stored>, Fault> {
    every(&layout.archive(lineage), lineage)
}

fn every(dir: &Path, lineage: &LineageName) -> Result<Vec<Stored>, Fault> {
    let mut versions: Vec<u64> = read::names(dir)?.iter().filter_map(|name| version(name)).collect();
    versions.sort_unstable();
    versions.into_iter().map(|version| at(dir, lineage, version)).collect()
}

/// Of ours the one that was live last, below somebody else's that is live or was. Another may end later that was
/// replaced because the list asked for something else.
pub fn set_aside(layout: &Layout, lineage: &LineageName) -> Result<Option<Stored>, Fault> {
    let dirs = [layout.archive(lineage), layout.stash(lineage)];
    let kept = dirs.iter().map(|dir| every(dir, lineage)).collect::<Result<Vec<_>, _>>()?;
    let ours = kept.into_iter().flatten().filter(Stored::is_ours);
    Ok(ours.max_by_key(|stored| stored.meta.version))
}

/// The PEM files of a version, checked against what its `meta.json` says.
pub fn pems(layout: &Layout, stored: &Stored) -> Result<Pems, Fault> {
    let dir = version_dir(layout, &stored.meta)?;
    let text = |name: &str| read::text(&dir.join(name))?.ok_or_else(|| missing(&dir.join(name)));
    let privkey = stored.meta.has_key().then(|| text(PRIVKEY).map(Secret::new)).transpose()?;
    let pems = Pems { privkey, cert: text(CERT)?, chain: text(CHAIN)? };
    match check(&stored.meta, &pems) {
        Ok(()) => Ok(pems),
        Err(fault) => Err(broken(format!("the files in {} do not belong together", dir.display()))
            .caused_by(&fault)
            .hint("bring the folder back from a backup, or order anew")),
    }
}

/// Leaf and chain of a version in PEM.
pub fn certificates(layout: &Layout, stored: &Stored) -> Result<(String, String), Fault> {
    let dir = version_dir(layout, &stored.meta)?;
    let text = |name: &str| read::text(&dir.join(name))?.ok_or_else(|| missing(&dir.join(name)));
    Ok((text(CERT)?, text(CHAIN)?))
}

/// Adds a version above all that were ever used and swaps `live` to it.
///
/// A run that was cut short may come again with the same certificate: it gets the version that it stored.
pub fn deploy(layout: &Layout, meta: Meta, pems: &Pems) -> Result<Stored, Fault> {
    check(&meta, pems)?;
    take_back(layout, &meta.lineage)?;
    let dir = layout.archive(&meta.lineage);
    let names = read::names(&dir)?;
    let linked = target(&layout.live(&meta.lineage))?.and_then(|target| version_of_target(&meta.lineage, &target));
    let highest = names.iter().filter_map(|name| version_taken(name)).chain(linked).max().unwrap_or(0);
    if let Some(stored) = same(&dir, highest, &meta) {
        return make_live(layout, stored);
    }
    let stored = add(&dir, Meta { version: highest + 1, ..meta }, pems)?;
    for leftover in names.iter().filter(|name| version(name).is_none() && version_taken(name).is_some()) {
        write::remove(&dir.join(leftover))?;
    }
    make_live(layout, stored)
}

/// Brings a version back and swaps `live` to it: under the number that it had, or under the next one if a later number
/// was used here.
pub fn restore(layout: &Layout, meta: Meta, pems: &Pems) -> Result<Stored, Fault> {
    check(&meta, pems)?;
    if meta.version == 0 {
        return Err(broken("versions count from 1".into()));
    }
    take_back(layout, &meta.lineage)?;
    let dir = layout.archive(&meta.lineage);
    if let Some(stored) = same(&dir, meta.version, &meta) {
        return make_live(layout, stored);
    }
    if read::names(&dir)?.iter().filter_map(|name| version_taken(name)).max() >= Some(meta.version) {
        return deploy(layout, meta, pems);
    }
    make_live(layout, add(&dir, meta, pems)?)
}

/// Adds to `published.json` of a version.
pub fn record_published(layout: &Layout, meta: &Meta, bucket: &str, etags: &Etags) -> Result<(), Fault> {
    let dir = version_dir(layout, meta)?;
    let mut published = stored(&dir, &meta.lineage, meta.version)?.published;
    if published.insert(bucket.to_owned(), etags.clone()).as_ref() == Some(etags) {
        return Ok(());
    }
    write::file(&dir.join(PUBLISHED), &pretty(&published), write::PUBLIC)
}

/// One version, in the archive or in the stash.
pub fn numbered(layout: &Layout, lineage: &LineageName, version: u64) -> Result<Option<Stored>, Fault> {
    let name = version.to_string();
    let dirs = [layout.archive(lineage).join(&name), layout.stash(lineage).join(&name)];
    dirs.iter().find(|dir| dir.is_dir()).map(|dir| stored(dir, lineage, version)).transpose()
}

/// Writes `revoked.json` of a version.
pub fn record_revoked(layout: &Layout, meta: &Meta, revoked: &Revoked) -> Result<(), Fault> {
    write::file(&version_dir(layout, meta)?.join(REVOKED), &pretty(revoked), write::PUBLIC)
}

/// Takes a lineage out of `live`. Every step may be repeated after a crash.
pub fn stash(layout: &Layout, lineage: &LineageName) -> Result<(), Fault> {
    let (archive, stash) = (layout.archive(lineage), layout.stash(lineage));
    let link = layout.live(lineage);
    if stash.symlink_metadata().is_err() {
        let version = target(&link)?.and_then(|target| version_of_target(lineage, &target));
        let Some(version) = version.filter(|version| archive.join(version.to_string()).is_dir()) else {
            return Err(not_there(lineage, "live"));
        };
        write::link(&archive.join(LIVE), Path::new(&version.to_string()))?;
        write::rename(&archive, &stash)?;
    } else if archive.symlink_metadata().is_ok() {
        return stashed(layout, lineage).map(|_| ());
    }
    write::remove(&link)
}

/// Brings a lineage back as it was.
pub fn unstash(layout: &Layout, lineage: &LineageName) -> Result<(), Fault> {
    let stored = stashed(layout, lineage)?.ok_or_else(|| not_there(lineage, "stashed"))?;
    take_back(layout, lineage)?;
    make_live(layout, stored).map(|_| ())
}

/// Makes an earlier version live again, under a number of its own.
pub fn redeploy(layout: &Layout, lineage: &LineageName, version: u64) -> Result<Stored, Fault> {
    take_back(layout, lineage)?;
    let stored = at(&layout.archive(lineage), lineage, version)?;
    let pems = pems(layout, &stored)?;
    deploy(layout, stored.meta, &pems)
}

/// Deletes a stashed lineage. An empty folder `.<n>.tmp` keeps its numbers taken.
///
/// The mark goes first: from then on the lineage is nowhere, whatever is left of it.
pub fn discard_stash(layout: &Layout, lineage: &LineageName) -> Result<(), Fault> {
    if stashed(layout, lineage)?.is_none() {
        return Err(not_there(lineage, "stashed"));
    }
    take_back(layout, lineage)?;
    let dir = layout.archive(lineage);
    let names = read::names(&dir)?;
    let highest = names.iter().filter_map(|name| version_taken(name)).max().unwrap_or(0);
    let taken = format!(".{highest}.tmp");
    write::own_folder(&dir.join(&taken))?;
    write::remove(&dir.join(LIVE))?;
    names.iter().filter(|name| **name != LIVE && **name != taken).try_for_each(|name| write::remove(&dir.join(name)))
}

/// Keeps files that did not pass the checks, with the reason.
pub fn quarantine(layout: &Layout, lineage: &LineageName, pems: &Pems, why: &Fault) -> Result<PathBuf, Fault> {
    let dir = layout.quarantine(lineage);
    write::own_folder(&dir)?;
    let highest = read::names(&dir)?.iter().filter_map(|name| version_taken(name)).max().unwrap_or(0);
    let path = dir.join((highest + 1).to_string());
    let why = pretty(why);
    let mut files = vec![
        (CERT, pems.cert.as_bytes(), write::PUBLIC),
        (CHAIN, pems.chain.as_bytes(), write::PUBLIC),
        ("fault.json", &why, write::PUBLIC),
    ];
    files.extend(key_file(pems));
    write::folder(&path, &files)?;
    Ok(path)
}

fn check(meta: &Meta, pems: &Pems) -> Result<(), Fault> {
    check_files(pems, &meta.facts, meta.has_key())
}

/// Whether the certificate is the one that was described, and the key its own, or not there if that is how it should be.
pub fn check_files(pems: &Pems, facts: &CertFacts, has_key: bool) -> Result<(), Fault> {
    if CertFacts::from_pem(&pems.cert)? != *facts {
        return Err(Fault::new("store:mismatch", "the certificate is not the one that its facts describe"));
    }
    let public_key = pems.privkey.as_ref().map(public_key_of).transpose()?;
    let expected = has_key.then_some(&facts.public_key);
    match public_key.as_ref() == expected {
        true => Ok(()),
        false => Err(Fault::new("store:key-mismatch", "the private key does not belong to the certificate")),
    }
}

/// The version if it holds the certificate that `meta` is about.
fn same(dir: &Path, version: u64, meta: &Meta) -> Option<Stored> {
    let stored = at(dir, &meta.lineage, version).ok()?;
    let alike = |meta: &Meta| (meta.has_key(), meta.facts.clone(), meta.certificate_url.clone(), meta.origin.clone());
    (alike(&stored.meta) == alike(meta)).then_some(stored)
}

fn add(dir: &Path, meta: Meta, pems: &Pems) -> Result<Stored, Fault> {
    let meta = Meta { schema: SCHEMA, ..meta };
    let url = format!("{}\n", meta.certificate_url);
    let (fullchain, about) = (pems.fullchain(), pretty(&meta));
    let mut files = vec![
        (CERT, pems.cert.as_bytes(), write::PUBLIC),
        (CHAIN, pems.chain.as_bytes(), write::PUBLIC),
        (FULLCHAIN, fullchain.as_bytes(), write::PUBLIC),
        (URL, url.as_bytes(), write::PUBLIC),
        (META, &about, write::PUBLIC),
    ];
    files.extend(key_file(pems));
    write::own_folder(dir)?;
    write::folder(&dir.join(meta.version.to_string()), &files)?;
    Ok(Stored { meta, published: Default::default(), revoked: None })
}

/// The file with the key, if it is known here.
pub fn key_file(pems: &Pems) -> Option<(&'static str, &[u8], u32)> {
    pems.privkey.as_ref().map(|key| (PRIVKEY, key.reveal().as_bytes(), write::PRIVATE))
}

fn make_live(layout: &Layout, stored: Stored) -> Result<Stored, Fault> {
    let Meta { lineage, version, .. } = &stored.meta;
    write::link(&layout.live(lineage), &live_target(lineage, *version))?;
    write::remove(&layout.archive(lineage).join(LIVE))?;
    write::remove(&layout.placeholder(lineage))?;
    Ok(stored)
}

/// Moves the folder of a stashed lineage back, so that its numbers are seen and its link can be made.
fn take_back(layout: &Layout, lineage: &LineageName) -> Result<(), Fault> {
    let (stash, archive) = (layout.stash(lineage), layout.archive(lineage));
    if stash.symlink_metadata().is_err() {
        return Ok(());
    }
    if archive.symlink_metadata().is_ok() {
        return stashed(layout, lineage).map(|_| ());
    }
    write::rename(&stash, &archive)
}

fn version_dir(layout: &Layout, meta: &Meta) -> Result<PathBuf, Fault> {
    let name = meta.version.to_string();
    let dirs = [layout.archive(&meta.lineage).join(&name), layout.stash(&meta.lineage).join(&name)];
    let [archive, _] = &dirs;
    dirs.iter().find(|dir| dir.is_dir()).cloned().ok_or_else(|| missing(archive))
}

fn at(dir: &Path, lineage: &LineageName, version: u64) -> Result<Stored, Fault> {
    stored(&dir.join(version.to_string()), lineage, version)
}

/// Reads `meta.json`, `published.json` and `revoked.json`; of the other files it only sees that they are there.
fn stored(dir: &Path, lineage: &LineageName, version: u64) -> Result<Stored, Fault> {
    let path = dir.join(META);
    let meta: Meta = read::versioned_json(&path, SCHEMA)?.ok_or_else(|| missing(&path))?;
    if meta.lineage != *lineage || meta.version != version {
        let is = format!("version {} of `{}`", meta.version, meta.lineage);
        return Err(broken(format!("{} is about {is}", path.display())));
    }
    for name in [CERT, CHAIN, FULLCHAIN].into_iter().chain(meta.has_key().then_some(PRIVKEY)) {
        let path = dir.join(name);
        // A self-signed certificate has no issuers.
        let least = u64::from(name != CHAIN || meta.origin == Origin::Ordered);
        if !path.symlink_metadata().is_ok_and(|found| found.is_file() && found.len() >= least) {
            return Err(missing(&path));
        }
    }
    let published = read::json(&dir.join(PUBLISHED))?.unwrap_or_default();
    let revoked = read::json(&dir.join(REVOKED))?;
    Ok(Stored { meta, published, revoked })
}

/// The version that the link inside a lineage's folder names.
fn marked(dir: &Path, lineage: &LineageName) -> Result<Option<u64>, Fault> {
    let Some(target) = target(&dir.join(LIVE))? else { return Ok(None) };
    match target.to_str().and_then(version) {
        Some(version) => Ok(Some(version)),
        None => Err(broken(format!("the link `{LIVE}` of the stashed `{lineage}` names no version"))),
    }
}

fn target(link: &Path) -> Result<Option<PathBuf>, Fault> {
    match fs::read_link(link) {
        Ok(target) => Ok(Some(target)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == ErrorKind::InvalidInput => {
            Err(broken(format!("{} is not a symbolic link", link.display()))
                .hint("move it away, and make it a link to the version that is in use: `../archive/NAME/NUMBER`"))
        }
        Err(error) => Err(read::unreadable(link).caused_by(&error)),
    }
}

fn broken(message: String) -> Fault {
    Fault::new("store:broken", message).retry(Retry::Never)
}

fn missing(path: &Path) -> Fault {
    broken(format!("{} is missing or empty", path.display())).hint("bring it back from a backup")
}

fn not_there(lineage: &LineageName, what: &str) -> Fault {
    Fault::new("store:no-lineage", format!("no lineage `{lineage}` is {what}")).retry(Retry::Never)
}
