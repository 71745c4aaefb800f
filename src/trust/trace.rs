//! Back from the head, along the lines on which something stayed as it is, to whoever made it so.
//!
//! A line on which it was taken back, or that a merge did not follow, says nothing for it.

use std::collections::{BTreeMap, HashMap};

use crate::trust::authors::Change;
use crate::trust::object::{ObjectId, TreeEntry};
use crate::trust::refusal::Stop;

/// A commit of a walk, with its tree and those of its parents.
#[derive(Clone, Debug)]
pub struct Link {
    pub id: ObjectId,
    pub tree: ObjectId,
    pub parents: Vec<(ObjectId, ObjectId)>,
}

/// Something protected, as trees have it.
pub trait Versions {
    type Thing: Ord + Clone;
    type Version;
    /// Where two trees have the same entry, they have the same version.
    fn entry(&self, tree: ObjectId) -> Result<Option<TreeEntry>, Stop>;
    /// `None` if it cannot be told what the tree says.
    fn at(&mut self, tree: ObjectId) -> Result<Option<Self::Version>, Stop>;
    /// Whether the version has it as the head has it.
    fn has(&self, version: &Self::Version, thing: &Self::Thing) -> bool;
    /// Whether to look no further: everybody who is left may have made what is left.
    fn is_enough(&self) -> bool {
        false
    }
}

/// Who made a thing what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Maker {
    /// The change with this index.
    One(usize),
    /// One of these changes, and nobody can tell which: in between, the list could not be read.
    Several(Vec<usize>),
    /// No change of the walk.
    Nobody,
}

/// What was found of a thing.
pub struct Traced<T> {
    pub thing: T,
    pub maker: Maker,
    /// Changes that it went through unchanged since, and the one that made it.
    pub passed: Vec<usize>,
}

#[derive(Clone)]
struct Open<T> {
    thing: T,
    passed: Vec<usize>,
    /// Changes since the list could not be read, newest first.
    unclear: Vec<usize>,
}

/// The maker of each thing. `way` ends with the head; `changes` are those of it, oldest first.
///
/// Only the changes for which `is_noted` holds are listed as passed. Behind a settled change nobody is looked for if
/// `new_only`.
pub fn trace<V: Versions>(
    way: &[Link],
    changes: &[Change],
    things: impl IntoIterator<Item = V::Thing>,
    new_only: bool,
    is_noted: impl Fn(usize) -> bool,
    versions: &mut V,
) -> Result<Vec<Traced<V::Thing>>, Stop> {
    let open = |thing| Open { thing, passed: Vec::new(), unclear: Vec::new() };
    let here: Vec<_> = things.into_iter().map(open).collect();
    let mut found = Finding { changes, done: BTreeMap::new() };
    let Some(head) = way.last() else {
        found.end(here);
        return Ok(found.into_traced());
    };
    let mut lines = HashMap::from([(head.id, here)]);
    let by_commit: HashMap<_, _> = changes.iter().enumerate().map(|(index, change)| (change.commit, index)).collect();
    for link in way.iter().rev() {
        let Some(mut here) = lines.remove(&link.id) else { continue };
        here.retain(|open| !found.is_found(&open.thing));
        let step = by_commit.get(&link.id).copied();
        if let Some(index) = step {
            if is_noted(index) {
                here.iter_mut().for_each(|open| open.passed.push(index));
            }
            if new_only && changes[index].settled {
                found.end(here);
                continue;
            }
            if !here.is_empty() && versions.is_enough() {
                here.extend(lines.drain().flat_map(|(_, rest)| rest));
                here.into_iter().for_each(|open| found.add(open, Maker::Several((0..=index).collect())));
                return Ok(found.into_traced());
            }
            here = found.change(index, here, versions)?;
        }
        if here.is_empty() {
            continue;
        }
        for (parent, things) in followed(link, here, &mut found, versions)? {
            lines.entry(parent).or_default().extend(things);
        }
    }
    found.end(lines.into_values().flatten());
    Ok(found.into_traced())
}

type Line<T> = (ObjectId, Vec<Open<T>>);

/// The parents from which the things came here.
fn followed<V: Versions>(
    link: &Link,
    here: Vec<Open<V::Thing>>,
    found: &mut Finding<'_, V::Thing>,
    versions: &mut V,
) -> Result<Vec<Line<V::Thing>>, Stop> {
    let [(one, one_tree), (other, other_tree)] = link.parents[..] else {
        return Ok(match link.parents.first() {
            Some((parent, _)) => vec![(*parent, here)],
            None => {
                found.end(here);
                Vec::new()
            }
        });
    };
    let entry = versions.entry(link.tree)?;
    let same = [versions.entry(one_tree)? == entry, versions.entry(other_tree)? == entry];
    let sides = match same {
        [true, false] => return Ok(vec![(one, here)]),
        [false, true] => return Ok(vec![(other, here)]),
        [true, true] => [None, None],
        [false, false] => [Some(versions.at(one_tree)?), Some(versions.at(other_tree)?)],
    };
    let mut lines = vec![(one, Vec::new()), (other, Vec::new())];
    for open in here {
        let has = |side: &Option<Option<V::Version>>| match side {
            None => true,
            Some(version) => version.as_ref().is_some_and(|version| versions.has(version, &open.thing)),
        };
        match sides.each_ref().map(has) {
            [true, true] => {
                lines[0].1.push(open.clone());
                lines[1].1.push(open);
            }
            [true, false] => lines[0].1.push(open),
            [false, true] => lines[1].1.push(open),
            [false, false] => found.end([open]),
        }
    }
    Ok(lines)
}

struct Finding<'c, T> {
    changes: &'c [Change],
    done: BTreeMap<T, (Maker, Vec<usize>)>,
}

impl<T: Ord + Clone> Finding<'_, T> {
    /// What came through the change from its parent.
    fn change<V: Versions<Thing = T>>(
        &mut self,
        index: usize,
        here: Vec<Open<T>>,
        versions: &mut V,
    ) -> Result<Vec<Open<T>>, Stop> {
        let Change { before, after, .. } = self.changes[index];
        let entry_before = before.map(|tree| versions.entry(tree)).transpose()?.flatten();
        if here.is_empty() || versions.entry(after)? == entry_before {
            return Ok(here);
        }
        let after_is_clear = versions.at(after)?.is_some();
        let before = before.map(|tree| versions.at(tree)).transpose()?;
        let before_is_clear = !matches!(before, Some(None));
        let before = before.flatten();
        let mut through = Vec::new();
        for mut open in here {
            if before.as_ref().is_some_and(|before| versions.has(before, &open.thing)) {
                open.unclear.clear();
                through.push(open);
            } else if after_is_clear && before_is_clear {
                self.add(open, Maker::One(index));
            } else {
                open.unclear.push(index);
                if before_is_clear { self.end([open]) } else { through.push(open) }
            }
        }
        Ok(through)
    }

    fn is_found(&self, thing: &T) -> bool {
        self.done.get(thing).is_some_and(|(maker, _)| *maker != Maker::Nobody)
    }

    /// Nothing of the walk is left that may have made them.
    fn end(&mut self, left: impl IntoIterator<Item = Open<T>>) {
        for open in left {
            let by = |index: &usize| &self.changes[*index].by.principal;
            let maker = match open.unclear[..] {
                [] => Maker::Nobody,
                [first, ref rest @ ..] if rest.iter().all(|index| by(index) == by(&first)) => Maker::One(first),
                _ => Maker::Several(open.unclear.clone()),
            };
            self.add(open, maker);
        }
    }

    /// The first maker that is found stays.
    fn add(&mut self, open: Open<T>, maker: Maker) {
        let Open { thing, passed, .. } = open;
        if !self.is_found(&thing) {
            self.done.insert(thing, (maker, passed));
        }
    }

    fn into_traced(self) -> Vec<Traced<T>> {
        self.done.into_iter().map(|(thing, (maker, passed))| Traced { thing, maker, passed }).collect()
    }
}
