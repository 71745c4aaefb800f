//! Who made each entry of the list what it is.

use std::collections::{BTreeMap, BTreeSet};

use crate::list::List;
use crate::name::LineageName;
use crate::trust::lists::Lists;
use crate::trust::object::ObjectId;
use crate::trust::refusal::Stop;
use crate::trust::signed::Who;

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

    /// Goes back from `list` over `changes` (newest last) to those that made its entries.
    ///
    /// Entries that none of them made are still whose they were `earlier`, or else of `origin`.
    pub fn find(
        list: &List,
        changes: &[Change],
        earlier: Option<&Self>,
        origin: &str,
        exact: bool,
        lists: &mut Lists<'_>,
    ) -> Result<Self, Stop> {
        let mut found = Self::default();
        let mut open: BTreeSet<_> = list.certificates().map(|certificate| certificate.name.clone()).collect();
        for (index, change) in changes.iter().enumerate().rev() {
            if open.is_empty() {
                return Ok(found);
            }
            if !exact && lists.read > MAX_PARSED {
                let candidates = changes[..=index].iter().map(|change| change.by.to_string());
                for signer in candidates.collect::<BTreeSet<_>>() {
                    found.0.entry(signer).or_default().extend(open.iter().cloned());
                }
                break;
            }
            let after = lists.at(Some(change.after))?;
            let before = lists.at(change.before)?;
            let made = |name: &LineageName| after.get(name) == list.get(name) && before.get(name) != list.get(name);
            let (made, rest) = open.into_iter().partition::<BTreeSet<_>, _>(made);
            open = rest;
            if !made.is_empty() {
                found.add(&change.by.to_string(), made);
            }
        }
        for name in open {
            let signers = earlier.map(|earlier| earlier.of(&name)).unwrap_or_default();
            let signers = if signers.is_empty() { vec![origin.to_owned()] } else { signers };
            for signer in signers {
                found.add(&signer, [name.clone()]);
            }
        }
        Ok(found)
    }
}
