//! Approvals that were used before.
//!
//! An approval is for one change. When the list goes back and somebody makes the same change again, the approvals of the
//! first time are still there to be taken out of the history, and may not have expired.

use std::collections::{BTreeSet, HashSet};

use crate::name::Digest;
use crate::trust::approval;
use crate::trust::graph::Graph;
use crate::trust::lists::Lists;
use crate::trust::object::{Mode, ObjectId, Objects, TreeEntry};
use crate::trust::refusal::Stop;

/// Signatures that stood beside `list` in some commit that `base` is or has, down to `introduction`.
pub fn signatures(
    objects: &dyn Objects,
    base: ObjectId,
    introduction: ObjectId,
    list: &Digest,
    lists: &mut Lists<'_>,
) -> Result<BTreeSet<String>, Stop> {
    let mut spent = BTreeSet::new();
    let mut seen = HashSet::new();
    for commit in Graph::new(objects).down_to(base, introduction)? {
        let Some(tree) = objects.commit(commit)?.and_then(|raw| raw.gix).map(|reading| reading.tree) else { continue };
        let Some(TreeEntry { mode: Mode::Tree, id }) = objects.entry(tree, "approvals")? else { continue };
        let (_, entry) = lists.entry(Some(tree))?.unzip();
        if seen.insert((id, entry)) && lists.digest(Some(tree))?.as_ref() == Some(list) {
            spent.extend(approval::signatures(objects, id, list)?);
        }
    }
    Ok(spent)
}
