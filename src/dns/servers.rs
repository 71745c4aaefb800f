//! Whether the servers that a CA will ask have the values.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;
use tracing::debug;

use super::lookup::{Lookup, side_by_side};
use crate::fault::Fault;
use crate::journal::Txt;

const PAUSE: Duration = Duration::from_secs(1);
pub const DNS_PORT: u16 = 53;

/// Asks each second until every server answers every value or the time is over. In the order of `records`.
///
/// Asks `nameservers` if there are some, else the servers of each name's zone.
pub async fn wait_until_visible(
    lookup: &Lookup,
    nameservers: &[SocketAddr],
    records: &[Txt],
    patience: Duration,
) -> Vec<Result<(), Fault>> {
    let deadline = Instant::now() + patience;
    let names: BTreeSet<&str> = records.iter().map(|txt| txt.set.name.as_str()).collect();
    let servers = match nameservers {
        [] => find_servers(lookup, DNS_PORT, &names).await,
        _ => configured(nameservers, &names),
    };
    let mut results: Vec<Option<Result<(), Fault>>> = vec![None; records.len()];
    loop {
        let open: Vec<usize> = (0..records.len()).filter(|at| !matches!(results[*at], Some(Ok(())))).collect();
        let open_names: BTreeSet<&str> = open.iter().map(|at| records[*at].set.name.as_str()).collect();
        let answers = ask_all(&servers, &open_names).await;
        for at in open {
            let Txt { set, value } = &records[at];
            results[at] = Some(judge(&set.name, value, &answers[set.name.as_str()]));
        }
        let done = results.iter().all(|result| matches!(result, Some(Ok(()))));
        if done || Instant::now() + PAUSE > deadline {
            return results.into_iter().map(|result| result.unwrap_or(Ok(()))).collect();
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What each server said about one name: its values, or why there was no answer.
type Answers = Result<Vec<(String, Result<Vec<Vec<u8>>, Fault>)>, Fault>;

fn judge(name: &str, value: &str, answers: &Answers) -> Result<(), Fault> {
    for (server, answer) in answers.as_ref().map_err(Clone::clone)? {
        let values = answer.as_ref().map_err(|fault| {
            let mut fault = fault.clone();
            fault.causes.insert(0, fault.message.clone());
            Fault { code: "dns:not-visible".into(), message: format!("{server} does not answer for {name}"), ..fault }
        })?;
        if !values.iter().any(|seen| seen == value.as_bytes()) {
            let seen: Vec<_> = values.iter().map(|seen| format!("`{}`", String::from_utf8_lossy(seen))).collect();
            let seen = if seen.is_empty() { "no TXT record".to_owned() } else { seen.join(", ") };
            let message = format!("{server} answers {seen} for {name}, not `{value}`");
            return Err(Fault::new("dns:not-visible", message).hint(
                "see that the domain is delegated to this hosted zone; the next run goes on with the same order",
            ));
        }
    }
    Ok(())
}

/// The servers to ask for a name, or why they cannot be found.
type Servers<'a> = BTreeMap<&'a str, Result<Vec<Lookup>, Fault>>;

async fn ask_all<'a>(servers: &Servers<'a>, names: &BTreeSet<&'a str>) -> BTreeMap<&'a str, Answers> {
    let mut answers: BTreeMap<&str, Answers> = BTreeMap::new();
    let mut work = Vec::new();
    for name in names {
        match &servers[name] {
            Ok(servers) => {
                work.extend(servers.iter().map(|server| async move { (*name, server, server.txt(name).await) }))
            }
            Err(fault) => _ = answers.insert(name, Err(fault.clone())),
        }
    }
    for (name, server, answer) in side_by_side(work).await {
        if let Ok(all) = answers.entry(name).or_insert_with(|| Ok(Vec::new())) {
            all.push((server.whom().to_owned(), answer));
        }
    }
    answers
}

fn configured<'a>(nameservers: &[SocketAddr], names: &BTreeSet<&'a str>) -> Servers<'a> {
    let each: Result<Vec<_>, Fault> = nameservers.iter().map(|server| Lookup::recursive(&[*server])).collect();
    names.iter().map(|name| (*name, each.clone())).collect()
}

/// The servers that the NS records of each name's zone lead to.
async fn find_servers<'a>(lookup: &Lookup, port: u16, names: &BTreeSet<&'a str>) -> Servers<'a> {
    let work = names.iter().map(|name| async { (*name, lookup.name_servers(name).await) }).collect();
    let hosts: Vec<(&str, Result<Vec<String>, Fault>)> = side_by_side(work).await;
    let all: BTreeSet<&String> = hosts.iter().flat_map(|(_, hosts)| hosts.iter().flatten()).collect();
    let work = all.into_iter().map(|host| async { (host.clone(), open(lookup, host, port).await) }).collect();
    let opened: BTreeMap<String, Result<Lookup, Fault>> = side_by_side(work).await.into_iter().collect();
    let of = |hosts: Vec<String>| hosts.iter().map(|host| opened[host].clone()).collect();
    hosts.into_iter().map(|(name, hosts)| (name, hosts.and_then(of))).collect()
}

/// The server of this name, to be asked for what it knows itself.
pub async fn open(lookup: &Lookup, host: &str, port: u16) -> Result<Lookup, Fault> {
    let address = lookup.address(host).await?;
    debug!(host, %address, "authoritative server");
    Lookup::authoritative(SocketAddr::new(address, port), format!("{host} ({address})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(list: &[(&str, &[&str])]) -> Answers {
        let bytes = |values: &[&str]| values.iter().map(|value| value.as_bytes().to_vec()).collect();
        Ok(list.iter().map(|(server, values)| ((*server).to_owned(), Ok(bytes(values)))).collect())
    }

    #[test]
    fn a_value_among_others_at_every_server_is_visible() {
        assert_eq!(judge("n", "v", &answers(&[("a", &["x", "v"]), ("b", &["v"])])), Ok(()));
    }

    #[test]
    fn one_server_without_the_value_is_named_with_what_it_answered() {
        let fault = judge("n", "v", &answers(&[("a", &["v"]), ("b", &["old"])])).unwrap_err();
        assert_eq!(
            (fault.code.as_str(), fault.message.as_str()),
            ("dns:not-visible", "b answers `old` for n, not `v`")
        );
    }

    #[test]
    fn a_server_without_an_answer_is_named() {
        let silent = Ok(vec![("b".to_owned(), Err(Fault::new("dns:lookup", "b gave no answer")))]);
        let fault = judge("n", "v", &silent).unwrap_err();
        assert_eq!((fault.code.as_str(), fault.message.as_str()), ("dns:not-visible", "b does not answer for n"));
        assert_eq!(fault.causes, ["b gave no answer"]);
    }

    #[cfg(feature = "sandbox")]
    #[tokio::test]
    async fn the_servers_of_a_zone_are_found_and_asked_one_by_one() {
        let zones = vec![("Z1".to_owned(), "example.test".to_owned())];
        let options = crate::sandbox::Options { zones, ..Default::default() };
        let sandbox = crate::sandbox::Sandbox::start(options).await.unwrap();
        let lookup = Lookup::recursive(&[sandbox.dns_addr()]).unwrap();
        let name = "_acme-challenge.a.b.example.test";
        let servers = find_servers(&lookup, sandbox.dns_addr().port(), &BTreeSet::from([name])).await;
        let found: Vec<_> = servers[name].as_ref().unwrap().iter().map(Lookup::whom).collect();
        assert_eq!(found, ["ns-1.sandbox.test (127.0.0.1)", "ns-2.sandbox.test (127.0.0.1)"]);
        let answers = ask_all(&servers, &BTreeSet::from([name])).await.remove(name).unwrap();
        assert_eq!(
            answers.unwrap().iter().map(|(_, answer)| answer.clone()).collect::<Vec<_>>(),
            [Ok(vec![]), Ok(vec![])]
        );
    }
}
