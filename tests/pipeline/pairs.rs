//! Crashes at every ordered pair of boundaries, for first certificates and for renewals. Takes minutes.

use std::sync::atomic::{AtomicUsize, Ordering};

use countersign::failpoint::PLACES;

use super::crash::{assert_whole, crash, lab};
use super::rig::Lab;

/// Works on all items, on as many beside each other as there are processors.
pub fn beside_each_other<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::SeqCst)) {
                    work(item);
                }
            });
        }
    });
}

#[expect(clippy::print_stdout, reason = "docs/soak.md keeps the figures")]
fn all_pairs(start: impl Fn() -> (Lab, u64) + Sync) {
    let places = || PLACES.iter();
    let pairs: Vec<(&str, &str)> = places().flat_map(|a| places().map(|b| (*a, *b))).collect();
    beside_each_other(&pairs, |(first, second)| {
        let (lab, version) = start();
        for place in [first, second] {
            let ran = crash(&lab, place);
            assert!(ran.code.is_none() || ran.code == Some(0), "after {first}, {second}: {ran:?}");
        }
        assert_whole(&lab, version, &[first, second]);
    });
    println!("{} pairs", pairs.len());
}

#[test]
fn two_crashes_on_the_way_to_a_first_certificate_cost_no_second_one() {
    all_pairs(|| (lab(), 1));
}

#[test]
fn two_crashes_on_the_way_to_a_renewal_cost_no_second_one() {
    all_pairs(|| {
        let lab = lab();
        lab.done();
        lab.make_due("www");
        lab.sandbox.log().clear();
        (lab, 2)
    });
}
