//! The only place that reads the wall clock.

use time::OffsetDateTime;

use crate::port::Clock;

/// The clock of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> OffsetDateTime {
        #[expect(clippy::disallowed_methods, reason = "this is the place")]
        OffsetDateTime::now_utc()
    }
}
