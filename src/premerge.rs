//! The verdict on a branch before it is merged: what a run would say, told to begin where the branch left its base.

mod merge;

use std::collections::BTreeSet;

use time::OffsetDateTime;

use crate::diag::{Diagnostic, Severity, SourceFile};
use crate::fault::Fault;
use crate::list::List;
use crate::list::parse::Known;
use crate::name::{CommitId, LineageName};
use crate::premerge::merge::{Invalid, Merge, entries};
use crate::report::finding::Finding;
use crate::trust::object::ObjectId;
use crate::trust::signers::Signer;
use crate::trust::{self, Fingerprint, ListPath, Objects, Refusal, Refused, Require, RuleId, TrustRoot, Verdict};

/// How the forge will bring the branch in. Without one the head itself is pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeMethod {
    Merge,
    Squash,
    Rebase,
}

/// What is asked about.
pub struct Branch<'a> {
    /// What `base` is called, for messages.
    pub base_name: &'a str,
    /// Trusted as it is.
    pub base: &'a CommitId,
    pub head: &'a CommitId,
    /// The best common ancestors of the two.
    pub meets: &'a [CommitId],
    pub method: Option<MergeMethod>,
}

/// The answer.
#[derive(Debug, Default)]
pub struct Judged {
    /// Empty if a run would take the branch. Without those of the list, which stand in `diagnostics`.
    pub findings: Vec<Finding>,
    /// How many more broken rules there are.
    pub more: usize,
    pub diagnostics: Vec<Diagnostic>,
    /// What the diagnostics are about.
    pub files: Vec<SourceFile>,
    /// Whether nothing is wrong but that approvals are missing.
    pub missing_approvals_only: bool,
    /// New commits, and certificates in the list of the head, if nothing is wrong with them.
    pub counts: Option<(usize, usize)>,
}

/// Judges every commit that the head has and the base has not, and the way in which they are to be merged.
///
/// # Errors
/// A [`Fault`] if an object cannot be read.
pub fn judge(
    root: &TrustRoot,
    branch: &Branch<'_>,
    objects: &dyn Objects,
    now: OffsetDateTime,
    known: Option<&Known>,
) -> Result<Judged, Fault> {
    let fork = match branch.meets {
        [fork] => fork,
        [] => return Ok(Judged { findings: vec![Finding::of_refusal(&unrelated(branch))], ..Judged::default() }),
        _ => return Ok(Judged { findings: vec![Finding::of_refusal(&crosswise(branch))], ..Judged::default() }),
    };
    // What the base holds is trusted, so the walk begins where the branch left it.
    let begun = TrustRoot { introduction: fork.clone(), ..root.clone() };
    let mut judged = match trust::verify(&begun, None, branch.head, objects, now, known)? {
        Verdict::Verified(list) => Judged {
            diagnostics: list.warnings().to_vec(),
            files: list.files().to_vec(),
            counts: Some((list.commits_walked(), list.list().certificates().count())),
            ..Judged::default()
        },
        Verdict::Refused(refused) => refusals(*refused, root, branch.head, objects)?,
    };
    let merging = match branch.method {
        None if fork != branch.base => vec![behind(branch)],
        None => Vec::new(),
        Some(method) => {
            let merge = Merge::of(root, branch, fork, objects)?;
            let mut merging = merge.both_changed(branch);
            if merging.is_empty()
                && judged.counts.is_some()
                && let Some(Invalid { files, diagnostics }) = merge.errors(root, objects, known)?
            {
                merging.push(invalid(branch));
                (judged.files, judged.diagnostics) = (files, diagnostics);
            }
            merging.extend(lost_signatures(root, branch, method, fork, objects)?);
            merging
        }
    };
    judged.missing_approvals_only &= merging.is_empty();
    judged.findings.extend(merging.iter().map(Finding::of_refusal));
    Ok(judged)
}

/// The answer for a clone without its older history.
pub fn shallow() -> Judged {
    let finding = Finding {
        rule: RuleId::Shallow.as_str(),
        severity: Severity::Error,
        message: "the clone is shallow: the commits to judge may not all be here".to_owned(),
        hint: Some("git fetch --unshallow".to_owned()),
        commit: None,
        signer: None,
        path: None,
        names: Vec::new(),
        places: Vec::new(),
    };
    Judged { findings: vec![finding], ..Judged::default() }
}

/// Who may sign what is merged, by the runner's files and clock.
pub fn who_may_sign(root: &TrustRoot, now: OffsetDateTime) -> Vec<String> {
    let counts = |(key, signer): &(&Fingerprint, &Signer)| {
        signer.may_sign_for_git() && signer.is_valid_at(now) && !root.revoked.contains(*key)
    };
    let signers = root.signers.iter().filter(counts).map(|(key, signer)| format!("{} {key}", signer.principal()));
    let certified = root.signers.authorities().filter(counts);
    let certified =
        certified.map(|(key, signer)| format!("{} with a certificate of {key}", signer.principals.join(", ")));
    signers.chain(certified).collect()
}

fn refusals(refused: Refused, root: &TrustRoot, head: &CommitId, objects: &dyn Objects) -> Result<Judged, Fault> {
    let newest = list_in(&root.list, head, objects)?;
    let mut findings = Vec::new();
    for refusal in &refused.refusals {
        let mut finding = Finding::of_refusal(refusal);
        let list = root.list.to_string();
        if let Some(commit) =
            refusal.commit.as_ref().filter(|_| refusal.path.as_ref().is_some_and(|p| p.contains(&list)))
        {
            locate(&mut finding, &root.list, commit, newest.as_ref(), objects)?;
        }
        findings.push(finding);
    }
    let Refused { more, diagnostics, files, missing_approvals_only, .. } = refused;
    Ok(Judged { findings, more, diagnostics, files, missing_approvals_only, counts: None })
}

/// Adds the entries that a commit changes, with their places in the head, or else in the commit.
fn locate(
    finding: &mut Finding,
    path: &ListPath,
    commit: &CommitId,
    newest: Option<&List>,
    objects: &dyn Objects,
) -> Result<(), Fault> {
    let Some(after) = list_in(path, commit, objects)? else {
        return Ok(());
    };
    let reading = objects.commit(id(commit))?.and_then(|raw| raw.gix);
    let parent = reading.and_then(|reading| reading.parents.first().map(|id| id.to_commit()));
    let before = parent.map(|parent| list_in(path, &parent, objects)).transpose()?.flatten();
    let before = before.unwrap_or_default();
    let names: BTreeSet<LineageName> =
        [&before, &after].iter().flat_map(|list| list.certificates()).map(|entry| entry.name.clone()).collect();
    for name in names.into_iter().filter(|name| before.get(name) != after.get(name)) {
        let place = newest.and_then(|list| list.place(&name)).or_else(|| after.place(&name));
        finding.places.extend(place.cloned());
        finding.names.push(name.to_string());
    }
    Ok(())
}

/// The list of a commit that nobody verified, if it can be read. To find places for messages, no more.
fn list_in(path: &ListPath, commit: &CommitId, objects: &dyn Objects) -> Result<Option<List>, Fault> {
    if objects.commit(id(commit))?.and_then(|raw| raw.gix).is_none() {
        return Ok(None);
    }
    Ok(trust::list_at(objects, commit, path)?.and_then(|(_, list)| list))
}

fn refusal(rule: RuleId, branch: &Branch<'_>, message: String, hint: String) -> Refusal {
    let commit = Some(branch.head.clone());
    Refusal {
        rule,
        commit,
        key: None,
        principal: None,
        path: None,
        place: None,
        name: None,
        approvable: false,
        message,
        hint,
    }
}

fn unrelated(branch: &Branch<'_>) -> Refusal {
    let message = format!("the head has no history in common with {} {}", branch.base_name, branch.base.short());
    refusal(RuleId::Rollback, branch, message, format!("begin the branch on {}", branch.base_name))
}

fn crosswise(branch: &Branch<'_>) -> Refusal {
    let message =
        format!("the head and {} had been merged crosswise, so it is open what a merge changes", branch.base_name);
    refusal(RuleId::EvilMerge, branch, message, rebase(branch))
}

fn behind(branch: &Branch<'_>) -> Refusal {
    let message = format!(
        "the head does not contain {} {}, so pushing it would take back what is verified",
        branch.base_name,
        branch.base.short()
    );
    let hint = format!("{}\nor ask what a merge would do: `--merge-method merge`", rebase(branch));
    refusal(RuleId::Rollback, branch, message, hint)
}

fn invalid(branch: &Branch<'_>) -> Refusal {
    let message = format!("together with what {} has by now, the list has errors", branch.base_name);
    refusal(RuleId::InvalidList, branch, message, rebase(branch))
}

fn rebase(branch: &Branch<'_>) -> String {
    format!("git rebase --exec 'git commit --amend --no-edit -S' {}", branch.base_name)
}

/// A new commit of the forge carries none of the branch's signatures.
fn lost_signatures(
    root: &TrustRoot,
    branch: &Branch<'_>,
    method: MergeMethod,
    fork: &CommitId,
    objects: &dyn Objects,
) -> Result<Option<Refusal>, Fault> {
    let (what, way) = match method {
        MergeMethod::Merge => return Ok(None),
        MergeMethod::Squash => (
            "a squash makes one new commit",
            format!(
                "squash it yourself, sign it, and have it merged as it is:\ngit reset --soft {fork}\ngit commit -S"
            ),
        ),
        MergeMethod::Rebase => (
            "a rebase makes every commit anew",
            format!("rebase it yourself, sign again, and have it merged as it is:\n{}", rebase(branch)),
        ),
    };
    let same = entries(root, fork, objects)? == entries(root, branch.head, objects)?;
    if fork == branch.head || (same && root.require == Require::Protected) {
        return Ok(None);
    }
    let message = format!("{what}, which none of the branch's signatures covers");
    Ok(Some(refusal(RuleId::SquashSurprise, branch, message, format!("use a merge commit; or {way}"))))
}

fn id(commit: &CommitId) -> ObjectId {
    ObjectId::parse(commit.as_str().as_bytes()).expect("a checkout is read with SHA-1 ids")
}
