//! Scripted failures: "the next three calls of newOrder answer 429".

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What happens to one call instead of its usual course.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// The usual course. To let some calls pass before a mishap.
    Nothing,
    /// The server refuses in the dialect of its API and does nothing. `code` is an ACME error type without its
    /// prefix (`rateLimited`, `badNonce`, `serverInternal`) or an AWS code (`Throttling`, `AccessDenied`).
    Refused { status: u16, code: String, retry_after: Option<String> },
    /// A proxy answers with a page of HTML, and the server never hears of the call.
    Html { status: u16, retry_after: Option<String> },
    /// The connection ends before the server hears of the call.
    Unreached,
    /// The server does what it was asked to, and the connection ends before its answer.
    Lost,
    /// The server answers, and the body stops after half of its bytes for as long as this.
    Stalled(Duration),
    /// The server does what it was asked to, and this stands in the body of the answer instead.
    Garbled(String),
}

impl Mishap {
    /// A refusal without `Retry-After`.
    pub fn refused(status: u16, code: &str) -> Self {
        Self::Refused { status, code: code.to_owned(), retry_after: None }
    }

    /// Let's Encrypt's answer at a rate limit: 429 `rateLimited` with `Retry-After` in seconds.
    pub fn rate_limited(retry_after: u64) -> Self {
        Self::Refused { status: 429, code: "rateLimited".to_owned(), retry_after: Some(retry_after.to_string()) }
    }

    /// Route53's answer when it is asked too often: 400 `Throttling`.
    pub fn throttled() -> Self {
        Self::refused(400, "Throttling")
    }
}

/// The script of each operation. Cheap to clone; all clones are one script.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    scripts: Arc<Mutex<HashMap<String, VecDeque<Mishap>>>>,
}

impl Faults {
    /// Appends to the script of `operation` (see [`Call::operation`](super::log::Call)): the mishap comes `times` times,
    /// once everything scripted before has come.
    ///
    /// Two operations are steps inside of the CA, where only [`Mishap::Refused`] means something: `validation` makes a
    /// challenge invalid, and `issuance` makes an order invalid after its finalization was accepted.
    ///
    /// A script of `OPERATION SUBJECT` is for one subject alone: the path of the URL, such as
    /// `PutObject /bucket/key`, or one name of an order, such as `newOrder www.example.com`.
    pub fn script(&self, operation: &str, times: usize, mishap: Mishap) {
        let mut scripts = self.lock();
        scripts.entry(operation.to_owned()).or_default().extend(std::iter::repeat_n(mishap, times));
    }

    /// Drops all scripts.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// How many calls of `operation` are scripted and have not come yet.
    pub fn left(&self, operation: &str) -> usize {
        self.lock().get(operation).map_or(0, VecDeque::len)
    }

    /// What is scripted for this subject, else what is scripted for all.
    pub(super) fn take_for(&self, operation: &str, subject: &str) -> Mishap {
        match self.take(&format!("{operation} {subject}")) {
            Mishap::Nothing => self.take(operation),
            mishap => mishap,
        }
    }

    fn take(&self, operation: &str) -> Mishap {
        self.lock().get_mut(operation).and_then(VecDeque::pop_front).unwrap_or(Mishap::Nothing)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, VecDeque<Mishap>>> {
        self.scripts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_played_once_and_in_order() {
        let faults = Faults::default();
        faults.script("newOrder", 1, Mishap::Nothing);
        faults.script("newOrder", 2, Mishap::Lost);
        let played: Vec<Mishap> = (0..4).map(|_| faults.take("newOrder")).collect();
        assert_eq!(played, [Mishap::Nothing, Mishap::Lost, Mishap::Lost, Mishap::Nothing]);
    }

    #[test]
    fn a_script_concerns_one_operation() {
        let faults = Faults::default();
        faults.script("PutObject", 1, Mishap::Lost);
        assert_eq!(faults.take("GetObject"), Mishap::Nothing);
        assert_eq!(faults.left("PutObject"), 1);
    }

    #[test]
    fn a_script_for_one_subject_leaves_the_others() {
        let faults = Faults::default();
        faults.script("PutObject /certs/www", 1, Mishap::Lost);
        assert_eq!(faults.take_for("PutObject", "/certs/api"), Mishap::Nothing);
        assert_eq!(faults.take_for("PutObject", "/certs/www"), Mishap::Lost);
    }
}
