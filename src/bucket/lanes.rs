//! How many requests to a bucket are under way at a time: fewer after S3 said that it had no room.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// At first, and at most.
const MOST: usize = 32;
/// How long a request that was refused keeps its lane.
const PAUSE: Duration = Duration::from_millis(250);

/// The lanes of one bucket. Half of them close at a refusal, and open again one by one.
#[derive(Debug)]
pub struct Lanes {
    seats: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// How many requests may be under way.
    width: usize,
    /// How many seats go when they are given back.
    surplus: usize,
    /// Answers since the width last changed.
    answers: usize,
    /// When the width was halved last.
    slowed: Option<Instant>,
}

impl Default for Lanes {
    fn default() -> Self {
        let state = State { width: MOST, surplus: 0, answers: 0, slowed: None };
        Self { seats: Semaphore::new(MOST), state: Mutex::new(state) }
    }
}

/// A request under way.
pub struct Lane<'a> {
    lanes: &'a Lanes,
    seat: Option<SemaphorePermit<'a>>,
    sent: Instant,
}

impl Lanes {
    /// Returns when a request may go.
    pub async fn enter(&self) -> Lane<'_> {
        let seat = self.seats.acquire().await.expect("nobody closes the semaphore");
        Lane { lanes: self, seat: Some(seat), sent: Instant::now() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lane<'_> {
    /// There was room for the request. So many of them as there are lanes open one more.
    pub fn had_room(&self) {
        let mut state = self.lanes.state();
        state.answers += 1;
        if state.width < MOST && state.answers >= state.width {
            (state.width, state.answers) = (state.width + 1, 0);
            match state.surplus.checked_sub(1) {
                Some(fewer) => state.surplus = fewer,
                None => self.lanes.seats.add_permits(1),
            }
        }
    }

    /// There was no room. Requests that were sent together slow down once. Returns after a while.
    pub async fn had_no_room(&self) {
        self.lanes.state().had_no_room(self.sent);
        tokio::time::sleep(PAUSE).await;
    }
}

impl State {
    fn had_no_room(&mut self, sent: Instant) {
        if self.slowed.is_none_or(|slowed| slowed <= sent) {
            let fewer = (self.width / 2).max(1);
            self.surplus += self.width - fewer;
            (self.width, self.answers, self.slowed) = (fewer, 0, Some(Instant::now()));
        }
    }
}

impl Drop for Lane<'_> {
    fn drop(&mut self) {
        let mut state = self.lanes.state();
        if state.surplus > 0
            && let Some(seat) = self.seat.take()
        {
            state.surplus -= 1;
            seat.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many lanes are free.
    fn free(lanes: &Lanes) -> usize {
        lanes.seats.available_permits()
    }

    #[tokio::test]
    async fn half_of_the_lanes_close_once_for_all_that_were_refused_together() {
        let lanes = Lanes::default();
        let together = [lanes.enter().await, lanes.enter().await];
        together.iter().for_each(|lane| lanes.state().had_no_room(lane.sent));
        drop(together);
        while free(&lanes) > lanes.state().width {
            drop(lanes.enter().await);
        }
        assert_eq!(lanes.state().width, MOST / 2);
        lanes.state().had_no_room(Instant::now());
        assert_eq!(lanes.state().width, MOST / 4);
    }

    #[tokio::test]
    async fn one_lane_stays_and_all_come_back_while_there_is_room() {
        let lanes = Lanes::default();
        for _ in 0..10 {
            let lane = lanes.enter().await;
            lanes.state().had_no_room(lane.sent);
        }
        while free(&lanes) > 1 {
            drop(lanes.enter().await);
        }
        assert_eq!(lanes.state().width, 1);
        for _ in 0..MOST * MOST {
            lanes.enter().await.had_room();
        }
        assert_eq!(free(&lanes), MOST);
    }
}
