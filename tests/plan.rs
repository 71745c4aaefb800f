//! Plans by example: each folder of `tests/cases/plan` holds a list, a world and the plan that must come of them.
//!
//! `UPDATE_CASES=1` writes the plans anew; the difference is for review.

#[path = "shared/canary.rs"]
mod canary;

mod plan {
    mod lived;
    mod matrix;
}

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use countersign::diag::SourceFile;
use countersign::fault::{Fault, Retry};
use countersign::journal::{Attempt, Entry, Failures, Intent};
use countersign::ledger::limit::Limit;
use countersign::ledger::{End, Ledger, Limits, Order, Price, Terms};
use countersign::lineage::{CertFacts, Imported, Meta, Origin, Provenance, Stored};
use countersign::list::{Certificate, KeyType, List, parse};
use countersign::name::{CommitId, Digest, Identifier, LineageName};
use countersign::plan::provided::Provided;
use countersign::plan::{Adopt, Choices, Mode, Observed, Step, price, steps};
use countersign::port::RenewalInfo;
use serde::Deserialize;
use time::{Duration, OffsetDateTime};

/// `world.json`: what the store, the buckets and the CA say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct World {
    #[serde(with = "time::serde::rfc3339")]
    now: OffsetDateTime,
    #[serde(default)]
    renew_only: bool,
    #[serde(default)]
    only: Vec<LineageName>,
    #[serde(default)]
    force: BTreeMap<LineageName, String>,
    #[serde(default)]
    live: BTreeMap<LineageName, Held>,
    #[serde(default)]
    stash: BTreeMap<LineageName, Held>,
    /// Of ours below somebody else's.
    #[serde(default)]
    set_aside: BTreeMap<LineageName, Held>,
    #[serde(default)]
    imported: BTreeMap<LineageName, Held>,
    /// By the word of the list: what the runner's files hold, or why they cannot be used.
    #[serde(default)]
    provided: BTreeMap<String, Result<Held, String>>,
    #[serde(default)]
    journal: BTreeMap<LineageName, Left>,
    #[serde(default)]
    missing: BTreeMap<String, BTreeMap<LineageName, Vec<String>>>,
    #[serde(default)]
    broken: BTreeMap<LineageName, String>,
    /// Of every authority: what it allows, by the key of the runner's config.
    #[serde(default)]
    limits: BTreeMap<String, String>,
    #[serde(default)]
    ordered: Vec<Ordered>,
    /// What the CA said to earlier orders: a code, a text and for how many seconds to wait.
    #[serde(default)]
    refused: Vec<(String, String, u64)>,
}

/// An order of the ledger.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ordered {
    name: LineageName,
    domains: Vec<Identifier>,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    end: End,
}

const DIRECTORY: &str = "https://ca.example/dir";

/// A stored version.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Held {
    domains: Vec<Identifier>,
    #[serde(with = "time::serde::rfc3339")]
    issued: OffsetDateTime,
    days: i64,
    #[serde(default = "p256")]
    key: KeyType,
    #[serde(default = "staging")]
    authority: String,
    #[serde(default)]
    profile: Option<String>,
    /// The word of somebody else's.
    #[serde(default)]
    provided: Option<String>,
    /// Days after `issued` between which the CA suggests to renew.
    #[serde(default)]
    window: Option<(i64, i64)>,
}

/// What an earlier run left in the journal.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Left {
    #[serde(default)]
    order: Option<String>,
    #[serde(default)]
    failures: u32,
    #[serde(default, with = "time::serde::rfc3339::option")]
    not_before: Option<OffsetDateTime>,
}

fn p256() -> KeyType {
    KeyType::EcdsaP256
}

fn staging() -> String {
    "letsencrypt-staging".into()
}

fn provenance() -> Provenance {
    Provenance {
        commit: CommitId::parse(&"a".repeat(40)).unwrap(),
        signers: vec!["ann@example.com".into()],
        list: Digest::of(b"list"),
        trust_root: Digest::of(b"root"),
        approvals: Vec::new(),
        policy: None,
    }
}

impl Held {
    fn stored(&self, name: &LineageName) -> Stored {
        let facts = CertFacts {
            identifiers: self.domains.iter().cloned().collect(),
            not_before: self.issued,
            not_after: self.issued + Duration::days(self.days),
            serial: "0a".into(),
            issuer: "Test CA".into(),
            key: Some(self.key),
            public_key: Digest::of(name.as_str().as_bytes()),
            fingerprint: Digest::of(name.as_str().as_bytes()),
            ari_id: Some(format!("ari.{name}")),
        };
        let meta = Meta {
            schema: 1,
            lineage: name.clone(),
            version: 1,
            authority: self.authority.clone(),
            directory: DIRECTORY.into(),
            profile: self.profile.clone(),
            order_url: format!("https://ca.example/order/{name}/1"),
            certificate_url: "https://ca.example/cert/1".into(),
            provenance: provenance(),
            key_source: Default::default(),
            origin: match &self.provided {
                Some(word) => Origin::Provided { word: word.clone(), files: self.files() },
                None => Origin::Ordered,
            },
            stored_at: self.issued,
            facts,
        };
        Stored { meta, published: BTreeMap::new(), revoked: None }
    }

    fn imported(&self, name: &LineageName) -> Imported {
        let Stored { meta, .. } = self.stored(name);
        Imported {
            schema: 1,
            lineage: meta.lineage,
            from: "certbot".into(),
            authority: Some(meta.authority),
            directory: meta.directory,
            certificate_url: String::new(),
            taken_at: meta.stored_at,
            keyless: false,
            facts: meta.facts,
        }
    }

    /// Files are the same as long as they begin on the same day.
    fn files(&self) -> Digest {
        Digest::of(self.issued.to_string().as_bytes())
    }

    fn renewal_info(&self) -> Option<RenewalInfo> {
        let day = |days| self.issued + Duration::days(days);
        let (start, end) = self.window?;
        Some(RenewalInfo { start: day(start), end: day(end), explanation: None, ask_again: self.issued })
    }
}

impl Left {
    /// What was begun is what the list asks for, if it asks for it.
    fn entry(&self, name: &LineageName, wanted: Option<&Certificate>) -> Entry {
        let mut entry = Entry::new(name.clone());
        entry.attempt = self.order.as_ref().map(|order| Attempt {
            intent: Intent {
                identifiers: wanted.map(|wanted| wanted.identifiers.clone()).unwrap_or_default(),
                authority: wanted.map_or_else(staging, |wanted| wanted.authority.clone()),
                directory: String::new(),
                key: wanted.map_or_else(p256, |wanted| wanted.key),
                key_source: Default::default(),
                public_key: None,
                profile: wanted.and_then(|wanted| wanted.profile.clone()),
                replaces: None,
                csr: String::new(),
                provenance: provenance(),
            },
            order: Some(order.clone()),
            certificate: None,
        });
        let last = Fault::new("acme:unauthorized", "no TXT record found");
        entry.failures = self.not_before.map(|not_before| Failures { count: self.failures, last, not_before });
        entry
    }
}

fn terms(world: &World) -> BTreeMap<String, Terms> {
    let limit = |key: &str| world.limits.get(key).map(|text| Limit::parse(text).unwrap());
    let limits = Limits {
        orders_per_account: limit("orders_per_account"),
        certificates_per_domain: limit("certificates_per_domain"),
        certificates_per_set: limit("certificates_per_set"),
        failures_per_name: limit("failures_per_name"),
    };
    BTreeMap::from([(staging(), Terms { directory: DIRECTORY.into(), limits })])
}

fn ledger(world: &World, list: &List) -> Ledger {
    let mut ledger = Ledger::default();
    let order = |one: &Ordered| Order {
        at: one.at,
        directory: DIRECTORY.into(),
        lineage: one.name.clone(),
        identifiers: one.domains.iter().cloned().collect(),
        price: Price::New,
        end: one.end,
    };
    ledger.orders = world.ordered.iter().map(order).collect();
    let names = list.certificates().flat_map(|certificate| certificate.identifiers.clone()).collect();
    for (code, said, seconds) in &world.refused {
        let fault = Fault::new(code.as_str(), said.as_str()).retry(Retry::After(*seconds));
        ledger.refused(DIRECTORY, &names, &fault, world.now);
    }
    ledger
}

fn observed(world: &World, list: &List) -> Observed {
    let mut observed = Observed { missing: world.missing.clone(), ledger: ledger(world, list), ..Observed::default() };
    let inventory = &mut observed.inventory;
    inventory.live = world.live.iter().map(|(name, held)| (name.clone(), held.stored(name))).collect();
    inventory.stash = world.stash.iter().map(|(name, held)| (name.clone(), held.stored(name))).collect();
    inventory.set_aside = world.set_aside.iter().map(|(name, held)| (name.clone(), held.stored(name))).collect();
    inventory.imported = world.imported.iter().map(|(name, held)| (name.clone(), held.imported(name))).collect();
    inventory.journal =
        world.journal.iter().map(|(name, left)| (name.clone(), left.entry(name, list.get(name)))).collect();
    let broken = |text: &String| Fault::new("store:broken", text.clone());
    inventory.broken = world.broken.iter().map(|(name, text)| (name.clone(), broken(text))).collect();
    let provided = |held: &Held| Provided {
        facts: held.stored(&LineageName::parse("files").unwrap()).meta.facts,
        files: held.files(),
    };
    observed.provided = world
        .provided
        .iter()
        .map(|(word, found)| {
            let found = found.as_ref().map(provided).map_err(|text| Fault::new("provided:unusable", text.clone()));
            (word.clone(), found)
        })
        .collect();
    let infos = world.live.iter().chain(&world.stash);
    observed.renewal_infos =
        infos.filter_map(|(name, held)| Some((format!("ari.{name}"), held.renewal_info()?))).collect();
    observed
}

fn list(folder: &Path) -> List {
    let bytes = fs::read(folder.join("list.yaml")).unwrap();
    let parsed = parse::parse(&[SourceFile { path: "domains.yaml".into(), bytes }], None);
    parsed.list.unwrap_or_else(|| panic!("{}: {:?}", folder.display(), parsed.diagnostics))
}

fn planned(folder: &Path) -> Vec<Step> {
    let world: World = serde_json::from_slice(&fs::read(folder.join("world.json")).unwrap())
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mode = if world.renew_only { Mode::RenewOnly } else { Mode::Full };
    let only = world.only.iter().cloned().collect();
    let choices = Choices { every: Duration::DAY, only, force: world.force.clone(), terms: terms(&world) };
    let list = list(folder);
    let observed = observed(&world, &list);
    let mut steps = steps::steps(&list, mode, &observed, &choices, world.now);
    price::price(&mut steps, &observed, &choices, world.now);
    steps
}

fn text(steps: &[Step]) -> String {
    let line = |step: &Step| {
        let reasons: Vec<String> = step.reasons.iter().map(|reason| reason.text()).collect();
        let mut line = format!("{} {}: {}", step.action, step.lineage, reasons.join("; "));
        if step.unstash {
            line += " [unstash]";
        }
        if let Some(adopt) = &step.adopt {
            line += match adopt {
                Adopt::Earlier { .. } => " [adopt an earlier version]",
                Adopt::Imported => " [adopt the import]",
                Adopt::Provided { .. } => " [adopt the files]",
            };
        }
        if step.discard_stash {
            line += " [discard the stash]";
        }
        if let Some(id) = &step.replaces {
            line += &format!(" [replaces {id}]");
        }
        if let Some(price) = &step.price {
            line += &format!(" [{:?}: {}]", price.price, price.text().unwrap_or_default());
        }
        if let Some(due) = step.due {
            line += &format!(" [due {}]", due.date());
        }
        line + "\n"
    };
    steps.iter().map(line).collect()
}

#[test]
fn each_case_gives_the_plan_beside_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/plan");
    let mut folders: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() >= 12, "only {} cases found", folders.len());
    for folder in folders {
        let plan = text(&planned(&folder));
        let golden = folder.join("plan.txt");
        if std::env::var_os("UPDATE_CASES").is_some() {
            fs::write(&golden, &plan).unwrap();
        }
        assert_eq!(fs::read_to_string(&golden).unwrap_or_default(), plan, "{}", folder.display());
    }
}
