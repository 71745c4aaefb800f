//! Hooks: who is told what of a lineage after a run, and what is still to be told.
//!
//! What was told stands in the store as versions, not as a queue: a run that is cut short between a certificate and its
//! hooks loses nothing, because the live version is then another one than the version that was told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::fault::Fault;
use crate::lineage::Stored;
use crate::name::{Digest, LineageName};
use crate::outcome::Outcome;
use crate::port::Inventory;

/// The version of the JSON that hooks read.
const FORMAT: u32 = 1;

/// Characters of a variable that says what a server said. The kernel refuses a program whose variables are too long.
const LONGEST: usize = 1000;

/// What a hook is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// A lineage has its first certificate, however it came, or is back from the stash.
    AfterIssue,
    /// Another version took the place of the one that was live.
    AfterRenew,
    /// The order, the upload or the stash of a lineage failed in this run.
    OnFailure,
}

impl Event {
    pub const ALL: [Self; 3] = [Self::AfterIssue, Self::AfterRenew, Self::OnFailure];

    /// As in the name of a script.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AfterIssue => "after-issue",
            Self::AfterRenew => "after-renew",
            Self::OnFailure => "on-failure",
        }
    }
}

/// What hooks were told already. Stands in `hooks.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// The version of each live lineage of which all hooks were told.
    pub versions: BTreeMap<LineageName, u64>,
    /// Versions of which only some hooks were told.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub open: BTreeMap<LineageName, Open>,
}

/// A version of which only some hooks were told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Open {
    pub version: u64,
    /// Commands that ended well.
    pub done: BTreeSet<Digest>,
}

impl Told {
    /// Everything that is live counts as told: hooks hear of what changes from now on.
    pub fn all(inventory: &Inventory) -> Self {
        let versions = inventory.live.iter().map(|(name, stored)| (name.clone(), stored.meta.version));
        Self { versions: versions.collect(), open: BTreeMap::new() }
    }

    /// What is to be told of a live lineage.
    pub fn due(&self, stored: &Stored) -> Option<Event> {
        match self.versions.get(&stored.meta.lineage) {
            Some(version) if *version == stored.meta.version => None,
            Some(_) => Some(Event::AfterRenew),
            None => Some(Event::AfterIssue),
        }
    }

    /// Whether a command ended well for this version already.
    pub fn has(&self, stored: &Stored, command: &Digest) -> bool {
        let open = self.open.get(&stored.meta.lineage).filter(|open| open.version == stored.meta.version);
        open.is_some_and(|open| open.done.contains(command))
    }

    /// One command ended well.
    pub fn tell(&mut self, stored: &Stored, command: Digest) {
        let version = stored.meta.version;
        let fresh = || Open { version, done: BTreeSet::new() };
        let open = self.open.entry(stored.meta.lineage.clone()).or_insert_with(fresh);
        if open.version != version {
            *open = fresh();
        }
        open.done.insert(command);
    }

    /// All commands ended well.
    pub fn finish(&mut self, stored: &Stored) {
        self.open.remove(&stored.meta.lineage);
        self.versions.insert(stored.meta.lineage.clone(), stored.meta.version);
    }

    /// Forgets lineages that are not live any more, so that they count as new when they come back.
    pub fn forget_others(&mut self, inventory: &Inventory) {
        let here = |name: &LineageName| inventory.live.contains_key(name) || inventory.broken.contains_key(name);
        self.versions.retain(|name, _| here(name));
        self.open.retain(|name, _| here(name));
    }
}

/// What became of one command.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ran {
    pub lineage: LineageName,
    pub event: Event,
    /// The program, or the script's path in the config repo.
    pub command: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    pub seconds: f64,
}

/// What a command hears.
pub struct Facts<'a> {
    pub event: Event,
    pub lineage: &'a LineageName,
    pub stored: Option<&'a Stored>,
    /// What this run did about the lineage. Nothing if an earlier one did.
    pub outcome: Option<&'a Outcome>,
    /// The folder `live/` of the store.
    pub live: &'a Path,
}

impl Facts<'_> {
    /// Variables, all of which begin with `COUNTERSIGN_`. What is not known is not set.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let mut all = vec![
            ("COUNTERSIGN_EVENT", self.event.as_str().to_owned()),
            ("COUNTERSIGN_LINEAGE", self.lineage.to_string()),
            ("COUNTERSIGN_OUTCOME", self.word().to_owned()),
        ];
        if let Some(outcome) = self.outcome {
            all.push(("COUNTERSIGN_ACTION", outcome.action.to_string()));
        }
        if let Some(stored) = self.stored {
            let facts = stored.facts();
            all.push(("COUNTERSIGN_LIVE", self.folder().display().to_string()));
            all.push(("COUNTERSIGN_VERSION", stored.meta.version.to_string()));
            all.push(("COUNTERSIGN_SERIAL", facts.serial.clone()));
            all.push(("COUNTERSIGN_NOT_AFTER", stamp(facts.not_after)));
            all.push(("COUNTERSIGN_DOMAINS", joined(facts.identifiers.iter().map(|name| name.as_str()))));
            all.push(("COUNTERSIGN_PUBLISHED", joined(stored.published.keys().map(String::as_str))));
        }
        if let Some(fault) = self.fault() {
            all.push(("COUNTERSIGN_FAULT", plain(&fault.code)));
            all.push(("COUNTERSIGN_MESSAGE", plain(&fault.message)));
        }
        all
    }

    /// The same and more as one object, for standard input.
    pub fn to_json(&self) -> Value {
        let stored = self.stored;
        json!({
            "version": FORMAT,
            "event": self.event,
            "lineage": self.lineage,
            "outcome": self.word(),
            "live": stored.map(|_| self.folder()),
            "lineage_version": stored.map(|stored| stored.meta.version),
            "certificate": stored.map(Stored::facts),
            "provenance": stored.map(|stored| &stored.meta.provenance),
            "published": stored.map(|stored| stored.published.keys().collect::<Vec<_>>()).unwrap_or_default(),
            "run": self.outcome,
        })
    }

    fn word(&self) -> &'static str {
        if self.event == Event::OnFailure { "failed" } else { "done" }
    }

    fn folder(&self) -> PathBuf {
        self.live.join(self.lineage.as_str())
    }

    fn fault(&self) -> Option<&Fault> {
        let outcome = self.outcome?;
        outcome.fault.as_ref().or_else(|| outcome.published.values().flatten().next())
    }
}

/// RFC 3339.
fn stamp(time: OffsetDateTime) -> String {
    time.format(&Rfc3339).unwrap_or_default()
}

fn joined<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(" ")
}

/// A variable holds no control characters and has an end: what it says may come from a server.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect()
}
