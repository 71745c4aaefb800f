//! Orders (RFC 8555 section 7.4), with Boulder's reuse and RFC 9773's `replaces`.

use std::collections::BTreeSet;
use std::time::Instant;

use bytes::Bytes;
use http::{Response, header};
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::limits::Kind;
use super::problem::Problem;
use super::renewal;
use super::state::{Authorization, Id, Order, Outcome, State, Status, rfc3339};
use super::{Answer, Ca, PROFILES, Profile, Signed, account, json_response, random_token, with_header};
use crate::name::Identifier;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewOrder {
    identifiers: Vec<RawIdentifier>,
    not_before: Option<Value>,
    not_after: Option<Value>,
    profile: Option<String>,
    replaces: Option<String>,
}

#[derive(Deserialize)]
struct RawIdentifier {
    r#type: String,
    value: String,
}

pub(super) fn new_order(ca: &Ca, signed: &Signed) -> Answer {
    let account = signed.account()?;
    let request: NewOrder = signed.payload()?;
    if request.not_before.is_some() || request.not_after.is_some() {
        return Err(Problem::malformed("NotBefore and NotAfter are not supported"));
    }
    let profile = profile(request.profile.as_deref())?;
    let names = names(&request.identifiers, profile.names)?;
    names.iter().try_for_each(|name| ca.scripted("newOrder", name))?;
    let now = ca.now();
    let mut state = ca.state();
    state.spent.check_paused(&names, &ca.base)?;
    if let Some(replaced) = &request.replaces {
        check_replaces(ca, &state, account, replaced, &names, now)?;
    }
    let kind = kind(&state, request.replaces.as_deref(), &names, now);
    state.spent.order(&ca.options.limits, account, &names, kind, now)?;

    let key = (account, names.clone(), request.profile.clone().unwrap_or_default());
    let reusable =
        |order: &Order| matches!(status(&state, order, now), Status::Pending | Status::Ready) && order.expires > now;
    let reused = state.latest.get(&key).copied().filter(|id| reusable(&state.orders[id]));
    if let Some(id) = reused {
        return Ok(show(ca, &state, 201, id, now));
    }

    let authorizations = names.iter().map(|name| authorize(ca, &mut state, account, name, profile, now)).collect();
    let id = state.next_id();
    if let Some(replaced) = &request.replaces {
        state.replacements.insert(replaced.clone(), id);
    }
    let expires = now + profile.order_lifetime;
    let (asked_profile, replaces) = (request.profile, request.replaces);
    let (outcome, is_new) = (Outcome::Open, kind == Kind::New);
    state.orders.insert(
        id,
        Order { account, names, profile, asked_profile, replaces, is_new, authorizations, expires, outcome },
    );
    state.latest.insert(key, id);
    Ok(show(ca, &state, 201, id, now))
}

pub(super) fn order(ca: &Ca, signed: &Signed, id: &str) -> Answer {
    signed.post_as_get()?;
    let state = ca.state();
    let id = find(&state, signed.account()?, id, ca.now())?;
    Ok(show(ca, &state, 200, id, ca.now()))
}

/// The order of an account, unless it has expired: then Boulder does not know it any more.
pub(super) fn find(state: &State, account: Id, id: &str, now: OffsetDateTime) -> Result<Id, Problem> {
    let id: Option<Id> = id.parse().ok();
    let order = id.and_then(|id| Some((id, state.orders.get(&id)?)));
    match order {
        Some((id, order)) if order.account == account && order.expires > now => Ok(id),
        _ => Err(Problem::not_found("No order for this ID and account")),
    }
}

/// RFC 8555 section 7.1.6.
pub(super) fn status(state: &State, order: &Order, now: OffsetDateTime) -> Status {
    match &order.outcome {
        Outcome::Failed(_) => return Status::Invalid,
        Outcome::Issued(_, done) if *done <= Instant::now() => return Status::Valid,
        Outcome::Issued(..) => return Status::Processing,
        Outcome::Open => {}
    }
    let statuses: Vec<Status> = order.authorizations.iter().map(|id| state.authorizations[id].status(now)).collect();
    if statuses.iter().any(|status| matches!(status, Status::Invalid | Status::Deactivated)) {
        Status::Invalid
    } else if statuses.iter().all(|status| *status == Status::Valid) {
        Status::Ready
    } else {
        Status::Pending
    }
}

pub(super) fn show(ca: &Ca, state: &State, code: u16, id: Id, now: OffsetDateTime) -> Response<Bytes> {
    let order = &state.orders[&id];
    let status = status(state, order, now);
    let identifiers: Vec<Value> = order.names.iter().map(|name| json!({"type": "dns", "value": name})).collect();
    let authorizations: Vec<String> = order.authorizations.iter().map(|id| format!("{}/authz/{id}", ca.base)).collect();
    let mut value = json!({
        "status": status.as_str(),
        "expires": rfc3339(order.expires),
        "identifiers": identifiers,
        "authorizations": authorizations,
        "finalize": format!("{}/finalize/{id}", ca.base),
    });
    if let Some(profile) = &order.asked_profile {
        value["profile"] = json!(profile);
    }
    if let Some(replaces) = &order.replaces {
        value["replaces"] = json!(replaces);
    }
    match &order.outcome {
        Outcome::Failed(problem) => value["error"] = problem.to_json(),
        Outcome::Issued(at, _) if status == Status::Valid => {
            value["certificate"] = json!(format!("{}/cert/{}", ca.base, state.certificates[*at].serial));
        }
        _ => {}
    }
    let response = with_header(json_response(code, &value), header::LOCATION, &format!("{}/order/{id}", ca.base));
    match status {
        Status::Processing => with_header(response, header::RETRY_AFTER, &ca.options.retry_after.to_string()),
        _ => response,
    }
}

/// Boulder's exemptions: the window of what is replaced must be open now.
fn kind(state: &State, replaced: Option<&str>, names: &[String], now: OffsetDateTime) -> Kind {
    let replaced = state.certificates.iter().find(|certificate| Some(certificate.ari_id.as_str()) == replaced);
    let window = replaced.map(|certificate| renewal::window(state, certificate));
    if window.is_some_and(|window| window.start <= now && now < window.end) {
        Kind::Exempt
    } else if state.certificates.iter().any(|certificate| certificate.names == names) {
        Kind::Renewal
    } else {
        Kind::New
    }
}

fn profile(asked: Option<&str>) -> Result<&'static Profile, Problem> {
    let name = asked.unwrap_or("classic");
    let unknown = || Problem::new(400, "invalidProfile", format!("Profile {name:?} is not one of this CA"));
    PROFILES.iter().find(|profile| profile.name == name).ok_or_else(unknown)
}

fn names(raw: &[RawIdentifier], most: usize) -> Result<Vec<String>, Problem> {
    let mut names = BTreeSet::new();
    let mut rejected = Vec::new();
    for RawIdentifier { r#type, value } in raw {
        if r#type != "dns" {
            let detail =
                format!("NewOrder request included invalid non-DNS type identifier: type {type:?}, value {value:?}");
            return Err(Problem::new(400, "unsupportedIdentifier", detail));
        }
        match Identifier::parse(value) {
            // The wire takes A-labels in any case, and nothing that has to be normalised further.
            Ok(name) if value.eq_ignore_ascii_case(name.as_str()) => drop(names.insert(name)),
            Ok(_) => return Err(Problem::malformed(format!("Identifier {value:?} is not ASCII"))),
            Err(error) => {
                let problem = Problem::new(400, "rejectedIdentifier", error.to_string());
                rejected.push((value.clone(), problem));
            }
        }
    }
    if !rejected.is_empty() {
        let detail = format!("Cannot issue for {:?}: {}", rejected[0].0, rejected[0].1.detail);
        return Err(Problem { subproblems: rejected, ..Problem::new(400, "rejectedIdentifier", detail) });
    }
    if names.is_empty() {
        return Err(Problem::malformed("NewOrder request did not specify any identifiers"));
    }
    if names.len() > most {
        return Err(Problem::malformed(format!("Order cannot contain more than {most} identifiers")));
    }
    if let Some((name, wildcard)) = redundant(&names) {
        let detail =
            format!("Domain name {name:?} is redundant with a wildcard domain in the same request: {wildcard:?}");
        return Err(Problem::malformed(detail));
    }
    Ok(names.into_iter().map(String::from).collect())
}

fn redundant(names: &BTreeSet<Identifier>) -> Option<(&str, &str)> {
    let wildcards: Vec<&Identifier> = names.iter().filter(|name| name.is_wildcard()).collect();
    names.iter().find_map(|name| {
        let wildcard = wildcards.iter().find(|wildcard| wildcard.covers(name))?;
        Some((name.as_str(), wildcard.as_str()))
    })
}

/// RFC 9773 section 5, as Boulder reads it: a live order consumes the right to replace, an invalid one gives it back.
fn check_replaces(
    ca: &Ca,
    state: &State,
    account: Id,
    replaced: &str,
    names: &[String],
    now: OffsetDateTime,
) -> Result<(), Problem> {
    let certificate = state.certificates.iter().find(|certificate| certificate.ari_id == replaced);
    let certificate =
        certificate.ok_or_else(|| Problem::not_found("The order to replace is of an unknown certificate"))?;
    if certificate.account != account::url(ca, account) {
        return Err(Problem::unauthorized(
            "Requester account did not request the certificate being replaced by this order",
        ));
    }
    if !certificate.names.iter().any(|name| names.contains(name)) {
        return Err(Problem::malformed("Certificate replaced by this order does not include matching identifiers"));
    }
    let earlier = state.replacements.get(replaced).and_then(|id| state.orders.get(id));
    let consumed = earlier.is_some_and(|order| {
        let status = status(state, order, now);
        status == Status::Valid || (status != Status::Invalid && order.expires > now)
    });
    if consumed {
        let detail = format!(
            "Cannot indicate an order replaces certificate {replaced:?}, which already has a replacement order"
        );
        return Err(Problem::new(409, "alreadyReplaced", detail));
    }
    Ok(())
}

/// A valid authorization from before, if those are reused, or a new one.
fn authorize(ca: &Ca, state: &mut State, account: Id, name: &str, profile: &Profile, now: OffsetDateTime) -> Id {
    let wildcard = name.starts_with("*.");
    let base = name.trim_start_matches("*.").to_owned();
    if ca.options.reuse_authorizations {
        let known = state.valid.get(&(account, base.clone(), wildcard)).copied();
        if let Some(id) = known.filter(|id| state.authorizations[id].status(now) == Status::Valid) {
            return id;
        }
    }
    let id = state.next_id();
    let authorization = Authorization {
        account,
        name: base,
        wildcard,
        expires: now + profile.pending_lifetime,
        status: Status::Pending,
        token: random_token(),
        tried: None,
    };
    state.authorizations.insert(id, authorization);
    id
}
