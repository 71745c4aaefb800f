//! The ledger: what was asked of each CA, as far as it still counts against a limit.
//!
//! A CA tells nobody how much is left. So each order is written down before the CA hears of it, and the levels of the
//! CA's buckets are worked out from that. Nothing here knows files or the time.

pub mod bucket;
pub mod limit;
pub mod tally;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::fault::{Fault, Retry};
use crate::name::{Identifier, LineageName};

pub use bucket::{Bucket, Limits};
pub use tally::Tally;

/// The schema of `ledger.json`. A newer one is refused.
pub const SCHEMA: u32 = 1;

/// How a CA counts an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Price {
    /// Replaces a certificate inside the window that the CA suggested (RFC 9773): no limit is asked.
    Ari,
    /// For exactly the names of an earlier certificate: only repetitions and failures count.
    Renewal,
    /// Counts against every limit.
    New,
}

/// What became of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// Not known yet; counts as a certificate.
    Open,
    Issued,
    /// It came to nothing: an order of the account, and no certificate.
    Failed,
}

/// One order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// URL of the CA's directory.
    pub directory: String,
    pub lineage: LineageName,
    pub identifiers: BTreeSet<Identifier>,
    pub price: Price,
    pub end: End,
}

/// A validation that the CA refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    pub directory: String,
    /// Without its `*.`.
    pub name: String,
}

/// The CA said to leave a bucket alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    pub directory: String,
    pub bucket: Bucket,
    /// `None`: until a person has done something about it.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    pub until: Option<OffsetDateTime>,
    pub said: Fault,
}

/// What counts against the limits of all CAs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    pub schema: u32,
    #[serde(default)]
    pub orders: Vec<Order>,
    #[serde(default)]
    pub failures: Vec<Failure>,
    #[serde(default)]
    pub waits: Vec<Wait>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { schema: SCHEMA, orders: Vec::new(), failures: Vec::new(), waits: Vec::new() }
    }
}

/// A CA and what it allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    pub directory: String,
    pub limits: Limits,
}

impl Order {
    /// The buckets from which it takes, and which must have room for it unless it is exempt.
    pub fn buckets(&self) -> Vec<Bucket> {
        let mut buckets = Vec::new();
        if self.price == Price::New {
            buckets.push(Bucket::Orders);
        }
        if self.end == End::Failed {
            return buckets;
        }
        if self.price == Price::New {
            let domains: BTreeSet<&str> = self.identifiers.iter().map(bucket::registered_domain).collect();
            buckets.extend(domains.into_iter().map(|domain| Bucket::Domain(domain.to_owned())));
        }
        buckets.push(Bucket::Set(self.identifiers.clone()));
        buckets
    }

    /// Buckets from which it does not take, and which must have room all the same.
    pub fn names(&self) -> impl Iterator<Item = Bucket> {
        names(&self.identifiers)
    }

    fn is_open_for(&self, directory: &str, lineage: &LineageName) -> bool {
        self.end == End::Open && self.directory == directory && self.lineage == *lineage
    }
}

fn names(identifiers: &BTreeSet<Identifier>) -> impl Iterator<Item = Bucket> {
    let names: BTreeSet<&str> = identifiers.iter().map(Identifier::base).collect();
    names.into_iter().map(|name| Bucket::Name(name.to_owned()))
}

impl Wait {
    /// What the CA would say again.
    pub fn fault(&self, now: OffsetDateTime) -> Fault {
        let left = self.until.map(|until| (until - now).whole_seconds());
        let retry = left.map_or(Retry::Never, |left| Retry::After(u64::try_from(left).unwrap_or_default()));
        self.said.clone().retry(retry)
    }

    pub fn is_over(&self, now: OffsetDateTime) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

impl Ledger {
    /// Writes an order down that the CA is about to hear of. One that it may have heard of already gives way to it: a
    /// CA finds the same order again.
    pub fn open(&mut self, order: Order) {
        let same = |other: &Order| {
            other.is_open_for(&order.directory, &order.lineage) && other.identifiers == order.identifiers
        };
        self.orders.retain(|other| !same(other));
        self.orders.push(order);
    }

    /// The CA refused the order at once, so it does not count. `false` if it was not there.
    pub fn withdraw(&mut self, directory: &str, lineage: &LineageName) -> bool {
        let before = self.orders.len();
        self.orders.retain(|order| !order.is_open_for(directory, lineage));
        self.orders.len() < before
    }

    /// A certificate came of it. If the CA had paused one of its names, somebody has ended that for the whole account.
    /// `false` if nothing changed.
    pub fn issued(
        &mut self,
        directory: &str,
        lineage: &LineageName,
        identifiers: &BTreeSet<Identifier>,
        now: OffsetDateTime,
    ) -> bool {
        let names: Vec<Bucket> = names(identifiers).collect();
        let paused = |wait: &Wait| wait.until.is_none() && wait.directory == directory;
        let freed = self.waits.iter().any(|wait| paused(wait) && names.contains(&wait.bucket));
        self.waits.retain(|wait| !(freed && paused(wait)));
        let order = self.orders.iter_mut().rfind(|order| order.is_open_for(directory, lineage));
        // A CA counts the certificate when it issues it.
        order.map(|order| (order.end, order.at) = (End::Issued, order.at.max(now))).is_some() || freed
    }

    /// It came to nothing. Each of its names is taken for one that failed: the CA may count fewer. `false` if it was
    /// not there.
    pub fn failed(&mut self, directory: &str, lineage: &LineageName, now: OffsetDateTime) -> bool {
        let order = self.orders.iter_mut().rfind(|order| order.is_open_for(directory, lineage));
        let Some(order) = order else { return false };
        order.end = End::Failed;
        let names: BTreeSet<&str> = order.identifiers.iter().map(Identifier::base).collect();
        let failure = |name: &str| Failure { at: now, directory: directory.to_owned(), name: name.to_owned() };
        self.failures.extend(names.into_iter().map(failure));
        true
    }

    /// Remembers what a refusal says about a bucket. `false` if it says nothing about any.
    pub fn refused(
        &mut self,
        directory: &str,
        identifiers: &BTreeSet<Identifier>,
        said: &Fault,
        now: OffsetDateTime,
    ) -> bool {
        let (buckets, until) = match said.code.as_str() {
            "acme:paused" => {
                let names = bucket::paused(said, identifiers).into_iter().map(Bucket::Name).collect();
                (names, None)
            }
            "acme:rateLimited" => {
                let Some(bucket) = bucket::refused(said, identifiers) else { return false };
                let Some(until) = until(said, now) else { return false };
                (vec![bucket], Some(until))
            }
            _ => return false,
        };
        for bucket in buckets {
            self.waits.retain(|wait| wait.directory != directory || wait.bucket != bucket);
            self.waits.push(Wait { directory: directory.to_owned(), bucket, until, said: said.clone() });
        }
        true
    }

    /// Forgets what does not count any more. `limits` are those of each directory.
    pub fn prune(&mut self, limits: &BTreeMap<&str, Limits>, now: OffsetDateTime) {
        self.waits.retain(|wait| !wait.is_over(now));
        let busy = Tally::busy(self, limits, now);
        let counts = |directory: &str, bucket: &Bucket, at: OffsetDateTime| {
            busy.get(&(directory.to_owned(), bucket.clone())).is_some_and(|since| *since <= at.min(now))
        };
        self.orders.retain(|order| order.buckets().iter().any(|bucket| counts(&order.directory, bucket, order.at)));
        self.failures.retain(|failure| counts(&failure.directory, &Bucket::Name(failure.name.clone()), failure.at));
    }

    /// What the CA said about any bucket that an order needs.
    pub fn wait_for(&self, order: &Order, now: OffsetDateTime) -> Option<&Wait> {
        let names: Vec<Bucket> = order.names().collect();
        let counted = if order.price == Price::Ari { Vec::new() } else { order.buckets() };
        let concerns = |wait: &&Wait| match wait.until {
            // A pause holds whatever the price.
            None => names.contains(&wait.bucket),
            Some(until) => {
                until > now
                    && order.price != Price::Ari
                    && (counted.contains(&wait.bucket) || names.contains(&wait.bucket))
            }
        };
        let waits = self.waits.iter().filter(|wait| wait.directory == order.directory).filter(concerns);
        waits.max_by_key(|wait| (wait.until.is_none(), wait.until))
    }
}

/// Until when a refusal asks to wait, by its header or by its text.
fn until(said: &Fault, now: OffsetDateTime) -> Option<OffsetDateTime> {
    let header = match said.retry {
        Retry::After(seconds) => Some(now + Duration::seconds(i64::try_from(seconds).ok()?.min(30 * 86_400))),
        Retry::Never | Retry::Later => None,
    };
    let text = bucket::retry_after(&said.message).map(|until| until.min(now + Duration::days(30)));
    header.max(text).filter(|until| *until > now)
}

#[cfg(test)]
mod tests;
