//! A change batch: read strictly, and applied all or nothing.

use super::super::txt;
use super::super::zone::{Key, Name, RecordSet, Routing, Sets, Zone};
use super::Refused;
use super::xml::Element;

/// API reference, `ChangeResourceRecordSets`: per batch, UPSERT counts double.
const RECORDS: usize = 1_000;
const CHARACTERS: usize = 32_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Create,
    Delete,
    Upsert,
}

struct Change {
    action: Action,
    key: Key,
    set: RecordSet,
}

/// The record sets of the zone after the batch.
pub(super) fn apply(zone: &Zone, document: &Element) -> Result<Sets, Refused> {
    let changes = document.child("ChangeBatch").and_then(|batch| batch.child("Changes")).map(Element::children);
    let changes: Vec<Change> = changes.unwrap_or_default().iter().map(read).collect::<Result<_, _>>()?;
    if document.name() != "ChangeResourceRecordSetsRequest" {
        let expected = "ChangeBatch is not valid, expected ChangeResourceRecordSetsRequest";
        return Err(Refused::new(400, "MalformedInput", expected));
    }
    if changes.is_empty() {
        return Err(Refused::input("The request holds no change"));
    }
    check_limits(&changes)?;
    let mut sets = zone.sets.clone();
    let wrong: Vec<String> =
        changes.into_iter().filter_map(|change| edit(&mut sets, &zone.name, change).err()).collect();
    if wrong.is_empty() { Ok(sets) } else { Err(Refused::batch(&wrong)) }
}

fn read(change: &Element) -> Result<Change, Refused> {
    let input = |text: &str| Refused::input(text);
    let action = match change.field("Action") {
        Some("CREATE") => Action::Create,
        Some("DELETE") => Action::Delete,
        Some("UPSERT") => Action::Upsert,
        _ => return Err(input("The action is none of CREATE, DELETE, UPSERT")),
    };
    let set = change.child("ResourceRecordSet").ok_or_else(|| input("A change has no ResourceRecordSet"))?;
    let name = set.field("Name").and_then(Name::parse).ok_or_else(|| input("A record set has no valid name"))?;
    let kind = set.field("Type").ok_or_else(|| input("A record set has no type"))?.to_owned();
    if set.child("AliasTarget").is_some() {
        return Err(input("This stand-in has no alias records"));
    }
    let ttl = set.field("TTL").and_then(|ttl| ttl.parse().ok()).filter(|ttl| *ttl <= i32::MAX as u32);
    let ttl = ttl.ok_or_else(|| input("A record set has no valid TTL"))?;
    let records = set.child("ResourceRecords").map(Element::children).unwrap_or_default();
    let values: Vec<String> = records.iter().filter_map(|record| record.field("Value")).map(str::to_owned).collect();
    if values.is_empty() {
        return Err(input("A record set has no value"));
    }
    let routing = read_routing(set)?;
    let key = (name.clone(), kind.clone(), routing.as_ref().map(|(id, _)| id.clone()).unwrap_or_default());
    Ok(Change { action, key, set: RecordSet { name: name.to_plain(), kind, ttl, values, routing } })
}

fn read_routing(set: &Element) -> Result<Option<(String, Routing)>, Refused> {
    let weight = set.field("Weight").and_then(|weight| weight.parse().ok()).map(Routing::Weight);
    let multi = (set.field("MultiValueAnswer") == Some("true")).then_some(Routing::MultiValueAnswer);
    match (set.field("SetIdentifier"), weight.or(multi)) {
        (None, None) => Ok(None),
        (Some(id), Some(policy)) if !id.is_empty() => Ok(Some((id.to_owned(), policy))),
        _ => Err(Refused::input("A set identifier and a routing policy go together")),
    }
}

fn check_limits(changes: &[Change]) -> Result<(), Refused> {
    let weigh = |size: fn(&RecordSet) -> usize| -> usize {
        let times = |action| if action == Action::Upsert { 2 } else { 1 };
        changes.iter().map(|change| times(change.action) * size(&change.set)).sum()
    };
    let refuse = |text: String| Err(Refused::batch(&[text]));
    if weigh(|set| set.values.len()) > RECORDS {
        return refuse(format!("Number of records limit of {RECORDS} exceeded."));
    }
    if weigh(|set| set.values.iter().map(|value| value.chars().count()).sum()) > CHARACTERS {
        return refuse(format!("RDATA character limit of {CHARACTERS} exceeded."));
    }
    Ok(())
}

/// One change, on top of those before it in the batch.
fn edit(sets: &mut Sets, zone: &Name, change: Change) -> Result<(), String> {
    let Change { action, key, set } = change;
    let (name, kind) = (key.0.to_route53(), key.1.clone());
    let verb = match action {
        Action::Create => "create",
        Action::Delete => "delete",
        Action::Upsert => "upsert",
    };
    let identifier = if key.2.is_empty() { String::new() } else { format!(", set-identifier='{}'", key.2) };
    let tried =
        |but: &str| format!("Tried to {verb} resource record set [name='{name}', type='{kind}'{identifier}] but {but}");
    if !key.0.is_within(zone) {
        return Err(format!("RRSet with DNS name {name} is not permitted in zone {}", zone.to_route53()));
    }
    check_values(&set).map_err(|why| format!("Invalid Resource Record: '{why}' [name='{name}', type='{kind}']"))?;
    let existing = sets.get(&key);
    match action {
        Action::Delete if key.0 == *zone && matches!(kind.as_str(), "NS" | "SOA") => {
            return Err(format!("A HostedZone must contain at least one {kind} record for the zone itself."));
        }
        Action::Delete if existing.is_none() => return Err(tried("it was not found")),
        Action::Delete if !existing.is_some_and(|existing| same(existing, &set)) => {
            return Err(tried("the values provided do not match the current values"));
        }
        Action::Create if existing.is_some() => return Err(tried("it already exists")),
        Action::Delete => {
            sets.remove(&key);
            return Ok(());
        }
        Action::Create | Action::Upsert => {}
    }
    check_neighbours(sets, zone, &key)?;
    sets.insert(key, set);
    Ok(())
}

fn check_values(set: &RecordSet) -> Result<(), &'static str> {
    let mut sorted = set.values.clone();
    sorted.sort();
    if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err("duplicate values");
    }
    match set.kind.as_str() {
        "TXT" => set.values.iter().try_for_each(|value| {
            let strings = txt::parse(value)?;
            if strings.concat().len() > 4_000 { Err("a value is longer than 4000 characters") } else { Ok(()) }
        }),
        "CNAME" if set.values.len() > 1 => Err("a CNAME has one value"),
        "CNAME" | "NS" if set.values.iter().any(|value| Name::parse(value).is_none()) => Err("not a domain name"),
        "A" if set.values.iter().any(|value| value.parse::<std::net::Ipv4Addr>().is_err()) => {
            Err("not an IPv4 address")
        }
        "A" | "AAAA" | "CAA" | "CNAME" | "MX" | "NS" | "SOA" | "SRV" => Ok(()),
        _ => Err("unknown type"),
    }
}

/// A CNAME stands alone, and a simple set excludes other policies at its name and type.
fn check_neighbours(sets: &Sets, zone: &Name, key: &Key) -> Result<(), String> {
    let (name, kind, id) = key;
    let conflict = |what: &str| {
        let name = name.to_route53();
        let zone = zone.to_route53();
        Err(format!("RRSet of type {kind} with DNS name {name} is not permitted {what} in zone {zone}"))
    };
    if kind == "CNAME" && name == zone {
        return conflict("at apex");
    }
    let here = sets.range((name.clone(), String::new(), String::new())..).take_while(|((other, ..), _)| other == name);
    for ((_, other_kind, other_id), _) in here {
        if (other_kind == "CNAME") != (kind == "CNAME") {
            return conflict(&format!(
                "because a conflicting RRSet of type {other_kind} with the same DNS name already exists"
            ));
        }
        if other_kind == kind && other_id.is_empty() != id.is_empty() {
            return conflict("as it mixes a simple record set with one of another routing policy");
        }
    }
    Ok(())
}

/// Name, type, TTL and all values; the order of the values does not count.
fn same(existing: &RecordSet, named: &RecordSet) -> bool {
    let sorted = |set: &RecordSet| {
        let mut values = set.values.clone();
        values.sort();
        values
    };
    existing.ttl == named.ttl && existing.routing == named.routing && sorted(existing) == sorted(named)
}
