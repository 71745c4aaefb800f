use std::sync::Mutex;

use async_trait::async_trait;
use time::macros::datetime;

use super::*;
use crate::bucket::layout::{Gap, Publication, publication};
use crate::lineage::{CertFacts, Meta, Origin, Provenance};
use crate::list::KeyType;
use crate::name::{CommitId, Identifier, LineageName};
use crate::port::Guards;
use crate::secret::Secret;

/// A bucket in memory whose conditional writes are atomic, and that fails where a test says so.
#[derive(Default)]
struct Memory {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, (Vec<u8>, String)>,
    etags: u32,
    puts: usize,
    log: Vec<String>,
    fault: Option<(usize, Trouble)>,
}

/// What happens at one put, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Trouble {
    /// The write happens, the answer is lost.
    AnswerLost,
    /// The write does not happen.
    Failed,
    /// The process dies: neither this put nor anything after it happens.
    Died,
    /// Somebody else writes the same key first.
    Overtaken,
}

impl Memory {
    fn with(fault: Option<(usize, Trouble)>) -> Self {
        Self { state: Mutex::new(State { fault, ..State::default() }) }
    }

    /// The same objects, without trouble ahead.
    fn repaired(&self) -> Self {
        let state = self.state.lock().unwrap();
        let fresh = State { objects: state.objects.clone(), etags: state.etags, ..State::default() };
        Self { state: Mutex::new(fresh) }
    }

    fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.state.lock().unwrap();
        state.objects.iter().map(|(key, (bytes, _))| (key.clone(), bytes.clone())).collect()
    }

    fn put_now(&self, key: &str, bytes: &[u8]) {
        self.state.lock().unwrap().store(key, bytes);
    }

    fn delete(&self, key: &str) {
        self.state.lock().unwrap().objects.remove(key).expect("there is such an object");
    }

    fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().log)
    }

    async fn listing(&self) -> BTreeMap<String, ObjectSummary> {
        self.list().await.unwrap()
    }
}

impl State {
    fn store(&mut self, key: &str, bytes: &[u8]) -> String {
        self.etags += 1;
        let etag = format!("\"{}\"", self.etags);
        self.objects.insert(key.to_owned(), (bytes.to_vec(), etag.clone()));
        etag
    }

    fn write(&mut self, key: &str, bytes: &[u8], condition: &Condition) -> Written {
        let found = self.objects.get(key).map(|(_, etag)| etag);
        let holds = match condition {
            Condition::Absent => found.is_none(),
            Condition::Etag(etag) => found == Some(etag),
        };
        if holds { Written::Done(self.store(key, bytes)) } else { Written::Refused }
    }
}

#[async_trait]
impl Bucket for Memory {
    async fn delete(&self, key: &str) -> Result<(), Fault> {
        self.state.lock().unwrap().objects.remove(key);
        Ok(())
    }

    async fn guards(&self) -> Guards {
        panic!("publishing does not ask")
    }

    async fn list(&self) -> Result<BTreeMap<String, ObjectSummary>, Fault> {
        let summary =
            |(bytes, etag): &(Vec<u8>, String)| ObjectSummary { etag: etag.clone(), size: bytes.len() as u64 };
        Ok(self.state.lock().unwrap().objects.iter().map(|(key, object)| (key.clone(), summary(object))).collect())
    }

    async fn get(&self, key: &str) -> Result<Option<(Vec<u8>, String)>, Fault> {
        tokio::task::yield_now().await;
        let state = self.state.lock().unwrap();
        match state.fault {
            Some((at, Trouble::Died)) if state.puts >= at => Err(dead()),
            _ => Ok(state.objects.get(key).cloned()),
        }
    }

    async fn put(
        &self,
        key: &str,
        body: &[u8],
        _metadata: &BTreeMap<String, String>,
        condition: &Condition,
    ) -> Result<Written, Fault> {
        tokio::task::yield_now().await;
        let mut state = self.state.lock().unwrap();
        state.puts += 1;
        state.log.push(key.to_owned());
        let now = state.puts;
        match state.fault {
            Some((at, Trouble::Died)) if now >= at => Err(dead()),
            Some((at, Trouble::Failed)) if now == at => Err(Fault::new("s3:SlowDown", "slow down")),
            Some((at, Trouble::AnswerLost)) if now == at => {
                state.write(key, body, condition);
                Err(Fault::new("s3:unreachable", "the answer was lost"))
            }
            Some((at, Trouble::Overtaken)) if now == at => {
                state.store(key, b"somebody else's");
                Ok(state.write(key, body, condition))
            }
            _ => Ok(state.write(key, body, condition)),
        }
    }
}

fn dead() -> Fault {
    Fault::new("test:dead", "the process died").retry(Retry::Never)
}

fn version(version: u64) -> (Stored, Pems) {
    let facts = CertFacts {
        identifiers: [Identifier::parse("www.example.com").unwrap()].into(),
        not_before: datetime!(2026-06-01 00:00 UTC),
        not_after: datetime!(2026-08-30 00:00 UTC),
        serial: format!("a{version}"),
        issuer: "Test CA".into(),
        key: Some(KeyType::EcdsaP256),
        public_key: Digest::of(b"key"),
        fingerprint: Digest::of(b"cert"),
        ari_id: None,
    };
    let provenance = Provenance {
        commit: CommitId::parse(&"a".repeat(40)).unwrap(),
        signers: vec!["ann@example.com SHA256:abc".into()],
        list: Digest::of(b"list"),
        trust_root: Digest::of(b"trust"),
        approvals: Vec::new(),
        policy: None,
    };
    let meta = Meta {
        schema: 1,
        lineage: LineageName::parse("www").unwrap(),
        version,
        authority: "lab".into(),
        directory: "https://127.0.0.1/dir".into(),
        profile: None,
        order_url: "https://127.0.0.1/order/1".into(),
        certificate_url: "https://127.0.0.1/cert/1".into(),
        provenance,
        key_source: Default::default(),
        origin: Origin::Ordered,
        stored_at: datetime!(2026-06-01 02:00 UTC),
        facts,
    };
    let pems = Pems {
        privkey: Some(Secret::new(format!("key {version}\n"))),
        cert: format!("cert {version}\n"),
        chain: format!("chain {version}\n"),
    };
    (Stored { meta, published: BTreeMap::new(), revoked: None }, pems)
}

async fn run(bucket: &Memory, number: u64, flat: bool) -> Result<Published, Fault> {
    run_knowing(bucket, number, flat, None).await
}

/// By a store that has recorded what it wrote.
async fn run_knowing(bucket: &Memory, number: u64, flat: bool, etags: Option<Etags>) -> Result<Published, Fault> {
    let (stored, pems) = version(number);
    let stored = Stored { published: etags.into_iter().map(|etags| ("certs".to_owned(), etags)).collect(), ..stored };
    publish(bucket, "certs", &bucket.listing().await, &stored, &pems, flat.then_some(&BTreeSet::new())).await
}

/// What a careful reader gets: the sequence, after every digest was checked.
fn read(bucket: &Memory) -> Option<u64> {
    let objects = bucket.objects();
    let pointer: Pointer = serde_json::from_slice(objects.get("www/current.json")?).unwrap();
    let manifest = &objects[&format!("{}manifest.json", pointer.prefix)];
    assert_eq!(Digest::of(manifest), pointer.manifest);
    let manifest: Manifest = serde_json::from_slice(manifest).unwrap();
    for (name, file) in &manifest.files {
        let bytes = &objects[&format!("{}{name}", pointer.prefix)];
        assert_eq!((Digest::of(bytes), bytes.len() as u64), (file.sha256.clone(), file.size), "{name}");
    }
    assert_eq!(manifest.files.len(), 4);
    Some(pointer.sequence)
}

fn code(result: Result<Published, Fault>) -> String {
    result.map(|_| "published".to_owned()).unwrap_or_else(|fault| fault.code)
}

#[tokio::test]
async fn the_manifest_comes_after_the_files_and_the_pointer_last() {
    let bucket = Memory::default();
    run(&bucket, 1, false).await.unwrap();
    let expected = ["cert.pem", "chain.pem", "fullchain.pem", "privkey.pem", "manifest.json"];
    let mut expected: Vec<String> = expected.map(|name| format!("www/v/1-a1/{name}")).into();
    expected.push("www/current.json".into());
    assert_eq!(bucket.take_log(), expected);
    assert_eq!(read(&bucket), Some(1));
}

#[tokio::test]
async fn the_etags_of_all_objects_make_the_publication_current() {
    let bucket = Memory::default();
    let etags = run(&bucket, 1, false).await.unwrap().etags;
    let stored = Stored { published: BTreeMap::from([("certs".into(), etags)]), ..version(1).0 };
    let listing = bucket.listing().await;
    assert_eq!(publication(&listing, &stored, "certs", None), Publication::Current);
    let gap = |gap| Publication::Missing(vec![gap]);
    assert_eq!(publication(&listing, &stored, "mirror", None), gap(Gap::OtherPointer));
    bucket.delete("www/v/1-a1/chain.pem");
    let missing = gap(Gap::Object("www/v/1-a1/chain.pem".into()));
    assert_eq!(publication(&bucket.listing().await, &stored, "certs", None), missing);
    bucket.put_now("www/v/1-a1/chain.pem", b"chain 2\n");
    let replaced = gap(Gap::Replaced("www/v/1-a1/chain.pem".into()));
    assert_eq!(publication(&bucket.listing().await, &stored, "certs", None), replaced);
}

#[tokio::test]
async fn an_object_that_was_replaced_by_hand_is_put_back_and_named() {
    let names = ["cert.pem", "chain.pem", "fullchain.pem", "privkey.pem", "manifest.json"];
    let versioned = names.map(|name| format!("www/v/1-a1/{name}"));
    for key in versioned.into_iter().chain(["www/fullchain.pem".to_owned()]) {
        let bucket = Memory::default();
        let written = run(&bucket, 1, true).await.unwrap();
        let before = bucket.objects();
        bucket.put_now(&key, b"somebody else's");
        let again = run_knowing(&bucket, 1, true, Some(written.etags)).await.unwrap();
        assert_eq!((bucket.objects(), again.replaced), (before, vec![key]));
    }
}

#[tokio::test]
async fn an_object_that_was_written_anew_with_the_same_bytes_is_recorded_and_nothing_more() {
    let bucket = Memory::default();
    let written = run(&bucket, 1, false).await.unwrap();
    bucket.put_now("www/v/1-a1/cert.pem", b"cert 1\n");
    bucket.take_log();
    let again = run_knowing(&bucket, 1, false, Some(written.etags.clone())).await.unwrap();
    assert_eq!((bucket.take_log(), again.replaced), (vec![], vec![]));
    assert_ne!(again.etags, written.etags);
}

#[test]
fn what_an_earlier_release_recorded_is_the_pointer() {
    let read: BTreeMap<String, Etags> = serde_json::from_str(r#"{"certs": "\"1\""}"#).unwrap();
    assert_eq!(read["certs"], Etags([("current.json".to_owned(), "\"1\"".to_owned())].into()));
}

#[tokio::test]
async fn an_empty_bucket_lacks_everything_of_a_version() {
    let lacking = |flat| match publication(&BTreeMap::new(), &version(1).0, "certs", flat) {
        Publication::Missing(gaps) => gaps.len(),
        Publication::Current => 0,
    };
    let also = [BTreeSet::new(), Naming::ALL.into()];
    assert_eq!((lacking(None), also.each_ref().map(|also| lacking(Some(also)))), (6, [10, 16]));
}

#[tokio::test]
async fn publishing_again_writes_nothing_and_gives_the_same_etags() {
    let bucket = Memory::default();
    let first = run(&bucket, 1, true).await.unwrap();
    bucket.take_log();
    assert_eq!(run(&bucket, 1, true).await, Ok(first));
    assert_eq!(bucket.take_log(), [""; 0]);
}

#[tokio::test]
async fn a_new_version_replaces_the_pointer_and_names_the_one_before() {
    let bucket = Memory::default();
    run(&bucket, 1, false).await.unwrap();
    run(&bucket, 3, false).await.unwrap();
    let pointer: Pointer = serde_json::from_slice(&bucket.objects()["www/current.json"]).unwrap();
    assert_eq!((read(&bucket), pointer.previous), (Some(3), Some(1)));
}

#[tokio::test]
async fn objects_that_went_missing_come_back_and_the_others_are_left() {
    for name in ["cert.pem", "chain.pem", "fullchain.pem", "privkey.pem", "manifest.json"] {
        let bucket = Memory::default();
        run(&bucket, 1, false).await.unwrap();
        let (before, key) = (bucket.objects(), format!("www/v/1-a1/{name}"));
        bucket.delete(&key);
        bucket.take_log();
        run(&bucket, 1, false).await.unwrap();
        assert_eq!((bucket.objects(), bucket.take_log()), (before, vec![key]));
    }
}

#[tokio::test]
async fn a_pointer_that_went_missing_comes_back() {
    let bucket = Memory::default();
    run(&bucket, 1, false).await.unwrap();
    let before = bucket.objects();
    bucket.delete("www/current.json");
    run(&bucket, 1, false).await.unwrap();
    assert_eq!(bucket.objects(), before);
}

#[tokio::test]
async fn a_pointer_that_was_set_back_by_hand_is_moved_forward_again() {
    let bucket = Memory::default();
    run(&bucket, 1, false).await.unwrap();
    let old = bucket.objects()["www/current.json"].clone();
    run(&bucket, 2, false).await.unwrap();
    bucket.put_now("www/current.json", &old);
    run(&bucket, 2, false).await.unwrap();
    assert_eq!(read(&bucket), Some(2));
}

#[tokio::test]
async fn a_pointer_that_is_ahead_is_never_rolled_back() {
    let bucket = Memory::default();
    run(&bucket, 2, true).await.unwrap();
    let before = bucket.objects();
    assert_eq!(code(run(&bucket, 1, true).await), "s3:pointer-ahead");
    assert_eq!(bucket.objects(), before);
}

#[tokio::test]
async fn a_pointer_of_another_store_or_of_no_known_form_is_left_alone() {
    let bucket = Memory::default();
    run(&bucket, 1, false).await.unwrap();
    let sound = String::from_utf8(bucket.objects()["www/current.json"].clone()).unwrap();
    let strange = [
        ("s3:pointer-differs", sound.replace("v/1-a1/", "v/1-ff/")),
        ("s3:pointer-differs", other_digest(&sound)),
        ("s3:pointer-differs", sound.replace("\"schema\": 1", "\"schema\": 2")),
        ("s3:pointer-unreadable", String::new()),
    ];
    for (expected, text) in strange {
        bucket.put_now("www/current.json", text.as_bytes());
        assert_eq!(code(run(&bucket, 1, false).await), expected, "{text}");
        assert_eq!(bucket.objects()["www/current.json"], text.as_bytes());
    }
}

fn other_digest(pointer: &str) -> String {
    let mut pointer: Pointer = serde_json::from_str(pointer).unwrap();
    pointer.manifest = Digest::of(b"another manifest");
    String::from_utf8(to_json(&pointer)).unwrap()
}

#[tokio::test]
async fn an_immutable_object_with_another_content_stops_before_the_pointer() {
    for name in ["cert.pem", "privkey.pem", "manifest.json"] {
        let bucket = Memory::default();
        bucket.put_now(&format!("www/v/1-a1/{name}"), b"another content");
        assert_eq!(code(run(&bucket, 1, false).await), "s3:immutable-differs");
        assert_eq!(read(&bucket), None);
    }
}

#[tokio::test]
async fn a_manifest_that_an_earlier_release_worded_differently_is_kept() {
    let bucket = Memory::default();
    let (stored, pems) = version(1);
    let wording = serde_json::to_vec(&Manifest { signers: Vec::new(), ..Manifest::new(&stored, &pems) }).unwrap();
    bucket.put_now("www/v/1-a1/manifest.json", &wording);
    run(&bucket, 1, false).await.unwrap();
    assert_eq!(bucket.objects()["www/v/1-a1/manifest.json"], wording);
    assert_eq!(read(&bucket), Some(1));
}

#[tokio::test]
async fn after_a_crash_at_any_put_readers_see_a_whole_version_and_the_next_run_completes() {
    for flat in [false, true] {
        let undisturbed = Memory::default();
        run(&undisturbed, 1, flat).await.unwrap();
        run(&undisturbed, 2, flat).await.unwrap();
        let puts = if flat { 10 } else { 6 };
        for at in 1..=puts {
            let bucket = Memory::default();
            run(&bucket, 1, flat).await.unwrap();
            let bucket = bucket.repaired();
            bucket.state.lock().unwrap().fault = Some((at, Trouble::Died));
            assert_eq!(code(run(&bucket, 2, flat).await), "test:dead");
            assert_eq!(read(&bucket), Some(if at <= 6 { 1 } else { 2 }), "died at put {at}");
            let bucket = bucket.repaired();
            run(&bucket, 2, flat).await.unwrap();
            assert_eq!(bucket.objects(), undisturbed.objects(), "died at put {at}");
        }
    }
}

#[tokio::test]
async fn a_lost_answer_or_a_failed_write_at_any_put_changes_nothing_in_the_end() {
    let undisturbed = Memory::default();
    run(&undisturbed, 1, true).await.unwrap();
    for trouble in [Trouble::AnswerLost, Trouble::Failed] {
        for at in 1..=10 {
            let bucket = Memory::with(Some((at, trouble)));
            let etags = run(&bucket, 1, true).await.unwrap().etags;
            assert_eq!(bucket.objects(), undisturbed.objects(), "{trouble:?} at put {at}");
            let listed = bucket.listing().await;
            let listed = listed.iter().map(|(key, found)| (key["www/".len()..].to_owned(), found.etag.clone()));
            assert_eq!(listed.collect::<BTreeMap<_, _>>(), etags.0, "{trouble:?} at put {at}");
        }
    }
}

#[tokio::test]
async fn a_lost_answer_or_a_failed_swap_of_a_pointer_is_made_good() {
    for trouble in [Trouble::AnswerLost, Trouble::Failed] {
        let bucket = Memory::default();
        run(&bucket, 1, false).await.unwrap();
        let bucket = bucket.repaired();
        bucket.state.lock().unwrap().fault = Some((6, trouble));
        run(&bucket, 2, false).await.unwrap();
        assert_eq!(read(&bucket), Some(2), "{trouble:?}");
    }
}

#[tokio::test]
async fn nobody_elses_write_is_ever_overwritten() {
    for at in 1..=6 {
        let bucket = Memory::with(Some((at, Trouble::Overtaken)));
        let expected = if at == 6 { "s3:pointer-unreadable" } else { "s3:immutable-differs" };
        assert_eq!(code(run(&bucket, 1, false).await), expected, "overtaken at put {at}");
        let kept = bucket.objects().values().filter(|bytes| *bytes == b"somebody else's").count();
        assert_eq!(kept, 1, "overtaken at put {at}");
    }
}

#[tokio::test]
async fn two_stores_with_different_versions_end_with_the_later_one() {
    let bucket = Memory::default();
    let listing = BTreeMap::new();
    let (one, two) = (version(1), version(2));
    let (first, second) = futures::future::join(
        publish(&bucket, "certs", &listing, &one.0, &one.1, None),
        publish(&bucket, "certs", &listing, &two.0, &two.1, None),
    )
    .await;
    assert!(second.is_ok());
    assert!(matches!(code(first).as_str(), "published" | "s3:pointer-ahead"));
    assert_eq!(read(&bucket), Some(2));
}

#[tokio::test]
async fn no_fault_and_no_name_of_an_object_holds_the_private_key() {
    let bucket = Memory::default();
    bucket.put_now("www/v/1-a1/privkey.pem", b"another content");
    let fault = run(&bucket, 1, false).await.unwrap_err();
    assert!(!format!("{fault:?} {:?}", bucket.take_log()).contains("key 1"));
}

/// As a script reads: one object after the other, and others work in between.
async fn read_slowly(bucket: &Memory) -> u64 {
    let get = async |key: String| bucket.get(&key).await.unwrap().unwrap_or_else(|| panic!("{key} is not there")).0;
    let pointer: Pointer = serde_json::from_slice(&get("www/current.json".into()).await).unwrap();
    let manifest = get(format!("{}manifest.json", pointer.prefix)).await;
    assert_eq!(Digest::of(&manifest), pointer.manifest);
    let manifest: Manifest = serde_json::from_slice(&manifest).unwrap();
    for (name, said) in &manifest.files {
        let bytes = get(format!("{}{name}", pointer.prefix)).await;
        assert_eq!(Digest::of(&bytes), said.sha256, "{name} of {}", pointer.sequence);
    }
    let (key, cert) = (get(format!("{}privkey.pem", pointer.prefix)), get(format!("{}cert.pem", pointer.prefix)));
    let number = pointer.sequence;
    assert_eq!((key.await, cert.await), (format!("key {number}\n").into(), format!("cert {number}\n").into()));
    number
}

#[tokio::test]
async fn a_reader_never_sees_a_mix_while_200_versions_are_published() {
    const LAST: u64 = 201;
    let bucket = Memory::default();
    run(&bucket, 1, false).await.unwrap();
    let writer = async {
        for number in 2..=LAST {
            run(&bucket, number, false).await.unwrap();
        }
    };
    let reader = async {
        let mut seen = Vec::new();
        while seen.last() != Some(&LAST) {
            seen.push(read_slowly(&bucket).await);
        }
        seen
    };
    let ((), seen) = futures::join!(writer, reader);
    let all: BTreeSet<&u64> = seen.iter().collect();
    assert!(seen.is_sorted() && all.len() > 20, "{seen:?}");
}
