//! What others have to tell: the config repo, the CAs, DNS and the buckets. Nothing of it is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Checked, Sheet, State};
use crate::audit::copy;
use crate::bucket::Safety;
use crate::ca::AcmeCa;
use crate::caa;
use crate::cli::output::counted;
use crate::cli::probe::{self, Applicants, Found, Outlook, Probe};
use crate::cli::runtime::runtime;
use crate::cli::{source, wire};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::dns::CaaLookup;
use crate::fault::Fault;
use crate::list::Certificate;
use crate::port::Clock;
use crate::source::BareStore;
use crate::store::FileStore;
use crate::trust::{self, TrustRoot, Verdict, VerifiedList, When};

pub fn ask(config: &Config, root: &TrustRoot, store: Arc<FileStore>, sheet: &mut Sheet<'_>) {
    let Some(list) = head(config, root, &store, sheet) else {
        let fact = "not asked, nor are clock, aws, zone, caa and bucket: no list says what they are needed for";
        return sheet.add(Checked::warn("ca", fact, "mend what failed above, then run it again"));
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(fault) => return sheet.add(Checked::of("network", State::Fail, &fault)),
    };
    let certificates: Vec<&Certificate> = list.list().certificates().collect();
    runtime.block_on(async {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let applicants = authorities(config, &store, &clock, &certificates, sheet).await;
        identities(config, sheet).await;
        zones(config, &certificates, sheet).await;
        match wire::caa(config) {
            Ok(lookup) => records(&lookup, &applicants, &certificates, sheet).await,
            Err(fault) => sheet.add(Checked::of("caa", State::Fail, &fault)),
        }
        buckets(config, &store, &certificates, sheet).await;
    });
}

/// Fetches into a folder that goes away again, and judges the tip as a run would.
fn head(config: &Config, root: &TrustRoot, store: &FileStore, sheet: &mut Sheet<'_>) -> Option<VerifiedList> {
    let judged = (|| {
        let folder = tempfile::tempdir()
            .map_err(|error| Fault::new("git:store", "failed to make a temporary folder").caused_by(&error))?;
        let path = folder.path().join("git");
        let head = source::remote_into(config, path.clone()).fetch()?;
        if !config.repository.allow_local {
            let pinned = counted(config.repository.host_keys.len(), "pinned key");
            sheet.add(Checked::ok("host-key", format!("the git server showed one of {pinned}")));
        }
        sheet.add(Checked::ok("repo", format!("{} is at {}", config.repository.ref_name, head.short())));
        let (state, _) = source::look_up_state(store, root).map_err(|failure| failure.fault)?;
        let seen = source::first_seen(store);
        let when = When { now: SystemClock.now(), first_seen: Some(&seen) };
        trust::verify(root, state.as_ref(), &head, &BareStore::open(&path)?, when, Some(&config.known()))
    })();
    match judged {
        Ok(Verdict::Verified(list)) => {
            let signer = list.head_signer().unwrap_or("nobody: it touches nothing protected");
            sheet.add(Checked::ok("tip", format!("{} verifies, signed by {signer}", list.commit().short())));
            Some(*list)
        }
        Ok(Verdict::Refused(refused)) => {
            let failure = source::refusal(&refused);
            sheet.add(Checked::of("tip", State::Fail, &failure.fault));
            None
        }
        Err(fault) => {
            let check = match fault.code.as_str() {
                "git:host-key" => "host-key",
                "X01-state-rollback" => "tip",
                _ => "repo",
            };
            sheet.add(Checked::of(check, State::Fail, &fault));
            None
        }
    }
}

async fn authorities(
    config: &Config,
    store: &Arc<FileStore>,
    clock: &Arc<dyn Clock>,
    certificates: &[&Certificate],
    sheet: &mut Sheet<'_>,
) -> Applicants {
    let used: BTreeSet<&String> = certificates.iter().map(|certificate| &certificate.authority).collect();
    let cas = wire::acme(config, store, clock).unwrap_or_else(|fault| {
        sheet.add(Checked::of("ca", State::Fail, &fault));
        BTreeMap::new()
    });
    for (name, ca) in cas.iter().filter(|(name, _)| used.contains(name)) {
        match authority(name, ca).await {
            Ok(lines) => lines.into_iter().for_each(|line| sheet.add(line)),
            Err(fault) => {
                let check = if fault.code == "acme:clock" { "clock" } else { "ca" };
                sheet.add(Checked::of(check, State::Fail, &fault));
            }
        }
    }
    probe::applicants(config, store, clock, certificates).await.unwrap_or_default()
}

/// The CA, its account, its renewal information, and our clock by its answers.
async fn authority(name: &str, ca: &AcmeCa) -> Result<Vec<Checked>, Fault> {
    let account = match ca.existing_account().await? {
        Some(url) => format!("`{name}` answers and knows the account {url}"),
        None => format!("`{name}` answers; the first order makes the account"),
    };
    let ari = match ca.offers_renewal_info().await? {
        true => Checked::ok("ari", format!("`{name}` says when to renew")),
        false => Checked::ok("ari", format!("`{name}` does not say when to renew: the lifetime decides")),
    };
    let clock = Checked::ok("clock", format!("agrees with that of `{name}` within five minutes"));
    Ok(vec![Checked::ok("ca", account), ari, clock])
}

/// Two sets of credentials keep whoever steals the one from the other's work.
async fn identities(config: &Config, sheet: &mut Sheet<'_>) {
    let keys = wire::access_keys(config).await;
    let mut found: BTreeMap<&String, Vec<&String>> = BTreeMap::new();
    for (purpose, key) in &keys {
        match key {
            Ok(key) => found.entry(key).or_default().push(purpose),
            Err(fault) => {
                let message = format!("AWS credentials for {purpose} cannot be had");
                sheet.add(Checked::of("aws", State::Fail, &Fault { message, ..fault.clone() }));
            }
        }
    }
    let shared = found.values().any(|purposes| purposes.len() > 1 && purposes.iter().any(|one| *one == "Route53"));
    for (key, purposes) in found {
        let purposes: Vec<&str> = purposes.into_iter().map(String::as_str).collect();
        let fact = format!("{key} is for {}", purposes.join(", "));
        let fix =
            "give Route53 and S3 credentials of their own: `profile:` under each, `countersign iam-policy` for both";
        sheet.add(if shared { Checked::warn("aws", fact, fix) } else { Checked::ok("aws", fact) });
    }
}

/// Zones and delegation: what is wrong with a zone is told once, however many names are in it.
async fn zones(config: &Config, certificates: &[&Certificate], sheet: &mut Sheet<'_>) {
    let probes = match wire::dns(config).await {
        Ok(dns) => probe::zones(&dns, certificates).await,
        Err(fault) => return sheet.add(Checked::of("zone", State::Fail, &fault)),
    };
    let mut told: BTreeMap<String, (State, Option<String>, BTreeSet<&str>)> = BTreeMap::new();
    for probe in &probes {
        let (why, state, fix) = match &probe.found {
            Found::Fault(fault) => (fault.to_string(), State::Fail, fault.hint.clone()),
            Found::Doubt { why, .. } => {
                let fix = "let the registrar or the parent zone name the servers of the hosted zone, and no others";
                (why.clone(), State::Warn, Some(fix.to_owned()))
            }
            Found::Zone(_) | Found::Caa(_) => continue,
        };
        told.entry(why).or_insert((state, fix, BTreeSet::new())).2.insert(probe.identifier.base());
    }
    if told.is_empty() {
        let asked = if config.dns.route53.nameservers.is_empty() { ", and the world asks them" } else { "" };
        sheet.add(Checked::ok("zone", format!("hosted zones hold {}{asked}", counted(probes.len(), "name"))));
    }
    for (why, (state, fix, names)) in told {
        let first = names.iter().next().copied().unwrap_or_default();
        let who = if names.len() > 1 { format!("{first} and {} more", names.len() - 1) } else { first.to_owned() };
        sheet.add(Checked { check: "zone", state, fact: format!("{who}: {why}"), fix });
    }
}

/// The names of one zone, judged for one authority.
#[derive(Default)]
struct Judged<'a> {
    worst: Option<&'a Probe>,
    names: usize,
}

/// One line for each zone and authority: the worst name speaks, and the record that makes it right is printed.
async fn records(lookup: &CaaLookup, applicants: &Applicants, certificates: &[&Certificate], sheet: &mut Sheet<'_>) {
    let authority_of: BTreeMap<_, _> = certificates.iter().map(|one| (&one.name, &one.authority)).collect();
    let mut judged: BTreeMap<(String, &String), Judged> = BTreeMap::new();
    let probes = probe::caa(lookup, applicants, certificates).await;
    let mut zones: BTreeMap<String, String> = BTreeMap::new();
    for probe in &probes {
        let base = probe.identifier.base();
        if !zones.contains_key(base) {
            let zone = lookup.zone(base).await.unwrap_or_else(|_| base.to_owned());
            zones.insert(base.to_owned(), zone);
        }
        let entry = judged.entry((zones[base].clone(), authority_of[&probe.lineage])).or_default();
        entry.names += 1;
        if entry.worst.is_none_or(|worst| worst.outlook() < probe.outlook()) {
            entry.worst = Some(probe);
        }
    }
    for ((zone, authority), Judged { worst, names }) in judged {
        let Some(worst) = worst else { continue };
        let us = applicants.get(authority).and_then(|us| us.as_ref().ok());
        let record = us.and_then(|us| caa::record(&zone, us));
        let fix = match &worst.found {
            Found::Fault(fault) => fault.hint.clone(),
            _ => record.as_ref().map(|record| format!("let the zone hold: {record}")),
        };
        let fact = worst.fact();
        sheet.add(match worst.outlook() {
            Outlook::Good => {
                Checked::ok("caa", format!("{} of {zone}: {}", counted(names, "name"), record.unwrap_or_default()))
            }
            Outlook::Doubtful => Checked { check: "caa", state: State::Warn, fact, fix },
            Outlook::Bad => Checked { check: "caa", state: State::Fail, fact, fix },
        });
    }
}

async fn buckets(config: &Config, store: &FileStore, certificates: &[&Certificate], sheet: &mut Sheet<'_>) {
    let chain = store.audit().unwrap_or_default();
    for (name, (bucket, _)) in wire::buckets(config).await {
        if !certificates.iter().any(|certificate| certificate.publish.contains(&name)) {
            continue;
        }
        let looked = async { bucket.list().await.map(|listing| listing.len()) };
        let result = match looked.await {
            Ok(objects) => copy::compare(bucket.as_ref(), &chain).await.map(|_| objects),
            Err(fault) => Err(fault),
        };
        let is_there = result.is_ok();
        sheet.add(match result {
            Ok(objects) => Checked::ok("bucket", format!("`{name}` holds {objects} objects")),
            Err(fault) => Checked::of("bucket", State::Fail, &fault),
        });
        if is_there {
            safety(&name, &Safety::of(&bucket.guards().await), sheet);
        }
    }
}

/// What a run looks at before it writes keys to a bucket.
fn safety(name: &str, safety: &Safety, sheet: &mut Sheet<'_>) {
    if let Some(refusal) = safety.refusal(name) {
        sheet.add(Checked::of("bucket-safety", State::Fail, &refusal));
    }
    if !safety.facts.is_empty() {
        sheet.add(Checked::ok("bucket-safety", format!("`{name}`: {}", safety.facts.join(", "))));
    }
    for doubt in &safety.doubts {
        let fix = "see docs/bucket.md; `countersign iam-policy s3` prints what the credentials need";
        sheet.add(Checked::warn("bucket-safety", format!("`{name}`: {doubt}"), fix));
    }
}
