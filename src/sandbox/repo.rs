//! Config repos made in process: signed commits, merges and rewritten histories, without git or ssh-keygen.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use git2::{ObjectType, Oid, Repository, RepositoryInitOptions, Signature, Time, Tree};
use ssh_key::private::Ed25519Keypair;
use ssh_key::{HashAlg, LineEnding, PrivateKey};
use time::OffsetDateTime;

use crate::fault::Fault;
use crate::name::CommitId;
use crate::secret::Secret;
use crate::trust::Fingerprint;

/// A person with an ed25519 key.
pub struct Signer {
    principal: String,
    key: PrivateKey,
}

impl Signer {
    /// With a new random key.
    pub fn generate(principal: &str) -> Self {
        let mut seed = [0; 32];
        aws_lc_rs::rand::fill(&mut seed).expect("the system gives random bytes");
        Self { principal: principal.to_owned(), key: Ed25519Keypair::from_seed(&seed).into() }
    }

    pub fn principal(&self) -> &str {
        &self.principal
    }

    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.blob())
    }

    /// A line of allowed_signers, with its newline.
    pub fn allowed_signers_line(&self) -> String {
        format!("{} namespaces=\"git\" ssh-ed25519 {}\n", self.principal, STANDARD.encode(self.blob()))
    }

    /// An armored SSH signature in a namespace, as git puts it into commits: without a newline at the end.
    pub fn sign(&self, namespace: &str, message: &[u8]) -> String {
        let signature = self.key.sign(namespace, HashAlg::Sha512, message).expect("an ed25519 key signs anything");
        let text = signature.to_pem(LineEnding::LF).expect("a signature has a text form");
        text.trim_end().to_owned()
    }

    /// The private key in OpenSSH's format.
    pub fn private_key(&self) -> Secret {
        Secret::new(self.key.to_openssh(LineEnding::LF).expect("a key has a text form").to_string())
    }

    fn blob(&self) -> Vec<u8> {
        self.key.public_key().to_bytes().expect("a public key has a binary form")
    }
}

/// A bare repository with the branch `main`. Every commit has the same time unless [`ConfigRepo::set_time`] moves it.
pub struct ConfigRepo {
    repo: Repository,
    path: PathBuf,
    seconds: i64,
}

impl ConfigRepo {
    /// Makes an empty repository in `dir`, which may exist.
    pub fn init(dir: &Path) -> Result<Self, Fault> {
        crate::source::isolate();
        let mut options = RepositoryInitOptions::new();
        options.bare(true).external_template(false).initial_head("main");
        let repo = Repository::init_opts(dir, &options).map_err(fault)?;
        Ok(Self { repo, path: dir.to_owned(), seconds: OffsetDateTime::now_utc().unix_timestamp() })
    }

    /// Commits made from now on carry this time.
    pub fn set_time(&mut self, time: OffsetDateTime) {
        self.seconds = time.unix_timestamp();
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The tip of `main`, if there is a commit.
    pub fn head(&self) -> Option<CommitId> {
        self.repo.refname_to_id("refs/heads/main").ok().map(id)
    }

    /// Moves `main`, also backwards: a forced push.
    pub fn set_head(&self, commit: &CommitId) -> Result<(), Fault> {
        self.repo.reference("refs/heads/main", oid(commit)?, true, "").map(drop).map_err(fault)
    }

    /// Adds or replaces files on `main`.
    pub fn commit(&self, files: &[(&str, &str)], message: &str, signer: Option<&Signer>) -> Result<CommitId, Fault> {
        let commit = self.commit_on(self.head().as_slice(), files, message, signer)?;
        self.set_head(&commit)?;
        Ok(commit)
    }

    /// Adds or replaces files of the first parent's tree. Leaves `main` where it is.
    pub fn commit_on(
        &self,
        parents: &[CommitId],
        files: &[(&str, &str)],
        message: &str,
        signer: Option<&Signer>,
    ) -> Result<CommitId, Fault> {
        let mut tree = match parents.first() {
            Some(parent) => Some(self.repo.find_commit(oid(parent)?).and_then(|commit| commit.tree()).map_err(fault)?),
            None => None,
        };
        for (path, content) in files {
            let blob = self.repo.blob(content.as_bytes()).map_err(fault)?;
            tree = Some(self.put(tree.as_ref(), path, blob, 0o100644)?);
        }
        let tree = match tree {
            Some(tree) => tree.id(),
            None => self.repo.treebuilder(None).and_then(|builder| builder.write()).map_err(fault)?,
        };
        self.commit_tree(tree, parents, message, signer)
    }

    /// A commit of an existing tree with any parents. Leaves `main` where it is.
    pub fn commit_tree(
        &self,
        tree: Oid,
        parents: &[CommitId],
        message: &str,
        signer: Option<&Signer>,
    ) -> Result<CommitId, Fault> {
        let principal = signer.map_or("nobody@example.com", Signer::principal);
        let person = Signature::new(principal, principal, &Time::new(self.seconds, 0)).map_err(fault)?;
        let tree = self.repo.find_tree(tree).map_err(fault)?;
        let found: Result<Vec<_>, Fault> =
            parents.iter().map(|parent| self.repo.find_commit(oid(parent)?).map_err(fault)).collect();
        let found = found?;
        let parents: Vec<_> = found.iter().collect();
        let buffer = self.repo.commit_create_buffer(&person, &person, message, &tree, &parents).map_err(fault)?;
        match signer {
            Some(signer) => {
                let signature = signer.sign("git", &buffer);
                let text = std::str::from_utf8(&buffer).expect("all parts of the commit are UTF-8");
                self.repo.commit_signed(text, &signature, Some("gpgsig")).map(id).map_err(fault)
            }
            None => self.write_raw(&buffer),
        }
    }

    /// Stores bytes as a commit object, whether they are one or not.
    pub fn write_raw(&self, bytes: &[u8]) -> Result<CommitId, Fault> {
        self.repo.odb().and_then(|odb| odb.write(ObjectType::Commit, bytes)).map(id).map_err(fault)
    }

    /// The raw bytes of a commit object.
    pub fn read_raw(&self, commit: &CommitId) -> Result<Vec<u8>, Fault> {
        let read =
            |odb: git2::Odb<'_>| odb.read(oid(commit).expect("a commit id")).map(|object| object.data().to_vec());
        self.repo.odb().and_then(read).map_err(fault)
    }

    /// The tree of a commit with one entry of any mode put in or, without content, taken out.
    pub fn tree_with(&self, commit: &CommitId, path: &str, content: Option<(&str, i32)>) -> Result<Oid, Fault> {
        let tree = self.repo.find_commit(oid(commit)?).and_then(|commit| commit.tree()).map_err(fault)?;
        match content {
            Some((text, 0o160000)) => Ok(self
                .put(
                    Some(&tree),
                    path,
                    oid(&CommitId::parse(text).map_err(|e| Fault::new("sandbox:repo", e.0))?)?,
                    0o160000,
                )?
                .id()),
            Some((text, mode)) => {
                let blob = self.repo.blob(text.as_bytes()).map_err(fault)?;
                Ok(self.put(Some(&tree), path, blob, mode)?.id())
            }
            None => {
                let mut builder = self.repo.treebuilder(Some(&tree)).map_err(fault)?;
                builder.remove(path).and_then(|()| builder.write()).map_err(fault)
            }
        }
    }

    fn put(&self, tree: Option<&Tree<'_>>, path: &str, object: Oid, mode: i32) -> Result<Tree<'_>, Fault> {
        let mut builder = self.repo.treebuilder(tree).map_err(fault)?;
        match path.split_once('/') {
            Some((directory, rest)) => {
                let below = tree.and_then(|tree| tree.get_name(directory)).map(|entry| entry.id());
                let below = below.map(|id| self.repo.find_tree(id)).transpose().map_err(fault)?;
                let changed = self.put(below.as_ref(), rest, object, mode)?;
                builder.insert(directory, changed.id(), 0o040000).map_err(fault)?;
            }
            None => drop(builder.insert(path, object, mode).map_err(fault)?),
        }
        builder.write().and_then(|id| self.repo.find_tree(id)).map_err(fault)
    }
}

fn oid(commit: &CommitId) -> Result<Oid, Fault> {
    Oid::from_str(commit.as_str()).map_err(fault)
}

fn id(oid: Oid) -> CommitId {
    CommitId::parse(&oid.to_string()).expect("git writes full ids")
}

fn fault(error: git2::Error) -> Fault {
    let mut fault = Fault::new("sandbox:repo", "failed to change the config repo of the sandbox");
    fault.causes.push(error.message().to_owned());
    fault
}
