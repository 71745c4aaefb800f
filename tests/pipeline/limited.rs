//! The CA's limits: what the ledger knows of them, and what the CA says when it does not.

use std::collections::BTreeSet;
use std::time::Duration;

use countersign::clock::SystemClock;
use countersign::failpoint::VARIABLE;
use countersign::ledger::{End, Ledger, Order, Price};
use countersign::name::{Identifier, LineageName};
use countersign::port::{Clock, Store};
use countersign::sandbox::{CaOptions, Mishap, RateLimits};

use super::rig::{Lab, Ran};

const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// Three names of one domain more than a week has room for, and one of another.
const NAMES: [(&str, &str); 6] = [
    ("a", "a.example.com"),
    ("b", "b.example.com"),
    ("c", "c.example.com"),
    ("d", "d.example.com"),
    ("e", "e.example.com"),
    ("net", "www.example.net"),
];

/// A CA that issues two certificates a week for a domain, and whether the configuration says so.
fn lab(said: bool) -> Lab {
    let limits = RateLimits { certificates_per_domain: Some((2, WEEK)), ..RateLimits::default() };
    let lab = Lab::with(CaOptions { limits, ..CaOptions::default() });
    if said {
        limit(&lab);
    }
    lab
}

fn limit(lab: &Lab) {
    let limits = "root: ca-root.pem, limits: {orders_per_account: 300/3h, certificates_per_domain: 2/7d}";
    lab.write("countersign.yaml", &lab.read("countersign.yaml").replace("root: ca-root.pem", limits));
}

fn ledger(lab: &Lab) -> Ledger {
    lab.store().ledger().unwrap()
}

fn deferred(ran: &Ran) -> usize {
    let cases = &ran.junit().suite("certs.issue").unwrap().cases;
    cases.iter().filter(|case| case.verdict.as_ref().is_some_and(|verdict| verdict.element == "skipped")).count()
}

#[test]
fn names_beyond_a_limit_are_deferred_with_a_date_and_the_ca_refuses_none() {
    let lab = lab(true);
    lab.list(&NAMES);
    let ran = lab.apply();
    assert_eq!((ran.code, lab.count("newOrder"), lab.sandbox.issued().len()), (Some(0), 3, 3), "{ran:?}");
    assert!(ran.out.contains("2 of 2 this week for example.com"), "{ran:?}");
    assert!(ran.out.contains("Limits sandbox: 3 of 300 orders in 3h"), "{ran:?}");
    assert_eq!(deferred(&ran), 3, "{ran:?}");
    let next = lab.run(&["plan"]);
    assert!(next.out.contains("no room at the CA: 2 of 2 this week for example.com; next try 2"), "{next:?}");
}

#[test]
fn a_limit_that_nobody_knew_of_defers_what_it_concerns_and_nothing_else() {
    let lab = lab(false);
    lab.list(&NAMES[..4]);
    let ran = lab.apply();
    assert_eq!((ran.code, lab.sandbox.issued().len()), (Some(0), 4), "nothing is counted at newOrder: {ran:?}");
    lab.sandbox.log().clear();
    lab.list(&[NAMES.as_slice(), &[("f", "f.example.com")]].concat());
    let ran = lab.apply();
    assert_eq!((ran.code, lab.live("net")), (Some(3), Some(1)), "{ran:?}");
    lab.forget_back_off();
    lab.sandbox.log().clear();
    let again = lab.apply();
    assert_eq!((lab.count("newOrder"), deferred(&again)), (0, 2), "{again:?}");
    assert!(
        again.out.contains("the CA said: too many certificates (2) already issued for \"example.com\""),
        "{again:?}"
    );
}

#[test]
fn after_one_refusal_the_others_that_it_concerns_are_not_asked_for() {
    let limits = RateLimits { orders_per_account: Some((1, WEEK)), ..RateLimits::default() };
    let lab = Lab::with(CaOptions { limits, ..CaOptions::default() });
    let names: Vec<(String, String)> = (0..70).map(|at| (format!("n{at}"), format!("n{at}.example.com"))).collect();
    lab.list(&names.iter().map(|(name, domain)| (name.as_str(), domain.as_str())).collect::<Vec<_>>());
    let ran = lab.apply();
    assert_eq!((ran.code, ran.bad().len(), lab.sandbox.issued().len()), (Some(3), 69, 1), "{ran:?}");
    // Those that were under way when the first refusal came.
    assert!(lab.count("newOrder") <= 33, "{}", lab.count("newOrder"));
}

#[test]
fn a_crash_around_an_order_counts_it_once() {
    for place in ["after-ledger", "after-new-order", "after-order-journaled"] {
        let lab = lab(true);
        lab.list(&NAMES[..1]);
        assert_eq!(lab.run_with(&["apply", "--auto-approve"], &[(VARIABLE, place)]).code, None, "{place}");
        assert_eq!(ledger(&lab).orders.len(), 1, "{place}");
        lab.done();
        let ends: Vec<End> = ledger(&lab).orders.into_iter().map(|order| order.end).collect();
        assert_eq!((ends, lab.sandbox.issued().len()), (vec![End::Issued], 1), "{place}");
    }
}

#[test]
fn an_order_that_failed_leaves_room_for_the_next_try() {
    let lab = lab(true);
    lab.list(&NAMES[..2]);
    lab.sandbox.faults().script("validation", 2, Mishap::refused(403, "unauthorized"));
    assert_eq!(lab.apply().code, Some(3));
    lab.forget_back_off();
    lab.done();
    assert_eq!(lab.sandbox.issued().len(), 2);
}

#[test]
fn a_damaged_ledger_stops_the_run_before_anything_is_ordered() {
    let lab = lab(true);
    lab.list(&NAMES[..1]);
    lab.store();
    lab.write("state/ledger.json", "{\"schema\": 1, \"orders\": [");
    let ran = lab.apply();
    assert_eq!((ran.code, lab.count("newOrder")), (Some(1), 0), "{ran:?}");
    assert!(ran.err.contains("ledger.json"), "{ran:?}");
}

#[test]
fn a_paused_name_is_reported_with_its_link_and_not_tried_again_by_itself() {
    let lab = Lab::new();
    lab.list(&NAMES[..2]);
    lab.sandbox.pause("a.example.com");
    let ran = lab.apply();
    assert_eq!((ran.code, lab.live("b")), (Some(3), Some(1)), "{ran:?}");
    assert!(ran.bad()[0].starts_with("certs.issue/a [acme:paused] "), "{ran:?}");
    assert!(ran.out.contains("/sfe/v1/unpause?jwt="), "{ran:?}");
    lab.forget_back_off();
    lab.sandbox.log().clear();
    let again = lab.apply();
    assert_eq!((again.code, lab.count("newOrder")), (Some(3), 0), "{again:?}");
    assert!(
        again.junit().case("certs.issue", "a").verdict.as_ref().unwrap().text.contains("/unpause?jwt="),
        "{again:?}"
    );

    lab.sandbox.unpause();
    let forced = lab.run(&["apply", "--auto-approve", "--force", "a", "--reason", "unpaused"]);
    assert_eq!((forced.code, lab.live("a")), (Some(0), Some(1)), "{forced:?}");
    assert_eq!(ledger(&lab).waits, []);
}

/// What others of the account ordered for the domain an hour ago.
fn used(lab: &Lab, certificates: usize) {
    let at = SystemClock.now() - time::Duration::HOUR;
    let orders = (0..certificates).map(|n| Order {
        at,
        directory: lab.sandbox.directory_url(),
        lineage: LineageName::parse(&format!("used{n}")).unwrap(),
        identifiers: BTreeSet::from([Identifier::parse(&format!("used{n}.example.com")).unwrap()]),
        price: Price::New,
        end: End::Issued,
    });
    lab.store().write_ledger(&Ledger { orders: orders.collect(), ..Ledger::default() }).unwrap();
}

#[test]
fn of_fifty_new_names_of_a_domain_five_fit_beside_forty_five_and_each_of_the_rest_has_its_date() {
    let lab = Lab::new();
    let limits = "root: ca-root.pem, limits: {orders_per_account: 300/3h, certificates_per_domain: 50/7d}";
    lab.write("countersign.yaml", &lab.read("countersign.yaml").replace("root: ca-root.pem", limits));
    used(&lab, 45);
    let names: Vec<(String, String)> = (0..50).map(|at| (format!("n{at}"), format!("n{at}.example.com"))).collect();
    lab.list(&names.iter().map(|(name, domain)| (name.as_str(), domain.as_str())).collect::<Vec<_>>());
    let planned = lab.run(&["plan"]);
    let ran = lab.apply();
    assert_eq!((ran.code, lab.sandbox.issued().len(), deferred(&ran)), (Some(0), 5, 45), "{ran:?}");
    let dates: BTreeSet<&str> =
        planned.out.lines().filter_map(|line| line.split_once("next try ")).map(|(_, date)| date).collect();
    assert!(dates.len() > 40, "one each 202 minutes: {dates:?}");
    let doctor = lab.ask(&["doctor"]).1;
    assert!(doctor.contains("orders left") && doctor.contains("50 of 50 this week for example.com"), "{doctor}");
}
