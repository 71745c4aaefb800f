//! DNS questions, over hickory.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures::stream::{self, StreamExt};
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::{Resolver, ResolverBuilder, TokioResolver};

use crate::caa::Property;
use crate::fault::Fault;

/// RFC 8555 does not say how many CNAMEs a CA follows. Boulder's resolver stops after about as many.
const MAX_CNAMES: usize = 8;

/// Look-ups in flight.
const WIDTH: usize = 32;

/// Name servers that are asked together, with UDP first and TCP if an answer is cut short.
#[derive(Clone)]
pub struct Lookup {
    resolver: TokioResolver,
    /// For messages.
    whom: String,
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lookup({})", self.whom)
    }
}

impl Lookup {
    /// The name servers that this host is configured with.
    pub fn system() -> Result<Self, Fault> {
        let builder = TokioResolver::builder_tokio().map_err(|error| {
            Fault::new("dns:no-resolver", "this host has no usable resolver configuration")
                .caused_by(&error)
                .hint("set `dns.route53.nameservers`, or mend /etc/resolv.conf")
        })?;
        Self::build(builder, "the resolver of this host".to_owned(), true)
    }

    /// Name servers that follow delegations for us.
    pub fn recursive(servers: &[SocketAddr]) -> Result<Self, Fault> {
        let whom = servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        Self::build(at(servers), whom, true)
    }

    /// One server, asked for what it knows itself.
    pub fn authoritative(server: SocketAddr, whom: String) -> Result<Self, Fault> {
        Self::build(at(&[server]), whom, false)
    }

    fn build(
        mut builder: ResolverBuilder<TokioRuntimeProvider>,
        whom: String,
        recursion_desired: bool,
    ) -> Result<Self, Fault> {
        let options = builder.options_mut();
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        options.recursion_desired = recursion_desired;
        options.timeout = Duration::from_secs(3);
        options.attempts = 2;
        let resolver = builder.build();
        let resolver = resolver.map_err(|error| Fault::new("dns:no-resolver", "no resolver").caused_by(&error))?;
        Ok(Self { resolver, whom })
    }

    pub fn whom(&self) -> &str {
        &self.whom
    }

    /// The TXT values at `name`, strings put together. Empty if there are none.
    pub async fn txt(&self, name: &str) -> Result<Vec<Vec<u8>>, Fault> {
        let values = self.ask(name, RecordType::TXT).await?.into_iter().filter_map(|data| match data {
            RData::TXT(txt) => Some(txt.txt_data.concat()),
            _ => None,
        });
        Ok(values.collect())
    }

    /// The CAA records at `name`, CNAMEs followed.
    pub async fn caa(&self, name: &str) -> Result<Vec<Property>, Fault> {
        let records = self.ask(name, RecordType::CAA).await?.into_iter().filter_map(|data| match data {
            RData::CAA(caa) => Some(Property {
                critical: caa.issuer_critical,
                value: String::from_utf8_lossy(&caa.value).into_owned(),
                tag: caa.tag,
            }),
            _ => None,
        });
        Ok(records.collect())
    }

    /// Whether `name` has name servers of its own.
    pub async fn is_zone(&self, name: &str) -> Result<bool, Fault> {
        Ok(!self.ns(name).await?.is_empty())
    }

    /// The NS records at exactly `name`.
    pub async fn ns(&self, name: &str) -> Result<BTreeSet<String>, Fault> {
        let servers = self.ask(name, RecordType::NS).await?.into_iter().filter_map(|data| match data {
            RData::NS(server) => Some(plain(&server.0)),
            _ => None,
        });
        Ok(servers.collect())
    }

    /// The SOA record of a zone as [`soa`] writes it.
    pub async fn soa(&self, zone: &str) -> Result<Option<String>, Fault> {
        Ok(self.ask(zone, RecordType::SOA).await?.into_iter().find_map(|data| match data {
            RData::SOA(record) => Some(soa(&format!("{} {} {}", record.mname, record.rname, record.serial))),
            _ => None,
        }))
    }

    /// Where `name` leads to by CNAMEs; `name` itself if it has none.
    pub async fn follow(&self, name: &str) -> Result<String, Fault> {
        let mut chain = vec![name.to_owned()];
        loop {
            let here = &chain[chain.len() - 1];
            let target = self.ask(here, RecordType::CNAME).await?.into_iter().find_map(|data| match data {
                RData::CNAME(target) => Some(plain(&target.0)),
                _ => None,
            });
            let Some(target) = target else { return Ok(here.clone()) };
            let closed = chain.contains(&target);
            chain.push(target);
            if closed || chain.len() > MAX_CNAMES + 1 {
                let why = if closed { "lead in a circle" } else { "are more than 8" };
                let message = format!("the CNAME records from {name} {why}: {}", chain.join(" -> "));
                return Err(Fault::new("dns:cname-chain", message));
            }
        }
    }

    /// The servers of the zone that `name` is in: their names, from the closest parent that has NS records.
    pub async fn name_servers(&self, name: &str) -> Result<Vec<String>, Fault> {
        let mut zone = name;
        loop {
            let servers = self.ns(zone).await?;
            if !servers.is_empty() {
                return Ok(servers.into_iter().collect());
            }
            match zone.split_once('.') {
                Some((_, parent)) => zone = parent,
                None => return Err(Fault::new("dns:no-name-server", format!("no name server is known for {name}"))),
            }
        }
    }

    /// An address of a host, IPv4 before IPv6.
    pub async fn address(&self, host: &str) -> Result<IpAddr, Fault> {
        for kind in [RecordType::A, RecordType::AAAA] {
            if let Some(address) = self.addresses_of(host, kind).await?.first() {
                return Ok(*address);
            }
        }
        Err(Fault::new("dns:no-address", format!("{host} has no address")))
    }

    /// All addresses of a host, IPv6 first. None if it has none.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Fault> {
        let mut found = self.addresses_of(host, RecordType::AAAA).await?;
        found.extend(self.addresses_of(host, RecordType::A).await?);
        Ok(found)
    }

    async fn addresses_of(&self, host: &str, kind: RecordType) -> Result<Vec<IpAddr>, Fault> {
        let addresses = self.ask(host, kind).await?.into_iter().filter_map(|data| match data {
            RData::A(address) => Some(IpAddr::V4(address.0)),
            RData::AAAA(address) => Some(IpAddr::V6(address.0)),
            _ => None,
        });
        Ok(addresses.collect())
    }

    /// No such name and no such records are an empty answer, everything else is a fault.
    async fn ask(&self, name: &str, kind: RecordType) -> Result<Vec<RData>, Fault> {
        let fault = |error: &(dyn std::error::Error + 'static)| {
            Fault::new("dns:lookup", format!("{} gave no answer for {kind} {name}", self.whom)).caused_by(error)
        };
        let fqdn = Name::from_ascii(format!("{name}.")).map_err(|error| fault(&error))?;
        match self.resolver.lookup(fqdn, kind).await {
            Ok(lookup) => Ok(lookup.answers().iter().map(|record: &Record| record.data.clone()).collect()),
            Err(error) if error.is_no_records_found() => Ok(Vec::new()),
            Err(error) => Err(fault(&error)),
        }
    }
}

/// Runs look-ups beside each other, and gives their results in order.
pub async fn side_by_side<F: Future>(work: Vec<F>) -> Vec<F::Output> {
    stream::iter(work).buffered(WIDTH).collect().await
}

fn at(servers: &[SocketAddr]) -> ResolverBuilder<TokioRuntimeProvider> {
    let config = servers.iter().map(|server| {
        let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
        connections.iter_mut().for_each(|connection| connection.port = server.port());
        NameServerConfig::new(server.ip(), true, connections)
    });
    Resolver::builder_with_config(ResolverConfig::from_name_servers(config.collect()), TokioRuntimeProvider::default())
}

/// What tells the SOA records of two zones of one name apart: primary server, mailbox and serial, in lower case without
/// trailing dots. The primary server is one of the zone's own four.
pub fn soa(text: &str) -> String {
    let words = text.split_whitespace().take(3);
    words.map(|word| word.trim_end_matches('.').to_ascii_lowercase()).collect::<Vec<_>>().join(" ")
}

/// Lower case, without the trailing dot.
fn plain(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_ascii_lowercase()
}
