//! A clone that somebody works in, read for a verdict before merge.
//!
//! Only refs and objects are read. Its configuration, hooks, attributes, replacements, grafts and files are not looked
//! at, so nothing that stands in it is executed or changes what is seen.

use std::path::{Path, PathBuf};

use git2::{ErrorCode, ObjectType};
use gix::refs::file::ReferenceExt;

use crate::fault::{Fault, Retry};
use crate::name::CommitId;
use crate::source::store::BareStore;

/// A clone, or one of its linked work trees. It may borrow objects of other clones.
pub struct Checkout {
    objects: BareStore,
    refs: gix::refs::file::Store,
    /// Whether its history is cut off.
    pub is_shallow: bool,
}

impl Checkout {
    /// The clone around `folder`. The environment of git has no say.
    ///
    /// # Errors
    /// `git:no-checkout`, `git:embedded`
    pub fn discover(folder: &Path) -> Result<Self, Fault> {
        let (found, _) = gix::discover::upwards(folder).map_err(|error| {
            let message = format!("`{}` is not inside of a git repository", folder.display());
            fault("git:no-checkout", message, &error.to_string()).hint("run this in a clone of the config repo")
        })?;
        let (git_dir, work_tree) = found.into_repository_and_work_tree_directories();
        if work_tree.is_none() {
            refuse_embedded(folder, &git_dir)?;
        }
        let common = common_dir(&git_dir);
        let sha1 = gix::hash::Kind::Sha1;
        let (refs, common) = match common {
            Some(common) => (gix::refs::file::Store::for_linked_worktree(git_dir, common.clone(), sha1), common),
            None => (gix::refs::file::Store::at(git_dir.clone(), sha1), git_dir),
        };
        let is_shallow = common.join("shallow").exists();
        Ok(Self { objects: BareStore::of_objects(&common.join("objects"))?, refs, is_shallow })
    }

    /// The work tree around `folder`, if it is in one.
    pub fn root(folder: &Path) -> Option<PathBuf> {
        let (found, _) = gix::discover::upwards(folder).ok()?;
        found.into_repository_and_work_tree_directories().1?.canonicalize().ok()
    }

    pub fn objects(&self) -> &BareStore {
        &self.objects
    }

    /// The commit that a revision means: a commit id, at least its first 7 digits, `HEAD`, or a branch, remote branch or
    /// tag, with any of git's suffixes such as `~2`.
    ///
    /// A name that means two things is refused where git would choose: whoever may push a tag `origin/main` could
    /// otherwise put another base in the place of the branch.
    ///
    /// # Errors
    /// `git:no-such-revision`, `git:ambiguous-revision`
    pub fn resolve(&self, revision: &str) -> Result<CommitId, Fault> {
        let unknown = |why: &str| {
            fault("git:no-such-revision", format!("`{}` names no commit here", revision.escape_debug()), why).hint(
                "name a branch, a remote branch such as `origin/main` or a commit id; `git fetch` brings what is missing",
            )
        };
        let (name, suffix) = revision.split_at(revision.find(['~', '^']).unwrap_or(revision.len()));
        let meanings = self.meanings(name);
        let mut ids: Vec<_> = meanings.iter().map(|(_, id)| id).collect();
        ids.sort_unstable();
        ids.dedup();
        let base = match ids[..] {
            [] => return Err(unknown("there is neither a ref nor a commit of that name")),
            [base] => base,
            _ => {
                let names: Vec<_> = meanings.iter().map(|(name, _)| name.as_str()).collect();
                let message = format!("`{}` means several commits", revision.escape_debug());
                let hint = format!("write one of {}", names.join(", "));
                return Err(fault("git:ambiguous-revision", message, "the refs differ").hint(hint));
            }
        };
        let commit = self.objects.git2().revparse_single(&format!("{base}{suffix}"));
        let commit = commit.and_then(|object| object.peel_to_commit()).map_err(|error| unknown(error.message()))?;
        Ok(CommitId::parse(&commit.id().to_string()).expect("git2 writes full ids"))
    }

    /// The best common ancestors of two commits.
    pub fn merge_bases(&self, one: &CommitId, other: &CommitId) -> Result<Vec<CommitId>, Fault> {
        let oid = |commit: &CommitId| git2::Oid::from_str(commit.as_str());
        let found = oid(one).and_then(|one| self.objects.git2().merge_bases(one, oid(other)?));
        match found {
            Ok(bases) => Ok(bases.iter().filter_map(|id| CommitId::parse(&id.to_string()).ok()).collect()),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(Vec::new()),
            Err(error) => {
                Err(fault("git:object", format!("failed to find where {one} and {other} meet"), error.message()))
            }
        }
    }

    /// Whether `old` is `new` or one of its ancestors. A commit that is not here is none.
    pub fn is_ancestor(&self, old: &CommitId, new: &CommitId) -> bool {
        self.merge_bases(old, new).is_ok_and(|bases| bases.contains(old))
    }

    /// Every full name that a name may stand for, with the id of its object.
    fn meanings(&self, name: &str) -> Vec<(String, String)> {
        let is_hex = name.bytes().all(|b| b.is_ascii_hexdigit());
        if is_hex && name.len() == 40 {
            return vec![(name.to_owned(), name.to_lowercase())];
        }
        let names = match name {
            "HEAD" | "@" => vec!["HEAD".to_owned()],
            name if name.starts_with("refs/") => vec![name.to_owned()],
            name => ["tags", "heads", "remotes"].map(|kind| format!("refs/{kind}/{name}")).into(),
        };
        let by_ref = names.into_iter().filter_map(|name| self.by_ref(&name).map(|id| (name, id)));
        let by_id = || self.by_id(name).ok().map(|id| (id.clone(), id));
        by_ref.chain(if is_hex && name.len() >= 7 { by_id() } else { None }).collect()
    }

    fn by_ref(&self, name: &str) -> Option<String> {
        let mut reference = self.refs.try_find(name).ok()??;
        if reference.name.as_bstr() != name {
            return None;
        }
        reference.peel_to_id(&self.refs, self.objects.gix()).ok().map(|id| id.to_string())
    }

    fn by_id(&self, digits: &str) -> Result<String, git2::Error> {
        let odb = self.objects.git2().odb()?;
        let id = odb.exists_prefix(git2::Oid::from_str(digits)?, digits.len())?;
        match odb.read_header(id)? {
            (_, ObjectType::Commit | ObjectType::Tag) => Ok(id.to_string()),
            (_, kind) => Err(git2::Error::from_str(&format!("it is a {kind}"))),
        }
    }
}

/// A branch can bring along a folder that looks like a bare repository, with refs and objects of its author's choice.
fn refuse_embedded(folder: &Path, git_dir: &Path) -> Result<(), Fault> {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let git_dir = real(git_dir);
    let outer = git_dir.parent().and_then(|above| gix::discover::upwards(above).ok());
    let Some((outer, Some(_))) = outer.map(|(found, _)| found.into_repository_and_work_tree_directories()) else {
        return Ok(());
    };
    if real(&outer) == git_dir {
        return Ok(());
    }
    let message = format!("`{}` is in a repository that stands inside of another checkout", folder.display());
    let fault = fault("git:embedded", message, "a branch could bring it along, and with it another history");
    Err(fault.hint("run this at the top of the clone"))
}

/// What a linked work tree shares with the others (gitrepository-layout(5), `commondir`).
fn common_dir(git_dir: &Path) -> Option<PathBuf> {
    let text = std::fs::read_to_string(git_dir.join("commondir")).ok()?;
    Some(git_dir.join(text.trim_end_matches('\n')))
}

fn fault(code: &str, message: String, why: &str) -> Fault {
    Fault { causes: vec![why.to_owned()], ..Fault::new(code, message) }.retry(Retry::Never)
}
