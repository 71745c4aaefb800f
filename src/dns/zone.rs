//! Which hosted zone a name belongs to.

use std::fmt;

use crate::fault::{Fault, Retry};

/// Before the word of a hook. No id of Route53 looks like it.
const HOOK: &str = "exec/";

/// The id of a hosted zone, without `/hostedzone/`, or the hook that writes instead.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ZoneId(String);

impl ZoneId {
    /// `Z` and up to 31 more of A-Z and 0-9, as the Route 53 API reference says.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let id = text.trim_start_matches('/');
        let id = id.strip_prefix("hostedzone/").unwrap_or(id);
        let rest = id.strip_prefix('Z').unwrap_or_default();
        let plain = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
        if rest.is_empty() || rest.len() > 31 || !rest.bytes().all(plain) {
            return Err(Fault::new("route53:bad-zone-id", format!("`{text}` is not the id of a hosted zone"))
                .hint("an id looks like Z0123456789ABCDEFGHIJ; `aws route53 list-hosted-zones` shows them")
                .retry(Retry::Never));
        }
        Ok(Self(id.to_owned()))
    }

    /// Zones for which the hook of this word writes.
    pub fn of_hook(word: &str) -> Self {
        Self(format!("{HOOK}{word}"))
    }

    /// The word of the hook, if there is one.
    pub fn hook(&self) -> Option<&str> {
        hook(&self.0)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ZoneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The word of the hook in the text of an id.
pub fn hook(id: &str) -> Option<&str> {
    id.strip_prefix(HOOK)
}

/// A public hosted zone. Its name is lower case, without a trailing dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Zone {
    pub name: String,
    pub id: ZoneId,
}

impl Zone {
    pub fn new(name: &str, id: ZoneId) -> Self {
        Self { name: name.trim_end_matches('.').to_ascii_lowercase(), id }
    }

    fn holds(&self, name: &str) -> bool {
        name == self.name || name.strip_suffix(&self.name).is_some_and(|rest| rest.ends_with('.'))
    }
}

/// Several public hosted zones of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ambiguous<'a> {
    pub name: &'a str,
    pub ids: Vec<&'a ZoneId>,
}

/// The longest zone that holds `name`. Several of that same name cannot be told apart.
pub fn choose<'a>(zones: &'a [Zone], name: &str) -> Result<Option<&'a Zone>, Ambiguous<'a>> {
    let longest = zones.iter().filter(|zone| zone.holds(name)).max_by_key(|zone| zone.name.len());
    let Some(longest) = longest else { return Ok(None) };
    let mut ids: Vec<_> = zones.iter().filter(|zone| zone.name == longest.name).map(|zone| &zone.id).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.len() > 1 { Err(Ambiguous { name: &longest.name, ids }) } else { Ok(Some(longest)) }
}

impl Ambiguous<'_> {
    /// `delegated` is the one that the internet sees, if that is known.
    pub fn fault(&self, delegated: Option<&ZoneId>) -> Fault {
        let zone = self.name;
        let ids: Vec<&str> = self.ids.iter().map(|id| id.as_str()).collect();
        let message = format!("the public hosted zones {} are all named {zone}", ids.join(" and "));
        let hint = match delegated {
            Some(id) => {
                format!("{id} is the one that {zone} is delegated to: pin it, `dns.route53.zones: {{{zone}: {id}}}`")
            }
            None => format!("pin the delegated one in the configuration: `dns.route53.zones: {{{zone}: ID}}`"),
        };
        Fault::new("route53:ambiguous-zone", message).hint(hint).retry(Retry::Never)
    }
}

/// Why `name` has no zone, and the ways out.
pub fn none_for(name: &str, zones: &[Zone]) -> Fault {
    let seen: Vec<_> = zones.iter().take(10).map(|zone| zone.name.as_str()).collect();
    let more = zones.len().saturating_sub(seen.len());
    let seen = match (seen.is_empty(), more) {
        (true, _) => "no public zone was seen".to_owned(),
        (false, 0) => format!("zones seen: {}", seen.join(", ")),
        (false, more) => format!("zones seen: {} and {more} more", seen.join(", ")),
    };
    Fault::new("route53:no-zone", format!("no public hosted zone holds {name}"))
        .hint(format!(
            "pin one under `dns.route53.zones`, with `assume_role` if it is in another account, or set ACME_HOSTED_ZONE; {seen}"
        ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn zones(list: &[(&str, &str)]) -> Vec<Zone> {
        list.iter().map(|(name, id)| Zone::new(name, ZoneId::parse(id).unwrap())).collect()
    }

    #[test]
    fn an_id_loses_its_path() {
        assert_eq!(ZoneId::parse("/hostedzone/Z0123ABC").unwrap().as_str(), "Z0123ABC");
        assert_eq!(ZoneId::parse("Z1").unwrap().as_str(), "Z1");
    }

    #[test]
    fn what_is_not_an_id_is_refused() {
        let long = format!("Z{}", "A".repeat(32));
        let refused = ["", "Z", "z123", "ABC", "Z12-3", "Z12/../x", "/change/Z1", "Z 1", long.as_str()];
        let taken: Vec<_> = refused.into_iter().filter(|text| ZoneId::parse(text).is_ok()).collect();
        assert!(taken.is_empty(), "{taken:?}");
    }

    #[test]
    fn the_longest_zone_wins() {
        let zones = zones(&[("example.com.", "Z1"), ("Sub.example.com.", "Z2"), ("other.test", "Z3")]);
        let chosen = |name| choose(&zones, name).unwrap().map(|zone| zone.id.as_str());
        assert_eq!(chosen("_acme-challenge.a.sub.example.com"), Some("Z2"));
        assert_eq!(chosen("_acme-challenge.example.com"), Some("Z1"));
        assert_eq!(chosen("sub.example.com"), Some("Z2"));
    }

    #[test]
    fn a_zone_does_not_hold_a_name_that_merely_ends_alike() {
        assert_eq!(choose(&zones(&[("example.com", "Z1")]), "notexample.com"), Ok(None));
    }

    #[test]
    fn two_zones_of_one_name_are_an_error_that_shows_the_pin() {
        let zones = zones(&[("a.test", "Z2"), ("a.test", "Z1")]);
        let several = choose(&zones, "x.a.test").unwrap_err();
        let fault = several.fault(None);
        assert_eq!(fault.code, "route53:ambiguous-zone");
        assert_eq!(fault.message, "the public hosted zones Z1 and Z2 are all named a.test");
        assert!(fault.hint.unwrap().contains("{a.test: ID}"));
        assert!(several.fault(Some(&zones[0].id)).hint.unwrap().contains("{a.test: Z2}"));
    }

    #[test]
    fn two_zones_of_one_name_do_not_matter_below_a_longer_zone() {
        let zones = zones(&[("a.test", "Z1"), ("a.test", "Z2"), ("b.a.test", "Z3")]);
        assert_eq!(choose(&zones, "x.b.a.test").unwrap().map(|zone| zone.id.as_str()), Some("Z3"));
    }

    #[test]
    fn no_zone_names_the_ways_out() {
        let fault = none_for("x.b.test", &zones(&[("a.test", "Z1")]));
        let hint = fault.hint.unwrap();
        assert!(["dns.route53.zones", "ACME_HOSTED_ZONE", "a.test"].iter().all(|way| hint.contains(way)), "{hint}");
    }

    proptest! {
        #[test]
        fn the_chosen_zone_holds_the_name_and_no_longer_one_does(
            names in proptest::collection::btree_set("[ab](\\.[ab]){0,3}", 1..8),
            name in "[ab](\\.[ab]){0,4}",
        ) {
            let zones: Vec<_> = names.iter().map(|zone| Zone::new(zone, ZoneId::parse("Z1").unwrap())).collect();
            let holders = || names.iter().filter(|zone| format!(".{name}").ends_with(&format!(".{zone}")));
            let chosen = choose(&zones, &name).unwrap().map(|zone| zone.name.len());
            prop_assert_eq!(chosen, holders().map(String::len).max());
        }
    }
}
