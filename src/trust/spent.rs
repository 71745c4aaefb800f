//! Approvals that were used before.
//!
//! An approval is for one change. When the list goes back and somebody makes the same change again, the approvals of the
//! first time are still there to be taken out of the history, and may not have expired.

use std::collections::BTreeSet;

use crate::name::Digest;
use crate::trust::approval::{self, Statement};
use crate::trust::graph::Graph;
use crate::trust::lists::Lists;
use crate::trust::object::{Mode, ObjectId, Objects, TreeEntry};
use crate::trust::refusal::Stop;

/// Signatures about `list` that stood in some commit that `base` is or has, down to `introduction`, if the list did too.
///
/// Not only those that stood beside the list: approvals of a list on the way count at a head that has a later one.
pub fn signatures(
    objects: &dyn Objects,
    base: ObjectId,
    introduction: ObjectId,
    list: &Digest,
    lists: &mut Lists<'_>,
) -> Result<BTreeSet<String>, Stop> {
    let mut trees = BTreeSet::new();
    for commit in Graph::new(objects).down_to(base, introduction)? {
        trees.extend(objects.commit(commit)?.and_then(|raw| raw.gix).map(|reading| reading.tree));
    }
    let mut folders = BTreeSet::new();
    for tree in &trees {
        if let Some(TreeEntry { mode: Mode::Tree, id }) = objects.entry(*tree, &Statement::folder(list))? {
            folders.insert(id);
        }
    }
    if folders.is_empty() || !was_there(list, &trees, lists)? {
        return Ok(BTreeSet::new());
    }
    let mut spent = BTreeSet::new();
    for folder in folders {
        spent.extend(approval::signatures(objects, folder)?);
    }
    Ok(spent)
}

/// Whether approvals of the list can have been used: they may be merged before the change that they are about.
fn was_there(list: &Digest, trees: &BTreeSet<ObjectId>, lists: &mut Lists<'_>) -> Result<bool, Stop> {
    for tree in trees {
        if lists.digest(Some(*tree))?.as_ref() == Some(list) {
            return Ok(true);
        }
    }
    Ok(false)
}
