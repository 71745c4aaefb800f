//! Writes each order into the ledger before the CA hears of it, many with one write.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use time::OffsetDateTime;

use crate::apply::{Ports, durably};
use crate::fault::Fault;
use crate::journal;
use crate::ledger::{End, Ledger, Order, Price, Terms};
use crate::list::Certificate;
use crate::plan::{Step, price};
use crate::port::{Clock, Store};

/// The ledger during a wave.
pub struct Spending<'a> {
    terms: &'a BTreeMap<String, Terms>,
    clock: &'a dyn Clock,
    store: Arc<dyn Store>,
    book: Mutex<Book>,
    /// Which change was written last. Whoever holds it writes for all who wait.
    written: tokio::sync::Mutex<u64>,
}

struct Book {
    ledger: Ledger,
    /// Refusals of this wave. Earlier ones were for the plan to heed.
    heard: Ledger,
    /// Counts the changes.
    changes: u64,
}

impl<'a> Spending<'a> {
    pub fn new(ports: &'a Ports) -> Self {
        let (terms, clock) = (&ports.terms, ports.clock.as_ref());
        let mut ledger = ports.ledger.clone();
        ledger.prune(&price::limits_of(terms), clock.now());
        let book = Mutex::new(Book { ledger, heard: Ledger::default(), changes: 0 });
        Self { terms, clock, store: Arc::clone(&ports.store), book, written: tokio::sync::Mutex::new(0) }
    }

    /// Notes an order durably. Fails without one if the CA said meanwhile that it has no room: it is not asked in vain.
    pub async fn open(&self, step: &Step, certificate: &Certificate) -> Result<(), Fault> {
        let Some(terms) = self.terms.get(&certificate.authority) else { return Ok(()) };
        let now = self.clock.now();
        let order = Order {
            at: now,
            directory: terms.directory.clone(),
            lineage: step.lineage.clone(),
            identifiers: certificate.identifiers.clone(),
            price: step.price.as_ref().map_or(Price::New, |priced| priced.price),
            end: End::Open,
        };
        {
            let mut book = self.book();
            if let Some(wait) = book.heard.wait_for(&order, now) {
                return Err(wait.fault(now));
            }
            if !terms.limits.any() {
                return Ok(());
            }
            book.ledger.open(order);
            book.changes += 1;
        }
        self.write().await
    }

    /// The CA said no to newOrder.
    pub fn refused(&self, step: &Step, certificate: &Certificate, said: &Fault) {
        // Without an answer the order may be there.
        if journal::is_outage(said) {
            return;
        }
        self.note(certificate, |book, directory, now| {
            book.heard.refused(directory, &certificate.identifiers, said, now);
            let heard = book.ledger.refused(directory, &certificate.identifiers, said, now);
            book.ledger.withdraw(directory, &step.lineage) || heard
        });
    }

    /// How an order ended at the CA.
    pub fn ended(&self, step: &Step, certificate: &Certificate, issued: bool) {
        self.note(certificate, |book, directory, now| match issued {
            true => book.ledger.issued(directory, &step.lineage, &certificate.identifiers, now),
            false => book.ledger.failed(directory, &step.lineage, now),
        });
    }

    /// Returns when every change up to now is on the disk.
    pub async fn write(&self) -> Result<(), Fault> {
        let mine = self.book().changes;
        let mut written = self.written.lock().await;
        if *written >= mine {
            return Ok(());
        }
        let (ledger, changes) = {
            let book = self.book();
            (book.ledger.clone(), book.changes)
        };
        durably(&self.store, move |store| store.write_ledger(&ledger)).await?;
        *written = changes;
        Ok(())
    }

    fn note(&self, certificate: &Certificate, change: impl FnOnce(&mut Book, &str, OffsetDateTime) -> bool) {
        let Some(terms) = self.terms.get(&certificate.authority) else { return };
        let now = self.clock.now();
        let mut book = self.book();
        let changed = change(&mut book, &terms.directory, now);
        book.changes += u64::from(changed);
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
