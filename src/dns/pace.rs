//! How fast one AWS account is asked: one bucket for all of its zones, at a pace that adapts.
//!
//! Route53 counts the requests of an account, and the size of its changes by a measure that it does not publish; other
//! programs draw on both. So the pace is halved when Route53 says that it has no room, and grows slowly while it has.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Requests in a second: at first, at least, and at most, which is all that an account has (Route 53 Developer Guide,
/// "API throttling": a burst of 50, and 10 in a second).
const FIRST: f64 = 5.0;
const LEAST: f64 = 0.5;
const MOST: f64 = 10.0;
/// So many may go at once after a rest. Leaves room for others.
const BURST: f64 = 20.0;
/// What one answer adds to the pace.
const STEP: f64 = 0.05;

/// The pace of one account. Whoever waits is served in turn.
#[derive(Debug)]
pub struct Pace {
    queue: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    /// How many changes are waited for.
    waits: AtomicU32,
}

#[derive(Debug)]
struct State {
    /// Requests in a second.
    rate: f64,
    /// Requests that may go now.
    room: f64,
    /// When `room` was right.
    at: Instant,
    /// When the pace was halved last.
    slowed: Option<Instant>,
}

impl Default for Pace {
    fn default() -> Self {
        let state = Mutex::new(State::new(Instant::now()));
        Self { queue: tokio::sync::Mutex::default(), state, waits: AtomicU32::new(0) }
    }
}

impl Pace {
    /// Returns when a request may go.
    pub async fn turn(&self) {
        let _queue = self.queue.lock().await;
        while let Some(wait) = self.take() {
            tokio::time::sleep(wait).await;
        }
    }

    /// There was room for a request.
    pub fn had_room(&self) {
        self.state().had_room();
    }

    /// There was no room for a request that went at `sent`. Requests that went together slow down once.
    pub fn had_no_room(&self, sent: Instant) {
        self.state().had_no_room(sent, Instant::now());
    }

    fn take(&self) -> Option<Duration> {
        self.state().take(Instant::now())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn new(now: Instant) -> Self {
        Self { rate: FIRST, room: BURST, at: now, slowed: None }
    }

    /// Takes a place, or says how long to wait for one.
    fn take(&mut self, now: Instant) -> Option<Duration> {
        self.room = (self.room + self.rate * (now - self.at).as_secs_f64()).min(BURST);
        self.at = now;
        if self.room >= 1.0 {
            self.room -= 1.0;
            return None;
        }
        // A little more, so that it is enough.
        Some(Duration::from_secs_f64((1.0 - self.room) / self.rate) + Duration::from_millis(1))
    }

    fn had_room(&mut self) {
        self.rate = (self.rate + STEP).min(MOST);
    }

    fn had_no_room(&mut self, sent: Instant, now: Instant) {
        if self.slowed.is_none_or(|slowed| slowed <= sent) {
            (self.rate, self.room) = ((self.rate / 2.0).max(LEAST), 0.0);
            (self.at, self.slowed) = (now, Some(now));
        }
    }
}

/// One of the changes that are waited for at a time.
pub struct Wait<'a>(&'a Pace);

impl<'a> Wait<'a> {
    pub fn begin(pace: &'a Pace) -> Self {
        pace.waits.fetch_add(1, Ordering::Relaxed);
        Self(pace)
    }

    /// The pause, or a longer one, so that all polls together take half of the pace at most.
    pub fn at_least(&self, pause: Duration) -> Duration {
        let waits = f64::from(self.0.waits.load(Ordering::Relaxed));
        pause.max(Duration::from_secs_f64(2.0 * waits / self.0.state().rate))
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.0.waits.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    const ANSWER: Duration = Duration::from_millis(50);

    /// How many of `requests`, sent one after the other as the pace allows, were refused by an account with room for
    /// `burst` and `per_second`, and how long all took. Refused ones are sent again.
    fn ask(requests: usize, burst: f64, per_second: f64) -> (usize, Duration) {
        let begin = Instant::now();
        let (mut now, mut state) = (begin, State::new(begin));
        let (mut room, mut seen) = (burst, begin);
        let mut answers: VecDeque<(Instant, bool)> = VecDeque::new();
        let (mut done, mut refused) = (0, 0);
        while done < requests {
            while answers.front().is_some_and(|(sent, _)| *sent + ANSWER <= now) {
                match answers.pop_front() {
                    Some((sent, false)) => (refused, _) = (refused + 1, state.had_no_room(sent, sent + ANSWER)),
                    _ => (done, _) = (done + 1, state.had_room()),
                }
            }
            if let Some(wait) = state.take(now) {
                now += wait.min(Duration::from_millis(10));
                continue;
            }
            room = (room + per_second * (now - seen).as_secs_f64()).min(burst);
            seen = now;
            answers.push_back((now, room >= 1.0));
            room -= if room >= 1.0 { 1.0 } else { 0.0 };
        }
        (refused, now - begin)
    }

    #[test]
    fn an_account_that_is_ours_alone_refuses_nothing() {
        let (refused, took) = ask(500, 50.0, 10.0);
        assert_eq!(refused, 0);
        assert!(took < Duration::from_secs(70), "{took:?}");
    }

    #[test]
    fn the_pace_settles_at_what_others_leave_of_an_account() {
        let (refused, took) = ask(400, 5.0, 2.0);
        assert!(refused < 60, "{refused} refused");
        assert!(took < Duration::from_secs(300), "{took:?}");
    }

    #[test]
    fn requests_that_were_refused_together_slow_down_once() {
        let sent = Instant::now();
        let mut state = State::new(sent);
        (0..10).for_each(|_| state.had_no_room(sent, sent + ANSWER));
        assert_eq!(state.rate, FIRST / 2.0);
        state.had_no_room(sent + ANSWER, sent + 2 * ANSWER);
        assert_eq!(state.rate, FIRST / 4.0);
    }

    #[test]
    fn the_polls_of_many_changes_take_half_of_the_pace_together() {
        let pace = Pace::default();
        let all: Vec<Wait> = (0..40).map(|_| Wait::begin(&pace)).collect();
        assert_eq!(all[0].at_least(Duration::from_millis(500)), Duration::from_secs(16));
        drop(all);
        assert_eq!(Wait::begin(&pace).at_least(Duration::from_millis(500)), Duration::from_millis(500));
    }
}
