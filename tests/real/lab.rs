//! The lab: every part a pipeline run talks to, on loopback, in one temporary directory.

pub mod answer;
pub mod bucket;
pub mod daemon;
pub mod dns;
pub mod git;
pub mod judge;
pub mod moto;
pub mod nginx;
pub mod pebble;
pub mod sshd;
pub mod tls;
pub mod web;
pub mod xml;
pub mod zone;

use std::path::Path;

use dns::Dns;
use git::{ConfigRepo, Persona};
use judge::Judge;
use moto::Moto;
use pebble::Pebble;
use sshd::Sshd;

use crate::canary::Scratch;

/// The hosted zone that every lab has.
pub const ZONE: &str = "lab.test";
/// The bucket that every lab has.
pub const BUCKET: &str = "lab-certs";
pub const REGION: &str = "eu-west-1";

/// All parts, wired: git behind sshd, Pebble asking the DNS, the DNS answering what Route53 holds.
///
/// Fields are dropped in this order, the directory last.
pub struct Lab {
    pub pebble: Pebble,
    pub dns: Dns,
    pub judge: Judge,
    _moto: Moto,
    pub sshd: Sshd,
    pub repo: ConfigRepo,
    /// The one whom [`crate::run::Runner`] trusts.
    pub ann: Persona,
    /// The id of [`ZONE`].
    pub zone_id: String,
    dir: Scratch,
}

impl Lab {
    pub fn start() -> Lab {
        Lab::with_pebble(pebble::Options::default())
    }

    pub fn with_pebble(options: pebble::Options) -> Lab {
        let dir = Scratch::new();
        let moto = Moto::start(&dir.path().join("moto"));
        let judge = Judge::start(&moto);
        let zone_id = judge.create_zone(ZONE);
        judge.create_bucket(BUCKET, REGION);
        let dns = Dns::start(judge.view());
        let pebble = Pebble::start(&dir.path().join("pebble"), dns.address(), options);
        let repo = ConfigRepo::init(&dir.path().join("git"));
        let sshd = Sshd::start(&dir.path().join("sshd"));
        let ann = Persona::generate(dir.path(), "ann@example.com");
        Lab { pebble, dns, judge, _moto: moto, sshd, repo, ann, zone_id, dir }
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where a runner fetches the config repo.
    pub fn repository_url(&self) -> String {
        self.sshd.url(self.repo.origin())
    }
}
