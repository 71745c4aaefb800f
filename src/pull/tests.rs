use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::Mutex;

use async_trait::async_trait;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use time::macros::datetime;

use super::*;
use crate::bucket::layout::{self, FileDigest, to_json};
use crate::canary::Scratch;
use crate::lineage::{CertFacts, Pems};
use crate::name::CommitId;
use crate::port::{Condition, Guards, ObjectSummary, Written};
use crate::secret::Secret;
use crate::store::write;

const NOW: OffsetDateTime = datetime!(2026-06-01 00:00 UTC);

struct Noon;

impl Clock for Noon {
    fn now(&self) -> OffsetDateTime {
        NOW
    }
}

/// A bucket that is only read, and counts how often.
#[derive(Default)]
struct Objects {
    held: Mutex<BTreeMap<String, Vec<u8>>>,
    asked: Mutex<Vec<String>>,
}

impl Objects {
    fn put(&self, key: &str, bytes: Vec<u8>) {
        self.held.lock().unwrap().insert(key.to_owned(), bytes);
    }

    fn remove(&self, key: &str) {
        self.held.lock().unwrap().remove(key).unwrap();
    }

    fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

#[async_trait]
impl Bucket for Objects {
    async fn list(&self) -> Result<BTreeMap<String, ObjectSummary>, Fault> {
        panic!("a consumer may not list")
    }

    async fn get(&self, key: &str) -> Result<Option<(Vec<u8>, String)>, Fault> {
        self.asked.lock().unwrap().push(key.to_owned());
        Ok(self.held.lock().unwrap().get(key).map(|bytes| (bytes.clone(), "etag".to_owned())))
    }

    async fn put(&self, _: &str, _: &[u8], _: &BTreeMap<String, String>, _: &Condition) -> Result<Written, Fault> {
        panic!("a consumer may not write")
    }

    async fn delete(&self, _: &str) -> Result<(), Fault> {
        panic!("a consumer may not delete")
    }

    async fn guards(&self) -> Guards {
        panic!("a consumer may not look at the bucket")
    }
}

/// A version to be published, all of whose parts a test may spoil.
struct Draft {
    pems: Pems,
    fullchain: String,
    manifest: Manifest,
    pointer: Pointer,
}

/// Who publishes: a CA with a clock.
struct Publisher {
    root: KeyPair,
    ca: CertificateParams,
}

impl Publisher {
    fn new() -> Self {
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.distinguished_name.push(DnType::CommonName, "Some CA");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self { root: KeyPair::generate().unwrap(), ca }
    }

    fn draft(&self, sequence: u64) -> Draft {
        self.draft_of(sequence, &["www.example.com", "*.example.net"], NOW + time::Duration::days(60))
    }

    fn draft_of(&self, sequence: u64, names: &[&str], not_after: OffsetDateTime) -> Draft {
        let key = KeyPair::generate().unwrap();
        let mut leaf = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        leaf.distinguished_name.push(DnType::CommonName, names[0]);
        (leaf.not_before, leaf.not_after) = (NOW - time::Duration::DAY, not_after);
        let leaf = leaf.signed_by(&key, &Issuer::from_params(&self.ca, &self.root)).unwrap();
        let unix = |pem: String| pem.replace("\r\n", "\n");
        let pems = Pems {
            privkey: Some(Secret::new(unix(key.serialize_pem()))),
            cert: unix(leaf.pem()),
            chain: unix(self.ca.self_signed(&self.root).unwrap().pem()),
        };
        Draft::new(sequence, pems)
    }
}

impl Draft {
    fn new(sequence: u64, pems: Pems) -> Self {
        let facts = CertFacts::from_pem(&pems.cert).unwrap();
        let lineage = LineageName::parse("www").unwrap();
        let manifest = Manifest {
            schema: layout::SCHEMA,
            lineage: lineage.clone(),
            sequence,
            serial: facts.serial.clone(),
            names: facts.identifiers,
            not_before: facts.not_before,
            not_after: facts.not_after,
            public_key: facts.public_key,
            files: BTreeMap::new(),
            commit: CommitId::parse(&"a".repeat(40)).unwrap(),
            signers: Vec::new(),
            approvals: Vec::new(),
            meta: None,
        };
        let pointer = Pointer {
            schema: layout::SCHEMA,
            lineage,
            sequence,
            prefix: format!("www/v/{sequence}-{}/", facts.serial),
            manifest: Digest::of(b""),
            not_after: facts.not_after,
            previous: None,
        };
        let mut draft = Self { fullchain: pems.fullchain(), pems, manifest, pointer };
        draft.describe();
        draft
    }

    fn files(&self) -> Vec<(&'static str, &str)> {
        let Pems { privkey, cert, chain } = &self.pems;
        let mut files = vec![("cert.pem", cert.as_str()), ("chain.pem", chain), ("fullchain.pem", &self.fullchain)];
        files.extend(privkey.as_ref().map(|key| ("privkey.pem", key.reveal())));
        files
    }

    /// Brings the manifest and the pointer in line with the files.
    fn describe(&mut self) {
        let digest = |text: &str| FileDigest { size: text.len() as u64, sha256: Digest::of(text.as_bytes()) };
        self.manifest.files = self.files().iter().map(|(name, text)| ((*name).to_owned(), digest(text))).collect();
        self.seal();
    }

    /// Brings the pointer in line with the manifest.
    fn seal(&mut self) {
        self.pointer.manifest = Digest::of(&to_json(&self.manifest));
    }

    fn publish(&self, bucket: &Objects) {
        let prefix = format!("www/v/{}-{}/", self.manifest.sequence, self.manifest.serial);
        for (name, text) in self.files() {
            bucket.put(&format!("{prefix}{name}"), text.as_bytes().to_vec());
        }
        bucket.put(&format!("{prefix}manifest.json"), to_json(&self.manifest));
        bucket.put("www/current.json", to_json(&self.pointer));
    }
}

/// A machine that uses `www`, and the bucket that it reads.
struct Scene {
    publisher: Publisher,
    bucket: Objects,
    consumer: Consumer,
    dir: Scratch,
}

impl Scene {
    fn new() -> Self {
        let dir = Scratch::new();
        let consumer = Consumer {
            lineage: LineageName::parse("www").unwrap(),
            into: dir.path().join("www"),
            domains: BTreeSet::new(),
            also: BTreeSet::new(),
            key: None,
            reload: None,
            served: None,
            keep: 3,
        };
        Self { publisher: Publisher::new(), bucket: Objects::default(), consumer, dir }
    }

    /// Version 1 is in use.
    async fn with_one() -> Self {
        let scene = Self::new();
        scene.publisher.draft(1).publish(&scene.bucket);
        assert_eq!(scene.pull().await.map(|pulled| (pulled.sequence, pulled.before)), Ok((1, None)));
        scene
    }

    async fn pull(&self) -> Result<Pulled, Fault> {
        pull(&self.consumer, &self.bucket, &Noon).await
    }

    async fn code(&self) -> String {
        self.pull().await.map(|_| "pulled".to_owned()).unwrap_or_else(|fault| fault.code)
    }

    fn publish(&self, sequence: u64) -> Draft {
        let draft = self.publisher.draft(sequence);
        draft.publish(&self.bucket);
        draft
    }

    /// Publishes a version without its key, which stands in a file of this machine. Gives the key.
    fn publish_keyless(&self, sequence: u64) -> String {
        let mut draft = self.publisher.draft(sequence);
        let key = draft.pems.privkey.take().unwrap().reveal().to_owned();
        draft.describe();
        draft.publish(&self.bucket);
        write::file(&self.dir.path().join("own.key"), key.as_bytes(), write::PRIVATE).unwrap();
        key
    }

    fn reload_with(&mut self, script: &str) {
        let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
        self.consumer.reload = Some(Reload { argv, timeout: Duration::from_secs(60) });
    }

    fn path(&self, path: &str) -> PathBuf {
        self.consumer.into.join(path)
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn current(&self) -> String {
        fs::read_link(self.path("current")).unwrap().to_string_lossy().into_owned()
    }

    /// What stands in `version.json`.
    fn marked(&self) -> Option<u64> {
        let text = fs::read(self.path("version.json")).ok()?;
        serde_json::from_slice::<serde_json::Value>(&text).unwrap()["sequence"].as_u64()
    }

    fn releases(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.path("releases"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

#[tokio::test]
async fn a_new_version_is_whole_and_its_key_is_for_the_owner_only() {
    let scene = Scene::with_one().await;
    let draft = scene.publish(2);
    let pulled = scene.pull().await.unwrap();
    assert_eq!((pulled.sequence, pulled.before, pulled.new), (2, Some(1), true));
    assert_eq!((scene.current(), scene.marked()), ("releases/2".into(), Some(2)));
    for (name, text) in draft.files() {
        assert_eq!(scene.read(&format!("current/{name}")), text);
    }
    let mode = |path: &str| scene.path(path).metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!(["", "releases", "releases/2", "releases/2/privkey.pem"].map(mode), [0o755, 0o700, 0o700, 0o600]);
    assert_eq!(["version.json", "releases/2/fullchain.pem"].map(mode), [0o644, 0o644]);
}

#[tokio::test]
async fn without_a_new_version_only_the_pointer_is_read_and_nothing_is_done() {
    let mut scene = Scene::with_one().await;
    scene.reload_with("exit 1");
    scene.bucket.take_log();
    let pulled = scene.pull().await.unwrap();
    assert_eq!((pulled.sequence, pulled.new, scene.bucket.take_log()), (1, false, vec!["www/current.json".into()]));
}

/// What somebody who may write to the bucket, or a broken network, may do to version 2.
#[tokio::test]
async fn whatever_stands_in_the_bucket_only_a_sound_version_is_used() {
    type Spoil = fn(&mut Draft, &Publisher);
    let attacks: [(&str, Spoil, &str); 17] = [
        (
            "a pointer of another lineage",
            |it, _| it.pointer.lineage = LineageName::parse("api").unwrap(),
            "pull:damaged",
        ),
        ("a prefix that leads out", |it, _| it.pointer.prefix = "www/v/2-../../../api/v/1-aa/".into(), "pull:damaged"),
        ("a prefix of another lineage", |it, _| it.pointer.prefix = "api/v/2-aa/".into(), "pull:damaged"),
        ("a pointer of a later form", |it, _| it.pointer.schema = 99, "pull:newer"),
        ("another manifest", |it, _| it.pointer.manifest = Digest::of(b"x"), "pull:damaged"),
        ("a later end in the pointer", |it, _| it.pointer.not_after += time::Duration::DAY, "pull:damaged"),
        (
            "a manifest of another version",
            |it, _| {
                it.manifest.sequence = 3;
                it.seal();
                it.manifest.sequence = 2
            },
            "pull:damaged",
        ),
        ("another file", |it, _| it.pems.cert.push('\n'), "pull:damaged"),
        (
            "a file without end",
            |it, _| {
                it.manifest.files.get_mut("cert.pem").unwrap().size = u64::MAX;
                it.seal()
            },
            "pull:damaged",
        ),
        (
            "a file too few",
            |it, _| {
                it.manifest.files.remove("chain.pem");
                it.seal()
            },
            "pull:damaged",
        ),
        (
            "another key",
            |it, ca| {
                it.pems.privkey = ca.draft(2).pems.privkey;
                it.describe()
            },
            "check:key-mismatch",
        ),
        (
            "another issuer",
            |it, _| {
                it.pems.chain = Publisher::new().draft(2).pems.chain;
                it.fullchain = it.pems.fullchain();
                it.describe()
            },
            "check:chain",
        ),
        (
            "a leaf alone",
            |it, _| {
                it.pems.chain.clear();
                it.fullchain = it.pems.fullchain();
                it.describe()
            },
            "check:chain",
        ),
        (
            "two leaves",
            |it, ca| {
                it.fullchain = ca.draft(2).fullchain;
                it.describe()
            },
            "pull:damaged",
        ),
        (
            "other names",
            |it, _| {
                it.manifest.names.pop_last();
                it.seal()
            },
            "pull:damaged",
        ),
        (
            "no text",
            |it, _| {
                it.pems.chain = "\u{0}".into();
                it.fullchain = it.pems.fullchain();
                it.describe()
            },
            "check:malformed",
        ),
        ("one that has ended", |it, ca| *it = ca.draft_of(2, &["www.example.com"], NOW), "pull:expired"),
    ];
    let scene = Scene::with_one().await;
    for (what, spoil, code) in attacks {
        let mut draft = scene.publisher.draft(2);
        spoil(&mut draft, &scene.publisher);
        draft.publish(&scene.bucket);
        assert_eq!(scene.code().await, code, "{what}");
        assert_eq!(
            (scene.current(), scene.marked(), scene.releases()),
            ("releases/1".into(), Some(1), vec!["1".into()]),
            "{what}"
        );
    }
}

#[tokio::test]
async fn a_pointer_that_is_no_json_or_not_there_changes_nothing() {
    let scene = Scene::with_one().await;
    scene.bucket.put("www/current.json", b"<html>".to_vec());
    assert_eq!(scene.code().await, "pull:damaged");
    scene.bucket.put("www/current.json", vec![b' '; 1 << 20]);
    assert_eq!(scene.code().await, "pull:damaged");
    scene.bucket.remove("www/current.json");
    assert_eq!((scene.code().await, scene.current()), ("pull:unpublished".into(), "releases/1".into()));
}

#[tokio::test]
async fn names_in_the_manifest_are_no_paths_here() {
    let scene = Scene::with_one().await;
    let mut draft = scene.publisher.draft(2);
    let file = draft.manifest.files["cert.pem"].clone();
    draft.manifest.files.insert("../../../../escaped".into(), file);
    draft.seal();
    draft.publish(&scene.bucket);
    assert_eq!(scene.code().await, "pulled");
    assert!(!scene.bucket.take_log().iter().any(|key| key.contains("escaped")));
}

#[tokio::test]
async fn an_earlier_version_and_another_of_the_same_number_are_refused() {
    let scene = Scene::with_one().await;
    let two = scene.publish(2);
    scene.pull().await.unwrap();
    scene.publish(1);
    assert_eq!(scene.code().await, "pull:rollback");
    scene.publish(2);
    assert_eq!(scene.code().await, "pull:differs");
    two.publish(&scene.bucket);
    assert_eq!(scene.pull().await.map(|pulled| (pulled.sequence, pulled.new)), Ok((2, false)));
}

#[tokio::test]
async fn an_earlier_certificate_under_a_new_number_is_taken() {
    let scene = Scene::with_one().await;
    let two = scene.publish(2);
    scene.pull().await.unwrap();
    Draft::new(3, two.pems).publish(&scene.bucket);
    assert_eq!(scene.pull().await.map(|pulled| (pulled.sequence, pulled.before)), Ok((3, Some(2))));
}

#[tokio::test]
async fn a_version_of_which_an_object_is_missing_is_not_used() {
    let scene = Scene::with_one().await;
    let draft = scene.publish(2);
    scene.bucket.remove(&format!("{}privkey.pem", draft.pointer.prefix));
    assert_eq!((scene.code().await, scene.current()), ("pull:incomplete".into(), "releases/1".into()));
}

#[tokio::test]
async fn a_certificate_that_does_not_serve_what_is_asked_for_is_refused() {
    let mut scene = Scene::with_one().await;
    scene.publish(2);
    let domain = |name: &str| BTreeSet::from([Identifier::parse(name).unwrap()]);
    scene.consumer.domains = domain("other.example.com");
    assert_eq!((scene.code().await, scene.current()), ("pull:names".into(), "releases/1".into()));
    scene.consumer.domains = domain("a.example.net");
    assert_eq!((scene.code().await, scene.current()), ("pulled".into(), "releases/2".into()));
}

#[tokio::test]
async fn the_command_sees_the_new_files_and_the_names_of_hooks() {
    let mut scene = Scene::with_one().await;
    let serial = scene.publish(2).manifest.serial;
    let said = scene.dir.path().join("said").display().to_string();
    scene.reload_with(&format!(
        "cat $COUNTERSIGN_LIVE/fullchain.pem > {said}; env | grep COUNTERSIGN_ | sort >> {said}"
    ));
    scene.pull().await.unwrap();
    let fullchain = scene.read("current/fullchain.pem");
    let live = scene.path("current").canonicalize().unwrap().parent().unwrap().parent().unwrap().join("current");
    let expected = format!(
        "{fullchain}COUNTERSIGN_DOMAINS=*.example.net www.example.com\nCOUNTERSIGN_LINEAGE=www\nCOUNTERSIGN_LIVE={}\n\
         COUNTERSIGN_NOT_AFTER=2026-07-31T00:00:00Z\nCOUNTERSIGN_SERIAL={serial}\nCOUNTERSIGN_VERSION=2\n",
        live.display(),
    );
    assert_eq!(fs::read_to_string(&said).unwrap(), expected);
}

#[tokio::test]
async fn when_the_command_fails_the_version_of_before_is_back_until_it_ends_well() {
    let mut scene = Scene::with_one().await;
    scene.publish(2);
    let log = scene.dir.path().join("log").display().to_string();
    scene.reload_with(&format!("echo $COUNTERSIGN_VERSION >> {log}; test $COUNTERSIGN_VERSION = 1"));
    let fault = scene.pull().await.unwrap_err();
    assert_eq!(
        (fault.code.as_str(), scene.current(), scene.marked()),
        ("program:failed", "releases/1".into(), Some(1))
    );
    // The server has read the files of 1 again.
    assert_eq!(fs::read_to_string(&log).unwrap(), "2\n1\n");
    scene.bucket.take_log();
    scene.reload_with("true");
    assert_eq!(scene.pull().await.map(|pulled| (pulled.sequence, pulled.before, pulled.new)), Ok((2, Some(1), true)));
    assert_eq!((scene.current(), scene.bucket.take_log().len()), ("releases/2".into(), 1));
}

#[tokio::test]
async fn a_command_that_hangs_is_ended_and_counts_as_failed() {
    let mut scene = Scene::with_one().await;
    scene.publish(2);
    scene.reload_with("sleep 1000");
    scene.consumer.reload.as_mut().unwrap().timeout = Duration::from_millis(50);
    assert_eq!(
        (scene.code().await, scene.current(), scene.marked()),
        ("program:timeout".into(), "releases/1".into(), Some(1))
    );
}

#[tokio::test]
async fn the_first_version_stays_when_its_command_fails_and_is_tried_again() {
    let mut scene = Scene::new();
    scene.publish(1);
    scene.reload_with("exit 1");
    assert_eq!(
        (scene.code().await, scene.current(), scene.marked()),
        ("program:failed".into(), "releases/1".into(), None)
    );
    scene.reload_with("true");
    assert_eq!((scene.code().await, scene.marked()), ("pulled".into(), Some(1)));
}

#[tokio::test]
async fn a_version_that_the_server_does_not_show_is_taken_back() {
    let mut scene = Scene::with_one().await;
    scene.publish(2);
    let (at, timeout) = ("127.0.0.1:1".to_owned(), Duration::from_millis(1));
    scene.consumer.served = Some(Served { at, name: None, timeout });
    assert_eq!(
        (scene.code().await, scene.current(), scene.marked()),
        ("served:unreachable".into(), "releases/1".into(), Some(1))
    );
}

#[tokio::test]
async fn a_pull_that_was_cut_short_before_the_command_runs_it_the_next_time() {
    let mut scene = Scene::with_one().await;
    scene.publish(2);
    scene.pull().await.unwrap();
    scene.publish(3);
    // As it is after the swap: the marker speaks of 2.
    let marker = scene.read("version.json");
    scene.pull().await.unwrap();
    fs::write(scene.path("version.json"), marker).unwrap();
    scene.reload_with("exit 1");
    assert_eq!(
        (scene.code().await, scene.current(), scene.marked()),
        ("program:failed".into(), "releases/2".into(), Some(2))
    );
}

#[tokio::test]
async fn a_release_that_was_damaged_here_is_written_anew_beside_itself() {
    let scene = Scene::with_one().await;
    fs::write(scene.path("current/privkey.pem"), "").unwrap();
    assert_eq!((scene.code().await, scene.current()), ("pulled".into(), "releases/1.2".into()));
    fs::remove_file(scene.path("current")).unwrap();
    assert_eq!((scene.code().await, scene.current()), ("pulled".into(), "releases/1.2".into()));
}

#[tokio::test]
async fn so_many_releases_are_kept_as_are_asked_for_and_what_is_not_ours_stays() {
    let mut scene = Scene::with_one().await;
    scene.consumer.keep = 2;
    fs::create_dir(scene.path("releases/.4.tmp")).unwrap();
    for foreign in ["notes", "01", "1.0"] {
        fs::create_dir(scene.path("releases").join(foreign)).unwrap();
    }
    for sequence in [2, 9, 10] {
        scene.publish(sequence);
        scene.pull().await.unwrap();
    }
    assert_eq!(scene.releases(), ["01", "1.0", "10", "9", "notes"]);
}

#[tokio::test]
async fn other_names_are_written_when_they_are_asked_for() {
    let mut scene = Scene::with_one().await;
    scene.consumer.also = Naming::ALL.into();
    scene.pull().await.unwrap();
    let combined = format!("{}{}", scene.read("current/privkey.pem"), scene.read("current/fullchain.pem"));
    assert_eq!(
        (scene.read("current/combined.pem"), scene.read("current/privkey")),
        (combined, scene.read("current/privkey.pem"))
    );
    let mode = |name: &str| scene.path(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(["current/combined.pem", "current/privkey"].map(mode), [0o600; 2]);
}

#[tokio::test]
async fn a_version_without_its_key_is_taken_as_it_is() {
    let scene = Scene::new();
    scene.publish_keyless(1);
    assert_eq!(scene.code().await, "pulled");
    assert!(!scene.path("current/privkey.pem").exists());
    assert_eq!(scene.pull().await.map(|pulled| pulled.new), Ok(false));
}

#[tokio::test]
async fn the_key_of_this_machine_stands_beside_its_certificate() {
    let mut scene = Scene::new();
    scene.consumer.key = Some(scene.dir.path().join("own.key"));
    scene.consumer.also = Naming::ALL.into();
    let key = scene.publish_keyless(1);
    assert_eq!(scene.code().await, "pulled");
    let combined = key.clone() + &scene.read("current/fullchain.pem");
    assert_eq!((scene.read("current/privkey.pem"), scene.read("current/combined.pem")), (key, combined));
    let mode = |name: &str| scene.path(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(["current/privkey.pem", "current/combined.pem"].map(mode), [0o600; 2]);
    assert_eq!(scene.pull().await.map(|pulled| pulled.new), Ok(false));
}

#[tokio::test]
async fn a_certificate_for_another_key_than_that_of_this_machine_is_not_used() {
    let mut scene = Scene::new();
    scene.consumer.key = Some(scene.dir.path().join("own.key"));
    scene.publish_keyless(1);
    assert_eq!(scene.code().await, "pulled");
    let key = scene.read("current/privkey.pem");
    // With its own key in the bucket too: nobody there may choose the key of this machine.
    scene.publish(2);
    assert_eq!((scene.code().await, scene.current()), ("pull:key-mismatch".into(), "releases/1".into()));
    assert_eq!((scene.read("current/privkey.pem"), scene.marked()), (key, Some(1)));
}

#[tokio::test]
async fn a_server_does_not_lose_the_key_beside_its_certificate() {
    let mut scene = Scene::with_one().await;
    scene.publish_keyless(2);
    assert_eq!((scene.code().await, scene.current()), ("pull:keyless".into(), "releases/1".into()));
    scene.consumer.key = Some(scene.dir.path().join("own.key"));
    assert_eq!((scene.code().await, scene.current()), ("pulled".into(), "releases/2".into()));
    assert!(scene.path("current/privkey.pem").exists());
}

#[tokio::test]
async fn haproxys_file_needs_the_key() {
    let mut scene = Scene::new();
    scene.publish_keyless(1);
    scene.consumer.also = [Naming::Haproxy].into();
    assert_eq!(scene.code().await, "pull:keyless");
    scene.consumer.key = Some(scene.dir.path().join("own.key"));
    assert_eq!(scene.code().await, "pulled");
}

#[tokio::test]
async fn a_key_of_this_machine_that_cannot_be_used_is_not_shown() {
    let mut scene = Scene::new();
    scene.publish_keyless(1);
    scene.consumer.key = Some(scene.dir.path().join("own.key"));
    for text in ["hunter2", "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n"] {
        fs::write(scene.dir.path().join("own.key"), text).unwrap();
        let fault = scene.pull().await.unwrap_err();
        assert_eq!((fault.code.as_str(), format!("{fault:?}").contains("hunter2")), ("pull:key", false));
    }
}

#[tokio::test]
async fn what_others_put_into_the_folder_is_neither_followed_nor_replaced() {
    type Lay = fn(&Scene, &Path);
    let traps: [(&str, Lay); 4] = [
        ("a folder as current", |it, _| fs::create_dir(it.path("current")).unwrap()),
        ("current elsewhere", |it, out| symlink(out, it.path("current")).unwrap()),
        ("current above", |it, _| symlink("releases/../../outside", it.path("current")).unwrap()),
        ("releases elsewhere", |it, out| symlink(out, it.path("releases")).unwrap()),
    ];
    for (what, lay) in traps {
        let scene = Scene::new();
        scene.publish(1);
        let outside = scene.dir.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::create_dir(&scene.consumer.into).unwrap();
        fs::set_permissions(&scene.consumer.into, Permissions::from_mode(0o755)).unwrap();
        lay(&scene, &outside);
        assert_eq!(scene.code().await, "pull:foreign", "{what}");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "{what}");
    }
}

#[tokio::test]
async fn a_link_in_place_of_the_marker_or_of_a_leftover_is_replaced_and_not_followed() {
    let scene = Scene::with_one().await;
    let outside = scene.dir.path().join("outside");
    fs::write(&outside, scene.read("version.json")).unwrap();
    fs::remove_file(scene.path("version.json")).unwrap();
    symlink(&outside, scene.path("version.json")).unwrap();
    symlink(&outside, scene.path("releases/.2.tmp")).unwrap();
    symlink(&outside, scene.path(".current.tmp")).unwrap();
    let before = fs::read_to_string(&outside).unwrap();
    scene.publish(2);
    scene.pull().await.unwrap();
    assert_eq!((fs::read_to_string(&outside).unwrap(), scene.marked()), (before, Some(2)));
}

#[tokio::test]
async fn a_folder_that_others_may_write_or_that_is_of_another_lineage_is_refused() {
    let mut scene = Scene::with_one().await;
    fs::set_permissions(&scene.consumer.into, Permissions::from_mode(0o777)).unwrap();
    assert_eq!(scene.code().await, "pull:foreign");
    fs::set_permissions(&scene.consumer.into, Permissions::from_mode(0o755)).unwrap();
    scene.consumer.lineage = LineageName::parse("api").unwrap();
    assert_eq!(scene.code().await, "pull:foreign");
}

#[tokio::test]
async fn a_folder_below_one_that_others_may_write_is_refused_unless_they_may_not_rename_it() {
    let scene = Scene::with_one().await;
    let above = scene.consumer.into.parent().unwrap();
    fs::set_permissions(above, Permissions::from_mode(0o777)).unwrap();
    assert_eq!(scene.code().await, "pull:foreign");
    fs::set_permissions(above, Permissions::from_mode(0o1777)).unwrap();
    assert_eq!(scene.code().await, "pulled");
}

#[test]
fn a_server_is_asked_for_a_plain_name_or_for_one_that_the_wildcard_covers() {
    let names = |names: &[&str]| names.iter().map(|name| Identifier::parse(name).unwrap()).collect();
    assert_eq!(asked_name(&names(&["*.example.net", "www.example.com"])), "www.example.com");
    assert_eq!(asked_name(&names(&["*.example.net"])), "www.example.net");
}

#[tokio::test]
async fn two_pulls_into_one_folder_do_not_meet() {
    let scene = Scene::with_one().await;
    let _held = Folder::open(&scene.consumer.into, NOW).unwrap();
    assert_eq!(scene.code().await, "run:locked");
}
