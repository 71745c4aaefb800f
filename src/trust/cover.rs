//! The effective change: from the list that was verified last to the new one, every fact of every entry must be
//! covered by the people who made it so or approved it.
//!
//! Who made a fact what it is: the newest commit that set it so, on a line on which it stayed so up to the head. What was
//! set in between and set back needs nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::list::List;
use crate::name::{Identifier, LineageName};
use crate::trust::approval::Approval;
use crate::trust::authors::Change;
use crate::trust::fact::Fact;
use crate::trust::lists::Lists;
use crate::trust::object::{ObjectId, TreeEntry};
use crate::trust::policy::{Op, Policy, Rule};
use crate::trust::refusal::{Refusal, RuleId, Stop};
use crate::trust::root::TrustRoot;
use crate::trust::trace::{self, Maker, Traced, Versions};
use crate::trust::walk::Walked;

/// An approval with the lists that it is about.
pub struct Approved {
    pub approval: Approval,
    pub before: Rc<List>,
    pub after: Rc<List>,
    /// The changes that led to the list that was approved. `None`: it is that of the head.
    pub at: Option<BTreeSet<usize>>,
}

impl Approved {
    /// Whether it says that the entry, or the fact of it, shall be as it is at the head.
    fn is_about(&self, name: &LineageName, fact: Option<Fact<'_>>, head: &List) -> bool {
        let [before, after, wanted] = [&*self.before, &*self.after, head].map(|list| list.get(name));
        match fact {
            Some(fact) => fact.value(after) == fact.value(wanted) && fact.value(before) != fact.value(after),
            None => after == wanted && before != after,
        }
    }

    /// Whether it approves of the whole entry as it is at the head.
    pub fn approves(&self, name: &LineageName, head: &List) -> bool {
        self.is_about(name, None, head)
    }
}

/// From one list to another.
pub struct Effective<'a> {
    pub base: &'a List,
    pub head: &'a List,
    /// Only changes that are not settled can cover.
    pub walked: &'a Walked,
    pub approved: &'a [Approved],
}

/// What of the effective change is not covered.
pub fn refusals(
    root: &TrustRoot,
    policy: &Policy,
    effective: &Effective<'_>,
    lists: &mut Lists<'_>,
) -> Result<Vec<Refusal>, Stop> {
    let mut refusals = BTreeMap::new();
    for (name, fact, maker, passed) in attributed(effective, lists)? {
        let people = people(root, effective, name, fact, &maker, &passed);
        let change = match &maker {
            Maker::One(index) => Some(*index),
            Maker::Several(_) | Maker::Nobody => None,
        };
        let by = change.map(|index| &effective.walked.changes[index]);
        let unclear = matches!(maker, Maker::Several(_));
        for (identifier, op) in at_stake(effective, name, fact) {
            let rules = policy.rules_for(identifier, op);
            let case = Case { name, fact, identifier, op, by, unclear, head: effective.head };
            if rules.is_empty() {
                refusals.entry((change, name, identifier, op, None)).or_insert_with(|| case.no_rule());
            }
            for rule in rules.iter().filter(|rule| rule.count(&people) < rule.threshold) {
                let other_holds = rules.iter().any(|other| other.count(&people) >= other.threshold);
                let refusal = || case.rule_fails(policy, rule, &people, other_holds);
                refusals.entry((change, name, identifier, op, Some(rule.id.as_str()))).or_insert_with(refusal);
            }
        }
    }
    Ok(refusals.into_values().collect())
}

impl Rule {
    pub(super) fn count(&self, people: &BTreeSet<&str>) -> usize {
        people.iter().filter(|person| self.by.contains(**person)).count()
    }
}

type Attributed<'a> = (&'a LineageName, Fact<'a>, Maker, Vec<usize>);

/// Every fact that is another one now, with who made it what it is, and the approved changes that kept it.
fn attributed<'a>(effective: &Effective<'a>, lists: &mut Lists<'_>) -> Result<Vec<Attributed<'a>>, Stop> {
    let Effective { base, head, walked, approved } = effective;
    let names: BTreeSet<_> =
        [base, head].into_iter().flat_map(|list| list.certificates()).map(|entry| &entry.name).collect();
    let differences =
        |name| Fact::differences(base.get(name), head.get(name)).into_iter().map(move |fact| (name, fact));
    let noted: BTreeSet<_> = approved.iter().filter_map(|approved| approved.at.as_ref()).flatten().copied().collect();
    let things = names.into_iter().flat_map(differences);
    let mut facts = Facts { head, lists };
    let traced = trace::trace(&walked.way, &walked.changes, things, true, |index| noted.contains(&index), &mut facts)?;
    Ok(traced.into_iter().map(|Traced { thing: (name, fact), maker, passed }| (name, fact, maker, passed)).collect())
}

/// Facts of entries of the list.
struct Facts<'l, 'a, 'o> {
    head: &'a List,
    lists: &'l mut Lists<'o>,
}

impl<'a> Versions for Facts<'_, 'a, '_> {
    type Thing = (&'a LineageName, Fact<'a>);
    type Version = Rc<List>;

    fn entry(&self, tree: ObjectId) -> Result<Option<TreeEntry>, Stop> {
        Ok(self.lists.entry(Some(tree))?.map(|(_, entry)| entry))
    }

    fn at(&mut self, tree: ObjectId) -> Result<Option<Rc<List>>, Stop> {
        self.lists.readable(Some(tree))
    }

    fn has(&self, list: &Rc<List>, (name, fact): &Self::Thing) -> bool {
        let [there, here] = [list.get(name), self.head.get(name)];
        there == here || fact.value(there) == fact.value(here)
    }
}

/// Who stands for a fact: whoever signed the change, and who approved of a list that has it, in or after that change.
fn people<'a>(
    root: &'a TrustRoot,
    effective: &'a Effective<'_>,
    name: &LineageName,
    fact: Fact<'_>,
    maker: &Maker,
    passed: &[usize],
) -> BTreeSet<&'a str> {
    let signed = match maker {
        Maker::One(index) => Some(&effective.walked.changes[*index].by),
        Maker::Several(_) | Maker::Nobody => None,
    };
    let signed = signed.and_then(|by| root.person(&by.key, &by.principal));
    let approved = effective.approved.iter().filter(|approved| {
        let kept = approved.at.as_ref().is_none_or(|at| passed.iter().any(|index| at.contains(index)));
        kept && approved.is_about(name, Some(fact), effective.head)
    });
    signed.into_iter().chain(approved.map(|approved| approved.approval.person.as_str())).collect()
}

/// The identifiers that a changed fact concerns: itself, or all of the entry for a setting.
fn at_stake<'a>(effective: &Effective<'a>, name: &LineageName, fact: Fact<'a>) -> Vec<(&'a Identifier, Op)> {
    let (before, after) = (effective.base.get(name), effective.head.get(name));
    match fact {
        Fact::Domain(identifier) => {
            let op = if fact.value(after).is_some() { Op::Add } else { Op::Remove };
            vec![(identifier, op)]
        }
        _ => {
            let op = if before.is_some() { Op::Change } else { Op::Add };
            let identifiers = after.into_iter().flat_map(|entry| &entry.identifiers);
            identifiers.map(|identifier| (identifier, op)).collect()
        }
    }
}

/// One identifier that is not covered.
struct Case<'a> {
    name: &'a LineageName,
    fact: Fact<'a>,
    identifier: &'a Identifier,
    op: Op,
    by: Option<&'a Change>,
    /// Whether somebody broke the list, and somebody else mended it.
    unclear: bool,
    head: &'a List,
}

impl Case<'_> {
    fn no_rule(&self) -> Refusal {
        let rule = if self.identifier.is_wildcard() { "no rule with `wildcard: true`" } else { "no rule" };
        let message = format!("{}: {rule} of the policy lets anybody {} it", self.what(), self.op.as_str());
        self.refusal(RuleId::Scope, message)
            .hint("take it back, or have those who keep the runner's policy add a rule for it")
    }

    fn rule_fails(&self, policy: &Policy, rule: &Rule, people: &BTreeSet<&str>, other_holds: bool) -> Refusal {
        let have = rule.count(people);
        let broken = match (have, other_holds) {
            (1.., _) => RuleId::Threshold,
            (0, true) => RuleId::EveryRule,
            (0, false) => RuleId::Scope,
        };
        let by = rule.by.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let counted: Vec<_> = people.iter().copied().filter(|person| rule.by.contains(*person)).collect();
        let counted = if have == 0 { "nobody".to_owned() } else { counted.join(", ") };
        let needs = format!("the rule `{}` needs {} of {by} and has {counted}", rule.id, rule.threshold);
        let missing = rule.threshold - have;
        let can = rule.by.iter().filter(|name| {
            !people.contains(name.as_str()) && policy.person(name).is_some_and(|person| !person.approves.is_empty())
        });
        let can: Vec<_> = can.map(String::as_str).collect();
        let refusal = self.refusal(broken, format!("{}: {needs}", self.what())).approvable(can.len() >= missing);
        if self.unclear {
            let hint = "the list could not be read for a while and was corrected by somebody else, so nobody can tell who \
                        changed what: take the commit back that broke it and make the change again";
            refusal.hint(hint)
        } else if can.len() >= missing {
            let who = can.join(", ");
            let of = if can.len() == missing { String::new() } else { format!("{missing} of ") };
            let person = if can.len() == 1 { &who } else { "NAME" };
            refusal.hint(format!("have it approved by {of}{who}: `countersign approve --person {person}`"))
        } else {
            refusal.hint(format!("have the change made and signed by one of {by}"))
        }
    }

    fn what(&self) -> String {
        let Self { name, fact, identifier, op, .. } = self;
        let by = self.by.map_or(String::new(), |change| format!(" by {}", change.by.principal));
        match (fact, op) {
            (Fact::Domain(_), Op::Remove) => format!("`{identifier}` is removed from `{name}`{by}"),
            (Fact::Domain(_), _) => format!("`{identifier}` is added to `{name}`{by}"),
            _ => format!("{} of `{name}`, which has `{identifier}`, is changed{by}", fact.changed()),
        }
    }

    fn refusal(&self, rule: RuleId, message: String) -> Refusal {
        let refusal = Refusal::new(rule, message).name(self.identifier).place(self.head.place(self.name));
        match self.by {
            Some(Change { commit, by, .. }) => {
                refusal.commit(&commit.to_commit()).key(by.key.clone()).principal(&by.principal)
            }
            None => refusal,
        }
    }
}
