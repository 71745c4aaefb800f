//! Verification over real git objects: threats T1 to T22 and T38 to T41, and the commit fixtures.
#![cfg(feature = "sandbox")]

mod approvals;
mod certificates;
mod content;
mod golden;
mod history;
mod interop;
mod lines;
mod matrix;
mod merges;
mod policy;
mod revocation;
mod signatures;
#[path = "../shared/snapshot.rs"]
mod snapshot;
mod state;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign::name::{CommitId, Digest, LineageName};
use countersign::sandbox::repo::{ConfigRepo, Signer};
use countersign::source::BareStore;
use countersign::trust::{
    self, AllowedSigners, ListPath, Policy, Refused, Require, TrustRoot, TrustState, Verdict, VerifiedList,
};
use tempfile::TempDir;
use time::OffsetDateTime;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-06-01 00:00 UTC);
const MADE: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);
const URL: &str = "ssh://git@git.example.com/pki/domains.git";
const EMPTY: &str = "version: 1\ncertificates: []\n";

fn list(names: &[&str]) -> String {
    let entry = |name: &&str| format!("  - {{name: {name}, domains: [{name}.example.com]}}\n");
    format!("version: 1\ncertificates:\n{}", names.iter().map(entry).collect::<String>())
}

/// A config repo with an introduction, and people of whom ann and bob may sign.
struct House {
    repo: ConfigRepo,
    ann: Signer,
    bob: Signer,
    mallory: Signer,
    introduction: CommitId,
    dir: TempDir,
}

impl House {
    fn new() -> Self {
        Self::with(&[("domains.yaml", EMPTY)])
    }

    fn with(files: &[(&str, &str)]) -> Self {
        let dir = TempDir::new().unwrap();
        let mut repo = ConfigRepo::init(dir.path()).unwrap();
        repo.set_time(MADE);
        let introduction = repo.commit(files, "introduction", None).unwrap();
        let [ann, bob, mallory] = ["ann@example.com", "bob@example.com", "mallory@example.com"].map(Signer::generate);
        Self { repo, ann, bob, mallory, introduction, dir }
    }

    fn root(&self) -> TrustRoot {
        TrustRoot {
            introduction: self.introduction.clone(),
            signers: signers(&[&self.ann, &self.bob]),
            revoked: BTreeSet::new(),
            require: Require::All,
            policy: None,
            url: URL.to_owned(),
            ref_name: "refs/heads/main".to_owned(),
            list: ListPath::parse("domains.yaml").unwrap(),
        }
    }

    /// The root with a policy about ann and bob, who sign. `rest` follows.
    fn ruled(&self, rest: &str) -> TrustRoot {
        let people = "{ann: {signs: [ann@example.com]}, bob: {signs: [bob@example.com]}}";
        self.with_policy(&format!("version: 1\npeople: {people}\n{rest}\n"))
    }

    fn with_policy(&self, text: &str) -> TrustRoot {
        let root = self.root();
        let policy = Policy::parse(text, "policy.yaml", &root.signers).unwrap_or_else(|found| panic!("{found:#?}"));
        TrustRoot { policy: Some(policy), ..root }
    }

    fn commit(&self, files: &[(&str, &str)], signer: &Signer) -> CommitId {
        self.repo.commit(files, "change", Some(signer)).unwrap()
    }

    fn on(&self, parents: &[&CommitId], files: &[(&str, &str)], signer: &Signer) -> CommitId {
        let parents: Vec<_> = parents.iter().copied().cloned().collect();
        self.repo.commit_on(&parents, files, "change", Some(signer)).unwrap()
    }

    /// The unsigned commit with an armored signature in its header.
    fn seal(&self, unsigned: &CommitId, armored: &str) -> CommitId {
        let raw = String::from_utf8(self.repo.read_raw(unsigned).unwrap()).unwrap();
        let (headers, message) = raw.split_once("\n\n").unwrap();
        let signature = armored.trim_end().replace('\n', "\n ");
        self.repo.write_raw(format!("{headers}\ngpgsig {signature}\n\n{message}").as_bytes()).unwrap()
    }

    /// A commit of ann with any tree, on top of the introduction.
    fn seal_tree(&self, tree: &str) -> CommitId {
        let raw =
            String::from_utf8(self.repo.read_raw(&self.on(&[&self.introduction], &[], &self.bob)).unwrap()).unwrap();
        let (headers, message) = raw.split_once("\n\n").unwrap();
        let (headers, _) = headers.split_once("\ngpgsig").unwrap();
        let (_, headers) = headers.split_once('\n').unwrap();
        let text = format!("tree {tree}\n{headers}\n\n{message}");
        let unsigned = self.repo.write_raw(text.as_bytes()).unwrap();
        self.seal(&unsigned, &self.ann.sign("git", text.as_bytes()))
    }

    /// The bytes of a commit that can be flipped without a refusal.
    fn flips(&self, root: &TrustRoot, head: &CommitId) -> Vec<usize> {
        let (raw, store) = (self.repo.read_raw(head).unwrap(), self.store());
        let is_verified = |at: &usize| {
            let mut flipped = raw.clone();
            flipped[*at] ^= 1 << (at % 8);
            let flipped = self.repo.write_raw(&flipped).unwrap();
            matches!(trust::verify(root, None, &flipped, &store, NOW, None), Ok(Verdict::Verified(_)))
        };
        (0..raw.len()).filter(is_verified).collect()
    }

    fn judge(&self, root: &TrustRoot, state: Option<&TrustState>, head: &CommitId) -> Verdict {
        trust::verify(root, state, head, &self.store(), NOW, None).unwrap()
    }

    fn verified(&self, root: &TrustRoot, state: Option<&TrustState>, head: &CommitId) -> VerifiedList {
        match self.judge(root, state, head) {
            Verdict::Verified(list) => *list,
            Verdict::Refused(refused) => panic!("refused: {refused:#?}"),
        }
    }

    fn refused(&self, root: &TrustRoot, state: Option<&TrustState>, head: &CommitId) -> Refused {
        match self.judge(root, state, head) {
            Verdict::Verified(_) => panic!("verified"),
            Verdict::Refused(refused) => *refused,
        }
    }

    /// The rules that a new runner sees broken at `head`.
    fn rules(&self, head: &CommitId) -> Vec<&'static str> {
        rules(&self.judge(&self.root(), None, head))
    }

    fn store(&self) -> BareStore {
        BareStore::open(self.dir.path()).unwrap()
    }
}

fn signers(people: &[&Signer]) -> AllowedSigners {
    let text: String = people.iter().map(|signer| signer.allowed_signers_line()).collect();
    AllowedSigners::parse(&text, "allowed_signers").unwrap()
}

fn rules(verdict: &Verdict) -> Vec<&'static str> {
    match verdict {
        Verdict::Verified(_) => Vec::new(),
        Verdict::Refused(refused) => refused.refusals.iter().map(|refusal| refusal.rule.as_str()).collect(),
    }
}

fn names(verified: &VerifiedList) -> Vec<String> {
    verified.list().certificates().map(|certificate| certificate.name.to_string()).collect()
}
