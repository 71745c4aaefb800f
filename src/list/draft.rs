//! One file of the list: its certificates as far as they can be read, defaults filled in.

use std::collections::BTreeSet;

use time::Duration;

use super::endpoint::Endpoint;
use super::parse::Known;
use super::{ChallengeType, KeySource, KeyType, Request, script};
use crate::diag::Code;
use crate::name::{Identifier, LineageName};
use crate::yaml::fields::suggest;
use crate::yaml::{Fields, Findings, Node, Spot};

/// How to order a certificate: keys of a certificate, and of `defaults`.
const ORDERING: [&str; 8] =
    ["authority", "key", "reuse_key", "challenge", "profile", "preferred_profile", "preferred_chain", "renew"];
/// Where the key of one certificate comes from.
const OWN_KEY: [&str; 2] = ["given_key", "csr"];
/// Bytes beyond which nothing can be a domain, however it is written.
const LONGEST: usize = 4 * 253;
const MUST_STAPLE: [&str; 4] = ["must-staple", "must_staple", "muststaple", "mustStaple"];

/// A certificate of the list, perhaps with faults that have been reported.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    /// Where its name stands, or where it starts.
    pub at: Spot,
    pub name: Option<LineageName>,
    /// As listed, with equal ones.
    pub identifiers: Vec<(Identifier, Spot)>,
    pub settings: Settings,
    pub key_source: KeySource,
    /// The runner's word for somebody else's certificate.
    pub provided: Option<String>,
    pub served: BTreeSet<Endpoint>,
}

/// What a certificate says of itself, its file in `defaults`, or else this program.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub authority: String,
    pub key: KeyType,
    pub reuse_key: bool,
    pub challenge: ChallengeType,
    pub profile: Option<String>,
    pub preferred_profile: Option<String>,
    pub preferred_chain: Option<String>,
    pub publish: BTreeSet<String>,
    pub renew_before: Option<(Duration, Spot)>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            authority: "letsencrypt-staging".to_owned(),
            key: KeyType::EcdsaP256,
            reuse_key: false,
            challenge: ChallengeType::Dns01,
            profile: None,
            preferred_profile: None,
            preferred_chain: None,
            publish: BTreeSet::new(),
            renew_before: None,
        }
    }
}

/// The certificates of a file. A file of another version is not read further.
pub(super) fn read(root: &Node, known: Option<&Known>, findings: &mut Findings<'_>) -> Vec<Draft> {
    let Some(file) = Fields::read(root, "a list", findings) else { return Vec::new() };
    if !file.is_version_1(findings) {
        return Vec::new();
    }
    file.only(&["version", "defaults", "certificates"], findings);
    let keys = [&ORDERING[..], &["publish"]].concat();
    let defaults = match file.get("defaults").and_then(|node| keys_of(node, "`defaults`", &keys, findings)) {
        Some(fields) => settings(&fields, &Settings::default(), known, findings),
        None => Settings::default(),
    };
    let items = file.require("certificates", findings).and_then(|node| node.items(findings));
    let items = items.unwrap_or_default().iter();
    items.filter_map(|node| certificate(node, &defaults, known, findings)).collect()
}

fn certificate(node: &Node, defaults: &Settings, known: Option<&Known>, findings: &mut Findings<'_>) -> Option<Draft> {
    let keys = [&["name", "domains"], &ORDERING[..], &OWN_KEY, &["publish", "provided", "served"]].concat();
    let fields = keys_of(node, "a certificate", &keys, findings)?;
    let name_node = fields.require("name", findings);
    let name = name_node.and_then(|node| name(node, findings));
    let domains = fields.require("domains", findings);
    let identifiers = domains.map(|node| identifiers(node, findings)).unwrap_or_default();
    let mut settings = settings(&fields, defaults, known, findings);
    let key_source = match fields.entries().find(|(key, ..)| *key == "csr") {
        Some((_, at, node)) => csr(&fields, (at, node), &identifiers, &mut settings, findings).unwrap_or_default(),
        None => key_source(&fields, &settings, known, findings),
    };
    let provided = fields.get("provided").and_then(|node| provided(node, &fields, known, findings));
    let served = fields.get("served").map(|node| served(node, &identifiers, findings)).unwrap_or_default();
    Some(Draft {
        at: name_node.map_or(fields.at, |node| node.at),
        name,
        identifiers,
        settings,
        key_source,
        provided,
        served,
    })
}

/// The fields of a certificate or of the defaults; must-staple gets an answer of its own.
fn keys_of<'n>(node: &'n Node, what: &'static str, keys: &[&str], findings: &mut Findings<'_>) -> Option<Fields<'n>> {
    let mut fields = Fields::read(node, what, findings)?;
    for (_, at) in fields.take(&MUST_STAPLE) {
        findings.report(Code::MustStaple, at, "must-staple certificates cannot be had any more").hint(
            "delete the key: public CAs no longer answer OCSP, and a certificate that demands it would not be served",
        );
    }
    fields.only(keys, findings);
    Some(fields)
}

fn name(node: &Node, findings: &mut Findings<'_>) -> Option<LineageName> {
    match LineageName::parse(node.text(findings)?) {
        Ok(name) => Some(name),
        Err(error) => {
            findings
                .report(Code::BadName, node.at, error.to_string())
                .hint("names have a-z, 0-9, `.`, `_` and `-`, at most 63");
            None
        }
    }
}

fn identifiers(node: &Node, findings: &mut Findings<'_>) -> Vec<(Identifier, Spot)> {
    let Some(texts) = node.texts(findings) else { return Vec::new() };
    if node.is_empty_sequence() {
        findings
            .report(Code::EmptyDomains, node.at, "a certificate without domains cannot be issued")
            .hint("list at least one domain, or delete the certificate");
    }
    texts.into_iter().filter_map(|(text, at)| Some((identifier(text, at, findings)?, at))).collect()
}

fn identifier(text: &str, at: Spot, findings: &mut Findings<'_>) -> Option<Identifier> {
    if text.len() > LONGEST {
        findings.report(Code::BadIdentifier, at, format!("a domain of {} bytes is not a DNS name", text.len()));
        return None;
    }
    let identifier = match Identifier::parse(text) {
        Ok(identifier) => identifier,
        Err(error) => {
            findings.report(Code::BadIdentifier, at, error.to_string());
            return None;
        }
    };
    let shown = identifier.to_unicode();
    if let Some(label) = script::mixed_label(&shown) {
        let message = format!("`{label}` mixes letters of different scripts: `{shown}` is `{identifier}`");
        findings.report(Code::MixedScript, at, message).hint("make sure that no letter only looks like another one");
    } else if !text.is_ascii() {
        findings
            .report(Code::IdnNormalised, at, format!("`{text}` becomes `{identifier}`"))
            .hint(format!("write `{identifier}` to show in review what will be certified"));
    }
    Some(identifier)
}

/// What is stated in `fields`, and `base` for the rest.
fn settings(fields: &Fields<'_>, base: &Settings, known: Option<&Known>, findings: &mut Findings<'_>) -> Settings {
    let mut settings = base.clone();
    if let Some(authority) = fields.get("authority").and_then(|node| authority(node, known, findings)) {
        settings.authority = authority;
    }
    if let Some(key) = fields.get("key").and_then(|node| key(node, findings)) {
        settings.key = key;
    }
    if let Some(reuse) = fields.get("reuse_key").and_then(|node| node.flag(findings)) {
        settings.reuse_key = reuse;
    }
    if let Some(challenge) = fields.get("challenge").and_then(|node| challenge(node, known, findings)) {
        settings.challenge = challenge;
    }
    profile(fields, &mut settings, findings);
    if let Some(node) = fields.get("preferred_chain") {
        settings.preferred_chain = common_name(node, findings);
    }
    if let Some(publish) = fields.get("publish").and_then(|node| publish(node, known, findings)) {
        settings.publish = publish;
    }
    if let Some(renew) = fields.get("renew").and_then(|node| Fields::of(node, "`renew`", &["before"], findings)) {
        let before = renew.require("before", findings);
        settings.renew_before = before.and_then(|node| Some((node.duration(findings)?, node.at)));
    }
    settings
}

/// Which profile: one that must be, or one that is preferred. Either takes the place of what `defaults` say.
fn profile(fields: &Fields<'_>, settings: &mut Settings, findings: &mut Findings<'_>) {
    let [required, preferred] = ["profile", "preferred_profile"].map(|key| fields.get(key));
    if let (Some(_), Some(node)) = (required, preferred) {
        findings
            .report(Code::BadValue, node.at, "a profile cannot be required and preferred at once")
            .hint("keep `profile` if nothing else will do, `preferred_profile` if the CA's default is good enough");
    }
    if required.or(preferred).is_some() {
        let mut read = |node: Option<&Node>| node.and_then(|node| word(node, "profile", findings));
        (settings.profile, settings.preferred_profile) = (read(required), read(preferred));
    }
}

/// The common name of a certificate (RFC 5280 appendix A: at most 64 characters).
fn common_name(node: &Node, findings: &mut Findings<'_>) -> Option<String> {
    let text = node.text(findings)?;
    let fits = (1..=64).contains(&text.chars().count()) && !text.contains(char::is_control) && text.trim() == text;
    if !fits {
        findings
            .report(Code::BadValue, node.at, format!("`{text}` is not the common name of an issuer"))
            .hint("write it as the CA's page of certificates shows it, such as `ISRG Root X1`");
    }
    fits.then(|| text.to_owned())
}

fn authority(node: &Node, known: Option<&Known>, findings: &mut Findings<'_>) -> Option<String> {
    let authority = word(node, "authority", findings)?;
    if let Some(known) = known.filter(|known| !known.authorities.contains(&authority)) {
        findings
            .report(Code::UnknownAuthority, node.at, format!("the runner has no authority `{authority}`"))
            .hint(suggest(&authority, known.authorities.iter().map(String::as_str), "known authorities"));
    }
    Some(authority)
}

fn publish(node: &Node, known: Option<&Known>, findings: &mut Findings<'_>) -> Option<BTreeSet<String>> {
    let mut buckets = BTreeSet::new();
    for item in node.items(findings)? {
        let Some(bucket) = word(item, "bucket", findings) else { continue };
        if let Some(known) = known.filter(|known| !known.buckets.contains(&bucket)) {
            findings
                .report(Code::UnknownBucket, item.at, format!("the runner has no bucket `{bucket}`"))
                .hint(suggest(&bucket, known.buckets.iter().map(String::as_str), "known buckets"));
        }
        buckets.insert(bucket);
    }
    Some(buckets)
}

fn provided(node: &Node, fields: &Fields<'_>, known: Option<&Known>, findings: &mut Findings<'_>) -> Option<String> {
    // Nothing of it means anything here.
    for (key, other) in ORDERING.iter().chain(&OWN_KEY).filter_map(|key| Some((key, fields.get(key)?))) {
        findings
            .report(Code::ProvidedAndOrdered, other.at, format!("a certificate that is provided takes no `{key}`"))
            .hint("somebody else issues it: delete this key, or delete `provided` to have it ordered");
    }
    let word = word(node, "provided certificate", findings)?;
    if let Some(known) = known.filter(|known| !known.provided.contains(&word)) {
        findings.report(Code::UnknownProvided, node.at, format!("the runner provides no `{word}`")).hint(suggest(
            &word,
            known.provided.iter().map(String::as_str),
            "words under `provided:`",
        ));
    }
    Some(word)
}

/// Only names of the certificate: a list sends nobody anywhere else.
fn served(node: &Node, identifiers: &[(Identifier, Spot)], findings: &mut Findings<'_>) -> BTreeSet<Endpoint> {
    let mut served = BTreeSet::new();
    for (text, at) in node.texts(findings).unwrap_or_default() {
        let fault = match Endpoint::parse(text) {
            Ok(Endpoint { host, .. }) if !identifiers.iter().any(|(name, _)| *name == host || name.covers(&host)) => {
                format!("`{host}` is no name of this certificate")
            }
            Ok(endpoint) => {
                served.insert(endpoint);
                continue;
            }
            Err(error) => error,
        };
        findings
            .report(Code::BadValue, at, fault)
            .hint("write a domain of the certificate, with `:PORT` if it is not 443: `www.example.com:8443`");
    }
    served
}

/// What a certificate says of its key is stronger than what `defaults` say.
fn key_source(
    fields: &Fields<'_>,
    settings: &Settings,
    known: Option<&Known>,
    findings: &mut Findings<'_>,
) -> KeySource {
    let made = if settings.reuse_key { KeySource::Reused } else { KeySource::New };
    let Some(node) = fields.get("given_key") else { return made };
    if let Some(other) = fields.get("reuse_key") {
        findings
            .report(Code::BadValue, other.at, "a key that the runner gives is neither made nor reused here")
            .hint("keep `given_key` or `reuse_key`");
    }
    let Some(word) = word(node, "given key", findings) else { return made };
    if let Some(known) = known.filter(|known| !known.given_keys.contains(&word)) {
        findings.report(Code::UnknownGivenKey, node.at, format!("the runner has no key `{word}`")).hint(suggest(
            &word,
            known.given_keys.iter().map(String::as_str),
            "words under `given_keys:`",
        ));
    }
    KeySource::Given(word)
}

/// A request brings the type of its key along. Findings point at the key `csr`, never at what stands there.
fn csr(
    fields: &Fields<'_>,
    (at, node): (Spot, &Node),
    identifiers: &[(Identifier, Spot)],
    settings: &mut Settings,
    findings: &mut Findings<'_>,
) -> Option<KeySource> {
    for (key, other) in ["reuse_key", "given_key"].iter().filter_map(|key| Some((key, fields.get(key)?))) {
        findings
            .report(Code::BadValue, other.at, "the key of a request is neither made nor given here")
            .hint(format!("keep `csr` or `{key}`"));
    }
    let Request { csr, alternative, common } = match Request::parse(node.text(findings)?) {
        Ok(request) => request,
        Err(flaw) => {
            findings.report(flaw.code, at, flaw.message).hint(flaw.hint);
            return None;
        }
    };
    if let Some(said) = fields.get("key").filter(|_| settings.key != csr.key()) {
        findings
            .report(Code::BadCsr, said.at, format!("the request has a key of another type, {}", csr.key()))
            .hint(format!("write `key: {}`, or leave it out", csr.key()));
    }
    settings.key = csr.key();
    let listed: BTreeSet<&Identifier> = identifiers.iter().map(|(identifier, _)| identifier).collect();
    let asked: BTreeSet<&Identifier> = alternative.iter().chain(&common).collect();
    if !listed.is_empty() && listed != asked {
        let of = |names: Vec<&&Identifier>| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let foreign: BTreeSet<&Identifier> = common.iter().collect();
        let words = [
            ("it lacks", of(listed.difference(&asked).collect())),
            ("not listed are", of(alternative.iter().collect::<BTreeSet<_>>().difference(&listed).collect())),
            ("not listed is its common name", of(foreign.difference(&listed).collect())),
        ];
        let said: Vec<String> = words
            .iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(word, names)| format!("{word} {names}"))
            .collect();
        findings
            .report(Code::CsrNames, at, format!("the request is not for the listed domains: {}", said.join("; ")))
            .hint("make the request anew with exactly the listed domains, or list the domains that it is for");
    }
    Some(KeySource::Csr(csr))
}

fn key(node: &Node, findings: &mut Findings<'_>) -> Option<KeyType> {
    let text = node.text(findings)?;
    let key = KeyType::ALL.into_iter().find(|key| key.as_str() == text);
    if key.is_none() {
        findings.report(Code::BadKeyType, node.at, format!("`{text}` is not a key type")).hint(suggest(
            text,
            KeyType::ALL.iter().map(|key| key.as_str()),
            "key types",
        ));
    }
    key
}

fn challenge(node: &Node, known: Option<&Known>, findings: &mut Findings<'_>) -> Option<ChallengeType> {
    let text = node.text(findings)?;
    let names = || ChallengeType::ALL.iter().map(|challenge| challenge.as_str());
    let Some(challenge) = ChallengeType::ALL.into_iter().find(|challenge| challenge.as_str() == text) else {
        findings.report(Code::BadChallenge, node.at, format!("the challenge `{text}` is not supported")).hint(suggest(
            text,
            names(),
            "challenges",
        ));
        return None;
    };
    if known.is_some_and(|known| !known.challenges.contains(&challenge)) {
        findings
            .report(Code::UnansweredChallenge, node.at, format!("the runner cannot answer `{challenge}`"))
            .hint("add `http: {folder: PATH}` to the runner's config, or write `dns-01`");
    }
    Some(challenge)
}

/// A name that another file defines. It may become a folder, so it has the grammar of a lineage name.
fn word(node: &Node, what: &str, findings: &mut Findings<'_>) -> Option<String> {
    let text = node.text(findings)?;
    if LineageName::parse(text).is_err() {
        let message = format!("`{text}` cannot be the name of a{} {what}", if what == "authority" { "n" } else { "" });
        findings.report(Code::BadValue, node.at, message).hint("names have a-z, 0-9, `.`, `_` and `-`");
        return None;
    }
    Some(text.to_owned())
}
