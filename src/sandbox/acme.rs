//! An ACME CA (RFC 8555, RFC 9773, profiles) that behaves as Boulder does where the RFCs leave a choice.

mod account;
mod authorization;
mod certificate;
mod http01;
mod jws;
mod limits;
mod order;
mod problem;
mod renewal;
mod state;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::authority::Authority;
use super::faults::{Faults, Mishap};
use super::http::Api;
use crate::name::hex;
use jws::{Jwk, Jws};
use problem::Problem;
use state::{Account, Id, State};

pub use limits::RateLimits;
pub use state::{Issued, RenewalWindow};

/// The CAA identity of the CA (RFC 8659).
pub const CAA_IDENTITY: &str = "sandbox.test";

/// How the CA behaves. The default is quick and friendly.
#[derive(Clone, Debug)]
pub struct CaOptions {
    /// Of certificates of the profile `classic`, and of those without a profile. Default: 90 days.
    pub lifetime: Duration,
    /// Whether a valid authorization serves later orders of its account. Default: no.
    pub reuse_authorizations: bool,
    /// How long a validation takes. Zero means that the answer to the challenge tells the result already.
    pub validation_delay: Duration,
    /// How long a finalized order is `processing`. Zero means that it is `valid` at once.
    pub processing: Duration,
    /// Seconds in the `Retry-After` of orders and authorizations that are under way. Default: 1.
    pub retry_after: u64,
    /// Every so manieth signed request is refused with `badNonce`, though its nonce is good.
    pub bad_nonce_every: Option<NonZeroU64>,
    /// Key id and HMAC key of the external account that new accounts must be bound to (RFC 8555 section 7.3.4).
    pub external_account: Option<(String, Vec<u8>)>,
    /// Default: none.
    pub limits: RateLimits,
    /// Where web servers are asked for token files instead of at port 80.
    pub http_port: u16,
}

impl Default for CaOptions {
    fn default() -> Self {
        Self {
            lifetime: Duration::from_secs(90 * 86_400),
            reuse_authorizations: false,
            validation_delay: Duration::ZERO,
            processing: Duration::ZERO,
            retry_after: 1,
            bad_nonce_every: None,
            external_account: None,
            limits: RateLimits::default(),
            http_port: 80,
        }
    }
}

/// A certificate profile (draft-ietf-acme-profiles). The numbers are those of Let's Encrypt.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Profile {
    name: &'static str,
    /// `None` is what the options say.
    lifetime: Option<Duration>,
    names: usize,
    order_lifetime: Duration,
    pending_lifetime: Duration,
    common_name: bool,
}

const HOUR: Duration = Duration::from_secs(3_600);

const PROFILES: [Profile; 2] = [
    Profile {
        name: "classic",
        lifetime: None,
        names: 100,
        order_lifetime: HOUR.saturating_mul(7 * 24),
        pending_lifetime: HOUR.saturating_mul(7 * 24),
        common_name: true,
    },
    Profile {
        name: "shortlived",
        lifetime: Some(HOUR.saturating_mul(160)),
        names: 25,
        order_lifetime: HOUR.saturating_mul(8),
        pending_lifetime: HOUR,
        common_name: false,
    },
];

pub(super) struct Ca {
    /// `https://127.0.0.1:PORT`
    pub(super) base: String,
    pub(super) options: CaOptions,
    pub(super) authority: Authority,
    /// Where the CA looks up TXT and CAA records.
    pub(super) resolver: SocketAddr,
    /// For what goes wrong inside of the CA: `validation`, `issuance`, and each of these and `newOrder` for one name.
    faults: Faults,
    /// How far the clock of the CA is ahead.
    ahead: Mutex<Duration>,
    state: Mutex<State>,
}

/// A request whose signature, URL and nonce are good.
struct Signed {
    key: Jwk,
    /// `None` if the request brings its key along.
    account: Option<Id>,
    payload: Vec<u8>,
    url: String,
}

type Answer = Result<Response<Bytes>, Problem>;

/// The API over a CA.
pub(super) struct Server(pub(super) Arc<Ca>);

#[async_trait]
impl Api for Server {
    fn operation(&self, request: &Request<Bytes>) -> &'static str {
        match path(request.uri().path()).as_slice() {
            ["dir"] => "directory",
            ["new-nonce"] => "newNonce",
            ["new-account"] => "newAccount",
            ["new-order"] => "newOrder",
            ["key-change"] => "keyChange",
            ["revoke-cert"] => "revokeCert",
            ["renewal-info", _] => "renewalInfo",
            ["acct", _] => "account",
            ["order", _] => "order",
            ["finalize", _] => "finalize",
            ["authz", _] => "authz",
            ["chall", _, _] => "challenge",
            ["cert", ..] => "certificate",
            _ => "unknown",
        }
    }

    fn principal(&self, request: &Request<Bytes>) -> Option<String> {
        Jws::parse(request.body()).ok()?.header.kid
    }

    async fn answer(&self, request: Request<Bytes>) -> Response<Bytes> {
        let answer = match *request.method() {
            Method::POST => self.post(&request).await,
            Method::GET | Method::HEAD => self.get(&request),
            _ => Err(Problem::new(405, "malformed", "Method not allowed")),
        };
        let fresh = request.method() == Method::POST || self.operation(&request) == "newNonce";
        self.0.finish(answer.unwrap_or_else(Problem::into_response), fresh)
    }

    fn refuse(&self, status: u16, code: &str) -> Response<Bytes> {
        let problem = Problem::new(status, code, format!("The sandbox was told to answer {code}"));
        self.0.finish(problem.into_response(), true)
    }
}

impl Server {
    fn get(&self, request: &Request<Bytes>) -> Answer {
        let ca = &self.0;
        match (request.method(), path(request.uri().path()).as_slice()) {
            (&Method::GET, ["dir"]) => Ok(json_response(200, &ca.directory())),
            (&Method::GET, ["new-nonce"]) => Ok(empty(204)),
            (&Method::HEAD, ["new-nonce"]) => Ok(empty(200)),
            (&Method::GET, ["renewal-info", ari_id]) => renewal::renewal_info(ca, ari_id),
            (_, ["renewal-info", _] | ["dir"]) => Err(Problem::new(405, "malformed", "Method not allowed")),
            _ if self.operation(request) == "unknown" => Err(Problem::not_found("Page not found")),
            _ => Err(Problem::new(405, "malformed", "This takes a signed POST")),
        }
    }

    async fn post(&self, request: &Request<Bytes>) -> Answer {
        let ca = &self.0;
        let signed = ca.authenticate(request)?;
        match path(request.uri().path()).as_slice() {
            ["new-account"] => account::new_account(ca, &signed),
            ["acct", id] => account::account(ca, &signed, id),
            ["key-change"] => account::key_change(ca, &signed),
            ["new-order"] => order::new_order(ca, &signed),
            ["order", id] => order::order(ca, &signed, id),
            ["finalize", id] => certificate::finalize(ca, &signed, id),
            ["authz", id] => authorization::authorization(ca, &signed, id),
            ["chall", id, kind] => authorization::challenge(ca, &signed, id, kind).await,
            ["cert", serial] => certificate::certificate(ca, &signed, serial, 0),
            ["cert", serial, "1"] => certificate::certificate(ca, &signed, serial, 1),
            ["revoke-cert"] => renewal::revoke(ca, &signed),
            _ => Err(Problem::not_found("Page not found")),
        }
    }
}

impl Ca {
    pub(super) fn new(
        base: String,
        options: CaOptions,
        authority: Authority,
        resolver: SocketAddr,
        faults: Faults,
    ) -> Self {
        let (ahead, state) = (Mutex::default(), Mutex::default());
        Self { base, options, authority, resolver, faults, ahead, state }
    }

    pub(super) fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc() + *self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the clock of the CA forward.
    pub(super) fn advance(&self, by: Duration) {
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }

    pub(super) fn issued(&self) -> Vec<Issued> {
        self.state().certificates.clone()
    }

    pub(super) fn set_renewal_window(&self, ari_id: &str, window: RenewalWindow) {
        self.state().windows.insert(ari_id.to_owned(), window);
    }

    /// Pauses a name, or ends all pauses.
    pub(super) fn pause(&self, name: Option<&str>) {
        let spent = &mut self.state().spent;
        match name {
            Some(name) => spent.pause(name),
            None => spent.unpause(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The scripted failure of a step inside of the CA, for this name or for any.
    fn scripted(&self, step: &str, name: &str) -> Result<(), Problem> {
        match self.faults.take_for(step, name) {
            Mishap::Refused { status, code, .. } => {
                Err(Problem::new(status, &code, format!("Scripted failure of {step}")))
            }
            _ => Ok(()),
        }
    }

    fn directory(&self) -> Value {
        let url = |path: &str| format!("{}/{path}", self.base);
        let lifetime = |profile: &Profile| profile.lifetime.unwrap_or(self.options.lifetime).as_secs() / 3_600;
        let describe = |profile: &Profile| format!("Certificates of {} hours", lifetime(profile));
        let profiles: BTreeMap<&str, String> =
            PROFILES.iter().map(|profile| (profile.name, describe(profile))).collect();
        json!({
            "newNonce": url("new-nonce"),
            "newAccount": url("new-account"),
            "newOrder": url("new-order"),
            "revokeCert": url("revoke-cert"),
            "keyChange": url("key-change"),
            "renewalInfo": url("renewal-info"),
            "meta": {
                "termsOfService": url("terms"),
                "website": "https://sandbox.test/",
                "caaIdentities": [CAA_IDENTITY],
                "externalAccountRequired": self.options.external_account.is_some(),
                "profiles": profiles,
            },
        })
    }

    /// RFC 8555 section 6.2 to 6.5, in Boulder's order: the nonce counts only for a request that is well signed.
    fn authenticate(&self, request: &Request<Bytes>) -> Result<Signed, Problem> {
        if !request.headers().contains_key(header::USER_AGENT) {
            return Err(Problem::malformed("A request has a User-Agent (RFC 8555 section 6.1)"));
        }
        if request.headers().get(header::CONTENT_TYPE).is_none_or(|value| value != "application/jose+json") {
            return Err(Problem::new(415, "malformed", "The content type is not application/jose+json"));
        }
        let path = request.uri().path();
        let jws = Jws::parse(request.body())?;
        let brings_key = matches!(path, "/new-account") || (path == "/revoke-cert" && jws.header.jwk.is_some());
        let (account, key) = match (&jws.header.jwk, &jws.header.kid) {
            (Some(jwk), None) if brings_key => (None, Jwk::parse(jwk)?),
            (None, Some(kid)) if !brings_key => self.by_kid(kid)?,
            _ => {
                return Err(Problem::malformed(
                    "The request must be signed by exactly one of jwk and kid, as its URL asks",
                ));
            }
        };
        jws.verify(&key)?;
        let url = format!("{}{path}", self.base);
        if jws.header.url != url {
            let detail = format!("JWS header url {} is not the URL of the request, {url}", jws.header.url);
            return Err(Problem::unauthorized(detail));
        }
        self.spend(jws.header.nonce.as_deref())?;
        Ok(Signed { key, account, payload: jws.payload, url })
    }

    fn by_kid(&self, kid: &str) -> Result<(Option<Id>, Jwk), Problem> {
        let id = kid.strip_prefix(&format!("{}/acct/", self.base)).and_then(|id| id.parse().ok());
        let state = self.state();
        let account = id.and_then(|id| state.accounts.get(&id));
        let missing = || Problem::new(400, "accountDoesNotExist", format!("Account {kid} not found"));
        let account = account.ok_or_else(missing)?;
        if account.deactivated {
            return Err(Problem::unauthorized("Account is not valid, has status \"deactivated\""));
        }
        Ok((id, account.key.clone()))
    }

    /// A nonce is good once (RFC 8555 section 6.5.2).
    fn spend(&self, nonce: Option<&str>) -> Result<(), Problem> {
        let mut state = self.state();
        let known = nonce.is_some_and(|nonce| state.nonces.remove(nonce));
        state.posts += u64::from(known);
        let unlucky = self.options.bad_nonce_every.is_some_and(|every| state.posts.is_multiple_of(every.get()));
        if known && !unlucky {
            Ok(())
        } else {
            Err(Problem::new(400, "badNonce", "JWS has an invalid anti-replay nonce"))
        }
    }

    /// What every answer carries.
    fn finish(&self, mut response: Response<Bytes>, nonce: bool) -> Response<Bytes> {
        let index =
            HeaderValue::try_from(format!("<{}/dir>;rel=\"index\"", self.base)).expect("URLs are header values");
        let headers = response.headers_mut();
        headers.append(header::LINK, index);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=0, no-cache"));
        if nonce {
            let nonce = random_token();
            headers.insert("replay-nonce", HeaderValue::try_from(&nonce).expect("tokens are header values"));
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            self.state().nonces.insert(nonce);
        }
        response
    }
}

impl Signed {
    /// The account that signed.
    fn account(&self) -> Result<Id, Problem> {
        self.account.ok_or_else(|| Problem::malformed("This needs an account"))
    }

    fn payload<T: serde::de::DeserializeOwned>(&self) -> Result<T, Problem> {
        serde_json::from_slice(&self.payload)
            .map_err(|error| Problem::malformed(format!("Error unmarshaling payload: {error}")))
    }

    /// RFC 8555 section 6.3.
    fn post_as_get(&self) -> Result<(), Problem> {
        if self.payload.is_empty() {
            Ok(())
        } else {
            Err(Problem::malformed("POST-as-GET requests must have an empty payload"))
        }
    }
}

fn account_of(accounts: &BTreeMap<Id, Account>, id: Id) -> &Account {
    accounts.get(&id).expect("accounts are never removed")
}

fn path(path: &str) -> Vec<&str> {
    path.trim_start_matches('/').split('/').collect()
}

/// 128 random bits as hex digits: a nonce or the token of a challenge.
fn random_token() -> String {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system has random numbers");
    hex(&bytes)
}

fn empty(status: u16) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::from_u16(status).expect("a real status");
    response
}

fn json_response(status: u16, value: &Value) -> Response<Bytes> {
    let mut response = empty(status);
    *response.body_mut() = Bytes::from(value.to_string());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn with_header(mut response: Response<Bytes>, name: header::HeaderName, value: &str) -> Response<Bytes> {
    response.headers_mut().append(name, HeaderValue::try_from(value).expect("URLs and numbers are header values"));
    response
}
