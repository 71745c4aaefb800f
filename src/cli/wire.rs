//! Builds the adapters from the configuration and the environment. Nobody else does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::ProvideCredentials;
use aws_sdk_s3::config::SharedCredentialsProvider;

use crate::bucket::{self, S3Bucket};
use crate::ca::{self, AcmeCa, ExternalAccount};
use crate::cli::session::Session;
use crate::config::{self, Config, Eab, Exec, Hmac, Route53, ZonePin, read};
use crate::dns::{self, CaaLookup, DnsSolver, Hook, HostLookup};
use crate::fault::{Fault, Retry};
use crate::lineage::anchors::Anchors;
use crate::list::ChallengeType;
use crate::port::{Bucket, Ca, Clock, Solver};
use crate::secret::Secret;
use crate::store::FileStore;
use crate::web::{self, WebSolver};

/// The hosted zone for all challenge records, when no pin names one.
const HOSTED_ZONE: &str = "ACME_HOSTED_ZONE";

/// The folder of hooks that are named without one, as acmetool has it.
const HOOKS_DIR: &str = "ACME_HOOKS_DIR";

/// All authorities. None is contacted before something is asked of it.
pub fn cas(session: &Session) -> Result<BTreeMap<String, Arc<dyn Ca>>, Fault> {
    let cas = acme(&session.config, &session.store, &session.clock)?;
    Ok(cas.into_iter().map(|(name, ca)| (name, Arc::new(ca) as Arc<dyn Ca>)).collect())
}

/// The same with what only this adapter can tell.
pub fn acme(
    config: &Config,
    store: &Arc<FileStore>,
    clock: &Arc<dyn Clock>,
) -> Result<BTreeMap<String, AcmeCa>, Fault> {
    let mut cas = BTreeMap::new();
    for (name, authority) in &config.authorities {
        let root_pem = authority.root.as_ref().map(|path| read::read(path)).transpose()?;
        let settings = ca::Settings {
            authority: name.clone(),
            directory: authority.directory.clone(),
            root_pem: root_pem.map(String::into_bytes),
            contact: authority.contact.clone(),
            timeout: Duration::from_secs(authority.timeout.into()),
            external_account: authority.eab.as_ref().map(external_account),
            preferred_chain: authority.preferred_chain.clone(),
        };
        cas.insert(name.clone(), AcmeCa::new(settings, store.clone(), clock.clone())?);
    }
    Ok(cas)
}

/// A key that is missing matters only to who registers.
fn external_account(eab: &Eab) -> ExternalAccount {
    let unset = |name: &str| {
        Fault::new("config:unreadable", format!("the variable {name} with the HMAC key of `eab` is not set"))
            .retry(Retry::Never)
    };
    let hmac = match &eab.hmac {
        Hmac::File(path) => read::read(path).map(Secret::new),
        Hmac::Variable(name) => std::env::var(name).map(Secret::new).map_err(|_| unset(name)),
    };
    ExternalAccount { kid: eab.kid.clone(), hmac }
}

/// The roots that the configuration names for what its authorities issue.
pub fn anchors(config: &Config) -> Result<BTreeMap<String, Anchors>, Fault> {
    let named = config.authorities.iter().filter_map(|(name, authority)| Some((name, authority.anchors.as_ref()?)));
    let read = |(name, path): (&String, &PathBuf)| {
        Ok((name.clone(), Anchors::from_pem(path.display().to_string(), &read::read(path)?)?))
    };
    named.map(read).collect()
}

/// Look-ups of hosts at the name servers of the configuration; without such ones the system does them.
pub fn hosts(config: &Config) -> Option<HostLookup> {
    let nameservers = &config.dns.route53.nameservers;
    (!nameservers.is_empty()).then(|| HostLookup::new(nameservers))
}

/// Look-ups of CAA records, at the same servers as all others.
pub fn caa(config: &Config) -> Result<CaaLookup, Fault> {
    CaaLookup::new(&config.dns.route53.nameservers)
}

/// What answers challenges. The folder for token files need not be configured: what an earlier run left goes all the same.
pub async fn solvers(config: &Config) -> Result<BTreeMap<ChallengeType, Arc<dyn Solver>>, Fault> {
    let settings = config.http.as_ref().map(|http| web::Settings {
        folder: http.folder.clone(),
        mode: http.mode,
        port: http.port,
        preflight: http.preflight,
    });
    let addresses = Arc::new(HostLookup::new(&config.dns.route53.nameservers));
    let web: Arc<dyn Solver> = Arc::new(WebSolver::new(settings, addresses));
    let dns: Arc<dyn Solver> = Arc::new(dns(config).await?);
    Ok(BTreeMap::from([(ChallengeType::Dns01, dns), (ChallengeType::Http01, web)]))
}

pub async fn dns(config: &Config) -> Result<DnsSolver, Fault> {
    let route53 = &config.dns.route53;
    let own = sdk(hosted_zones(route53, route53.assume_role.as_deref())).await;
    let mut roles = BTreeMap::new();
    for role in zone_roles(route53) {
        roles.insert(role.clone(), sdk(hosted_zones(route53, Some(role))).await);
    }
    let pin = |pin: &ZonePin| dns::Pin { id: pin.id.clone(), role: pin.assume_role.clone() };
    let hooks = &config.dns.exec;
    let zones = |(word, exec): (&String, &Exec)| -> Vec<(String, String)> {
        exec.zones.iter().map(|zone| (zone.clone(), word.clone())).collect()
    };
    let settings = dns::Settings {
        ttl: route53.ttl.into(),
        role: route53.assume_role.clone(),
        account: if roles.is_empty() || route53.assume_role.is_some() { None } else { account(&own).await },
        pins: route53.zones.iter().map(|(zone, pinned)| (zone.clone(), pin(pinned))).collect(),
        hosted_zone: variable(HOSTED_ZONE),
        nameservers: route53.nameservers.clone(),
        hooks: hooks.iter().map(|(word, exec)| (word.clone(), hook(exec, config))).collect(),
        hook_zones: hooks.iter().flat_map(zones).collect(),
        other_zones: hooks.iter().find(|(_, exec)| exec.takes_the_rest()).map(|(word, _)| word.clone()),
        ..dns::Settings::default()
    };
    DnsSolver::new(settings, &own, &roles)
}

/// The account that credentials are of, if whoever gives them says it: the environment (`AWS_ACCOUNT_ID`), a profile, a
/// process, SSO or a role. No request is made for it.
async fn account(sdk: &SdkConfig) -> Option<String> {
    let found = sdk.credentials_provider()?.provide_credentials().await.ok()?;
    found.account_id().map(|account| account.as_str().to_owned())
}

/// Roles of single zones. They are assumed by the credentials of the profile, not by the role of the other zones.
fn zone_roles(route53: &Route53) -> BTreeSet<&String> {
    route53.zones.values().filter_map(|pin| pin.assume_role.as_ref()).collect()
}

fn hosted_zones<'a>(route53: &'a Route53, role: Option<&'a str>) -> Aws<'a> {
    Aws {
        profile: route53.profile.as_deref(),
        region: Some("us-east-1"),
        endpoint: route53.endpoint.as_deref(),
        assume_role: role,
    }
}

/// A hook as it is called, with what it may know of our environment.
pub fn hook(exec: &Exec, config: &Config) -> Hook {
    let named = exec.command.components().count() == 1;
    let folder = variable(HOOKS_DIR).filter(|_| named).map(PathBuf::from).unwrap_or_default();
    let found = exec.env.iter().filter_map(|name| Some((name.clone(), Secret::new(variable(name)?))));
    Hook {
        command: folder.join(&exec.command),
        environment: found.collect(),
        timeout: exec.timeout.unsigned_abs(),
        parallel: exec.parallel as usize,
        state: config.state.clone(),
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A bucket and its settings, by the name that lists use.
pub async fn buckets(config: &Config) -> BTreeMap<String, (Arc<dyn Bucket>, &config::Bucket)> {
    let mut buckets = BTreeMap::new();
    for (name, configured) in &config.buckets {
        buckets.insert(name.clone(), (s3(configured).await, configured));
    }
    buckets
}

/// One bucket, to publish to or to read from.
pub async fn s3(configured: &config::Bucket) -> Arc<dyn Bucket> {
    let sdk = sdk(Aws {
        profile: configured.profile.as_deref(),
        region: configured.region.as_deref(),
        endpoint: configured.endpoint.as_deref(),
        assume_role: None,
    })
    .await;
    let settings = bucket::Settings {
        bucket: configured.bucket.clone(),
        prefix: configured.prefix.clone(),
        region: configured.region.clone(),
        endpoint: configured.endpoint.clone(),
        kms_key: configured.kms_key.clone(),
        expected_owner: configured.expected_owner.clone(),
    };
    Arc::new(S3Bucket::new(settings, &sdk))
}

/// The access key by which Route53 and each bucket are reached: an id, not a secret. By the name of what it is for.
pub async fn access_keys(config: &Config) -> Vec<(String, Result<String, Fault>)> {
    let route53 = &config.dns.route53;
    let own = hosted_zones(route53, route53.assume_role.as_deref());
    let mut keys = Vec::new();
    if !config.dns.exec.values().any(Exec::takes_the_rest) {
        keys.push(("Route53".to_owned(), access_key(own).await));
    }
    for role in zone_roles(route53) {
        keys.push((format!("zones by {role}"), access_key(hosted_zones(route53, Some(role))).await));
    }
    for (name, configured) in &config.buckets {
        let (profile, region) = (configured.profile.as_deref(), configured.region.as_deref());
        let aws = Aws { profile, region, endpoint: None, assume_role: None };
        keys.push((format!("bucket `{name}`"), access_key(aws).await));
    }
    keys
}

async fn access_key(aws: Aws<'_>) -> Result<String, Fault> {
    let none = |error: &(dyn std::error::Error + 'static)| {
        Fault::new("aws:no-credentials", "AWS credentials cannot be had")
            .caused_by(error)
            .hint("see `profile:` and `assume_role:` in the configuration, or the environment of AWS")
    };
    let sdk = sdk(aws).await;
    let provider = sdk.credentials_provider().ok_or_else(|| none(&std::io::Error::other("no provider")))?;
    let found = provider.provide_credentials().await;
    found.map(|found| found.access_key_id().to_owned()).map_err(|error| none(&error))
}

/// Any bucket by its name in S3, by the credentials that the configuration has for it.
pub async fn bucket(config: &Config, name: &str) -> Arc<dyn Bucket> {
    let known = config.buckets.values().find(|bucket| bucket.bucket == name).cloned().unwrap_or_default();
    let (bucket, prefix) = (name.to_owned(), String::new());
    s3(&config::Bucket { bucket, prefix, kms_key: None, expected_owner: None, ..known }).await
}

/// How to reach one AWS service. Route53 and S3 take separate credentials in one process.
struct Aws<'a> {
    profile: Option<&'a str>,
    region: Option<&'a str>,
    endpoint: Option<&'a str>,
    assume_role: Option<&'a str>,
}

async fn sdk(aws: Aws<'_>) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest());
    if let Some(profile) = aws.profile {
        // The default chain would take what stands in the environment first.
        let named = ProfileFileCredentialsProvider::builder().profile_name(profile).build();
        loader = loader.profile_name(profile).credentials_provider(named);
    }
    if let Some(region) = aws.region {
        loader = loader.region(Region::new(region.to_owned()));
    }
    if let Some(endpoint) = aws.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    let sdk = loader.load().await;
    let Some(role) = aws.assume_role else { return sdk };
    let provider = aws_config::sts::AssumeRoleProvider::builder(role).session_name("countersign").configure(&sdk);
    let provider = provider.build().await;
    sdk.into_builder().credentials_provider(SharedCredentialsProvider::new(provider)).build()
}
