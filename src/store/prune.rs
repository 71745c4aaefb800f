//! Deletes old versions of a lineage.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::layout::{Layout, version};
use super::{read, versions, write};
use crate::fault::Fault;
use crate::name::LineageName;

/// A version loses its name first, so that one which is half deleted is never read. Its number stays below the live
/// one's, so it is never used again.
pub fn prune(layout: &Layout, lineage: &LineageName, keep: usize, spared: &BTreeSet<u64>) -> Result<Vec<u64>, Fault> {
    let Some(live) = versions::live(layout, lineage)? else { return Ok(Vec::new()) };
    let dir = layout.archive(lineage);
    let names = read::names(&dir)?;
    let mut old: Vec<u64> =
        names.iter().filter_map(|name| version(name)).filter(|number| *number < live.meta.version).collect();
    old.sort_unstable_by_key(|number| Reverse(*number));
    let gone: Vec<u64> = old.into_iter().skip(keep.max(1) - 1).filter(|number| !spared.contains(number)).collect();
    for number in &gone {
        let leftover = dir.join(format!(".{number}.tmp"));
        write::remove(&leftover)?;
        write::rename(&dir.join(number.to_string()), &leftover)?;
        write::remove(&leftover)?;
    }
    Ok(gone)
}
