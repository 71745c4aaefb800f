//! Authorizations and their challenges (RFC 8555 sections 7.5 and 8): dns-01 is validated by real DNS queries, http-01 by
//! real requests.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::header;
use serde::Deserialize;

use super::problem::Problem;
use super::state::{Authorization, Id, State, Status, Tried};
use super::{Answer, CAA_IDENTITY, Ca, HOUR, Signed, account, account_of, http01, json_response, with_header};
use crate::name::Digest;
use crate::sandbox::lookup;

/// How long a valid authorization serves.
const VALID_FOR: std::time::Duration = HOUR.saturating_mul(30 * 24);

#[derive(Deserialize)]
struct Update {
    status: String,
}

/// Reads or deactivates an authorization (RFC 8555 section 7.5.2).
pub(super) fn authorization(ca: &Ca, signed: &Signed, id: &str) -> Answer {
    let now = ca.now();
    let mut state = ca.state();
    let (id, authorization) = find(ca, &mut state, signed, id)?;
    if !signed.payload.is_empty() {
        let update: Update = signed.payload()?;
        if update.status != "deactivated" {
            return Err(Problem::malformed("Invalid value provided for status field"));
        }
        authorization.status = Status::Deactivated;
    }
    let response = json_response(200, &authorization.to_json(&ca.base, id, now));
    match authorization.status {
        Status::Pending if authorization.tried.is_some() => {
            Ok(with_header(response, header::RETRY_AFTER, &ca.options.retry_after.to_string()))
        }
        _ => Ok(response),
    }
}

/// Reads a challenge, or starts its validation if the payload is an object (RFC 8555 section 7.5.1).
pub(super) async fn challenge(ca: &Arc<Ca>, signed: &Signed, id: &str, kind: &str) -> Answer {
    if !signed.payload.is_empty() {
        signed.payload::<serde_json::Map<String, serde_json::Value>>()?;
    }
    let started = start(ca, signed, id, kind)?;
    if let Some(task) = started {
        // A task of its own: it ends even if the client goes away.
        let validation = tokio::spawn(validate(ca.clone(), task));
        if ca.options.validation_delay.is_zero() {
            validation.await.map_err(|error| Problem::new(500, "serverInternal", error.to_string()))?;
        }
    }
    let mut state = ca.state();
    let (id, authorization) = find(ca, &mut state, signed, id)?;
    let response = json_response(200, &authorization.challenge_json(&ca.base, id, kind));
    Ok(with_header(response, header::LINK, &format!("<{}/authz/{id}>;rel=\"up\"", ca.base)))
}

/// One validation to do.
struct Task {
    authorization: Id,
    kind: &'static str,
    name: String,
    wildcard: bool,
    account_url: String,
    token: String,
    /// RFC 8555 section 8.1.
    key_authorization: String,
}

fn start(ca: &Ca, signed: &Signed, id: &str, kind: &str) -> Result<Option<Task>, Problem> {
    let mut state = ca.state();
    let thumbprint = account_of(&state.accounts, signed.account()?).key.thumbprint();
    let (id, authorization) = find(ca, &mut state, signed, id)?;
    let offered = authorization.offers().iter().find(|offered| **offered == kind);
    let kind = *offered.ok_or_else(|| Problem::not_found("No such challenge"))?;
    if signed.payload.is_empty() || authorization.status != Status::Pending || authorization.tried.is_some() {
        return Ok(None);
    }
    authorization.tried = Some(Tried { kind, ended: None });
    Ok(Some(Task {
        authorization: id,
        kind,
        name: authorization.name.clone(),
        wildcard: authorization.wildcard,
        account_url: account::url(ca, authorization.account),
        token: authorization.token.clone(),
        key_authorization: format!("{}.{thumbprint}", authorization.token),
    }))
}

async fn validate(ca: Arc<Ca>, task: Task) {
    tokio::time::sleep(ca.options.validation_delay).await;
    let result = check(&ca, &task).await;
    let now = ca.now();
    let mut guard = ca.state();
    let state = &mut *guard;
    let authorization = state.authorizations.get_mut(&task.authorization).expect("authorizations are never removed");
    if authorization.status != Status::Pending {
        return;
    }
    if result.is_ok() {
        authorization.status = Status::Valid;
        authorization.expires = now + VALID_FOR;
        let key = (authorization.account, authorization.name.clone(), authorization.wildcard);
        state.valid.insert(key, task.authorization);
    } else {
        authorization.status = Status::Invalid;
        state.spent.failed(&ca.options.limits, authorization.account, &authorization.name, now);
    }
    authorization.tried = Some(Tried { kind: task.kind, ended: Some((now, result)) });
}

async fn check(ca: &Ca, task: &Task) -> Result<(), Problem> {
    ca.scripted("validation", &task.name)?;
    match task.kind {
        "dns-01" => check_txt(ca, task).await?,
        "http-01" => http01::check(ca, &task.name, &task.token, &task.key_authorization).await?,
        other => return Err(Problem::new(400, "connection", format!("The sandbox does not validate {other}"))),
    }
    check_caa(ca, task).await
}

async fn check_txt(ca: &Ca, task: &Task) -> Result<(), Problem> {
    let name = format!("_acme-challenge.{}", task.name);
    let values = lookup::txt(ca.resolver, &name).await.map_err(|failed| match failed {
        lookup::Failed::NxDomain => {
            let detail = format!(
                "DNS problem: NXDOMAIN looking up TXT for {name} - check that a DNS record exists for this domain"
            );
            Problem::new(400, "dns", detail)
        }
        lookup::Failed::Refused => Problem::new(400, "dns", format!("DNS problem: REFUSED looking up TXT for {name}")),
        lookup::Failed::Other(detail) => Problem::new(400, "dns", detail),
    })?;
    let digest = Digest::of(task.key_authorization.as_bytes());
    if values.contains(&BASE64_URL_SAFE_NO_PAD.encode(digest.as_bytes())) {
        return Ok(());
    }
    Err(Problem::unauthorized(match values.as_slice() {
        [] => format!("No TXT record found at {name}"),
        [only] => format!("Incorrect TXT record {only:?} found at {name}"),
        [first, rest @ ..] => format!("Incorrect TXT record {first:?} (and {} more) found at {name}", rest.len()),
    }))
}

/// RFC 8659 section 3: the closest CAA record set up the tree decides.
async fn check_caa(ca: &Ca, task: &Task) -> Result<(), Problem> {
    let mut name = Some(task.name.as_str());
    while let Some(here) = name {
        let records = lookup::caa(ca.resolver, here)
            .await
            .map_err(|failed| Problem::new(400, "dns", format!("While processing CAA for {here}: {failed:?}")))?;
        if !records.is_empty() {
            return if caa_permits(&records, task) {
                Ok(())
            } else {
                Err(Problem::new(403, "caa", format!("CAA record for {here} prevents issuance")))
            };
        }
        name = here.split_once('.').map(|(_, parent)| parent);
    }
    Ok(())
}

fn caa_permits(records: &[(String, String)], task: &Task) -> bool {
    let tagged = |tag: &str| -> Vec<&str> {
        let tagged = records.iter().filter(|(other, _)| other.eq_ignore_ascii_case(tag));
        tagged.map(|(_, value)| value.as_str()).collect()
    };
    let (issue, issuewild) = (tagged("issue"), tagged("issuewild"));
    let relevant = if task.wildcard && !issuewild.is_empty() { issuewild } else { issue };
    relevant.is_empty() || relevant.into_iter().any(|value| names_us(value, task))
}

/// RFC 8657: `accounturi` and `validationmethods` narrow the permission.
fn names_us(value: &str, task: &Task) -> bool {
    let mut parts = value.split(';').map(str::trim);
    let issuer = parts.next().unwrap_or_default();
    let parameters = parts.filter_map(|part| part.split_once('='));
    let fits = |(name, value): (&str, &str)| match name.trim() {
        "accounturi" => value.trim() == task.account_url,
        "validationmethods" => value.split(',').any(|method| method.trim() == task.kind),
        _ => true,
    };
    issuer.eq_ignore_ascii_case(CAA_IDENTITY) && parameters.into_iter().all(fits)
}

fn find<'a>(ca: &Ca, state: &'a mut State, signed: &Signed, id: &str) -> Result<(Id, &'a mut Authorization), Problem> {
    let account = signed.account()?;
    let missing = || Problem::not_found("No such authorization");
    let id: Id = id.parse().map_err(|_| missing())?;
    let authorization = state.authorizations.get_mut(&id).ok_or_else(missing)?;
    if authorization.account != account {
        return Err(Problem::unauthorized("User account ID doesn't match account ID in authorization"));
    }
    if authorization.expires <= ca.now() {
        return Err(Problem::not_found("Expired authorization"));
    }
    Ok((id, authorization))
}
