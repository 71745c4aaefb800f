//! All kinds of writes that a store sees in its life, one after the other.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use countersign::audit::{Kind, Record};
use countersign::fault::Fault;
use countersign::journal::{Attempt, Entry, Intent, Proof, RecordSet, Txt};
use countersign::lineage::{CertFacts, Etags, Meta, Origin, Pems, Provenance, Stored};
use countersign::list::KeyType;
use countersign::name::{CommitId, Digest, LineageName};
use countersign::port::{Accounts, Store};
use countersign::secret::Secret;
use countersign::store::{Document, FileStore};
use time::OffsetDateTime;
use time::macros::datetime;

/// The folder of a test: `state` is the store, `certificates` what is put there.
pub const FOLDER: &str = "COUNTERSIGN_TEST_FOLDER";
/// Opened before each step and at the end. There is no such file; the trace shows where a step begins.
pub const MARK: &str = "/countersign-test-mark";

const NOW: OffsetDateTime = datetime!(2026-06-01 02:00 UTC);

type Step = fn(&Life) -> Result<(), Fault>;

/// Each leaves a state that can be told from the one before, but for the first.
pub const STEPS: [Step; 18] = [
    |life| life.open().map(drop),
    |life| life.open()?.save_key("lab", &Secret::new("account key".into())),
    |life| life.open()?.save_url("lab", "https://ca.test/dir", "https://ca.test/account/1"),
    |life| life.open()?.write_attempt_key(&www(), life.certificate(1).1.privkey.as_ref().unwrap()),
    |life| life.open()?.write_entry(&life.entry(None, false)),
    |life| life.open()?.write_entry(&life.entry(Some("https://ca.test/order/1"), false)),
    |life| life.open()?.write_entry(&life.entry(Some("https://ca.test/order/1"), true)),
    |life| life.deploy(1),
    |life| life.open()?.write_entry(&Entry { attempt: None, ..life.entry(None, true) }),
    |life| life.publish("\"1\""),
    |life| life.open()?.remove_entry(&www()),
    |life| life.open()?.write_json(Document::TrustState, &["first"]),
    |life| life.open()?.write_json(Document::TrustState, &["second"]),
    |life| life.open()?.append_audit(&[Record::new(Kind::Stashed)], NOW).map(drop),
    |life| life.deploy(2),
    |life| life.open()?.stash(&www()),
    |life| life.open()?.unstash(&www()),
    |life| life.open()?.quarantine(&www(), &life.certificate(1).1, &Fault::new("check:names", "other names")),
];

/// A store and the certificates that are made for it, in one folder.
pub struct Life {
    folder: PathBuf,
}

impl Life {
    /// Makes the certificates.
    pub fn begin(folder: &Path) -> Self {
        let certificates = folder.join("certificates");
        fs::create_dir_all(&certificates).unwrap();
        for number in [1, 2] {
            let key = rcgen::KeyPair::generate().unwrap();
            let params = rcgen::CertificateParams::new(vec!["www.example.com".to_owned()]).unwrap();
            let certificate = params.self_signed(&key).unwrap().pem().replace("\r\n", "\n");
            let file = certificates.join(format!("{number}.key"));
            countersign::store::write::new_file(&file, key.serialize_pem().as_bytes()).unwrap();
            fs::write(certificates.join(format!("{number}.pem")), certificate).unwrap();
        }
        Self::at(folder)
    }

    /// One whose certificates are there.
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The same certificates for a store elsewhere.
    pub fn moved(&self, folder: &Path) -> Self {
        std::os::unix::fs::symlink(self.folder.join("certificates"), folder.join("certificates")).unwrap();
        Self::at(folder)
    }

    /// What can be seen of the store after a new start.
    pub fn view(&self) -> String {
        let store = self.open().unwrap();
        let inventory = store.observe().unwrap();
        // A write that was cut short takes up its number, so the next one counts on from there.
        let lines = format!("{inventory:#?}\n");
        let mut text: String = lines.split_inclusive('\n').filter(|line| !line.contains(" version: ")).collect();
        // A key that no attempt needs is as good as gone.
        if inventory.journal.values().any(|entry| entry.attempt.is_some()) {
            writeln!(text, "{:?}", store.attempt_key(&www()).unwrap().is_some()).unwrap();
        }
        let key = inventory.live.values().all(|stored| store.pems(stored).is_ok());
        writeln!(text, "all keys: {key}, account: {:?}", store.load("lab").unwrap().map(|kept| kept.url)).unwrap();
        writeln!(text, "{:?}", store.read_json::<Vec<String>>(Document::TrustState).unwrap()).unwrap();
        let audit = store.audit().unwrap();
        let entries = audit.entries.iter().filter(|entry| entry.record.kind != Kind::Repaired);
        writeln!(text, "audit: {}, {:?}", entries.count(), audit.breaks).unwrap();
        let quarantine = fs::read_dir(self.folder.join("state/quarantine/www")).into_iter().flatten();
        let kept = quarantine.filter(|entry| !entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'));
        writeln!(text, "quarantine: {}", kept.count()).unwrap();
        text
    }

    /// The views after 0, 1, 2... steps, and what the store is like at the end.
    pub fn views(&self) -> Vec<String> {
        let all = STEPS.iter().map(|step| {
            step(self).unwrap();
            self.view()
        });
        let mut views = vec![self.view()];
        views.extend(all);
        views
    }

    fn open(&self) -> Result<FileStore, Fault> {
        FileStore::open(&self.folder.join("state"))
    }

    fn deploy(&self, number: u32) -> Result<(), Fault> {
        let (meta, pems) = self.certificate(number);
        self.open()?.deploy(meta, &pems).map(drop)
    }

    fn publish(&self, etag: &str) -> Result<(), Fault> {
        let store = self.open()?;
        let live: Vec<Stored> = store.observe()?.live.into_values().collect();
        let etags = Etags([("current.json".to_owned(), etag.to_owned())].into());
        store.record_published(&live[0], "certs", &etags)
    }

    fn certificate(&self, number: u32) -> (Meta, Pems) {
        let read = |kind| fs::read_to_string(self.folder.join(format!("certificates/{number}.{kind}"))).unwrap();
        let cert = read("pem");
        let facts = CertFacts::from_pem(&cert).unwrap();
        let meta = Meta {
            schema: 1,
            lineage: www(),
            version: 0,
            authority: "lab".into(),
            directory: "https://ca.test/dir".into(),
            profile: None,
            order_url: format!("https://ca.test/order/{number}"),
            certificate_url: format!("https://ca.test/cert/{number}"),
            provenance: provenance(),
            stored_at: NOW,
            key_source: Default::default(),
            origin: Origin::Ordered,
            facts,
        };
        (meta, Pems { privkey: Some(Secret::new(read("key"))), chain: cert.clone(), cert })
    }

    fn entry(&self, order: Option<&str>, records: bool) -> Entry {
        let intent = Intent {
            identifiers: self.certificate(1).0.facts.identifiers,
            authority: "lab".into(),
            directory: "https://ca.test/dir".into(),
            key: KeyType::EcdsaP256,
            key_source: Default::default(),
            public_key: None,
            profile: None,
            replaces: None,
            csr: "MIIB".into(),
            provenance: provenance(),
        };
        let set = RecordSet { zone: "Z1".into(), name: "_acme-challenge.www.example.com".into() };
        let records = if records { vec![Proof::Txt(Txt { set, value: "value".into() })] } else { Vec::new() };
        let attempt = Attempt { order: order.map(str::to_owned), ..Attempt::new(intent) };
        Entry { attempt: Some(attempt), records, ..Entry::new(www()) }
    }
}

fn www() -> LineageName {
    LineageName::parse("www").unwrap()
}

fn provenance() -> Provenance {
    Provenance {
        commit: CommitId::parse(&"a".repeat(40)).unwrap(),
        signers: vec!["ann@example.com SHA256:abc".into()],
        list: Digest::of(b"list"),
        trust_root: Digest::of(b"trust"),
        approvals: Vec::new(),
        policy: None,
    }
}

/// Run by the other tests, in a process of its own that they trace. The first error ends it.
#[test]
#[ignore = "it is a part of the other tests"]
fn a_life() {
    let life = Life::at(Path::new(&std::env::var_os(FOLDER).expect("the folder comes from the other test")));
    for step in STEPS {
        let _ = fs::File::open(MARK);
        step(&life).unwrap();
    }
    let _ = fs::File::open(MARK);
}
