//! The data of hosted zones: what the Route53 API shows at once and DNS serves once a change is INSYNC.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A domain name: lower-case labels from the root down.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Name(Vec<String>);

/// By the bytes of `com.example.www.`: the final dot counts, so `a-b` comes before `a`
/// (API reference, ListResourceRecordSets, "Sort order").
impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bytes().cmp(other.bytes())
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Name {
    /// Reads `a.b`, `a.b.` and Route53's escapes (`\052.b.` is `*.b`). `None` if a label is empty or too long.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = unescape(text)?.to_ascii_lowercase();
        let text = text.strip_suffix('.').unwrap_or(&text);
        let labels: Vec<String> = text.rsplit('.').map(str::to_owned).collect();
        let whole = text.len() <= 253 && labels.iter().all(|label| (1..=63).contains(&label.len()));
        whole.then_some(Self(labels))
    }

    pub(super) fn is_within(&self, zone: &Self) -> bool {
        self.0.starts_with(&zone.0)
    }

    fn bytes(&self) -> impl Iterator<Item = u8> {
        self.0.iter().flat_map(|label| label.bytes().chain([b'.']))
    }

    /// As Route53 writes it: a trailing dot, and octal escapes for all but letters, digits, `-` and `_`.
    pub(super) fn to_route53(&self) -> String {
        let mut text = String::new();
        for label in self.0.iter().rev() {
            for byte in label.bytes() {
                if byte.is_ascii_alphanumeric() || b"-_".contains(&byte) {
                    text.push(char::from(byte));
                } else {
                    write!(text, "\\{byte:03o}").expect("a String takes everything");
                }
            }
            text.push('.');
        }
        text
    }

    /// Without the trailing dot and without escapes.
    pub(super) fn to_plain(&self) -> String {
        self.0.iter().rev().map(String::as_str).collect::<Vec<_>>().join(".")
    }
}

/// Turns `\ooo` into the byte it stands for. `None` if that is not text.
pub(super) fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = match (first, tail.get(..3)) {
            (b'\\', Some(digits)) if digits.iter().all(|digit| (b'0'..=b'7').contains(digit)) => {
                let code = digits.iter().fold(0u16, |code, digit| code * 8 + u16::from(digit - b'0'));
                bytes.push(u8::try_from(code).ok()?);
                &tail[3..]
            }
            (b'\\', _) => {
                bytes.push(*tail.first()?);
                &tail[1..]
            }
            _ => {
                bytes.push(first);
                tail
            }
        };
    }
    String::from_utf8(bytes).ok()
}

/// What tells record sets of one name and type apart (Route53 `ResourceRecordSet`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Routing {
    Weight(u64),
    MultiValueAnswer,
}

/// A record set as the Route53 API has it: values are as in the API, TXT quoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordSet {
    /// Lower case, without a trailing dot.
    pub name: String,
    /// `TXT`, `CNAME`, …
    pub kind: String,
    /// Seconds.
    pub ttl: u32,
    pub values: Vec<String>,
    /// The set identifier and the policy of a set that is not simple.
    pub routing: Option<(String, Routing)>,
}

/// Name, type and set identifier (empty for a simple set), in the order of `ListResourceRecordSets`.
pub(super) type Key = (Name, String, String);
pub(super) type Sets = BTreeMap<Key, RecordSet>;

pub(super) struct Zone {
    pub(super) id: String,
    /// The access key of the account that it is in.
    pub(super) account: &'static str,
    pub(super) name: Name,
    pub(super) private: bool,
    /// What the API shows.
    pub(super) sets: Sets,
    /// What DNS serves.
    served: Sets,
    /// States on their way to the servers, and when they arrive. `None` is never.
    coming: VecDeque<(Option<Instant>, Sets)>,
}

/// All zones and changes. Cheap to clone; all clones are the same data.
#[derive(Clone)]
pub(super) struct Zones(Arc<Mutex<Inner>>);

pub(super) struct Inner {
    pub(super) zones: Vec<Zone>,
    /// When each change is INSYNC, by its id.
    changes: BTreeMap<String, Option<Instant>>,
    pub(super) insync_delay: Duration,
}

impl Zones {
    pub(super) fn new(insync_delay: Duration) -> Self {
        Self(Arc::new(Mutex::new(Inner { zones: Vec::new(), changes: BTreeMap::new(), insync_delay })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Adds a zone with the NS and SOA records that Route53 makes.
    pub(super) fn add(&mut self, account: &'static str, id: &str, name: &Name, private: bool) {
        let plain = name.to_plain();
        let set = |kind: &str, ttl, values: &[&str]| RecordSet {
            name: plain.clone(),
            kind: kind.to_owned(),
            ttl,
            values: values.iter().map(|value| (*value).to_owned()).collect(),
            routing: None,
        };
        let ns = set("NS", 172_800, &NAME_SERVERS);
        let soa = set("SOA", 900, &["ns-1.sandbox.test. hostmaster.sandbox.test. 1 7200 900 1209600 60"]);
        let sets: Sets =
            [ns, soa].into_iter().map(|set| ((name.clone(), set.kind.clone(), String::new()), set)).collect();
        let (id, served) = (id.to_owned(), sets.clone());
        self.zones.push(Zone { id, account, name: name.clone(), private, sets, served, coming: VecDeque::new() });
    }

    pub(super) fn zone(&mut self, id: &str) -> Option<&mut Zone> {
        self.zones.iter_mut().find(|zone| zone.id == id)
    }

    /// The public zone that is authoritative for a name.
    pub(super) fn closest(&mut self, name: &Name) -> Option<&mut Zone> {
        let enclosing = self.zones.iter_mut().filter(|zone| !zone.private && name.is_within(&zone.name));
        enclosing.max_by_key(|zone| zone.name.0.len())
    }

    /// Makes `sets` the state of a zone and gives the id of the change.
    pub(super) fn commit(&mut self, zone: &str, sets: Sets) -> String {
        let arrives = Instant::now().checked_add(self.insync_delay);
        let id = format!("C{:013}SANDBOX", self.changes.len() + 1);
        self.changes.insert(id.clone(), arrives);
        let zone = self.zone(zone).expect("the caller has found the zone");
        zone.sets = sets.clone();
        zone.coming.push_back((arrives, sets));
        id
    }

    /// Whether a change is INSYNC. `None` if there is no such change.
    pub(super) fn is_insync(&self, change: &str) -> Option<bool> {
        self.changes.get(change).map(|arrives| has_come(*arrives))
    }
}

impl Zone {
    /// What DNS serves now.
    pub(super) fn served(&mut self) -> &Sets {
        while let Some((arrives, _)) = self.coming.front() {
            if !has_come(*arrives) {
                break;
            }
            let (_, sets) = self.coming.pop_front().expect("there is a front");
            self.served = sets;
        }
        &self.served
    }

    /// Puts a record set in place, at once and everywhere.
    pub(super) fn seed(&mut self, key: Key, set: RecordSet) {
        for (_, sets) in &mut self.coming {
            sets.insert(key.clone(), set.clone());
        }
        self.served.insert(key.clone(), set.clone());
        self.sets.insert(key, set);
    }
}

/// The servers of every zone. Their addresses are 127.0.0.1.
pub(super) const NAME_SERVERS: [&str; 2] = ["ns-1.sandbox.test.", "ns-2.sandbox.test."];

fn has_come(arrives: Option<Instant>) -> bool {
    arrives.is_some_and(|arrives| arrives <= Instant::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_from_the_root_down() {
        let mut names = ["b.a.example", "example", "z.example", "a.example"].map(|name| Name::parse(name).unwrap());
        names.sort();
        assert_eq!(names.map(|name| name.to_plain()), ["example", "a.example", "b.a.example", "z.example"]);
    }

    #[test]
    fn a_wildcard_is_escaped_as_route53_does() {
        let name = Name::parse("*.Example.com").unwrap();
        assert_eq!(name.to_route53(), "\\052.example.com.");
        assert_eq!(Name::parse(&name.to_route53()), Some(name));
    }

    #[test]
    fn dns_serves_the_old_data_until_the_change_arrives() {
        let zones = Zones::new(Duration::MAX);
        let apex = Name::parse("example.com").unwrap();
        let mut inner = zones.lock();
        inner.add("", "Z1", &apex, false);
        let change = inner.commit("Z1", Sets::new());
        assert_eq!(inner.is_insync(&change), Some(false));
        assert_eq!(inner.zone("Z1").unwrap().served().len(), 2);
    }
}
