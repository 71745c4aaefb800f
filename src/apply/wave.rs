//! The wave: all lineages go through issuance together, so that DNS is waited for once.
//!
//! All newOrders come first, then all authorizations, then one change per DNS zone or folder. From there on a lineage
//! goes on as soon as its own proofs can be seen: it is validated, finalized, stored and published, whatever the others do.
//! A lineage that fails drops out and leaves its journal for the next run.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt;
use futures::future::join_all;
use tokio::sync::Semaphore;
use tracing::warn;

use crate::apply::caa;
use crate::apply::flight::Flight;
use crate::apply::guard::guarded;
use crate::apply::records::{self, Places};
use crate::apply::rehearsal;
use crate::apply::spending::Spending;
use crate::apply::{Ports, Stop, WIDTH, Work, durably, publish_one};
use crate::event::{Event, Listener, Phase};
use crate::fault::Fault;
use crate::journal::{Entry, Place};
use crate::list::Certificate;
use crate::name::LineageName;
use crate::plan::Basis;
use crate::port::{Ca, Store};

/// Why a lineage does not go on in this run.
pub enum Halt {
    Failed(Fault),
    /// The run was told to stop. The next one goes on.
    Stopped,
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault)
    }
}

/// What all lineages of a wave share.
pub struct Wave<'a> {
    pub basis: &'a Basis,
    pub ports: &'a Ports,
    pub stop: &'a Stop,
    pub spending: Spending<'a>,
    listener: &'a dyn Listener,
    /// Requests to CAs under way.
    seats: Semaphore,
    /// Phases overlap: each is told of when the first lineage gets there.
    begun: Mutex<Vec<Phase>>,
}

/// The journal after a wave.
pub struct Landed {
    pub entries: BTreeMap<LineageName, Entry>,
    /// Places with a change that nobody knows the end of: taking proofs away from there now could come too early.
    pub open: BTreeSet<Place>,
}

impl<'a> Wave<'a> {
    pub fn new(basis: &'a Basis, ports: &'a Ports, listener: &'a dyn Listener, stop: &'a Stop) -> Self {
        let (spending, seats) = (Spending::new(ports), Semaphore::new(WIDTH));
        Self { basis, ports, stop, spending, listener, seats, begun: Mutex::default() }
    }

    /// Flies all works that need an order, and publishes what comes of it.
    pub async fn fly<'b>(&self, works: Vec<&mut Work<'b>>, mut entries: BTreeMap<LineageName, Entry>) -> Landed {
        let mut flights = Vec::new();
        for work in works.into_iter().filter(|work| work.outcome.fault.is_none()) {
            let Some((certificate, ca)) = self.wanted(work) else { continue };
            let lineage = &work.step.lineage;
            let entry = entries.remove(lineage).unwrap_or_else(|| Entry::new(lineage.clone()));
            let (order, challenges, records) = (None, Vec::new(), Vec::new());
            flights.push(Flight { work, certificate, entry, ca, order, challenges, records });
        }
        caa::heed(self, &mut flights).await;
        rehearsal::rehearse(self, &mut flights).await;
        self.each(&mut flights, Phase::Orders, async |flight| flight.open(self).await).await;
        self.each(&mut flights, Phase::Authorizations, async |flight| flight.authorize(self).await).await;
        records::locate(self, &mut flights).await;
        let places = Places::new(self, flights.iter().filter(|flight| flight.is_active()).flat_map(|one| &one.records));
        let count = flights.iter().filter(|flight| flight.is_active()).count();
        join_all(flights.iter_mut().map(|flight| self.bring_home(flight, &places, count))).await;
        if let Err(fault) = self.spending.write().await {
            warn!(%fault, "how the orders ended is not in the ledger: they go on to count");
        }
        let open = places.open();
        entries.extend(flights.into_iter().map(|flight| (flight.entry.lineage.clone(), flight.entry)));
        Landed { entries, open }
    }

    /// Whether a new step may begin.
    pub fn go_on(&self) -> Result<(), Halt> {
        if self.stop.is_asked() { Err(Halt::Stopped) } else { Ok(()) }
    }

    /// Asks a CA, a bounded number of times at once. After a stop an answer that is late counts as lost.
    pub async fn ask<T>(&self, answer: impl Future<Output = Result<T, Fault>>) -> Result<T, Halt> {
        let seated = async {
            let _seat = self.seats.acquire().await.expect("nobody closes the semaphore");
            answer.await
        };
        Ok(self.stop.answer(seated).await.ok_or(Halt::Stopped)??)
    }

    /// Asks the store, away from the async threads.
    pub async fn stored<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Store) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        durably(&self.ports.store, work).await
    }

    /// Tells once that a phase has begun.
    pub fn begin(&self, phase: Phase, count: usize) {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        if !begun.contains(&phase) {
            begun.push(phase);
            self.listener.on(Event::Began(phase, count));
        }
    }

    /// What to order, and where. A name that the runner does not know is the outcome.
    fn wanted<'b>(&self, work: &mut Work<'b>) -> Option<(&'b Certificate, Arc<dyn Ca>)> {
        let certificate = work.step.certificate.as_ref()?;
        let name = &certificate.authority;
        let ca = self.ports.cas.get(name).cloned();
        if ca.is_none() {
            let fault = Fault::new("acme:unknown-authority", format!("the runner's config has no authority `{name}`"));
            work.outcome.fault = Some(fault.hint("add it under `authorities:`, with its `directory:`"));
        }
        Some((certificate, ca?))
    }

    /// Runs one phase for all that are still in the wave, and returns when all are through it.
    async fn each<'c, 'b>(
        &self,
        flights: &mut [Flight<'c, 'b>],
        phase: Phase,
        work: impl AsyncFn(&mut Flight<'c, 'b>) -> Result<(), Halt>,
    ) {
        let active: Vec<&mut Flight> = flights.iter_mut().filter(|flight| flight.is_active()).collect();
        if active.is_empty() {
            return;
        }
        self.begin(phase, active.len());
        futures::stream::iter(active)
            .for_each_concurrent(WIDTH, |flight| async {
                let done = match self.go_on() {
                    Ok(()) => guarded(work(flight)).await,
                    stopped => stopped,
                };
                if let Err(halt) = done {
                    flight.halt(halt);
                }
            })
            .await;
    }

    /// One lineage from its proofs to its bucket. How it ended is journaled at once.
    async fn bring_home(&self, flight: &mut Flight<'_, '_>, places: &Places<'_>, count: usize) {
        if flight.is_active()
            && let Err(halt) = guarded(self.issue(flight, places, count)).await
        {
            flight.halt(halt);
        }
        flight.land(self).await;
        if flight.work.publishes() {
            self.begin(Phase::Publish, count);
            publish_one(flight.work, self.ports, self.stop).await;
        }
    }

    async fn issue(&self, flight: &mut Flight<'_, '_>, places: &Places<'_>, count: usize) -> Result<(), Halt> {
        places.wait_for(&flight.records).await?;
        self.begin(Phase::Validation, count);
        flight.validate(self).await?;
        self.begin(Phase::Finalize, count);
        flight.finalize(self).await
    }
}
