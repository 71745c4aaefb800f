//! Who may change the list: verification of commits, from the introduction to the head.
//!
//! Pure: objects come through [`Objects`], the runner's files and clock as arguments.

// A refusal is made once a broken rule; its size costs nothing.
#![allow(clippy::result_large_err)]

pub mod approval;
mod authors;
pub mod certificate;
mod certified;
pub mod commit;
mod consent;
mod content;
mod cover;
mod fact;
mod graph;
mod hooks;
pub mod key;
mod lists;
mod merge;
pub mod object;
pub mod policy;
pub mod refusal;
pub mod root;
mod seen;
mod signed;
pub mod signers;
mod spent;
pub mod sshsig;
mod trace;
mod walk;
mod wire;
mod withdrawn;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::diag::SourceFile;
use crate::fault::Fault;
use crate::lineage::Provenance;
use crate::list::List;
use crate::list::parse::Known;
use crate::name::{CommitId, Digest, LineageName};
use crate::trust::consent::Question;
use crate::trust::lists::Lists;

pub use crate::trust::authors::Authors;
pub use crate::trust::content::MAX_LIST;
pub use crate::trust::hooks::Script;
pub use crate::trust::key::Fingerprint;
pub use crate::trust::object::{ObjectId, Objects};
pub use crate::trust::policy::Policy;
pub use crate::trust::refusal::{Refusal, Refused, RuleId};
pub use crate::trust::root::{ListPath, Require, TrustRoot};
pub use crate::trust::seen::{FirstSeen, When};
pub use crate::trust::signers::AllowedSigners;

/// Raised when the same commits and the same trust root may lead to another verdict than before.
pub const VERIFIER_VERSION: u32 = 5;

/// What was verified by earlier runs. Stands in `trust-state.json`; never moves backwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustState {
    pub version: u32,
    pub last_verified: CommitId,
    /// Digest of the trust root that judged it.
    pub trust_root: Digest,
    /// Digest of the list at `last_verified`.
    pub list: Digest,
    /// Keys whose commits were accepted, with the principal at that time. What a signer made before it was taken out
    /// of `allowed_signers` stays.
    pub accepted: BTreeMap<Fingerprint, String>,
    /// Who made each entry of the list what it is.
    pub authors: Authors,
    /// Who approved each entry of the list as it is, with the minisign key.
    #[serde(default, skip_serializing_if = "Authors::is_empty")]
    pub approvers: Authors,
    /// Who signed `last_verified`.
    pub head_signer: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub verified_at: OffsetDateTime,
    /// When `last_verified` was found to be the head first. Missing if an older version wrote the state.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub moved_at: Option<OffsetDateTime>,
}

/// The answer of [`verify`]. That git could not be read at all is a [`Fault`] instead.
#[derive(Clone, Debug)]
pub enum Verdict {
    Verified(Box<VerifiedList>),
    Refused(Box<Refused>),
}

/// A list of which every change was signed by an allowed key. Only this module makes one.
#[derive(Clone, Debug)]
pub struct VerifiedList {
    list: List,
    files: Vec<SourceFile>,
    warnings: Vec<crate::diag::Diagnostic>,
    state: TrustState,
    policy: Option<Digest>,
    withdrawn: BTreeSet<LineageName>,
    commits_walked: usize,
}

/// Judges `head` and every commit between it and what was verified before.
///
/// With a policy, what is new in the list and below `hooks/` must be covered by the people who made or approved it,
/// name by name. What an earlier run accepted stays accepted when the policy changes.
///
/// Without a state the walk starts after the introduction. With one, `head` must be or descend from `last_verified`;
/// when the trust root has changed since, everything from the introduction on is judged again.
/// `known` names the authorities and buckets that the list may use. `when` is the runner's time, with what it saw of
/// heads that were refused.
///
/// # Errors
/// A [`Fault`] if an object cannot be read. Everything that is wrong with the commits is a [`Verdict::Refused`].
pub fn verify<'w>(
    root: &TrustRoot,
    state: Option<&TrustState>,
    head: &CommitId,
    objects: &dyn Objects,
    when: impl Into<When<'w>>,
    known: Option<&Known>,
) -> Result<Verdict, Fault> {
    let when = when.into();
    let (now, mut first_seen) = (when.now, FirstSeen::default());
    let judged = walk::walk(root, state, head, objects, when, &mut first_seen).and_then(|walked| {
        let content = content::read(root, head, objects, known)?;
        // A walk from the introduction finds every author again; what it leaves over is the introduction's.
        let earlier = state.filter(|state| state.trust_root == root.digest()).map(|state| &state.authors);
        let origin = format!("introduction {}", root.introduction);
        let exact = root.policy.is_some() || !root.revoked.is_empty();
        let mut lists = Lists::new(objects, &root.list);
        let authors = Authors::find(&content.list, &walked, earlier, &origin, exact, &mut lists)?;
        let question = Question { root, state, objects, walked: &walked, content: &content, authors: &authors, now };
        let approvers = question.judge(&mut lists)?;
        Ok(VerifiedList {
            state: TrustState {
                version: 1,
                last_verified: head.clone(),
                trust_root: root.digest(),
                list: content.digest,
                accepted: walked.accepted,
                authors,
                approvers,
                head_signer: walked.head_signer,
                verified_at: now,
                moved_at: Some(moved_at(state, head, now)),
            },
            list: content.list,
            files: content.files,
            warnings: content.warnings,
            policy: root.policy.as_ref().map(|policy| policy.digest().clone()),
            withdrawn: BTreeSet::new(),
            commits_walked: walked.commits,
        })
    });
    let mut verdict = verdict(judged, head)?;
    if let Verdict::Refused(refused) = &mut verdict {
        refused.first_seen = first_seen;
    }
    Ok(verdict)
}

/// Since when the head is what it is, as far as anybody knows.
fn moved_at(state: Option<&TrustState>, head: &CommitId, now: OffsetDateTime) -> OffsetDateTime {
    match state {
        Some(state) if state.last_verified == *head => state.moved_at.unwrap_or(state.verified_at),
        _ => now,
    }
}

/// The list at `state.last_verified`, for renewals while the head is refused or cannot be fetched.
///
/// Entries that only revoked keys stand for are named by [`VerifiedList::withdrawn`].
///
/// # Errors
/// As [`verify`]. Refused if the list is not the one that was verified.
pub fn last_verified(
    root: &TrustRoot,
    state: &TrustState,
    objects: &dyn Objects,
    known: Option<&Known>,
) -> Result<Verdict, Fault> {
    let commit = &state.last_verified;
    let judged = walk::check_store(objects).and_then(|()| {
        let content = content::read(root, commit, objects, known)?;
        if content.digest != state.list {
            return Err(Refusal::new(
                RuleId::ListChanged,
                "the list at the last verified commit is not the one verified",
            )
            .commit(commit)
            .hint("the trust state or the store was changed by hand: restore both from the same backup")
            .into());
        }
        let withdrawn = withdrawn::names(root, &content.list, &state.authors, &state.approvers);
        Ok(VerifiedList {
            state: state.clone(),
            list: content.list,
            withdrawn,
            files: content.files,
            warnings: content.warnings,
            policy: root.policy.as_ref().map(|policy| policy.digest().clone()),
            commits_walked: 0,
        })
    });
    verdict(judged, commit)
}

/// The list as a commit has it, verified or not: its digest, and the list itself if it has no errors.
///
/// For those who ask for or make approvals. `None` if the commit has no list.
///
/// # Errors
/// A [`Fault`] if an object cannot be read.
pub fn list_at(
    objects: &dyn Objects,
    commit: &CommitId,
    list: &ListPath,
) -> Result<Option<(Digest, Option<List>)>, Fault> {
    let unreadable = || Fault::new("git:object", format!("failed to read the commit {}", commit.short()));
    let id = ObjectId::parse(commit.as_str().as_bytes()).ok_or_else(unreadable)?;
    let tree = objects.commit(id)?.and_then(|raw| raw.gix).ok_or_else(unreadable)?.tree;
    let older = content::read_older(objects, tree, list)?;
    Ok(older.digest.map(|digest| (digest, older.list)))
}

/// What changes from one list to another, one line for each fact of each entry.
pub fn changes(before: &List, after: &List) -> Vec<String> {
    let names = before.certificates().chain(after.certificates()).map(|entry| &entry.name);
    let names: BTreeSet<_> = names.collect();
    let lines = names.into_iter().flat_map(|name| {
        let (before, after) = (before.get(name), after.get(name));
        let line = move |fact: fact::Fact<'_>| match (fact.value(before), fact.value(after)) {
            // What a new entry leaves open.
            (None, Some(value)) if value.is_empty() && fact.is_setting() => None,
            (None, Some(value)) if value.is_empty() => Some(format!("+ {name}: {}", fact.changed())),
            (None, Some(value)) => Some(format!("+ {name}: {} is `{value}`", fact.changed())),
            (Some(_), None) => Some(format!("- {name}: {}", fact.changed())),
            (from, to) => {
                let [from, to] = [from, to].map(Option::unwrap_or_default);
                Some(format!("~ {name}: {} from `{from}` to `{to}`", fact.changed()))
            }
        };
        fact::Fact::differences(before, after).into_iter().filter_map(line)
    });
    lines.collect()
}

fn verdict(judged: Result<VerifiedList, refusal::Stop>, head: &CommitId) -> Result<Verdict, Fault> {
    match judged {
        Ok(list) => Ok(Verdict::Verified(Box::new(list))),
        Err(refusal::Stop::Refused(mut refused)) => {
            refused.head = Some(head.clone());
            Ok(Verdict::Refused(refused))
        }
        Err(refusal::Stop::Fault(fault)) => Err(fault),
    }
}

impl VerifiedList {
    pub fn commit(&self) -> &CommitId {
        &self.state.last_verified
    }

    pub fn list(&self) -> &List {
        &self.list
    }

    /// The files of the list, byte by byte as committed.
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// Findings in the list that are not errors.
    pub fn warnings(&self) -> &[crate::diag::Diagnostic] {
        &self.warnings
    }

    /// SHA-256 of the list file, or of what `sha256sum` prints for the files of a list directory.
    pub fn list_digest(&self) -> &Digest {
        &self.state.list
    }

    pub fn trust_root(&self) -> &Digest {
        &self.state.trust_root
    }

    /// Entries that only revoked keys stand for: they are kept, and nothing is ordered for them. Empty unless this is
    /// the [`last_verified`] list, since [`verify`] refuses such a head.
    pub fn withdrawn(&self) -> &BTreeSet<LineageName> {
        &self.withdrawn
    }

    /// The script `hooks/<name>` of the commit.
    ///
    /// # Errors
    /// It cannot be read, or is larger than 1 MiB.
    pub fn script(&self, objects: &dyn Objects, name: &str) -> Result<Option<Script>, Fault> {
        hooks::script(objects, self.commit(), name)
    }

    /// Digest of the policy file that judged it, if there is one.
    pub fn policy(&self) -> Option<&Digest> {
        self.policy.as_ref()
    }

    /// Principal and fingerprint of who signed the commit. `None` for an unsigned one that touches nothing protected,
    /// and for the introduction.
    pub fn head_signer(&self) -> Option<&str> {
        self.state.head_signer.as_deref()
    }

    /// Since when runs have found this head.
    pub fn moved_at(&self) -> OffsetDateTime {
        self.state.moved_at.unwrap_or(self.state.verified_at)
    }

    /// How many commits this run judged.
    pub fn commits_walked(&self) -> usize {
        self.commits_walked
    }

    /// To be stored once the run has recorded its verdict.
    pub fn state(&self) -> &TrustState {
        &self.state
    }

    /// Who asked for this lineage: whoever made its entry what it is, and whoever signed the head.
    ///
    /// After a very long walk several may be named, one of whom made the entry. What stands since the introduction is
    /// of `introduction <commit>`.
    pub fn provenance(&self, lineage: &LineageName) -> Provenance {
        debug_assert!(self.list.get(lineage).is_some(), "{lineage} is not in the list");
        let mut signers = self.state.authors.of(lineage);
        signers.extend(self.state.head_signer.clone().filter(|signer| !signers.contains(signer)));
        Provenance {
            commit: self.state.last_verified.clone(),
            signers,
            list: self.state.list.clone(),
            trust_root: self.state.trust_root.clone(),
            approvals: self.state.approvers.of(lineage),
            policy: self.policy.clone(),
        }
    }
}
