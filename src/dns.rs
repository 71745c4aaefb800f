//! The DNS adapter: [`port::Dns`](crate::port::Dns) over Route53, with look-ups of its own.
//!
//! `zone`, `batch` and `txt` are pure. `edit` is the compare and swap, `route53` the API, `lookup` asks name servers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use futures::future::join_all;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::fault::Fault;
use crate::journal::{RecordSet, Txt};
use crate::port::{Change, Dns};

mod batch;
mod caa;
mod edit;
mod lookup;
mod route53;
mod servers;
mod txt;
mod zone;

pub use caa::CaaLookup;

use batch::Wish;
use edit::Wanted;
use lookup::{Lookup, side_by_side};
use route53::Route53;
use zone::{Zone, ZoneId};

/// How long a change may take to reach all servers.
const INSYNC: Duration = Duration::from_secs(300);
/// How long a value may take to be answered.
const VISIBLE: Duration = Duration::from_secs(60);

/// `dns.route53` of the runner's configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Of new record sets, in seconds.
    pub ttl: i64,
    /// Zone names and their ids, stronger than everything else.
    pub pins: BTreeMap<String, String>,
    /// The id of the zone for all other names (ACME_HOSTED_ZONE), instead of discovery.
    pub hosted_zone: Option<String>,
    /// Asked instead of the system's resolver, and instead of the zone's own servers. They must not cache: a name
    /// that was missing once would stay missing.
    pub nameservers: Vec<SocketAddr>,
}

impl Default for Settings {
    /// Discovery by this host's own resolver, and a TTL of a minute: a wrong answer is soon forgotten.
    fn default() -> Self {
        Self { ttl: 60, pins: BTreeMap::new(), hosted_zone: None, nameservers: Vec::new() }
    }
}

/// Challenge records in Route53.
#[derive(Debug)]
pub struct Route53Dns {
    api: Route53,
    ttl: i64,
    pins: Vec<Zone>,
    hosted_zone: Option<ZoneId>,
    nameservers: Vec<SocketAddr>,
    lookup: OnceCell<Lookup>,
    /// Public hosted zones, listed once.
    zones: OnceCell<Vec<Zone>>,
}

impl Route53Dns {
    /// Fails on an id that is none. Opens no connection.
    pub fn new(settings: Settings, sdk: &SdkConfig) -> Result<Self, Fault> {
        let pins = settings.pins.iter().map(|(name, id)| Ok(Zone::new(name, ZoneId::parse(id)?)));
        Ok(Self {
            api: Route53::new(sdk),
            ttl: settings.ttl,
            pins: pins.collect::<Result<_, Fault>>()?,
            hosted_zone: settings.hosted_zone.as_deref().map(ZoneId::parse).transpose()?,
            nameservers: settings.nameservers,
            lookup: OnceCell::new(),
            zones: OnceCell::new(),
        })
    }

    async fn lookup(&self) -> Result<&Lookup, Fault> {
        let open = || async {
            if self.nameservers.is_empty() { Lookup::system() } else { Lookup::recursive(&self.nameservers) }
        };
        self.lookup.get_or_try_init(open).await
    }

    async fn locate_one(&self, base: &str) -> Result<RecordSet, Fault> {
        let name = self.lookup().await?.follow(&format!("_acme-challenge.{base}")).await?;
        let zone = self.zone_of(&name).await?.to_string();
        Ok(RecordSet { zone, name })
    }

    async fn zone_of(&self, name: &str) -> Result<&ZoneId, Fault> {
        if let Some(pin) = zone::choose(&self.pins, name)? {
            return Ok(&pin.id);
        }
        if let Some(id) = &self.hosted_zone {
            return Ok(id);
        }
        let zones = self.zones.get_or_try_init(|| self.api.zones()).await?;
        zone::choose(zones, name)?.map(|zone| &zone.id).ok_or_else(|| zone::none_for(name, zones))
    }

    /// Zones beside each other, the batches of one zone one after the other.
    async fn carry_out(&self, records: &[Txt], wish: Wish) -> Vec<Change> {
        let mut zones: BTreeMap<&str, Wanted> = BTreeMap::new();
        for txt in records {
            let names = zones.entry(&txt.set.zone).or_default();
            names.entry(txt.set.name.clone()).or_default().insert(txt.value.clone());
        }
        let work = zones.into_iter().map(|(zone, wanted)| edit::carry_out(&self.api, zone, wanted, wish));
        join_all(work).await.concat()
    }
}

#[async_trait]
impl Dns for Route53Dns {
    async fn locate(&self, bases: &[String]) -> Vec<Result<RecordSet, Fault>> {
        side_by_side(bases.iter().map(|base| self.locate_one(base)).collect()).await
    }

    /// A change whose values were all there already has an empty id: there is nothing to wait for.
    async fn present(&self, records: &[Txt]) -> Vec<Change> {
        self.carry_out(records, Wish::Present(self.ttl)).await
    }

    async fn settled(&self, change: &Change) -> Result<(), Fault> {
        let id = change.result.as_ref().map_err(Clone::clone)?;
        let deadline = Instant::now() + INSYNC;
        let mut pauses = pauses();
        while !id.is_empty() && !self.api.is_insync(id).await? {
            let pause = pauses.next().unwrap_or_default();
            if Instant::now() + pause > deadline {
                let message = format!("Route53 has not finished the change {id} within {} s", INSYNC.as_secs());
                return Err(Fault::new("route53:pending", message).hint("the next run goes on with the same order"));
            }
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    async fn visible(&self, records: &[Txt]) -> Vec<Result<(), Fault>> {
        match self.lookup().await {
            Ok(lookup) => servers::wait_until_visible(lookup, &self.nameservers, records, VISIBLE).await,
            Err(fault) => vec![Err(fault); records.len()],
        }
    }

    async fn clean_up(&self, records: &[Txt]) -> Vec<Change> {
        self.carry_out(records, Wish::Absent).await
    }
}

/// Each second for half a minute, which is nearly always enough, then less and less often.
fn pauses() -> impl Iterator<Item = Duration> {
    let quick = std::iter::repeat_n(1, 30);
    quick.chain([5, 10, 20]).chain(std::iter::repeat(30)).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_asked_for_each_second_and_after_half_a_minute_less_often() {
        let seconds: Vec<u64> = pauses().take(35).map(|pause| pause.as_secs()).collect();
        assert!(seconds[..30].iter().all(|second| *second == 1));
        assert_eq!(seconds[30..], [5, 10, 20, 30, 30]);
    }
}
