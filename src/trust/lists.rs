//! Older versions of the list, as far as somebody asks for them.

use std::collections::HashMap;
use std::rc::Rc;

use crate::list::List;
use crate::name::Digest;
use crate::trust::content;
use crate::trust::object::{ObjectId, Objects, TreeEntry};
use crate::trust::refusal::{Refusal, RuleId, Stop};
use crate::trust::root::ListPath;

/// So many bytes of older lists may be read in one run.
const MAX_READ: usize = 1024 * 1024 * 1024;

/// Reads lists by the tree of a commit.
pub struct Lists<'a> {
    objects: &'a dyn Objects,
    path: &'a ListPath,
    /// Bytes so far.
    pub read: usize,
    digests: HashMap<TreeEntry, Option<Digest>>,
    /// The list before a change is mostly the one after the change before.
    last: Option<(TreeEntry, Option<Rc<List>>)>,
}

impl<'a> Lists<'a> {
    pub fn new(objects: &'a dyn Objects, path: &'a ListPath) -> Self {
        Self { objects, path, read: 0, digests: HashMap::new(), last: None }
    }

    /// The list. One that has errors counts as empty.
    pub fn at(&mut self, tree: Option<ObjectId>) -> Result<Rc<List>, Stop> {
        Ok(self.readable(tree)?.unwrap_or_default())
    }

    /// The list, which is empty where there is none. `None` if it has errors.
    pub fn readable(&mut self, tree: Option<ObjectId>) -> Result<Option<Rc<List>>, Stop> {
        let Some((tree, entry)) = self.entry(tree)? else {
            return Ok(Some(Rc::default()));
        };
        if let Some((of, list)) = &self.last
            && *of == entry
        {
            return Ok(list.clone());
        }
        let older = content::read_older(self.objects, tree, self.path)?;
        self.count(older.size)?;
        self.digests.insert(entry, older.digest);
        let list = older.list.map(Rc::new);
        self.last = Some((entry, list.clone()));
        Ok(list)
    }

    /// Digest of the list, whether it is valid or not. `None` if there is none.
    pub fn digest(&mut self, tree: Option<ObjectId>) -> Result<Option<Digest>, Stop> {
        let Some((tree, entry)) = self.entry(tree)? else {
            return Ok(None);
        };
        if let Some(digest) = self.digests.get(&entry) {
            return Ok(digest.clone());
        }
        let (digest, size) = content::digest_older(self.objects, tree, self.path)?;
        self.count(size)?;
        self.digests.insert(entry, digest.clone());
        Ok(digest)
    }

    /// The tree with the entry of the list in it.
    pub fn entry(&self, tree: Option<ObjectId>) -> Result<Option<(ObjectId, TreeEntry)>, Stop> {
        let Some(tree) = tree else { return Ok(None) };
        Ok(self.objects.entry(tree, self.path.path())?.map(|entry| (tree, entry)))
    }

    fn count(&mut self, size: usize) -> Result<(), Stop> {
        self.read += size;
        if self.read <= MAX_READ {
            return Ok(());
        }
        let message = "more than 1 GiB of older lists would have to be read to find out who changed what";
        Err(Refusal::new(RuleId::Limits, message)
            .path(self.path.path())
            .hint("move the introduction forward to a newer commit that was reviewed")
            .into())
    }
}
