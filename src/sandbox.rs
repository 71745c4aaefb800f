//! Strict in-process stand-ins for the CA, Route53, S3 and the config repo. Loopback only.

#![expect(clippy::disallowed_methods, reason = "stand-ins have a clock of their own")]

mod acme;
mod authority;
mod dns;
pub mod faults;
mod http;
pub mod log;
mod lookup;
pub mod repo;
mod route53;
pub mod s3;
mod txt;
mod zone;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

pub use acme::{CAA_IDENTITY, CaOptions, Issued, RateLimits, RenewalWindow};
pub use faults::{Faults, Mishap};
pub use log::{Call, Log};
pub use zone::{RecordSet, Routing};

use authority::Authority;
use zone::{Name, Zones};

/// The pair of credentials that Route53 and S3 know.
pub const ACCESS_KEY: &str = "AKIASANDBOXSANDBOX00";
/// See [`ACCESS_KEY`].
pub const SECRET_KEY: &str = "sandbox/sandbox/sandbox/sandbox/sandbox0";
/// The pair of a second account with hosted zones of its own. STS gives it, at Route53's URL, to whoever has the first
/// one and assumes [`OTHER_ROLE`].
pub const OTHER_ACCESS_KEY: &str = "ASIASANDBOXSANDBOX01";
/// See [`OTHER_ACCESS_KEY`].
pub const OTHER_SECRET_KEY: &str = "sandbox/sandbox/sandbox/sandbox/sandbox1";
/// A role in the second account.
pub const OTHER_ROLE: &str = "arn:aws:iam::222222222222:role/countersign-dns";

/// What the sandbox starts with. The default has no latency, no zones and no buckets, and changes are INSYNC at once.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// From a change until DNS serves it and `GetChange` says INSYNC. `Duration::MAX` is never.
    pub insync_delay: Duration,
    /// Added to each answer of the CA, Route53 and S3.
    pub latency: Duration,
    /// Id and name of each public hosted zone.
    pub zones: Vec<(String, String)>,
    pub buckets: Vec<String>,
    pub ca: CaOptions,
    /// Ports to listen on instead of any free ones.
    pub ports: Ports,
}

/// How many requests Route53 takes from an account at once and in a second, and how many changes: two buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttle {
    pub requests: (u32, u32),
    pub changes: (u32, u32),
}

/// Ports on 127.0.0.1; 0 is any free one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ports {
    pub acme: u16,
    pub route53: u16,
    pub s3: u16,
    pub dns: u16,
}

/// The running servers. They stop when this is dropped.
pub struct Sandbox {
    ca: Arc<acme::Ca>,
    tls_root: String,
    zones: Zones,
    buckets: s3::Buckets,
    stage: http::Stage,
    throttles: Arc<route53::Throttles>,
    route53: SocketAddr,
    s3: SocketAddr,
    dns: SocketAddr,
    _servers: JoinSet<()>,
}

impl Sandbox {
    /// Starts all servers. They listen when this returns.
    ///
    /// # Errors
    /// A port is taken, or a zone's name is none.
    pub async fn start(options: Options) -> io::Result<Self> {
        let stage = http::Stage { log: Log::new(), faults: Faults::default(), latency: options.latency };
        let zones = Zones::new(options.insync_delay);
        for (id, name) in &options.zones {
            zones.lock().add(ACCESS_KEY, id, &parse(name)?, false);
        }
        let buckets = s3::Buckets::default();
        buckets.lock().extend(options.buckets.into_iter().map(|name| (name, Default::default())));

        let (acme_listener, acme) = http::bind(options.ports.acme).await?;
        let (route53_listener, route53) = http::bind(options.ports.route53).await?;
        let (s3_listener, s3) = http::bind(options.ports.s3).await?;
        let (udp, tcp, dns) = dns::bind(options.ports.dns).await?;

        let now = OffsetDateTime::now_utc();
        let authority = Authority::new(now).map_err(io::Error::other)?;
        let (tls, tls_root) = authority::loopback_tls(now).map_err(io::Error::other)?;
        let ca = Arc::new(acme::Ca::new(format!("https://{acme}"), options.ca, authority, dns, stage.faults.clone()));

        let mut servers = JoinSet::new();
        let acme_api = Arc::new(acme::Server(ca.clone()));
        servers.spawn(http::serve(acme_listener, Some(TlsAcceptor::from(tls)), acme_api, stage.clone()));
        let throttles = Arc::new(route53::Throttles::default());
        let route53_api = Arc::new(route53::Route53 { zones: zones.clone(), throttles: throttles.clone() });
        servers.spawn(http::serve(route53_listener, None, route53_api, stage.clone()));
        let s3_api = Arc::new(s3::Server::new(buckets.clone()));
        servers.spawn(http::serve(s3_listener, None, s3_api, stage.clone()));
        servers.spawn(dns::serve_udp(udp, zones.clone(), stage.log.clone()));
        servers.spawn(dns::serve_tcp(tcp, zones.clone(), stage.log.clone()));
        Ok(Self { ca, tls_root, zones, buckets, stage, throttles, route53, s3, dns, _servers: servers })
    }

    /// `https://127.0.0.1:PORT/dir`
    pub fn directory_url(&self) -> String {
        format!("{}/dir", self.ca.base)
    }

    /// The root (PEM) of the TLS certificate of the CA's API.
    pub fn tls_root_pem(&self) -> &str {
        &self.tls_root
    }

    /// The root (PEM) that issued chains build to.
    pub fn issuer_root_pem(&self) -> &str {
        &self.ca.authority.roots[0]
    }

    /// The root (PEM) that alternate chains build to.
    pub fn alternate_root_pem(&self) -> &str {
        &self.ca.authority.roots[1]
    }

    pub fn route53_url(&self) -> String {
        format!("http://{}", self.route53)
    }

    /// Path style only.
    pub fn s3_url(&self) -> String {
        format!("http://{}", self.s3)
    }

    /// The name server of all public zones, UDP and TCP.
    pub fn dns_addr(&self) -> SocketAddr {
        self.dns
    }

    pub fn log(&self) -> Log {
        self.stage.log.clone()
    }

    pub fn faults(&self) -> Faults {
        self.stage.faults.clone()
    }

    /// Moves the clock of the CA forward: orders and authorizations expire, certificates start later.
    pub fn advance(&self, by: Duration) {
        self.ca.advance(by);
    }

    /// Every certificate the CA has issued, oldest first.
    pub fn issued(&self) -> Vec<Issued> {
        self.ca.issued()
    }

    /// Overrides the renewal window of a certificate.
    pub fn set_renewal_window(&self, ari_id: &str, window: RenewalWindow) {
        self.ca.set_renewal_window(ari_id, window);
    }

    /// New orders for the name are refused with a link, as Let's Encrypt does after very many failures.
    pub fn pause(&self, name: &str) {
        self.ca.pause(Some(name));
    }

    /// What happens when somebody opens that link.
    pub fn unpause(&self) {
        self.ca.pause(None);
    }

    /// For changes from now on. See [`Options::insync_delay`].
    pub fn set_insync_delay(&self, delay: Duration) {
        self.zones.lock().insync_delay = delay;
    }

    /// Adds a hosted zone. A private one is in the API and not in DNS.
    ///
    /// # Errors
    /// The name is none.
    pub fn add_zone(&self, id: &str, name: &str, private: bool) -> io::Result<()> {
        self.zones.lock().add(ACCESS_KEY, id, &parse(name)?, private);
        Ok(())
    }

    /// Adds a public hosted zone to the second account.
    ///
    /// # Errors
    /// The name is none.
    pub fn add_other_zone(&self, id: &str, name: &str) -> io::Result<()> {
        self.zones.lock().add(OTHER_ACCESS_KEY, id, &parse(name)?, false);
        Ok(())
    }

    /// From now on the account of this access key is held to these buckets.
    pub fn throttle(&self, access_key: &str, throttle: Throttle) {
        self.throttles.set(access_key, throttle);
    }

    /// Puts a record set into a zone, at once and everywhere: `TXT` values quoted, `CAA` as `0 issue "ca.test"`.
    ///
    /// # Errors
    /// There is no such zone, or the name is none.
    pub fn seed_record(&self, zone: &str, set: RecordSet) -> io::Result<()> {
        let name = parse(&set.name)?;
        let identifier = set.routing.as_ref().map(|(id, _)| id.clone()).unwrap_or_default();
        let key = (name.clone(), set.kind.clone(), identifier);
        let set = RecordSet { name: name.to_plain(), ..set };
        let mut zones = self.zones.lock();
        zones.zone(zone).ok_or_else(|| io::Error::other(format!("there is no zone {zone}")))?.seed(key, set);
        Ok(())
    }

    /// What DNS serves now as TXT at exactly this name, unquoted and sorted.
    pub fn txt(&self, name: &str) -> Vec<String> {
        let Some(name) = Name::parse(name) else { return Vec::new() };
        let mut zones = self.zones.lock();
        let Some(zone) = zones.closest(&name) else { return Vec::new() };
        let here = zone.served().iter().filter(|((other, kind, _), _)| *other == name && kind == "TXT");
        let values = here.flat_map(|(_, set)| &set.values).filter_map(|value| txt::parse(value).ok());
        let mut values: Vec<String> =
            values.map(|strings| String::from_utf8_lossy(&strings.concat()).into_owned()).collect();
        values.sort();
        values
    }

    /// All record sets of a zone as the API shows them now, but for the NS and SOA of the zone itself.
    pub fn records(&self, zone: &str) -> Vec<RecordSet> {
        let mut zones = self.zones.lock();
        let Some(zone) = zones.zone(zone) else { return Vec::new() };
        let own = |name: &Name, kind: &str| *name == zone.name && matches!(kind, "NS" | "SOA");
        zone.sets.iter().filter(|((name, kind, _), _)| !own(name, kind)).map(|(_, set)| set.clone()).collect()
    }

    /// Puts an object into a bucket, as if somebody else had written it without conditions.
    ///
    /// # Errors
    /// There is no such bucket.
    pub fn seed_object(&self, bucket: &str, key: &str, body: impl Into<bytes::Bytes>) -> io::Result<()> {
        let object = s3::Object::new(body.into()).map_err(io::Error::other)?;
        let mut buckets = self.buckets.lock();
        let keys = buckets.get_mut(bucket).ok_or_else(|| io::Error::other(format!("there is no bucket {bucket}")))?;
        keys.insert(key.to_owned(), object);
        Ok(())
    }

    /// Sets a bucket up as somebody else may have.
    pub fn set_up_bucket(&self, bucket: &str, setup: s3::Setup) {
        self.buckets.set_up(bucket, setup);
    }

    /// An object of a bucket as it is now.
    pub fn object(&self, bucket: &str, key: &str) -> Option<s3::Object> {
        self.buckets.lock().get(bucket)?.get(key).cloned()
    }

    /// The keys of a bucket.
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        self.buckets.lock().get(bucket).map(|keys| keys.keys().cloned().collect()).unwrap_or_default()
    }
}

/// A TXT value as the Route53 API writes it, for [`Sandbox::seed_record`].
pub fn quote(text: &str) -> String {
    txt::quote(text)
}

fn parse(name: &str) -> io::Result<Name> {
    Name::parse(name).ok_or_else(|| io::Error::other(format!("`{name}` is no domain name")))
}
