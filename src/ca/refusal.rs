//! Errors of the CA as faults, and which of them are worth another try at once.

use std::time::Duration;

use ::http::StatusCode;
use instant_acme::{Error, Problem};
use tracing::debug;

use super::reply::Reply;
use crate::fault::{Fault, Retry};

/// Why an operation failed, with the HTTP status if there was an answer.
#[derive(Debug)]
pub(super) struct Refusal {
    pub fault: Fault,
    pub status: Option<StatusCode>,
}

impl Refusal {
    /// The reply tells more than the error: instant-acme reads every refusal as a problem document.
    pub fn new(error: Error, reply: Option<&Reply>) -> Self {
        let error = match error {
            Error::Other(other) => match other.downcast::<Fault>() {
                Ok(fault) => return Self { fault: *fault, status: None },
                Err(other) => Error::Other(other),
            },
            error => error,
        };
        if let Some(reply) = reply.filter(|reply| !reply.status.is_success()) {
            return Self::of_reply(reply);
        }
        let fault = match &error {
            Error::Api(problem) => of_problem(problem, None),
            Error::KeyRejected => Fault::new("acme:account-key", "the account key is not a P-256 key")
                .hint("import it with `countersign account import`, which changes it to a P-256 key")
                .retry(Retry::Never),
            _ => Fault::new("acme:malformed-reply", "the CA sent an answer that is not RFC 8555").caused_by(&error),
        };
        Self { fault, status: reply.map(|reply| reply.status) }
    }

    /// An answer with a status that says no.
    pub fn of_reply(reply: &Reply) -> Self {
        let fault = match serde_json::from_slice::<Problem>(&reply.body) {
            Ok(problem) => of_problem(&problem, Some(reply.status)),
            Err(_) => of_status(reply.status),
        };
        let retry = match reply.retry_after {
            Some(wait) if fault.code != "acme:paused" => Retry::After(wait.as_secs()),
            _ => fault.retry,
        };
        Self { fault: fault.retry(retry), status: Some(reply.status) }
    }

    /// Whether the CA does not know what was asked for.
    pub fn is_gone(&self) -> bool {
        matches!(self.status, Some(StatusCode::NOT_FOUND | StatusCode::GONE))
    }
}

fn of_status(status: StatusCode) -> Fault {
    let reason = status.canonical_reason().unwrap_or("no reason given");
    let message = format!("the CA answered {} ({reason}) without a problem document", status.as_u16());
    Fault::new(format!("acme:http-{}", status.as_u16()), message)
}

/// RFC 8555 section 6.7: the type's last part is the code, the detail the message, subproblems the causes.
pub(super) fn of_problem(problem: &Problem, status: Option<StatusCode>) -> Fault {
    let detail = problem.detail.as_deref().map(|text| text.trim().trim_end_matches('.'));
    let pause = detail.and_then(pause);
    let kind = if pause.is_some() { "paused".to_owned() } else { kind(problem, status) };
    let message =
        detail.filter(|text| !text.is_empty()).map_or_else(|| format!("the CA answered {kind}"), str::to_owned);
    let fault = Fault::new(format!("acme:{kind}"), message).retry(retry(&kind));
    let fault = problem.subproblems.iter().fold(fault, |fault, problem| fault.because(problem.to_string()));
    match pause {
        Some(way_out) => fault.hint(way_out),
        None => fault,
    }
}

/// Let's Encrypt pauses a name after very many failures in a row, as a limit with a link (Boulder `wfe2/wfe.go`). The
/// way out, if this is such a text.
fn pause(detail: &str) -> Option<String> {
    let said = detail.contains("temporarily prevented from requesting certificates");
    let link = detail.split_whitespace().find(|word| word.starts_with("https://") && word.contains("/unpause"));
    if !said && link.is_none() {
        return None;
    }
    let link = link.unwrap_or("the CA's self-service portal");
    Some(format!(
        "mend what made it fail, open {link} and ask to go on, then `countersign apply --force NAME --reason unpaused`"
    ))
}

fn kind(problem: &Problem, status: Option<StatusCode>) -> String {
    let kind = problem.r#type.as_deref().and_then(|urn| urn.rsplit([':', '/']).next());
    match (kind, status) {
        (Some(kind), _) if is_word(kind) && kind != "blank" => kind.to_owned(),
        (_, Some(status)) => format!("http-{}", status.as_u16()),
        (_, None) => "unknown".to_owned(),
    }
}

/// Error types are words (RFC 8555 section 6.7). Anything else does not become a code.
fn is_word(kind: &str) -> bool {
    (1..=40).contains(&kind.len()) && kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn retry(kind: &str) -> Retry {
    match kind {
        "accountDoesNotExist"
        | "badCSR"
        | "badPublicKey"
        | "badSignatureAlgorithm"
        | "externalAccountRequired"
        | "invalidContact"
        | "invalidProfile"
        | "paused"
        | "rejectedIdentifier"
        | "unsupportedContact"
        | "unsupportedIdentifier"
        | "userActionRequired" => Retry::Never,
        _ => Retry::Later,
    }
}

/// How often one operation is repeated: badNonce ten times at once, 5xx four times with growing pauses.
#[derive(Default)]
pub(super) struct Tries {
    nonce: u32,
    busy: u32,
}

impl Tries {
    const NONCE: u32 = 10;
    const BUSY: u32 = 4;
    /// A CA that asks for more is left alone until the next run.
    const LONGEST_PAUSE: Duration = Duration::from_secs(60);

    /// Returns when the operation may be repeated, or the fault if it shall not be.
    pub async fn again(&mut self, refusal: Refusal) -> Result<(), Fault> {
        if refusal.fault.code == "acme:badNonce" && self.nonce < Self::NONCE {
            self.nonce += 1;
            return Ok(());
        }
        let busy = refusal.status.is_some_and(|status| status.is_server_error());
        let pause = match refusal.fault.retry {
            Retry::After(seconds) => Duration::from_secs(seconds),
            _ => Duration::from_secs(1 << self.busy),
        };
        if !busy || self.busy == Self::BUSY || pause > Self::LONGEST_PAUSE {
            return Err(refusal.fault);
        }
        debug!(code = refusal.fault.code, pause = pause.as_secs(), "the CA is busy");
        self.busy += 1;
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ::http::HeaderMap;
    use ::http::header::RETRY_AFTER;
    use time::OffsetDateTime;

    use super::*;

    fn refused(status: u16, retry_after: Option<&str>, body: &str) -> Fault {
        let mut headers = HeaderMap::new();
        if let Some(text) = retry_after {
            headers.insert(RETRY_AFTER, text.parse().unwrap());
        }
        let status = StatusCode::from_u16(status).unwrap();
        Refusal::of_reply(&Reply::new(status, headers, body.to_owned().into(), OffsetDateTime::UNIX_EPOCH)).fault
    }

    #[test]
    fn a_problem_becomes_a_fault_with_its_type_detail_and_subproblems() {
        let body = r#"{"type":"urn:ietf:params:acme:error:rejectedIdentifier","detail":"Two are bad.","subproblems":[
            {"type":"urn:ietf:params:acme:error:malformed","detail":"no","identifier":{"type":"dns","value":"a.test"}}]}"#;
        let fault = refused(400, None, body);
        assert_eq!((fault.code.as_str(), fault.message.as_str()), ("acme:rejectedIdentifier", "Two are bad"));
        assert_eq!(fault.causes, [r#"for "a.test": no (urn:ietf:params:acme:error:malformed)"#]);
        assert_eq!(fault.retry, Retry::Never);
    }

    #[test]
    fn a_limit_keeps_the_time_that_the_ca_named() {
        let body = r#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many"}"#;
        let fault = refused(429, Some("3600"), body);
        assert_eq!((fault.code.as_str(), fault.retry), ("acme:rateLimited", Retry::After(3600)));
    }

    #[test]
    fn a_paused_name_is_told_with_the_link_that_ends_it_and_not_tried_again() {
        let body = r#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"Your account is temporarily prevented from requesting certificates for a.test and possibly others. Please visit: https://portal.test/sfe/v1/unpause?jwt=a.b.c"}"#;
        let fault = refused(429, Some("3600"), body);
        assert_eq!((fault.code.as_str(), fault.retry), ("acme:paused", Retry::Never));
        assert!(fault.hint.unwrap().contains("open https://portal.test/sfe/v1/unpause?jwt=a.b.c and"));
    }

    #[test]
    fn a_page_of_a_proxy_is_a_fault_of_its_status() {
        let fault = refused(503, Some("7"), "<html>busy</html>");
        assert_eq!((fault.code.as_str(), fault.retry), ("acme:http-503", Retry::After(7)));
    }

    #[test]
    fn a_problem_without_a_type_is_a_fault_of_its_status() {
        assert_eq!(refused(500, None, r#"{"type":"about:blank","detail":"oh"}"#).code, "acme:http-500");
    }

    #[test]
    fn the_fault_of_the_wire_passes_through() {
        let fault = Fault::new("acme:timeout", "no answer");
        assert_eq!(Refusal::new(Error::Other(Box::new(fault.clone())), None).fault, fault);
    }

    #[tokio::test]
    async fn a_bad_nonce_is_repeated_ten_times() {
        let mut tries = Tries::default();
        let mut repeated = 0;
        while tries.again(Refusal { fault: Fault::new("acme:badNonce", "bad"), status: None }).await.is_ok() {
            repeated += 1;
        }
        assert_eq!(repeated, 10);
    }

    #[tokio::test]
    async fn a_long_pause_is_left_to_the_next_run() {
        let fault = Fault::new("acme:http-503", "busy").retry(Retry::After(3600));
        let refusal = Refusal { fault: fault.clone(), status: Some(StatusCode::SERVICE_UNAVAILABLE) };
        assert_eq!(Tries::default().again(refusal).await, Err(fault));
    }

    #[tokio::test]
    async fn a_limit_is_not_repeated() {
        let fault = Fault::new("acme:rateLimited", "too many").retry(Retry::After(0));
        let refusal = Refusal { fault: fault.clone(), status: Some(StatusCode::TOO_MANY_REQUESTS) };
        assert_eq!(Tries::default().again(refusal).await, Err(fault));
    }
}
