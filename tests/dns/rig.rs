//! A sandbox with two zones, and an adapter that talks to it.

use std::collections::BTreeMap;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_route53::config::Credentials;
use countersign::dns::{DnsSolver, Settings};
use countersign::journal::{Proof, RecordSet, Txt};
use countersign::port::Change;
use countersign::sandbox::{self, Options, RecordSet as Set, Routing, Sandbox};

pub async fn sandbox() -> Sandbox {
    start(Options::default()).await
}

/// With the zones Z1 example.test and Z2 sub.example.test.
pub async fn start(options: Options) -> Sandbox {
    let zones = [("Z1", "example.test"), ("Z2", "sub.example.test")];
    let zones = zones.map(|(id, name)| (id.to_owned(), name.to_owned())).to_vec();
    Sandbox::start(Options { zones, ..options }).await.unwrap()
}

pub fn sdk(sandbox: &Sandbox) -> SdkConfig {
    let keys = Credentials::new(sandbox::ACCESS_KEY, sandbox::SECRET_KEY, None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(aws_sdk_route53::config::SharedCredentialsProvider::new(keys))
        .endpoint_url(sandbox.route53_url())
        .build()
}

pub fn settings(sandbox: &Sandbox) -> Settings {
    Settings { ttl: 60, nameservers: vec![sandbox.dns_addr()], ..Settings::default() }
}

pub fn dns(sandbox: &Sandbox) -> DnsSolver {
    DnsSolver::new(settings(sandbox), &sdk(sandbox), &BTreeMap::new()).unwrap()
}

pub fn txt(zone: &str, name: &str, value: &str) -> Proof {
    Proof::Txt(Txt { set: RecordSet { zone: zone.into(), name: name.into() }, value: value.into() })
}

/// Each TXT set of a zone as `name ttl values`.
pub fn txt_sets(sandbox: &Sandbox, zone: &str) -> Vec<String> {
    let sets = sandbox.records(zone).into_iter().filter(|set| set.kind == "TXT");
    sets.map(|set| format!("{} {} {}", set.name, set.ttl, set.values.join(" "))).collect()
}

pub fn codes(changes: &[Change]) -> Vec<String> {
    let code = |change: &Change| change.result.as_ref().map_or_else(|fault| fault.code.clone(), |_| "ok".to_owned());
    changes.iter().map(code).collect()
}

fn seed(
    sandbox: &Sandbox,
    zone: &str,
    name: &str,
    kind: &str,
    ttl: u32,
    value: &str,
    routing: Option<(String, Routing)>,
) {
    let set = Set { name: name.into(), kind: kind.into(), ttl, values: vec![value.into()], routing };
    sandbox.seed_record(zone, set).unwrap();
}

pub fn seed_cname(sandbox: &Sandbox, zone: &str, name: &str, target: &str) {
    seed(sandbox, zone, name, "CNAME", 60, &format!("{target}."), None);
}

pub fn seed_txt(sandbox: &Sandbox, zone: &str, name: &str, ttl: u32, value: &str) {
    seed(sandbox, zone, name, "TXT", ttl, value, None);
}

pub fn seed_soa(sandbox: &Sandbox, zone: &str, name: &str, value: &str) {
    seed(sandbox, zone, name, "SOA", 900, value, None);
}

pub fn seed_weighted(sandbox: &Sandbox, zone: &str, name: &str) {
    seed(sandbox, zone, name, "TXT", 60, "\"x\"", Some(("blue".into(), Routing::Weight(1))));
}

/// One of the multivalue answers at a name. Its value is `"id"`.
pub fn seed_answer(sandbox: &Sandbox, zone: &str, name: &str, id: &str) {
    seed(sandbox, zone, name, "TXT", 60, &format!("\"{id}\""), Some((id.into(), Routing::MultiValueAnswer)));
}
