//! One limit of a CA: a bucket that holds so many, and refills evenly.
//!
//! Boulder counts this way (generic cell rate algorithm): from an empty bucket of 50 in 7 days one comes back every
//! 202 minutes, not all of them after a week.

use time::{Duration, OffsetDateTime};

use crate::yaml::duration;

/// At most `most` at once, all of which come back in `per`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub most: u32,
    pub per: Duration,
}

/// How full a bucket was at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// What was taken out and has not come back.
    pub used: u32,
    /// When one more can be had: now, if one is left.
    pub free_at: OffsetDateTime,
}

impl Limit {
    pub const fn new(most: u32, per: Duration) -> Self {
        Self { most, per }
    }

    /// `300/3h`: a number and a time in minutes, hours or days.
    pub fn parse(text: &str) -> Result<Self, String> {
        let read = || {
            let (most, per) = text.split_once('/')?;
            let most = most.parse().ok().filter(|most| (1..=1_000_000).contains(most))?;
            Some(Self { most, per: duration::parse(per)? })
        };
        read().ok_or_else(|| format!("`{text}` is no limit; it is a number and a time, such as `300/3h`"))
    }

    /// The time in which one comes back.
    fn one(self) -> Duration {
        self.per / self.most
    }

    /// When the bucket is full again after one more was taken at `at`. `full` is when it would be full without that.
    pub fn take(self, full: Option<OffsetDateTime>, at: OffsetDateTime) -> OffsetDateTime {
        full.map_or(at, |full| full.max(at)) + self.one()
    }

    /// The level at `now` of a bucket that is full again at `full`.
    pub fn level(self, full: Option<OffsetDateTime>, now: OffsetDateTime) -> Level {
        let missing = full.map_or(Duration::ZERO, |full| (full - now).max(Duration::ZERO));
        let one = self.one().whole_milliseconds().max(1);
        let used = (missing.whole_milliseconds() + one - 1) / one;
        let free_at = now + (missing + self.one() - self.per).max(Duration::ZERO);
        Level { used: u32::try_from(used).unwrap_or(u32::MAX), free_at }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-21 02:00 UTC);
    const WEEK: Limit = Limit::new(50, Duration::days(7));

    fn taken(limit: Limit, count: u32) -> Option<OffsetDateTime> {
        (0..count).fold(None, |full, _| Some(limit.take(full, NOW)))
    }

    #[test]
    fn a_limit_is_a_number_and_a_time() {
        assert_eq!(Limit::parse("300/3h"), Ok(Limit::new(300, Duration::hours(3))));
        let refused = ["", "300", "/3h", "0/3h", "-1/3h", "300/", "300/3", "300/0h", "3h/300", "9999999/1h", "1.5/1h"];
        assert!(refused.iter().all(|text| Limit::parse(text).is_err()));
    }

    #[test]
    fn one_is_left_until_all_are_taken() {
        assert_eq!(WEEK.level(None, NOW), Level { used: 0, free_at: NOW });
        assert_eq!(WEEK.level(taken(WEEK, 49), NOW), Level { used: 49, free_at: NOW });
        let level = WEEK.level(taken(WEEK, 50), NOW);
        assert_eq!((level.used, (level.free_at - NOW).whole_minutes()), (50, 201));
    }

    #[test]
    fn one_comes_back_after_its_share_of_the_time_and_all_after_the_whole() {
        let full = taken(WEEK, 50);
        let used = |minutes| WEEK.level(full, NOW + Duration::minutes(minutes)).used;
        assert_eq!([0, 202, 404, 7 * 24 * 60].map(used), [50, 49, 48, 0]);
    }

    proptest! {
        /// The promise that a CA's bucket makes: whatever was taken when it was to be had, no stretch of time holds
        /// more than the bucket and what comes back meanwhile.
        #[test]
        fn whoever_waits_until_one_is_free_never_takes_more_than_the_limit(
            gaps in proptest::collection::vec(0..90_i64, 1..60),
            most in 1..8_u32,
        ) {
            let limit = Limit::new(most, Duration::hours(1));
            let (mut now, mut full, mut times) = (NOW, None, Vec::new());
            for gap in gaps {
                now = limit.level(full, now + Duration::minutes(gap)).free_at;
                full = Some(limit.take(full, now));
                times.push(now);
            }
            for (first, from) in times.iter().enumerate() {
                for (last, to) in times.iter().enumerate().skip(first) {
                    let back = (*to - *from) / limit.one();
                    prop_assert!((last - first) as f64 <= f64::from(most - 1) + back + 1e-6);
                }
            }
        }
    }
}
