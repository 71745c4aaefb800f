//! The DNS adapter: [`Solver`] for dns-01 over Route53 and over hooks, with look-ups of its own.
//!
//! `zone`, `batch` and `txt` are pure. `edit` is the compare and swap, `route53` the API, `hook` runs programs for zones
//! of other providers, `lookup` asks name servers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use futures::future::join_all;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::fault::Fault;
use crate::journal::{Proof, RecordSet, Txt};
use crate::port::{Addresses, Answer, Change, INSYNC_DEADLINE, Solver};

mod batch;
mod caa;
pub mod delegation;
mod edit;
mod hook;
mod lookup;
mod pace;
mod route53;
mod servers;
mod txt;
mod zone;

pub use caa::CaaLookup;
pub use delegation::Delegation;
pub use hook::{Hook, check as check_hook};
pub use zone::hook as hook_of;

use batch::Wish;
use edit::Wanted;
use lookup::{Lookup, side_by_side};
use pace::{Pace, Wait};
use route53::Route53;
use zone::{Zone, ZoneId};

/// How long a value may take to be answered.
const VISIBLE: Duration = Duration::from_secs(60);

/// `dns` of the runner's configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Of new record sets, in seconds.
    pub ttl: i64,
    /// ARN of the role that all zones without one of their own are reached by. Says whose account that is.
    pub role: Option<String>,
    /// The account of the credentials that are used without a role, where they tell.
    pub account: Option<String>,
    /// Zones by their names, stronger than everything else.
    pub pins: BTreeMap<String, Pin>,
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
    /// How long a change may take to reach all servers.
    pub insync: Duration,
    /// How long a value may take to be answered.
    pub visible: Duration,
}

/// A zone that is not looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    pub id: String,
    /// ARN of the role by which this zone is reached.
    pub role: Option<String>,
}

impl Default for Settings {
    /// Discovery by this host's own resolver, and a TTL of a minute: a wrong answer is soon forgotten.
    fn default() -> Self {
        Self {
            ttl: 60,
            role: None,
            account: None,
            pins: BTreeMap::new(),
            hosted_zone: None,
            nameservers: Vec::new(),
            hooks: BTreeMap::new(),
            hook_zones: BTreeMap::new(),
            other_zones: None,
            insync: INSYNC_DEADLINE,
            visible: VISIBLE,
        }
    }
}

/// Challenge records in Route53, or wherever hooks write them.
#[derive(Debug)]
pub struct DnsSolver {
    own: Route53,
    /// Pinned zones that a role of their own reaches.
    by_role: BTreeMap<String, Route53>,
    ttl: i64,
    pins: Vec<Zone>,
    /// For names that no pin takes.
    others: Option<ZoneId>,
    hooks: BTreeMap<String, Hook>,
    nameservers: Vec<SocketAddr>,
    insync: Duration,
    visible: Duration,
    lookup: OnceCell<Lookup>,
    /// Public hosted zones, listed once.
    zones: OnceCell<Vec<Zone>>,
}

impl DnsSolver {
    /// `sdk` reaches the zones that have no role of their own, `roles` the others, by ARN. Fails on an id that is none.
    /// Opens no connection.
    pub fn new(settings: Settings, sdk: &SdkConfig, roles: &BTreeMap<String, SdkConfig>) -> Result<Self, Fault> {
        let mut paces: BTreeMap<Option<&str>, Arc<Pace>> = BTreeMap::new();
        let mut pins = Vec::new();
        let mut by_role = BTreeMap::new();
        let own = settings.role.as_deref();
        let own_account = own.map_or(settings.account.as_deref(), account);
        let own_api = Route53::new(sdk, Arc::clone(paces.entry(own_account).or_default()), own);
        for (name, pin) in &settings.pins {
            let id = ZoneId::parse(&pin.id)?;
            if let Some(role) = pin.role.as_deref() {
                let sdk = roles.get(role).ok_or_else(|| Fault::new("run:bug", format!("no credentials for {role}")))?;
                let pace = Arc::clone(paces.entry(account(role)).or_default());
                by_role.insert(id.to_string(), Route53::new(sdk, pace, Some(role)));
            }
            pins.push(Zone::new(name, id));
        }
        pins.extend(settings.hook_zones.iter().map(|(name, word)| Zone::new(name, ZoneId::of_hook(word))));
        let hosted = settings.hosted_zone.as_deref().map(ZoneId::parse).transpose()?;
        Ok(Self {
            own: own_api,
            by_role,
            ttl: settings.ttl,
            pins,
            others: settings.other_zones.as_deref().map(ZoneId::of_hook).or(hosted),
            hooks: settings.hooks,
            nameservers: settings.nameservers,
            insync: settings.insync,
            visible: settings.visible,
            lookup: OnceCell::new(),
            zones: OnceCell::new(),
        })
    }

    /// Who reaches a zone.
    fn api(&self, zone: &str) -> &Route53 {
        self.by_role.get(zone).unwrap_or(&self.own)
    }

    async fn lookup(&self) -> Result<&Lookup, Fault> {
        open(&self.lookup, &self.nameservers).await
    }

    async fn locate_one(&self, base: &str) -> Result<RecordSet, Fault> {
        let asked = format!("{}{base}", hook::LABEL);
        let name = self.lookup().await?.follow(&asked).await?;
        let zone = self.zone_of(&name).await.map_err(|fault| match name == asked {
            true => fault,
            false => Fault { message: format!("{}; {asked} leads to {name}", fault.message), ..fault },
        })?;
        if let Some(word) = zone.hook().filter(|_| !name.starts_with(hook::LABEL)) {
            let text = format!("the challenge of {base} leads to {name}, where the hook `{word}` cannot write");
            return Err(
                Fault::new("exec:cname", text).hint("let the CNAME lead to a name that begins with `_acme-challenge.`")
            );
        }
        Ok(RecordSet { zone: zone.to_string(), name })
    }

    async fn zone_of(&self, name: &str) -> Result<&ZoneId, Fault> {
        if let Some(pin) = zone::choose(&self.pins, name).map_err(|several| several.fault(None))? {
            return Ok(&pin.id);
        }
        if let Some(id) = &self.others {
            return Ok(id);
        }
        let zones = self.zones.get_or_try_init(|| self.own.zones()).await?;
        match zone::choose(zones, name) {
            Ok(Some(zone)) => Ok(&zone.id),
            Ok(None) => Err(zone::none_for(name, zones)),
            Err(several) => Err(several.fault(self.delegated(&several).await)),
        }
    }

    /// Which of several zones of one name the world sees.
    async fn delegated<'z>(&self, several: &zone::Ambiguous<'z>) -> Option<&'z ZoneId> {
        let seen = self.lookup().await.ok()?.soa(several.name).await.ok()??;
        let mut found = Vec::new();
        for id in &several.ids {
            let apex = self.own.apex(id.as_str()).await.ok()?;
            found.extend((apex.soa.as_ref() == Some(&seen)).then_some(*id));
        }
        if let [one] = found[..] { Some(one) } else { None }
    }

    /// How each of these hosted zones is delegated, by its id. Empty where own name servers are configured: what they
    /// serve is known to whoever configured them.
    pub async fn delegations(&self, zones: BTreeSet<&str>) -> BTreeMap<String, Result<Delegation, Fault>> {
        if !self.nameservers.is_empty() {
            return BTreeMap::new();
        }
        let check = async |id: &str| {
            let apex = self.api(id).apex(id).await?;
            delegation::check(self.lookup().await?, servers::DNS_PORT, id, &apex).await
        };
        let hosted = zones.into_iter().filter(|id| zone::hook(id).is_none());
        let work = hosted.map(|id| async move { (id.to_owned(), check(id).await) });
        join_all(work).await.into_iter().collect()
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
            return edit::carry_out(self.api(zone), zone, wanted, wish).await;
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
        let deadline = Instant::now() + self.insync;
        let api = self.api(txts(&change.records).next().map_or("", |txt| txt.set.zone.as_str()));
        let wait = Wait::begin(api.pace());
        let mut pauses = pauses();
        while !id.is_empty() && !api.is_insync(id).await? {
            let pause = wait.at_least(pauses.next().unwrap_or_default());
            if Instant::now() + pause > deadline {
                let message = format!("Route53 has not finished the change {id} within {} s", self.insync.as_secs());
                return Err(Fault::new("route53:pending", message).hint("the next run goes on with the same order"));
            }
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    async fn visible(&self, records: &[Proof]) -> Vec<Result<(), Fault>> {
        let records: Vec<Txt> = txts(records).cloned().collect();
        match self.lookup().await {
            Ok(lookup) => servers::wait_until_visible(lookup, &self.nameservers, &records, self.visible).await,
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

/// The account of a role: `arn:aws:iam::ACCOUNT:role/NAME`.
fn account(role: &str) -> Option<&str> {
    role.split(':').nth(4)
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
    fn zones_of_one_account_share_a_pace_whatever_the_role() {
        let role = |account: u64, name: &str| format!("arn:aws:iam::{account:012}:role/{name}");
        let pin = |id: &str, role: String| Pin { id: id.into(), role: Some(role) };
        let pins = [pin("Z1", role(1, "a")), pin("Z2", role(1, "b")), pin("Z3", role(2, "a"))];
        let sdk = SdkConfig::builder().behavior_version(aws_config::BehaviorVersion::latest()).build();
        let roles: BTreeMap<String, SdkConfig> =
            pins.iter().filter_map(|pin| Some((pin.role.clone()?, sdk.clone()))).collect();
        let pins = pins.into_iter().map(|pin| (format!("{}.test", pin.id), pin)).collect();
        let shared = |settings: Settings| {
            let dns = DnsSolver::new(settings, &sdk, &roles).unwrap();
            let same = |one: &str, other: &str| std::ptr::eq(dns.api(one).pace(), dns.api(other).pace());
            [same("Z1", "Z2"), same("Z3", "own"), same("Z1", "Z3")]
        };
        let settings = Settings { pins, ..Settings::default() };
        assert_eq!(shared(Settings { role: Some(role(2, "own")), ..settings.clone() }), [true, true, false]);
        assert_eq!(shared(Settings { account: Some(format!("{:012}", 2)), ..settings.clone() }), [true, true, false]);
        assert_eq!(shared(settings), [true, false, false]);
    }
}
