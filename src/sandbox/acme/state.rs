//! What the CA remembers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Instant;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::jws::Jwk;
use super::limits::Spent;
use super::problem::Problem;

/// Ids of all things; they never repeat.
pub(super) type Id = u64;

#[derive(Default)]
pub(super) struct State {
    pub(super) nonces: HashSet<String>,
    /// How many signed requests had a good nonce.
    pub(super) posts: u64,
    pub(super) accounts: BTreeMap<Id, Account>,
    pub(super) orders: BTreeMap<Id, Order>,
    pub(super) authorizations: BTreeMap<Id, Authorization>,
    pub(super) certificates: Vec<Issued>,
    /// The latest order for the same thing, for reuse.
    pub(super) latest: HashMap<(Id, Vec<String>, String), Id>,
    /// The latest order that replaces a certificate, by its ARI id.
    pub(super) replacements: HashMap<String, Id>,
    /// Valid authorizations by account, name and whether it is a wildcard.
    pub(super) valid: HashMap<(Id, String, bool), Id>,
    /// Renewal windows that were set by hand, by ARI id.
    pub(super) windows: HashMap<String, RenewalWindow>,
    /// Keys of which somebody proved that they are compromised.
    pub(super) blocked: Vec<Jwk>,
    pub(super) spent: Spent,
    last_id: Id,
}

impl State {
    pub(super) fn next_id(&mut self) -> Id {
        self.last_id += 1;
        self.last_id
    }
}

pub(super) struct Account {
    pub(super) key: Jwk,
    pub(super) contact: Vec<String>,
    pub(super) deactivated: bool,
    /// The external account it is bound to.
    pub(super) binding: Option<Value>,
}

pub(super) struct Order {
    pub(super) account: Id,
    /// Sorted, each once.
    pub(super) names: Vec<String>,
    pub(super) profile: &'static super::Profile,
    /// What the client asked for: reuse compares this.
    pub(super) asked_profile: Option<String>,
    pub(super) replaces: Option<String>,
    /// Whether it counts for its domains.
    pub(super) is_new: bool,
    pub(super) authorizations: Vec<Id>,
    pub(super) expires: OffsetDateTime,
    pub(super) outcome: Outcome,
}

/// How far an order is beyond its authorizations.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Open,
    /// The certificate's place in `certificates`, and from when on the order is `valid`.
    Issued(usize, Instant),
    Failed(Problem),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Pending,
    Ready,
    Processing,
    Valid,
    Invalid,
    Deactivated,
}

impl Status {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Ready => "ready",
            Self::Processing => "processing",
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::Deactivated => "deactivated",
        }
    }
}

pub(super) struct Authorization {
    pub(super) account: Id,
    /// Without `*.`.
    pub(super) name: String,
    pub(super) wildcard: bool,
    pub(super) expires: OffsetDateTime,
    pub(super) status: Status,
    pub(super) token: String,
    /// The challenge that was tried: its type, when it was validated, and what was wrong.
    pub(super) tried: Option<Tried>,
}

pub(super) struct Tried {
    pub(super) kind: &'static str,
    pub(super) ended: Option<(OffsetDateTime, Result<(), Problem>)>,
}

impl Authorization {
    pub(super) fn status(&self, now: OffsetDateTime) -> Status {
        // As to its orders; the authorization itself is not found any more, as at Boulder.
        if self.expires <= now { Status::Invalid } else { self.status }
    }

    /// The types on offer. The last stands for those that no client knows yet; it has no token.
    pub(super) fn offers(&self) -> &'static [&'static str] {
        match self.wildcard {
            true => &["dns-01", "sandbox-persist-01"],
            false => &["http-01", "dns-01", "sandbox-persist-01"],
        }
    }

    pub(super) fn to_json(&self, base: &str, id: Id, now: OffsetDateTime) -> Value {
        let status = self.status(now);
        // RFC 8555 section 7.1.4: a valid authorization shows only what was validated.
        let tried = self.tried.as_ref().filter(|_| status != Status::Pending).map(|tried| tried.kind);
        let shown = self.offers().iter().filter(|kind| tried.is_none_or(|tried| tried == **kind));
        let challenges: Vec<Value> = shown.map(|kind| self.challenge_json(base, id, kind)).collect();
        let mut value = json!({
            "identifier": {"type": "dns", "value": self.name},
            "status": status.as_str(),
            "expires": rfc3339(self.expires),
            "challenges": challenges,
        });
        if self.wildcard {
            value["wildcard"] = json!(true);
        }
        value
    }

    pub(super) fn challenge_json(&self, base: &str, id: Id, kind: &str) -> Value {
        let mut value = json!({"type": kind, "url": format!("{base}/chall/{id}/{kind}"), "status": "pending"});
        if kind != "sandbox-persist-01" {
            value["token"] = json!(self.token);
        }
        match self.tried.as_ref().filter(|tried| tried.kind == kind) {
            None => {}
            Some(Tried { ended: None, .. }) => value["status"] = json!("processing"),
            Some(Tried { ended: Some((at, Ok(()))), .. }) => {
                value["status"] = json!("valid");
                value["validated"] = json!(rfc3339(*at));
            }
            Some(Tried { ended: Some((_, Err(problem))), .. }) => {
                value["status"] = json!("invalid");
                value["error"] = problem.to_json();
            }
        }
        value
    }
}

/// A certificate of the sandbox's CA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// Lower-case hex digits.
    pub serial: String,
    /// RFC 9773 section 4.1.
    pub ari_id: String,
    pub names: Vec<String>,
    pub account: String,
    pub not_before: OffsetDateTime,
    pub not_after: OffsetDateTime,
    /// When and why (RFC 5280 section 5.3.1).
    pub revoked: Option<(OffsetDateTime, u8)>,
    /// The leaf alone.
    pub pem: String,
    pub der: Vec<u8>,
    pub replaces: Option<String>,
}

/// A suggestion for the time of a renewal (RFC 9773 section 4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenewalWindow {
    pub start: OffsetDateTime,
    pub end: OffsetDateTime,
    pub explanation: Option<String>,
}

pub(super) fn rfc3339(time: OffsetDateTime) -> String {
    let whole = time.replace_nanosecond(0).expect("zero is a nanosecond");
    whole.format(&Rfc3339).expect("the clock shows a year of four digits")
}
