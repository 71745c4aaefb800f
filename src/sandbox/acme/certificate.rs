//! Finalization and download (RFC 8555 sections 7.4 and 7.4.2).

use std::collections::BTreeSet;
use std::time::Instant;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderValue, header};
use rcgen::SubjectPublicKeyInfo;
use serde::Deserialize;
use time::Duration;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

use super::jws::{Jwk, decode};
use super::problem::Problem;
use super::state::{Issued, Order, Outcome, Status};
use super::{Answer, Ca, Signed, account, empty, order, with_header};
use crate::name::hex;
use crate::sandbox::authority::{Leaf, new_serial};

#[derive(Deserialize)]
struct Finalize {
    csr: String,
}

pub(super) fn finalize(ca: &Ca, signed: &Signed, id: &str) -> Answer {
    let request: Finalize = signed.payload()?;
    let csr = decode(&request.csr)?;
    let now = ca.now();
    let mut state = ca.state();
    let id = order::find(&state, signed.account()?, id, now)?;
    let order = &state.orders[&id];
    let status = order::status(&state, order, now);
    if status != Status::Ready {
        let detail = format!("Order's status ({:?}) is not acceptable for finalization", status.as_str());
        return Err(Problem::new(403, "orderNotReady", detail));
    }
    let public_key = check_csr(&csr, &order.names, &signed.key, &state.blocked)?;
    let outcome = match order.names.iter().try_for_each(|name| ca.scripted("issuance", name)) {
        Err(problem) => Outcome::Failed(problem),
        Ok(()) => {
            let issued = issue(ca, order, &public_key).map_err(|error| Problem::new(500, "serverInternal", error))?;
            state.certificates.push(issued);
            Outcome::Issued(state.certificates.len() - 1, Instant::now() + ca.options.processing)
        }
    };
    let order = state.orders.get_mut(&id).expect("found above");
    order.outcome = outcome;
    if matches!(order.outcome, Outcome::Issued(..)) {
        let (names, is_new) = (order.names.clone(), order.is_new);
        state.spent.issued(&ca.options.limits, &names, is_new, now);
    }
    Ok(order::show(ca, &state, 200, id, now))
}

/// The chain of a certificate: leaf first, PEM. The other chain is linked.
pub(super) fn certificate(ca: &Ca, signed: &Signed, serial: &str, chain: usize) -> Answer {
    signed.post_as_get()?;
    let state = ca.state();
    let certificate = state.certificates.iter().find(|certificate| certificate.serial == serial);
    let certificate = certificate.ok_or_else(|| Problem::not_found("Certificate not found"))?;
    if certificate.account != account::url(ca, signed.account()?) {
        return Err(Problem::unauthorized("Account in use did not issue specified certificate"));
    }
    let mut response = empty(200);
    *response.body_mut() = Bytes::from(format!("{}\n{}", certificate.pem, ca.authority.chains[chain]));
    let kind = HeaderValue::from_static("application/pem-certificate-chain");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    let other = if chain == 0 { "/1" } else { "" };
    Ok(with_header(response, header::LINK, &format!("<{}/cert/{serial}{other}>;rel=\"alternate\"", ca.base)))
}

/// The key of a CSR that asks for exactly the names of the order.
fn check_csr(
    der: &[u8],
    names: &[String],
    account_key: &Jwk,
    blocked: &[Jwk],
) -> Result<SubjectPublicKeyInfo, Problem> {
    let bad = |detail: &str| Problem::new(400, "badCSR", detail);
    let (rest, csr) = X509CertificationRequest::from_der(der).map_err(|_| bad("Error parsing certificate request"))?;
    if !rest.is_empty() {
        return Err(bad("Bytes follow the certificate request"));
    }
    csr.verify_signature().map_err(|_| bad("Error validating the signature of the certificate request"))?;
    let info = &csr.certification_request_info;
    let common_names = info.subject.iter_common_name().filter_map(|name| name.as_str().ok());
    let mut asked: BTreeSet<String> = common_names.map(str::to_ascii_lowercase).collect();
    for extension in csr.requested_extensions().into_iter().flatten() {
        let ParsedExtension::SubjectAlternativeName(san) = extension else { continue };
        for name in &san.general_names {
            let GeneralName::DNSName(name) = name else {
                return Err(bad("CSR contains a subject alternative name that is no DNS name"));
            };
            asked.insert(name.to_ascii_lowercase());
        }
    }
    if !asked.iter().eq(names) {
        return Err(bad("CSR does not specify same identifiers as Order"));
    }
    if account_key.is_key_of(&info.subject_pki) {
        return Err(bad("Certificate public key must be different than account key"));
    }
    if blocked.iter().any(|key| key.is_key_of(&info.subject_pki)) {
        return Err(bad("Public key is forbidden"));
    }
    match info.subject_pki.parsed() {
        Ok(PublicKey::RSA(rsa)) if matches!(rsa.key_size(), 2048 | 3072 | 4096) => {}
        Ok(PublicKey::EC(point)) if matches!(point.key_size(), 256 | 384) => {}
        _ => return Err(bad("Keys are RSA of 2048, 3072 or 4096 bits, P-256 or P-384")),
    }
    SubjectPublicKeyInfo::from_der(info.subject_pki.raw).map_err(|_| bad("Unknown kind of key"))
}

fn issue(ca: &Ca, order: &Order, public_key: &SubjectPublicKeyInfo) -> Result<Issued, String> {
    let serial = new_serial().map_err(|error| error.to_string())?;
    // Let's Encrypt starts an hour early, for clocks that are late; the last second counts (RFC 5280 section 4.1.2.5).
    let not_before = ca.now().replace_nanosecond(0).expect("zero is a nanosecond") - Duration::HOUR;
    let lifetime = order.profile.lifetime.unwrap_or(ca.options.lifetime);
    let not_after = not_before + lifetime - Duration::SECOND;
    let leaf =
        Leaf { names: &order.names, public_key, serial, not_before, not_after, common_name: order.profile.common_name };
    let certificate = ca.authority.sign(&leaf).map_err(|error| error.to_string())?;
    Ok(Issued {
        serial: hex(&serial),
        ari_id: format!("{}.{}", authority_key(certificate.der())?, BASE64_URL_SAFE_NO_PAD.encode(serial)),
        names: order.names.clone(),
        account: account::url(ca, order.account),
        not_before,
        not_after,
        revoked: None,
        pem: certificate.pem().replace("\r\n", "\n"),
        der: certificate.der().to_vec(),
        replaces: order.replaces.clone(),
    })
}

fn authority_key(der: &[u8]) -> Result<String, String> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
    let key = certificate.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(key) => key.key_identifier.as_ref().map(|key| key.0.to_vec()),
        _ => None,
    });
    key.map(|key| BASE64_URL_SAFE_NO_PAD.encode(key)).ok_or_else(|| "the leaf has no authority key id".to_owned())
}
