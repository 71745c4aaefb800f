//! Accounts (RFC 8555 section 7.3).

use bytes::Bytes;
use http::{Response, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::jws::{Jwk, Jws};
use super::problem::Problem;
use super::state::{Account, Id, State};
use super::{Answer, Ca, Signed, json_response, with_header};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewAccount {
    #[serde(default)]
    contact: Vec<String>,
    #[serde(default)]
    terms_of_service_agreed: bool,
    #[serde(default)]
    only_return_existing: bool,
    external_account_binding: Option<Value>,
}

pub(super) fn new_account(ca: &Ca, signed: &Signed) -> Answer {
    let request: NewAccount = signed.payload()?;
    let mut state = ca.state();
    if let Some((id, account)) = by_key(&state, &signed.key) {
        if account.deactivated {
            return Err(Problem::unauthorized("An account with the provided public key exists but is deactivated"));
        }
        return Ok(show(ca, 200, id, account));
    }
    if request.only_return_existing {
        return Err(Problem::new(400, "accountDoesNotExist", "No account exists with the provided key"));
    }
    if !request.terms_of_service_agreed {
        return Err(Problem::new(403, "userActionRequired", "Provided agreement did not match the current terms"));
    }
    check_contact(&request.contact)?;
    let binding = check_binding(ca, signed, request.external_account_binding)?;
    let id = state.next_id();
    let account = Account { key: signed.key.clone(), contact: request.contact, deactivated: false, binding };
    let account = state.accounts.entry(id).or_insert(account);
    Ok(show(ca, 201, id, account))
}

#[derive(Deserialize)]
struct Update {
    contact: Option<Vec<String>>,
    status: Option<String>,
}

/// Reads, updates or deactivates an account (RFC 8555 section 7.3.2 and 7.3.6).
pub(super) fn account(ca: &Ca, signed: &Signed, id: &str) -> Answer {
    let own = signed.account()?;
    if id.parse() != Ok(own) {
        return Err(Problem::unauthorized("Request signing key did not match account key"));
    }
    let update = if signed.payload.is_empty() { Update { contact: None, status: None } } else { signed.payload()? };
    let mut state = ca.state();
    let account = state.accounts.get_mut(&own).expect("the signer has an account");
    match update.status.as_deref() {
        None | Some("valid") => {}
        Some("deactivated") => account.deactivated = true,
        Some(_) => return Err(Problem::malformed("Invalid value provided for status field")),
    }
    if let Some(contact) = update.contact {
        check_contact(&contact)?;
        account.contact = contact;
    }
    Ok(show(ca, 200, own, account))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeyChange {
    account: String,
    old_key: Value,
}

/// RFC 8555 section 7.3.5: an inner request, signed by the new key, stands in the outer one.
pub(super) fn key_change(ca: &Ca, signed: &Signed) -> Answer {
    let own = signed.account()?;
    let inner = Jws::parse(&signed.payload)?;
    let jwk = inner.header.jwk.as_ref().ok_or_else(|| Problem::malformed("The inner JWS has no jwk"))?;
    let new_key = Jwk::parse(jwk)?;
    inner.verify(&new_key)?;
    if inner.header.url != signed.url || inner.header.nonce.is_some() || inner.header.kid.is_some() {
        return Err(Problem::malformed("The inner JWS must have the outer url, and neither nonce nor kid"));
    }
    let request: KeyChange = serde_json::from_slice(&inner.payload)
        .map_err(|error| Problem::malformed(format!("Error unmarshaling payload: {error}")))?;
    if request.account != url(ca, own) || Jwk::parse(&request.old_key)? != signed.key {
        return Err(Problem::malformed("The inner payload names another account or another old key"));
    }
    let mut state = ca.state();
    if let Some((other, _)) = by_key(&state, &new_key) {
        let mut problem = Problem::new(409, "malformed", "New key is already in use for a different account");
        problem.location = Some(url(ca, other));
        return Err(problem);
    }
    let account = state.accounts.get_mut(&own).expect("the signer has an account");
    account.key = new_key;
    Ok(show(ca, 200, own, account))
}

pub(super) fn url(ca: &Ca, id: Id) -> String {
    format!("{}/acct/{id}", ca.base)
}

fn by_key<'a>(state: &'a State, key: &Jwk) -> Option<(Id, &'a Account)> {
    state.accounts.iter().find(|(_, account)| account.key == *key).map(|(id, account)| (*id, account))
}

fn show(ca: &Ca, status: u16, id: Id, account: &Account) -> Response<Bytes> {
    let state = if account.deactivated { "deactivated" } else { "valid" };
    let mut value = json!({"status": state, "contact": account.contact});
    if let Some(binding) = &account.binding {
        value["externalAccountBinding"] = binding.clone();
    }
    let response = with_header(json_response(status, &value), header::LOCATION, &url(ca, id));
    with_header(response, header::LINK, &format!("<{}/terms>;rel=\"terms-of-service\"", ca.base))
}

fn check_contact(contact: &[String]) -> Result<(), Problem> {
    for contact in contact {
        let Some(address) = contact.strip_prefix("mailto:") else {
            let detail = format!("Contact {contact:?} is not a mailto URL");
            return Err(Problem::new(400, "unsupportedContact", detail));
        };
        let whole = address.split_once('@').is_some_and(|(user, host)| !user.is_empty() && host.contains('.'));
        if !whole || address.contains(['?', ',', ' ']) || address.ends_with("@example.com") {
            return Err(Problem::new(400, "invalidContact", format!("Contact {contact:?} is no address to write to")));
        }
    }
    Ok(())
}

/// RFC 8555 section 7.3.4. An external account can be bound to many accounts here.
fn check_binding(ca: &Ca, signed: &Signed, binding: Option<Value>) -> Result<Option<Value>, Problem> {
    let Some((kid, key)) = &ca.options.external_account else { return Ok(None) };
    let required =
        || Problem::new(403, "externalAccountRequired", "A new account must be bound to an external account");
    let binding = binding.ok_or_else(required)?;
    let jws = Jws::parse(binding.to_string().as_bytes())?;
    if jws.header.kid.as_ref() != Some(kid) {
        return Err(Problem::unauthorized("The field 'kid' references a key that is not known to the ACME server"));
    }
    jws.verify_hmac(key)?;
    let jwk: Value =
        serde_json::from_slice(&jws.payload).map_err(|_| Problem::malformed("The binding holds no key"))?;
    if jws.header.url != signed.url || jws.header.nonce.is_some() || Jwk::parse(&jwk)? != signed.key {
        return Err(Problem::malformed("The external account binding is for another URL or another key"));
    }
    Ok(Some(binding))
}
