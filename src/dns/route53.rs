//! The Route53 API: zones, record sets, changes.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_route53::config::retry::RetryConfig;
use aws_sdk_route53::config::timeout::TimeoutConfig;
use aws_sdk_route53::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_route53::operation::RequestId;
use aws_sdk_route53::types::{
    Change, ChangeAction, ChangeBatch, ChangeStatus, ResourceRecord, ResourceRecordSet, RrType,
};
use aws_sdk_route53::{Client, config};
use tokio::time::Instant;
use tracing::debug;

use super::batch::{Edit, TxtSet};
use super::edit::{Found, Records};
use super::lookup::soa;
use super::pace::Pace;
use super::zone::{Zone, ZoneId};
use crate::fault::{Fault, Retry};

/// Up to so many names are read one by one, more by going through the zone.
const FEW: usize = 3;
/// How long throttling is waited out.
const THROTTLED: Duration = Duration::from_secs(300);
/// How often a request is sent that gets no answer or a server's error.
const ATTEMPTS: u32 = 8;

/// What one set of credentials reaches.
#[derive(Clone, Debug)]
pub struct Route53 {
    client: Client,
    pace: Arc<Pace>,
    /// ARN of the role that is assumed, for messages.
    role: Option<String>,
}

/// What stands at the top of a zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Apex {
    pub name: String,
    /// Its NS records.
    pub servers: BTreeSet<String>,
    /// Its SOA record as [`soa`](super::lookup::soa) writes it.
    pub soa: Option<String>,
}

impl Route53 {
    /// `pace` is that of the account. The SDK repeats nothing by itself: each request takes its turn.
    pub fn new(sdk: &SdkConfig, pace: Arc<Pace>, role: Option<&str>) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(Duration::from_secs(20))
            .operation_timeout(Duration::from_secs(30))
            .build();
        let config = config::Builder::from(sdk).retry_config(RetryConfig::disabled()).timeout_config(timeouts).build();
        Self { client: Client::from_conf(config), pace, role: role.map(str::to_owned) }
    }

    pub fn pace(&self) -> &Pace {
        &self.pace
    }

    /// All public hosted zones.
    pub async fn zones(&self) -> Result<Vec<Zone>, Fault> {
        let mut zones = Vec::new();
        let mut marker = None;
        loop {
            let ask = || self.client.list_hosted_zones().set_marker(marker.clone()).send();
            let page = self.patiently("ListHostedZones", "*", ask).await?;
            for zone in page.hosted_zones.iter().filter(|zone| !zone.config().is_some_and(|c| c.private_zone())) {
                zones.push(Zone::new(zone.name(), ZoneId::parse(zone.id())?));
            }
            marker = page.next_marker;
            if !page.is_truncated || marker.is_none() {
                debug!(zones = zones.len(), "public hosted zones");
                return Ok(zones);
            }
        }
    }

    /// Whether a change has reached all servers.
    pub async fn is_insync(&self, id: &str) -> Result<bool, Fault> {
        let answer = self.patiently("GetChange", id, || self.client.get_change().id(id).send()).await?;
        Ok(answer.change_info().is_some_and(|info| *info.status() == ChangeStatus::Insync))
    }

    /// The NS and SOA records of a zone. Its name sorts before all others in it.
    pub async fn apex(&self, zone: &str) -> Result<Apex, Fault> {
        let ask = || self.client.list_resource_record_sets().hosted_zone_id(zone).send();
        let page = self.patiently("ListResourceRecordSets", zone, ask).await?;
        let name = page.resource_record_sets.first().map(|set| plain(set.name())).unwrap_or_default();
        let mut apex = Apex { name, ..Apex::default() };
        for set in page.resource_record_sets.iter().filter(|set| plain(set.name()) == apex.name) {
            let mut values = set.resource_records().iter().map(|record| record.value());
            match set.r#type() {
                RrType::Ns => apex.servers = values.map(plain).collect(),
                RrType::Soa => apex.soa = values.next().map(soa),
                _ => {}
            }
        }
        Ok(apex)
    }

    fn fault<E>(&self, operation: &str, about: &str, error: &SdkError<E>) -> Fault
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let fault = fault(operation, about, error);
        match &self.role {
            Some(role) if fault.code == "aws:no-credentials" => Fault {
                message: format!("the role {role} cannot be assumed"),
                ..fault
            }
            .hint("allow sts:AssumeRole on it for the credentials of `dns.route53`, and name them in its trust policy"),
            _ => fault,
        }
    }

    /// Asks in turn, until Route53 has room, five minutes at most.
    async fn patiently<T, E, F>(&self, operation: &str, about: &str, call: impl Fn() -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, SdkError<E>>>,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let deadline = Instant::now() + THROTTLED;
        let mut attempt = 0;
        loop {
            self.pace.turn().await;
            let sent = Instant::now();
            let error = match call().await {
                Ok(answer) => {
                    self.pace.had_room();
                    return Ok(answer);
                }
                Err(error) => error,
            };
            let pause = if is_throttled(&error) {
                self.pace.had_no_room(sent);
                Some(Duration::from_millis(200)).filter(|_| sent < deadline)
            } else {
                attempt += 1;
                let pause = Duration::from_millis(125 << attempt).min(Duration::from_secs(4));
                let again = (is_transient(&error) && attempt < ATTEMPTS) || (has_expired(&error) && attempt == 1);
                Some(pause).filter(|_| again)
            };
            let Some(pause) = pause else { return Err(self.fault(operation, about, &error)) };
            debug!(operation, code = error.code(), "asking Route53 again");
            tokio::time::sleep(spread(pause)).await;
        }
    }

    /// TXT sets from `first` on, up to `last` in Route53's order of names.
    async fn list(
        &self,
        zone: &str,
        first: &str,
        last: &str,
        found: &mut BTreeMap<String, Found>,
    ) -> Result<(), Fault> {
        let mut from = (first.to_owned(), RrType::Txt, None);
        loop {
            let ask = || {
                let ask = self.client.list_resource_record_sets().hosted_zone_id(zone);
                let ask = ask.start_record_name(&from.0).start_record_type(from.1.clone());
                let ask = ask.set_start_record_identifier(from.2.clone());
                ask.set_max_items((first == last).then_some(1)).send()
            };
            let page = self.patiently("ListResourceRecordSets", zone, ask).await?;
            for set in page.resource_record_sets.iter().filter(|set| *set.r#type() == RrType::Txt) {
                collect(found, plain(set.name()), found_set(set));
            }
            let (true, Some(name), Some(kind)) = (page.is_truncated, page.next_record_name, page.next_record_type)
            else {
                return Ok(());
            };
            let of_one = first != last || (plain(&name) == last && kind == RrType::Txt);
            if order(&name) > order(last) || !of_one {
                return Ok(());
            }
            from = (name, kind, page.next_record_identifier);
        }
    }
}

/// Several sets at one name are multivalue answers beside each other, or something that is not for us.
fn collect(found: &mut BTreeMap<String, Found>, name: String, set: Found) {
    match (found.remove(&name), set) {
        (Some(Found::Many(mut sets)), Found::Many(more)) => {
            sets.extend(more);
            found.insert(name, Found::Many(sets));
        }
        (Some(before @ Found::Unsupported(_)), _) => _ = found.insert(name, before),
        (_, set) => _ = found.insert(name, set),
    }
}

#[async_trait]
impl Records for Route53 {
    async fn read(&self, zone: &str, names: &BTreeSet<&str>) -> Result<BTreeMap<String, Found>, Fault> {
        let mut found = BTreeMap::new();
        let mut ordered: Vec<&str> = names.iter().copied().collect();
        ordered.sort_by_key(|name| order(name));
        match ordered[..] {
            [first, .., last] if ordered.len() > FEW => self.list(zone, first, last, &mut found).await?,
            _ => {
                for name in ordered {
                    self.list(zone, name, name, &mut found).await?;
                }
            }
        }
        Ok(found)
    }

    async fn change(&self, zone: &str, batch: &[Edit]) -> Result<String, Fault> {
        let batch = batch.iter().flat_map(|edit| {
            let delete = edit.old.iter().map(|set| (ChangeAction::Delete, set));
            delete.chain(edit.new.iter().map(|set| (ChangeAction::Create, set)))
        });
        let changes: Result<Vec<Change>, _> = batch.map(|(action, set)| change(action, set)).collect();
        let batch = changes.and_then(|changes| ChangeBatch::builder().set_changes(Some(changes)).build());
        let batch = batch.map_err(|error| Fault::new("route53:bug", "an incomplete change").caused_by(&error))?;
        let ask = || self.client.change_resource_record_sets().hosted_zone_id(zone).change_batch(batch.clone()).send();
        let answer = self.patiently("ChangeResourceRecordSets", zone, ask).await?;
        let id = answer.change_info().map(|info| info.id().trim_start_matches("/change/").to_owned());
        debug!(zone, id, changes = batch.changes().len(), "change");
        id.ok_or_else(|| Fault::new("route53:no-change-id", "Route53 took a change and gave no id"))
    }
}

fn change(action: ChangeAction, set: &TxtSet) -> Result<Change, aws_sdk_route53::error::BuildError> {
    let records: Result<Vec<_>, _> =
        set.records.iter().map(|text| ResourceRecord::builder().value(text).build()).collect();
    let built = ResourceRecordSet::builder().name(format!("{}.", set.name)).r#type(RrType::Txt).ttl(set.ttl);
    let built = built.set_set_identifier(set.id.clone()).set_multi_value_answer(set.id.is_some().then_some(true));
    Change::builder().action(action).resource_record_set(built.set_resource_records(Some(records?)).build()?).build()
}

fn found_set(set: &ResourceRecordSet) -> Found {
    let read = |id: Option<&str>| TxtSet {
        name: plain(set.name()),
        ttl: set.ttl().unwrap_or_default(),
        records: set.resource_records().iter().map(|record| record.value().to_owned()).collect(),
        id: id.map(str::to_owned),
    };
    match (set.alias_target(), set.set_identifier()) {
        (Some(_), _) => Found::Unsupported("an alias".to_owned()),
        (_, Some(id)) if set.multi_value_answer() == Some(true) => Found::Many(vec![read(Some(id))]),
        (_, Some(id)) => Found::Unsupported(format!("of a routing policy (`{id}`)")),
        (None, None) => Found::Set(read(None)),
    }
}

fn plain(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// What Route53 sorts names by: the text `com.example.www.`, in ASCII order. The final dot counts: `a-b` comes before `a`
/// (API reference, ListResourceRecordSets, "Sort order").
fn order(name: &str) -> String {
    plain(name).rsplit('.').flat_map(|label| [label, "."]).collect()
}

/// Refused because too much was asked, of an account or of one zone.
fn is_throttled<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    matches!(error.code(), Some("Throttling" | "ThrottlingException" | "PriorRequestNotComplete"))
}

/// The SDK fetches others for the next request, if it can.
fn has_expired<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    matches!(error.code(), Some("ExpiredToken" | "ExpiredTokenException"))
}

/// Worth another try. A change may be repeated like a question: carried out already, it is refused.
fn is_transient<E>(error: &SdkError<E>) -> bool {
    match error {
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => true,
        SdkError::DispatchFailure(failure) => failure.is_io() || failure.is_timeout(),
        SdkError::ServiceError(_) => error.raw_response().is_some_and(|response| response.status().is_server_error()),
        _ => false,
    }
}

/// Up to twice the time, so that several hosts do not come back together.
fn spread(pause: Duration) -> Duration {
    pause + pause.mul_f64((RandomState::new().hash_one(pause) % 1000) as f64 / 1000.0)
}

fn fault<E>(operation: &str, about: &str, error: &SdkError<E>) -> Fault
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let Some((code, said)) = refusal(error) else { return unanswered(operation, error) };
    let said = said.trim().trim_end_matches('.');
    let request = error.as_service_error().and_then(|error| error.meta().request_id().map(str::to_owned));
    let mut fault = Fault::new(format!("route53:{code}"), format!("Route53 refused {operation} on {about}: {said}"));
    fault.causes.extend(request.map(|id| format!("request id {id}")));
    match code.as_str() {
        "AccessDenied" | "AccessDeniedException" => fault
            .hint(format!("allow route53:{operation} for these credentials, as in policy/iam-route53.json"))
            .retry(Retry::Never),
        "ExpiredToken" | "ExpiredTokenException" | "InvalidClientTokenId" | "SignatureDoesNotMatch" => {
            fault.hint("renew or correct the AWS credentials of `dns.route53`")
        }
        "NoSuchHostedZone" => fault.hint("correct the zone id under `dns.route53.zones` or in ACME_HOSTED_ZONE"),
        _ => fault,
    }
}

/// Code and message of an answer that says no; `None` if no answer came.
fn refusal<E: ProvideErrorMetadata>(error: &SdkError<E>) -> Option<(String, String)> {
    if let Some(code) = error.code() {
        return Some((code.to_owned(), error.message().unwrap_or("no reason given").to_owned()));
    }
    let response = error.raw_response().filter(|response| !response.status().is_success())?;
    let body = response.body().bytes().and_then(|bytes| str::from_utf8(bytes).ok()).unwrap_or_default();
    Some(bare_refusal(body).unwrap_or_else(|| {
        (format!("http-{}", response.status().as_u16()), "it answered without a known error document".to_owned())
    }))
}

/// An error that is its document's root. Route53 used to send these, stand-ins still do, and the SDK reads only what
/// stands in an ErrorResponse.
fn bare_refusal(body: &str) -> Option<(String, String)> {
    let root = body.split('<').skip(1).find(|element| !element.starts_with(['?', '!']))?;
    let code = root.split(|c: char| !c.is_ascii_alphanumeric()).next().filter(|code| !code.is_empty())?;
    if code == "ErrorResponse" || code.eq_ignore_ascii_case("html") {
        return None;
    }
    let messages = body.split("<Message>").skip(1).filter_map(|rest| rest.split_once("</Message>"));
    let said = messages.map(|(said, _)| said.replace("&quot;", "\"").replace("&apos;", "'")).collect::<Vec<_>>();
    Some((code.to_owned(), said.join(", ")))
}

/// No answer came: no credentials, no connection or no time.
fn unanswered<E: std::error::Error + 'static>(operation: &str, error: &SdkError<E>) -> Fault {
    let fault = Fault::new("route53:unreachable", format!("Route53 gave no answer to {operation}")).caused_by(error);
    if fault.causes.iter().any(|cause| cause.to_lowercase().contains("credential")) {
        return Fault { code: "aws:no-credentials".into(), message: "no AWS credentials for Route53".into(), ..fault }
            .hint("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or `dns.route53.profile`, or run where a role is given")
            .retry(Retry::Never);
    }
    fault.hint("see that this host can open the Route53 endpoint")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_by_their_labels_from_the_right() {
        let mut names =
            ["b.a.test", "test", "a.b.test", "_acme-challenge.a.test.", "A.test", "_acme-challenge.a-b.test"];
        names.sort_by_key(|name| order(name));
        let sorted = ["test", "_acme-challenge.a-b.test", "A.test", "_acme-challenge.a.test.", "b.a.test", "a.b.test"];
        assert_eq!(names, sorted);
    }

    #[test]
    fn an_error_without_its_envelope_is_read() {
        let body = "<?xml version=\"1.0\"?>\n<InvalidChangeBatch xmlns=\"https://x/\"><Messages><Message>one &quot;a&quot;\
                    </Message><Message>two</Message></Messages></InvalidChangeBatch>";
        assert_eq!(bare_refusal(body), Some(("InvalidChangeBatch".into(), "one \"a\", two".into())));
    }

    #[test]
    fn a_page_of_a_proxy_is_no_error_document() {
        assert_eq!(["", "busy", "<!DOCTYPE html><html></html>", "<>"].map(bare_refusal), [None, None, None, None]);
    }

    #[test]
    fn a_set_with_a_routing_policy_is_unsupported() {
        let record = ResourceRecord::builder().value("\"x\"").build().unwrap();
        let set = ResourceRecordSet::builder().name("N.test.").r#type(RrType::Txt).ttl(60).resource_records(record);
        let weighted = set.clone().set_identifier("blue").weight(1).build().unwrap();
        assert_eq!(found_set(&weighted), Found::Unsupported("of a routing policy (`blue`)".into()));
        let simple = TxtSet { name: "n.test".into(), ttl: 60, records: vec!["\"x\"".into()], id: None };
        assert_eq!(found_set(&set.build().unwrap()), Found::Set(simple));
    }
}
