//! Why a head is not trusted: rules that were broken, where, and what would satisfy them.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::diag::{Diagnostic, Place, SourceFile};
use crate::fault::Fault;
use crate::name::CommitId;
use crate::trust::key::Fingerprint;
use crate::trust::seen::FirstSeen;

/// A rule of verification. Its id is stable and stands in reports and documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RuleId {
    Unsigned,
    UnknownKey,
    BadSignature,
    Namespace,
    WeakKey,
    Certificate,
    Revoked,
    Expired,
    Rollback,
    Freeze,
    EvilMerge,
    Replace,
    Shallow,
    ObjectFormat,
    SquashSurprise,
    Limits,
    Tree,
    Nul,
    CarriageReturn,
    Header,
    Identity,
    Parent,
    Armor,
    Octopus,
    Readings,
    TwoSignatures,
    SignatureSha256,
    OtherHeader,
    Mode,
    Filters,
    Path,
    NoList,
    InvalidList,
    ListChanged,
    ForgeKey,
    Threshold,
    Scope,
    EveryRule,
    Lockout,
    Replay,
    Untrusted,
    Legacy,
    Count,
    ApprovalExpired,
}

impl RuleId {
    pub const ALL: [Self; 44] = [
        Self::Unsigned,
        Self::UnknownKey,
        Self::BadSignature,
        Self::Namespace,
        Self::WeakKey,
        Self::Certificate,
        Self::Revoked,
        Self::Expired,
        Self::Rollback,
        Self::Freeze,
        Self::EvilMerge,
        Self::Replace,
        Self::Shallow,
        Self::ObjectFormat,
        Self::SquashSurprise,
        Self::Limits,
        Self::Tree,
        Self::Nul,
        Self::CarriageReturn,
        Self::Header,
        Self::Identity,
        Self::Parent,
        Self::Armor,
        Self::Octopus,
        Self::Readings,
        Self::TwoSignatures,
        Self::SignatureSha256,
        Self::OtherHeader,
        Self::Mode,
        Self::Filters,
        Self::Path,
        Self::NoList,
        Self::InvalidList,
        Self::ListChanged,
        Self::ForgeKey,
        Self::Threshold,
        Self::Scope,
        Self::EveryRule,
        Self::Lockout,
        Self::Replay,
        Self::Untrusted,
        Self::Legacy,
        Self::Count,
        Self::ApprovalExpired,
    ];

    pub fn as_str(self) -> &'static str {
        self.row().0
    }

    /// What the rule asks for, in one sentence.
    pub fn description(self) -> &'static str {
        self.row().1
    }

    fn row(self) -> (&'static str, &'static str) {
        match self {
            Self::Unsigned => ("S01-unsigned", "Every commit is signed with an SSH key."),
            Self::UnknownKey => ("S02-unknown-key", "The signing key stands in the runner's allowed_signers."),
            Self::BadSignature => ("S03-bad-signature", "The signature holds over the bytes of the commit."),
            Self::Namespace => ("S05-namespace", "The signature was made for git, by a key that may sign for git."),
            Self::WeakKey => (
                "S06-weak-key",
                "Keys are ed25519, touched sk-ed25519, ECDSA P-256/P-384 or RSA of 3072 bits with SHA-2.",
            ),
            Self::Certificate => {
                ("S07-ca-cert", "A certificate is for one user, short, and of an authority that the runner pins.")
            }
            Self::Revoked => ("S08-revoked", "The signing key is not in the runner's revoked list."),
            Self::Expired => {
                ("S09-expired", "The signing key is valid by the runner's clock when the commit is first seen.")
            }
            Self::Rollback => {
                ("H01-rollback", "The head is, or descends from, the introduction and the last verified commit.")
            }
            Self::Freeze => ("H02-freeze", "The head has moved within `trust.max_quiet`, if the runner sets that."),
            Self::EvilMerge => ("H04-evil-merge", "A merge adds nothing of its own to protected paths."),
            Self::Replace => ("H05-replace", "No replacement, graft or alternate changes what the store shows."),
            Self::Shallow => ("H06-shallow", "The store holds the whole history."),
            Self::ObjectFormat => ("H07-object-format", "The repository uses SHA-1 object ids."),
            Self::SquashSurprise => ("X07-squash-surprise", "The way of merging keeps the signatures of the branch."),
            Self::Limits => ("H08-limits", "Commits, lists and walks stay below their size limits."),
            Self::Tree => ("G01-tree", "A commit begins with its tree and names objects by full ids."),
            Self::Nul => ("G02-nul", "A commit contains no NUL byte."),
            Self::CarriageReturn => ("G03-cr", "A commit contains no carriage return."),
            Self::Header => ("G04-header", "Headers stand on one line each, with a blank line before the message."),
            Self::Identity => ("G05-identity", "Author and committer follow in the form that git writes."),
            Self::Parent => ("G06-parent", "No parent is named twice."),
            Self::Armor => ("G07-armor", "A signature is exactly what OpenSSH writes, with nothing around it."),
            Self::Octopus => ("G10-octopus", "A merge has two parents."),
            Self::Readings => ("G11-readings", "Two implementations of git read the commit as the grammar does."),
            Self::TwoSignatures => ("G12-two-signatures", "A commit has at most one gpgsig header."),
            Self::SignatureSha256 => ("G13-gpgsig-sha256", "A commit has no gpgsig-sha256 header."),
            Self::OtherHeader => ("G14-header-other", "A commit has no other, repeated or misplaced header."),
            Self::Mode => ("C02-mode", "The list is made of plain files; only hooks may be executable."),
            Self::Filters => ("C03-filters", "The list is committed as it is, not as a pointer to elsewhere."),
            Self::Path => ("C04-path", "No other entry looks like a protected path on some file system."),
            Self::NoList => ("C13-no-list", "The list exists at the head."),
            Self::InvalidList => ("C14-invalid-list", "The list has no errors."),
            Self::ListChanged => ("X01-state", "Trust state and store belong together."),
            Self::ForgeKey => {
                ("S11-forge-key", "A merger's key signs only merges that add nothing to protected paths.")
            }
            Self::Threshold => ("P04-threshold", "As many people as a rule asks for signed or approved the change."),
            Self::Scope => {
                ("P05-scope", "Names and hooks are changed by people whom the policy's rules name for them.")
            }
            Self::EveryRule => ("P06-and-not-or", "Every rule that matches holds, not only one of them."),
            Self::Lockout => ("P09-lockout", "Somebody can satisfy each rule of the policy."),
            Self::Replay => ("A01-replay", "An approval names this repository, ref, policy and change, byte for byte."),
            Self::Untrusted => {
                ("A02-untrusted", "An approval is four lines of minisign, by a key of the person it is named after.")
            }
            Self::Legacy => ("A03-legacy", "An approval is signed over a hash: minisign without `-l`."),
            Self::Count => ("A04-count", "An approval counts once, for the person whose key made it."),
            Self::ApprovalExpired => ("A05-expired", "An approval has not expired by the runner's clock."),
        }
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for RuleId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    pub rule: RuleId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitId>,
    /// Of the key that the signature names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Fingerprint>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Where it stands in the list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// The lineage or identifier that is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether approvals alone would satisfy the rule.
    pub approvable: bool,
    /// A sentence without a full stop.
    pub message: String,
    /// What would satisfy the rule. May have several lines.
    pub hint: String,
}

impl Refusal {
    pub(super) fn new(rule: RuleId, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            rule,
            commit: None,
            key: None,
            principal: None,
            path: None,
            place: None,
            name: None,
            approvable: false,
            message,
            hint: String::new(),
        }
    }

    pub(super) fn commit(mut self, commit: &CommitId) -> Self {
        self.commit = Some(commit.clone());
        self
    }

    pub(super) fn key(mut self, key: Fingerprint) -> Self {
        self.key = Some(key);
        self
    }

    pub(super) fn principal(mut self, principal: &str) -> Self {
        self.principal = Some(principal.to_owned());
        self
    }

    pub(super) fn path(mut self, path: &str) -> Self {
        self.path = Some(path.to_owned());
        self
    }

    pub(super) fn place(mut self, place: Option<&Place>) -> Self {
        self.place = place.cloned();
        self
    }

    pub(super) fn name(mut self, name: impl fmt::Display) -> Self {
        self.name = Some(name.to_string());
        self
    }

    pub(super) fn approvable(mut self, approvable: bool) -> Self {
        self.approvable = approvable;
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.message, self.rule)
    }
}

/// A head that is not trusted. Exit code 4, or 6 of `validate` if only approvals are missing.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize)]
pub struct Refused {
    pub head: Option<CommitId>,
    /// Never empty, oldest commit first, at most [`MAX_REFUSALS`].
    pub refusals: Vec<Refusal>,
    /// How many more there are.
    pub more: usize,
    /// Whether nothing is wrong but that approvals are missing.
    pub missing_approvals_only: bool,
    /// To be kept until the head is verified.
    #[serde(skip)]
    pub first_seen: FirstSeen,
    /// With the rule `C14-invalid-list`: what is wrong in the list.
    pub diagnostics: Vec<Diagnostic>,
    /// The files that the diagnostics are about.
    #[serde(skip)]
    pub files: Vec<SourceFile>,
}

/// So many broken rules are shown.
const MAX_REFUSALS: usize = 50;

/// Why verification ends early.
#[derive(Debug)]
pub enum Stop {
    Refused(Box<Refused>),
    Fault(Fault),
}

impl Stop {
    /// The broken rules, for whom they are not the end.
    ///
    /// # Errors
    /// The fault, if it is one.
    pub fn refusals(self) -> Result<Vec<Refusal>, Fault> {
        match self {
            Self::Refused(refused) => Ok(refused.refusals),
            Self::Fault(fault) => Err(fault),
        }
    }
}

impl From<Vec<Refusal>> for Stop {
    fn from(mut refusals: Vec<Refusal>) -> Self {
        let missing_approvals_only = refusals.iter().all(|refusal| refusal.approvable);
        let more = refusals.len().saturating_sub(MAX_REFUSALS);
        refusals.truncate(MAX_REFUSALS);
        Self::Refused(Box::new(Refused { refusals, more, missing_approvals_only, ..Refused::default() }))
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        vec![refusal].into()
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_its_own_id_and_a_sentence() {
        let ids: std::collections::BTreeSet<_> = RuleId::ALL.iter().map(|rule| rule.as_str()).collect();
        assert_eq!(ids.len(), RuleId::ALL.len());
        assert!(RuleId::ALL.iter().all(|rule| rule.description().ends_with('.')));
    }
}
