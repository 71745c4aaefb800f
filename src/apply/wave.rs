//! The wave: all lineages go through issuance together, so that DNS is waited for once.
//!
//! All newOrders come first, then all authorizations, one DNS change per zone, all challenges, all finalizes. What is
//! next for a lineage is decided by [`journal::next`] alone; a phase only says how far it may go. A lineage that fails
//! drops out and leaves its journal for the next run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt;
use futures::future::join_all;
use tokio::time::Instant;

use crate::apply::{Ports, Stop, WIDTH, Work, csr};
use crate::event::{Event, Listener, Phase};
use crate::fault::{Fault, Retry};
use crate::journal::{self, Attempt, Entry, Intent, Next, Status, Txt};
use crate::lineage::{Meta, Provenance, Stored, check};
use crate::list::Certificate;
use crate::name::LineageName;
use crate::plan::Basis;
use crate::port::{Ca, Challenge, Change, Order, OrderRequest, Store};

/// How long a CA may take to validate or to issue before the order is left for the next run.
const CA_DEADLINE: Duration = Duration::from_secs(600);

/// Polls come after a quarter of a second, then ever later, at most so far apart.
const POLL_FIRST: Duration = Duration::from_millis(250);
const POLL_LAST: Duration = Duration::from_secs(5);

/// What all lineages of a wave share.
pub struct Wave<'a> {
    pub basis: &'a Basis,
    pub ports: &'a Ports,
    pub listener: &'a dyn Listener,
    pub stop: &'a Stop,
}

/// A lineage in the wave.
struct Flight<'a, 'b> {
    work: &'a mut Work<'b>,
    certificate: &'b Certificate,
    entry: Entry,
    ca: Arc<dyn Ca>,
    order: Option<Box<dyn Order>>,
    challenges: Vec<(String, Challenge)>,
    /// The values of this run. The journal may hold older ones too, to be swept.
    records: Vec<Txt>,
}

impl Flight<'_, '_> {
    fn is_active(&self) -> bool {
        let outcome = &self.work.outcome;
        outcome.fault.is_none() && !outcome.interrupted && self.work.stored.is_none()
    }

    fn next(&self) -> Option<Next> {
        let attempt = self.entry.attempt.as_ref()?;
        Some(journal::next(attempt, self.order.as_ref().and_then(|order| order.status()).as_ref()))
    }

    fn attempt(&mut self) -> &mut Attempt {
        self.entry.attempt.as_mut().expect("an order is asked for only after its intent was written")
    }

    fn order(&mut self) -> &mut dyn Order {
        self.order.as_mut().expect("only an order with a status has a next step").as_mut()
    }

    fn fail(&mut self, fault: Fault) {
        self.work.outcome.fault = Some(fault);
    }
}

impl<'a> Wave<'a> {
    /// Flies all works that need an order. Returns the whole journal as it stands afterwards.
    pub async fn fly<'b>(
        &self,
        works: &mut [Work<'b>],
        mut entries: BTreeMap<LineageName, Entry>,
    ) -> BTreeMap<LineageName, Entry> {
        let mut flights = Vec::new();
        for work in works.iter_mut().filter(|work| work.step.action.orders() && work.outcome.fault.is_none()) {
            let Some((certificate, ca)) = self.wanted(work) else { continue };
            let lineage = &work.step.lineage;
            let entry = entries.remove(lineage).unwrap_or_else(|| Entry::new(lineage.clone()));
            flights.push(Flight {
                work,
                certificate,
                entry,
                ca,
                order: None,
                challenges: Vec::new(),
                records: Vec::new(),
            });
        }
        self.each(&mut flights, Phase::Orders, async |flight| self.open(flight).await).await;
        self.each(&mut flights, Phase::Authorizations, async |flight| authorize(flight).await).await;
        self.answer_in_dns(&mut flights).await;
        self.each(&mut flights, Phase::Validation, async |flight| self.validate(flight).await).await;
        self.each(&mut flights, Phase::Finalize, async |flight| self.finalize(flight).await).await;
        for mut flight in flights {
            self.land(&mut flight).await;
            entries.insert(flight.entry.lineage.clone(), flight.entry);
        }
        entries
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

    /// Runs one phase for all that are still in the wave, a bounded number at a time.
    async fn each<'c, 'b>(
        &self,
        flights: &mut [Flight<'c, 'b>],
        phase: Phase,
        work: impl AsyncFn(&mut Flight<'c, 'b>) -> Result<(), Fault>,
    ) {
        let active: Vec<&mut Flight> = flights.iter_mut().filter(|flight| flight.is_active()).collect();
        if active.is_empty() {
            return;
        }
        self.listener.on(Event::Began(phase, active.len()));
        futures::stream::iter(active)
            .for_each_concurrent(WIDTH, |flight| async {
                if self.stop.is_asked() {
                    flight.work.outcome.interrupted = true;
                } else if let Err(fault) = work(flight).await {
                    flight.fail(fault);
                }
            })
            .await;
    }

    /// Brings an attempt to an order whose state is known: a new one, or the one of an earlier run.
    async fn open(&self, flight: &mut Flight<'_, '_>) -> Result<(), Fault> {
        if flight.entry.attempt.as_ref().is_some_and(|attempt| !fits(attempt, flight.certificate, &*flight.ca)) {
            self.forget(flight).await?;
        }
        if flight.entry.attempt.is_none() {
            self.intend(flight).await?;
        }
        let mut restarts = 0;
        loop {
            match flight.next() {
                Some(Next::NewOrder) => self.new_order(flight).await?,
                Some(Next::Refresh) => self.refresh(flight).await?,
                Some(Next::Restart) if restarts == 0 => {
                    restarts += 1;
                    self.forget(flight).await?;
                    self.intend(flight).await?;
                }
                Some(Next::Restart) => return Err(gone()),
                Some(Next::GiveUp(fault)) => return Err(fault),
                _ => return Ok(()),
            }
        }
    }

    /// Drops an attempt. Its key goes first, so that no crash can pair it with the next intent.
    async fn forget(&self, flight: &mut Flight<'_, '_>) -> Result<(), Fault> {
        flight.order = None;
        flight.entry.attempt = None;
        self.journal(flight).await
    }

    /// Makes the key and the CSR and journals them. The CA does not hear of it yet.
    async fn intend(&self, flight: &mut Flight<'_, '_>) -> Result<(), Fault> {
        let certificate = flight.certificate.clone();
        let made = tokio::task::spawn_blocking(move || csr::generate(certificate.key, &certificate.identifiers)).await;
        let (key, csr) =
            made.map_err(|error| Fault::new("key:generate", "failed to make a key").caused_by(&error))??;
        let step = flight.work.step;
        let intent = Intent {
            identifiers: flight.certificate.identifiers.clone(),
            authority: flight.certificate.authority.clone(),
            directory: flight.ca.directory().to_owned(),
            key: flight.certificate.key,
            profile: flight.certificate.profile.clone(),
            replaces: step.replaces.clone(),
            csr: STANDARD.encode(csr),
            provenance: Provenance {
                commit: self.basis.commit.clone(),
                signers: step.signers.clone(),
                list: self.basis.list.clone(),
                trust_root: self.basis.trust_root.clone(),
                approvals: step.approvals.clone(),
                policy: self.basis.policy.clone(),
            },
        };
        flight.entry.attempt = Some(Attempt::new(intent));
        let entry = flight.entry.clone();
        self.stored(move |store| {
            store.write_attempt_key(&entry.lineage, &key)?;
            store.write_entry(&entry)
        })
        .await
    }

    async fn new_order(&self, flight: &mut Flight<'_, '_>) -> Result<(), Fault> {
        let intent = &flight.attempt().intent;
        let mut request = OrderRequest {
            identifiers: intent.identifiers.clone(),
            profile: intent.profile.clone(),
            replaces: intent.replaces.clone(),
        };
        let mut order = flight.ca.new_order(&request).await;
        // `replaces` is consumed by newOrder, not by issuance: after a lost answer the CA finds the same order again.
        if order.as_ref().is_err_and(|fault| fault.code == "acme:alreadyReplaced") {
            request.replaces = None;
            order = flight.ca.new_order(&request).await;
        }
        let order = order?;
        flight.attempt().order = Some(order.url().to_owned());
        flight.order = Some(order);
        self.journal(flight).await
    }

    async fn refresh(&self, flight: &mut Flight<'_, '_>) -> Result<(), Fault> {
        if flight.order.is_none() {
            let url = flight.attempt().order.clone().unwrap_or_default();
            flight.order = Some(flight.ca.order(&url).await?);
        }
        flight.order().refresh().await.map(drop)
    }

    /// Places all TXT values, one batch per zone, and waits until they can be seen.
    async fn answer_in_dns(&self, flights: &mut [Flight<'_, '_>]) {
        let mut answering: Vec<&mut Flight> =
            flights.iter_mut().filter(|flight| flight.is_active() && !flight.challenges.is_empty()).collect();
        if answering.is_empty() {
            return;
        }
        self.listener.on(Event::Began(Phase::Dns, answering.len()));
        self.locate(&mut answering).await;
        let records: std::collections::BTreeSet<Txt> =
            answering.iter().filter(|f| f.is_active()).flat_map(|f| f.records.iter().cloned()).collect();
        let records: Vec<Txt> = records.into_iter().collect();
        if records.is_empty() || self.stop.is_asked() {
            return;
        }
        let changes = self.ports.dns.present(&records).await;
        self.listener.on(Event::Began(Phase::Insync, changes.len()));
        let waits = join_all(changes.iter().map(|change| self.seen(change)));
        let results = tokio::select! {
            results = waits => results,
            () = self.stop.asked() => return,
        };
        for (record, fault) in results.into_iter().flatten() {
            for flight in answering.iter_mut().filter(|flight| flight.records.contains(&record)) {
                flight.fail(fault.clone());
            }
        }
    }

    /// Finds the record sets and journals the values before anything is written to DNS.
    async fn locate(&self, flights: &mut [&mut Flight<'_, '_>]) {
        let mut bases: Vec<String> =
            flights.iter().flat_map(|flight| flight.challenges.iter().map(|(base, _)| base.clone())).collect();
        bases.sort_unstable();
        bases.dedup();
        let sets = self.ports.dns.locate(&bases).await;
        let sets: BTreeMap<String, _> = bases.into_iter().zip(sets).collect();
        let journaling = flights.iter_mut().map(|flight| async {
            for (base, challenge) in &flight.challenges {
                match &sets[base] {
                    Ok(set) => flight.records.push(Txt { set: set.clone(), value: challenge.txt.clone() }),
                    Err(fault) => return flight.work.outcome.fault = Some(fault.clone()),
                }
            }
            let fresh = flight.records.iter().filter(|record| !flight.entry.records.contains(record));
            let fresh: Vec<Txt> = fresh.cloned().collect();
            flight.entry.records.extend(fresh);
            if let Err(fault) = self.journal(flight).await {
                flight.fail(fault);
            }
        });
        futures::stream::iter(journaling).buffer_unordered(WIDTH).collect::<Vec<()>>().await;
    }

    /// Which values of a change did not become visible.
    async fn seen(&self, change: &Change) -> Vec<(Txt, Fault)> {
        let all = |fault: &Fault| change.records.iter().map(|record| (record.clone(), fault.clone())).collect();
        if let Err(fault) = &change.result {
            return all(fault);
        }
        if let Err(fault) = self.ports.dns.settled(change).await {
            return all(&fault);
        }
        let seen = self.ports.dns.visible(&change.records).await;
        let pairs = change.records.iter().cloned().zip(seen);
        pairs.filter_map(|(record, result)| Some((record, result.err()?))).collect()
    }

    /// Answers the challenges and waits for the CA's verdict.
    async fn validate(&self, flight: &mut Flight<'_, '_>) -> Result<(), Fault> {
        if flight.next() != Some(Next::Authorize) {
            return Ok(());
        }
        for (_, challenge) in std::mem::take(&mut flight.challenges) {
            flight.order().set_ready(&challenge.url).await?;
        }
        self.poll_while(flight, &Status::Pending).await
    }

    /// Finalizes, downloads, checks and stores.
    async fn finalize(&self, flight: &mut Flight<'_, '_>) -> Result<(), Fault> {
        loop {
            match flight.next() {
                Some(Next::Finalize) => {
                    let csr = STANDARD.decode(&flight.attempt().intent.csr).map_err(|error| {
                        Fault::new("journal:unreadable", "the journaled CSR is not base64").caused_by(&error)
                    })?;
                    flight.order().finalize(&csr).await?;
                }
                Some(Next::Wait) => self.poll_while(flight, &Status::Processing).await?,
                Some(Next::Download(url)) => return self.download(flight, url).await,
                Some(Next::GiveUp(fault)) => return Err(fault),
                Some(Next::Restart) => return Err(gone()),
                Some(Next::Authorize | Next::NewOrder | Next::Refresh) | None => {
                    return Err(Fault::new("acme:order-pending", "the order is still pending after validation"));
                }
            }
            if self.stop.is_asked() {
                flight.work.outcome.interrupted = true;
                return Ok(());
            }
        }
    }

    /// Asks again and again while the order has this status, until it changes, the deadline passes or a stop is asked.
    async fn poll_while(&self, flight: &mut Flight<'_, '_>, status: &Status) -> Result<(), Fault> {
        let deadline = Instant::now() + CA_DEADLINE;
        let mut pause = POLL_FIRST;
        while flight.order().status().as_ref() == Some(status) {
            if Instant::now() > deadline {
                let text = format!("the CA has not finished the order after {} s", CA_DEADLINE.as_secs());
                return Err(Fault::new("acme:timeout", text).hint("the next run goes on with the same order"));
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stop.asked() => {
                    flight.work.outcome.interrupted = true;
                    return Ok(());
                }
            }
            flight.order().refresh().await?;
            pause = (pause * 2).min(POLL_LAST);
        }
        Ok(())
    }

    async fn download(&self, flight: &mut Flight<'_, '_>, url: String) -> Result<(), Fault> {
        flight.attempt().certificate = Some(url.clone());
        self.journal(flight).await?;
        let chain = flight.ca.certificate(&url).await?;
        let attempt = flight.attempt().clone();
        let lineage = flight.work.step.lineage.clone();
        let now = self.ports.clock.now();
        let keep = move |store: &dyn Store| store_issued(store, &lineage, &attempt, &chain, url, now);
        let stored = self.stored(keep).await?;
        flight.entry.failures = None;
        flight.work.stored = Some(stored);
        Ok(())
    }

    /// Writes down how the flight ended: done, to be gone on with, or failed.
    async fn land(&self, flight: &mut Flight<'_, '_>) {
        flight.work.outcome.order_url = flight.entry.attempt.as_ref().and_then(|attempt| attempt.order.clone());
        if flight.work.stored.is_some() {
            flight.entry.attempt = None;
        } else if let Some(fault) = flight.work.outcome.fault.clone() {
            let dead = matches!(flight.next(), Some(Next::GiveUp(_) | Next::Restart))
                || fault.code.starts_with("check:")
                || fault.code.starts_with("journal:");
            if dead {
                flight.entry.attempt = None;
            }
            flight.entry.fail(fault, self.ports.clock.now());
        } else {
            return;
        }
        if let Err(fault) = self.journal(flight).await {
            flight.work.outcome.fault.get_or_insert(fault);
        }
    }

    async fn journal(&self, flight: &Flight<'_, '_>) -> Result<(), Fault> {
        let entry = flight.entry.clone();
        self.stored(move |store| store.write_entry(&entry)).await
    }

    /// Runs a durable write away from the async threads: it waits for the disk.
    async fn stored<T: Send + 'static>(
        &self,
        write: impl FnOnce(&dyn Store) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let store = Arc::clone(&self.ports.store);
        let done = tokio::task::spawn_blocking(move || write(store.as_ref())).await;
        done.map_err(|error| Fault::new("store:write", "failed to write to the store").caused_by(&error))?
    }
}

async fn authorize(flight: &mut Flight<'_, '_>) -> Result<(), Fault> {
    if flight.next() != Some(Next::Authorize) {
        return Ok(());
    }
    let authorizations = flight.order().authorizations().await?;
    let pending = authorizations.into_iter().filter_map(|one| Some((one.base, one.challenge?)));
    flight.challenges = pending.collect();
    Ok(())
}

/// Whether an attempt of an earlier run is for what the list asks for now.
fn fits(attempt: &Attempt, certificate: &Certificate, ca: &dyn Ca) -> bool {
    let intent = &attempt.intent;
    intent.identifiers == certificate.identifiers
        && intent.key == certificate.key
        && intent.profile == certificate.profile
        && intent.authority == certificate.authority
        && intent.directory == ca.directory()
}

fn gone() -> Fault {
    Fault::new("acme:order-gone", "the CA does not know the order any more").retry(Retry::Later)
}

/// Checks what the CA issued against the intent and makes it the live version, or puts it into quarantine.
fn store_issued(
    store: &dyn Store,
    lineage: &LineageName,
    attempt: &Attempt,
    chain: &str,
    url: String,
    now: time::OffsetDateTime,
) -> Result<Stored, Fault> {
    let intent = &attempt.intent;
    let lost = || Fault::new("journal:key-lost", "the journaled private key is gone; the next run orders again");
    let key = store.attempt_key(lineage)?.ok_or_else(lost)?;
    let (pems, facts) = match check::check_issued(intent, &key, chain, now) {
        Ok(checked) => checked,
        Err(fault) => {
            let pems = crate::lineage::Pems { privkey: key, cert: chain.to_owned(), chain: String::new() };
            store.quarantine(lineage, &pems, &fault)?;
            return Err(fault);
        }
    };
    let meta = Meta {
        schema: journal::SCHEMA,
        lineage: lineage.clone(),
        version: 0,
        authority: intent.authority.clone(),
        directory: intent.directory.clone(),
        profile: intent.profile.clone(),
        order_url: attempt.order.clone().unwrap_or_default(),
        certificate_url: url,
        provenance: intent.provenance.clone(),
        stored_at: now,
        facts,
    };
    store.deploy(meta, &pems)
}
