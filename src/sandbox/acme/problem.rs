//! Problem documents (RFC 7807, with the error types of RFC 8555 section 6.7).

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

const PREFIX: &str = "urn:ietf:params:acme:error:";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// Without the prefix.
    pub(super) kind: String,
    pub(super) status: u16,
    pub(super) detail: String,
    /// One per identifier (RFC 8555 section 6.7.1).
    pub(super) subproblems: Vec<(String, Problem)>,
    /// Where a conflicting account is (RFC 8555 section 7.3.5).
    pub(super) location: Option<String>,
    /// Seconds.
    pub(super) retry_after: Option<u64>,
}

impl Problem {
    pub(super) fn new(status: u16, kind: &str, detail: impl Into<String>) -> Self {
        let (kind, detail) = (kind.to_owned(), detail.into());
        Self { kind, status, detail, subproblems: Vec::new(), location: None, retry_after: None }
    }

    pub(super) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(400, "malformed", detail)
    }

    pub(super) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(403, "unauthorized", detail)
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(404, "malformed", detail)
    }

    pub(super) fn to_json(&self) -> Value {
        let mut value = json!({
            "type": format!("{PREFIX}{}", self.kind),
            "detail": self.detail,
            "status": self.status,
        });
        if self.kind == "badSignatureAlgorithm" {
            value["algorithms"] = json!(["ES256", "ES384", "RS256"]);
        }
        if !self.subproblems.is_empty() {
            let of = |(name, problem): &(String, Problem)| {
                let mut value = problem.to_json();
                value["identifier"] = json!({"type": "dns", "value": name});
                value
            };
            value["subproblems"] = self.subproblems.iter().map(of).collect();
        }
        value
    }

    pub(super) fn into_response(self) -> Response<Bytes> {
        let mut response = Response::new(Bytes::from(self.to_json().to_string()));
        *response.status_mut() = StatusCode::from_u16(self.status).expect("problems have real statuses");
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(location) = self.location.and_then(|location| HeaderValue::try_from(location).ok()) {
            headers.insert(header::LOCATION, location);
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
