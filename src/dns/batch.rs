//! Compare-and-swap batches: delete exactly what was read, create it with the difference. Pure.
//!
//! Route53 carries a batch out as a whole or not at all, and a DELETE must repeat the set exactly. So a value that
//! somebody else writes in between makes the batch fail instead of being lost.

use std::collections::BTreeSet;

use super::txt;
use crate::name::Digest;

/// ResourceRecord elements in one request (Route 53 Developer Guide, "Quotas").
const MAX_RECORDS: usize = 1000;
/// Characters of all Value elements in one request, quotes counted.
const MAX_CHARACTERS: usize = 32_000;

/// Multivalue answers that Route53 gives to one question (Route 53 Developer Guide, "Multivalue answer routing").
pub const MOST_ANSWERS: usize = 8;
/// What the set identifiers of our multivalue answers begin with.
const OURS: &str = "countersign-";

/// A TXT record set as Route53 shows it: a simple one, or one of several multivalue answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxtSet {
    /// Lower case, without a trailing dot.
    pub name: String,
    pub ttl: i64,
    /// In Route53's text form, untouched: a DELETE has to repeat them.
    pub records: Vec<String>,
    /// The set identifier of a multivalue answer.
    pub id: Option<String>,
}

/// The step from one state of a name to the next, for some values of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    pub name: String,
    pub values: BTreeSet<String>,
    /// Sets that go.
    pub old: Vec<TxtSet>,
    /// Sets that come.
    pub new: Vec<TxtSet>,
}

/// What shall become of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Beside whatever is there. A new set gets this TTL in seconds, an existing one keeps its own.
    Present(i64),
    Absent,
}

impl Edit {
    /// `None` if everything is as wished already.
    pub fn new(name: &str, values: &BTreeSet<String>, old: Option<&TxtSet>, wish: Wish) -> Option<Self> {
        let new = match wish {
            Wish::Present(ttl) => Some(with(name, values, old, ttl)),
            Wish::Absent => without(values, old?),
        };
        if new.as_ref() == old {
            return None;
        }
        let (old, new) = (old.cloned().into_iter().collect(), new.into_iter().collect());
        Some(Self { name: name.to_owned(), values: values.clone(), old, new })
    }

    /// The same beside multivalue answers: each value of ours is one more of them, and nobody else's is touched. `None` if
    /// everything is as wished already.
    pub fn beside(name: &str, values: &BTreeSet<String>, others: &[TxtSet], wish: Wish) -> Option<Self> {
        let holds = |set: &TxtSet, value: &str| set.records.iter().any(|text| is(text, value));
        let (old, new): (Vec<TxtSet>, Vec<TxtSet>) = match wish {
            Wish::Present(ttl) => {
                let missing = values.iter().filter(|value| !others.iter().any(|set| holds(set, value)));
                (Vec::new(), missing.map(|value| answer(name, value, ttl)).collect())
            }
            Wish::Absent => {
                let ours = values.iter().map(|value| answer(name, value, 0).id).collect::<BTreeSet<_>>();
                (others.iter().filter(|set| ours.contains(&set.id)).cloned().collect(), Vec::new())
            }
        };
        let changes = !old.is_empty() || !new.is_empty();
        changes.then(|| Self { name: name.to_owned(), values: values.clone(), old, new })
    }

    /// Resource records and their characters, in the DELETE and the CREATE together.
    fn size(&self) -> (usize, usize) {
        let records = self.old.iter().chain(&self.new).flat_map(|set| &set.records);
        records.fold((0, 0), |(count, characters), text| (count + 1, characters + text.chars().count()))
    }
}

/// A multivalue answer of one value. The identifier says whose it is, and tells it from the others.
fn answer(name: &str, value: &str, ttl: i64) -> TxtSet {
    let id = format!("{OURS}{}", &Digest::of(value.as_bytes()).to_hex()[..16]);
    TxtSet { name: name.to_owned(), ttl, records: vec![txt::quote(value.as_bytes())], id: Some(id) }
}

fn with(name: &str, values: &BTreeSet<String>, old: Option<&TxtSet>, ttl: i64) -> TxtSet {
    let empty = || TxtSet { name: name.to_owned(), ttl, records: Vec::new(), id: None };
    let mut set = old.cloned().unwrap_or_else(empty);
    for value in values {
        if !set.records.iter().any(|text| is(text, value)) {
            set.records.push(txt::quote(value.as_bytes()));
        }
    }
    set
}

/// `None` if nothing is left.
fn without(values: &BTreeSet<String>, old: &TxtSet) -> Option<TxtSet> {
    let mut set = old.clone();
    set.records.retain(|text| !values.iter().any(|value| is(text, value)));
    (!set.records.is_empty()).then_some(set)
}

fn is(text: &str, value: &str) -> bool {
    txt::unquote(text).as_deref() == Some(value.as_bytes())
}

/// Edits in requests that Route53 takes, at most `most` in each, and those that are too large even alone.
pub fn split(edits: Vec<Edit>, most: usize) -> (Vec<Vec<Edit>>, Vec<Edit>) {
    let fits = |(records, characters): (usize, usize)| records <= MAX_RECORDS && characters <= MAX_CHARACTERS;
    let (edits, too_large): (Vec<_>, Vec<_>) = edits.into_iter().partition(|edit| fits(edit.size()));
    let mut batches: Vec<Vec<Edit>> = Vec::new();
    let mut room = (0, 0);
    for edit in edits {
        let size = edit.size();
        let sum = (room.0 + size.0, room.1 + size.1);
        match batches.last_mut().filter(|batch| fits(sum) && batch.len() < most) {
            Some(batch) => {
                room = sum;
                batch.push(edit);
            }
            None => {
                room = size;
                batches.push(vec![edit]);
            }
        }
    }
    (batches, too_large)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(list: &[&str]) -> BTreeSet<String> {
        list.iter().map(|value| (*value).to_owned()).collect()
    }

    fn set(ttl: i64, records: &[&str]) -> TxtSet {
        TxtSet { name: "n".into(), ttl, records: records.iter().map(|text| (*text).to_owned()).collect(), id: None }
    }

    /// One challenge value gives way to another.
    fn swap(at: usize) -> Edit {
        let set = |letter: &str| TxtSet {
            name: format!("n{at}"),
            ttl: 60,
            records: vec![format!("\"{}\"", letter.repeat(43))],
            id: None,
        };
        Edit { name: format!("n{at}"), values: BTreeSet::new(), old: vec![set("o")], new: vec![set("n")] }
    }

    #[test]
    fn a_value_is_added_beside_what_is_there_and_the_ttl_stays() {
        let old = set(300, &[r#""foreign""#]);
        let edit = Edit::new("n", &values(&["mine"]), Some(&old), Wish::Present(60)).unwrap();
        assert_eq!((edit.old, edit.new), (vec![old], vec![set(300, &[r#""foreign""#, r#""mine""#])]));
    }

    #[test]
    fn a_new_set_is_only_created() {
        let edit = Edit::new("n", &values(&["a", "b"]), None, Wish::Present(60)).unwrap();
        assert_eq!((edit.old, edit.new), (vec![], vec![set(60, &[r#""a""#, r#""b""#])]));
    }

    #[test]
    fn a_value_that_is_there_needs_no_edit() {
        let old = set(300, &[r#""mi" "ne""#]);
        assert_eq!(Edit::new("n", &values(&["mine"]), Some(&old), Wish::Present(60)), None);
    }

    #[test]
    fn only_own_values_are_taken_away() {
        let old = set(60, &[r#""foreign""#, r#""mine""#, "unreadable"]);
        let edit = Edit::new("n", &values(&["mine"]), Some(&old), Wish::Absent).unwrap();
        assert_eq!(edit.new, [set(60, &[r#""foreign""#, "unreadable"])]);
    }

    #[test]
    fn a_set_that_becomes_empty_is_deleted() {
        let old = set(60, &[r#""mine""#]);
        let edit = Edit::new("n", &values(&["mine"]), Some(&old), Wish::Absent).unwrap();
        assert_eq!((edit.old, edit.new), (vec![old], vec![]));
    }

    #[test]
    fn a_value_that_is_gone_needs_no_edit() {
        assert_eq!(Edit::new("n", &values(&["mine"]), None, Wish::Absent), None);
        assert_eq!(Edit::new("n", &values(&["mine"]), Some(&set(60, &[r#""x""#])), Wish::Absent), None);
    }

    #[test]
    fn beside_multivalue_answers_each_value_is_one_more_and_others_stay() {
        let foreign = TxtSet { id: Some("cert-manager".into()), ..set(300, &[r#""foreign""#]) };
        let added = Edit::beside("n", &values(&["mine"]), std::slice::from_ref(&foreign), Wish::Present(60)).unwrap();
        assert_eq!((added.old.len(), added.new[0].records.as_slice()), (0, [r#""mine""#.to_owned()].as_slice()));
        let all = [foreign.clone(), added.new[0].clone()];
        assert_eq!(Edit::beside("n", &values(&["mine"]), &all, Wish::Present(60)), None);
        let removed = Edit::beside("n", &values(&["mine"]), &all, Wish::Absent).unwrap();
        assert_eq!((removed.old, removed.new), (added.new, vec![]));
        let theirs = Edit::beside("n", &values(&["foreign"]), &all, Wish::Absent);
        assert_eq!(theirs, None, "only what we put there is taken away");
    }

    #[test]
    fn a_request_takes_355_swaps_of_challenge_values() {
        let (batches, _) = split((0..711).map(swap).collect(), usize::MAX);
        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [355, 355, 1]);
    }

    #[test]
    fn a_set_that_no_request_takes_is_put_aside() {
        let old = TxtSet { name: "n".into(), ttl: 60, records: vec![format!("\"{}\"", "x".repeat(20_000))], id: None };
        let edit = Edit::new("n", &values(&["mine"]), Some(&old), Wish::Present(60)).unwrap();
        assert_eq!(split(vec![edit.clone()], usize::MAX), (vec![], vec![edit]));
    }

    proptest! {
        #[test]
        fn no_request_is_larger_than_route53_takes_and_no_edit_is_lost(
            sizes in proptest::collection::vec((0..30_usize, 0..600_usize), 0..200),
            most in 1..400_usize,
        ) {
            let edits: Vec<Edit> = sizes.iter().enumerate().map(|(at, (count, length))| {
                let record = txt::quote("x".repeat(*length).as_bytes());
                let old = TxtSet { name: format!("n{at}"), ttl: 60, records: vec![record; *count], id: None };
                Edit::new(&old.name, &values(&["mine"]), Some(&old), Wish::Present(60)).unwrap()
            }).collect();
            let (batches, too_large) = split(edits.clone(), most);
            for batch in &batches {
                let sets = || batch.iter().flat_map(|edit| edit.old.iter().chain(&edit.new));
                prop_assert!(sets().map(|set| set.records.len()).sum::<usize>() <= 1000);
                prop_assert!(sets().flat_map(|set| &set.records).map(String::len).sum::<usize>() <= 32_000);
                prop_assert!(!batch.is_empty() && batch.len() <= most);
            }
            let names = |edits: Vec<Edit>| edits.into_iter().map(|edit| edit.name).collect::<BTreeSet<_>>();
            let mut split_names = names(batches.concat());
            split_names.extend(names(too_large));
            prop_assert_eq!(split_names, names(edits));
        }

        #[test]
        fn what_was_added_and_taken_away_leaves_the_set_as_it_was(
            foreign in proptest::collection::btree_set("[a-z]{1,5}", 1..6),
            mine in proptest::collection::btree_set("[A-Z]{1,5}", 1..6),
        ) {
            let old = TxtSet {
                name: "n".into(),
                ttl: 300,
                records: foreign.iter().map(|value| txt::quote(value.as_bytes())).collect(),
                id: None,
            };
            let added = Edit::new("n", &mine, Some(&old), Wish::Present(60)).unwrap().new;
            let back = Edit::new("n", &mine, added.first(), Wish::Absent).unwrap().new;
            prop_assert_eq!(back, [old]);
        }
    }
}
