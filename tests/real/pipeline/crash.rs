//! A crash at a boundary of the journal, at a CA that is not ours: Pebble has no order reuse and validates for real.

#[cfg(feature = "soak")]
use countersign::failpoint::PLACES;
use countersign::failpoint::VARIABLE;

use super::scene::{Scene, WWW, said};

/// The run dies there; the next one finishes, with one certificate from one account.
fn assert_survives(places: &[&'static str]) {
    for place in places {
        let mut scene = Scene::of(WWW);
        scene.runner.env.insert(VARIABLE, (*place).to_owned());
        let run = scene.runner.apply();
        assert_eq!(run.code, None, "{place}: {}", said(&run));
        scene.runner.env.remove(VARIABLE);
        let run = scene.runner.apply();
        assert_eq!(run.code, Some(0), "{place}: {}", said(&run));
        // Pebble does not find an order again whose URL was lost.
        let lost = usize::from(*place == "after-new-order");
        let requests = scene.requests();
        assert_eq!((requests.new_order, requests.finalize), (1 + lost, 1), "{place}");
        assert_eq!(scene.challenge_values(), Vec::<String>::new(), "{place}");
        let pointer = &scene.bucket()["certs/www/current.json"].body;
        assert!(pointer.contains("\"sequence\":1") || pointer.contains("\"sequence\": 1"), "{place}: {pointer}");
    }
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn a_crash_around_the_order_costs_pebble_no_second_certificate() {
    assert_survives(&["after-new-order", "after-challenge", "after-finalize", "after-manifest"]);
}

#[test]
#[cfg(feature = "soak")]
#[ignore = "needs the lab: ci/install"]
fn a_crash_anywhere_costs_pebble_no_second_certificate() {
    assert_survives(&PLACES);
}
