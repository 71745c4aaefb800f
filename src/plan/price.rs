//! What the orders of a plan cost at their CAs, and which of them have to wait for a bucket to refill.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::journal::Attempt;
use crate::ledger::limit::Level;
use crate::ledger::tally::Use;
use crate::ledger::{Bucket, End, Limits, Order, Price, Tally, Terms};
use crate::list::Certificate;
use crate::name::Identifier;
use crate::plan::{Action, Choices, Observed, Reason, Step, days};

/// How much of a bucket is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    pub bucket: Bucket,
    pub used: u32,
    pub most: u32,
    #[serde(with = "super::seconds")]
    pub per: Duration,
}

/// What an order counts as, and the fullest bucket that it takes from, itself included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Priced {
    pub price: Price,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
}

/// The orders of an account, those of the plan included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub authority: String,
    #[serde(flatten)]
    pub share: Share,
}

impl Share {
    /// `3 of 50 this week for example.com`, `12 of 300 orders in 3h`.
    pub fn text(&self) -> String {
        let Self { bucket, used, most, per } = self;
        let time = if *per == Duration::days(7) { "this week".to_owned() } else { format!("in {}", period(*per)) };
        match bucket {
            Bucket::Orders => format!("{used} of {most} orders {time}"),
            Bucket::Domain(domain) => format!("{used} of {most} {time} for {domain}"),
            Bucket::Set(_) => format!("{used} of {most} {time} for exactly these names"),
            Bucket::Name(name) => format!("{used} of {most} failed validations {time} of {name}"),
        }
    }

    /// What is left.
    pub fn left(&self) -> u32 {
        self.most.saturating_sub(self.used)
    }
}

fn period(per: Duration) -> String {
    if per < Duration::DAY { crate::yaml::duration::format(per) } else { days(per) }
}

impl From<Use> for Share {
    fn from(used: Use) -> Self {
        let Use { bucket, limit, level: Level { used, .. } } = used;
        Self { bucket, used: used.min(limit.most), most: limit.most, per: limit.per }
    }
}

impl Priced {
    /// A few words, if there is something to know.
    pub fn text(&self) -> Option<String> {
        match (self.price, &self.share) {
            (Price::Ari, _) => Some("counts against no limit".into()),
            (_, share) => share.as_ref().map(Share::text),
        }
    }
}

/// Prices every order and defers what does not fit: renewals come before new ones, and what expires first before the
/// rest. What an operator forces goes ahead: the CA has the last word.
pub fn price(steps: &mut [Step], observed: &Observed, choices: &Choices, now: OffsetDateTime) -> Vec<Account> {
    let limits = limits_of(&choices.terms);
    let earlier = earlier(observed);
    let orders: Vec<(usize, Order)> = steps
        .iter()
        .enumerate()
        .filter_map(|(at, step)| {
            let order = order(step, observed, choices, &earlier, now)?;
            Some((at, order))
        })
        .collect();
    let mut orders = orders;
    orders.sort_by_key(|(at, _)| urgency(&steps[*at]));
    let asked: BTreeSet<_> = orders.iter().map(|(_, order)| (&order.directory, &order.lineage)).collect();
    // Asked for again, it is the same order.
    let again = |order: &Order| order.end == End::Open && asked.contains(&(&order.directory, &order.lineage));
    let mut tally = Tally::new(&observed.ledger, &limits, now, again);
    let mut used = BTreeSet::new();
    for (at, order) in &orders {
        let step = &mut steps[*at];
        let forced = choices.force.contains_key(&step.lineage);
        let wait = observed.ledger.wait_for(order, now).filter(|_| !forced);
        if let Some(wait) = wait {
            step.hold(Reason::LimitSaid { said: wait.said.clone() }, wait.until);
            continue;
        }
        let share = match tally.take(order) {
            Err(full) if !forced => {
                let free_at = full.level.free_at;
                step.hold(Reason::LimitReached { share: full.into() }, Some(free_at));
                continue;
            }
            Err(full) => Some(full),
            Ok(share) => share,
        };
        used.insert(order.directory.as_str());
        step.price = limits
            .contains_key(order.directory.as_str())
            .then(|| Priced { price: order.price, share: share.map(Share::from) });
    }
    accounts(&choices.terms, &tally, &used)
}

/// The limits of each CA that has some.
pub fn limits_of(terms: &BTreeMap<String, Terms>) -> BTreeMap<&str, Limits> {
    let limited = terms.values().filter(|terms| terms.limits.any());
    limited.map(|terms| (terms.directory.as_str(), terms.limits)).collect()
}

fn accounts(terms: &BTreeMap<String, Terms>, tally: &Tally<'_>, used: &BTreeSet<&str>) -> Vec<Account> {
    let asked = terms.iter().filter(|(_, terms)| used.contains(terms.directory.as_str()));
    let account = |(name, terms): (&String, &Terms)| {
        let share = tally.used(&terms.directory, Bucket::Orders)?.into();
        Some(Account { authority: name.clone(), share })
    };
    asked.filter_map(account).collect()
}

/// The new order that a step needs. `None` if it needs none, or only goes on with one that the CA has already.
fn order(
    step: &Step,
    observed: &Observed,
    choices: &Choices,
    earlier: &Earlier<'_>,
    now: OffsetDateTime,
) -> Option<Order> {
    let wanted = step.certificate.as_ref().filter(|_| step.action.orders())?;
    let terms = choices.terms.get(&wanted.authority)?;
    let attempt = observed.inventory.journal.get(&step.lineage).and_then(|entry| entry.attempt.as_ref());
    let is_open = |attempt: &&Attempt| attempt.order.is_some() && attempt.intent.is_for(wanted);
    if step.reasons.contains(&Reason::Unfinished) && attempt.filter(is_open).is_some() {
        return None;
    }
    Some(Order {
        at: now,
        directory: terms.directory.clone(),
        lineage: step.lineage.clone(),
        identifiers: wanted.identifiers.clone(),
        price: class(step, wanted, terms, observed, earlier, now),
        end: End::Open,
    })
}

/// Exact sets of names for which each CA has issued a certificate that is in the store.
type Earlier<'a> = BTreeSet<(&'a str, &'a BTreeSet<Identifier>)>;

fn earlier(observed: &Observed) -> Earlier<'_> {
    let inventory = &observed.inventory;
    let stored = inventory.live.values().chain(inventory.stash.values()).chain(inventory.set_aside.values());
    let stored = stored.map(|stored| &stored.meta).map(|meta| (meta.directory.as_str(), &meta.facts.identifiers));
    let imported = inventory.imported.values().map(|one| (one.directory.as_str(), &one.facts.identifiers));
    stored.chain(imported).collect()
}

/// Boulder exempts a replacement only while the window of the certificate that it replaces is open
/// (`wfe2/wfe.go`, `validateReplacementOrder`).
fn class(
    step: &Step,
    wanted: &Certificate,
    terms: &Terms,
    observed: &Observed,
    earlier: &Earlier<'_>,
    now: OffsetDateTime,
) -> Price {
    let window = step.replaces.as_ref().and_then(|id| observed.renewal_infos.get(id));
    if window.is_some_and(|window| window.start <= now && now < window.end) {
        Price::Ari
    } else if earlier.contains(&(terms.directory.as_str(), &wanted.identifiers)) {
        Price::Renewal
    } else {
        Price::New
    }
}

/// Smaller goes first.
fn urgency(step: &Step) -> (bool, OffsetDateTime, crate::name::LineageName) {
    let due = step.reasons.iter().any(|reason| {
        matches!(
            reason,
            Reason::WindowOpen { .. }
                | Reason::RenewBefore { .. }
                | Reason::LifetimeSpent { .. }
                | Reason::Expired { .. }
        )
    });
    let end = step
        .live
        .as_ref()
        .map_or(OffsetDateTime::new_utc(time::Date::MAX, time::Time::MIDNIGHT), |live| live.not_after);
    (!(due || step.action == Action::Renew), end, step.lineage.clone())
}

impl Step {
    /// Puts the order off. What the step does without one is still done.
    fn hold(&mut self, reason: Reason, until: Option<OffsetDateTime>) {
        self.reasons.push(reason);
        self.due = until;
        self.action = match (self.unstash, &self.adopt) {
            (true, _) => Action::Unstash,
            (false, Some(_)) => Action::Adopt,
            (false, None) => Action::Defer,
        };
    }
}
