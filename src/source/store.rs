//! The bare repository that holds what was fetched. It has no work tree, so nothing but objects is ever read.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use git2::RepositoryInitOptions;
use gix::objs::commit::ref_iter::Token;
use gix::objs::{CommitRefIter, FindExt};
use gix::prelude::HeaderExt;

use crate::fault::{Fault, Retry};
use crate::source::isolation;
use crate::trust::object::{Hazard, MAX_COMMIT, Mode, NamedEntry, ObjectId, Objects, RawCommit, Reading, TreeEntry};

/// A tree may have this many bytes: some hundred thousand entries.
const MAX_TREE: usize = 16 * 1024 * 1024;

/// Reads objects with gix; git2 reads commits as well, so that `trust` can compare.
pub struct BareStore {
    /// `None` for the objects of a [`Checkout`](crate::source::Checkout), whose refs and configuration do not count.
    path: Option<PathBuf>,
    gix: gix::OdbHandle,
    git2: git2::Repository,
}

impl BareStore {
    /// Opens a bare repository without the machine's configuration and environment.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        isolation::isolate();
        let git2 = git2::Repository::open_bare(path).map_err(|error| broken(path, error.message()))?;
        let options = gix::open::Options::isolated()
            .open_path_as_is(true)
            .strict_config(true)
            .config_overrides(["core.useReplaceRefs=false"]);
        let mut gix = gix::open_opts(path, options).map_err(|error| broken(path, &error.to_string()))?;
        gix.object_cache_size(64 * 1024 * 1024);
        Ok(Self { path: Some(path.to_owned()), gix: gix.objects.clone(), git2 })
    }

    /// The objects in a folder `objects/` and its alternates, without the repository around it.
    pub(super) fn of_objects(folder: &Path) -> Result<Self, Fault> {
        isolation::isolate();
        let gix = gix::odb::at(folder, gix::hash::Kind::Sha1).map_err(|error| broken(folder, &error.to_string()))?;
        let git2 = git2::Odb::new().and_then(|odb| {
            odb.add_disk_alternate(&folder.to_string_lossy())?;
            git2::Repository::from_odb(odb)
        });
        let git2 = git2.map_err(|error| broken(folder, error.message()))?;
        Ok(Self { path: None, gix: gix.into(), git2 })
    }

    pub(super) fn gix(&self) -> &gix::OdbHandle {
        &self.gix
    }

    pub(super) fn git2(&self) -> &git2::Repository {
        &self.git2
    }

    /// The bytes of an object, or `None` if it has more than `cap`: a small pack can hold what does not fit into memory.
    fn data(&self, id: ObjectId, kind: gix::objs::Kind, cap: usize) -> Result<Option<Vec<u8>>, Fault> {
        let gix_id = gix_id(id);
        let header = self.gix.header(gix_id).map_err(|error| missing(id, &error.to_string()))?;
        if header.size() > cap as u64 {
            return Ok(None);
        }
        let mut data = Vec::new();
        let found = self.gix.find(&gix_id, &mut data).map_err(|error| missing(id, &error.to_string()))?.kind;
        if found != kind {
            return Err(missing(id, &format!("it is a {found}, not a {kind}")));
        }
        // gix trusts what it finds under an id.
        match gix::objs::compute_hash(gix::hash::Kind::Sha1, kind, &data) {
            Ok(computed) if computed == gix_id => Ok(Some(data)),
            Ok(computed) => Err(missing(id, &format!("its content has the id {computed}"))),
            Err(error) => Err(missing(id, &error.to_string())),
        }
    }

    fn tree_data(&self, id: ObjectId) -> Result<Vec<u8>, Fault> {
        let data = self.data(id, gix::objs::Kind::Tree, MAX_TREE)?;
        data.ok_or_else(|| missing(id, &format!("it is a tree of more than {} MiB", MAX_TREE >> 20)))
    }

    fn git2_reading(&self, id: ObjectId) -> Option<Reading> {
        let commit = self.git2.find_commit(git2::Oid::from_bytes(id.as_bytes()).ok()?).ok()?;
        Some(Reading { tree: from_git2(commit.tree_id()), parents: commit.parent_ids().map(from_git2).collect() })
    }
}

impl Objects for BareStore {
    fn hazards(&self) -> Result<Vec<Hazard>, Fault> {
        let mut hazards = Vec::new();
        let Some(path) = &self.path else {
            return Ok(hazards);
        };
        let replaced = self.git2.references_glob("refs/replace/*").map_err(|error| broken(path, error.message()))?;
        for reference in replaced {
            let reference = reference.map_err(|error| broken(path, error.message()))?;
            hazards.push(Hazard::Replace(String::from_utf8_lossy(reference.name_bytes()).into_owned()));
        }
        let files = [
            ("info/grafts", Hazard::Grafts),
            ("objects/info/alternates", Hazard::Alternates),
            ("objects/info/http-alternates", Hazard::Alternates),
            ("shallow", Hazard::Shallow),
        ];
        let present = |name: &str| std::fs::symlink_metadata(path.join(name)).is_ok();
        hazards.extend(files.into_iter().filter(|(name, _)| present(name)).map(|(_, hazard)| hazard));
        Ok(hazards)
    }

    fn commit(&self, id: ObjectId) -> Result<Option<RawCommit>, Fault> {
        let data = self.data(id, gix::objs::Kind::Commit, MAX_COMMIT)?;
        Ok(data.map(|bytes| RawCommit { gix: gix_reading(&bytes), git2: self.git2_reading(id), bytes }))
    }

    fn parents(&self, id: ObjectId) -> Result<Option<Vec<ObjectId>>, Fault> {
        let Some(bytes) = self.data(id, gix::objs::Kind::Commit, MAX_COMMIT)? else {
            return Ok(None);
        };
        let mut parents = Vec::new();
        for token in CommitRefIter::from_bytes(&bytes, gix::hash::Kind::Sha1) {
            match token {
                Ok(Token::Tree { .. }) => {}
                Ok(Token::Parent { id }) => parents.push(from_gix(&id)),
                Ok(_) => return Ok(Some(parents)),
                Err(_) => break,
            }
        }
        Ok(None)
    }

    fn entry(&self, tree: ObjectId, path: &str) -> Result<Option<TreeEntry>, Fault> {
        let mut tree = tree;
        let mut parts = path.split('/').peekable();
        while let Some(part) = parts.next() {
            let found =
                read_tree(tree, &self.tree_data(tree)?)?.into_iter().find(|entry| entry.name == part.as_bytes());
            match found.map(|found| found.entry) {
                Some(entry) if parts.peek().is_none() => return Ok(Some(entry)),
                Some(TreeEntry { mode: Mode::Tree, id }) => tree = id,
                _ => break,
            }
        }
        Ok(None)
    }

    fn tree(&self, id: ObjectId) -> Result<Vec<NamedEntry>, Fault> {
        read_tree(id, &self.tree_data(id)?)
    }

    fn blob(&self, id: ObjectId, cap: usize) -> Result<Option<Vec<u8>>, Fault> {
        self.data(id, gix::objs::Kind::Blob, cap)
    }
}

/// Opens the store for a fetch, or makes an empty one. Its own configuration may not redirect anything.
pub fn open_or_init(path: &Path) -> Result<git2::Repository, Fault> {
    if !path.join("HEAD").exists() {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|error| broken(path, &error.to_string()))?;
        let mut options = RepositoryInitOptions::new();
        options.bare(true).external_template(false).initial_head("none");
        git2::Repository::init_opts(path, &options).map_err(|error| broken(path, error.message()))?;
    }
    let repo = git2::Repository::open_bare(path).map_err(|error| broken(path, error.message()))?;
    let config = repo.config().map_err(|error| broken(path, error.message()))?;
    let mut entries = config.entries(None).map_err(|error| broken(path, error.message()))?;
    const EXPECTED: [&str; 6] = [
        "core.bare",
        "core.filemode",
        "core.ignorecase",
        "core.precomposeunicode",
        "core.repositoryformatversion",
        "core.symlinks",
    ];
    while let Some(entry) = entries.next() {
        let entry = entry.map_err(|error| broken(path, error.message()))?;
        let name = String::from_utf8_lossy(entry.name_bytes()).into_owned();
        if !EXPECTED.contains(&name.as_str()) {
            return Err(broken(path, &format!("its configuration sets `{name}`")));
        }
    }
    drop(entries);
    Ok(repo)
}

fn read_tree(id: ObjectId, data: &[u8]) -> Result<Vec<NamedEntry>, Fault> {
    let entries = gix::objs::TreeRefIter::from_bytes(data, gix::hash::Kind::Sha1);
    let read = |entry: gix::objs::tree::EntryRef<'_>| NamedEntry {
        name: entry.filename.to_vec(),
        entry: TreeEntry { mode: Mode::of(entry.mode.value().into()), id: from_gix(entry.oid) },
    };
    entries.map(|entry| entry.map(read).map_err(|error| missing(id, &error.to_string()))).collect()
}

fn gix_reading(bytes: &[u8]) -> Option<Reading> {
    let commit = gix::objs::CommitRef::from_bytes(bytes, gix::hash::Kind::Sha1).ok()?;
    Some(Reading { tree: from_gix(&commit.tree()), parents: commit.parents().map(|id| from_gix(&id)).collect() })
}

fn gix_id(id: ObjectId) -> gix::ObjectId {
    gix::ObjectId::Sha1(*id.as_bytes())
}

fn from_gix(id: &gix::oid) -> ObjectId {
    ObjectId::new(id.as_bytes().try_into().expect("the store is opened with SHA-1 ids"))
}

fn from_git2(id: git2::Oid) -> ObjectId {
    ObjectId::new(id.as_bytes().try_into().expect("the store is opened with SHA-1 ids"))
}

fn missing(id: ObjectId, why: &str) -> Fault {
    let mut fault = Fault::new("git:object", format!("failed to read the object {id} from the store"));
    fault.causes.push(why.to_owned());
    fault
}

fn broken(path: &Path, why: &str) -> Fault {
    let mut fault =
        Fault::new("git:store", format!("the store `{}` cannot be used", path.display())).retry(Retry::Never);
    fault.causes.push(why.to_owned());
    fault.hint("remove that directory: the next run fetches it again")
}
