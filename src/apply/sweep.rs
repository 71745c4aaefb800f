//! Takes away every TXT value that the journal knows of, whoever left it behind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::StreamExt;

use crate::apply::{Ports, WIDTH};
use crate::event::{Event, Listener, Phase};
use crate::fault::Fault;
use crate::journal::{Entry, Txt};
use crate::name::LineageName;
use crate::port::Store;

/// Removes the values in one batch per zone and forgets those that are gone. Returns what could not be done.
pub async fn sweep(entries: BTreeMap<LineageName, Entry>, ports: &Ports, listener: &dyn Listener) -> Vec<Fault> {
    let records: BTreeSet<Txt> = entries.values().flat_map(|entry| entry.records.iter().cloned()).collect();
    let records: Vec<Txt> = records.into_iter().collect();
    let mut left_behind = Vec::new();
    let mut gone = BTreeSet::new();
    if !records.is_empty() {
        listener.on(Event::Began(Phase::CleanUp, records.len()));
        for change in ports.dns.clean_up(&records).await {
            match change.result {
                Ok(_) => gone.extend(change.records),
                Err(fault) => left_behind.push(fault),
            }
        }
    }
    let mut changed = Vec::new();
    for mut entry in entries.into_values() {
        let before = entry.records.len();
        entry.records.retain(|record| !gone.contains(record));
        if before != entry.records.len() || entry.is_spent() {
            changed.push(entry);
        }
    }
    let writes = changed.into_iter().map(|entry| written(ports.store.clone(), entry));
    let written: Vec<Result<(), Fault>> = futures::stream::iter(writes).buffered(WIDTH).collect().await;
    left_behind.extend(written.into_iter().filter_map(Result::err));
    left_behind
}

/// Away from the async threads: it waits for the disk.
async fn written(store: Arc<dyn Store>, entry: Entry) -> Result<(), Fault> {
    let done = tokio::task::spawn_blocking(move || keep_or_remove(store.as_ref(), &entry)).await;
    done.map_err(|error| Fault::new("store:write", "failed to write to the store").caused_by(&error))?
}

fn keep_or_remove(store: &dyn Store, entry: &Entry) -> Result<(), Fault> {
    if entry.is_spent() { store.remove_entry(&entry.lineage) } else { store.write_entry(entry) }
}
