//! CAA look-ups: the relevant record set of a name, and the zone to which a record would belong.

use std::net::SocketAddr;

use super::lookup::{Lookup, side_by_side};
use crate::caa::{self, RecordSet};
use crate::fault::Fault;

/// Asks as a CA does, though without DNSSEC.
#[derive(Debug)]
pub struct CaaLookup {
    lookup: Lookup,
    /// Servers of one's own may know nothing above their zones.
    own_servers: bool,
}

impl CaaLookup {
    /// Asks these servers, or the resolver of this host if there are none. Opens no connection.
    pub fn new(nameservers: &[SocketAddr]) -> Result<Self, Fault> {
        let lookup = if nameservers.is_empty() { Lookup::system() } else { Lookup::recursive(nameservers) };
        Ok(Self { lookup: lookup?, own_servers: !nameservers.is_empty() })
    }

    /// The relevant record set of each name (RFC 8659 section 3). In the order of `names`.
    pub async fn relevant(&self, names: &[String]) -> Vec<Result<Option<RecordSet>, Fault>> {
        side_by_side(names.iter().map(|name| self.climb(name)).collect()).await
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

    /// Whether our servers have a zone that holds `name` and ends below `at`.
    async fn ends_below(&self, at: &str, name: &str) -> bool {
        self.own_servers && self.zone(name).await.is_ok_and(|zone| zone.len() > at.len())
    }

    async fn climb(&self, name: &str) -> Result<Option<RecordSet>, Fault> {
        for at in caa::tree(name) {
            match self.lookup.caa(at).await {
                Ok(properties) if properties.is_empty() => {}
                Ok(properties) => return Ok(Some(RecordSet { at: at.to_owned(), properties })),
                Err(_) if self.ends_below(at, name).await => return Ok(None),
                Err(fault) => return Err(fault),
            }
        }
        Ok(None)
    }
}
