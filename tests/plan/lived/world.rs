//! A store on disk, a clock that is set, and a CA that signs or is down. No network.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration as Wait;

use async_trait::async_trait;
use countersign::apply::{Ports, Stop, apply};
use countersign::caa::{Applicant, RecordSet};
use countersign::diag::Place;
use countersign::event::{Event, Listener};
use countersign::fault::Fault;
use countersign::journal::{Proof, Status};
use countersign::ledger::Ledger;
use countersign::lineage::{CertFacts, Imported, Pems, RevocationReason};
use countersign::list::{Certificate, ChallengeType, Csr, KeySource, KeyType, List, Request};
use countersign::name::{CommitId, Digest, Identifier, LineageName};
use countersign::outcome::Outcome;
use countersign::plan::limits::{Limits, LimitsMode};
use countersign::plan::{Basis, Choices, FORMAT, Mode, Observed, Plan, provided::Provided, steps};
use countersign::port::{
    Answer, Authorization, Ca, Caa, Change, Clock, Order, OrderRequest, RenewalInfo, Solver, Store,
};
use countersign::secret::Secret;
use countersign::store::FileStore;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType, IsCa, Issuer,
    KeyPair, PublicKeyData, SerialNumber,
};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use crate::canary::Scratch;

const BEGIN: OffsetDateTime = datetime!(2026-06-01 02:00 UTC);
const DOMAIN: &str = "www.example.com";
pub const AUTHORITY: &str = "test";
pub const WORD: &str = "shop";
/// Days from the start to the end of what the CA issues.
pub const LIFETIME: i64 = 90;

/// What the list asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Nothing,
    Ours,
    /// With a key that never comes here.
    Csr,
    Provided,
}

pub struct World {
    pub store: Arc<FileStore>,
    pub ca: Arc<TestCa>,
    clock: Arc<Day>,
    /// The runner's files.
    pub files: Option<Pems>,
    _folder: Scratch,
    runtime: tokio::runtime::Runtime,
}

/// The clock: a day of the test.
pub struct Day(AtomicI64);

impl Clock for Day {
    fn now(&self) -> OffsetDateTime {
        at(self.0.load(SeqCst))
    }
}

pub fn at(day: i64) -> OffsetDateTime {
    BEGIN + Duration::days(day)
}

pub fn www() -> LineageName {
    LineageName::parse("www").unwrap()
}

impl World {
    pub fn new() -> Self {
        let folder = Scratch::in_memory();
        let clock = Arc::new(Day(AtomicI64::new(0)));
        Self {
            store: Arc::new(FileStore::open(&folder.path().join("state")).unwrap()),
            ca: Arc::new(TestCa::new(clock.clone())),
            clock,
            files: None,
            _folder: folder,
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
        }
    }

    pub fn day(&self) -> i64 {
        self.clock.0.load(SeqCst)
    }

    pub fn pass(&self, days: i64) {
        self.clock.0.fetch_add(days, SeqCst);
    }

    /// One run: it plans, and carries the plan out.
    pub fn run(&self, asked: Asked) -> Vec<Outcome> {
        let (now, list) = (self.clock.now(), list(asked));
        let mut observed = Observed { inventory: self.store.observe().unwrap(), ..Observed::default() };
        let mut provided = BTreeMap::new();
        if let Some(pems) = &self.files {
            let facts = CertFacts::from_pem(&pems.cert).unwrap();
            let files = Digest::of(pems.fullchain().as_bytes());
            observed.provided.insert(WORD.into(), Ok(Provided { facts, files }));
            provided.insert(WORD.to_owned(), pems.clone());
        }
        let choices = Choices { every: Duration::DAY, ..Choices::default() };
        let steps = steps::steps(&list, Mode::Full, &observed, &choices, now);
        let plan = Plan {
            format: FORMAT,
            created: now,
            mode: Mode::Full,
            signer: None,
            basis: basis(),
            steps,
            accounts: Vec::new(),
        };
        let limits = Limits { max_changed_percent: 100, min_lineages: 1 };
        let plan = plan.approve(limits, LimitsMode::Enforce).unwrap();
        let ports = Ports {
            cas: BTreeMap::from([(AUTHORITY.to_owned(), self.ca.clone() as Arc<dyn Ca>)]),
            solvers: BTreeMap::from([(ChallengeType::Dns01, Arc::new(NoSolver) as Arc<dyn Solver>)]),
            caa: Arc::new(NoCaa) as Arc<dyn Caa>,
            store: self.store.clone(),
            targets: BTreeMap::new(),
            unreachable: BTreeMap::new(),
            provided,
            given: BTreeMap::new(),
            placeholders: true,
            keep: None,
            anchors: BTreeMap::new(),
            terms: BTreeMap::new(),
            ledger: Ledger::default(),
            clock: self.clock.clone(),
        };
        let (_asked, stop) = Stop::new();
        self.runtime.block_on(apply(&plan, &observed.inventory, &ports, &Deaf, &stop)).outcomes
    }

    /// An operator imports a certificate of the same CA that ends in so many days.
    pub fn import(&self, days: i64) {
        let (pems, facts) = self.ca.make(self.day() + days);
        let imported = Imported {
            schema: 1,
            lineage: www(),
            from: "pem".into(),
            authority: Some(AUTHORITY.into()),
            directory: String::new(),
            certificate_url: String::new(),
            taken_at: self.clock.now(),
            keyless: false,
            facts,
        };
        self.store.add_imported(&imported, &pems).unwrap();
    }

    /// Somebody puts other files on the runner.
    pub fn provide(&mut self, days: i64) {
        self.files = Some(self.ca.make(self.day() + days).0);
    }
}

/// Always the same.
fn csr() -> Csr {
    static CSR: LazyLock<Csr> = LazyLock::new(|| {
        let mut params = CertificateParams::new(vec![DOMAIN.to_owned()]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        let pem = params.serialize_request(&KeyPair::generate().unwrap()).unwrap().pem().unwrap();
        Request::parse(&pem).unwrap().csr
    });
    CSR.clone()
}

fn list(asked: Asked) -> List {
    let place = || Place { file: "domains.yaml".into(), line: 1, column: 1, span: 0..0 };
    let certificate = Certificate {
        name: www(),
        identifiers: BTreeSet::from([Identifier::parse(DOMAIN).unwrap()]),
        authority: AUTHORITY.into(),
        key: KeyType::EcdsaP256,
        key_source: if asked == Asked::Csr { KeySource::Csr(csr()) } else { KeySource::New },
        challenge: ChallengeType::Dns01,
        profile: None,
        preferred_profile: None,
        preferred_chain: None,
        provided: (asked == Asked::Provided).then(|| WORD.to_owned()),
        publish: BTreeSet::new(),
        served: BTreeSet::new(),
        renew_before: None,
    };
    List::new((asked != Asked::Nothing).then(|| (certificate, place())))
}

fn basis() -> Basis {
    Basis {
        commit: CommitId::parse(&"a".repeat(40)).unwrap(),
        list: Digest::of(b"list"),
        trust_root: Digest::of(b"root"),
        policy: None,
        live: BTreeMap::new(),
        journal: Digest::of(b"journal"),
        pointers: BTreeMap::new(),
    }
}

struct Deaf;

impl Listener for Deaf {
    fn on(&self, _: Event<'_>) {}
}

/// A CA that knows all domains to be ours.
pub struct TestCa {
    pub is_up: AtomicBool,
    /// How many orders it was asked for while it was up.
    pub orders: AtomicUsize,
    desk: Arc<Desk>,
}

/// Where certificates are signed.
struct Desk {
    clock: Arc<Day>,
    issuer: Issuer<'static, KeyPair>,
    root: String,
    /// Whole chains.
    issued: Mutex<Vec<String>>,
}

impl TestCa {
    fn new(clock: Arc<Day>) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Test CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (params.not_before, params.not_after) = (at(-3650), at(36_500));
        let root = params.self_signed(&key).unwrap().pem().replace("\r\n", "\n");
        let desk = Desk { clock, issuer: Issuer::new(params, key), root, issued: Mutex::default() };
        Self { is_up: AtomicBool::new(true), orders: AtomicUsize::new(0), desk: Arc::new(desk) }
    }

    /// A certificate that was got elsewhere.
    fn make(&self, ends: i64) -> (Pems, CertFacts) {
        let key = KeyPair::generate().unwrap();
        let cert = self.desk.sign(&key, ends);
        let facts = CertFacts::from_pem(&cert).unwrap();
        (Pems { privkey: Some(Secret::new(key.serialize_pem())), cert, chain: self.desk.root.clone() }, facts)
    }

    /// The serial of the last that was made.
    pub fn last(&self) -> String {
        self.desk
            .issued
            .lock()
            .unwrap()
            .last()
            .map_or_else(String::new, |chain| CertFacts::from_pem(chain).unwrap().serial)
    }
}

impl Desk {
    /// Signs for the lifetime before this day. Serials count.
    fn sign(&self, key: &impl PublicKeyData, ends: i64) -> String {
        let mut issued = self.issued.lock().unwrap();
        let mut params = CertificateParams::new(vec![DOMAIN.to_owned()]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        (params.not_before, params.not_after) = (at(ends - LIFETIME), at(ends));
        params.serial_number = Some(SerialNumber::from(issued.len() as u64 + 1));
        let leaf = params.signed_by(key, &self.issuer).unwrap().pem().replace("\r\n", "\n");
        issued.push(format!("{leaf}{}", self.root));
        leaf
    }
}

#[async_trait]
impl Ca for TestCa {
    fn directory(&self) -> &str {
        "https://ca.test/dir"
    }

    async fn new_order(&self, _: &OrderRequest) -> Result<Box<dyn Order>, Fault> {
        if !self.is_up.load(SeqCst) {
            return Err(Fault::new("acme:unreachable", "nobody is there"));
        }
        let url = format!("https://ca.test/order/{}", self.orders.fetch_add(1, SeqCst));
        Ok(Box::new(TestOrder { url, status: Status::Ready, desk: self.desk.clone() }))
    }

    async fn order(&self, _: &str) -> Result<Box<dyn Order>, Fault> {
        Err(Fault::new("acme:unreachable", "an order is finished in the run that began it"))
    }

    async fn renewal_info(&self, _: &str) -> Result<Option<RenewalInfo>, Fault> {
        Ok(None)
    }

    async fn profiles(&self) -> Result<BTreeSet<String>, Fault> {
        Ok(BTreeSet::new())
    }

    async fn applicant(&self, _: BTreeSet<ChallengeType>) -> Result<Applicant, Fault> {
        Err(Fault::new("acme:unreachable", "CAA records have no name for this CA"))
    }

    async fn revoke(&self, _: &str, _: RevocationReason, _: Option<&Secret>) -> Result<(), Fault> {
        Err(Fault::new("acme:unreachable", "nothing is revoked here"))
    }

    async fn certificate(&self, url: &str, _: Option<&str>) -> Result<String, Fault> {
        let number: usize = url.rsplit('/').next().unwrap().parse().unwrap();
        Ok(self.desk.issued.lock().unwrap()[number].clone())
    }
}

/// Nobody asks for CAA records of a CA that they have no name for.
struct NoCaa;

#[async_trait]
impl Caa for NoCaa {
    async fn relevant(&self, names: &[String]) -> Vec<Result<Option<RecordSet>, Fault>> {
        vec![Ok(None); names.len()]
    }
}

struct TestOrder {
    url: String,
    status: Status,
    desk: Arc<Desk>,
}

#[async_trait]
impl Order for TestOrder {
    fn url(&self) -> &str {
        &self.url
    }

    fn status(&self) -> Option<Status> {
        Some(self.status.clone())
    }

    fn rest(&self) -> Wait {
        Wait::ZERO
    }

    async fn refresh(&mut self) -> Result<Status, Fault> {
        Ok(self.status.clone())
    }

    async fn authorizations(&mut self, _: ChallengeType) -> Result<Vec<Authorization>, Fault> {
        Ok(Vec::new())
    }

    async fn set_ready(&mut self, _: &str) -> Result<(), Fault> {
        Ok(())
    }

    async fn finalize(&mut self, csr: &[u8]) -> Result<Status, Fault> {
        let csr = CertificateSigningRequestParams::from_der(&csr.into()).unwrap();
        self.desk.sign(&csr.public_key, self.desk.clock.0.load(SeqCst) + LIFETIME);
        let number = self.desk.issued.lock().unwrap().len() - 1;
        self.status = Status::Valid(format!("https://ca.test/certificate/{number}"));
        Ok(self.status.clone())
    }
}

/// Nothing has to be proven, so nobody asks.
struct NoSolver;

#[async_trait]
impl Solver for NoSolver {
    fn rehearsal(&self, _: &[String]) -> Vec<Result<Proof, Fault>> {
        Vec::new()
    }

    async fn locate(&self, _: &[(String, Answer)]) -> Vec<Result<Proof, Fault>> {
        Vec::new()
    }

    async fn present(&self, _: &[Proof]) -> Vec<Change> {
        Vec::new()
    }

    async fn settled(&self, _: &Change) -> Result<(), Fault> {
        Ok(())
    }

    async fn visible(&self, _: &[Proof]) -> Vec<Result<(), Fault>> {
        Vec::new()
    }

    async fn clean_up(&self, _: &[Proof]) -> Vec<Change> {
        Vec::new()
    }
}
