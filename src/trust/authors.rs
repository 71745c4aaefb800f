//! Who made each entry of the list what it is.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::fault::Fault;
use crate::list::List;
use crate::name::LineageName;
use crate::trust::content;
use crate::trust::object::{ObjectId, Objects};
use crate::trust::root::ListPath;

/// A verified commit that changed the list itself, so not a merge.
#[derive(Clone, Debug)]
pub struct Change {
    pub before: Option<ObjectId>,
    pub after: ObjectId,
    /// Principal and fingerprint.
    pub signer: String,
}

/// The lineages that each signer made what they are.
#[derive(Clone, Debug, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Authors(BTreeMap<String, BTreeSet<LineageName>>);

/// So many bytes of older lists are parsed. Beyond that, everyone who may have made an entry is named.
const MAX_PARSED: usize = 2 * 1024 * 1024;

impl Authors {
    pub fn of(&self, lineage: &LineageName) -> Vec<String> {
        self.0.iter().filter(|(_, made)| made.contains(lineage)).map(|(signer, _)| signer.clone()).collect()
    }

    /// Goes back from `list` over `changes` (newest last) to those that made its entries.
    ///
    /// Entries that none of them made are still whose they were `earlier`, or else of `origin`.
    pub fn find(
        list: &List,
        changes: &[Change],
        earlier: Option<&Self>,
        origin: &str,
        objects: &dyn Objects,
        path: &ListPath,
    ) -> Result<Self, Fault> {
        let mut found = Self::default();
        let mut open: BTreeSet<_> = list.certificates().map(|certificate| certificate.name.clone()).collect();
        let mut lists = Lists { objects, path, parsed: 0, last: None };
        for (index, change) in changes.iter().enumerate().rev() {
            if open.is_empty() {
                return Ok(found);
            }
            if lists.parsed > MAX_PARSED {
                let candidates = changes[..=index].iter().map(|change| change.signer.clone());
                for signer in candidates.collect::<BTreeSet<_>>() {
                    found.0.entry(signer).or_default().extend(open.iter().cloned());
                }
                break;
            }
            let after = lists.at(change.after)?;
            let before = change.before.map(|tree| lists.at(tree)).transpose()?.unwrap_or_default();
            let made = |name: &LineageName| after.get(name) == list.get(name) && before.get(name) != list.get(name);
            let (made, rest) = open.into_iter().partition::<BTreeSet<_>, _>(made);
            open = rest;
            if !made.is_empty() {
                found.0.entry(change.signer.clone()).or_default().extend(made);
            }
        }
        for name in open {
            let signers = earlier.map(|earlier| earlier.of(&name)).unwrap_or_default();
            let signers = if signers.is_empty() { vec![origin.to_owned()] } else { signers };
            for signer in signers {
                found.0.entry(signer).or_default().insert(name.clone());
            }
        }
        Ok(found)
    }
}

/// Older lists. One that has errors counts as empty: whoever corrects it makes its entries.
struct Lists<'a> {
    objects: &'a dyn Objects,
    path: &'a ListPath,
    parsed: usize,
    /// The list before a change is mostly the one after the change before.
    last: Option<(ObjectId, Rc<List>)>,
}

impl Lists<'_> {
    fn at(&mut self, tree: ObjectId) -> Result<Rc<List>, Fault> {
        let Some(entry) = self.objects.entry(tree, self.path.path())? else {
            return Ok(Rc::default());
        };
        if let Some((id, list)) = &self.last
            && *id == entry.id
        {
            return Ok(list.clone());
        }
        let (list, size) = content::read_older(self.objects, tree, self.path)?;
        self.parsed += size;
        let list = Rc::new(list.unwrap_or_default());
        self.last = Some((entry.id, list.clone()));
        Ok(list)
    }
}
