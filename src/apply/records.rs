//! The challenge records of a wave: one change per zone, and each zone is waited for apart from the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt, Shared, join_all};
use futures::stream::StreamExt;

use crate::apply::WIDTH;
use crate::apply::flight::Flight;
use crate::apply::wave::{Halt, Wave};
use crate::event::Phase;
use crate::failpoint::reach;
use crate::fault::Fault;
use crate::journal::Txt;
use crate::port::Change;

/// How far the records of one zone came.
#[derive(Debug)]
enum Zone {
    /// All can be seen, but for these.
    Placed(BTreeMap<Txt, Fault>),
    /// The run was told to stop.
    Stopped,
    /// The run was told to stop before the provider answered: the values may yet appear.
    Open,
}

/// The zones of a wave. Each is worked on once, whoever waits for it.
pub struct Zones<'a>(BTreeMap<String, Shared<BoxFuture<'a, Arc<Zone>>>>);

impl<'a> Zones<'a> {
    /// Prepares the changes for all values. Nothing happens before somebody waits.
    pub fn new(wave: &'a Wave<'a>, flights: &[Flight<'_, '_>]) -> Self {
        let mut zones: BTreeMap<String, BTreeSet<Txt>> = BTreeMap::new();
        for record in flights.iter().filter(|flight| flight.is_active()).flat_map(|flight| &flight.records) {
            zones.entry(record.set.zone.clone()).or_default().insert(record.clone());
        }
        let count = zones.len();
        let work = |records: BTreeSet<Txt>| {
            async move { Arc::new(place(wave, records.into_iter().collect(), count).await) }.boxed().shared()
        };
        Self(zones.into_iter().map(|(zone, records)| (zone, work(records))).collect())
    }

    /// Returns when all values of a lineage can be seen.
    pub async fn wait_for(&self, records: &[Txt]) -> Result<(), Halt> {
        let zones: BTreeSet<&str> = records.iter().map(|record| record.set.zone.as_str()).collect();
        let placed = join_all(zones.into_iter().filter_map(|zone| self.0.get(zone).cloned())).await;
        if placed.iter().any(|zone| !matches!(**zone, Zone::Placed(_))) {
            return Err(Halt::Stopped);
        }
        let unseen = |record: &Txt| placed.iter().find_map(|zone| zone.fault(record).cloned());
        records.iter().find_map(unseen).map_or(Ok(()), |fault| Err(fault.into()))
    }

    /// Names of the zones whose change may or may not have happened.
    pub fn open(&self) -> BTreeSet<String> {
        let is_open = |work: &Shared<_>| work.peek().is_some_and(|zone: &Arc<Zone>| matches!(**zone, Zone::Open));
        self.0.iter().filter(|(_, work)| is_open(work)).map(|(zone, _)| zone.clone()).collect()
    }
}

impl Zone {
    fn fault(&self, record: &Txt) -> Option<&Fault> {
        match self {
            Self::Placed(unseen) => unseen.get(record),
            Self::Stopped | Self::Open => None,
        }
    }
}

/// Finds the record sets and journals the values before anything is written to DNS.
pub async fn locate(wave: &Wave<'_>, flights: &mut [Flight<'_, '_>]) {
    let mut answering: Vec<&mut Flight> =
        flights.iter_mut().filter(|flight| flight.is_active() && !flight.challenges.is_empty()).collect();
    if answering.is_empty() {
        return;
    }
    wave.begin(Phase::Dns, answering.len());
    let bases = answering.iter().flat_map(|flight| flight.challenges.iter().map(|(base, _)| base.clone()));
    let bases: Vec<String> = bases.collect::<BTreeSet<_>>().into_iter().collect();
    let Some(sets) = wave.stop.unless_asked(wave.ports.dns.locate(&bases)).await else {
        return answering.iter_mut().for_each(|flight| flight.halt(Halt::Stopped));
    };
    let sets: BTreeMap<String, _> = bases.into_iter().zip(sets).collect();
    let journaling = answering.into_iter().map(|flight| async {
        for (base, challenge) in &flight.challenges {
            match &sets[base] {
                Ok(set) => flight.records.push(Txt { set: set.clone(), value: challenge.txt.clone() }),
                Err(fault) => return flight.work.outcome.fault = Some(fault.clone()),
            }
        }
        let fresh = flight.records.iter().filter(|record| !flight.entry.records.contains(record));
        let fresh: Vec<Txt> = fresh.cloned().collect();
        flight.entry.records.extend(fresh);
        if let Err(fault) = flight.journal(wave).await {
            flight.halt(fault.into());
        }
        reach("after-records-journaled");
    });
    futures::stream::iter(journaling).buffer_unordered(WIDTH).collect::<Vec<()>>().await;
}

async fn place(wave: &Wave<'_>, records: Vec<Txt>, zones: usize) -> Zone {
    if wave.stop.is_asked() {
        return Zone::Stopped;
    }
    let Some(changes) = wave.stop.answer(wave.ports.dns.present(&records)).await else { return Zone::Open };
    reach("after-present");
    wave.begin(Phase::Insync, zones);
    let waits = join_all(changes.iter().map(|change| unseen(wave, change)));
    match wave.stop.unless_asked(waits).await {
        Some(unseen) => {
            reach("after-settled");
            Zone::Placed(unseen.into_iter().flatten().collect())
        }
        None => Zone::Stopped,
    }
}

/// Which values of a change did not become visible.
async fn unseen(wave: &Wave<'_>, change: &Change) -> Vec<(Txt, Fault)> {
    let all = |fault: &Fault| change.records.iter().map(|record| (record.clone(), fault.clone())).collect();
    if let Err(fault) = &change.result {
        return all(fault);
    }
    if let Err(fault) = wave.ports.dns.settled(change).await {
        return all(&fault);
    }
    let seen = wave.ports.dns.visible(&change.records).await;
    let pairs = change.records.iter().cloned().zip(seen);
    pairs.filter_map(|(record, result)| Some((record, result.err()?))).collect()
}
