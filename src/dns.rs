//! The DNS adapter: [`Solver`] for dns-01 over Route53 and over hooks, with look-ups of its own.
//!
//! `zone`, `batch` and `txt` are pure. `edit` is the compare and swap, `route53` the API, `hook` runs programs for zones
//! of other providers, `lookup` asks name servers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use futures::future::join_all;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::fault::Fault;
use crate::journal::{Proof, RecordSet, Txt};
use crate::port::{Addresses, Answer, Change, Solver};

mod batch;
mod caa;
mod edit;
mod hook;
mod lookup;
mod route53;
mod servers;
mod txt;
mod zone;

pub use caa::CaaLookup;
pub use hook::{Hook, check as check_hook};
pub use zone::hook as hook_of;

use batch::Wish;
use edit::Wanted;
use lookup::{Lookup, side_by_side};
use route53::Route53;
use zone::{Zone, ZoneId};

/// How long a change may take to reach all servers.
const INSYNC: Duration = Duration::from_secs(300);
/// Between the polls of all changes together: Route53 takes five calls a second from an account, whatever they are.
const POLLS_APART: Duration = Duration::from_millis(250);
/// How long a value may take to be answered.
const VISIBLE: Duration = Duration::from_secs(60);

/// `dns` of the runner's configuration.
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
    /// By the word of the configuration.
    pub hooks: BTreeMap<String, Hook>,
    /// The word of the hook that takes a zone, by the name of the zone.
    pub hook_zones: BTreeMap<String, String>,
    /// The word of the hook for all other names, instead of Route53.
    pub other_zones: Option<String>,
}

impl Default for Settings {
    /// Discovery by this host's own resolver, and a TTL of a minute: a wrong answer is soon forgotten.
    fn default() -> Self {
        Self {
            ttl: 60,
            pins: BTreeMap::new(),
            hosted_zone: None,
            nameservers: Vec::new(),
            hooks: BTreeMap::new(),
            hook_zones: BTreeMap::new(),
            other_zones: None,
        }
    }
}

/// Challenge records in Route53, or wherever hooks write them.
#[derive(Debug)]
pub struct DnsSolver {
    api: Route53,
    ttl: i64,
    pins: Vec<Zone>,
    /// For names that no pin takes.
    others: Option<ZoneId>,
    hooks: BTreeMap<String, Hook>,
    nameservers: Vec<SocketAddr>,
    lookup: OnceCell<Lookup>,
    /// Public hosted zones, listed once.
    zones: OnceCell<Vec<Zone>>,
    /// How many changes are waited for.
    waits: AtomicU32,
}

impl DnsSolver {
    /// Fails on an id that is none. Opens no connection.
    pub fn new(settings: Settings, sdk: &SdkConfig) -> Result<Self, Fault> {
        let pins = settings.pins.iter().map(|(name, id)| Ok(Zone::new(name, ZoneId::parse(id)?)));
        let taken = settings.hook_zones.iter().map(|(name, word)| Ok(Zone::new(name, ZoneId::of_hook(word))));
        let hosted = settings.hosted_zone.as_deref().map(ZoneId::parse).transpose()?;
        Ok(Self {
            api: Route53::new(sdk),
            ttl: settings.ttl,
            pins: pins.chain(taken).collect::<Result<_, Fault>>()?,
            others: settings.other_zones.as_deref().map(ZoneId::of_hook).or(hosted),
            hooks: settings.hooks,
            nameservers: settings.nameservers,
            lookup: OnceCell::new(),
            zones: OnceCell::new(),
            waits: AtomicU32::new(0),
        })
    }

    async fn lookup(&self) -> Result<&Lookup, Fault> {
        open(&self.lookup, &self.nameservers).await
    }

    async fn locate_one(&self, base: &str) -> Result<RecordSet, Fault> {
        let name = self.lookup().await?.follow(&format!("{}{base}", hook::LABEL)).await?;
        let zone = self.zone_of(&name).await?;
        if let Some(word) = zone.hook().filter(|_| !name.starts_with(hook::LABEL)) {
            let text = format!("the challenge of {base} leads to {name}, where the hook `{word}` cannot write");
            return Err(
                Fault::new("exec:cname", text).hint("let the CNAME lead to a name that begins with `_acme-challenge.`")
            );
        }
        Ok(RecordSet { zone: zone.to_string(), name })
    }

    async fn zone_of(&self, name: &str) -> Result<&ZoneId, Fault> {
        if let Some(pin) = zone::choose(&self.pins, name)? {
            return Ok(&pin.id);
        }
        if let Some(id) = &self.others {
            return Ok(id);
        }
        let zones = self.zones.get_or_try_init(|| self.api.zones()).await?;
        zone::choose(zones, name)?.map(|zone| &zone.id).ok_or_else(|| zone::none_for(name, zones))
    }

    /// Where the challenge records of `bases` live. In the order of `bases`.
    pub async fn sets(&self, bases: &[String]) -> Vec<Result<RecordSet, Fault>> {
        side_by_side(bases.iter().map(|base| self.locate_one(base)).collect()).await
    }

    /// Zones beside each other, the batches of one zone one after the other.
    async fn carry_out(&self, records: &[Proof], wish: Wish) -> Vec<Change> {
        let mut zones: BTreeMap<&str, Vec<&Txt>> = BTreeMap::new();
        for txt in txts(records) {
            zones.entry(&txt.set.zone).or_default().push(txt);
        }
        let work = zones.into_iter().map(|(zone, records)| self.change(zone, records, wish));
        join_all(work).await.concat()
    }

    async fn change(&self, zone: &str, records: Vec<&Txt>, wish: Wish) -> Vec<Change> {
        let Some(word) = zone::hook(zone) else {
            let mut wanted = Wanted::new();
            for txt in records {
                wanted.entry(txt.set.name.clone()).or_default().insert(txt.value.clone());
            }
            return edit::carry_out(&self.api, zone, wanted, wish).await;
        };
        let records: Vec<Txt> = records.into_iter().cloned().collect();
        match (self.hooks.get(word), wish) {
            (Some(hook), Wish::Present(_)) => hook.present(records).await,
            (Some(hook), Wish::Absent) => hook.clean_up(records).await,
            (None, _) => {
                let fault = Fault::new("exec:unknown", format!("the runner's config has no hook `{word}` any more"))
                    .hint("bring it back under `dns.exec` until its records are gone");
                let refused = |txt| Change { records: vec![Proof::Txt(txt)], result: Err(fault.clone()) };
                records.into_iter().map(refused).collect()
            }
        }
    }
}

fn txts(records: &[Proof]) -> impl Iterator<Item = &Txt> {
    records.iter().filter_map(|record| match record {
        Proof::Txt(txt) => Some(txt),
        Proof::File(_) => None,
    })
}

#[async_trait]
impl Solver for DnsSolver {
    /// The API alone would not say whether a CA will see the record.
    fn rehearsal(&self, _: &[String]) -> Vec<Result<Proof, Fault>> {
        Vec::new()
    }

    async fn locate(&self, answers: &[(String, Answer)]) -> Vec<Result<Proof, Fault>> {
        let bases: BTreeSet<&String> = answers.iter().map(|(base, _)| base).collect();
        let bases: Vec<String> = bases.into_iter().cloned().collect();
        let sets: BTreeMap<&String, _> = bases.iter().zip(self.sets(&bases).await).collect();
        let proof = |(base, answer): &(String, Answer)| match answer {
            Answer::Txt(value) => Ok(Proof::Txt(Txt { set: sets[base].clone()?, value: value.clone() })),
            Answer::File { .. } => Err(Fault::new("dns:not-txt", format!("{base}: a file is no answer in DNS"))),
        };
        answers.iter().map(proof).collect()
    }

    /// A change whose values were all there already has an empty id: there is nothing to wait for.
    async fn present(&self, records: &[Proof]) -> Vec<Change> {
        self.carry_out(records, Wish::Present(self.ttl)).await
    }

    async fn settled(&self, change: &Change) -> Result<(), Fault> {
        let id = change.result.as_ref().map_err(Clone::clone)?;
        let deadline = Instant::now() + INSYNC;
        let wait = Wait::begin(&self.waits);
        let mut pauses = pauses();
        while !id.is_empty() && !self.api.is_insync(id).await? {
            let pause = wait.at_least(pauses.next().unwrap_or_default());
            if Instant::now() + pause > deadline {
                let message = format!("Route53 has not finished the change {id} within {} s", INSYNC.as_secs());
                return Err(Fault::new("route53:pending", message).hint("the next run goes on with the same order"));
            }
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    async fn visible(&self, records: &[Proof]) -> Vec<Result<(), Fault>> {
        let records: Vec<Txt> = txts(records).cloned().collect();
        match self.lookup().await {
            Ok(lookup) => servers::wait_until_visible(lookup, &self.nameservers, &records, VISIBLE).await,
            Err(fault) => vec![Err(fault); records.len()],
        }
    }

    async fn clean_up(&self, records: &[Proof]) -> Vec<Change> {
        self.carry_out(records, Wish::Absent).await
    }
}

/// Addresses as a CA would find them: without this host's own file of hosts.
#[derive(Debug)]
pub struct HostLookup {
    nameservers: Vec<SocketAddr>,
    lookup: OnceCell<Lookup>,
}

impl HostLookup {
    /// Asks `nameservers`, or the resolver of this host if there are none.
    pub fn new(nameservers: &[SocketAddr]) -> Self {
        Self { nameservers: nameservers.to_owned(), lookup: OnceCell::new() }
    }
}

#[async_trait]
impl Addresses for HostLookup {
    async fn of(&self, host: &str) -> Result<Vec<IpAddr>, Fault> {
        open(&self.lookup, &self.nameservers).await?.addresses(host).await
    }
}

async fn open<'a>(lookup: &'a OnceCell<Lookup>, nameservers: &[SocketAddr]) -> Result<&'a Lookup, Fault> {
    let open = || async { if nameservers.is_empty() { Lookup::system() } else { Lookup::recursive(nameservers) } };
    lookup.get_or_try_init(open).await
}

/// One of the changes that are waited for at a time.
struct Wait<'a>(&'a AtomicU32);

impl<'a> Wait<'a> {
    fn begin(waits: &'a AtomicU32) -> Self {
        waits.fetch_add(1, Ordering::Relaxed);
        Self(waits)
    }

    /// The pause, or a longer one that leaves the others room for their polls.
    fn at_least(&self, pause: Duration) -> Duration {
        pause.max(POLLS_APART * self.0.load(Ordering::Relaxed))
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Twice a second, then each second until 40 s are over, which is nearly always enough, then less and less often.
fn pauses() -> impl Iterator<Item = Duration> {
    let quick = std::iter::repeat_n(500, 20).chain(std::iter::repeat_n(1_000, 30));
    quick.chain([5_000, 10_000, 20_000]).chain(std::iter::repeat(30_000)).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_asked_for_twice_a_second_and_later_less_often() {
        let millis: Vec<u128> = pauses().take(55).map(|pause| pause.as_millis()).collect();
        assert!(millis[..20].iter().all(|pause| *pause == 500) && millis[20..50].iter().all(|pause| *pause == 1_000));
        assert_eq!(millis[50..], [5_000, 10_000, 20_000, 30_000, 30_000]);
    }

    #[test]
    fn the_polls_of_many_changes_together_stay_below_five_a_second() {
        let waits = AtomicU32::new(0);
        let all: Vec<Wait> = (0..40).map(|_| Wait::begin(&waits)).collect();
        let pause = all[0].at_least(Duration::from_millis(500));
        assert_eq!(pause, Duration::from_secs(10));
        drop(all);
        assert_eq!(Wait::begin(&waits).at_least(Duration::from_millis(500)), Duration::from_millis(500));
    }
}
