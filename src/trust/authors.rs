//! Who made each entry of the list what it is.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::list::List;
use crate::name::LineageName;
use crate::trust::lists::Lists;
use crate::trust::object::{ObjectId, TreeEntry};
use crate::trust::refusal::Stop;
use crate::trust::signed::Who;
use crate::trust::trace::{self, Maker, Versions};
use crate::trust::walk::Walked;

/// A verified commit that changed protected paths itself, so not a merge.
#[derive(Clone, Debug)]
pub struct Change {
    pub commit: ObjectId,
    /// Tree of its parent.
    pub before: Option<ObjectId>,
    pub after: ObjectId,
    pub by: Who,
    /// Whether an earlier run accepted it.
    pub settled: bool,
}

/// The lineages that each signer made what they are.
#[derive(Clone, Debug, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Authors(BTreeMap<String, BTreeSet<LineageName>>);

/// So many bytes of older lists are parsed, unless it has to be exact. Beyond that, everyone who may have made an
/// entry is named.
const MAX_PARSED: usize = 2 * 1024 * 1024;

impl Authors {
    pub fn of(&self, lineage: &LineageName) -> Vec<String> {
        self.0.iter().filter(|(_, made)| made.contains(lineage)).map(|(signer, _)| signer.clone()).collect()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &BTreeSet<LineageName>)> {
        self.0.iter().map(|(signer, made)| (signer.as_str(), made))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(&mut self, signer: &str, made: impl IntoIterator<Item = LineageName>) {
        self.0.entry(signer.to_owned()).or_default().extend(made);
    }

    /// Goes back from `list` to those that made its entries.
    ///
    /// Entries that no change of the walk made are still whose they were `earlier`, or else of `origin`.
    pub fn find(
        list: &List,
        walked: &Walked,
        earlier: Option<&Self>,
        origin: &str,
        exact: bool,
        lists: &mut Lists<'_>,
    ) -> Result<Self, Stop> {
        let mut found = Self::default();
        let names = list.certificates().map(|certificate| certificate.name.clone());
        let mut entries = Entries { head: list, lists, exact };
        for traced in trace::trace(&walked.way, &walked.changes, names, false, |_| false, &mut entries)? {
            let by = |index: usize| walked.changes[index].by.to_string();
            let signers: BTreeSet<_> = match traced.maker {
                Maker::One(index) => [by(index)].into(),
                Maker::Several(any) => any.into_iter().map(by).collect(),
                Maker::Nobody => {
                    let signers = earlier.map(|earlier| earlier.of(&traced.thing)).unwrap_or_default();
                    if signers.is_empty() { [origin.to_owned()].into() } else { signers.into_iter().collect() }
                }
            };
            signers.iter().for_each(|signer| found.add(signer, [traced.thing.clone()]));
        }
        Ok(found)
    }
}

/// Whole entries of the list.
struct Entries<'l, 'o> {
    head: &'l List,
    lists: &'l mut Lists<'o>,
    exact: bool,
}

impl Versions for Entries<'_, '_> {
    type Thing = LineageName;
    type Version = Rc<List>;

    fn entry(&self, tree: ObjectId) -> Result<Option<TreeEntry>, Stop> {
        Ok(self.lists.entry(Some(tree))?.map(|(_, entry)| entry))
    }

    fn at(&mut self, tree: ObjectId) -> Result<Option<Rc<List>>, Stop> {
        self.lists.readable(Some(tree))
    }

    fn has(&self, list: &Rc<List>, name: &LineageName) -> bool {
        list.get(name) == self.head.get(name)
    }

    fn is_enough(&self) -> bool {
        !self.exact && self.lists.read > MAX_PARSED
    }
}
