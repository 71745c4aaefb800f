//! What instant-acme drops from a reply: status, headers and a body that is no JSON.

use std::cell::RefCell;
use std::future::Future;
use std::time::Duration;

use ::http::header::{HeaderMap, LOCATION, RETRY_AFTER};
use ::http::{Response, StatusCode};
use bytes::Bytes;
use http_body_util::Full;
use instant_acme::BytesResponse;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

tokio::task_local! {
    static LAST: RefCell<Option<Reply>>;
}

/// One reply of the CA, read to its end.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// Retry-After, counted from the arrival.
    pub retry_after: Option<Duration>,
}

/// Runs `operation`, and gives the last reply that it got beside its result.
pub(super) async fn observed<T>(operation: impl Future<Output = T>) -> (T, Option<Reply>) {
    LAST.scope(RefCell::new(None), async {
        let result = operation.await;
        (result, LAST.with(RefCell::take))
    })
    .await
}

impl Reply {
    pub fn new(status: StatusCode, headers: HeaderMap, body: Bytes, now: OffsetDateTime) -> Self {
        let text = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = text.and_then(|text| retry_after(text, now));
        Self { status, headers, body, retry_after }
    }

    /// Tells whoever observes the operation that this reply belongs to.
    pub fn note(&self) {
        // Outside of `observed` there is nobody to tell.
        let _ = LAST.try_with(|last| last.replace(Some(self.clone())));
    }

    /// The URL of what this reply says was created.
    pub fn created(&self) -> Option<String> {
        let url = self.headers.get(LOCATION).filter(|_| self.status == StatusCode::CREATED)?;
        Some(url.to_str().ok()?.to_owned())
    }

    /// The PEM chain (RFC 8555 section 9.1).
    pub fn chain(&self) -> Option<String> {
        let text = str::from_utf8(&self.body).ok().filter(|_| self.status.is_success())?;
        text.contains("-----BEGIN CERTIFICATE-----").then(|| text.to_owned())
    }
}

impl From<Reply> for BytesResponse {
    fn from(reply: Reply) -> Self {
        let mut response = Response::new(Full::new(reply.body));
        *response.status_mut() = reply.status;
        *response.headers_mut() = reply.headers;
        response.into()
    }
}

/// An HTTP-date in the form that RFC 9110 section 5.6.7 prefers.
pub(super) fn http_date(text: &str) -> Option<OffsetDateTime> {
    const IMF_FIXDATE: &[BorrowedFormatItem<'_>] =
        format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");
    Some(PrimitiveDateTime::parse(text.trim(), IMF_FIXDATE).ok()?.assume_utc())
}

/// RFC 9110 section 10.2.3: seconds or an HTTP-date.
fn retry_after(text: &str, now: OffsetDateTime) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    Some(Duration::try_from(http_date(text)? - now).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-21 10:00 UTC);

    #[test]
    fn retry_after_may_be_seconds_or_a_date() {
        assert_eq!(retry_after(" 120 ", NOW), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Sat, 21 Nov 2026 10:01:30 GMT", NOW), Some(Duration::from_secs(90)));
    }

    #[test]
    fn a_date_in_the_past_asks_for_no_wait() {
        assert_eq!(retry_after("Sat, 21 Nov 2026 09:00:00 GMT", NOW), Some(Duration::ZERO));
    }

    #[test]
    fn a_retry_after_that_is_neither_is_ignored() {
        assert_eq!(["soon", "", "-1", "1.5"].map(|text| retry_after(text, NOW)), [None; 4]);
    }
}
