//! Carries out an approved plan: one wave of orders beside the uploads that need none, then one clean-up.
//!
//! Every lineage is isolated: what fails for one is its outcome and does not hold the others.

mod adopt;
mod caa;
mod csr;
mod flight;
mod guard;
mod issued;
pub mod kept_key;
mod placeholder;
mod poll;
mod prune;
pub mod publish;
mod records;
mod rehearsal;
pub mod revoke;
mod spending;
mod stop;
mod sweep;
mod wave;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt;
use futures::future::join;

use crate::event::{Event, Listener, Phase};
use crate::fault::Fault;
use crate::journal::{Attempt, Entry};
use crate::ledger::{Ledger, Terms};
use crate::lineage::anchors::Anchors;
use crate::lineage::naming::Naming;
use crate::lineage::{Pems, Stored};
use crate::list::{Certificate, ChallengeType, KeySource};
use crate::name::LineageName;
use crate::outcome::{Outcome, Revoking};
use crate::plan::{Action, ApprovedPlan, Basis, Step};
use crate::port::{Bucket, Ca, Caa, Clock, Inventory, ObjectSummary, Solver, Store};
use crate::secret::Secret;

pub use prune::Pruned;
pub use stop::Stop;

/// How many requests to a CA or a bucket are under way at a time.
const WIDTH: usize = 32;

/// A bucket to publish to, and what it holds.
pub struct Target {
    pub bucket: Arc<dyn Bucket>,
    /// Plain copies for scripts, and under which names besides certbot's. `None`: no copies.
    pub flat: Option<BTreeSet<Naming>>,
    /// How many versions of a lineage are kept. `None`: all.
    pub keep: Option<usize>,
    pub listing: BTreeMap<String, ObjectSummary>,
}

/// The adapters that an apply works through.
pub struct Ports {
    /// By name of the authority.
    pub cas: BTreeMap<String, Arc<dyn Ca>>,
    /// By what they answer. There is one for each type of challenge.
    pub solvers: BTreeMap<ChallengeType, Arc<dyn Solver>>,
    pub caa: Arc<dyn Caa>,
    pub store: Arc<dyn Store>,
    pub targets: BTreeMap<String, Target>,
    /// Buckets that could not be listed. Certificates are issued all the same, and uploaded by a later run.
    pub unreachable: BTreeMap<String, Fault>,
    /// Somebody else's certificates, by the word that lists use.
    pub provided: BTreeMap<String, Pems>,
    /// The keys that the runner gives, PKCS#8 in PEM.
    pub given: BTreeMap<KeySource, Secret>,
    /// Whether lineages without a certificate get a placeholder.
    pub placeholders: bool,
    /// How many versions of a lineage the store keeps. `None`: all.
    pub keep: Option<usize>,
    /// The CAs and their limits, by authority.
    pub terms: BTreeMap<String, Terms>,
    /// What counts against them, as it was observed.
    pub ledger: Ledger,
    /// Roots to which what an authority issues must lead, by its name.
    pub anchors: BTreeMap<String, Anchors>,
    pub clock: Arc<dyn Clock>,
}

impl Ports {
    fn solver(&self, challenge: ChallengeType) -> &dyn Solver {
        self.solvers[&challenge].as_ref()
    }
}

/// Works with the store away from the async threads: it waits for the disk.
async fn durably<T: Send + 'static>(
    store: &Arc<dyn Store>,
    work: impl FnOnce(&dyn Store) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let store = Arc::clone(store);
    let done = tokio::task::spawn_blocking(move || work(store.as_ref())).await;
    done.map_err(|error| Fault::new("store:write", "failed to write to the store").caused_by(&error))?
}

/// What an apply did.
pub struct Applied {
    /// One for each step that was to change something, in the order of the plan.
    pub outcomes: Vec<Outcome>,
    /// What could not be taken away of what was placed for a CA. The next run tries again.
    pub left_behind: Vec<Fault>,
    /// Revocations that were asked for, also those of earlier runs.
    pub revoked: Vec<Revoking>,
    pub pruned: Vec<Pruned>,
}

/// Carries out the plan. `inventory` is the store as it was observed for the plan.
pub async fn apply(
    plan: &ApprovedPlan,
    inventory: &Inventory,
    ports: &Ports,
    listener: &dyn Listener,
    stop: &Stop,
) -> Applied {
    let steps = &plan.plan().steps;
    let mut works: Vec<Work> = steps.iter().filter(|step| step.action.changes()).map(Work::new).collect();
    for work in &mut works {
        work.take_up(ports, &plan.plan().basis);
    }
    refuse_without_room(&mut works, ports);
    adopt::tidy(inventory, ports);
    placeholder::place(steps, inventory, ports);
    let mut entries = open_entries(steps, inventory);
    let marked = mark(steps, &mut entries, ports);
    if let Err(fault) = &marked {
        works.iter_mut().filter(|work| work.step.revokes.is_some()).for_each(|work| {
            work.outcome.fault.get_or_insert(fault.clone());
        });
    }
    let (orders, uploads) = works.iter_mut().partition(|work| work.step.action.orders());
    let wave = wave::Wave::new(&plan.plan().basis, ports, listener, stop);
    let (mut landed, ()) = join(wave.fly(orders, entries), publish_all(uploads, ports, listener, stop)).await;
    let revoked = revoke::revoke_all(&mut landed.entries, &revoke::Through::from(ports), stop).await;
    let mut left_behind = sweep::sweep(landed, ports, listener, stop).await;
    left_behind.extend(marked.err());
    let pruned = prune::prune(ports, stop).await;
    let outcomes: Vec<Outcome> = works.into_iter().map(Work::finish).collect();
    for outcome in &outcomes {
        listener.on(Event::Finished(outcome));
    }
    Applied { outcomes, left_behind, revoked, pruned }
}

/// Nothing is ordered that could not be stored: the CA counts it.
fn refuse_without_room(works: &mut [Work<'_>], ports: &Ports) {
    let is_order = |work: &&mut Work| work.step.action.orders() && work.outcome.fault.is_none();
    let orders: Vec<&mut Work> = works.iter_mut().filter(is_order).collect();
    if let Err(fault) = ports.store.has_room_for(orders.len()) {
        orders.into_iter().for_each(|work| work.outcome.fault = Some(fault.clone()));
    }
}

/// Writes down what is compromised, before anything else happens: every version with that key. An order that is under
/// way could be for the same key, so it is left behind.
fn mark(steps: &[Step], entries: &mut BTreeMap<LineageName, Entry>, ports: &Ports) -> Result<(), Fault> {
    for step in steps {
        let Some(revocation) = &step.revokes else { continue };
        let entry = entries.entry(step.lineage.clone()).or_insert_with(|| Entry::new(step.lineage.clone()));
        entry.attempt = None;
        let before = entry.revocations.clone();
        entry.revocations.push(revocation.clone());
        let versions = ports.store.versions(&step.lineage)?;
        entry.revocations.extend(kept_key::sharing(&versions, revocation, &before, ports.clock.now()));
        if let Err(fault) = ports.store.write_entry(entry) {
            entry.revocations = before;
            return Err(fault);
        }
    }
    Ok(())
}

/// The journal without attempts that are done with: stored already, not what the list asks for any more, or of no use
/// any more before the CA heard of them.
fn open_entries(steps: &[Step], inventory: &Inventory) -> BTreeMap<LineageName, Entry> {
    let wanted: BTreeMap<&LineageName, (&Certificate, Action)> =
        steps.iter().filter_map(|step| Some((&step.lineage, (step.certificate.as_ref()?, step.action)))).collect();
    let mut entries = inventory.journal.clone();
    for (name, entry) in &mut entries {
        let live = inventory.live.get(name).map(|live| &live.meta.order_url);
        let Some((certificate, action)) = wanted.get(name) else {
            (entry.attempt, entry.failures) = (None, None);
            continue;
        };
        let is_open = |attempt: &Attempt| match &attempt.order {
            None => action.orders() || *action == Action::Defer,
            order => order.as_ref() != live,
        };
        entry.attempt = entry.attempt.take().filter(|attempt| attempt.intent.is_for(certificate) && is_open(attempt));
    }
    entries
}

/// One step on its way.
struct Work<'a> {
    step: &'a Step,
    /// The version that is live now, if this run made it so or is to publish it.
    stored: Option<Stored>,
    outcome: Outcome,
    started: Instant,
}

impl<'a> Work<'a> {
    fn new(step: &'a Step) -> Self {
        let outcome = Outcome::new(step.lineage.clone(), step.action);
        Self { step, stored: None, outcome, started: Instant::now() }
    }

    /// What the step asks for before anything is ordered or uploaded.
    fn take_up(&mut self, ports: &Ports, basis: &Basis) {
        let (step, store) = (self.step, ports.store.as_ref());
        let cleared = if step.discard_stash { store.discard_stash(&step.lineage) } else { Ok(()) };
        let taken = cleared.and_then(|()| match (step.action, &step.adopt) {
            (Action::Stash, _) => store.stash(&step.lineage),
            (_, Some(what)) => adopt::adopt(step, what, ports, basis),
            _ if step.unstash => store.unstash(&step.lineage),
            _ => Ok(()),
        });
        self.outcome.fault = taken.err();
        self.end();
    }

    /// Whether something is to be uploaded: everything that did not fail, and has a certificate.
    fn publishes(&self) -> bool {
        let ordered = !self.step.action.orders() || self.stored.is_some();
        self.step.certificate.is_some() && self.outcome.fault.is_none() && ordered
    }

    /// The step is done, as far as it goes in this run.
    fn end(&mut self) {
        self.outcome.seconds = self.started.elapsed().as_secs_f64();
    }

    fn finish(mut self) -> Outcome {
        if let Some(stored) = &self.stored {
            self.outcome.version = Some(stored.meta.version);
            self.outcome.not_after = Some(stored.facts().not_after);
        }
        self.outcome
    }
}

/// Uploads what needs no order.
async fn publish_all(works: Vec<&mut Work<'_>>, ports: &Ports, listener: &dyn Listener, stop: &Stop) {
    let mut due: Vec<&mut Work> = works.into_iter().filter(|work| work.publishes()).collect();
    if due.is_empty() {
        return;
    }
    let live = match ports.store.observe() {
        Ok(inventory) => inventory.live,
        Err(fault) => return due.iter_mut().for_each(|work| work.outcome.fault = Some(fault.clone())),
    };
    listener.on(Event::Began(Phase::Publish, due.len()));
    futures::stream::iter(due)
        .for_each_concurrent(WIDTH, |work| async {
            work.stored = live.get(&work.step.lineage).cloned();
            publish_one(work, ports, stop).await;
        })
        .await;
}

async fn publish_one(work: &mut Work<'_>, ports: &Ports, stop: &Stop) {
    let (Some(stored), Some(certificate)) = (&work.stored, &work.step.certificate) else { return };
    for name in &certificate.publish {
        let upload = async {
            match ports.targets.get(name) {
                Some(target) => publish_to(target, name, stored, ports.store.as_ref()).await,
                None => Err(ports.unreachable.get(name).cloned().unwrap_or_else(|| {
                    Fault::new("s3:unknown-bucket", format!("the runner's config has no bucket `{name}`"))
                })),
            }
        };
        match stop.answer(guard::guarded(upload)).await {
            Some(Ok(replaced)) => {
                work.outcome.published.insert(name.clone(), None);
                if !replaced.is_empty() {
                    work.outcome.replaced.insert(name.clone(), replaced);
                }
            }
            Some(Err(fault)) => drop(work.outcome.published.insert(name.clone(), Some(fault))),
            None => work.outcome.interrupted = true,
        }
    }
    work.end();
}

/// Gives the keys of what somebody had replaced.
async fn publish_to(target: &Target, name: &str, stored: &Stored, store: &dyn Store) -> Result<Vec<String>, Fault> {
    let pems = store.pems(stored)?;
    let Target { bucket, listing, flat, .. } = target;
    let published = publish::publish(bucket.as_ref(), name, listing, stored, &pems, flat.as_ref()).await?;
    store.record_published(stored, name, &published.etags)?;
    crate::failpoint::reach("after-published");
    Ok(published.replaced)
}
