//! The levels of all buckets, worked out from the ledger.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use crate::ledger::limit::{Level, Limit};
use crate::ledger::{Bucket, Ledger, Limits, Order, Price};

type Key = (String, Bucket);

/// Levels at one time, from which orders can be taken on trial.
#[derive(Clone, Debug)]
pub struct Tally<'a> {
    limits: &'a BTreeMap<&'a str, Limits>,
    now: OffsetDateTime,
    /// When each bucket is full again.
    full: BTreeMap<Key, OffsetDateTime>,
}

/// A bucket with a limit, and how much of it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    pub bucket: Bucket,
    pub limit: Limit,
    pub level: Level,
}

impl<'a> Tally<'a> {
    /// Counts everything in the ledger that is not to be left out. What lies in the future happened now: the clock
    /// was wrong.
    pub fn new(
        ledger: &Ledger,
        limits: &'a BTreeMap<&'a str, Limits>,
        now: OffsetDateTime,
        left_out: impl Fn(&Order) -> bool,
    ) -> Self {
        let mut tally = Self { limits, now, full: BTreeMap::new() };
        for (at, directory, bucket) in spendings(ledger, now, left_out) {
            tally.take_at(directory, bucket, at);
        }
        tally
    }

    /// Since when each bucket has not been full.
    pub(super) fn busy(
        ledger: &Ledger,
        limits: &'a BTreeMap<&'a str, Limits>,
        now: OffsetDateTime,
    ) -> BTreeMap<Key, OffsetDateTime> {
        let mut tally = Self { limits, now, full: BTreeMap::new() };
        let mut since: BTreeMap<Key, OffsetDateTime> = BTreeMap::new();
        for (at, directory, bucket) in spendings(ledger, now, |_| false) {
            let key = (directory.to_owned(), bucket.clone());
            if tally.full.get(&key).is_none_or(|full| *full <= at) {
                since.insert(key, at);
            }
            tally.take_at(directory, bucket, at);
        }
        since.retain(|key, _| tally.full.get(key).is_some_and(|full| *full > now));
        since
    }

    /// How much of a bucket is used. `None` if it has no limit.
    pub fn used(&self, directory: &str, bucket: Bucket) -> Option<Use> {
        let limit = self.limits.get(directory)?.of(&bucket)?;
        let key = (directory.to_owned(), bucket);
        let level = limit.level(self.full.get(&key).copied(), self.now);
        Some(Use { bucket: key.1, limit, level })
    }

    /// Takes an order if every bucket has room for it, and gives its fullest bucket afterwards. Else it takes a place
    /// in the queue of those that have none, and gives the one that is free last.
    pub fn take(&mut self, order: &Order) -> Result<Option<Use>, Use> {
        let directory = &order.directory;
        let asked: Vec<Bucket> = match order.price {
            Price::Ari => Vec::new(),
            Price::Renewal | Price::New => order.buckets().into_iter().chain(order.names()).collect(),
        };
        let asked = asked.into_iter().filter_map(|bucket| self.used(directory, bucket));
        let blocked: Vec<Use> = asked.filter(|used| used.level.free_at > self.now).collect();
        for used in &blocked {
            self.take_at(directory, used.bucket.clone(), used.level.free_at);
        }
        if let Some(last) = blocked.into_iter().max_by_key(|used| used.level.free_at) {
            return Err(last);
        }
        for bucket in order.buckets() {
            self.take_at(directory, bucket, self.now);
        }
        let shares = order.buckets().into_iter().filter_map(|bucket| self.used(directory, bucket));
        let share = |used: &Use| u64::from(used.level.used) * 1_000_000 / u64::from(used.limit.most.max(1));
        Ok(shares.filter(|_| order.price != Price::Ari).max_by_key(share))
    }

    /// Buckets of registered domains that are not full.
    pub fn domains<'b>(&'b self, directory: &'b str) -> impl Iterator<Item = Use> + 'b {
        let here = self.full.keys().filter(move |(other, _)| other == directory).map(|(_, bucket)| bucket);
        let domains = here.filter(|bucket| matches!(bucket, Bucket::Domain(_)));
        domains.filter_map(move |bucket| self.used(directory, bucket.clone())).filter(|used| used.level.used > 0)
    }

    fn take_at(&mut self, directory: &str, bucket: Bucket, at: OffsetDateTime) {
        let Some(limit) = self.limits.get(directory).and_then(|limits| limits.of(&bucket)) else { return };
        let key = (directory.to_owned(), bucket);
        let full = limit.take(self.full.get(&key).copied(), at);
        self.full.insert(key, full);
    }
}

/// Everything that took from a bucket, in the order of time.
fn spendings(
    ledger: &Ledger,
    now: OffsetDateTime,
    left_out: impl Fn(&Order) -> bool,
) -> Vec<(OffsetDateTime, &str, Bucket)> {
    let orders = ledger.orders.iter().filter(|order| !left_out(order)).flat_map(|order| {
        order.buckets().into_iter().map(|bucket| (order.at.min(now), order.directory.as_str(), bucket))
    });
    let failures = ledger
        .failures
        .iter()
        .map(|failure| (failure.at.min(now), failure.directory.as_str(), Bucket::Name(failure.name.clone())));
    let mut all: Vec<_> = orders.chain(failures).collect();
    all.sort_by_key(|(at, ..)| *at);
    all
}
