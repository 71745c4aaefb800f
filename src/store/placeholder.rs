//! Placeholders: self-signed certificates below `placeholder/`, linked from `live/` while nothing real is there.
//!
//! They are no versions, cost nothing to lose and are not synced to disk. The link is made only where no name stands,
//! so that it never comes over a real one.

use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::layout::Layout;
use super::versions::key_file;
use super::{read, write};
use crate::fault::Fault;
use crate::lineage::Pems;
use crate::name::LineageName;

const FILES: [&str; 4] = ["privkey.pem", "cert.pem", "chain.pem", "fullchain.pem"];

/// What `live/<lineage>` points at while a placeholder stands in.
pub fn target(lineage: &LineageName) -> PathBuf {
    PathBuf::from(format!("../placeholder/{}", lineage.as_str()))
}

/// Whether `live/<lineage>` is a placeholder's link.
fn is_linked(layout: &Layout, lineage: &LineageName) -> bool {
    std::fs::read_link(layout.live(lineage)).is_ok_and(|found| found == target(lineage))
}

/// Lineages whose `live/` link is a placeholder's.
pub fn all(layout: &Layout) -> Result<Vec<LineageName>, Fault> {
    let names = read::names(&layout.folder("placeholder"))?;
    let names = names.iter().filter_map(|name| LineageName::parse(name).ok());
    Ok(names.filter(|lineage| is_linked(layout, lineage)).collect())
}

/// Makes a placeholder, or makes one that is damaged whole again. Says whether it wrote anything.
pub fn add(layout: &Layout, lineage: &LineageName, pems: &Pems) -> Result<bool, Fault> {
    let (link, dir) = (layout.live(lineage), layout.placeholder(lineage));
    let linked = is_linked(layout, lineage);
    if (linked && is_whole(&dir)) || (!linked && link.symlink_metadata().is_ok()) {
        return Ok(false);
    }
    let meta = b"{\"placeholder\": true}\n";
    let mut texts = vec![
        (FILES[1], pems.cert.as_bytes(), write::PUBLIC),
        (FILES[2], pems.cert.as_bytes(), write::PUBLIC),
        (FILES[3], pems.cert.as_bytes(), write::PUBLIC),
        ("meta.json", meta.as_slice(), write::PUBLIC),
    ];
    texts.extend(key_file(pems));
    write::passing_folder(&dir, &texts)?;
    match symlink(target(lineage), &link) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(write::failed("link", &link, &error)),
        _ => Ok(true),
    }
}

/// Takes a placeholder away, its link first. What is real stays.
pub fn remove(layout: &Layout, lineage: &LineageName) -> Result<(), Fault> {
    if is_linked(layout, lineage) {
        write::remove(&layout.live(lineage))?;
    }
    write::remove(&layout.placeholder(lineage))
}

fn is_whole(dir: &Path) -> bool {
    FILES.iter().all(|name| dir.join(name).symlink_metadata().is_ok_and(|found| found.is_file() && found.len() > 0))
}
