//! What the servers saw, so that tests can count calls and look at their order.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// One call, as its server understood it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The operation: `newOrder` (RFC 8555), `ChangeResourceRecordSets`, `PutObject`, or `DNS TXT`.
    pub operation: String,
    /// What it was about: the path of the URL, or the name a DNS query asked for.
    pub subject: String,
    /// Who asked: the account URL, or the AWS access key id.
    pub principal: Option<String>,
    /// Since the start of the sandbox.
    pub began: Duration,
    /// `None` while the call is under way.
    pub ended: Option<Duration>,
    /// The HTTP status, or the DNS response code. `None` if no answer was sent.
    pub status: Option<u16>,
}

/// All calls in the order in which they came. Cheap to clone; all clones are one log.
#[derive(Clone, Debug)]
pub struct Log {
    start: Instant,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Log {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), calls: Arc::default() }
    }

    /// How often an operation was called.
    pub fn count(&self, operation: &str) -> usize {
        self.lock().iter().filter(|call| call.operation == operation).count()
    }

    /// How often each operation was called.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for call in self.lock().iter() {
            *counts.entry(call.operation.clone()).or_default() += 1;
        }
        counts
    }

    pub fn calls(&self) -> Vec<Call> {
        self.lock().clone()
    }

    /// Forgets what was seen so far. Calls under way are forgotten too.
    pub fn clear(&self) {
        self.lock().clear();
    }

    pub(super) fn begin(&self, operation: &str, subject: &str, principal: Option<String>) -> Ticket {
        let began = self.start.elapsed();
        let (operation, subject) = (operation.to_owned(), subject.to_owned());
        let mut calls = self.lock();
        calls.push(Call { operation, subject, principal, began, ended: None, status: None });
        Ticket { log: self.clone(), at: calls.len() - 1, began }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of a call in the log.
pub(super) struct Ticket {
    log: Log,
    at: usize,
    began: Duration,
}

impl Ticket {
    pub(super) fn end(self, status: Option<u16>) {
        let ended = self.log.start.elapsed();
        let mut calls = self.log.lock();
        // After `clear` another call may have the place.
        if let Some(call) = calls.get_mut(self.at).filter(|call| call.began == self.began) {
            call.ended = Some(ended);
            call.status = status;
        }
    }
}
