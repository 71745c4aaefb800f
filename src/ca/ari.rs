//! ACME renewal information (RFC 9773). An unsigned GET: no account is needed.

use std::time::Duration;

use serde::Deserialize;
use time::OffsetDateTime;
use tracing::debug;

use super::http::Client;
use super::refusal::{Refusal, Tries};
use super::reply::Reply;
use crate::fault::Fault;
use crate::port::{Clock, RenewalInfo};

/// RFC 9773 section 4.3.3 leaves it to the client when the CA does not say; Let's Encrypt says six hours.
const DEFAULT_PAUSE: Duration = Duration::from_secs(6 * 3600);

pub(super) async fn ask(client: &Client, clock: &dyn Clock, ari_id: &str) -> Result<Option<RenewalInfo>, Fault> {
    let Some(base) = &client.directory().await?.renewal_info else { return Ok(None) };
    let url = format!("{}/{ari_id}", base.trim_end_matches('/'));
    let mut tries = Tries::default();
    loop {
        let reply = client.get(&url).await?;
        if reply.status.is_success() {
            return Ok(read(&reply, clock.now()));
        }
        let refusal = Refusal::of_reply(&reply);
        // Not this CA's certificate, or one that it forgot. A limit is something else.
        if reply.status.is_client_error() && reply.status != ::http::StatusCode::TOO_MANY_REQUESTS {
            debug!(ari_id, fault = %refusal.fault, "no renewal information");
            return Ok(None);
        }
        tries.again(refusal).await?;
    }
}

/// A window that ends before it starts is no answer (RFC 9773 section 4.2).
fn read(reply: &Reply, now: OffsetDateTime) -> Option<RenewalInfo> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Body {
        suggested_window: Window,
        #[serde(rename = "explanationURL")]
        explanation: Option<String>,
    }
    #[derive(Deserialize)]
    struct Window {
        #[serde(with = "time::serde::rfc3339")]
        start: OffsetDateTime,
        #[serde(with = "time::serde::rfc3339")]
        end: OffsetDateTime,
    }
    let body: Body = serde_json::from_slice(&reply.body).ok()?;
    let Window { start, end } = body.suggested_window;
    let (shortest, longest) = (Duration::from_secs(60), Duration::from_secs(86_400));
    let ask_again = now + reply.retry_after.unwrap_or(DEFAULT_PAUSE).clamp(shortest, longest);
    (start < end).then_some(RenewalInfo { start, end, explanation: body.explanation, ask_again })
}

#[cfg(test)]
mod tests {
    use ::http::header::RETRY_AFTER;
    use ::http::{HeaderMap, HeaderValue, StatusCode};
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-21 10:00 UTC);

    fn answer(body: &str, retry_after: Option<&'static str>) -> Option<RenewalInfo> {
        let header = |text| (RETRY_AFTER, HeaderValue::from_static(text));
        let headers: HeaderMap = retry_after.map(header).into_iter().collect();
        read(&Reply::new(StatusCode::OK, headers, body.to_owned().into(), NOW), NOW)
    }

    fn window(start: &str, end: &str) -> String {
        format!(r#"{{"suggestedWindow":{{"start":"{start}","end":"{end}"}},"explanationURL":"https://ca.test/why"}}"#)
    }

    #[test]
    fn a_window_is_read_with_its_reason() {
        let info = answer(&window("2027-01-02T04:00:00Z", "2027-01-03T04:00:00Z"), Some("21600")).unwrap();
        assert_eq!((info.start, info.end), (datetime!(2027-01-02 4:00 UTC), datetime!(2027-01-03 4:00 UTC)));
        assert_eq!(info.explanation.as_deref(), Some("https://ca.test/why"));
        assert_eq!(info.ask_again, datetime!(2026-11-21 16:00 UTC));
    }

    #[test]
    fn the_pause_is_at_least_a_minute_and_at_most_a_day() {
        let body = window("2027-01-02T04:00:00Z", "2027-01-03T04:00:00Z");
        let again = |text| answer(&body, text).unwrap().ask_again;
        assert_eq!(again(Some("0")), datetime!(2026-11-21 10:01 UTC));
        assert_eq!(again(Some("999999999")), datetime!(2026-11-22 10:00 UTC));
    }

    #[test]
    fn a_window_that_ends_before_it_starts_is_no_answer() {
        assert_eq!(answer(&window("2027-01-03T04:00:00Z", "2027-01-02T04:00:00Z"), None), None);
        assert_eq!(answer(&window("2027-01-03T04:00:00Z", "2027-01-03T04:00:00Z"), None), None);
    }

    #[test]
    fn rubbish_is_no_answer() {
        assert_eq!(["", "{}", "<html>", "[]"].map(|body| answer(body, None)), [None, None, None, None]);
    }
}
