//! When to renew: inside the window that the CA suggests, else by the fraction of the lifetime that is left.

use time::{Duration, OffsetDateTime};

use crate::lineage::CertFacts;
use crate::name::Digest;
use crate::plan::Reason;
use crate::port::RenewalInfo;

/// Whether a certificate is due, and why or when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    Now(Reason),
    /// The earliest time at which a run will find it due.
    Later(OffsetDateTime),
}

/// Decides by the first that there is: `renew_before` from the list, the CA's window, the fraction.
///
/// `every` is the time between runs. Inside a window the last run before the lineage's own instant is taken, so that
/// renewals spread over the window and still happen inside it (RFC 9773 section 4.2).
pub fn due(
    facts: &CertFacts,
    renew_before: Option<Duration>,
    info: Option<&RenewalInfo>,
    every: Duration,
    now: OffsetDateTime,
) -> Due {
    if facts.not_after <= now {
        return Due::Now(Reason::Expired { since: facts.not_after });
    }
    match (renew_before, info.filter(|info| is_usable(info, facts))) {
        (Some(before), _) => at(facts.not_after - before, now, Reason::RenewBefore { left: facts.not_after - now }),
        (None, Some(info)) => in_window(facts, info, every, now),
        (None, None) => at(fraction(facts), now, Reason::LifetimeSpent { left: facts.not_after - now }),
    }
}

/// A third of the lifetime before the end, half for lifetimes under ten days.
pub fn fraction(facts: &CertFacts) -> OffsetDateTime {
    let parts = if facts.lifetime() < Duration::days(10) { 2 } else { 3 };
    facts.not_after - facts.lifetime() / parts
}

fn at(due: OffsetDateTime, now: OffsetDateTime, reason: Reason) -> Due {
    if due <= now { Due::Now(reason) } else { Due::Later(due) }
}

/// RFC 9773 section 4.2: an inverted window is no answer. One that opens after the certificate's end helps nobody.
fn is_usable(info: &RenewalInfo, facts: &CertFacts) -> bool {
    info.start < info.end && info.start < facts.not_after
}

fn in_window(facts: &CertFacts, info: &RenewalInfo, every: Duration, now: OffsetDateTime) -> Due {
    let reason = Reason::WindowOpen { since: info.start, explanation: info.explanation.clone() };
    let instant = own_instant(facts, info);
    let next_run = now + every;
    if now >= info.end || (now >= info.start && (next_run > instant || next_run >= info.end)) {
        return Due::Now(reason);
    }
    Due::Later(if now < info.start { info.start } else { instant })
}

/// A uniformly spread instant of the window that is the same at every run.
fn own_instant(facts: &CertFacts, info: &RenewalInfo) -> OffsetDateTime {
    let digest = Digest::of(facts.fingerprint.as_bytes());
    let bytes: [u8; 4] = digest.as_bytes()[..4].try_into().expect("a digest has 32 bytes");
    let share = f64::from(u32::from_be_bytes(bytes)) / f64::from(u32::MAX);
    info.start + (info.end - info.start) * share
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const ISSUED: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);
    const DAY: Duration = Duration::DAY;

    fn facts(days: i64) -> CertFacts {
        CertFacts {
            identifiers: Default::default(),
            not_before: ISSUED,
            not_after: ISSUED + Duration::days(days),
            serial: "01".into(),
            issuer: "CA".into(),
            key: None,
            public_key: Digest::of(b"key"),
            fingerprint: Digest::of(b"certificate"),
            ari_id: None,
        }
    }

    fn window(from: i64, to: i64) -> RenewalInfo {
        RenewalInfo {
            start: ISSUED + DAY * from as i32,
            end: ISSUED + DAY * to as i32,
            explanation: None,
            ask_again: ISSUED,
        }
    }

    fn first_due_day(facts: &CertFacts, before: Option<Duration>, info: Option<&RenewalInfo>) -> Option<i64> {
        (0..400).find(|day| matches!(due(facts, before, info, DAY, ISSUED + Duration::days(*day)), Due::Now(_)))
    }

    #[test]
    fn without_a_window_a_third_of_the_lifetime_is_left() {
        assert_eq!(first_due_day(&facts(90), None, None), Some(60));
        assert_eq!(first_due_day(&facts(45), None, None), Some(30));
    }

    #[test]
    fn a_lifetime_under_ten_days_renews_at_half() {
        assert_eq!(first_due_day(&facts(6), None, None), Some(3));
    }

    #[test]
    fn the_list_can_ask_for_a_fixed_time_before_the_end() {
        assert_eq!(first_due_day(&facts(90), Some(DAY * 20), Some(&window(10, 12))), Some(70));
    }

    #[test]
    fn a_daily_run_renews_inside_the_suggested_window() {
        let day = first_due_day(&facts(90), None, Some(&window(59, 61))).unwrap();
        assert!((59..61).contains(&day), "day {day}");
    }

    #[test]
    fn a_window_in_the_past_renews_at_once() {
        assert_eq!(first_due_day(&facts(90), None, Some(&window(-2, -1))), Some(0));
    }

    #[test]
    fn an_inverted_window_is_no_answer() {
        assert_eq!(first_due_day(&facts(90), None, Some(&window(5, 4))), Some(60));
    }

    #[test]
    fn a_window_that_is_shorter_than_the_time_between_runs_is_not_missed() {
        let mut info = window(30, 30);
        info.end = info.start + Duration::hours(3);
        assert_eq!(first_due_day(&facts(90), None, Some(&info)), Some(30));
        info.start += Duration::hours(1);
        assert_eq!(first_due_day(&facts(90), None, Some(&info)), Some(31));
    }

    #[test]
    fn renewals_of_one_window_spread_over_its_runs() {
        let info = window(50, 54);
        let days = (0..200u8).map(|n| {
            let facts = CertFacts { fingerprint: Digest::of(&[n]), ..facts(90) };
            first_due_day(&facts, None, Some(&info)).unwrap()
        });
        let days: std::collections::BTreeSet<i64> = days.collect();
        assert_eq!(days.into_iter().collect::<Vec<_>>(), [50, 51, 52, 53]);
    }
}
