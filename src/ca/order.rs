//! One order (RFC 8555 section 7.4).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use instant_acme::{AuthorizationStatus, ChallengeHandle, ChallengeStatus, Identifier, OrderStatus};
use tokio::time::Instant;
use tracing::debug;

use super::Shared;
use super::refusal::{Refusal, Tries, of_problem};
use super::reply::{Reply, observed};
use crate::fault::Fault;
use crate::journal::Status;
use crate::list::ChallengeType;
use crate::port::{Answer, Authorization, Challenge, Order};

/// The longest that a CA is left alone because it asked for it.
const LONGEST_REST: Duration = Duration::from_secs(10);

pub(super) struct AcmeOrder {
    shared: Arc<Shared>,
    url: String,
    /// `None` until the CA was asked.
    seen: Option<instant_acme::Order>,
    /// What the CA last said.
    said: Option<Status>,
    /// The CA asked not to be asked before.
    rest_until: Option<Instant>,
}

impl AcmeOrder {
    pub fn made(shared: Arc<Shared>, mut order: instant_acme::Order) -> Self {
        let said = plain_status(order.state());
        Self { shared, url: order.url().to_owned(), seen: Some(order), said, rest_until: None }
    }

    pub fn at(shared: Arc<Shared>, url: &str) -> Self {
        Self { shared, url: url.to_owned(), seen: None, said: None, rest_until: None }
    }

    async fn seen(&mut self) -> Result<&mut instant_acme::Order, Fault> {
        if self.seen.is_none() {
            self.fetch().await.map_err(|refusal| refusal.fault)?;
        }
        Ok(self.seen.as_mut().expect("an order that was fetched is there"))
    }

    /// Asks the CA how the order stands.
    async fn fetch(&mut self) -> Result<(), Refusal> {
        let mut tries = Tries::default();
        loop {
            let (result, reply) = match &mut self.seen {
                Some(order) => {
                    let (result, reply) = observed(order.refresh()).await;
                    (result.map(|_| None), reply)
                }
                None => {
                    let account = self.shared.account().await.map_err(|fault| Refusal { fault, status: None })?;
                    let (result, reply) = observed(account.order(self.url.clone())).await;
                    (result.map(Some), reply)
                }
            };
            match result {
                Ok(first) => {
                    self.seen = self.seen.take().or(first);
                    self.rest(reply);
                    return Ok(());
                }
                Err(error) => {
                    let refusal = Refusal::new(error, reply.as_ref());
                    let status = refusal.status;
                    tries.again(refusal).await.map_err(|fault| Refusal { fault, status })?;
                }
            }
        }
    }

    fn rest(&mut self, reply: Option<Reply>) {
        let wait = reply.and_then(|reply| reply.retry_after);
        self.rest_until = wait.map(|wait| Instant::now() + wait.min(LONGEST_REST));
    }

    async fn read_status(&mut self) -> Result<Status, Fault> {
        let state = self.seen().await?.state();
        let status = match (state.status, plain_status(state)) {
            (_, Some(status)) => status,
            (OrderStatus::Invalid, None) => Status::Invalid(self.why_invalid().await),
            _ => return Err(Fault::new("acme:malformed-reply", "the order is valid but names no certificate")),
        };
        self.said = Some(status.clone());
        Ok(status)
    }

    /// An order says little about its end: the problems stand at the challenges (RFC 8555 section 7.1.6).
    async fn why_invalid(&mut self) -> Fault {
        let Some(order) = &mut self.seen else { return Fault::new("acme:invalid", "the order is invalid") };
        let said = order.state().error.as_ref().map(|problem| of_problem(problem, None));
        let mut failed = match failed_challenges(order).await {
            Ok(failed) => failed.into_iter(),
            Err(error) => {
                debug!(%error, url = self.url, "the authorizations of an invalid order cannot be read");
                Vec::new().into_iter()
            }
        };
        let Some(mut first) = failed.next() else {
            return said.unwrap_or_else(|| Fault::new("acme:invalid", "the CA gave up the order without a reason"));
        };
        first.causes.extend(failed.chain(said).map(|fault| fault.to_string()));
        first
    }
}

/// The status, if the order alone tells it.
fn plain_status(state: &instant_acme::OrderState) -> Option<Status> {
    match state.status {
        OrderStatus::Pending => Some(Status::Pending),
        OrderStatus::Ready => Some(Status::Ready),
        OrderStatus::Processing => Some(Status::Processing),
        OrderStatus::Valid => state.certificate.clone().map(Status::Valid),
        OrderStatus::Invalid => None,
    }
}

/// The problem of each challenge that failed, each naming its identifier.
async fn failed_challenges(order: &mut instant_acme::Order) -> Result<Vec<Fault>, instant_acme::Error> {
    let mut failed = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        // What was kept from before the challenge says pending.
        if authorization.status == AuthorizationStatus::Pending {
            authorization.refresh().await?;
        }
        for problem in authorization.challenges.iter().filter_map(|challenge| challenge.error.as_ref()) {
            let mut fault = of_problem(problem, None);
            fault.message = format!("{}: {}", authorization.identifier(), fault.message);
            failed.push(fault);
        }
    }
    Ok(failed)
}

#[async_trait]
impl Order for AcmeOrder {
    fn url(&self) -> &str {
        &self.url
    }

    fn status(&self) -> Option<Status> {
        self.said.clone()
    }

    /// At most ten seconds.
    fn rest(&self) -> Duration {
        self.rest_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }

    async fn refresh(&mut self) -> Result<Status, Fault> {
        match self.fetch().await {
            Ok(()) => self.read_status().await,
            Err(refusal) if refusal.is_gone() => {
                self.said = Some(Status::Gone);
                Ok(Status::Gone)
            }
            Err(refusal) => Err(refusal.fault),
        }
    }

    async fn authorizations(&mut self, challenge: ChallengeType) -> Result<Vec<Authorization>, Fault> {
        let order = self.seen().await?;
        let mut tries = Tries::default();
        loop {
            let (result, reply) = observed(read_authorizations(order, challenge)).await;
            match result {
                Ok(read) => return read.into_iter().collect(),
                Err(error) => tries.again(Refusal::new(error, reply.as_ref())).await?,
            }
        }
    }

    async fn set_ready(&mut self, challenge_url: &str) -> Result<(), Fault> {
        let order = self.seen().await?;
        let mut tries = Tries::default();
        loop {
            let (result, reply) = observed(answer(order, challenge_url)).await;
            match result {
                Ok(true) => return Ok(()),
                Ok(false) => {
                    return Err(Fault::new("acme:no-challenge", format!("the order has no challenge {challenge_url}")));
                }
                // The CA has looked already and did not like what it saw. `refresh` tells.
                Err(instant_acme::Error::Api(_)) if reply.as_ref().is_some_and(|r| r.status.is_success()) => {
                    return Ok(());
                }
                Err(error) => tries.again(Refusal::new(error, reply.as_ref())).await?,
            }
        }
    }

    async fn finalize(&mut self, csr: &[u8]) -> Result<Status, Fault> {
        let order = self.seen().await?;
        let mut tries = Tries::default();
        loop {
            let (result, reply) = observed(order.finalize_csr(csr)).await;
            let refusal = match result {
                Ok(()) => {
                    self.rest(reply);
                    return self.read_status().await;
                }
                Err(error) => Refusal::new(error, reply.as_ref()),
            };
            // An earlier finalize arrived and its answer was lost.
            if refusal.fault.code == "acme:orderNotReady" {
                return self.refresh().await;
            }
            tries.again(refusal).await?;
        }
    }
}

async fn read_authorizations(
    order: &mut instant_acme::Order,
    challenge: ChallengeType,
) -> Result<Vec<Result<Authorization, Fault>>, instant_acme::Error> {
    let mut all = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        let Identifier::Dns(base) = authorization.identifier().identifier.clone() else {
            all.push(Err(Fault::new("acme:malformed-reply", "the order authorizes something else than a DNS name")));
            continue;
        };
        let status = authorization.status;
        all.push(match (status, authorization.challenge(named(challenge))) {
            (AuthorizationStatus::Valid, _) => Ok(Authorization { base, challenge: None }),
            (AuthorizationStatus::Pending, Some(handle)) => {
                let (url, answer) = (handle.url.clone(), answer_to(&handle, challenge));
                Ok(Authorization { base, challenge: Some(Challenge { url, answer }) })
            }
            (AuthorizationStatus::Pending, None) => {
                Err(Fault::new("acme:not-offered", format!("{base}: the CA does not offer {challenge}")))
            }
            (status, _) => {
                let status = format!("{status:?}").to_lowercase();
                Err(Fault::new("acme:authorization", format!("{base}: the authorization is {status}")))
            }
        });
    }
    Ok(all)
}

fn named(challenge: ChallengeType) -> instant_acme::ChallengeType {
    match challenge {
        ChallengeType::Dns01 => instant_acme::ChallengeType::Dns01,
        ChallengeType::Http01 => instant_acme::ChallengeType::Http01,
    }
}

fn answer_to(handle: &ChallengeHandle<'_>, challenge: ChallengeType) -> Answer {
    let key_authorization = handle.key_authorization();
    match challenge {
        ChallengeType::Dns01 => Answer::Txt(key_authorization.dns_value()),
        ChallengeType::Http01 => {
            Answer::File { token: handle.token.clone(), content: key_authorization.as_str().to_owned() }
        }
    }
}

/// Whether the challenge was found. One that the CA looks at already is not answered again.
async fn answer(order: &mut instant_acme::Order, challenge_url: &str) -> Result<bool, instant_acme::Error> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        let found = authorization.challenges.iter().find(|challenge| challenge.url == challenge_url);
        let Some(kind) = found.map(|challenge| challenge.r#type.clone()) else { continue };
        let Some(mut challenge) = authorization.challenge(kind) else { continue };
        if challenge.status == ChallengeStatus::Pending {
            challenge.set_ready().await?;
        }
        return Ok(true);
    }
    Ok(false)
}
