//! What would stop an order before it is made: CAA records and missing zones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use crate::caa::{self, Applicant, Judgement};
use crate::cli::wire;
use crate::config::Config;
use crate::dns::{self, CaaLookup, Delegation, DnsSolver};
use crate::fault::Fault;
use crate::list::{Certificate, ChallengeType};
use crate::name::{Identifier, LineageName};
use crate::port::{Accounts, Caa, Clock};
use crate::report::terminal::{self, Paint, plain};
use crate::store::FileStore;

/// What was found out about one identifier of one lineage.
#[derive(Clone, Debug, Serialize)]
pub struct Probe {
    pub check: &'static str,
    pub lineage: LineageName,
    pub identifier: Identifier,
    #[serde(flatten)]
    pub found: Found,
}

/// The answer of a probe.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    Caa(Judgement),
    /// The id of the zone, or the hook that takes the name.
    Zone(String),
    /// A zone whose delegation is not as Route53 would have it.
    Doubt {
        id: String,
        why: String,
    },
    Fault(Fault),
}

/// How sure an order would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outlook {
    Good,
    /// It works, and more than it should.
    Doubtful,
    Bad,
}

/// A directory without `caaIdentities` (RFC 8555 section 7.1.1), which it need not have.
const NO_IDENTITY: &str = "caa:no-identity";

/// Each authority that some certificate uses, as CAA records see it.
pub type Applicants = BTreeMap<String, Result<Applicant, Fault>>;

impl Probe {
    pub fn outlook(&self) -> Outlook {
        match &self.found {
            Found::Caa(Judgement::Sealed { .. }) | Found::Zone(_) => Outlook::Good,
            Found::Caa(Judgement::Open | Judgement::Loose { .. }) | Found::Doubt { .. } => Outlook::Doubtful,
            // The CA looks itself: nothing is known to stand against the order.
            Found::Fault(fault) if fault.code == NO_IDENTITY => Outlook::Doubtful,
            Found::Caa(Judgement::Forbidden { .. }) | Found::Fault(_) => Outlook::Bad,
        }
    }

    pub fn fact(&self) -> String {
        let name = &self.identifier;
        match &self.found {
            Found::Zone(id) => match dns::hook_of(id) {
                Some(word) => format!("{name} is answered by the hook `{word}`"),
                None => format!("{name} is in zone {id}"),
            },
            Found::Doubt { id, why } => format!("{name} is in zone {id}: {why}"),
            Found::Fault(fault) => format!("{name}: {fault}"),
            Found::Caa(Judgement::Open) => format!("{name} has no CAA record: every CA may issue for it"),
            Found::Caa(Judgement::Sealed { at }) => format!("{name}: the CAA record of {at} lets only us"),
            Found::Caa(Judgement::Loose { at, why }) => format!("{name}: the CAA record of {at} is wide, {why}"),
            Found::Caa(Judgement::Forbidden { at, why }) => {
                format!("{name}: the CAA record of {at} forbids the order, {why}")
            }
        }
    }

    /// One line for people, with the hint of a fault below.
    pub fn text(&self, paint: Paint) -> String {
        let word = match self.outlook() {
            Outlook::Good => paint.good("ok   "),
            Outlook::Doubtful => paint.warn("warn "),
            Outlook::Bad => paint.bad("STOPS"),
        };
        let line = format!("  {word}  {:<4}  {}: {}\n", self.check, self.lineage, plain(&self.fact()));
        match &self.found {
            Found::Fault(fault) => line + &terminal::details(fault, "                "),
            _ => line,
        }
    }
}

/// Asks the directories for the names of the CAs. Accounts are taken as they are stored.
pub async fn applicants(
    config: &Config,
    store: &Arc<FileStore>,
    clock: &Arc<dyn Clock>,
    certificates: &[&Certificate],
) -> Result<Applicants, Fault> {
    let used: BTreeSet<&String> = certificates.iter().map(|certificate| &certificate.authority).collect();
    let methods = |name: &String| -> BTreeSet<ChallengeType> {
        certificates.iter().filter(|one| one.authority == *name).map(|one| one.challenge).collect()
    };
    let mut applicants = Applicants::new();
    for (name, ca) in wire::acme(config, store, clock)?.into_iter().filter(|(name, _)| used.contains(name)) {
        let account = store.load(&name)?.and_then(|kept| kept.url);
        let identities = match ca.caa_identities().await {
            Ok(identities) if identities.is_empty() => {
                let text = format!("the authority `{name}` does not say by which name CAA records call it");
                let hint = "it looks at them itself; its documents tell the name, if you want to add records";
                Err(Fault::new(NO_IDENTITY, text).hint(hint))
            }
            identities => identities,
        };
        let methods = methods(&name);
        applicants.insert(name, identities.map(|identities| Applicant { identities, account, methods }));
    }
    Ok(applicants)
}

/// Judges the CAA records of every identifier.
pub async fn caa(lookup: &CaaLookup, applicants: &Applicants, certificates: &[&Certificate]) -> Vec<Probe> {
    let bases = bases(certificates);
    let found = lookup.relevant(&bases).await;
    let found: BTreeMap<&str, _> = bases.iter().map(String::as_str).zip(found).collect();
    let judge = |certificate: &Certificate, identifier: &Identifier| {
        let set = found[identifier.base()].clone()?;
        let us = applicants.get(&certificate.authority).cloned().unwrap_or_else(|| {
            Err(Fault::new("acme:unknown-authority", format!("there is no authority `{}`", certificate.authority)))
        })?;
        Ok(Found::Caa(caa::judge(set.as_ref(), identifier.is_wildcard(), certificate.challenge, &us)))
    };
    each(certificates, "caa", judge)
}

/// Looks for the hosted zone, or the hook, of every identifier that is validated in DNS, and whether the world asks it.
pub async fn zones(dns: &DnsSolver, certificates: &[&Certificate]) -> Vec<Probe> {
    let certificates: Vec<&Certificate> =
        certificates.iter().filter(|one| one.challenge == ChallengeType::Dns01).copied().collect();
    let bases = bases(&certificates);
    let found = dns.sets(&bases).await;
    let ids = found.iter().flatten().map(|set| set.zone.as_str()).collect();
    let delegations = dns.delegations(ids).await;
    let found: BTreeMap<&str, _> = bases.iter().map(String::as_str).zip(found).collect();
    each(&certificates, "zone", |_, identifier| {
        let id = found[identifier.base()].clone()?.zone;
        match delegations.get(&id).cloned().transpose()? {
            Some(Delegation::Differs(why)) => Ok(Found::Doubt { id, why }),
            Some(Delegation::Whole) | None => Ok(Found::Zone(id)),
        }
    })
}

/// The names to look up, each once.
pub fn bases(certificates: &[&Certificate]) -> Vec<String> {
    let names = certificates.iter().flat_map(|certificate| &certificate.identifiers);
    names.map(|name| name.base().to_owned()).collect::<BTreeSet<_>>().into_iter().collect()
}

fn each(
    certificates: &[&Certificate],
    check: &'static str,
    ask: impl Fn(&Certificate, &Identifier) -> Result<Found, Fault>,
) -> Vec<Probe> {
    let pairs = certificates.iter().flat_map(|one| one.identifiers.iter().map(move |name| (*one, name)));
    pairs
        .map(|(certificate, identifier)| Probe {
            check,
            lineage: certificate.name.clone(),
            identifier: identifier.clone(),
            found: ask(certificate, identifier).unwrap_or_else(Found::Fault),
        })
        .collect()
}
