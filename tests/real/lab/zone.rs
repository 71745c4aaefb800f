//! What Route53 documents for a batch of changes, where moto does not do it. Pure.
//!
//! Sources: ChangeResourceRecordSets and ResourceRecordSet in the API reference, "Quotas on ChangeResourceRecordSets
//! API requests" and "TXT record type" in the developer guide.

use std::collections::BTreeMap;

use super::xml::{Element, tag};

/// "Maximum number of ResourceRecord elements"; each counts twice under UPSERT.
const MAX_RECORDS: usize = 1000;
/// "The sum of the number of characters in all Value elements"; each counts twice under UPSERT.
const MAX_CHARACTERS: usize = 32_000;

/// What tells record sets apart: lower-case name with its final dot, type, set identifier of a routing policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub name: String,
    pub kind: String,
    pub set_identifier: Option<String>,
}

/// What a record set holds. Values are as in a zone file: TXT values in quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// Seconds. `None` for an alias.
    pub ttl: Option<u32>,
    pub values: Vec<String>,
}

/// All record sets of one zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zone {
    /// Lower-case, with its final dot.
    pub name: String,
    pub sets: BTreeMap<Key, Set>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Create,
    Upsert,
    Delete,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub action: Action,
    pub key: Key,
    pub set: Set,
}

impl Zone {
    /// The record sets of a ListResourceRecordSets answer.
    pub fn read(name: &str, answer: &Element) -> Result<Zone, String> {
        let sets = answer.list("ResourceRecordSets").iter().map(read_set).collect::<Result<_, _>>()?;
        Ok(Zone { name: absolute(name), sets })
    }

    /// The zone after the whole batch, or why Route53 answers InvalidChangeBatch.
    pub fn after(&self, batch: &[Change]) -> Result<Zone, String> {
        within_quotas(batch)?;
        one_change_each(batch)?;
        let mut zone = self.clone();
        for change in batch {
            zone.apply(change)?;
        }
        Ok(zone)
    }

    fn apply(&mut self, Change { action, key, set }: &Change) -> Result<(), String> {
        let Key { name, kind, .. } = key;
        if *name != self.name && !name.ends_with(&format!(".{}", self.name)) {
            return Err(format!("RRSet with DNS name {name} is not permitted in zone {}", self.name));
        }
        well_formed(key, set)?;
        let what = format!("resource record set [name='{name}', type='{kind}']");
        match (action, self.sets.get(key)) {
            (Action::Create, Some(_)) => return Err(format!("Tried to create {what} but it already exists")),
            (Action::Delete, None) => return Err(format!("Tried to delete {what} but it was not found")),
            (Action::Delete, Some(there)) if !same(there, set) => {
                return Err(format!("Tried to delete {what} but the values provided do not match the current values"));
            }
            (Action::Delete, Some(_)) => {
                if *name == self.name && (kind == "SOA" || kind == "NS") {
                    return Err(format!("A HostedZone must contain exactly one {kind} record for the zone itself"));
                }
                self.sets.remove(key);
            }
            (Action::Create | Action::Upsert, _) => {
                self.no_conflict(key)?;
                self.sets.insert(key.clone(), set.clone());
            }
        }
        Ok(())
    }

    /// A CNAME stands alone at its name (RFC 1034 section 3.6.2), and a simple set beside no set with a routing policy.
    fn no_conflict(&self, key: &Key) -> Result<(), String> {
        for other in self.sets.keys().filter(|other| other.name == key.name && *other != key) {
            let cname = (other.kind == "CNAME") != (key.kind == "CNAME");
            let policy = other.kind == key.kind && (other.set_identifier.is_none() || key.set_identifier.is_none());
            if cname || policy {
                return Err(format!(
                    "RRSet of type {} with DNS name {} is not permitted as it conflicts with other records with the \
                     same DNS name in zone {}",
                    key.kind, key.name, self.name
                ));
            }
        }
        Ok(())
    }

    /// The batches that take `self` to `target` and that moto accepts: UPSERT and DELETE only, few records each.
    pub fn translated(&self, target: &Zone) -> Vec<Vec<Change>> {
        const RECORDS_PER_BATCH: usize = 250;
        let gone = self.sets.iter().filter(|(key, _)| !target.sets.contains_key(key));
        let new = target.sets.iter().filter(|(key, set)| self.sets.get(key) != Some(set));
        let delete = |(key, set): (&Key, &Set)| Change { action: Action::Delete, key: key.clone(), set: set.clone() };
        let upsert = |(key, set): (&Key, &Set)| Change { action: Action::Upsert, key: key.clone(), set: set.clone() };
        let mut batches: Vec<Vec<Change>> = Vec::new();
        let mut records = RECORDS_PER_BATCH;
        for change in gone.map(delete).chain(new.map(upsert)) {
            records += change.set.values.len();
            if records > RECORDS_PER_BATCH {
                batches.push(Vec::new());
                records = change.set.values.len();
            }
            batches.last_mut().expect("the first change opens a batch").push(change);
        }
        batches
    }
}

/// The changes of a ChangeResourceRecordSets request. An error here is InvalidInput.
pub fn read_batch(request: &Element) -> Result<Vec<Change>, String> {
    let batch = request.child("ChangeBatch").ok_or("the request has no ChangeBatch")?;
    let changes: Vec<Change> = batch.list("Changes").iter().map(read_change).collect::<Result<_, _>>()?;
    if changes.is_empty() { Err("the batch has no changes".to_owned()) } else { Ok(changes) }
}

/// A ChangeResourceRecordSets request.
pub fn write_batch(changes: &[Change]) -> String {
    let changes: String = changes.iter().map(write_change).collect();
    format!(
        "<ChangeResourceRecordSetsRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><ChangeBatch><Changes>\
         {changes}</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>"
    )
}

/// Lower-case, with the final dot, `*` as itself (the API lists it as `\052`).
pub fn absolute(name: &str) -> String {
    let name = name.trim_end_matches('.').replace("\\052", "*").to_ascii_lowercase();
    format!("{name}.")
}

fn read_change(change: &Element) -> Result<Change, String> {
    let action = match change.text_of("Action") {
        Some("CREATE") => Action::Create,
        Some("UPSERT") => Action::Upsert,
        Some("DELETE") => Action::Delete,
        other => return Err(format!("{other:?} is no action")),
    };
    let (key, set) = read_set(change.child("ResourceRecordSet").ok_or("a change has no ResourceRecordSet")?)?;
    if key.set_identifier.is_some() || set.ttl.is_none() {
        return Err("the lab changes simple record sets only".to_owned());
    }
    Ok(Change { action, key, set })
}

fn read_set(set: &Element) -> Result<(Key, Set), String> {
    let name = absolute(set.text_of("Name").ok_or("a record set has no Name")?);
    let kind = set.text_of("Type").ok_or("a record set has no Type")?.to_owned();
    let set_identifier = set.text_of("SetIdentifier").map(str::to_owned);
    let ttl = set.text_of("TTL").map(|ttl| ttl.parse().map_err(|_| format!("{ttl} is no TTL"))).transpose()?;
    let records = set.list("ResourceRecords").iter();
    let values = records.map(|record| record.text_of("Value").map(str::to_owned)).collect::<Option<_>>();
    Ok((Key { name, kind, set_identifier }, Set { ttl, values: values.ok_or("a record has no Value")? }))
}

fn write_change(change: &Change) -> String {
    let action = match change.action {
        Action::Create => "CREATE",
        Action::Upsert => "UPSERT",
        Action::Delete => "DELETE",
    };
    let records: String = change
        .set
        .values
        .iter()
        .map(|value| format!("<ResourceRecord>{}</ResourceRecord>", tag("Value", value)))
        .collect();
    format!(
        "<Change>{}<ResourceRecordSet>{}{}{}<ResourceRecords>{records}</ResourceRecords></ResourceRecordSet></Change>",
        tag("Action", action),
        tag("Name", &change.key.name),
        tag("Type", &change.key.kind),
        tag("TTL", &change.set.ttl.unwrap_or_default().to_string()),
    )
}

fn within_quotas(batch: &[Change]) -> Result<(), String> {
    let (mut records, mut characters) = (0, 0);
    for Change { action, set, .. } in batch {
        let weight = if *action == Action::Upsert { 2 } else { 1 };
        records += weight * set.values.len();
        characters += weight * set.values.iter().map(|value| value.chars().count()).sum::<usize>();
    }
    if records > MAX_RECORDS {
        return Err(format!("Number of records limit of {MAX_RECORDS} exceeded."));
    }
    if characters > MAX_CHARACTERS {
        return Err(format!("Number of characters limit of {MAX_CHARACTERS} exceeded."));
    }
    Ok(())
}

/// A record set occurs once in a batch, or is deleted and created anew.
fn one_change_each(batch: &[Change]) -> Result<(), String> {
    let mut seen: BTreeMap<&Key, Vec<Action>> = BTreeMap::new();
    for change in batch {
        seen.entry(&change.key).or_default().push(change.action);
    }
    for (key, actions) in seen {
        if actions.len() > 1 && actions != [Action::Delete, Action::Create] {
            return Err(format!(
                "The request contains an invalid set of changes for a resource record set '{} {}'",
                key.kind, key.name
            ));
        }
    }
    Ok(())
}

fn well_formed(key: &Key, set: &Set) -> Result<(), String> {
    if set.values.is_empty() {
        return Err(format!("{} {} has no values", key.kind, key.name));
    }
    let distinct: std::collections::BTreeSet<&String> = set.values.iter().collect();
    if distinct.len() < set.values.len() {
        return Err(format!("Duplicate Resource Record in {} {}", key.kind, key.name));
    }
    if key.kind == "TXT" { set.values.iter().try_for_each(|value| txt_strings(value).map(|_| ())) } else { Ok(()) }
}

/// The strings of a TXT value: each in quotes, at most 255 bytes, separated by spaces.
pub fn txt_strings(value: &str) -> Result<Vec<String>, String> {
    let invalid = |why: &str| format!("Invalid Resource Record: 'FATAL problem: {why} encountered with '{value}''");
    let mut strings = Vec::new();
    let mut rest = value.trim();
    while !rest.is_empty() {
        let unquoted = "InvalidCharacterString (Value should be enclosed in quotation marks)";
        let body = rest.strip_prefix('"').ok_or_else(|| invalid(unquoted))?;
        let (string, after) = body.split_once('"').ok_or_else(|| invalid(unquoted))?;
        if string.len() > 255 {
            return Err(invalid("CharacterStringTooLong (Value is too long)"));
        }
        strings.push(string.to_owned());
        rest = after.trim_start();
    }
    if strings.is_empty() { Err(invalid("InvalidCharacterString (Value is empty)")) } else { Ok(strings) }
}

/// Route53 compares values as a set; the TTL must be the same too.
fn same(there: &Set, asked: &Set) -> bool {
    let sorted = |set: &Set| {
        let mut values = set.values.clone();
        values.sort();
        values
    };
    there.ttl == asked.ttl && sorted(there) == sorted(asked)
}
