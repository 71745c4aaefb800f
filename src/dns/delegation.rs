//! Whether the internet asks the servers of a hosted zone when it asks for names in it.

use std::collections::BTreeSet;

use super::lookup::{Lookup, side_by_side};
use super::route53::Apex;
use super::servers;
use crate::fault::Fault;

/// What is known of a zone's delegation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delegation {
    Whole,
    /// It works, and is not as Route53 would have it.
    Differs(String),
}

/// What one of the servers that a domain is delegated to says of the zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    /// It serves this hosted zone.
    Ours,
    /// It serves another zone of this name, or none.
    NotOurs,
    Nothing,
}

/// Compares the NS records that the world sees with those of the hosted zone, and asks each server for the zone's SOA.
/// Other names are fine if they serve the same zone.
pub async fn check(lookup: &Lookup, port: u16, id: &str, apex: &Apex) -> Result<Delegation, Fault> {
    let seen = lookup.ns(&apex.name).await.map_err(|fault| none(id, apex).caused_by(&fault))?;
    if seen.is_empty() {
        return Err(none(id, apex));
    }
    let said: Vec<(&String, Said)> =
        side_by_side(seen.iter().map(|host| async move { (host, ask(lookup, host, port, apex).await) }).collect())
            .await;
    let those = |what| said.iter().filter(move |(_, said)| *said == what).map(|(host, _)| host.as_str()).collect();
    let (wrong, silent): (Vec<&str>, Vec<&str>) = (those(Said::NotOurs), those(Said::Nothing));
    let (theirs, ours) = (list(&seen), list(&apex.servers));
    let name = &apex.name;
    if !wrong.is_empty() || silent.len() == said.len() {
        let who = if wrong.is_empty() { silent.join(", ") } else { wrong.join(", ") };
        let what = if wrong.is_empty() { "give no answer for it" } else { "do not serve it" };
        let message =
            format!("{name} is delegated to {theirs}; of these {who} {what}. The hosted zone {id} is served by {ours}");
        return Err(Fault::new("dns:delegation", message).hint(way_out(id, apex)));
    }
    if seen != apex.servers {
        return Ok(Delegation::Differs(format!(
            "{name} is delegated to {theirs}, which serve it; Route53 names {ours}"
        )));
    }
    if !silent.is_empty() {
        return Ok(Delegation::Differs(format!("{} gives no answer for {name}", silent.join(", "))));
    }
    Ok(Delegation::Whole)
}

async fn ask(lookup: &Lookup, host: &str, port: u16, apex: &Apex) -> Said {
    let Ok(server) = servers::open(lookup, host, port).await else { return Said::Nothing };
    match server.soa(&apex.name).await {
        Ok(soa) if soa == apex.soa => Said::Ours,
        Ok(_) => Said::NotOurs,
        // A server that refuses does not serve the zone; one that is out of reach says nothing.
        Err(fault) if fault.causes.iter().any(|cause| cause.to_lowercase().contains("refused")) => Said::NotOurs,
        Err(_) => Said::Nothing,
    }
}

fn list(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn none(id: &str, apex: &Apex) -> Fault {
    let message = format!("nobody answers who serves {}", apex.name);
    Fault::new("dns:delegation", message).hint(way_out(id, apex))
}

fn way_out(id: &str, apex: &Apex) -> String {
    let servers = list(&apex.servers);
    format!("let the registrar or the parent zone name {servers}, or pin the zone that is delegated instead of {id}")
}

#[cfg(all(test, feature = "sandbox"))]
mod tests {
    use super::*;
    use crate::sandbox::{Options, RecordSet, Sandbox};

    const SOA: &str = "ns-1.sandbox.test. hostmaster.sandbox.test. 1";

    async fn sandbox() -> (Sandbox, Lookup) {
        let zones = vec![("Z1".to_owned(), "example.test".to_owned())];
        let sandbox = Sandbox::start(Options { zones, ..Options::default() }).await.unwrap();
        let lookup = Lookup::recursive(&[sandbox.dns_addr()]).unwrap();
        (sandbox, lookup)
    }

    /// What Route53 has of the zone Z1.
    fn apex(servers: &[&str], soa: &str) -> Apex {
        let servers = servers.iter().map(|name| (*name).to_owned()).collect();
        Apex { name: "example.test".into(), servers, soa: Some(super::super::lookup::soa(soa)) }
    }

    async fn checked(apex: Apex) -> Result<Delegation, Fault> {
        let (sandbox, lookup) = sandbox().await;
        check(&lookup, sandbox.dns_addr().port(), "Z1", &apex).await
    }

    #[tokio::test]
    async fn a_zone_whose_servers_are_those_of_the_world_is_whole() {
        assert_eq!(checked(apex(&["ns-1.sandbox.test", "ns-2.sandbox.test"], SOA)).await, Ok(Delegation::Whole));
    }

    #[tokio::test]
    async fn servers_of_other_names_that_serve_the_same_zone_are_only_told() {
        let Ok(Delegation::Differs(text)) = checked(apex(&["ns1.example.test"], SOA)).await else { panic!() };
        assert!(text.contains("ns-1.sandbox.test") && text.contains("ns1.example.test"), "{text}");
    }

    #[tokio::test]
    async fn servers_that_serve_another_zone_of_the_name_are_an_error_with_both_sets() {
        let other = "ns-7.awsdns-00.test. hostmaster.sandbox.test. 1";
        let fault = checked(apex(&["ns-7.awsdns-00.test"], other)).await.unwrap_err();
        assert_eq!(fault.code, "dns:delegation");
        assert!(fault.message.contains("ns-1.sandbox.test, ns-2.sandbox.test do not serve it"), "{fault:?}");
        assert!(fault.hint.unwrap().contains("ns-7.awsdns-00.test"));
    }

    #[tokio::test]
    async fn a_domain_that_is_delegated_to_nobody_who_answers_is_an_error() {
        let (sandbox, lookup) = sandbox().await;
        let lame = RecordSet {
            name: "example.test".into(),
            kind: "NS".into(),
            ttl: 60,
            values: vec!["ns.nowhere.test.".into()],
            routing: None,
        };
        sandbox.seed_record("Z1", lame).unwrap();
        let apex = apex(&["ns-1.sandbox.test"], SOA);
        let fault = check(&lookup, sandbox.dns_addr().port(), "Z1", &apex).await.unwrap_err();
        assert!(fault.message.contains("ns.nowhere.test give no answer"), "{fault:?}");
    }
}
