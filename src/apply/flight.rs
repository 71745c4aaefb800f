//! One lineage on its way through the wave.
//!
//! What is next is decided by [`journal::next`] alone; a phase only says how far a lineage may go. Each step writes
//! to the journal what the next run must know, before the step that makes it necessary.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tracing::debug;

use crate::apply::poll::poll_while;
use crate::apply::wave::{Halt, Wave};
use crate::apply::{Work, csr, issued, kept_key};
use crate::failpoint::reach;
use crate::fault::{Fault, Retry};
use crate::journal::{self, Attempt, Entry, Intent, Next, Proof, Status};
use crate::lineage::check::NOT_YET_VALID;
use crate::lineage::public_key_of;
use crate::list::{Certificate, KeySource};
use crate::name::Digest;
use crate::port::{CA_DEADLINE, Ca, Challenge, Order, OrderRequest, Store};
use crate::secret::Secret;

/// Seconds that a certificate's time may be away for this run to wait for it.
const SKEW_TO_WAIT_FOR: u64 = 60;

/// A lineage in the wave.
pub struct Flight<'a, 'b> {
    pub work: &'a mut Work<'b>,
    pub certificate: &'b Certificate,
    pub entry: Entry,
    pub ca: Arc<dyn Ca>,
    pub order: Option<Box<dyn Order>>,
    pub challenges: Vec<(String, Challenge)>,
    /// The proofs for the order. The journal may hold older ones too, to be swept.
    pub records: Vec<Proof>,
}

/// What a certificate is asked for with.
struct Keyed {
    /// PKCS#8 PEM. `None` if only whoever made the CSR has it.
    key: Option<Secret>,
    public_key: Digest,
    /// DER
    csr: Vec<u8>,
}

impl Flight<'_, '_> {
    pub fn is_active(&self) -> bool {
        let outcome = &self.work.outcome;
        outcome.fault.is_none() && !outcome.interrupted && self.work.stored.is_none()
    }

    pub fn halt(&mut self, halt: Halt) {
        match halt {
            Halt::Failed(fault) => self.work.outcome.fault = Some(fault),
            Halt::Stopped => self.work.outcome.interrupted = true,
        }
    }

    /// Brings the attempt to an order whose state is known: a new one, or the one of an earlier run.
    pub async fn open(&mut self, wave: &Wave<'_>) -> Result<(), Halt> {
        let fits = self.entry.attempt.as_ref().is_some_and(|attempt| self.fits(attempt, wave));
        if !fits || self.has_lost_its_key(wave).await? {
            self.begin_anew(wave).await?;
        }
        let mut restarts = 0;
        loop {
            match self.next() {
                Some(Next::NewOrder) => self.new_order(wave).await?,
                Some(Next::Refresh) => self.refresh(wave).await?,
                Some(Next::Restart) if restarts == 0 => {
                    restarts += 1;
                    self.begin_anew(wave).await?;
                }
                Some(Next::Restart) => return Err(gone().into()),
                Some(Next::GiveUp(fault)) => return Err(fault.into()),
                _ => return Ok(()),
            }
        }
    }

    /// Fetches the authorizations and keeps the challenges that are still to be answered.
    pub async fn authorize(&mut self, wave: &Wave<'_>) -> Result<(), Halt> {
        if self.next() != Some(Next::Authorize) {
            return Ok(());
        }
        let challenge = self.certificate.challenge;
        let authorizations = wave.ask(self.order().authorizations(challenge)).await?;
        let pending = authorizations.into_iter().filter_map(|one| Some((one.base, one.challenge?)));
        self.challenges = pending.collect();
        Ok(())
    }

    /// Answers the challenges and waits for the CA's verdict.
    pub async fn validate(&mut self, wave: &Wave<'_>) -> Result<(), Halt> {
        if self.next() != Some(Next::Authorize) {
            return Ok(());
        }
        for (_, challenge) in std::mem::take(&mut self.challenges) {
            wave.go_on()?;
            wave.ask(self.order().set_ready(&challenge.url)).await?;
            reach("after-challenge");
        }
        // Not even a stop takes the proofs away at once: the CA looks at them, and counts what it does not find.
        self.poll_while(wave, &Status::Pending).await?;
        reach("after-validated");
        Ok(())
    }

    /// Finalizes, downloads, checks and stores.
    pub async fn finalize(&mut self, wave: &Wave<'_>) -> Result<(), Halt> {
        loop {
            wave.go_on()?;
            match self.next() {
                Some(Next::Finalize) => {
                    let csr = STANDARD.decode(&self.attempt().intent.csr).map_err(|error| {
                        Fault::new("journal:unreadable", "the journaled CSR is not base64").caused_by(&error)
                    })?;
                    wave.ask(self.order().finalize(&csr)).await?;
                    reach("after-finalize");
                }
                Some(Next::Wait) => self.poll_while(wave, &Status::Processing).await?,
                Some(Next::Download(url)) => return self.download(wave, url).await,
                Some(Next::GiveUp(fault)) => return Err(fault.into()),
                Some(Next::Restart) => return Err(gone().into()),
                Some(Next::Authorize | Next::NewOrder | Next::Refresh) | None => {
                    return Err(Fault::new("acme:order-pending", "the order is still pending after validation").into());
                }
            }
        }
    }

    /// Writes down how the flight ended: done, to be gone on with, or failed.
    pub async fn land(&mut self, wave: &Wave<'_>) {
        self.work.outcome.order_url = self.entry.attempt.as_ref().and_then(|attempt| attempt.order.clone());
        if self.work.stored.is_some() {
            wave.spending.ended(self.work.step, self.certificate, true);
            self.entry.attempt = None;
        } else if let Some(fault) = self.work.outcome.fault.clone() {
            if self.is_hopeless(&fault) {
                wave.spending.ended(self.work.step, self.certificate, false);
                self.entry.attempt = None;
            }
            self.entry.fail(fault, wave.ports.clock.now());
        } else {
            return;
        }
        if let Err(fault) = self.journal(wave).await {
            self.work.outcome.fault.get_or_insert(fault);
        }
        reach("after-attempt-closed");
    }

    /// Writes down what is about to be placed, beside what may still stand somewhere.
    pub async fn journal_proofs(&mut self, wave: &Wave<'_>, proofs: &[Proof]) -> Result<(), Fault> {
        let fresh: Vec<Proof> = proofs.iter().filter(|proof| !self.entry.records.contains(proof)).cloned().collect();
        self.entry.records.extend(fresh);
        self.journal(wave).await
    }

    /// Whether the next step is to ask the CA for an order.
    pub fn is_to_order(&self, wave: &Wave<'_>) -> bool {
        let open = self.entry.attempt.as_ref().filter(|attempt| self.fits(attempt, wave));
        open.is_none_or(|attempt| attempt.order.is_none())
    }

    pub async fn journal(&self, wave: &Wave<'_>) -> Result<(), Fault> {
        let entry = self.entry.clone();
        wave.stored(move |store| store.write_entry(&entry)).await
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

    /// Whether the next run must begin anew, because going on with this attempt would end the same way.
    fn is_hopeless(&self, fault: &Fault) -> bool {
        let unjudged = journal::is_outage(fault) || journal::is_about_account(fault);
        let refused = !unjudged && !matches!(fault.retry, Retry::After(_));
        let dead_end = [
            "acme:authorization",
            "acme:invalidProfile",
            "acme:not-offered",
            "acme:order-pending",
            "acme:unauthorized",
        ];
        match self.next() {
            Some(Next::GiveUp(_) | Next::Restart) => true,
            Some(Next::Download(_)) => refused,
            _ => refused && (dead_end.contains(&fault.code.as_str()) || fault.code.starts_with("journal:")),
        }
    }

    /// Drops an attempt, if there is one, and intends another. The old key goes first, so that no crash can pair it with
    /// the next intent.
    async fn begin_anew(&mut self, wave: &Wave<'_>) -> Result<(), Halt> {
        self.order = None;
        if self.entry.attempt.take().is_some() {
            self.journal(wave).await?;
        }
        let intended = self.intend(wave).await;
        if intended.is_err() {
            // What is not on the disk must not be written down as begun: its certificate would have no key.
            self.entry.attempt = None;
        }
        intended
    }

    /// Whether the key of an earlier run's attempt is gone, as after a partial restore, or compromised since: its
    /// certificate would be of no use.
    async fn has_lost_its_key(&self, wave: &Wave<'_>) -> Result<bool, Fault> {
        let (lineage, pending) = (self.entry.lineage.clone(), self.entry.revocations.clone());
        let public_key = self.entry.attempt.as_ref().and_then(|attempt| attempt.intent.public_key.clone());
        let has_key = self.certificate.key_source.has_key();
        let check = move |store: &dyn Store| {
            if has_key && store.attempt_key(&lineage)?.is_none() {
                return Ok(true);
            }
            let Some(public_key) = public_key else { return Ok(false) };
            Ok(kept_key::is_compromised(&store.versions(&lineage)?, &public_key, &pending))
        };
        wave.stored(check).await
    }

    /// Whether an attempt of an earlier run is for what the list and the runner ask for now.
    fn fits(&self, attempt: &Attempt, wave: &Wave<'_>) -> bool {
        let intent = &attempt.intent;
        let given = wave.ports.given.get(&self.certificate.key_source);
        let same_key = given.is_none_or(|key| public_key_of(key).ok() == intent.public_key);
        intent.is_for(self.certificate) && intent.directory == self.ca.directory() && same_key
    }

    /// Makes the key and the CSR, unless the list has one, and journals them. The CA does not hear of it yet.
    async fn intend(&mut self, wave: &Wave<'_>) -> Result<(), Halt> {
        let profile = self.profile(wave).await?;
        let Keyed { key, public_key, csr } = self.key(wave).await?;
        let step = self.work.step;
        let intent = Intent {
            identifiers: self.certificate.identifiers.clone(),
            authority: self.certificate.authority.clone(),
            directory: self.ca.directory().to_owned(),
            key: self.certificate.key,
            key_source: self.certificate.key_source.clone(),
            public_key: Some(public_key),
            profile,
            replaces: step.replaces.clone(),
            csr: STANDARD.encode(csr),
            provenance: wave.basis.provenance(Some(step)),
        };
        self.entry.attempt = Some(Attempt::new(intent));
        let entry = self.entry.clone();
        wave.stored(move |store| {
            if let Some(key) = &key {
                store.write_attempt_key(&entry.lineage, key)?;
                reach("after-key");
            }
            store.write_entry(&entry)
        })
        .await?;
        reach("after-intent");
        Ok(())
    }

    /// The key for the certificate, and a CSR for it.
    async fn key(&self, wave: &Wave<'_>) -> Result<Keyed, Fault> {
        let certificate = self.certificate.clone();
        let kept = match &certificate.key_source {
            KeySource::Csr(csr) => {
                return Ok(Keyed { key: None, public_key: csr.public_key().clone(), csr: csr.der().to_vec() });
            }
            KeySource::New => None,
            KeySource::Reused => {
                let (lineage, kind) = (self.entry.lineage.clone(), certificate.key);
                let pending = self.entry.revocations.clone();
                wave.stored(move |store| kept_key::kept_key(store, &lineage, kind, &pending)).await?
            }
            source @ KeySource::Given(word) => {
                let gone = || Fault::new("key:unknown", format!("the runner has no key `{word}`"));
                Some(wave.ports.given.get(source).cloned().ok_or_else(gone)?)
            }
        };
        let (key, csr) = csr::made(kept, certificate.key, certificate.identifiers).await?;
        Ok(Keyed { public_key: public_key_of(&key)?, key: Some(key), csr })
    }

    /// What to ask for, by what the CA offers now. Some CAs take a profile that they do not know and ignore it.
    async fn profile(&self, wave: &Wave<'_>) -> Result<Option<String>, Halt> {
        let Some((name, required)) = self.certificate.wanted_profile() else { return Ok(None) };
        let offered = wave.ask(self.ca.profiles()).await?;
        if offered.contains(name) {
            return Ok(Some(name.to_owned()));
        }
        let offered = offered.into_iter().collect::<Vec<_>>().join(", ");
        let offered = if offered.is_empty() { "none".to_owned() } else { offered };
        if !required {
            debug!(lineage = %self.certificate.name, name, offered, "the preferred profile is not offered");
            return Ok(None);
        }
        let fault = Fault::new("acme:invalidProfile", format!("the CA does not offer the profile `{name}`"));
        let hint = format!("it offers: {offered}; change `profile`, or write `preferred_profile` to take its default");
        Err(fault.hint(hint).retry(Retry::Never).into())
    }

    async fn new_order(&mut self, wave: &Wave<'_>) -> Result<(), Halt> {
        let intent = &self.attempt().intent;
        let mut request = OrderRequest {
            identifiers: intent.identifiers.clone(),
            profile: intent.profile.clone(),
            replaces: intent.replaces.clone(),
        };
        wave.spending.open(self.work.step, self.certificate).await?;
        reach("after-ledger");
        let mut order = wave.ask(self.ca.new_order(&request)).await;
        // `replaces` is consumed by newOrder, not by issuance: after a lost answer the CA finds the same order again.
        // Another account's certificate cannot be replaced, nor one that the CA has forgotten.
        let of_replaces = ["acme:alreadyReplaced", "acme:malformed", "acme:unauthorized"];
        let refused = matches!(&order, Err(Halt::Failed(fault)) if of_replaces.contains(&fault.code.as_str()));
        if refused && request.replaces.take().is_some() {
            order = wave.ask(self.ca.new_order(&request)).await;
        }
        if let Err(Halt::Failed(fault)) = &order {
            wave.spending.refused(self.work.step, self.certificate, fault);
        }
        let order = order?;
        reach("after-new-order");
        self.attempt().order = Some(order.url().to_owned());
        self.order = Some(order);
        self.journal(wave).await?;
        reach("after-order-journaled");
        Ok(())
    }

    async fn refresh(&mut self, wave: &Wave<'_>) -> Result<(), Halt> {
        if self.order.is_none() {
            let url = self.attempt().order.clone().unwrap_or_default();
            self.order = Some(self.ca.order(&url).await?);
        }
        wave.ask(self.order().refresh()).await.map(drop)
    }

    /// Asks again and again while the order has this status.
    async fn poll_while(&mut self, wave: &Wave<'_>, status: &Status) -> Result<(), Halt> {
        poll_while(status, CA_DEADLINE, wave.stop, async || {
            wave.ask(self.order().refresh()).await?;
            Ok((self.order().status(), self.order().rest()))
        })
        .await
    }

    async fn download(&mut self, wave: &Wave<'_>, url: String) -> Result<(), Halt> {
        if self.attempt().certificate.as_ref() != Some(&url) {
            self.attempt().certificate = Some(url.clone());
            self.journal(wave).await?;
        }
        reach("after-certificate-journaled");
        let chain = wave.ask(self.ca.certificate(&url, self.certificate.preferred_chain.as_deref())).await?;
        reach("after-download");
        let attempt = self.attempt().clone();
        let lineage = self.work.step.lineage.clone();
        let stored = loop {
            let (lineage, attempt, chain, url) = (lineage.clone(), attempt.clone(), chain.clone(), url.clone());
            let now = wave.ports.clock.now();
            let anchors = wave.ports.anchors.get(&attempt.intent.authority).cloned();
            let keep =
                move |store: &dyn Store| issued::store(store, &lineage, &attempt, &chain, url, anchors.as_ref(), now);
            match wave.stored(keep).await {
                Err(fault) => wait_until_valid(wave, fault).await?,
                Ok(stored) => break stored,
            }
        };
        reach("after-deploy");
        self.entry.failures = None;
        self.work.stored = Some(stored);
        Ok(())
    }
}

/// A clock that is a little ahead is waited for. Beyond that the next run goes on with the same certificate.
async fn wait_until_valid(wave: &Wave<'_>, fault: Fault) -> Result<(), Halt> {
    match fault.retry {
        Retry::After(seconds) if fault.code == NOT_YET_VALID && seconds <= SKEW_TO_WAIT_FOR => {
            let wait = tokio::time::sleep(Duration::from_secs(seconds));
            wave.stop.unless_asked(wait).await.ok_or(Halt::Stopped)
        }
        _ => Err(fault.into()),
    }
}

fn gone() -> Fault {
    Fault::new("acme:order-gone", "the CA does not know the order any more").retry(Retry::Later)
}
