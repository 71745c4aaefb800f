//! Entries that only revoked keys stand for.

use std::collections::BTreeSet;

use crate::list::List;
use crate::name::LineageName;
use crate::trust::authors::Authors;
use crate::trust::key::Fingerprint;
use crate::trust::policy::Op;
use crate::trust::refusal::{Refusal, RuleId};
use crate::trust::root::TrustRoot;

/// The names of the list that nobody but revoked keys made or approved.
pub fn names(root: &TrustRoot, list: &List, authors: &Authors, approvers: &Authors) -> BTreeSet<LineageName> {
    let mut names = BTreeSet::new();
    if root.revoked.is_empty() {
        return names;
    }
    let alive = authors.iter().filter(|(signer, _)| revoked(root, signer).is_none());
    let alive: BTreeSet<_> = alive.flat_map(|(_, made)| made).collect();
    for entry in list.certificates().filter(|entry| !alive.contains(&entry.name)) {
        if !approved(root, list, &entry.name, approvers) {
            names.insert(entry.name.clone());
        }
    }
    names
}

/// The revoked key on which an author depends: the author's own, or that of the authority.
fn revoked<'r>(root: &'r TrustRoot, signer: &str) -> Option<&'r Fingerprint> {
    root.revoked.iter().find(|key| signer.split(' ').skip(1).any(|word| word == key.as_str()))
}

/// Whether the approvers may speak for every identifier of the entry: one at least in each rule.
fn approved(root: &TrustRoot, list: &List, name: &LineageName, approvers: &Authors) -> bool {
    let approvers = approvers.of(name);
    let people: BTreeSet<_> = approvers.iter().filter_map(|signer| signer.split(' ').next()).collect();
    let (Some(policy), Some(entry)) = (&root.policy, list.get(name)) else {
        return !people.is_empty();
    };
    entry.identifiers.iter().all(|identifier| {
        let rules = policy.rules_for(identifier, Op::Add);
        !rules.is_empty() && rules.iter().all(|rule| rule.count(&people) > 0)
    })
}

/// One refusal for each name.
pub fn refusals(root: &TrustRoot, list: &List, authors: &Authors, approvers: &Authors) -> Vec<Refusal> {
    let refusal = |name: LineageName| {
        let by = authors.of(&name);
        let message = format!("`{name}` is authorised by nobody but the revoked key of {}", by.join(", "));
        let hint = "have another signer change the entry, or remove it and add it again after a review";
        let hint = match root.policy {
            Some(_) => format!("{hint}; or have it approved: `countersign approve --base COMMIT_BEFORE_IT`"),
            None => hint.to_owned(),
        };
        let words = by.first().and_then(|signer| signer.split_once(' '));
        let key = by.first().and_then(|signer| revoked(root, signer));
        let refusal = Refusal::new(RuleId::Revoked, message).name(&name).place(list.place(&name)).hint(hint);
        let refusal = words.into_iter().fold(refusal, |refusal, (principal, _)| refusal.principal(principal));
        key.into_iter().fold(refusal, |refusal, key| refusal.key(key.clone()))
    };
    names(root, list, authors, approvers).into_iter().map(refusal).collect()
}
