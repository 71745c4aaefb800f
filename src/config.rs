//! The runner's config: what is asked of this host and never read from the config repo.

mod challenge;
mod hooks;
pub(crate) mod parse;
pub mod pull;
pub mod read;
pub(crate) mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use time::Duration;

use crate::ledger::bucket::{LETS_ENCRYPT, LETS_ENCRYPT_STAGING};
use crate::ledger::{self, Terms};
use crate::lineage::naming::Naming;
use crate::list::ChallengeType;
use crate::list::parse::Known;
use crate::name::CommitId;
use crate::trust::{Fingerprint, Require};

pub use hooks::Hooks;

/// Names, directories and limits of the authorities that need no entry (<https://letsencrypt.org/docs/acme-protocol-updates/>).
pub const BUILT_IN: [(&str, &str, ledger::Limits); 2] = [
    ("letsencrypt", "https://acme-v02.api.letsencrypt.org/directory", LETS_ENCRYPT),
    ("letsencrypt-staging", "https://acme-staging-v02.api.letsencrypt.org/directory", LETS_ENCRYPT_STAGING),
];

/// A whole config file, defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The lineage store.
    pub state: PathBuf,
    /// How often this host runs; 24 h if not said.
    pub every: Duration,
    pub repository: Repository,
    pub trust: Trust,
    /// With those that are built in.
    pub authorities: BTreeMap<String, Authority>,
    pub dns: Dns,
    /// For http-01. Without, this host cannot answer it.
    pub http: Option<Http>,
    pub buckets: BTreeMap<String, Bucket>,
    /// Files of keys, by the words that lists use.
    pub given_keys: BTreeMap<String, PathBuf>,
    /// Somebody else's certificates, by the words that lists use.
    pub provided: BTreeMap<String, Provided>,
    /// Whether lineages without a certificate get a self-signed placeholder, so that servers start.
    pub placeholders: bool,
    /// How many versions of a lineage the store keeps, the live one included. `None`: all.
    pub keep: Option<usize>,
    pub limits: Limits,
    pub hooks: Hooks,
    /// Where figures for Prometheus are written after each apply.
    pub metrics: Option<PathBuf>,
    pub notify: Notify,
}

/// The config repo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// `ssh://…`, or a path if `allow_local`.
    pub url: String,
    /// Full name of the ref, `refs/heads/main` if not said.
    pub ref_name: String,
    /// Path in the repo of the list: a file, or a folder with `/` at the end. `domains.yaml` if not said.
    pub list: String,
    pub ssh_key: Option<PathBuf>,
    /// SHA-256 fingerprints, any of which the server may show. Never empty for `ssh://`.
    pub host_keys: Vec<Fingerprint>,
    /// Set if and only if `url` is a path, which deserves a warning.
    pub allow_local: bool,
}

/// Who may sign. The files are read by `read::read`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// The first commit that is trusted, by its id.
    pub introduction: CommitId,
    pub allowed_signers: PathBuf,
    pub policy: Option<PathBuf>,
    pub require: Require,
    pub revoked: BTreeSet<Fingerprint>,
    /// Keys that may stand as `cert-authority` in `allowed_signers`. Without any, SSH certificates count for nothing.
    pub certificate_authorities: BTreeSet<Fingerprint>,
    /// How long renewals go on while the head is refused or unreachable; 30 d if not said.
    pub max_stale: Duration,
    /// For how long the head may stay where it is before nothing new is done. `None`: forever.
    pub max_quiet: Option<Duration>,
}

/// A CA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// URL of its directory (RFC 8555 section 7.1.1).
    pub directory: String,
    /// A root in PEM to trust for its API, besides the system's.
    pub root: Option<PathBuf>,
    /// Roots in PEM, to one of which its certificates must lead.
    pub anchors: Option<PathBuf>,
    /// `mailto:` URLs (RFC 8555 section 7.3).
    pub contact: Vec<String>,
    /// Seconds that one request may take; 30 if not said.
    pub timeout: u32,
    /// What new accounts are bound to.
    pub eab: Option<Eab>,
    /// Common name of the issuer at the top of the chain to take.
    pub preferred_chain: Option<String>,
    /// What the CA allows, as far as it is known.
    pub limits: ledger::Limits,
}

/// An external account (RFC 8555 section 7.3.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Eab {
    pub kid: String,
    pub hmac: Hmac,
}

/// Where the MAC key stands, base64url as the CA shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hmac {
    File(PathBuf),
    /// An environment variable.
    Variable(String),
}

/// Where TXT records are written.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Dns {
    pub route53: Route53,
    /// Hooks for other providers, by a word of one's own.
    pub exec: BTreeMap<String, Exec>,
}

/// A program that writes TXT records, in acmetool's protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exec {
    /// A path, or a name in the folder that ACME_HOOKS_DIR names.
    pub command: PathBuf,
    /// Names at and below these are its. If there are none, it takes all that nobody else takes.
    pub zones: BTreeSet<String>,
    /// Variables of our environment that it gets.
    pub env: BTreeSet<String>,
    /// For one call; 2 min if not said.
    pub timeout: Duration,
    /// How many calls run at a time; 1 if not said.
    pub parallel: u32,
}

impl Exec {
    /// Whether it writes for all names that nobody else has, instead of Route53.
    pub fn takes_the_rest(&self) -> bool {
        self.zones.is_empty()
    }
}

/// The folder from which web servers answer http-01.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    pub folder: PathBuf,
    /// Of the files; 0644 if not said.
    pub mode: u32,
    /// Where this host reaches the web servers; 80 if not said.
    pub port: u16,
    /// Whether this host looks before the CA does.
    pub preflight: bool,
}

/// Route53, its credentials and what is known of its zones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route53 {
    pub endpoint: Option<String>,
    /// AWS profile; the default chain if not said.
    pub profile: Option<String>,
    /// ARN of a role.
    pub assume_role: Option<String>,
    /// Hosted zones by the name of the zone.
    pub zones: BTreeMap<String, ZonePin>,
    /// If not empty, the only servers to ask.
    pub nameservers: Vec<SocketAddr>,
    /// Seconds that a TXT record may be cached; 60 if not said.
    pub ttl: u32,
}

impl Default for Route53 {
    fn default() -> Self {
        let (endpoint, profile, assume_role) = (None, None, None);
        Self { endpoint, profile, assume_role, zones: BTreeMap::new(), nameservers: Vec::new(), ttl: 60 }
    }
}

/// A hosted zone that is named rather than looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZonePin {
    /// `Z` and up to 31 capital letters and digits.
    pub id: String,
    pub assume_role: Option<String>,
}

/// A place in S3 to publish to.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Bucket {
    /// Its name in S3.
    pub bucket: String,
    /// Empty, or with `/` at the end.
    pub prefix: String,
    pub region: Option<String>,
    pub profile: Option<String>,
    /// Key id, ARN or alias.
    pub kms_key: Option<String>,
    pub endpoint: Option<String>,
    /// The account that the bucket belongs to, 12 digits.
    pub expected_owner: Option<String>,
    /// Plain copies beside the versions, and under which names besides certbot's. `None`: no copies.
    pub flat: Option<BTreeSet<Naming>>,
    /// How many versions of a lineage are kept, the live one included. `None`: all.
    pub keep: Option<usize>,
}

/// Files of this host with a key and certificate that somebody else issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provided {
    /// The leaf, with its issuers behind it unless `chain` holds them.
    pub cert: PathBuf,
    pub key: PathBuf,
    pub chain: Option<PathBuf>,
}

/// How much one change of the list may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Changes and removals among existing lineages, in percent.
    pub max_changed_percent: u32,
    /// With fewer lineages than this the percentage does not count.
    pub min_lineages: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_changed_percent: 30, min_lineages: 10 }
    }
}

/// Who is told when an apply went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Notify {
    /// A file with the URL to POST to: such URLs are secrets.
    pub webhook_file: Option<PathBuf>,
    /// A program with its arguments, which reads the same JSON. Empty for none.
    pub command: Vec<String>,
}

impl Config {
    /// The same with every relative path taken from `base`, the folder of the config file.
    pub fn resolved(mut self, base: &Path) -> Self {
        self.state = base.join(&self.state);
        if self.repository.allow_local && !self.repository.url.starts_with("file://") {
            let path = base.join(self.repository.url.trim_start_matches("./"));
            self.repository.url = path.to_string_lossy().into_owned();
        }
        let roots = self.authorities.values_mut().flat_map(|one| [&mut one.root, &mut one.anchors]);
        for path in roots
            .chain([
                &mut self.repository.ssh_key,
                &mut self.trust.policy,
                &mut self.metrics,
                &mut self.notify.webhook_file,
            ])
            .flatten()
        {
            *path = base.join(&*path);
        }
        for authority in self.authorities.values_mut() {
            if let Some(Eab { hmac: Hmac::File(path), .. }) = &mut authority.eab {
                *path = base.join(&*path);
            }
        }
        self.trust.allowed_signers = base.join(&self.trust.allowed_signers);
        for exec in self.dns.exec.values_mut().filter(|exec| exec.command.components().count() > 1) {
            exec.command = base.join(&exec.command);
        }
        if let Some(http) = &mut self.http {
            http.folder = base.join(&http.folder);
        }
        for path in self.given_keys.values_mut() {
            *path = base.join(&*path);
        }
        for provided in self.provided.values_mut() {
            let paths = [&mut provided.cert, &mut provided.key].into_iter().chain(provided.chain.as_mut());
            paths.for_each(|path| *path = base.join(&*path));
        }
        self
    }

    /// The CAs and what they allow, by authority.
    pub fn terms(&self) -> BTreeMap<String, Terms> {
        let terms = |authority: &Authority| Terms { directory: authority.directory.clone(), limits: authority.limits };
        self.authorities.iter().map(|(name, authority)| (name.clone(), terms(authority))).collect()
    }

    /// Whether this host can answer such challenges.
    fn answers(&self, challenge: ChallengeType) -> bool {
        match challenge {
            ChallengeType::Dns01 => true,
            ChallengeType::Http01 => self.http.is_some(),
        }
    }

    /// What the list may refer to.
    pub fn known(&self) -> Known {
        Known {
            authorities: self.authorities.keys().cloned().collect(),
            buckets: self.buckets.keys().cloned().collect(),
            provided: self.provided.keys().cloned().collect(),
            given_keys: self.given_keys.keys().cloned().collect(),
            challenges: ChallengeType::ALL.into_iter().filter(|one| self.answers(*one)).collect(),
        }
    }
}
