//! Who may change the list: verification of commits, from the introduction to the head.
//!
//! Pure: objects come through [`Objects`], the runner's files and clock as arguments.

// A refusal is made once a broken rule; its size costs nothing.
#![allow(clippy::result_large_err)]

mod authors;
pub mod commit;
mod content;
mod graph;
pub mod key;
mod merge;
pub mod object;
pub mod policy;
pub mod refusal;
pub mod root;
mod signed;
pub mod signers;
pub mod sshsig;
mod walk;
mod wire;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::diag::SourceFile;
use crate::fault::Fault;
use crate::lineage::Provenance;
use crate::list::List;
use crate::list::parse::Known;
use crate::name::{CommitId, Digest, LineageName};

pub use crate::trust::authors::Authors;
pub use crate::trust::key::Fingerprint;
pub use crate::trust::object::Objects;
pub use crate::trust::policy::Policy;
pub use crate::trust::refusal::{Refusal, Refused, RuleId};
pub use crate::trust::root::{ListPath, Require, TrustRoot};
pub use crate::trust::signers::AllowedSigners;

/// Raised when the same commits and the same trust root may lead to another verdict than before.
pub const VERIFIER_VERSION: u32 = 1;

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
    /// Who signed `last_verified`.
    pub head_signer: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub verified_at: OffsetDateTime,
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
    commits_walked: usize,
}

/// Judges `head` and every commit between it and what was verified before.
///
/// Without a state the walk starts after the introduction. With one, `head` must be or descend from `last_verified`;
/// when the trust root has changed since, everything from the introduction on is judged again.
/// `known` names the authorities and buckets that the list may use.
///
/// # Errors
/// A [`Fault`] if an object cannot be read. Everything that is wrong with the commits is a [`Verdict::Refused`].
pub fn verify(
    root: &TrustRoot,
    state: Option<&TrustState>,
    head: &CommitId,
    objects: &dyn Objects,
    now: OffsetDateTime,
    known: Option<&Known>,
) -> Result<Verdict, Fault> {
    let judged = walk::walk(root, state, head, objects, now).and_then(|walked| {
        let content = content::read(root, head, objects, known)?;
        let earlier = state.map(|state| &state.authors);
        let origin = format!("introduction {}", root.introduction);
        let authors = Authors::find(&content.list, &walked.changes, earlier, &origin, objects, &root.list)?;
        Ok(VerifiedList {
            state: TrustState {
                version: 1,
                last_verified: head.clone(),
                trust_root: root.digest(),
                list: content.digest,
                accepted: walked.accepted,
                authors,
                head_signer: walked.head_signer,
                verified_at: now,
            },
            list: content.list,
            files: content.files,
            warnings: content.warnings,
            policy: root.policy.as_ref().map(|policy| policy.digest().clone()),
            commits_walked: walked.commits,
        })
    });
    verdict(judged, head)
}

/// The list at `state.last_verified`, for renewals while the head is refused or cannot be fetched.
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
        Ok(VerifiedList {
            state: state.clone(),
            list: content.list,
            files: content.files,
            warnings: content.warnings,
            policy: root.policy.as_ref().map(|policy| policy.digest().clone()),
            commits_walked: 0,
        })
    });
    verdict(judged, commit)
}

/// The list as it stands in a commit that nobody verified, if it has no errors. To find places for messages, no more.
pub fn unverified_list(path: &ListPath, commit: &CommitId, objects: &dyn Objects) -> Result<Option<List>, Fault> {
    let Some(id) = object::ObjectId::parse(commit.as_str().as_bytes()) else {
        return Ok(None);
    };
    let tree = objects.commit(id)?.gix.map(|reading| reading.tree);
    Ok(tree.map(|tree| content::read_older(objects, tree, path)).transpose()?.and_then(|(list, _)| list))
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

    /// Digest of the policy file that judged it, if there is one.
    pub fn policy(&self) -> Option<&Digest> {
        self.policy.as_ref()
    }

    /// Principal and fingerprint of who signed the commit. `None` for an unsigned one that touches nothing protected,
    /// and for the introduction.
    pub fn head_signer(&self) -> Option<&str> {
        self.state.head_signer.as_deref()
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
            approvals: Vec::new(),
            policy: self.policy.clone(),
        }
    }
}
