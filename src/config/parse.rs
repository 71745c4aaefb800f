//! From the text of a config file to a `Config`, or to everything that is wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use time::Duration;

use super::{
    Authority, BUILT_IN, Bucket, Config, Dns, Eab, Hmac, Hooks, Limits, Notify, Provided, Repository, Route53, Trust,
    ZonePin, challenge, hooks, value,
};
use crate::diag::{Code, Diagnostic, SourceFile};
use crate::ledger;
use crate::ledger::limit::Limit;
use crate::lineage::naming::Naming;
use crate::name::CommitId;
use crate::trust::{Fingerprint, Require};
use crate::yaml::fields::suggest;
use crate::yaml::{self, Fields, Findings, Node};

const KEYS: [&str; 17] = [
    "version",
    "state",
    "every",
    "repository",
    "trust",
    "authorities",
    "dns",
    "http",
    "buckets",
    "given_keys",
    "provided",
    "placeholders",
    "keep",
    "limits",
    "hooks",
    "metrics",
    "notify",
];

/// Seconds.
const ACME_TIMEOUT: u32 = 30;

impl Config {
    /// Reads a config file. `path` names it in diagnostics, all of which are errors.
    pub fn parse(text: &str, path: &str) -> Result<Self, Vec<Diagnostic>> {
        let file = SourceFile { path: path.to_owned(), bytes: text.as_bytes().to_vec() };
        let mut findings = Findings::new([path]);
        let config = yaml::read(&file, 0, &mut findings).and_then(|root| config(&root, &mut findings));
        match (config, findings.into_sorted()) {
            (Some(config), found) if found.is_empty() => Ok(config),
            (_, found) => Err(found),
        }
    }
}

fn config(root: &Node, f: &mut Findings<'_>) -> Option<Config> {
    let file = Fields::read(root, "the config", f)?;
    if !file.is_version_1(f) {
        return None;
    }
    file.only(&KEYS, f);
    let state = file.require("state", f).and_then(|node| path(node, f));
    let every = file.get("every").map_or(Some(Duration::DAY), |node| node.duration(f));
    let repository = file.require("repository", f).and_then(|node| repository(node, f));
    let trust = file.require("trust", f).and_then(|node| trust(node, f));
    let authorities = authorities(file.get("authorities"), f);
    let dns = file.get("dns").map_or_else(|| Some(Dns::default()), |node| challenge::dns(node, route53, f));
    let http = file.get("http").map(|node| challenge::http(node, f));
    let buckets = file.get("buckets").map(|node| named(node, "`buckets`", value::word, bucket, f)).unwrap_or_default();
    let given_keys =
        file.get("given_keys").map(|node| named(node, "`given_keys`", value::word, path, f)).unwrap_or_default();
    let provided =
        file.get("provided").map(|node| named(node, "`provided`", value::word, provided, f)).unwrap_or_default();
    let keep = keep(&file, f);
    let placeholders = file.get("placeholders").map_or(Some(true), |node| node.flag(f));
    let limits = file.get("limits").map_or_else(|| Some(Limits::default()), |node| limits(node, f));
    let hooks = file.get("hooks").map_or_else(|| Some(Hooks::default()), |node| hooks::hooks(node, f));
    let notify = file.get("notify").map_or_else(|| Some(Notify::default()), |node| notify(node, f));
    let metrics = file.get("metrics").and_then(|node| path(node, f));
    Some(Config {
        state: state?,
        every: every?,
        repository: repository?,
        trust: trust?,
        authorities,
        dns: dns?,
        http: http.map_or(Some(None), |http| http.map(Some))?,
        buckets,
        given_keys,
        provided,
        placeholders: placeholders?,
        keep: keep?,
        limits: limits?,
        hooks: hooks?,
        metrics,
        notify: notify?,
    })
}

fn repository(node: &Node, f: &mut Findings<'_>) -> Option<Repository> {
    let keys = ["url", "ref", "list", "ssh_key", "host_keys", "allow_local"];
    let fields = Fields::of(node, "`repository`", &keys, f)?;
    let url = fields.require("url", f).and_then(|node| Some((node.parsed(value::repository_url, f)?, node)));
    let ref_name = parsed_or(&fields, "ref", "refs/heads/main", value::ref_name, f);
    let list = parsed_or(&fields, "list", "domains.yaml", value::list_path, f);
    let ssh_key = fields.get("ssh_key").and_then(|node| path(node, f));
    let host_keys: Vec<Fingerprint> = all(&fields, "host_keys", value::fingerprint, f);
    let allow_local = fields.get("allow_local").and_then(|node| node.flag(f)).unwrap_or(false);
    let (url, url_node) = url?;
    let local = value::is_local(&url);
    if local && !allow_local {
        f.report(Code::BadValue, url_node.at, format!("`{url}` is a path of this host"))
            .hint("use an `ssh://` URL, or set `allow_local: true` to try things out");
    }
    if !local && fields.get("host_keys").is_none_or(Node::is_empty_sequence) {
        f.report(Code::MissingKey, url_node.at, "`repository` needs `host_keys` for an `ssh://` URL").hint(
            "get them with `ssh-keyscan HOST | ssh-keygen -lf -` and compare them with what the host's owner says",
        );
    }
    Some(Repository { url, ref_name: ref_name?, list: list?, ssh_key, host_keys, allow_local: local })
}

fn trust(node: &Node, f: &mut Findings<'_>) -> Option<Trust> {
    let keys = [
        "introduction",
        "allowed_signers",
        "policy",
        "require",
        "revoked",
        "certificate_authorities",
        "max_stale",
        "max_quiet",
    ];
    let fields = Fields::of(node, "`trust`", &keys, f)?;
    let introduction = fields.require("introduction", f).and_then(|node| node.parsed(CommitId::parse, f));
    let allowed_signers = fields.require("allowed_signers", f).and_then(|node| path(node, f));
    let policy = fields.get("policy").and_then(|node| path(node, f));
    let require = fields.get("require").map_or(Some(Require::All), |node| require(node, f));
    let revoked: BTreeSet<Fingerprint> = all(&fields, "revoked", value::fingerprint, f);
    let certificate_authorities: BTreeSet<Fingerprint> = all(&fields, "certificate_authorities", value::fingerprint, f);
    let max_stale = fields.get("max_stale").map_or(Some(Duration::days(30)), |node| node.duration(f));
    let max_quiet = fields.get("max_quiet").and_then(|node| node.duration(f));
    Some(Trust {
        introduction: introduction?,
        allowed_signers: allowed_signers?,
        policy,
        require: require?,
        revoked,
        certificate_authorities,
        max_stale: max_stale?,
        max_quiet,
    })
}

fn require(node: &Node, f: &mut Findings<'_>) -> Option<Require> {
    match node.text(f)? {
        "all" => Some(Require::All),
        "protected" => Some(Require::Protected),
        other => {
            f.report(Code::BadValue, node.at, format!("`{other}` is not a way to require signatures")).hint(suggest(
                other,
                ["all", "protected"].into_iter(),
                "ways",
            ));
            None
        }
    }
}

/// The built-in authorities and those of the file.
fn authorities(node: Option<&Node>, f: &mut Findings<'_>) -> BTreeMap<String, Authority> {
    let built_in = BUILT_IN.iter().map(|(name, directory, limits)| {
        let authority = Authority {
            directory: (*directory).to_owned(),
            root: None,
            anchors: None,
            contact: Vec::new(),
            timeout: ACME_TIMEOUT,
            eab: None,
            preferred_chain: None,
            limits: *limits,
        };
        ((*name).to_owned(), authority)
    });
    let mut authorities: BTreeMap<_, _> = built_in.collect();
    let Some(fields) = node.and_then(|node| Fields::read(node, "`authorities`", f)) else {
        return authorities;
    };
    for (name, at, node) in fields.entries() {
        match value::word(name) {
            Ok(name) => {
                if let Some(authority) = authority(node, authorities.get(&name), f) {
                    authorities.insert(name, authority);
                }
            }
            Err(message) => {
                f.report(Code::BadValue, at, message);
            }
        }
    }
    authorities
}

fn authority(node: &Node, built_in: Option<&Authority>, f: &mut Findings<'_>) -> Option<Authority> {
    let fields = Fields::of(
        node,
        "an authority",
        &["directory", "root", "anchors", "contact", "timeout", "eab", "preferred_chain", "limits"],
        f,
    )?;
    let directory = match (built_in, fields.get("directory")) {
        (None, _) => {
            fields.require("directory", f).and_then(|node| node.parsed(|text| value::url(text, &["https"]), f))
        }
        (Some(built_in), None) => Some(built_in.directory.clone()),
        (Some(_), Some(node)) => {
            f.report(Code::BadValue, node.at, "the directory of a built-in authority cannot be changed")
                .hint("give the other CA a name of its own");
            None
        }
    };
    let root = fields.get("root").and_then(|node| path(node, f));
    let anchors = fields.get("anchors").and_then(|node| path(node, f));
    let contact = all(&fields, "contact", value::contact, f);
    let timeout = fields.get("timeout").map_or(Some(ACME_TIMEOUT), |node| node.number(1, 600, f));
    let eab = fields.get("eab").map(|node| eab(node, f));
    let preferred_chain = optional(&fields, "preferred_chain", value::common_name, f);
    let eab = match eab {
        Some(None) => return None,
        eab => eab.flatten(),
    };
    let directory = directory?;
    // A second account at a built-in authority has a name of its own and the same limits.
    let known = BUILT_IN.iter().find(|(_, known, _)| *known == directory).map(|(.., limits)| *limits);
    let limits = fields
        .get("limits")
        .map_or(Some(known.unwrap_or_default()), |node| ca_limits(node, known.unwrap_or_default(), f));
    Some(Authority { directory, root, anchors, contact, timeout: timeout?, eab, preferred_chain, limits: limits? })
}

/// What is not said stays as it is known.
fn ca_limits(node: &Node, known: ledger::Limits, f: &mut Findings<'_>) -> Option<ledger::Limits> {
    let keys = ["orders_per_account", "certificates_per_domain", "certificates_per_set", "failures_per_name"];
    let fields = Fields::of(node, "`limits` of an authority", &keys, f)?;
    let mut limit = |key, known: Option<Limit>| match fields.get(key) {
        Some(node) => node.parsed(Limit::parse, f).or(known),
        None => known,
    };
    Some(ledger::Limits {
        orders_per_account: limit("orders_per_account", known.orders_per_account),
        certificates_per_domain: limit("certificates_per_domain", known.certificates_per_domain),
        certificates_per_set: limit("certificates_per_set", known.certificates_per_set),
        failures_per_name: limit("failures_per_name", known.failures_per_name),
    })
}

fn eab(node: &Node, f: &mut Findings<'_>) -> Option<Eab> {
    let fields = Fields::of(node, "`eab`", &["kid", "hmac_file", "hmac_env"], f)?;
    let kid = fields.require("kid", f).and_then(|node| node.parsed(value::aws_name, f));
    let file = fields.get("hmac_file").and_then(|node| path(node, f)).map(Hmac::File);
    let variable = optional(&fields, "hmac_env", value::variable, f).map(Hmac::Variable);
    match (file, variable) {
        (Some(hmac), None) | (None, Some(hmac)) => Some(Eab { kid: kid?, hmac }),
        (file, _) => {
            let message = if file.is_some() { "has two HMAC keys" } else { "needs `hmac_file` or `hmac_env`" };
            f.report(Code::MissingKey, node.at, format!("`eab` {message}"))
                .hint("name the file, or the environment variable, that holds the key as the CA shows it");
            None
        }
    }
}

fn route53(node: &Node, f: &mut Findings<'_>) -> Option<Route53> {
    let keys = ["endpoint", "profile", "assume_role", "zones", "nameservers", "ttl"];
    let fields = Fields::of(node, "`route53`", &keys, f)?;
    Some(Route53 {
        endpoint: optional(&fields, "endpoint", endpoint, f),
        profile: optional(&fields, "profile", value::aws_name, f),
        assume_role: optional(&fields, "assume_role", value::role, f),
        zones: fields.get("zones").map(|node| named(node, "`zones`", value::zone_name, zone, f)).unwrap_or_default(),
        nameservers: all(&fields, "nameservers", value::server, f),
        ttl: fields.get("ttl").map_or(Some(60), |node| node.number(1, 86_400, f))?,
    })
}

/// A zone's id, or a mapping with its id and a role.
fn zone(node: &Node, f: &mut Findings<'_>) -> Option<ZonePin> {
    if !node.is_mapping() {
        return Some(ZonePin { id: node.parsed(value::zone_id, f)?, assume_role: None });
    }
    let fields = Fields::of(node, "a zone", &["id", "assume_role"], f)?;
    let assume_role = optional(&fields, "assume_role", value::role, f);
    Some(ZonePin { id: fields.require("id", f)?.parsed(value::zone_id, f)?, assume_role })
}

fn bucket(node: &Node, f: &mut Findings<'_>) -> Option<Bucket> {
    let keys =
        ["bucket", "prefix", "region", "profile", "kms_key", "endpoint", "expected_owner", "flat", "layouts", "keep"];
    let fields = Fields::of(node, "a bucket", &keys, f)?;
    let kms_key = optional(&fields, "kms_key", value::aws_name, f);
    let flat = fields.get("flat").map_or(Some(false), |node| node.flag(f));
    let layouts: BTreeSet<Naming> = all(&fields, "layouts", Naming::parse, f);
    if let Some(node) = fields.get("layouts").filter(|_| flat == Some(false) && !layouts.is_empty()) {
        f.report(Code::BadValue, node.at, "`layouts` names plain copies, and this bucket has none")
            .hint("say `flat: true` too; `pull` makes these names on its own machine");
    }
    let keep = keep(&fields, f);
    Some(Bucket { kms_key, flat: flat?.then_some(layouts), keep: keep?, ..place(&fields, f)? })
}

/// How many versions are kept, if not all. The one before the live one is still read by whoever began before it was.
fn keep(fields: &Fields<'_>, f: &mut Findings<'_>) -> Option<Option<usize>> {
    match fields.get("keep") {
        Some(node) => node.number(2, 100_000, f).map(|keep| Some(keep as usize)),
        None => Some(None),
    }
}

/// What whoever reads a bucket must know of it too.
pub(super) fn place(fields: &Fields<'_>, f: &mut Findings<'_>) -> Option<Bucket> {
    let bucket = fields.require("bucket", f).and_then(|node| node.parsed(value::bucket_name, f));
    let prefix = parsed_or(fields, "prefix", "", value::prefix, f);
    let region = optional(fields, "region", value::aws_name, f);
    let profile = optional(fields, "profile", value::aws_name, f);
    let endpoint = optional(fields, "endpoint", endpoint, f);
    let expected_owner = optional(fields, "expected_owner", value::account, f);
    let (bucket, prefix) = (bucket?, prefix?);
    Some(Bucket { bucket, prefix, region, profile, endpoint, expected_owner, kms_key: None, flat: None, keep: None })
}

fn provided(node: &Node, f: &mut Findings<'_>) -> Option<Provided> {
    let fields = Fields::of(node, "a provided certificate", &["cert", "key", "chain"], f)?;
    let cert = fields.require("cert", f).and_then(|node| path(node, f));
    let key = fields.require("key", f).and_then(|node| path(node, f));
    let chain = fields.get("chain").and_then(|node| path(node, f));
    Some(Provided { cert: cert?, key: key?, chain })
}

fn limits(node: &Node, f: &mut Findings<'_>) -> Option<Limits> {
    let fields = Fields::of(node, "`limits`", &["max_changed_percent", "min_lineages"], f)?;
    let base = Limits::default();
    let percent =
        fields.get("max_changed_percent").map_or(Some(base.max_changed_percent), |node| node.number(0, 100, f));
    let least = fields.get("min_lineages").map_or(Some(base.min_lineages), |node| node.number(0, 1_000_000, f));
    Some(Limits { max_changed_percent: percent?, min_lineages: least? })
}

fn notify(node: &Node, f: &mut Findings<'_>) -> Option<Notify> {
    let fields = Fields::of(node, "`notify`", &["webhook_file", "command"], f)?;
    let webhook_file = fields.get("webhook_file").and_then(|node| path(node, f));
    Some(Notify { webhook_file, command: all(&fields, "command", value::argument, f) })
}

pub(super) fn path(node: &Node, f: &mut Findings<'_>) -> Option<PathBuf> {
    node.parsed(|text| if text.is_empty() { Err("a path is empty") } else { Ok(PathBuf::from(text)) }, f)
}

pub(crate) fn endpoint(text: &str) -> Result<String, String> {
    value::url(text, &["http", "https"])
}

/// A mapping from names to things. What cannot be read is reported and left out.
pub(super) fn named<T>(
    node: &Node,
    what: &'static str,
    name: fn(&str) -> Result<String, String>,
    read: fn(&Node, &mut Findings<'_>) -> Option<T>,
    f: &mut Findings<'_>,
) -> BTreeMap<String, T> {
    let Some(fields) = Fields::read(node, what, f) else { return BTreeMap::new() };
    let mut things = BTreeMap::new();
    for (text, at, node) in fields.entries() {
        let thing = read(node, f);
        match name(text) {
            Ok(name) if things.contains_key(&name) => {
                f.report(Code::DuplicateKey, at, format!("`{name}` stands twice in {what}"));
            }
            Ok(name) => things.extend(thing.map(|thing| (name, thing))),
            Err(message) => {
                f.report(Code::BadValue, at, message);
            }
        }
    }
    things
}

pub(super) fn optional(
    fields: &Fields<'_>,
    key: &str,
    parse: fn(&str) -> Result<String, String>,
    f: &mut Findings<'_>,
) -> Option<String> {
    fields.get(key).and_then(|node| node.parsed(parse, f))
}

fn parsed_or(
    fields: &Fields<'_>,
    key: &str,
    default: &str,
    parse: fn(&str) -> Result<String, String>,
    f: &mut Findings<'_>,
) -> Option<String> {
    fields.get(key).map_or_else(|| Some(default.to_owned()), |node| node.parsed(parse, f))
}

/// Every value of a sequence, none if the key is missing.
pub(super) fn all<T, C: FromIterator<T>>(
    fields: &Fields<'_>,
    key: &str,
    parse: fn(&str) -> Result<T, String>,
    f: &mut Findings<'_>,
) -> C {
    let items = fields.get(key).and_then(|node| node.items(f)).unwrap_or_default();
    items.iter().filter_map(|item| item.parsed(parse, f)).collect()
}
