//! Rate limits and pauses, as Boulder counts and words them (`ratelimits/limiter.go`, `wfe2/wfe.go`).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use time::OffsetDateTime;
use time::macros::format_description;

use super::problem::Problem;
use super::state::Id;

/// So many, all of which come back in this time.
pub type Rate = (u32, Duration);

/// What the CA allows. `None` is no limit.
#[derive(Clone, Copy, Debug, Default)]
pub struct RateLimits {
    pub orders_per_account: Option<Rate>,
    pub certificates_per_domain: Option<Rate>,
    pub certificates_per_set: Option<Rate>,
    pub failures_per_name: Option<Rate>,
}

/// When each bucket is full again, and who is paused.
#[derive(Default)]
pub(super) struct Spent {
    full: BTreeMap<String, OffsetDateTime>,
    paused: BTreeSet<String>,
}

/// What limits ask of a new order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It replaces a certificate whose window is open.
    Exempt,
    /// There is a certificate for exactly these names.
    Renewal,
    New,
}

const DOCS: &str = "https://letsencrypt.org/docs/rate-limits/#";

impl Spent {
    pub(super) fn pause(&mut self, name: &str) {
        self.paused.insert(name.to_owned());
    }

    /// The portal ends all pauses of an account at once.
    pub(super) fn unpause(&mut self) {
        self.paused.clear();
    }

    pub(super) fn check_paused(&self, names: &[String], base: &str) -> Result<(), Problem> {
        let paused: Vec<&str> = names.iter().map(String::as_str).filter(|name| self.paused.contains(*name)).collect();
        if paused.is_empty() {
            return Ok(());
        }
        let detail = format!(
            "Your account is temporarily prevented from requesting certificates for {} and possibly others. Please \
             visit: {base}/sfe/v1/unpause?jwt=e30.e30.e30",
            paused.join(", ")
        );
        Err(Problem::new(429, "rateLimited", detail))
    }

    /// Takes an order from the account, and asks whether there is room for a certificate.
    pub(super) fn order(
        &mut self,
        limits: &RateLimits,
        account: Id,
        names: &[String],
        kind: Kind,
        now: OffsetDateTime,
    ) -> Result<(), Problem> {
        if kind == Kind::Exempt {
            return Ok(());
        }
        let full = |most: u32, what: &str, wait: Duration, anchor: &str| {
            let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
            let until = (now + wait).format(&format).expect("the clock shows a year of four digits");
            let seconds = wait.as_secs() + 1;
            let detail =
                format!("too many {} retry after {until}: see {DOCS}{anchor}", what.replace("{}", &most.to_string()));
            Err(Problem { retry_after: Some(seconds), ..Problem::new(429, "rateLimited", detail) })
        };
        for name in names {
            let limit = limits.failures_per_name;
            if let Some((most, wait)) = self.missing(limit, &failures(account, name), now) {
                let what = format!("failed authorizations ({{}}) for {name:?} in the last 1h0m0s,");
                return full(most, &what, wait, "authorization-failures-per-identifier-per-account");
            }
        }
        if let Some((most, wait)) = self.missing(limits.certificates_per_set, &set(names), now) {
            let what = "certificates ({}) already issued for this exact set of identifiers in the last 168h0m0s,";
            return full(most, what, wait, "new-certificates-per-exact-set-of-identifiers");
        }
        if kind == Kind::Renewal {
            return Ok(());
        }
        for domain in domains(names) {
            if let Some((most, wait)) = self.missing(limits.certificates_per_domain, &format!("domain {domain}"), now) {
                let what = format!("certificates ({{}}) already issued for {domain:?} in the last 168h0m0s,");
                return full(most, &what, wait, "new-certificates-per-registered-domain");
            }
        }
        let key = format!("account {account}");
        if let Some((most, wait)) = self.missing(limits.orders_per_account, &key, now) {
            return full(most, "new orders ({}) from this account in the last 3h0m0s,", wait, "new-orders-per-account");
        }
        self.spend(limits.orders_per_account, key, now);
        Ok(())
    }

    pub(super) fn issued(&mut self, limits: &RateLimits, names: &[String], is_new: bool, now: OffsetDateTime) {
        for domain in domains(names).into_iter().filter(|_| is_new) {
            self.spend(limits.certificates_per_domain, format!("domain {domain}"), now);
        }
        self.spend(limits.certificates_per_set, set(names), now);
    }

    pub(super) fn failed(&mut self, limits: &RateLimits, account: Id, name: &str, now: OffsetDateTime) {
        self.spend(limits.failures_per_name, failures(account, name), now);
    }

    /// The size of a bucket that is empty, and when one more can be had.
    fn missing(&self, rate: Option<Rate>, key: &str, now: OffsetDateTime) -> Option<(u32, Duration)> {
        let (most, per) = rate?;
        let free_at = *self.full.get(key)? + per / most - per;
        let wait = Duration::try_from(free_at - now).ok().filter(|wait| !wait.is_zero())?;
        Some((most, wait))
    }

    fn spend(&mut self, rate: Option<Rate>, key: String, now: OffsetDateTime) {
        let Some((most, per)) = rate else { return };
        let full = self.full.entry(key).or_insert(now);
        *full = (*full).max(now) + per / most;
    }
}

fn set(names: &[String]) -> String {
    format!("set {}", names.join(" "))
}

fn failures(account: Id, name: &str) -> String {
    format!("failures {account} {}", name.trim_start_matches("*."))
}

fn domains(names: &[String]) -> BTreeSet<String> {
    let domain = |name: &String| {
        let name = name.trim_start_matches("*.");
        psl::domain_str(name).unwrap_or(name).to_owned()
    };
    names.iter().map(domain).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;
    use crate::ledger::bucket::Limits;
    use crate::ledger::limit::Limit;
    use crate::ledger::{self, End, Ledger, Price, Tally};
    use crate::name::{Identifier, LineageName};

    const CA: &str = "https://ca.test/dir";

    fn rates() -> RateLimits {
        let (hours, days) = (Duration::from_secs(3 * 3_600), Duration::from_secs(7 * 86_400));
        RateLimits {
            orders_per_account: Some((6, hours)),
            certificates_per_domain: Some((4, days)),
            certificates_per_set: Some((2, days)),
            failures_per_name: Some((2, Duration::from_secs(3_600))),
        }
    }

    fn limits() -> Limits {
        let limit = |rate: Option<Rate>| rate.map(|(most, per)| Limit::new(most, per.try_into().unwrap()));
        let rates = rates();
        Limits {
            orders_per_account: limit(rates.orders_per_account),
            certificates_per_domain: limit(rates.certificates_per_domain),
            certificates_per_set: limit(rates.certificates_per_set),
            failures_per_name: limit(rates.failures_per_name),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// Names, prices, failures and rests as they come; what the ledger has no room for is left.
        #[test]
        fn what_the_ledger_has_room_for_is_never_refused(
            tries in proptest::collection::vec((0..12_usize, any::<bool>(), 0..300_i64), 1..150),
        ) {
            let limits = BTreeMap::from([(CA, limits())]);
            let (mut ledger, mut spent) = (Ledger::default(), Spent::default());
            let mut now = datetime!(2026-11-21 02:00 UTC);
            let mut had = BTreeSet::new();
            for (which, good, minutes) in tries {
                now += time::Duration::minutes(minutes);
                let name = format!("n{}.d{}.test", which / 3, which % 3);
                let (price, kind) = match had.contains(&name) {
                    true => (Price::Renewal, Kind::Renewal),
                    false => (Price::New, Kind::New),
                };
                let lineage = LineageName::parse(&format!("l{which}")).unwrap();
                let identifiers = BTreeSet::from([Identifier::parse(&name).unwrap()]);
                let (directory, names) = (CA.to_owned(), identifiers.clone());
                let order = ledger::Order {
                    at: now, directory, lineage: lineage.clone(), identifiers, price, end: End::Open,
                };
                ledger.prune(&limits, now);
                if Tally::new(&ledger, &limits, now, |_| false).take(&order).is_err() {
                    continue;
                }
                ledger.open(order);
                let names_of_ca = [name.clone()];
                prop_assert_eq!(spent.order(&rates(), 1, &names_of_ca, kind, now), Ok(()));
                now += time::Duration::seconds(30);
                if good {
                    spent.issued(&rates(), &names_of_ca, kind == Kind::New, now);
                    ledger.issued(CA, &lineage, &names, now);
                    had.insert(name);
                } else {
                    spent.failed(&rates(), 1, &name, now);
                    ledger.failed(CA, &lineage, now);
                }
            }
        }
    }
}
