//! The ledger by example.

use time::macros::datetime;

use super::*;

const NOW: OffsetDateTime = datetime!(2026-11-21 02:00 UTC);
const CA: &str = "https://ca.test/dir";

fn names(list: &[&str]) -> BTreeSet<Identifier> {
    list.iter().map(|name| Identifier::parse(name).unwrap()).collect()
}

fn lineage(name: &str) -> LineageName {
    LineageName::parse(name).unwrap()
}

fn order(name: &str, list: &[&str], price: Price) -> Order {
    let (directory, lineage, identifiers) = (CA.to_owned(), lineage(name), names(list));
    Order { at: NOW, directory, lineage, identifiers, price, end: End::Open }
}

fn limits() -> BTreeMap<&'static str, Limits> {
    BTreeMap::from([(CA, bucket::LETS_ENCRYPT)])
}

fn used(ledger: &Ledger, bucket: Bucket, now: OffsetDateTime) -> u32 {
    Tally::new(ledger, &limits(), now, |_| false).used(CA, bucket).unwrap().level.used
}

fn domain() -> Bucket {
    Bucket::Domain("a.test".into())
}

fn limited(said: &str, seconds: u64) -> Fault {
    Fault::new("acme:rateLimited", said).retry(Retry::After(seconds))
}

#[test]
fn each_price_takes_from_other_buckets() {
    let counted = |price| {
        let mut ledger = Ledger::default();
        ledger.open(order("www", &["www.a.test", "a.test"], price));
        let set = Bucket::Set(names(&["www.a.test", "a.test"]));
        [Bucket::Orders, domain(), set].map(|bucket| used(&ledger, bucket, NOW))
    };
    assert_eq!(counted(Price::New), [1, 1, 1]);
    assert_eq!(counted(Price::Renewal), [0, 0, 1]);
    assert_eq!(counted(Price::Ari), [0, 0, 1]);
}

#[test]
fn an_order_whose_answer_was_lost_is_asked_for_again_and_counts_once() {
    let mut ledger = Ledger::default();
    ledger.open(order("www", &["a.test"], Price::New));
    ledger.open(order("www", &["a.test"], Price::New));
    assert_eq!(used(&ledger, Bucket::Orders, NOW), 1);
    ledger.issued(CA, &lineage("www"), &names(&["a.test"]), NOW);
    ledger.open(order("www", &["a.test"], Price::New));
    assert_eq!(used(&ledger, Bucket::Orders, NOW), 2);
}

#[test]
fn an_order_that_failed_counts_as_an_order_and_as_a_failure_and_not_as_a_certificate() {
    let mut ledger = Ledger::default();
    ledger.open(order("www", &["*.a.test", "a.test"], Price::New));
    ledger.failed(CA, &lineage("www"), NOW);
    let set = Bucket::Set(names(&["*.a.test", "a.test"]));
    let counted = [Bucket::Orders, domain(), set, Bucket::Name("a.test".into())].map(|one| used(&ledger, one, NOW));
    assert_eq!(counted, [1, 0, 0, 1]);
}

#[test]
fn an_order_that_was_refused_at_once_counts_nowhere() {
    let mut ledger = Ledger::default();
    ledger.open(order("www", &["a.test"], Price::New));
    ledger.withdraw(CA, &lineage("www"));
    assert_eq!(ledger, Ledger::default());
}

#[test]
fn what_does_not_count_any_more_is_forgotten() {
    let mut ledger = Ledger::default();
    ledger.open(order("www", &["www.a.test"], Price::New));
    ledger.failed(CA, &lineage("www"), NOW);
    ledger.open(order("www", &["www.a.test"], Price::New));
    ledger.issued(CA, &lineage("www"), &names(&["www.a.test"]), NOW);
    ledger.refused(CA, &names(&["www.a.test"]), &limited("too many new orders", 60), NOW);
    let left = |hours| {
        let mut ledger = ledger.clone();
        ledger.prune(&limits(), NOW + Duration::hours(hours));
        (ledger.orders.len(), ledger.failures.len(), ledger.waits.len())
    };
    // The order that failed is back after 36 s, the failure after 12 min, the set of names after 34 h.
    assert_eq!([0, 1, 33, 34].map(left), [(2, 1, 1), (1, 0, 0), (1, 0, 0), (0, 0, 0)]);
}

#[test]
fn pruning_changes_no_level() {
    let mut ledger = Ledger::default();
    // One a day more than comes back, for weeks: nothing that still counts may be forgotten.
    for hour in 0..16 * 24 / 3 {
        let at = NOW + Duration::hours(hour * 3);
        let name = format!("n{hour}");
        let order = Order { at, ..order(&name, &[&format!("{name}.a.test")], Price::New) };
        let whole = used(&ledger, domain(), at);
        ledger.prune(&limits(), at);
        assert_eq!(used(&ledger, domain(), at), whole);
        ledger.open(order);
        ledger.issued(CA, &lineage(&name), &BTreeSet::new(), at);
    }
    let end = NOW + Duration::days(16);
    assert!(used(&ledger, domain(), end) > 10, "{}", used(&ledger, domain(), end));
}

#[test]
fn what_was_written_by_a_clock_that_ran_ahead_counts_as_of_now() {
    let mut ledger = Ledger::default();
    ledger.open(Order { at: NOW + Duration::days(3650), ..order("www", &["a.test"], Price::New) });
    assert_eq!(used(&ledger, domain(), NOW), 1);
    ledger.prune(&limits(), NOW);
    assert_eq!(ledger.orders.len(), 1);
}

#[test]
fn a_refusal_holds_whom_its_bucket_concerns() {
    let held = |said: &str, order: Order| {
        let mut ledger = Ledger::default();
        ledger.refused(CA, &names(&["www.a.test"]), &limited(said, 3600), NOW);
        ledger.wait_for(&order, NOW).is_some()
    };
    let domain = "too many certificates (50) already issued for \"a.test\"";
    let set = "too many certificates (5) already issued for this exact set of identifiers";
    let account = "too many new orders (300) from this account";
    let name = "too many failed authorizations (5) for \"www.a.test\"";
    let mine = |price| order("www", &["www.a.test"], price);
    let sibling = order("api", &["api.a.test"], Price::New);
    let stranger = order("b", &["b.test"], Price::New);
    let table = [
        (domain, [true, true, false]),
        (set, [true, false, false]),
        (account, [true, true, true]),
        (name, [true, false, false]),
    ];
    for (said, expected) in table {
        let orders = [mine(Price::New), sibling.clone(), stranger.clone()];
        assert_eq!(orders.map(|order| held(said, order)), expected, "{said}");
        assert!(!held(said, mine(Price::Ari)), "{said}");
    }
    assert_eq!([domain, account, set].map(|said| held(said, mine(Price::Renewal))), [false, false, true]);
}

#[test]
fn a_refusal_is_over_when_it_said() {
    let mut ledger = Ledger::default();
    let said = limited(
        "too many new orders (300) from this account in the last 3h0m0s, retry after 2026-11-21 02:30:00 UTC",
        60,
    );
    assert!(ledger.refused(CA, &names(&["a.test"]), &said, NOW));
    assert!(ledger.refused(CA, &names(&["a.test"]), &said, NOW));
    let until =
        |minutes| ledger.wait_for(&order("a", &["a.test"], Price::New), NOW + Duration::minutes(minutes)).is_some();
    assert_eq!((ledger.waits.len(), [29, 30].map(until)), (1, [true, false]));
}

#[test]
fn a_pause_holds_a_name_at_any_price_until_a_certificate_of_it_is_issued() {
    let mut ledger = Ledger::default();
    let text = "Your account is temporarily prevented from requesting certificates for a.test and possibly others";
    ledger.refused(CA, &names(&["a.test", "b.test"]), &Fault::new("acme:paused", text), NOW);
    let later = NOW + Duration::days(400);
    ledger.prune(&limits(), later);
    let held = |ledger: &Ledger, name: &str, price| ledger.wait_for(&order("x", &[name], price), later).is_some();
    assert!(held(&ledger, "*.a.test", Price::Ari) && held(&ledger, "a.test", Price::New));
    assert!(!held(&ledger, "b.test", Price::New));
    ledger.issued(CA, &lineage("www"), &names(&["a.test", "b.test"]), NOW);
    assert!(!held(&ledger, "a.test", Price::New));
}

#[test]
fn a_queue_for_a_full_bucket_is_told_when_each_of_it_has_its_turn() {
    let limits = limits();
    let mut tally = Tally::new(&Ledger::default(), &limits, NOW, |_| false);
    let mut take = |at: u32| {
        let name = format!("n{at}");
        tally.take(&order(&name, &[&format!("{name}.a.test")], Price::New))
    };
    assert!((0..50).all(|at| take(at).is_ok()));
    let waits: Vec<i64> = (50..53).map(|at| (take(at).unwrap_err().level.free_at - NOW).whole_minutes()).collect();
    assert_eq!(waits, [201, 403, 604]);
    // Whoever waits for one domain takes nothing from the account.
    let other = tally.take(&order("b", &["b.test"], Price::New));
    assert_eq!(other.unwrap().unwrap().level.used, 1);
    assert_eq!(tally.used(CA, Bucket::Orders).unwrap().level.used, 51);
}
