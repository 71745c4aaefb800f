//! CAA look-ups: the relevant record set of a name, and the zone to which a record would belong.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::lookup::{Lookup, side_by_side};
use crate::caa::{self, RecordSet};
use crate::fault::Fault;
use crate::port::Caa;

/// Asks as a CA does, though without DNSSEC.
#[derive(Debug)]
pub struct CaaLookup {
    lookup: Lookup,
    /// Servers of one's own may know nothing above their zones.
    own_servers: bool,
    /// Zones of theirs that were found.
    zones: Mutex<BTreeSet<String>>,
}

impl CaaLookup {
    /// Asks these servers, or the resolver of this host if there are none. Opens no connection.
    pub fn new(nameservers: &[SocketAddr]) -> Result<Self, Fault> {
        let lookup = if nameservers.is_empty() { Lookup::system() } else { Lookup::recursive(nameservers) };
        Ok(Self { lookup: lookup?, own_servers: !nameservers.is_empty(), zones: Mutex::default() })
    }

    /// The closest parent of a name, or the name itself, that is a zone of its own.
    pub async fn zone(&self, name: &str) -> Result<String, Fault> {
        for here in caa::tree(name) {
            if self.lookup.is_zone(here).await? {
                return Ok(here.to_owned());
            }
        }
        Err(Fault::new("dns:no-name-server", format!("no name server is known for {name}")))
    }

    /// Whether our servers have a zone that holds `name` and ends below `at`. From the top: many names share the answer.
    async fn ends_below(&self, at: &str, name: &str) -> bool {
        let mut below: Vec<&str> = caa::tree(name).take_while(|here| *here != at).collect();
        below.retain(|_| self.own_servers);
        while let Some(here) = below.pop() {
            if self.known().contains(here) {
                return true;
            }
            if self.lookup.is_zone(here).await.unwrap_or(false) {
                self.known().insert(here.to_owned());
                return true;
            }
        }
        false
    }

    fn known(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.zones.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn climb(&self, name: &str, found: &BTreeMap<&str, Answer>) -> Answer {
        for at in caa::tree(name) {
            match &found[at] {
                Ok(None) => {}
                Ok(set) => return Ok(set.clone()),
                Err(_) if self.ends_below(at, name).await => return Ok(None),
                Err(fault) => return Err(fault.clone()),
            }
        }
        Ok(None)
    }

    async fn at(&self, name: &str) -> Answer {
        let properties = self.lookup.caa(name).await?;
        Ok((!properties.is_empty()).then(|| RecordSet { at: name.to_owned(), properties }))
    }
}

/// The records at a name, or the relevant ones of it.
type Answer = Result<Option<RecordSet>, Fault>;

#[async_trait]
impl Caa for CaaLookup {
    /// Parents that names share are asked about once (RFC 8659 section 3).
    async fn relevant(&self, names: &[String]) -> Vec<Answer> {
        let all: BTreeSet<&str> = names.iter().flat_map(|name| caa::tree(name)).collect();
        let asked = all.into_iter().map(|at| async move { (at, self.at(at).await) }).collect();
        let found: BTreeMap<&str, Answer> = side_by_side(asked).await.into_iter().collect();
        side_by_side(names.iter().map(|name| self.climb(name, &found)).collect()).await
    }
}
