//! Before a CA is asked for an order, what can be tried without one is tried: a lineage whose web server would not show
//! the answer costs the CA nothing.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;

use crate::apply::flight::Flight;
use crate::apply::records::Places;
use crate::apply::wave::Wave;
use crate::event::Phase;
use crate::failpoint::reach;
use crate::fault::Fault;
use crate::journal::Proof;
use crate::list::ChallengeType;

/// Drops the lineages for which it goes wrong. What was placed stands in the journal and is swept with all else.
pub async fn rehearse(wave: &Wave<'_>, flights: &mut [Flight<'_, '_>]) {
    let mut trying = Vec::new();
    for (flight, proofs) in rehearsals(wave, flights) {
        match proofs {
            Ok(proofs) if proofs.is_empty() => {}
            Ok(proofs) => trying.push((flight, proofs)),
            Err(fault) => flight.halt(fault.into()),
        }
    }
    if trying.is_empty() {
        return;
    }
    wave.begin(Phase::Rehearsal, trying.len());
    join_all(trying.iter_mut().map(|(flight, proofs)| async {
        if let Err(fault) = flight.journal_proofs(wave, proofs).await {
            flight.halt(fault.into());
        }
    }))
    .await;
    reach("after-rehearsal-journaled");
    let active = trying.iter().filter(|(flight, _)| flight.is_active());
    let places = Places::new(wave, active.flat_map(|(_, proofs)| proofs));
    join_all(trying.iter_mut().filter(|(flight, _)| flight.is_active()).map(|(flight, proofs)| async {
        if let Err(halt) = places.wait_for(proofs).await {
            flight.halt(halt);
        }
    }))
    .await;
    reach("after-rehearsal");
}

/// What to try for each lineage that is to be ordered.
fn rehearsals<'f, 'a, 'b>(
    wave: &Wave<'_>,
    flights: &'f mut [Flight<'a, 'b>],
) -> Vec<(&'f mut Flight<'a, 'b>, Result<Vec<Proof>, Fault>)> {
    let mut bases: BTreeMap<ChallengeType, BTreeSet<&str>> = BTreeMap::new();
    for flight in flights.iter().filter(|flight| flight.is_active() && flight.is_to_order(wave)) {
        let names = flight.certificate.identifiers.iter().map(|identifier| identifier.base());
        bases.entry(flight.certificate.challenge).or_default().extend(names);
    }
    let mut proofs: BTreeMap<(ChallengeType, String), Result<Proof, Fault>> = BTreeMap::new();
    for (challenge, names) in bases {
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let tried = wave.ports.solver(challenge).rehearsal(&names);
        proofs.extend(names.into_iter().map(|name| (challenge, name)).zip(tried));
    }
    let of = |flight: &Flight| {
        let key = |base: &str| (flight.certificate.challenge, base.to_owned());
        let names = flight.certificate.identifiers.iter().map(|identifier| identifier.base());
        names.filter_map(|base| proofs.get(&key(base)).cloned()).collect()
    };
    let ordering = flights.iter_mut().filter(|flight| flight.is_active() && flight.is_to_order(wave));
    ordering.map(|flight| (of(flight), flight)).map(|(proofs, flight)| (flight, proofs)).collect()
}
