//! CAA look-ups: the relevant record set of a name, and the zone to which a record would belong.

use std::net::SocketAddr;

use super::lookup::{Lookup, side_by_side};
use crate::caa::{self, RecordSet};
use crate::fault::Fault;

/// Asks as a CA does, though without DNSSEC.
#[derive(Debug)]
pub struct CaaLookup {
    lookup: Lookup,
}

impl CaaLookup {
    /// Asks these servers, or the resolver of this host if there are none. Opens no connection.
    pub fn new(nameservers: &[SocketAddr]) -> Result<Self, Fault> {
        let lookup = if nameservers.is_empty() { Lookup::system() } else { Lookup::recursive(nameservers) };
        Ok(Self { lookup: lookup? })
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

    async fn climb(&self, name: &str) -> Result<Option<RecordSet>, Fault> {
        for at in caa::tree(name) {
            let properties = self.lookup.caa(at).await?;
            if !properties.is_empty() {
                return Ok(Some(RecordSet { at: at.to_owned(), properties }));
            }
        }
        Ok(None)
    }
}
