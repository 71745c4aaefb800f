//! Renewal information (RFC 9773) and revocation (RFC 8555 section 7.6).

use http::header;
use serde::Deserialize;
use serde_json::json;
use time::Duration;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::jws::decode;
use super::problem::Problem;
use super::state::{Issued, RenewalWindow, State, rfc3339};
use super::{Answer, Ca, Signed, account, empty, json_response, with_header};

/// Let's Encrypt's `Retry-After`, seconds.
const ASK_AGAIN: &str = "21600";

pub(super) fn renewal_info(ca: &Ca, ari_id: &str) -> Answer {
    let parts: Vec<&str> = ari_id.split('.').collect();
    if parts.len() != 2 || parts.iter().any(|part| part.is_empty() || decode(part).is_err()) {
        return Err(Problem::malformed("Path must be base64url(AKI).base64url(serial)"));
    }
    let state = ca.state();
    let certificate = state.certificates.iter().find(|certificate| certificate.ari_id == ari_id);
    let certificate = certificate.ok_or_else(|| Problem::not_found("Certificate not found"))?;
    let window = window(&state, certificate);
    let mut value = json!({"suggestedWindow": {"start": rfc3339(window.start), "end": rfc3339(window.end)}});
    if let Some(explanation) = window.explanation {
        value["explanationURL"] = json!(explanation);
    }
    Ok(with_header(json_response(200, &value), header::RETRY_AFTER, ASK_AGAIN))
}

pub(super) fn window(state: &State, certificate: &Issued) -> RenewalWindow {
    state.windows.get(&certificate.ari_id).cloned().unwrap_or_else(|| suggested(certificate))
}

/// Boulder's `RenewalInfoSimple`: 2 % of the lifetime around two thirds, or around a half below ten days. Revoked: at once.
fn suggested(certificate: &Issued) -> RenewalWindow {
    if let Some((revoked, _)) = certificate.revoked {
        let (start, end) = (revoked - Duration::HOUR, revoked - Duration::minutes(30));
        let explanation = Some("https://sandbox.test/revoked".to_owned());
        return RenewalWindow { start, end, explanation };
    }
    let lifetime = certificate.not_after - certificate.not_before + Duration::SECOND;
    let left = if lifetime < Duration::days(10) { lifetime / 2 } else { lifetime / 3 };
    let ideal = certificate.not_after - left;
    RenewalWindow { start: ideal - lifetime / 100, end: ideal + lifetime / 100, explanation: None }
}

#[derive(Deserialize)]
struct Revocation {
    certificate: String,
    #[serde(default)]
    reason: u8,
}

/// By the account that ordered the certificate, or by the key of the certificate.
pub(super) fn revoke(ca: &Ca, signed: &Signed) -> Answer {
    let request: Revocation = signed.payload()?;
    let der = decode(&request.certificate)?;
    let now = ca.now();
    let mut state = ca.state();
    let certificate = state.certificates.iter_mut().find(|certificate| certificate.der == der);
    let certificate = certificate.ok_or_else(|| Problem::not_found("Certificate from unrecognized issuer"))?;
    let entitled = match signed.account {
        Some(id) => certificate.account == account::url(ca, id),
        None => X509Certificate::from_der(&der).is_ok_and(|(_, parsed)| signed.key.is_key_of(&parsed.subject_pki)),
    };
    if !entitled {
        return Err(Problem::unauthorized("The signer of the request may not revoke this certificate"));
    }
    // RFC 5280 section 5.3.1, as far as Let's Encrypt lets subscribers choose.
    if !matches!(request.reason, 0 | 1 | 3 | 4 | 5 | 9) {
        return Err(Problem::new(
            400,
            "badRevocationReason",
            format!("Unsupported revocation reason code {}", request.reason),
        ));
    }
    if certificate.not_after <= now {
        return Err(Problem::unauthorized("Certificate is expired"));
    }
    // As Boulder does: whoever signs with the certificate's key shows that it is out of its owner's hands. The key is
    // blocked, whatever the certificate was revoked for before.
    let by_key = signed.account.is_none();
    let reason = if by_key { 1 } else { request.reason };
    match certificate.revoked {
        Some((_, before)) if !by_key || before == 1 => {
            return Err(Problem::new(400, "alreadyRevoked", "Certificate already revoked"));
        }
        _ => certificate.revoked = Some((now, reason)),
    }
    if by_key {
        state.blocked.push(signed.key.clone());
    }
    Ok(empty(200))
}
