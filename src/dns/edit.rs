//! Carries wishes about TXT values out, by compare and swap until the set stood still.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use tracing::debug;

use super::batch::{Edit, MOST_ANSWERS, TxtSet, Wish, split};
use crate::fault::Fault;
use crate::journal::{Proof, RecordSet, Txt};
use crate::port::Change;

/// How often a zone is read again after a refused batch.
const RETRIES: u32 = 5;

/// What stands at a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    Set(TxtSet),
    /// Multivalue answers beside each other, as cert-manager writes them. A simple set cannot stand beside them.
    Many(Vec<TxtSet>),
    /// TXT records with another routing policy, or an alias. A simple set cannot stand beside them.
    Unsupported(String),
}

/// The record sets of hosted zones.
#[async_trait]
pub trait Records: Sync {
    /// The TXT sets at `names`; a name without one is left out.
    async fn read(&self, zone: &str, names: &BTreeSet<&str>) -> Result<BTreeMap<String, Found>, Fault>;
    /// Carries a batch out as a whole. Gives the id of the change.
    async fn change(&self, zone: &str, batch: &[Edit]) -> Result<String, Fault>;
}

/// Names and the values that a wish is about.
pub type Wanted = BTreeMap<String, BTreeSet<String>>;

/// Every value ends in exactly one change. The id is empty where everything was as wished already.
///
/// A refused batch is read again and sent in smaller parts, so that one name that is always refused ends up alone.
pub async fn carry_out(records: &dyn Records, zone: &str, mut wanted: Wanted, wish: Wish) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut most = usize::MAX;
    let mut retry = 0;
    while !wanted.is_empty() {
        let found = match records.read(zone, &wanted.keys().map(String::as_str).collect()).await {
            Ok(found) => found,
            Err(fault) => {
                changes.push(Change { records: of_zone(zone, &wanted), result: Err(fault) });
                break;
            }
        };
        let (edits, settled) = sort_out(zone, std::mem::take(&mut wanted), &found, wish);
        changes.extend(settled);
        let (batches, too_large) = split(edits, most);
        for edit in too_large {
            let fault = oversized(&edit.name);
            changes
                .push(Change { records: of_zone(zone, &Wanted::from([(edit.name, edit.values)])), result: Err(fault) });
        }
        for batch in batches {
            let result = records.change(zone, &batch).await;
            let about: Wanted = batch.into_iter().map(|edit| (edit.name, edit.values)).collect();
            match &result {
                Err(fault) if is_open(fault) && retry < RETRIES => {
                    debug!(zone, %fault, names = about.len(), "reading again");
                    most = most.min((about.len() / 8).max(1));
                    wanted.extend(about);
                }
                _ => changes.push(Change { records: of_zone(zone, &about), result }),
            }
        }
        retry += 1;
    }
    changes
}

/// What has to be done, and what is decided without it.
fn sort_out(zone: &str, wanted: Wanted, found: &BTreeMap<String, Found>, wish: Wish) -> (Vec<Edit>, Vec<Change>) {
    let (mut edits, mut settled) = (Vec::new(), Vec::new());
    for (name, values) in wanted {
        let result = match found.get(&name) {
            Some(Found::Unsupported(what)) => Err(unsupported(&name, what)),
            Some(Found::Set(set)) => Ok(Edit::new(&name, &values, Some(set), wish)),
            Some(Found::Many(others)) => match Edit::beside(&name, &values, others, wish) {
                Some(edit) if others.len() + edit.new.len() > MOST_ANSWERS => Err(too_many(&name, others.len())),
                edit => Ok(edit),
            },
            None => Ok(Edit::new(&name, &values, None, wish)),
        };
        let result = match result {
            Ok(Some(edit)) => {
                edits.push(edit);
                continue;
            }
            Ok(None) => Ok(String::new()),
            Err(fault) => Err(fault),
        };
        settled.push(Change { records: of_zone(zone, &Wanted::from([(name, values)])), result });
    }
    (edits, settled)
}

fn of_zone(zone: &str, wanted: &Wanted) -> Vec<Proof> {
    let set = |name: &String| RecordSet { zone: zone.to_owned(), name: name.clone() };
    let of_name = |(name, values): (&String, &BTreeSet<String>)| -> Vec<Proof> {
        values.iter().map(|value| Proof::Txt(Txt { set: set(name), value: value.clone() })).collect()
    };
    wanted.iter().flat_map(of_name).collect()
}

/// Refused because the sets are not as they were read, or perhaps carried out with the answer lost: reading tells.
fn is_open(fault: &Fault) -> bool {
    matches!(fault.code.as_str(), "route53:InvalidChangeBatch" | "route53:unreachable")
}

fn unsupported(name: &str, what: &str) -> Fault {
    Fault::new(
        "route53:unsupported-set",
        format!("the TXT records at {name} are {what}, not a simple set or multivalue answers"),
    )
    .hint("take those records away, or lead the name elsewhere with a CNAME record")
}

/// More than one answer holds: some of them would not be seen, now and then ours.
fn too_many(name: &str, there: usize) -> Fault {
    let message = format!("{there} multivalue answers stand at {name}, and Route53 gives {MOST_ANSWERS} at most");
    Fault::new("route53:too-many-answers", message).hint("take those away that nobody needs any more")
}

fn oversized(name: &str) -> Fault {
    Fault::new("route53:too-large", format!("the TXT set at {name} is larger than one request may be"))
        .hint("take old values away from the set")
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use proptest::prelude::*;

    use super::*;
    use crate::dns::txt;
    use crate::dns::txts;

    /// A zone that refuses what Route53 refuses, with somebody else who writes between read and change.
    #[derive(Default)]
    struct Rival {
        sets: Mutex<BTreeMap<String, TxtSet>>,
        /// Values that the other one adds to `n0`, one before each change.
        intrusions: Mutex<Vec<String>>,
        /// A name whose changes are always refused.
        cursed: Option<&'static str>,
        sizes: Mutex<Vec<usize>>,
    }

    #[async_trait]
    impl Records for Rival {
        async fn read(&self, _: &str, names: &BTreeSet<&str>) -> Result<BTreeMap<String, Found>, Fault> {
            let sets = self.sets.lock().unwrap();
            let found = names.iter().filter_map(|name| sets.get(*name));
            Ok(found.map(|set| (set.name.clone(), Found::Set(set.clone()))).collect())
        }

        async fn change(&self, _: &str, batch: &[Edit]) -> Result<String, Fault> {
            let mut sets = self.sets.lock().unwrap();
            self.sizes.lock().unwrap().push(batch.len());
            if let Some(value) = self.intrusions.lock().unwrap().pop() {
                let empty = || TxtSet { name: "n0".into(), ttl: 300, records: Vec::new(), id: None };
                sets.entry("n0".into()).or_insert_with(empty).records.push(txt::quote(value.as_bytes()));
            }
            let refused = |edit: &Edit| sets.get(&edit.name) != edit.old.first() || self.cursed == Some(&edit.name);
            if batch.iter().any(refused) {
                return Err(Fault::new("route53:InvalidChangeBatch", "not as it was"));
            }
            for edit in batch {
                match edit.new.first() {
                    Some(set) => sets.insert(edit.name.clone(), set.clone()),
                    None => sets.remove(&edit.name),
                };
            }
            Ok("C1".to_owned())
        }
    }

    impl Rival {
        fn values(&self, name: &str) -> BTreeSet<String> {
            let sets = self.sets.lock().unwrap();
            let texts = sets.get(name).into_iter().flat_map(|set| set.records.clone());
            texts.map(|text| String::from_utf8(txt::unquote(&text).unwrap()).unwrap()).collect()
        }
    }

    fn wanted(names: usize) -> BTreeMap<String, BTreeSet<String>> {
        (0..names).map(|at| (format!("n{at}"), BTreeSet::from([format!("mine{at}")]))).collect()
    }

    fn run(records: &Rival, wanted: BTreeMap<String, BTreeSet<String>>, wish: Wish) -> Vec<Change> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(carry_out(records, "Z1", wanted, wish))
    }

    #[test]
    fn names_of_one_zone_are_one_change() {
        let zone = Rival::default();
        let changes = run(&zone, wanted(100), Wish::Present(60));
        assert_eq!(changes.iter().map(|change| change.records.len()).collect::<Vec<_>>(), [100]);
    }

    #[test]
    fn what_is_as_wished_is_a_change_without_an_id() {
        let zone = Rival::default();
        run(&zone, wanted(1), Wish::Present(60));
        assert_eq!(run(&zone, wanted(1), Wish::Present(60))[0].result, Ok(String::new()));
    }

    #[test]
    fn what_was_presented_is_cleaned_up_without_a_rest() {
        let zone = Rival::default();
        run(&zone, wanted(3), Wish::Present(60));
        run(&zone, wanted(3), Wish::Absent);
        assert!(zone.sets.lock().unwrap().is_empty());
    }

    #[test]
    fn a_name_that_is_always_refused_fails_alone() {
        let zone = Rival { cursed: Some("n7"), ..Rival::default() };
        let changes = run(&zone, wanted(355), Wish::Present(60));
        let failed: Vec<_> = changes.iter().filter(|change| change.result.is_err()).collect();
        assert_eq!(
            failed.iter().flat_map(|change| txts(&change.records)).map(|txt| &txt.set.name).collect::<Vec<_>>(),
            ["n7"]
        );
        assert_eq!(zone.sets.lock().unwrap().len(), 354);
    }

    #[test]
    fn a_rival_who_never_rests_ends_the_tries() {
        let zone = Rival { intrusions: Mutex::new((0..100).map(|at| format!("f{at}")).collect()), ..Rival::default() };
        let changes = run(&zone, wanted(1), Wish::Present(60));
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].result.as_ref().unwrap_err().code, "route53:InvalidChangeBatch");
        assert_eq!(zone.sizes.lock().unwrap().len(), 6);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn no_foreign_value_is_lost_and_every_value_is_in_one_change(
            foreign in proptest::collection::vec("[a-z]{1,4}", 0..5),
            names in 1..40_usize,
        ) {
            let zone = Rival { intrusions: Mutex::new(foreign.clone()), ..Rival::default() };
            let changes = run(&zone, wanted(names), Wish::Present(60));
            let mut told: Vec<_> = changes.iter().flat_map(|change| txts(&change.records)).map(|txt| &txt.value).collect();
            told.sort();
            let mut all: Vec<String> = (0..names).map(|at| format!("mine{at}")).collect();
            all.sort();
            prop_assert_eq!(told, all.iter().collect::<Vec<_>>());
            prop_assert!(changes.iter().all(|change| change.result.is_ok()));
            let left = zone.intrusions.lock().unwrap().len();
            let written: BTreeSet<String> = foreign[left..].iter().cloned().chain(["mine0".to_owned()]).collect();
            prop_assert_eq!(zone.values("n0"), written);

            zone.intrusions.lock().unwrap().clear();
            run(&zone, wanted(names), Wish::Absent);
            prop_assert_eq!(zone.values("n0"), foreign[left..].iter().cloned().collect::<BTreeSet<_>>());
        }
    }
}
