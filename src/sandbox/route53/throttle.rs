//! What an account may ask: two buckets, one of requests and one of changes.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::super::Throttle;

#[derive(Default)]
pub(in crate::sandbox) struct Throttles(Mutex<BTreeMap<String, Buckets>>);

struct Buckets {
    requests: Bucket,
    changes: Bucket,
}

struct Bucket {
    burst: f64,
    per_second: f64,
    room: f64,
    at: Instant,
}

impl Throttles {
    pub(in crate::sandbox) fn set(&self, access_key: &str, throttle: Throttle) {
        let Throttle { requests, changes } = throttle;
        let buckets = Buckets { requests: Bucket::new(requests), changes: Bucket::new(changes) };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(access_key.to_owned(), buckets);
    }

    /// Whether an account has room for a request. A refused one takes nothing.
    pub(super) fn admit(&self, access_key: &str, is_change: bool) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(buckets) = all.get_mut(access_key) else { return true };
        if is_change && !buckets.changes.has_room() || !buckets.requests.has_room() {
            return false;
        }
        buckets.requests.room -= 1.0;
        buckets.changes.room -= f64::from(u8::from(is_change));
        true
    }
}

impl Bucket {
    fn new((burst, per_second): (u32, u32)) -> Self {
        let (burst, per_second) = (f64::from(burst), f64::from(per_second));
        Self { burst, per_second, room: burst, at: Instant::now() }
    }

    fn has_room(&mut self) -> bool {
        let now = Instant::now();
        self.room = (self.room + self.per_second * (now - self.at).as_secs_f64()).min(self.burst);
        self.at = now;
        self.room >= 1.0
    }
}
