//! How far the clock of this machine is from the CA's, by the `Date` of its directory (RFC 9110 section 6.6.1).

use ::http::header::DATE;
use time::{Duration, OffsetDateTime};
use tracing::warn;

use super::reply::{Reply, http_date};
use crate::fault::{Fault, Retry};

/// Answers take a while, and clocks drift.
const NOTED: Duration = Duration::MINUTE;
/// AWS refuses signatures that are this old, and renewals would come at the wrong time.
const REFUSED: Duration = Duration::minutes(5);

/// A clock that is a little wrong is told, one that is very wrong is refused before anything is ordered.
pub(super) fn check(reply: &Reply, now: OffsetDateTime) -> Result<(), Fault> {
    let date = reply.headers.get(DATE).and_then(|value| http_date(value.to_str().ok()?));
    let Some(skew) = date.map(|date| now - date).filter(|skew| skew.abs() > NOTED) else { return Ok(()) };
    let direction = if skew.is_positive() { "ahead of" } else { "behind" };
    let text = format!("the clock of this machine is {} s {direction} the CA's", skew.abs().whole_seconds());
    if skew.abs() <= REFUSED {
        warn!("{text}");
        return Ok(());
    }
    Err(Fault::new("acme:clock", text).hint("set the clock of this machine, such as with NTP").retry(Retry::Never))
}

#[cfg(test)]
mod tests {
    use ::http::{HeaderMap, HeaderValue, StatusCode};
    use bytes::Bytes;
    use time::macros::datetime;

    use super::*;

    fn at(now: OffsetDateTime) -> Option<String> {
        let headers = HeaderMap::from_iter([(DATE, HeaderValue::from_static("Sat, 21 Nov 2026 10:00:00 GMT"))]);
        check(&Reply::new(StatusCode::OK, headers, Bytes::new(), now), now).err().map(|fault| fault.message)
    }

    #[test]
    fn a_clock_that_is_minutes_wrong_either_way_is_refused_with_the_difference() {
        let found = [datetime!(2026-11-21 10:05:01 UTC), datetime!(2026-11-20 10:00 UTC)].map(at);
        let told = ["301 s ahead of", "86400 s behind"];
        assert_eq!(found, told.map(|told| Some(format!("the clock of this machine is {told} the CA's"))));
    }

    #[test]
    fn a_clock_that_is_nearly_right_and_an_answer_without_a_date_are_taken() {
        assert_eq!([datetime!(2026-11-21 9:58 UTC), datetime!(2026-11-21 10:05 UTC)].map(at), [None, None]);
        let now = datetime!(2026-11-21 10:00 UTC);
        assert_eq!(check(&Reply::new(StatusCode::OK, HeaderMap::new(), Bytes::new(), now), now), Ok(()));
    }
}
