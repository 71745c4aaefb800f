//! The Route53 API (2013-04-01), as strict as its reference: whole batches or nothing, and PENDING until INSYNC.

mod batch;
mod sigv4;
mod sts;
mod throttle;
mod xml;

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::http::Api;
use super::zone::{Inner, NAME_SERVERS, Name, RecordSet, Routing, Zone, Zones};
pub(super) use throttle::Throttles;
use xml::{Element, leaf, node};

const NAMESPACE: &str = "https://route53.amazonaws.com/doc/2013-04-01/";

pub(super) struct Route53 {
    pub(super) zones: Zones,
    pub(super) throttles: Arc<Throttles>,
}

#[async_trait]
impl Api for Route53 {
    fn operation(&self, request: &Request<Bytes>) -> &'static str {
        match (request.method(), path(request).as_slice()) {
            (&Method::GET, ["hostedzone"]) => "ListHostedZones",
            (&Method::GET, ["hostedzonesbyname"]) => "ListHostedZonesByName",
            (&Method::GET, ["hostedzone", _]) => "GetHostedZone",
            (&Method::GET, ["hostedzone", _, "rrset"]) => "ListResourceRecordSets",
            (&Method::POST, ["hostedzone", _, "rrset"]) => "ChangeResourceRecordSets",
            (&Method::GET, ["change", _]) => "GetChange",
            (&Method::POST, [""]) => "AssumeRole",
            _ => "UnknownOperation",
        }
    }

    fn principal(&self, request: &Request<Bytes>) -> Option<String> {
        sigv4::access_key(request).map(str::to_owned)
    }

    async fn answer(&self, request: Request<Bytes>) -> Response<Bytes> {
        let operation = self.operation(&request);
        let service = if operation == "AssumeRole" { "sts" } else { "route53" };
        let account = match sigv4::verify(&request, service) {
            Ok(account) => account,
            Err((code, message)) => return error(403, code, message),
        };
        if operation == "AssumeRole" {
            let given = sts::assume_role(&request).map(|text| Response::new(Bytes::from(text)));
            return given.unwrap_or_else(|| error(403, "AccessDenied", "The role may not be assumed"));
        }
        if !self.throttles.admit(account, operation == "ChangeResourceRecordSets") {
            return self.refuse(400, "Throttling");
        }
        let query = query(&request);
        let query = |name: &str| query.get(name).map(String::as_str).filter(|value| !value.is_empty());
        let mut zones = self.zones.lock();
        let path = path(&request);
        let foreign = |zone: &Zone| zone.account != account && path.get(1) == Some(&zone.id.as_str());
        if path[0] == "hostedzone" && zones.zones.iter().any(foreign) {
            return error(403, "AccessDenied", "The hosted zone is another account's");
        }
        let answer = match (operation, path.as_slice()) {
            ("ListHostedZones", _) => list_zones(&zones, account, query),
            ("ListHostedZonesByName", _) => list_zones_by_name(&zones, account, query),
            ("GetHostedZone", [_, zone]) => get_zone(&mut zones, zone),
            ("ListResourceRecordSets", [_, zone, _]) => list_records(&mut zones, zone, query),
            ("ChangeResourceRecordSets", [_, zone, _]) => change_records(&mut zones, zone, request.body()),
            ("GetChange", [_, change]) => get_change(&zones, change),
            _ => Err(Refused::new(404, "UnknownOperationException", "No such operation")),
        };
        answer.unwrap_or_else(|refused| error(refused.status, refused.code, &refused.message))
    }

    fn refuse(&self, status: u16, code: &str) -> Response<Bytes> {
        let message = if code == "Throttling" { "Rate exceeded" } else { "The sandbox was told to refuse this" };
        error(status, code, message)
    }
}

type Answer = Result<Response<Bytes>, Refused>;

/// Why a request is refused, as the API says it.
#[derive(Debug, PartialEq, Eq)]
struct Refused {
    status: u16,
    code: &'static str,
    message: String,
}

impl Refused {
    fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    fn input(message: impl Into<String>) -> Self {
        Self::new(400, "InvalidInput", message)
    }

    /// All that is wrong with a batch, in brackets.
    fn batch(messages: &[String]) -> Self {
        Self::new(400, "InvalidChangeBatch", format!("[{}]", messages.join(", ")))
    }
}

/// The path below the version, without a trailing slash (the SDK sends one after `rrset`).
fn path(request: &Request<Bytes>) -> Vec<&str> {
    let path = request.uri().path();
    let path = path.strip_prefix("/2013-04-01/").unwrap_or_default();
    path.trim_end_matches('/').split('/').collect()
}

fn query(request: &Request<Bytes>) -> HashMap<String, String> {
    let pairs = request.uri().query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (sigv4::percent_decode(name), sigv4::percent_decode(value))
        })
        .collect()
}

fn list_zones<'a>(zones: &Inner, account: &str, query: impl Fn(&str) -> Option<&'a str>) -> Answer {
    let limit = max_items(query("maxitems"), 100)?;
    let own: Vec<&Zone> = zones.zones.iter().filter(|zone| zone.account == account).collect();
    let from = match query("marker") {
        Some(marker) => own.iter().position(|zone| zone.id == marker),
        None => Some(0),
    };
    let from = from.ok_or_else(|| Refused::input("The marker names no hosted zone"))?;
    let page = &own[from..];
    let next = page.get(limit).map(|zone| leaf("NextMarker", &zone.id)).unwrap_or_default();
    let marker = query("marker").map(|marker| leaf("Marker", marker)).unwrap_or_default();
    let page: String = page.iter().take(limit).map(|zone| describe_zone(zone)).collect();
    let body = node("HostedZones", &page) + &marker + &truncated(&next) + &next + &leaf("MaxItems", &limit.to_string());
    Ok(document("ListHostedZonesResponse", &body))
}

fn list_zones_by_name<'a>(zones: &Inner, account: &str, query: impl Fn(&str) -> Option<&'a str>) -> Answer {
    let limit = max_items(query("maxitems"), 100)?;
    let mut sorted: Vec<&Zone> = zones.zones.iter().filter(|zone| zone.account == account).collect();
    sorted.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    let start = match query("dnsname") {
        Some(name) => {
            let name =
                Name::parse(name).ok_or_else(|| Refused::new(400, "InvalidDomainName", "This is no domain name"))?;
            Some((name, query("hostedzoneid").unwrap_or_default().to_owned()))
        }
        None => None,
    };
    if let Some((name, id)) = start {
        sorted.retain(|zone| (&zone.name, &zone.id) >= (&name, &id));
    }
    let next = sorted
        .get(limit)
        .map(|zone| leaf("NextDNSName", &zone.name.to_route53()) + &leaf("NextHostedZoneId", &zone.id));
    let next = next.unwrap_or_default();
    let page: String = sorted.into_iter().take(limit).map(describe_zone).collect();
    let asked = query("dnsname").map(|name| leaf("DNSName", name)).unwrap_or_default();
    let body = node("HostedZones", &page) + &asked + &truncated(&next) + &next + &leaf("MaxItems", &limit.to_string());
    Ok(document("ListHostedZonesByNameResponse", &body))
}

fn get_zone(zones: &mut Inner, id: &str) -> Answer {
    let zone = zones.zone(id).ok_or_else(|| no_such_zone(id))?;
    let servers: String = NAME_SERVERS.iter().map(|name| leaf("NameServer", name.trim_end_matches('.'))).collect();
    let delegation = node("DelegationSet", &node("NameServers", &servers));
    let delegation = if zone.private { String::new() } else { delegation };
    Ok(document("GetHostedZoneResponse", &(describe_zone(zone) + &delegation)))
}

fn describe_zone(zone: &Zone) -> String {
    let config = node("Config", &leaf("PrivateZone", &zone.private.to_string()));
    let count = leaf("ResourceRecordSetCount", &zone.sets.len().to_string());
    let id = leaf("Id", &format!("/hostedzone/{}", zone.id));
    let reference = leaf("CallerReference", &format!("sandbox-{}", zone.id));
    node("HostedZone", &(id + &leaf("Name", &zone.name.to_route53()) + &reference + &config + &count))
}

fn list_records<'a>(zones: &mut Inner, id: &str, query: impl Fn(&str) -> Option<&'a str>) -> Answer {
    let zone = zones.zone(id).ok_or_else(|| no_such_zone(id))?;
    let limit = max_items(query("maxitems"), 300)?;
    let input = |message: &str| Refused::input(message);
    let start = match (query("name"), query("type"), query("identifier")) {
        (None, None, None) => (zone.name.clone(), String::new(), String::new()),
        (None, ..) => return Err(input("A type or an identifier needs a name")),
        (_, None, Some(_)) => return Err(input("An identifier needs a type")),
        (Some(name), kind, identifier) => {
            let name = Name::parse(name).ok_or_else(|| input("The name is no domain name"))?;
            (name, kind.unwrap_or_default().to_owned(), identifier.unwrap_or_default().to_owned())
        }
    };
    let mut sets = zone.sets.range(start..);
    let page: String = sets.by_ref().take(limit).map(|((name, ..), set)| describe_set(name, set)).collect();
    let next = sets.next().map(|((name, kind, identifier), _)| {
        let identifier = Some(identifier).filter(|id| !id.is_empty()).map(|id| leaf("NextRecordIdentifier", id));
        leaf("NextRecordName", &name.to_route53()) + &leaf("NextRecordType", kind) + &identifier.unwrap_or_default()
    });
    let next = next.unwrap_or_default();
    let limit = leaf("MaxItems", &limit.to_string());
    let body = node("ResourceRecordSets", &page) + &truncated(&next) + &next + &limit;
    Ok(document("ListResourceRecordSetsResponse", &body))
}

fn describe_set(name: &Name, set: &RecordSet) -> String {
    let routing = set.routing.as_ref().map(|(id, policy)| {
        let policy = match policy {
            Routing::Weight(weight) => leaf("Weight", &weight.to_string()),
            Routing::MultiValueAnswer => leaf("MultiValueAnswer", "true"),
        };
        leaf("SetIdentifier", id) + &policy
    });
    let values: String = set.values.iter().map(|value| node("ResourceRecord", &leaf("Value", value))).collect();
    let head = leaf("Name", &name.to_route53()) + &leaf("Type", &set.kind) + &routing.unwrap_or_default();
    node("ResourceRecordSet", &(head + &leaf("TTL", &set.ttl.to_string()) + &node("ResourceRecords", &values)))
}

fn change_records(zones: &mut Inner, id: &str, body: &Bytes) -> Answer {
    let document = std::str::from_utf8(body).ok().and_then(Element::parse);
    let document = document.ok_or_else(|| Refused::new(400, "MalformedXML", "The body is not well formed"))?;
    let zone = zones.zone(id).ok_or_else(|| no_such_zone(id))?;
    let sets = batch::apply(zone, &document)?;
    let change = zones.commit(id, sets);
    Ok(describe_change(zones, "ChangeResourceRecordSetsResponse", &change))
}

fn get_change(zones: &Inner, id: &str) -> Answer {
    if zones.is_insync(id).is_none() {
        return Err(Refused::new(404, "NoSuchChange", format!("Could not find resource with ID: {id}")));
    }
    Ok(describe_change(zones, "GetChangeResponse", id))
}

fn describe_change(zones: &Inner, response: &str, id: &str) -> Response<Bytes> {
    // The answer to a batch is PENDING, however fast the servers are.
    let done = response == "GetChangeResponse" && zones.is_insync(id) == Some(true);
    let status = leaf("Status", if done { "INSYNC" } else { "PENDING" });
    let submitted = OffsetDateTime::now_utc().format(&Rfc3339).expect("the clock shows a year of four digits");
    let id = leaf("Id", &format!("/change/{id}"));
    document(response, &node("ChangeInfo", &(id + &status + &leaf("SubmittedAt", &submitted))))
}

fn max_items(asked: Option<&str>, most: usize) -> Result<usize, Refused> {
    let limit = asked.map_or(Some(most), |asked| asked.parse().ok());
    let limit = limit.filter(|limit| *limit > 0).ok_or_else(|| Refused::input("MaxItems is no number"))?;
    Ok(limit.min(most))
}

fn truncated(next: &str) -> String {
    leaf("IsTruncated", if next.is_empty() { "false" } else { "true" })
}

fn no_such_zone(id: &str) -> Refused {
    Refused::new(404, "NoSuchHostedZone", format!("No hosted zone found with ID: {id}"))
}

fn error(status: u16, code: &str, message: &str) -> Response<Bytes> {
    let error = node("Error", &(leaf("Type", "Sender") + &leaf("Code", code) + &leaf("Message", message)));
    let mut response = document("ErrorResponse", &(error + &leaf("RequestId", "sandbox")));
    *response.status_mut() = StatusCode::from_u16(status).expect("scripts name real statuses");
    response
}

fn document(root: &str, body: &str) -> Response<Bytes> {
    let text = format!("<?xml version=\"1.0\"?>\n<{root} xmlns=\"{NAMESPACE}\">{body}</{root}>");
    let mut response = Response::new(Bytes::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    response
}
