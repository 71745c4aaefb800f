//! Protected paths, and the rule that a merge adds nothing of its own to them.

use std::collections::{BTreeMap, BTreeSet};

use crate::fault::Fault;
use crate::trust::object::{Mode, ObjectId, Objects, TreeEntry};
use crate::trust::root::ListPath;

/// What a tree holds at the protected paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Protected {
    pub list: Option<TreeEntry>,
    pub hooks: Option<TreeEntry>,
}

impl Protected {
    pub fn read(objects: &dyn Objects, tree: ObjectId, list: &ListPath) -> Result<Self, Fault> {
        Ok(Self { list: objects.entry(tree, list.path())?, hooks: objects.entry(tree, "hooks")? })
    }

    /// The protected paths at which `self` and `other` differ.
    pub fn differences(&self, other: &Self, list: &ListPath) -> Vec<String> {
        let mut paths = Vec::new();
        if self.list != other.list {
            paths.push(list.to_string());
        }
        if self.hooks != other.hooks {
            paths.push("hooks/".to_owned());
        }
        paths
    }
}

/// The protected paths at which `merged` is not what follows from its two sides and their base.
///
/// Where one side changed a path since the base, that side must be taken. Where both did, nothing follows, unless they
/// are directories: then the same holds for each entry.
pub fn own_changes(
    objects: &dyn Objects,
    list: &ListPath,
    sides: [&Protected; 2],
    base: &Protected,
    merged: &Protected,
) -> Result<Vec<String>, Fault> {
    let [one, other] = sides;
    let lists = Versions { one: one.list, other: other.list, base: base.list, merged: merged.list };
    let hooks = Versions { one: one.hooks, other: other.hooks, base: base.hooks, merged: merged.hooks };
    let mut paths = Vec::new();
    for (path, versions) in [(list.path(), lists), ("hooks", hooks)] {
        match versions.judge() {
            Merge::Follows => {}
            Merge::BothChanged if versions.are_trees() => {
                paths.extend(entries(objects, &versions)?.into_iter().map(|name| format!("{path}/{name}")));
            }
            Merge::BothChanged | Merge::Own => paths.push(path.to_owned()),
        }
    }
    Ok(paths)
}

#[derive(Clone, Copy)]
struct Versions {
    one: Option<TreeEntry>,
    other: Option<TreeEntry>,
    base: Option<TreeEntry>,
    merged: Option<TreeEntry>,
}

enum Merge {
    Follows,
    Own,
    BothChanged,
}

impl Versions {
    fn judge(&self) -> Merge {
        let expected = match self {
            Self { one, other, .. } if one == other => *one,
            Self { one, other, base, .. } if base == one => *other,
            Self { one, other, base, .. } if base == other => *one,
            _ => return Merge::BothChanged,
        };
        if self.merged == expected { Merge::Follows } else { Merge::Own }
    }

    fn all(&self) -> [Option<TreeEntry>; 4] {
        [self.one, self.other, self.base, self.merged]
    }

    fn are_trees(&self) -> bool {
        self.all().iter().flatten().all(|entry| entry.mode == Mode::Tree)
    }
}

/// Names inside of directories that both sides changed, at which the merge does not follow.
fn entries(objects: &dyn Objects, versions: &Versions) -> Result<Vec<String>, Fault> {
    let mut trees = Vec::new();
    for entry in versions.all() {
        let named = match entry {
            Some(entry) => objects.tree(entry.id)?,
            None => Vec::new(),
        };
        trees.push(named.into_iter().map(|named| (named.name, named.entry)).collect::<BTreeMap<_, _>>());
    }
    let names: BTreeSet<_> = trees.iter().flat_map(BTreeMap::keys).collect();
    let own = names.into_iter().filter(|name| {
        let at = |index: usize| trees[index].get(*name).copied();
        let versions = Versions { one: at(0), other: at(1), base: at(2), merged: at(3) };
        !matches!(versions.judge(), Merge::Follows)
    });
    Ok(own.map(|name| String::from_utf8_lossy(name).into_owned()).collect())
}
