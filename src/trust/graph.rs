//! The commit graph: which commits are new, and where two lines met last.
//!
//! Answers depend on parent links alone. Commit times are chosen by whoever commits and decide nothing.

use std::collections::{BinaryHeap, HashMap, HashSet};
use std::rc::Rc;

use crate::trust::object::{ObjectId, Objects};
use crate::trust::refusal::{Refusal, RuleId, Stop};
use crate::trust::walk;

/// A walk may meet this many commits.
const MAX_COMMITS: usize = 200_000;
/// The merges of a walk may take this many steps: each goes back to where its lines parted.
const MAX_STEPS: usize = 100_000_000;

pub struct Graph<'a> {
    objects: &'a dyn Objects,
    parents: HashMap<ObjectId, Rc<[ObjectId]>>,
    /// Length of the longest way to a root.
    depth: HashMap<ObjectId, u32>,
    /// Commits met by all searches for merge bases so far.
    steps: usize,
}

impl<'a> Graph<'a> {
    pub fn new(objects: &'a dyn Objects) -> Self {
        Self { objects, parents: HashMap::new(), depth: HashMap::new(), steps: 0 }
    }

    /// Every commit that `head` has and `base` has not, parents first. `None` if `head` does not descend from `base`.
    pub fn range(&mut self, head: ObjectId, base: ObjectId) -> Result<Option<Vec<ObjectId>>, Stop> {
        if head == base {
            return Ok(Some(Vec::new()));
        }
        let mut order = self.post_order(head, |id| id == base)?;
        let mut above = HashSet::from([base]);
        for id in &order {
            if self.parents(*id)?.iter().any(|parent| above.contains(parent)) {
                above.insert(*id);
            }
        }
        if !above.contains(&head) {
            return Ok(None);
        }
        // A commit that does not descend from the base is on a side line, or as old as the base itself.
        if above.len() <= order.len() {
            let old: HashSet<_> = self.post_order(base, |_| false)?.into_iter().collect();
            order.retain(|id| !old.contains(id));
        }
        Ok(Some(order))
    }

    /// `base` and all below it; not below `stop`, unless that is `base` itself.
    pub fn down_to(&mut self, base: ObjectId, stop: ObjectId) -> Result<Vec<ObjectId>, Stop> {
        let mut order = self.post_order(base, |id| id == stop)?;
        order.push(stop);
        Ok(order)
    }

    /// Whether `old` is `new` or one of its ancestors.
    pub fn is_ancestor(&mut self, old: ObjectId, new: ObjectId) -> Result<bool, Stop> {
        let mut seen = HashSet::new();
        let mut open = vec![new];
        while let Some(id) = open.pop() {
            if id == old {
                return Ok(true);
            }
            if seen.insert(id) {
                open.extend(self.parents(id)?.iter());
            }
        }
        Ok(false)
    }

    /// The common ancestors that are not ancestors of another common ancestor. Two or more after criss-cross merges.
    pub fn merge_bases(&mut self, one: ObjectId, other: ObjectId) -> Result<Vec<ObjectId>, Stop> {
        const ONE: u8 = 1;
        const OTHER: u8 = 2;
        const BELOW: u8 = 4;
        self.measure(one)?;
        self.measure(other)?;
        let mut marks = HashMap::from([(one, ONE)]);
        *marks.entry(other).or_insert(0) |= OTHER;
        let mut open: BinaryHeap<_> = marks.keys().map(|id| (self.depth[id], *id)).collect();
        // So many of `open` may still lead to a base.
        let mut undecided = open.len();
        let mut bases = Vec::new();
        // Deeper commits come first, so all marks of a commit are there when it is taken.
        while undecided > 0
            && let Some((_, id)) = open.pop()
        {
            self.count_step(id)?;
            let mut mark = marks[&id];
            undecided -= usize::from(mark & BELOW == 0);
            if mark == ONE | OTHER {
                bases.push(id);
                mark |= BELOW;
            }
            for parent in self.parents(id)?.iter() {
                let known = marks.entry(*parent).or_insert_with(|| {
                    open.push((self.depth[parent], *parent));
                    undecided += 1;
                    0
                });
                undecided -= usize::from(mark & BELOW != 0 && *known & BELOW == 0);
                *known |= mark;
            }
        }
        Ok(bases)
    }

    fn count_step(&mut self, id: ObjectId) -> Result<(), Refusal> {
        self.steps += 1;
        if self.steps <= MAX_STEPS {
            return Ok(());
        }
        let message = format!("its merges reach back so far that it takes more than {MAX_STEPS} steps to judge them");
        Err(Refusal::new(RuleId::Limits, message)
            .commit(&id.to_commit())
            .hint("rebase old branches before they are merged, or move the introduction forward to a reviewed commit"))
    }

    pub fn parents(&mut self, id: ObjectId) -> Result<Rc<[ObjectId]>, Stop> {
        if let Some(parents) = self.parents.get(&id) {
            return Ok(parents.clone());
        }
        if self.parents.len() == MAX_COMMITS {
            return Err(Refusal::new(
                RuleId::Limits,
                format!("the history has more than {MAX_COMMITS} commits to walk"),
            )
            .commit(&id.to_commit())
            .hint("move the introduction forward to a newer commit that was reviewed")
            .into());
        }
        let Some(parents) = self.objects.parents(id)? else {
            return Err(walk::malformed(self.objects, id)?.into());
        };
        let parents: Rc<[ObjectId]> = parents.into();
        self.parents.insert(id, parents.clone());
        Ok(parents)
    }

    /// What can be reached from `start` without passing through where `stop` says so: parents before children.
    fn post_order(&mut self, start: ObjectId, stop: impl Fn(ObjectId) -> bool) -> Result<Vec<ObjectId>, Stop> {
        let mut order = Vec::new();
        let mut seen = HashSet::from([start]);
        let mut path = vec![(start, self.parents(start)?, 0)];
        while let Some((id, parents, next)) = path.last_mut() {
            match parents.get(*next).copied() {
                Some(parent) => {
                    *next += 1;
                    if !stop(parent) && seen.insert(parent) {
                        path.push((parent, self.parents(parent)?, 0));
                    }
                }
                None => {
                    order.push(*id);
                    path.pop();
                }
            }
        }
        Ok(order)
    }

    fn measure(&mut self, start: ObjectId) -> Result<(), Stop> {
        let mut path = vec![start];
        while let Some(id) = path.last().copied() {
            let parents = self.parents(id)?;
            let before = path.len();
            path.extend(parents.iter().filter(|parent| !self.depth.contains_key(parent)));
            if path.len() == before {
                let depth = parents.iter().map(|parent| self.depth[parent] + 1).max().unwrap_or(0);
                self.depth.insert(id, depth);
                path.pop();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fault::Fault;
    use crate::trust::object::{Hazard, NamedEntry, RawCommit, TreeEntry};

    /// Commit `i` has the parents `self.0[i]`, all smaller than `i`.
    #[derive(Debug)]
    struct Dag(Vec<Vec<usize>>);

    /// A history of which only the links are known.
    struct Links<F>(F);

    impl<F: Fn(ObjectId) -> Vec<ObjectId>> Objects for Links<F> {
        fn parents(&self, of: ObjectId) -> Result<Option<Vec<ObjectId>>, Fault> {
            Ok(Some(self.0(of)))
        }
        fn hazards(&self) -> Result<Vec<Hazard>, Fault> {
            unreachable!()
        }
        fn commit(&self, _: ObjectId) -> Result<Option<RawCommit>, Fault> {
            unreachable!()
        }
        fn entry(&self, _: ObjectId, _: &str) -> Result<Option<TreeEntry>, Fault> {
            unreachable!()
        }
        fn tree(&self, _: ObjectId) -> Result<Vec<NamedEntry>, Fault> {
            unreachable!()
        }
        fn blob(&self, _: ObjectId, _: usize) -> Result<Option<Vec<u8>>, Fault> {
            unreachable!()
        }
    }

    #[test]
    fn a_history_without_end_is_walked_up_to_the_limit() {
        let (head, base) = (ObjectId::new([0; 20]), ObjectId::new([255; 20]));
        let endless = Links(|id: ObjectId| {
            let mut bytes = *id.as_bytes();
            let next = u64::from_be_bytes(bytes[..8].try_into().unwrap()) + 1;
            bytes[..8].copy_from_slice(&next.to_be_bytes());
            vec![ObjectId::new(bytes)]
        });
        let rules = |stop| match stop {
            Stop::Refused(refused) => refused.refusals.iter().map(|refusal| refusal.rule).collect::<Vec<_>>(),
            Stop::Fault(fault) => panic!("{fault}"),
        };
        let mut graph = Graph::new(&endless);
        assert_eq!(rules(graph.range(head, base).unwrap_err()), [RuleId::Limits]);
        assert_eq!(graph.parents.len(), MAX_COMMITS);
        assert_eq!(rules(Graph::new(&endless).is_ancestor(base, head).unwrap_err()), [RuleId::Limits]);
        assert_eq!(rules(Graph::new(&endless).merge_bases(head, base).unwrap_err()), [RuleId::Limits]);
    }

    #[test]
    fn merges_that_reach_back_far_are_judged_up_to_the_limit() {
        let dag = Dag(vec![vec![], vec![0], vec![0]]);
        let links = dag.links();
        let mut graph = Graph { steps: MAX_STEPS - 2, ..Graph::new(&links) };
        match graph.merge_bases(id(1), id(2)) {
            Err(Stop::Refused(refused)) => assert_eq!(refused.refusals[0].rule, RuleId::Limits),
            other => panic!("{other:?}"),
        }
    }

    fn id(number: usize) -> ObjectId {
        let mut bytes = [0; 20];
        bytes[..2].copy_from_slice(&u16::try_from(number).unwrap().to_be_bytes());
        // Ids must not sort like the history.
        bytes[2] = (number * 167 % 251) as u8;
        bytes.rotate_left(2);
        ObjectId::new(bytes)
    }

    impl Dag {
        fn links(&self) -> Links<impl Fn(ObjectId) -> Vec<ObjectId>> {
            Links(|of| {
                let number = (0..self.0.len()).find(|number| id(*number) == of).unwrap();
                self.0[number].iter().map(|parent| id(*parent)).collect()
            })
        }

        /// `number` and everything below it.
        fn closure(&self, number: usize) -> HashSet<usize> {
            let mut closure = HashSet::from([number]);
            for at in (0..=number).rev() {
                if closure.contains(&at) {
                    closure.extend(&self.0[at]);
                }
            }
            closure
        }
    }

    fn dag() -> impl Strategy<Value = Dag> {
        prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..8_u8), 2..24).prop_map(
            |picks| {
                let parents = |(number, (one, other, kind)): (usize, &(_, prop::sample::Index, _))| {
                    let (one, other): (&prop::sample::Index, _) = (one, other);
                    match (number, kind) {
                        (0, _) | (_, 0) => vec![],
                        (_, 1..=4) => vec![number - 1 - one.index(number.min(3))],
                        _ if one.index(number) == other.index(number) => vec![one.index(number)],
                        _ => vec![one.index(number), other.index(number)],
                    }
                };
                Dag(picks.iter().enumerate().map(parents).collect())
            },
        )
    }

    proptest! {
        #[test]
        fn a_range_is_what_the_head_has_and_the_base_has_not(dag in dag(), pick in any::<prop::sample::Index>()) {
            let head = dag.0.len() - 1;
            let base = pick.index(dag.0.len());
            let range = Graph::new(&dag.links()).range(id(head), id(base)).unwrap();
            prop_assert_eq!(range.is_some(), dag.closure(head).contains(&base));
            if let Some(range) = range {
                let expected: HashSet<_> = (&dag.closure(head) - &dag.closure(base)).into_iter().map(id).collect();
                prop_assert_eq!(range.iter().copied().collect::<HashSet<_>>(), expected);
                let place = |of: usize| range.iter().position(|at| *at == id(of));
                for (child, parents) in dag.0.iter().enumerate() {
                    for parent in parents {
                        prop_assert!(place(child).is_none() || place(*parent) < place(child));
                    }
                }
            }
        }

        #[test]
        fn merge_bases_are_the_best_common_ancestors(dag in dag(), one in any::<prop::sample::Index>(), other in any::<prop::sample::Index>()) {
            let (one, other) = (one.index(dag.0.len()), other.index(dag.0.len()));
            let common = &dag.closure(one) & &dag.closure(other);
            let best = |at: &usize| !common.iter().any(|of| of != at && dag.closure(*of).contains(at));
            let expected: HashSet<_> = common.iter().copied().filter(best).map(id).collect();
            let bases = Graph::new(&dag.links()).merge_bases(id(one), id(other)).unwrap();
            prop_assert_eq!(bases.into_iter().collect::<HashSet<_>>(), expected);
        }

        #[test]
        fn an_ancestor_is_below_or_the_same(dag in dag(), one in any::<prop::sample::Index>(), other in any::<prop::sample::Index>()) {
            let (one, other) = (one.index(dag.0.len()), other.index(dag.0.len()));
            prop_assert_eq!(Graph::new(&dag.links()).is_ancestor(id(one), id(other)).unwrap(), dag.closure(other).contains(&one));
        }
    }
}
