//! The walk over every commit that is not verified yet.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::fault::Fault;
use crate::name::CommitId;
use crate::trust::TrustState;
use crate::trust::authors::Change;
use crate::trust::certified::Shown;
use crate::trust::commit::{self, Commit, GrammarError};
use crate::trust::graph::Graph;
use crate::trust::key::Fingerprint;
use crate::trust::merge::{self, Protected};
use crate::trust::object::{Hazard, ObjectId, Objects, Reading};
use crate::trust::refusal::{Refusal, RuleId, Stop};
use crate::trust::root::{Require, TrustRoot};
use crate::trust::seen::{FirstSeen, When};
use crate::trust::signed::{self, Proven, Who};
use crate::trust::trace::Link;

/// So many commits are held in memory while their signatures are checked.
const CHUNK: usize = 512;

/// What a walk without refusals found.
pub struct Walked {
    pub commits: usize,
    pub accepted: BTreeMap<Fingerprint, String>,
    /// Commits that changed the list or hooks, oldest first.
    pub changes: Vec<Change>,
    /// All commits, parents first.
    pub way: Vec<Link>,
    pub head_signer: Option<String>,
}

/// Judges every commit that `head` has and the last verified commit has not.
///
/// `seen` takes up those whose certificates were valid when they were seen first.
pub fn walk(
    root: &TrustRoot,
    state: Option<&TrustState>,
    head: &CommitId,
    objects: &dyn Objects,
    when: When<'_>,
    seen: &mut FirstSeen,
) -> Result<Walked, Stop> {
    check_store(objects)?;
    let head_id = object_id(head)?;
    let introduction = object_id(&root.introduction)?;
    let last = state.map(|state| object_id(&state.last_verified)).transpose()?;
    let current = state.is_some_and(|state| state.trust_root == root.digest());
    let base = last.filter(|_| current).unwrap_or(introduction);

    let mut graph = Graph::new(objects);
    let range = graph.range(head_id, base)?.ok_or_else(|| rollback(head, base, root))?;
    let mut settled = HashSet::new();
    if let Some(last) = last.filter(|_| !current) {
        if !graph.is_ancestor(last, head_id)? {
            return Err(rollback(head, last, root).into());
        }
        settled.extend(graph.range(last, introduction)?.unwrap_or_default());
    }
    let mut judge = Judge {
        root,
        objects,
        when,
        seen,
        graph,
        settled,
        verified: last.unwrap_or(introduction),
        accepted: state.map(|state| state.accepted.clone()).unwrap_or_default(),
        trees: HashMap::new(),
        protected: HashMap::new(),
        changes: Vec::new(),
    };
    let mut refusals = Vec::new();
    let mut head_signer = state.filter(|_| current).and_then(|state| state.head_signer.clone());
    for ids in range.chunks(CHUNK) {
        let read = ids.iter().map(|id| judge.read(*id)).collect::<Result<Vec<_>, _>>()?;
        let proven = signed::proven_keys(&read);
        for ((id, commit), proven) in ids.iter().zip(read).zip(proven) {
            match commit.map_err(Stop::from).and_then(|commit| judge.commit(*id, &commit, proven)) {
                Ok(signer) => head_signer = signer,
                Err(stop) => refusals.extend(stop.refusals()?),
            }
        }
    }
    if !refusals.is_empty() {
        return Err(refusals.into());
    }
    let way = range.iter().map(|id| judge.link(*id)).collect::<Result<_, _>>()?;
    Ok(Walked { commits: range.len(), accepted: judge.accepted, changes: judge.changes, way, head_signer })
}

/// Refuses a store that can show another history than the one that was pushed.
pub fn check_store(objects: &dyn Objects) -> Result<(), Stop> {
    let refusal = |hazard| match hazard {
        Hazard::Replace(name) => Refusal::new(RuleId::Replace, format!("the store has a replacement ref `{name}`")),
        Hazard::Grafts => Refusal::new(RuleId::Replace, "the store has grafts in `info/grafts`"),
        Hazard::Alternates => Refusal::new(RuleId::Replace, "the store borrows objects by `objects/info/alternates`"),
        Hazard::Shallow => Refusal::new(RuleId::Shallow, "the store is a shallow clone"),
    };
    let hint = "remove the `git/` directory of the state directory: the next run fetches it again";
    let refusals: Vec<_> = objects.hazards()?.into_iter().map(|hazard| refusal(hazard).hint(hint)).collect();
    if refusals.is_empty() { Ok(()) } else { Err(refusals.into()) }
}

pub fn object_id(commit: &CommitId) -> Result<ObjectId, Refusal> {
    ObjectId::parse(commit.as_str().as_bytes()).ok_or_else(|| {
        Refusal::new(RuleId::ObjectFormat, "the commit has a SHA-256 object id")
            .commit(commit)
            .hint("keep the config repo in the SHA-1 object format")
    })
}

/// Tree and parents of a commit that is trusted already, if both implementations agree on them.
pub fn agreed_reading(objects: &dyn Objects, id: ObjectId) -> Result<Reading, Stop> {
    let Some(raw) = objects.commit(id)? else {
        return Err(broken_grammar(id, &commit::TOO_LARGE).into());
    };
    match (raw.gix, raw.git2) {
        (Some(gix), Some(git2)) if gix == git2 => Ok(gix),
        _ => Err(readings_differ(id).into()),
    }
}

/// What is wrong with a commit whose parents an implementation cannot tell.
pub fn malformed(objects: &dyn Objects, id: ObjectId) -> Result<Refusal, Fault> {
    let read = objects.commit(id)?.map(|raw| commit::parse(&raw.bytes));
    Ok(match read {
        Some(Ok(_)) => readings_differ(id),
        Some(Err(error)) => broken_grammar(id, &error),
        None => broken_grammar(id, &commit::TOO_LARGE),
    })
}

fn broken_grammar(id: ObjectId, error: &GrammarError) -> Refusal {
    let hint = match error.0 {
        RuleId::Octopus => "merge one branch after the other, so that each merge has two parents",
        RuleId::Limits => "make the commit again with a shorter message, and push it in place of this one",
        _ => "make the commit again with `git commit -S` and without unusual headers, and push it in place of this one",
    };
    Refusal::new(error.0, format!("the commit {}", error.1)).commit(&id.to_commit()).hint(hint)
}

fn readings_differ(id: ObjectId) -> Refusal {
    Refusal::new(RuleId::Readings, "implementations of git disagree on tree or parents of the commit")
        .commit(&id.to_commit())
        .hint("make the commit again with git itself")
}

fn rollback(head: &CommitId, base: ObjectId, root: &TrustRoot) -> Refusal {
    let what = if base.to_commit() == root.introduction { "the introduction" } else { "the last verified commit" };
    Refusal::new(RuleId::Rollback, format!("the head does not descend from {what} {base}"))
        .commit(head)
        .hint("push a history that continues from that commit; a rewritten history needs a new introduction and a new trust state")
}

fn how_to_sign(base: ObjectId) -> String {
    format!(
        "sign with an SSH key:\n\
         git config gpg.format ssh\n\
         git config user.signingkey ~/.ssh/id_ed25519.pub\n\
         git config commit.gpgsign true\n\
         look at all that would be signed: git log -p {base}..\n\
         if you wrote every line of it, sign it and push it:\n\
         git rebase --exec 'git commit --amend --no-edit -S' {base}"
    )
}

struct Judge<'a> {
    root: &'a TrustRoot,
    objects: &'a dyn Objects,
    when: When<'a>,
    seen: &'a mut FirstSeen,
    graph: Graph<'a>,
    /// Commits that an earlier run accepted under another trust root.
    settled: HashSet<ObjectId>,
    /// What is newer than this may be signed again. What is older is published, and stays.
    verified: ObjectId,
    accepted: BTreeMap<Fingerprint, String>,
    trees: HashMap<ObjectId, ObjectId>,
    protected: HashMap<ObjectId, Protected>,
    changes: Vec<Change>,
}

impl Judge<'_> {
    /// The commit, if its grammar is right and everybody reads it alike.
    fn read(&mut self, id: ObjectId) -> Result<Result<Commit, Refusal>, Fault> {
        let Some(raw) = self.objects.commit(id)? else {
            return Ok(Err(broken_grammar(id, &commit::TOO_LARGE)));
        };
        // Remembered even if refused, so that the children are judged by what they change themselves.
        if let Some(reading) = &raw.gix {
            self.trees.insert(id, reading.tree);
        }
        Ok(match commit::parse(&raw.bytes) {
            Err(error) => Err(broken_grammar(id, &error)),
            Ok(commit) if [&raw.gix, &raw.git2].iter().all(|reading| reading.as_ref() == Some(&commit.reading)) => {
                Ok(commit)
            }
            Ok(_) => Err(readings_differ(id)),
        })
    }

    /// Who signed the commit, if nothing is wrong with it. Its parents come first.
    fn commit(
        &mut self,
        id: ObjectId,
        commit: &Commit,
        proven: Result<Proven, Refusal>,
    ) -> Result<Option<String>, Stop> {
        let own = self.own_changes(id, commit)?;
        let signer = match self.signer(id, proven, commit.reading.parents.len()) {
            Ok(signer) => Some(signer),
            Err(_) if self.root.require == Require::Protected && own.is_empty() => None,
            Err(refusal) if own.is_empty() => return Err(refusal.into()),
            Err(refusal) => return Err(refusal.path(&own.join(" ")).into()),
        };
        let Some(by) = signer else { return Ok(None) };
        self.accepted.insert(by.key.clone(), by.principal.clone());
        let shown = by.to_string();
        if !own.is_empty() {
            let before = commit.reading.parents.first().and_then(|parent| self.trees.get(parent)).copied();
            let (after, settled) = (commit.reading.tree, self.settled.contains(&id));
            self.changes.push(Change { commit: id, before, after, by, settled });
        }
        Ok(Some(shown))
    }

    /// The protected paths that the commit itself changes. A merge may have none.
    fn own_changes(&mut self, id: ObjectId, commit: &Commit) -> Result<Vec<String>, Stop> {
        let now = self.protected_in(commit.reading.tree)?;
        let before = match commit.reading.parents[..] {
            [] => Protected::default(),
            [parent] => self.protected_at(parent)?,
            [one, other, ..] => {
                self.refuse_evil_merge(id, [one, other], &now)?;
                return Ok(Vec::new());
            }
        };
        Ok(now.differences(&before, &self.root.list))
    }

    fn refuse_evil_merge(&mut self, id: ObjectId, parents: [ObjectId; 2], now: &Protected) -> Result<(), Stop> {
        let refuse = |path: &str, message: String, hint: &str| {
            Refusal::new(RuleId::EvilMerge, message).commit(&id.to_commit()).path(path).hint(hint)
        };
        let (one, other) = (self.protected_at(parents[0])?, self.protected_at(parents[1])?);
        let base = if one == other {
            one
        } else {
            match self.graph.merge_bases(parents[0], parents[1])?[..] {
                [] => Protected::default(),
                [base] => self.protected_at(base)?,
                _ => {
                    let message =
                        "the merged lines had been merged crosswise before, so it is open what the merge changes";
                    let list = self.root.list.to_string();
                    return Err(refuse(&list, message.into(), "rebase one line onto the other instead").into());
                }
            }
        };
        let own = merge::own_changes(self.objects, &self.root.list, [&one, &other], &base, now)?;
        let refusals: Vec<_> = own
            .iter()
            .map(|path| {
                let message = format!("the merge changes `{path}` beyond what its parents did, or drops what one did");
                refuse(
                    path,
                    message,
                    "rebase the branch, so that every change stands in a commit of its own, and merge again",
                )
            })
            .collect();
        if refusals.is_empty() { Ok(()) } else { Err(refusals.into()) }
    }

    fn link(&mut self, id: ObjectId) -> Result<Link, Stop> {
        let parents = self.graph.parents(id)?;
        let parents = parents.iter().map(|parent| Ok((*parent, self.tree_of(*parent)?)));
        Ok(Link { id, parents: parents.collect::<Result<_, Stop>>()?, tree: self.tree_of(id)? })
    }

    fn tree_of(&mut self, commit: ObjectId) -> Result<ObjectId, Stop> {
        if let Some(tree) = self.trees.get(&commit) {
            return Ok(*tree);
        }
        let tree = agreed_reading(self.objects, commit)?.tree;
        self.trees.insert(commit, tree);
        Ok(tree)
    }

    fn protected_at(&mut self, commit: ObjectId) -> Result<Protected, Stop> {
        let tree = self.tree_of(commit)?;
        Ok(self.protected_in(tree)?)
    }

    fn protected_in(&mut self, tree: ObjectId) -> Result<Protected, Fault> {
        if let Some(protected) = self.protected.get(&tree) {
            return Ok(*protected);
        }
        let protected = Protected::read(self.objects, tree, &self.root.list)?;
        self.protected.insert(tree, protected);
        Ok(protected)
    }

    fn signer(&mut self, id: ObjectId, proven: Result<Proven, Refusal>, parents: usize) -> Result<Who, Refusal> {
        let proven = proven.map_err(|refusal| refusal.hint(how_to_sign(self.verified)));
        let judged = proven.and_then(|proven| self.who(id, &proven, parents));
        judged.map_err(|refusal| refusal.commit(&id.to_commit()))
    }

    fn who(&mut self, id: ObjectId, proven: &Proven, parents: usize) -> Result<Who, Refusal> {
        let Proven { key, certificate } = proven;
        let (fingerprint, now) = (key.fingerprint(), self.when.now);
        let known_as = self.accepted.get(&fingerprint).map(String::as_str);
        let earlier = known_as.filter(|_| self.settled.contains(&id));
        let principal = match (earlier, certificate) {
            (Some(earlier), Some(_)) => earlier.to_owned(),
            (_, None) => signed::principal(self.root, key, earlier, now)?,
            (None, Some(certificate)) => {
                let seen = self.when.seen(&id.to_commit());
                let principal = Shown { certificate, known_as, seen, now }.principal(self.root)?;
                self.seen.insert(id.to_commit(), seen);
                principal
            }
        };
        if parents < 2 && earlier.is_none() && self.root.is_merger(&fingerprint, &principal) {
            return Err(forge_key(fingerprint, &principal));
        }
        let authority = certificate.as_ref().map(|certificate| certificate.authority.fingerprint());
        Ok(Who { key: fingerprint, principal, authority })
    }
}

fn forge_key(key: Fingerprint, principal: &str) -> Refusal {
    Refusal::new(RuleId::ForgeKey, format!("the commit is signed by the merger {principal} and is not a merge"))
        .key(key)
        .principal(principal)
        .hint(
            "a forge signs squashes, rebases and edits in its web pages with its own key, and nobody can tell who made \
             them: switch the forge to merge commits, or let a person make the commit and sign it",
        )
}
