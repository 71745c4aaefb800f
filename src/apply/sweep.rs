//! Takes away everything that the journal knows to be placed, whoever left it behind.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt;
use futures::future::join_all;

use crate::apply::wave::Landed;
use crate::apply::{Ports, Stop, WIDTH, durably, stop};
use crate::event::{Event, Listener, Phase};
use crate::failpoint::reach;
use crate::fault::Fault;
use crate::journal::{Place, Proof};
use crate::list::ChallengeType;
use crate::port::Change;

/// How long a run that was told to stop tries. What is left then is taken away by the next run.
const GRACE: Duration = Duration::from_secs(4);
/// Jenkins kills what it has asked to end, a while later.
const _: () = assert!(stop::GRACE.as_secs() + GRACE.as_secs() < 10);

/// Removes the proofs in one batch per place and forgets those that are gone. Returns what could not be done.
pub async fn sweep(landed: Landed, ports: &Ports, listener: &dyn Listener, stop: &Stop) -> Vec<Fault> {
    let Landed { entries, open } = landed;
    let records: BTreeSet<Proof> = entries.values().flat_map(|entry| entry.records.iter().cloned()).collect();
    let records: Vec<Proof> = records.into_iter().filter(|record| !open.contains(&record.place())).collect();
    let mut left_behind: Vec<Fault> = open.iter().map(in_doubt).collect();
    let mut gone = BTreeSet::new();
    if !records.is_empty() {
        listener.on(Event::Began(Phase::CleanUp, records.len()));
        reach("before-clean-up");
        for change in clean_up(&records, ports, stop).await {
            match change.result {
                Ok(_) => gone.extend(change.records),
                Err(fault) => left_behind.push(fault),
            }
        }
        reach("after-clean-up");
    }
    let mut changed = Vec::new();
    for mut entry in entries.into_values() {
        let before = entry.records.len();
        entry.records.retain(|record| !gone.contains(record));
        if before != entry.records.len() || entry.is_spent() {
            changed.push(durably(&ports.store, move |store| store.settle_entry(&entry)));
        }
    }
    let written: Vec<_> = futures::stream::iter(changed).buffer_unordered(WIDTH).collect().await;
    left_behind.extend(written.into_iter().filter_map(Result::err));
    left_behind
}

async fn clean_up(records: &[Proof], ports: &Ports, stop: &Stop) -> Vec<Change> {
    let by_solver = ChallengeType::ALL.map(|challenge| async move {
        let own = records.iter().filter(|record| record.place().challenge() == challenge);
        let own: Vec<Proof> = own.cloned().collect();
        if own.is_empty() { Vec::new() } else { ports.solver(challenge).clean_up(&own).await }
    });
    let all = async { join_all(by_solver).await.concat() };
    let late = async {
        stop.asked().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        biased;
        changes = all => changes,
        () = late => {
            let text = "the run was told to stop before all that it had placed was gone";
            let fault = Fault::new("run:interrupted", text).hint("the next run takes them away");
            vec![Change { records: records.to_vec(), result: Err(fault) }]
        }
    }
}

fn in_doubt(place: &Place) -> Fault {
    let text = format!("the run was told to stop before {place} answered, so something may stand there");
    Fault::new("run:interrupted", text).hint("the next run takes them away")
}
