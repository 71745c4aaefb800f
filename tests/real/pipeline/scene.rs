//! A lab with a signed list, and the host that runs countersign on it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::lab::bucket::{self, Object};
use crate::lab::pebble::{Options, Requests};
use crate::lab::{BUCKET, Lab, REGION};
use crate::run::{Run, Runner};

/// One certificate, for tests that are about something else.
pub const WWW: &str = "\
version: 1
defaults: {authority: lab, publish: [certs]}
certificates:
  - name: www
    domains: [www.lab.test]
";

pub struct Scene {
    pub lab: Lab,
    pub runner: Runner,
}

/// What the servers were asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    pub orders: usize,
    pub dns_changes: usize,
    /// Of lineages.
    pub uploads: usize,
}

/// Where the head of the audit log stands: not of any lineage, and new after each run that did or refused something.
const AUDIT_HEAD: &str = "audit-head.json";

impl Scene {
    /// Ann has signed and pushed the list.
    pub fn of(list: &str) -> Scene {
        Scene::with_pebble(list, Options::default())
    }

    pub fn with_pebble(list: &str, options: Options) -> Scene {
        let lab = Lab::with_pebble(options);
        lab.repo.commit_signed(&[("domains.yaml", list)], "Ask for certificates", &lab.ann);
        let runner = Runner::new(&lab);
        Scene { lab, runner }
    }

    /// The list is applied already.
    pub fn applied(list: &str) -> Scene {
        let scene = Scene::of(list);
        let run = scene.runner.apply();
        assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
        scene
    }

    /// Ann signs and pushes another list.
    pub fn push(&self, list: &str) -> String {
        self.lab.repo.commit_signed(&[("domains.yaml", list)], "Change the list", &self.lab.ann)
    }

    pub fn requests(&self) -> Requests {
        self.lab.pebble.requests()
    }

    /// Counted by Pebble's log and by the judge.
    pub fn asked(&self) -> Asked {
        Asked {
            orders: self.requests().new_order,
            dns_changes: self.lab.judge.count("ChangeResourceRecordSets"),
            uploads: self.uploads(),
        }
    }

    /// Challenge values that are left in Route53.
    pub fn challenge_values(&self) -> Vec<String> {
        self.lab.judge.challenge_values(&self.lab.zone_id)
    }

    /// What consumers find, read by boto3.
    pub fn bucket(&self) -> BTreeMap<String, Object> {
        let mut objects = bucket::read(&self.lab.judge, BUCKET, REGION);
        objects.retain(|key, _| !key.ends_with(AUDIT_HEAD));
        objects
    }

    fn uploads(&self) -> usize {
        let calls = self.lab.judge.calls();
        calls.iter().filter(|call| call.operation == "PutObject" && !call.path.ends_with(AUDIT_HEAD)).count()
    }

    pub fn live(&self, lineage: &str) -> PathBuf {
        self.runner.state().join("live").join(lineage)
    }

    /// `meta.json` of the live version.
    pub fn meta(&self, lineage: &str) -> Value {
        json(&std::fs::read_to_string(self.live(lineage).join("meta.json")).unwrap())
    }

    /// Everything that must never be lost, by path: links, keys, certificates, accounts.
    pub fn possessions(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        for folder in ["live", "archive", "stash", "accounts"] {
            gather(&self.runner.state().join(folder), &mut found);
        }
        found
    }
}

/// Why a run ended, for the message of an assertion.
pub fn said(run: &Run) -> String {
    format!("stdout:\n{}\nstderr:\n{}", run.stdout, run.stderr)
}

pub fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn gather(path: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    let Ok(about) = path.symlink_metadata() else { return };
    if about.is_symlink() {
        let target = std::fs::read_link(path).unwrap();
        found.insert(path.to_owned(), target.into_os_string().into_encoded_bytes());
    } else if about.is_dir() {
        std::fs::read_dir(path).unwrap().for_each(|entry| gather(&entry.unwrap().path(), found));
    } else {
        found.insert(path.to_owned(), std::fs::read(path).unwrap());
    }
}
