//! Whether the right people stand behind what is new at the head.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;

use crate::name::Digest;
use crate::trust::approval::{self, Approval, Approvals, Statement};
use crate::trust::authors::{Authors, Change};
use crate::trust::content::Content;
use crate::trust::cover::{Approved, Effective};
use crate::trust::lists::Lists;
use crate::trust::object::{ObjectId, Objects};
use crate::trust::policy::Policy;
use crate::trust::refusal::{Refusal, RuleId, Stop};
use crate::trust::root::TrustRoot;
use crate::trust::walk::{self, Walked};
use crate::trust::{TrustState, cover, hooks, spent, withdrawn};

/// What is judged: the head, and what leads to it.
pub struct Question<'a> {
    pub root: &'a TrustRoot,
    pub state: Option<&'a TrustState>,
    pub objects: &'a dyn Objects,
    pub walked: &'a Walked,
    pub content: &'a Content,
    pub authors: &'a Authors,
    pub now: OffsetDateTime,
}

impl Question<'_> {
    /// Who approved each entry of the list, if the effective change is covered and nothing was withdrawn.
    pub fn judge(&self, lists: &mut Lists<'_>) -> Result<Authors, Stop> {
        let Self { root, state, content, walked, .. } = self;
        if let Some(state) = state.filter(|_| walked.commits == 0) {
            return Ok(state.approvers.clone());
        }
        let mut found = Found::default();
        if let Some(policy) = &root.policy {
            self.cover(policy, lists, &mut found)?;
        }
        let approvers = self.approvers(&found, lists)?;
        let mut refusals = found.refusals;
        refusals.extend(withdrawn::refusals(root, &content.list, self.authors, &approvers));
        if !root.revoked.is_empty() {
            refusals.extend(hooks::withdrawn(root, self.objects, content.tree, walked)?);
        }
        if refusals.is_empty() {
            return Ok(approvers);
        }
        refusals.extend(found.bad);
        Err(refusals.into())
    }

    fn cover(&self, policy: &Policy, lists: &mut Lists<'_>, found: &mut Found) -> Result<(), Stop> {
        let Self { root, objects, content, walked, .. } = self;
        let base_tree = self.base_tree()?;
        self.approvals(policy, base_tree, lists, found)?;
        let base = lists.at(Some(base_tree))?;
        let effective = Effective { base: &base, head: &content.list, walked, approved: &found.approved };
        found.refusals = cover::refusals(root, policy, &effective, lists)?;
        let hooks = hooks::not_covered(root, policy, *objects, base_tree, content.tree, walked)?;
        found.refusals.extend(hooks);
        Ok(())
    }

    /// What was verified last, or the introduction.
    fn base(&self) -> Result<ObjectId, Stop> {
        Ok(walk::object_id(self.state.map_or(&self.root.introduction, |state| &state.last_verified))?)
    }

    fn base_tree(&self) -> Result<ObjectId, Stop> {
        Ok(walk::agreed_reading(self.objects, self.base()?)?.tree)
    }

    /// Reads the approvals of every list that was on the way to the head.
    fn approvals(&self, policy: &Policy, base: ObjectId, lists: &mut Lists<'_>, found: &mut Found) -> Result<(), Stop> {
        let Self { root, objects, content, walked, .. } = self;
        let approved = approval::lists(*objects, content.tree)?;
        if approved.is_empty() {
            return Ok(());
        }
        let way = Way::find(base, content, &walked.changes, lists)?;
        let earlier = lists.digest(Some(base))?;
        for list in approved {
            let Some((after, at)) = way.after.get(&list) else { continue };
            let previous: BTreeSet<_> = way.before.keys().filter(|before| **before != list).cloned().collect();
            let read = approval::read(root, policy, *objects, content.tree, &list, &previous, self.now)?;
            let Approvals { good, bad } = read;
            // Those that led to the list as it was are about an earlier change, and are no mistake.
            let is_old = |refusal: &Refusal| refusal.rule == RuleId::Replay && earlier.as_ref() == Some(&list);
            found.bad.extend(bad.into_iter().filter(|refusal| !is_old(refusal)));
            let (used, good) = self.used(good, &list, lists)?;
            found.bad.extend(used);
            let after = lists.at(Some(*after))?;
            for approval in good {
                let before = lists.at(way.before.get(&approval.previous).copied())?;
                found.approved.push(Approved { approval, before, after: after.clone(), at: at.clone() });
            }
        }
        Ok(())
    }

    /// Refusals of those that an earlier change to the same list has used, and the others.
    fn used(
        &self,
        good: Vec<Approval>,
        list: &Digest,
        lists: &mut Lists<'_>,
    ) -> Result<(Vec<Refusal>, Vec<Approval>), Stop> {
        if good.is_empty() {
            return Ok(Default::default());
        }
        let introduction = walk::object_id(&self.root.introduction)?;
        let spent = spent::signatures(self.objects, self.base()?, introduction, list, lists)?;
        let (used, good): (Vec<_>, Vec<_>) = good.into_iter().partition(|approval| spent.contains(&approval.signature));
        let refusal = |approval: Approval| {
            let message =
                format!("the approval of `{}` was used before, for an earlier change to this list", approval.person);
            let path = format!("{}/{}.minisig", Statement::folder(list), approval.person);
            Refusal::new(RuleId::Replay, message).path(&path).approvable(true).hint(approval::AGAIN)
        };
        Ok((used.into_iter().map(refusal).collect(), good))
    }

    /// Those of now, and for entries that have not changed those of earlier runs.
    fn approvers(&self, found: &Found, lists: &mut Lists<'_>) -> Result<Authors, Stop> {
        let head = &self.content.list;
        let mut approvers = Authors::default();
        if let Some(state) = self.state.filter(|state| !state.approvers.is_empty()) {
            let base = lists.at(Some(self.base_tree()?))?;
            for (signer, made) in state.approvers.iter() {
                let same = made.iter().filter(|name| head.get(name).is_some() && base.get(name) == head.get(name));
                approvers.add(signer, same.cloned());
            }
        }
        for approved in &found.approved {
            let about = head.certificates().map(|entry| &entry.name).filter(|name| approved.approves(name, head));
            approvers.add(&approved.approval.signer(), about.cloned());
        }
        Ok(approvers)
    }
}

#[derive(Default)]
struct Found {
    refusals: Vec<Refusal>,
    approved: Vec<Approved>,
    /// Approvals that do not hold. They matter only if something is missing.
    bad: Vec<Refusal>,
}

/// The lists between the base and the head, by digest.
struct Way {
    /// Trees before some change.
    before: BTreeMap<Digest, ObjectId>,
    /// Trees after some change, each with the changes that led to it. `None`: it is that of the head.
    after: BTreeMap<Digest, (ObjectId, Option<BTreeSet<usize>>)>,
}

impl Way {
    fn find(base: ObjectId, content: &Content, changes: &[Change], lists: &mut Lists<'_>) -> Result<Self, Stop> {
        let mut way = Self { before: BTreeMap::new(), after: BTreeMap::new() };
        for tree in changes.iter().filter_map(|change| change.before).chain([base]) {
            way.before.extend(lists.digest(Some(tree))?.map(|digest| (digest, tree)));
        }
        for (index, change) in changes.iter().enumerate() {
            if let Some(digest) = lists.digest(Some(change.after))? {
                let (_, at) = way.after.entry(digest).or_insert_with(|| (change.after, Some(BTreeSet::new())));
                at.get_or_insert_default().insert(index);
            }
        }
        way.after.insert(content.digest.clone(), (content.tree, None));
        Ok(way)
    }
}
