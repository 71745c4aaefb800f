//! What CAA records forbid is not ordered: the CA would count it as a failed validation.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::apply::flight::Flight;
use crate::apply::wave::Wave;
use crate::caa::{self, Applicant, Judgement, RecordSet};
use crate::fault::Fault;
use crate::list::ChallengeType;
use crate::name::Identifier;
use crate::port::Ca;

/// How long all look-ups may take together. After that the CA has the last word.
const PATIENCE: Duration = Duration::from_secs(20);

/// Fails the lineages that have no order yet and whose names may not have one. Names that nobody answers for go on.
pub async fn heed(wave: &Wave<'_>, flights: &mut [Flight<'_, '_>]) {
    let mut ordering: Vec<&mut Flight> =
        flights.iter_mut().filter(|flight| flight.is_active() && flight.is_to_order(wave)).collect();
    let applicants = applicants(wave, &ordering).await;
    ordering.retain(|flight| applicants.contains_key(&flight.certificate.authority));
    let names =
        ordering.iter().flat_map(|flight| flight.certificate.identifiers.iter().map(|name| name.base().to_owned()));
    let names: Vec<String> = names.collect::<BTreeSet<_>>().into_iter().collect();
    if names.is_empty() {
        return;
    }
    let looked = tokio::time::timeout(PATIENCE, wave.ports.caa.relevant(&names));
    let Some(Ok(found)) = wave.stop.unless_asked(looked).await else { return };
    let found: BTreeMap<&str, _> = names.iter().map(String::as_str).zip(found).collect();
    for flight in ordering {
        let us = &applicants[&flight.certificate.authority];
        let judged = flight.certificate.identifiers.iter().find_map(|name| {
            let set = found[name.base()].as_ref().ok()?.as_ref();
            forbidden(set, name, flight.certificate.challenge, us)
        });
        if let Some(fault) = judged {
            flight.work.outcome.fault = Some(fault);
        }
    }
}

/// The CAs that say how CAA records name them.
async fn applicants(wave: &Wave<'_>, ordering: &[&mut Flight<'_, '_>]) -> BTreeMap<String, Applicant> {
    let mut asking: BTreeMap<&String, (&dyn Ca, BTreeSet<ChallengeType>)> = BTreeMap::new();
    for flight in ordering {
        let of_ca = asking.entry(&flight.certificate.authority).or_insert((flight.ca.as_ref(), BTreeSet::new()));
        of_ca.1.insert(flight.certificate.challenge);
    }
    let mut applicants = BTreeMap::new();
    for (authority, (ca, methods)) in asking {
        if let Ok(us) = wave.ask(ca.applicant(methods)).await
            && !us.identities.is_empty()
        {
            applicants.insert(authority.clone(), us);
        }
    }
    applicants
}

fn forbidden(set: Option<&RecordSet>, name: &Identifier, challenge: ChallengeType, us: &Applicant) -> Option<Fault> {
    let judged = caa::judge(set, name.is_wildcard(), challenge, us);
    let Judgement::Forbidden { at, why } = judged else { return None };
    let text = format!("{}: the CAA record of {at} forbids the order, {why}", name.as_str());
    let record = caa::record(&at, us).unwrap_or_default();
    Some(Fault::new("caa:forbidden", text).hint(format!("nothing was ordered; let the zone hold: {record}")))
}
