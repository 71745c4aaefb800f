//! What a CA counts: its buckets, and which of them a refusal is about.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime, PrimitiveDateTime};

use crate::fault::Fault;
use crate::ledger::limit::Limit;
use crate::name::Identifier;

/// One of the buckets of a CA.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bucket {
    /// New orders of the account.
    Orders,
    /// Certificates of a registered domain.
    Domain(String),
    /// Certificates for exactly these names.
    Set(BTreeSet<Identifier>),
    /// Failed validations of a name, without its `*.`.
    Name(String),
}

/// What a CA allows. `None` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Limits {
    /// New orders of an account.
    pub orders_per_account: Option<Limit>,
    pub certificates_per_domain: Option<Limit>,
    /// Certificates for exactly the same names.
    pub certificates_per_set: Option<Limit>,
    /// Failed validations of a name.
    pub failures_per_name: Option<Limit>,
}

/// <https://letsencrypt.org/docs/rate-limits/>
pub const LETS_ENCRYPT: Limits = limits([300, 50, 5, 5]);
/// <https://letsencrypt.org/docs/staging-environment/>
pub const LETS_ENCRYPT_STAGING: Limits = limits([1_500, 30_000, 30_000, 200]);

const fn limits([orders, domain, set, failures]: [u32; 4]) -> Limits {
    let (week, hour) = (Duration::days(7), Duration::HOUR);
    Limits {
        orders_per_account: Some(Limit::new(orders, Duration::hours(3))),
        certificates_per_domain: Some(Limit::new(domain, week)),
        certificates_per_set: Some(Limit::new(set, week)),
        failures_per_name: Some(Limit::new(failures, hour)),
    }
}

impl Limits {
    pub fn of(&self, bucket: &Bucket) -> Option<Limit> {
        match bucket {
            Bucket::Orders => self.orders_per_account,
            Bucket::Domain(_) => self.certificates_per_domain,
            Bucket::Set(_) => self.certificates_per_set,
            Bucket::Name(_) => self.failures_per_name,
        }
    }

    pub fn any(&self) -> bool {
        *self != Self::default()
    }
}

/// The domain that is registered, by the public suffix list. A name that is a suffix itself stands for itself.
pub fn registered_domain(name: &Identifier) -> &str {
    psl::domain_str(name.base()).unwrap_or(name.base())
}

/// The bucket that a refusal of `newOrder` is about, in the words of Boulder (`ratelimits/limiter.go`).
pub fn refused(fault: &Fault, identifiers: &BTreeSet<Identifier>) -> Option<Bucket> {
    let said = &fault.message;
    let quoted = || said.split('"').nth(1).map(str::to_ascii_lowercase);
    if said.starts_with("too many new orders") {
        Some(Bucket::Orders)
    } else if said.contains("this exact set of") {
        Some(Bucket::Set(identifiers.clone()))
    } else if said.starts_with("too many certificates") {
        quoted().map(Bucket::Domain)
    } else if said.starts_with("too many failed authorizations") {
        quoted().map(|name| Bucket::Name(name.trim_start_matches("*.").to_owned()))
    } else {
        None
    }
}

/// The time in `…, retry after 2026-11-21 02:00:00 UTC: see …`.
pub fn retry_after(said: &str) -> Option<OffsetDateTime> {
    let format = time::macros::format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    let rest = said.split_once("retry after ")?.1;
    let text = rest.get(..19)?.replace('T', " ");
    Some(PrimitiveDateTime::parse(&text, &format).ok()?.assume_utc())
}

/// Those of `identifiers` that a pause is about: `… requesting certificates for a.test, b.test and possibly others. …`.
/// All of them, if it names none.
pub fn paused(fault: &Fault, identifiers: &BTreeSet<Identifier>) -> Vec<String> {
    let bases: BTreeSet<&str> = identifiers.iter().map(Identifier::base).collect();
    let list = fault.message.split_once("certificates for ").and_then(|(_, rest)| rest.split_once(" and possibly"));
    let named: Vec<&str> = list.map(|(list, _)| list.split(", ").collect()).unwrap_or_default();
    let named = named.into_iter().map(|name| name.trim_start_matches("*.")).filter(|name| bases.contains(name));
    let named: Vec<String> = named.map(str::to_owned).collect();
    if named.is_empty() { bases.into_iter().map(str::to_owned).collect() } else { named }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn names(list: &[&str]) -> BTreeSet<Identifier> {
        list.iter().map(|name| Identifier::parse(name).unwrap()).collect()
    }

    #[test]
    fn the_registered_domain_is_one_label_below_the_public_suffix() {
        let registered = |name| registered_domain(&Identifier::parse(name).unwrap()).to_owned();
        assert_eq!(registered("*.a.b.example.com"), "example.com");
        assert_eq!(registered("www.example.co.uk"), "example.co.uk");
        assert_eq!(registered("me.github.io"), "me.github.io");
        assert_eq!(registered("github.io"), "github.io");
    }

    #[test]
    fn a_refusal_names_its_bucket() {
        let wanted = names(&["*.a.test"]);
        let bucket = |said: &str| refused(&Fault::new("acme:rateLimited", said), &wanted);
        let told = [
            ("too many new orders (300) from this account in the last 3h0m0s, retry after", Some(Bucket::Orders)),
            (
                "too many certificates (50) already issued for \"A.test\" in the last",
                Some(Bucket::Domain("a.test".into())),
            ),
            (
                "too many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s",
                Some(Bucket::Set(wanted.clone())),
            ),
            (
                "too many failed authorizations (5) for \"*.a.test\" in the last 1h0m0s",
                Some(Bucket::Name("a.test".into())),
            ),
            ("Service busy; retry later", None),
            ("too many certificates", None),
        ];
        for (said, expected) in told {
            assert_eq!(bucket(said), expected, "{said}");
        }
    }

    #[test]
    fn a_refusal_may_say_until_when_in_its_text() {
        let until = Some(datetime!(2026-11-21 02:03:04 UTC));
        assert_eq!(retry_after("in the last 1h0m0s, retry after 2026-11-21 02:03:04 UTC: see https://ca.test"), until);
        assert_eq!(retry_after("retry after 2026-11-21T02:03:04Z"), until);
        assert_eq!(["retry after a while", "", "retry after é"].map(retry_after), [None; 3]);
    }

    #[test]
    fn a_pause_names_some_of_the_names() {
        let wanted = names(&["a.test", "*.b.test", "c.test"]);
        let paused = |said: &str| paused(&Fault::new("acme:paused", said), &wanted);
        let text =
            "Your account is temporarily prevented from requesting certificates for b.test, c.test and possibly others";
        assert_eq!(paused(text), ["b.test", "c.test"]);
        assert_eq!(paused("Please visit: https://ca.test/unpause"), ["a.test", "b.test", "c.test"]);
    }
}
