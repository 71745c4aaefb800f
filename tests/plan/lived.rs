//! A lineage through a life of changes, with real plans that are carried out on a real store, against the rules of the
//! notes on stashing, told once more in words of days and serials.

mod world;

use std::sync::atomic::Ordering::SeqCst;

use countersign::lineage::Stored;
use countersign::port::Store;
use proptest::prelude::*;
use world::{Asked, LIFETIME, World, www};

/// What happens before a run.
#[derive(Clone, Copy, Debug)]
enum Event {
    List(Asked),
    /// An import that ends in so many days.
    Import(i64),
    /// Other files on the runner, that end in so many days.
    Files(i64),
    CaUp(bool),
    Days(i64),
}

/// A certificate, as far as the rules know one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Paper {
    serial: String,
    ends: i64,
    /// Whether its key is in the store.
    keyed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Nothing,
    Placeholder,
    Ours(Paper),
    Other(Paper),
}

/// The rules.
struct Rules {
    asked: Asked,
    place: Place,
    /// Ours that is not live, where the lineage is.
    aside: Option<Paper>,
    /// An import that waits.
    given: Option<Paper>,
    files: Option<Paper>,
    ca_is_up: bool,
    orders: usize,
}

impl Rules {
    fn new() -> Self {
        let (place, aside, given, files) = (Place::Nothing, None, None, None);
        Self { asked: Asked::Nothing, place, aside, given, files, ca_is_up: true, orders: 0 }
    }

    /// What one run does. `next` is the serial that the CA would use.
    fn run(&mut self, today: i64, next: &str) {
        match self.asked {
            Asked::Nothing => self.stash(),
            Asked::Provided => self.provide(today),
            Asked::Ours | Asked::Csr => self.ours(today, next),
        }
        self.given = self.given.take().filter(|given| given.ends > today);
        // A server must not start with a key that its certificate will not have.
        match (self.asked, &self.place) {
            (Asked::Ours | Asked::Provided, Place::Nothing) => self.place = Place::Placeholder,
            (Asked::Csr, Place::Placeholder) => self.place = Place::Nothing,
            _ => {}
        }
    }

    /// "Stash LKC".
    fn stash(&mut self) {
        if let Place::Ours(paper) = std::mem::replace(&mut self.place, Place::Nothing) {
            self.aside = Some(paper);
        }
    }

    /// "The Site JSON contains OKC": ours is stashed.
    fn provide(&mut self, today: i64) {
        let Some(files) = self.files.clone().filter(|files| files.ends > today) else { return };
        self.stash();
        self.place = Place::Other(files);
    }

    /// "The Site JSON contains letsencrypt=true", with a certificate or without.
    fn ours(&mut self, today: i64, next: &str) {
        let live = match &self.place {
            Place::Ours(paper) => Some(paper.clone()),
            _ => None,
        };
        // "compare the expiration dates on the certs, and use the one that is most recent"
        let rank = [self.given.clone(), self.aside.clone(), live];
        let newest = rank.into_iter().flatten().filter(|paper| paper.ends > today).max_by_key(|paper| paper.ends);
        if let Some(paper) = &newest {
            self.place = Place::Ours(paper.clone());
            self.given = self.given.take().filter(|given| given != paper);
            self.aside = None;
        }
        // "Renew LKC if needed", and "Else: Provision". If that cannot be, what is there stays.
        let keyed = self.asked == Asked::Ours;
        let due = match &self.place {
            Place::Ours(paper) => paper.ends - today <= LIFETIME / 3 || paper.keyed != keyed,
            _ => true,
        };
        if due && self.ca_is_up {
            self.orders += 1;
            self.place = Place::Ours(Paper { serial: next.to_owned(), ends: today + LIFETIME, keyed });
            self.aside = None;
        }
    }
}

fn paper(stored: &Stored) -> Paper {
    let ends = (stored.facts().not_after - world::at(0)).whole_days();
    Paper { serial: stored.facts().serial.clone(), ends, keyed: stored.meta.has_key() }
}

/// What the store has: in `live/`, and of ours beside it that has not ended.
fn seen(world: &World) -> (Place, Option<Paper>) {
    let inventory = world.store.observe().unwrap();
    assert!(inventory.broken.is_empty(), "{:?}", inventory.broken);
    for stored in inventory.live.values().chain(inventory.stash.values()).chain(inventory.set_aside.values()) {
        world.store.pems(stored).unwrap();
    }
    let place = match inventory.live.get(&www()) {
        Some(live) if live.is_ours() => Place::Ours(paper(live)),
        Some(live) => Place::Other(paper(live)),
        None if inventory.placeholders.contains(&www()) => Place::Placeholder,
        None => Place::Nothing,
    };
    let stash = inventory.stash.get(&www()).filter(|stored| stored.is_ours());
    let aside = stash.or_else(|| inventory.set_aside.get(&www())).map(paper);
    (place, aside.filter(|paper| paper.ends > world.day()))
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        5 => prop_oneof![Just(Asked::Nothing), Just(Asked::Ours), Just(Asked::Csr), Just(Asked::Provided)].prop_map(Event::List),
        2 => (1..120_i64).prop_map(Event::Import),
        1 => (1..120_i64).prop_map(Event::Files),
        2 => any::<bool>().prop_map(Event::CaUp),
        3 => (1..70_i64).prop_map(Event::Days),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_to_a_lineage_the_store_ends_as_the_notes_say(
        events in proptest::collection::vec(event(), 1..14),
    ) {
        let (mut world, mut rules) = (World::new(), Rules::new());
        for (at, event) in events.iter().enumerate() {
            // A new day, so that no failure holds anything back.
            world.pass(1);
            match *event {
                Event::List(asked) => rules.asked = asked,
                Event::Days(days) => world.pass(days),
                Event::CaUp(is_up) => {
                    rules.ca_is_up = is_up;
                    world.ca.is_up.store(is_up, SeqCst);
                }
                Event::Files(days) => {
                    world.provide(days);
                    rules.files = Some(Paper { serial: world.ca.last(), ends: world.day() + days, keyed: true });
                }
                Event::Import(days) => {
                    world.import(days);
                    rules.given = Some(Paper { serial: world.ca.last(), ends: world.day() + days, keyed: true });
                }
            }
            let outcomes = world.run(rules.asked);
            rules.run(world.day(), &world.ca.last());
            let aside = rules.aside.clone().filter(|paper| paper.ends > world.day());
            prop_assert_eq!(seen(&world), (rules.place.clone(), aside), "after {:?}: {:#?}", &events[..=at], outcomes);
            prop_assert_eq!(world.ca.orders.load(SeqCst), rules.orders, "after {:?}: {:#?}", &events[..=at], outcomes);
        }
    }
}
