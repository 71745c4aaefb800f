//! What a merge of the branch and its base would hold at the protected paths.

use std::collections::{BTreeMap, BTreeSet};

use crate::diag::{Diagnostic, SourceFile};
use crate::fault::Fault;
use crate::list::parse::{Known, parse};
use crate::name::CommitId;
use crate::premerge::{Branch, rebase, refusal};
use crate::trust::object::{Mode, TreeEntry};
use crate::trust::{MAX_LIST, Objects, Refusal, RuleId, TrustRoot};

type Entries = BTreeMap<String, TreeEntry>;

/// Where the two parted, what the base has by now, and what the branch has.
pub struct Merge {
    before: Entries,
    ours: Entries,
    theirs: Entries,
    fork: CommitId,
}

/// A list with errors.
pub struct Invalid {
    pub files: Vec<SourceFile>,
    pub diagnostics: Vec<Diagnostic>,
}

impl Merge {
    pub fn of(root: &TrustRoot, branch: &Branch<'_>, fork: &CommitId, objects: &dyn Objects) -> Result<Self, Fault> {
        let [before, ours, theirs] = [fork, branch.base, branch.head].map(|commit| entries(root, commit, objects));
        Ok(Self { before: before?, ours: ours?, theirs: theirs?, fork: fork.clone() })
    }

    /// Paths that both sides changed: whoever merges would have to decide, which a merge may not.
    pub fn both_changed(&self, branch: &Branch<'_>) -> Vec<Refusal> {
        let Self { before, ours, theirs, fork } = self;
        let clash = |path: &&String| {
            let [before, ours, theirs] = [before, ours, theirs].map(|side| side.get(*path));
            ours != before && theirs != before && ours != theirs
        };
        let refuse = |path: &String| {
            let message = format!(
                "the branch and {} both changed `{path}` since they parted at {}",
                branch.base_name,
                fork.short()
            );
            Refusal { path: Some(path.clone()), ..refusal(RuleId::EvilMerge, branch, message, rebase(branch)) }
        };
        self.paths().into_iter().filter(clash).map(refuse).collect()
    }

    /// The errors of a list in a folder of which each side changed other files. Each alone may be valid.
    pub fn errors(
        &self,
        root: &TrustRoot,
        objects: &dyn Objects,
        known: Option<&Known>,
    ) -> Result<Option<Invalid>, Fault> {
        let folder = format!("{}/", root.list.path());
        let mut files = Vec::new();
        let is_of_list = |path: &&String| path.starts_with(&folder) && path.ends_with(".yaml");
        for path in self.paths().into_iter().filter(is_of_list) {
            let [before, ours, theirs] = [&self.before, &self.ours, &self.theirs].map(|side| side.get(path));
            let merged = if theirs == before { ours } else { theirs };
            if let Some(entry) = merged
                && let Some(bytes) = objects.blob(entry.id, MAX_LIST)?
            {
                files.push(SourceFile { path: path.clone(), bytes });
            }
        }
        if files.is_empty() {
            return Ok(None);
        }
        let parsed = parse(&files, known);
        Ok(if parsed.list.is_none() { Some(Invalid { files, diagnostics: parsed.diagnostics }) } else { None })
    }

    fn paths(&self) -> BTreeSet<&String> {
        [&self.before, &self.ours, &self.theirs].into_iter().flat_map(BTreeMap::keys).collect()
    }
}

/// What a commit holds at the protected paths, directories entry by entry.
pub fn entries(
    root: &TrustRoot,
    commit: &CommitId,
    objects: &dyn Objects,
) -> Result<BTreeMap<String, TreeEntry>, Fault> {
    let mut entries = BTreeMap::new();
    let Some(reading) = objects.commit(super::id(commit))?.and_then(|raw| raw.gix) else {
        return Ok(entries);
    };
    for path in [root.list.path(), "hooks"] {
        match objects.entry(reading.tree, path)? {
            Some(TreeEntry { mode: Mode::Tree, id }) => {
                let named = objects.tree(id)?.into_iter();
                entries.extend(
                    named.map(|named| (format!("{path}/{}", String::from_utf8_lossy(&named.name)), named.entry)),
                );
            }
            Some(entry) => drop(entries.insert(path.to_owned(), entry)),
            None => {}
        }
    }
    Ok(entries)
}
