//! The lineage store against its specification, `docs/store.md`.

#[path = "shared/canary.rs"]
mod canary;

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use canary::Scratch;
use countersign::fault::Fault;
use countersign::journal::{Attempt, Entry, Intent};
use countersign::lineage::{CertFacts, Etags, Meta, Origin, Pems, Provenance, RevocationReason, Revoked, Stored};
use countersign::list::{KeySource, KeyType};
use countersign::name::{CommitId, Digest, LineageName};
use countersign::port::{Accounts, KeptAccount, RenewalInfo, Store};
use countersign::secret::Secret;
use countersign::store::lock::{Lock, NoLock};
use countersign::store::{Document, FileStore};
use time::macros::datetime;

fn lineage(name: &str) -> LineageName {
    LineageName::parse(name).unwrap()
}

fn etags(pointer: &str) -> Etags {
    Etags([("current.json".to_owned(), pointer.to_owned())].into())
}

/// A new self-signed certificate and what is known about it. The version is for the store to choose.
fn certificate(name: &str) -> (Meta, Pems) {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec![format!("{name}.example.com")]).unwrap();
    let cert = params.self_signed(&key).unwrap().pem().replace("\r\n", "\n");
    let facts = CertFacts::from_pem(&cert).unwrap();
    let meta = Meta {
        schema: 1,
        lineage: lineage(name),
        version: 0,
        authority: "lab".into(),
        directory: "https://127.0.0.1:14000/dir".into(),
        profile: None,
        order_url: "https://127.0.0.1:14000/order/1".into(),
        certificate_url: format!("https://127.0.0.1:14000/cert/{}", facts.serial),
        provenance: provenance(),
        key_source: Default::default(),
        origin: Origin::Ordered,
        stored_at: datetime!(2026-06-01 02:00 UTC),
        facts,
    };
    (meta, Pems { privkey: Some(Secret::new(key.serialize_pem())), chain: cert.clone(), cert })
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

fn entry(name: &str) -> Entry {
    let intent = Intent {
        identifiers: certificate(name).0.facts.identifiers,
        authority: "lab".into(),
        directory: "https://127.0.0.1:14000/dir".into(),
        key: KeyType::EcdsaP256,
        key_source: Default::default(),
        public_key: None,
        profile: None,
        replaces: None,
        csr: "MIIB".into(),
        provenance: provenance(),
    };
    Entry { attempt: Some(Attempt::new(intent)), ..Entry::new(lineage(name)) }
}

struct Case {
    _dir: Scratch,
    root: PathBuf,
    store: FileStore,
}

impl Case {
    fn new() -> Self {
        let dir = Scratch::new();
        let root = dir.path().join("state");
        let store = FileStore::open(&root).unwrap();
        Self { _dir: dir, root, store }
    }

    fn deploy(&self, name: &str) -> Stored {
        let (meta, pems) = certificate(name);
        self.store.deploy(meta, &pems).unwrap()
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn broken(&self, name: &str) -> Fault {
        self.store.observe().unwrap().broken.remove(&lineage(name)).expect("the lineage should be broken")
    }
}

/// Every path below `root` with its mode and content: a file's bytes, a link's target.
fn tree(root: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        let meta = path.symlink_metadata().unwrap();
        let content = match () {
            () if meta.is_dir() => Vec::new(),
            () if meta.is_symlink() => fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes(),
            () => fs::read(&path).unwrap(),
        };
        found.insert(path.clone(), (meta.permissions().mode() & 0o7777, content));
        if meta.is_dir() {
            found.extend(tree(&path));
        }
    }
    found
}

#[test]
fn a_deployed_version_stands_under_live_as_certbot_has_it() {
    let case = Case::new();
    let (meta, pems) = certificate("www");
    let stored = case.store.deploy(meta.clone(), &pems).unwrap();
    assert_eq!(stored, Stored { meta: Meta { version: 1, ..meta }, published: BTreeMap::new(), revoked: None });
    assert_eq!(fs::read_link(case.path("live/www")).unwrap(), Path::new("../archive/www/1"));
    let read = |name: &str| fs::read_to_string(case.path("live/www").join(name)).unwrap();
    assert_eq!(read("privkey.pem"), pems.privkey.as_ref().unwrap().reveal());
    assert_eq!(read("fullchain.pem"), pems.fullchain());
    assert_eq!((read("cert.pem"), read("chain.pem")), (pems.cert.clone(), pems.chain.clone()));
    assert_eq!(read("url"), format!("{}\n", stored.meta.certificate_url));
}

#[test]
fn keys_are_for_their_owner_only() {
    let case = Case::new();
    case.deploy("www");
    case.store.write_attempt_key(&lineage("www"), &Secret::new("key".into())).unwrap();
    case.store.save_key("lab", &Secret::new("key".into())).unwrap();
    let mode = |path: &str| case.path(path).metadata().unwrap().permissions().mode() & 0o7777;
    let keys = ["archive/www/1/privkey.pem", "journal/www.key", "accounts/lab/key.pem"];
    assert_eq!(keys.map(mode), [0o600; 3]);
    let folders = [".", "archive", "archive/www", "archive/www/1", "live", "journal", "accounts", "accounts/lab"];
    assert_eq!(folders.map(mode), [0o700; 8]);
    assert_eq!(mode("archive/www/1/fullchain.pem"), 0o644);
}

#[test]
fn folders_that_were_wider_are_tightened_when_the_store_is_opened() {
    let case = Case::new();
    fs::set_permissions(case.path("archive"), Permissions::from_mode(0o777)).unwrap();
    FileStore::open(&case.root).unwrap();
    assert_eq!(case.path("archive").metadata().unwrap().permissions().mode() & 0o7777, 0o700);
}

#[test]
fn what_was_deployed_is_observed_also_without_write_access() {
    let case = Case::new();
    let stored = case.deploy("www");
    let before = tree(&case.root);
    let inventory = FileStore::open_read_only(&case.root).unwrap().observe().unwrap();
    assert_eq!(inventory.live, BTreeMap::from([(lineage("www"), stored)]));
    assert_eq!(tree(&case.root), before);
}

#[test]
fn a_store_that_is_not_there_is_empty_and_is_not_made_by_looking() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("state");
    let store = FileStore::open_read_only(&root).unwrap();
    assert_eq!(store.observe().unwrap(), Default::default());
    assert_eq!(store.write_entry(&entry("www")).unwrap_err().code, "store:read-only");
    assert!(!root.exists());
}

#[test]
fn versions_count_up_and_the_old_ones_stay() {
    let case = Case::new();
    let versions = [case.deploy("www"), case.deploy("www"), case.deploy("www")];
    assert_eq!(versions.clone().map(|stored| stored.meta.version), [1, 2, 3]);
    assert_eq!(case.store.versions(&lineage("www")).unwrap(), versions);
    assert_eq!(case.store.observe().unwrap().live[&lineage("www")].meta.version, 3);
}

#[test]
fn a_number_is_never_used_again() {
    let case = Case::new();
    case.deploy("www");
    case.deploy("www");
    fs::create_dir(case.path("archive/www/.7.tmp")).unwrap();
    fs::write(case.path("archive/www/.7.tmp/privkey.pem"), "half").unwrap();
    assert_eq!(case.deploy("www").meta.version, 8);
    assert!(!case.path("archive/www/.7.tmp").exists());
    fs::remove_dir_all(case.path("archive/www/8")).unwrap();
    assert_eq!(case.deploy("www").meta.version, 9);
    case.store.stash(&lineage("www")).unwrap();
    assert_eq!(case.deploy("www").meta.version, 10);
}

#[test]
fn deploying_the_same_certificate_again_after_a_crash_gives_the_same_version() {
    let case = Case::new();
    let (meta, pems) = certificate("www");
    let first = case.store.deploy(meta.clone(), &pems).unwrap();
    fs::remove_file(case.path("live/www")).unwrap();
    assert_eq!(case.store.deploy(meta, &pems).unwrap(), first);
    assert_eq!(case.store.observe().unwrap().live[&lineage("www")], first);
}

#[test]
fn a_key_that_does_not_belong_to_the_certificate_is_not_deployed() {
    let case = Case::new();
    let (meta, pems) = certificate("www");
    let wrong = Pems { privkey: certificate("api").1.privkey, ..pems };
    assert_eq!(case.store.deploy(meta, &wrong).unwrap_err().code, "store:key-mismatch");
    assert!(!case.path("live/www").exists() && !case.path("archive/www").exists());
}

#[test]
fn a_version_whose_key_is_elsewhere_has_no_file_for_it_and_takes_none() {
    let case = Case::new();
    let (meta, pems) = certificate("www");
    case.store.deploy(meta.clone(), &pems).unwrap();
    let csr = rcgen::CertificateParams::new(vec!["www.example.com".to_owned()]).unwrap();
    let csr = csr.serialize_request(&rcgen::KeyPair::generate().unwrap()).unwrap();
    let csr = serde_json::from_value(STANDARD.encode(csr.der()).into()).unwrap();
    let elsewhere = Meta { key_source: KeySource::Csr(csr), ..meta.clone() };
    let bare = Pems { privkey: None, ..pems.clone() };
    let code = |meta: &Meta, pems: &Pems| case.store.deploy(meta.clone(), pems).map_err(|fault| fault.code);
    assert_eq!(code(&elsewhere, &pems).err(), Some("store:key-mismatch".into()));
    assert_eq!(code(&meta, &bare).err(), Some("store:key-mismatch".into()));
    let stored = code(&elsewhere, &bare).unwrap();
    assert!(case.store.pems(&stored).unwrap() == bare);
    assert!(case.path("archive/www/1/privkey.pem").exists() && !case.path("live/www/privkey.pem").exists());
    assert_eq!(case.store.observe().unwrap().live[&lineage("www")], stored);
}

#[test]
fn the_pem_files_come_back_as_they_were_and_swapped_keys_are_noticed() {
    let case = Case::new();
    let (meta, pems) = certificate("www");
    let stored = case.store.deploy(meta, &pems).unwrap();
    assert!(case.store.pems(&stored).unwrap() == pems);
    fs::write(case.path("archive/www/1/privkey.pem"), certificate("api").1.privkey.as_ref().unwrap().reveal()).unwrap();
    assert_eq!(case.store.pems(&stored).err().unwrap().code, "store:broken");
}

#[test]
fn a_version_comes_back_from_a_bucket_under_its_own_number() {
    let case = Case::new();
    let (meta, pems) = certificate("www");
    let restored = case.store.restore(Meta { version: 41, ..meta.clone() }, &pems).unwrap();
    assert_eq!(restored.meta.version, 41);
    assert_eq!(case.store.restore(Meta { version: 41, ..meta }, &pems).unwrap(), restored);
    assert_eq!(case.deploy("www").meta.version, 42);
}

#[test]
fn the_etags_of_objects_are_kept_by_version_and_bucket() {
    let case = Case::new();
    let stored = case.deploy("www");
    case.store.record_published(&stored, "certs", &etags("\"1\"")).unwrap();
    case.store.record_published(&stored, "mirror", &etags("\"2\"")).unwrap();
    case.store.record_published(&stored, "certs", &etags("\"3\"")).unwrap();
    let published = case.store.observe().unwrap().live[&lineage("www")].published.clone();
    let expected = [("certs", "\"3\""), ("mirror", "\"2\"")].map(|(bucket, etag)| (bucket.into(), etags(etag)));
    assert_eq!(published, BTreeMap::from(expected));
    assert_eq!(case.deploy("www").published, BTreeMap::new());
}

#[test]
fn a_stashed_lineage_comes_back_byte_for_byte() {
    let case = Case::new();
    case.deploy("www");
    let stored = case.deploy("www");
    case.store.record_published(&stored, "certs", &etags("\"1\"")).unwrap();
    let before = tree(&case.root);
    case.store.stash(&lineage("www")).unwrap();
    assert!(case.path("live/www").symlink_metadata().is_err() && !case.path("archive/www").exists());
    case.store.unstash(&lineage("www")).unwrap();
    assert_eq!(tree(&case.root), before);
}

#[test]
fn a_stashed_lineage_is_observed_in_the_stash_and_its_files_can_be_read() {
    let case = Case::new();
    let stored = case.deploy("www");
    case.store.stash(&lineage("www")).unwrap();
    let inventory = case.store.observe().unwrap();
    assert_eq!((inventory.live.len(), &inventory.stash[&lineage("www")]), (0, &stored));
    assert!(case.store.pems(&stored).is_ok());
}

#[test]
fn a_stash_that_was_cut_short_counts_as_done_and_can_be_repeated() {
    let case = Case::new();
    let stored = case.deploy("www");
    case.store.stash(&lineage("www")).unwrap();
    symlink("../archive/www/1", case.path("live/www")).unwrap();
    let inventory = case.store.observe().unwrap();
    assert_eq!((inventory.stash[&lineage("www")].clone(), inventory.broken.len()), (stored, 0));
    case.store.stash(&lineage("www")).unwrap();
    assert!(case.path("live/www").symlink_metadata().is_err());
}

#[test]
fn an_unstash_that_was_cut_short_counts_as_not_begun_and_can_be_repeated() {
    let case = Case::new();
    let stored = case.deploy("www");
    case.store.stash(&lineage("www")).unwrap();
    fs::rename(case.path("stash/www"), case.path("archive/www")).unwrap();
    assert_eq!(case.store.observe().unwrap().stash[&lineage("www")], stored);
    case.store.unstash(&lineage("www")).unwrap();
    assert_eq!(case.store.observe().unwrap().live[&lineage("www")], stored);
}

#[test]
fn a_first_deploy_that_was_cut_short_is_neither_live_nor_broken() {
    let case = Case::new();
    case.deploy("www");
    fs::remove_file(case.path("live/www")).unwrap();
    assert_eq!(case.store.observe().unwrap(), Default::default());
}

#[test]
fn broken_lineages_are_named_and_the_others_are_read() {
    let case = Case::new();
    for name in ["cut", "dangling", "foreign", "keyless", "moved", "newer", "plain", "sound"] {
        case.deploy(name);
    }
    fs::write(case.path("archive/cut/1/meta.json"), "{\"schema\":1,").unwrap();
    fs::remove_dir_all(case.path("archive/dangling/1")).unwrap();
    fs::remove_file(case.path("live/foreign")).unwrap();
    symlink("/etc", case.path("live/foreign")).unwrap();
    fs::write(case.path("archive/keyless/1/privkey.pem"), "").unwrap();
    fs::copy(case.path("archive/sound/1/meta.json"), case.path("archive/moved/1/meta.json")).unwrap();
    fs::write(case.path("archive/newer/1/meta.json"), "{\"schema\":2}").unwrap();
    fs::remove_file(case.path("live/plain")).unwrap();
    fs::create_dir(case.path("live/plain")).unwrap();
    let inventory = case.store.observe().unwrap();
    let broken: Vec<_> = inventory.broken.iter().map(|(name, fault)| (name.as_str(), fault.code.as_str())).collect();
    assert_eq!(
        broken,
        [
            ("cut", "store:unreadable"),
            ("dangling", "store:broken"),
            ("foreign", "store:broken"),
            ("keyless", "store:broken"),
            ("moved", "store:broken"),
            ("newer", "store:newer-schema"),
            ("plain", "store:broken"),
        ]
    );
    assert_eq!(inventory.live.keys().map(LineageName::as_str).collect::<Vec<_>>(), ["sound"]);
}

#[test]
fn a_lineage_in_archive_and_in_stash_is_broken_and_neither_is_touched() {
    let case = Case::new();
    case.deploy("www");
    case.store.stash(&lineage("www")).unwrap();
    fs::create_dir(case.path("archive/www")).unwrap();
    let before = tree(&case.root);
    assert_eq!(case.broken("www").code, "store:broken");
    let (meta, pems) = certificate("www");
    assert_eq!(case.store.deploy(meta, &pems).unwrap_err().code, "store:broken");
    assert_eq!(case.store.stash(&lineage("www")).unwrap_err().code, "store:broken");
    assert_eq!(case.store.unstash(&lineage("www")).unwrap_err().code, "store:broken");
    assert_eq!(tree(&case.root), before);
}

#[test]
fn stashing_what_is_not_live_and_unstashing_what_is_not_stashed_is_refused() {
    let case = Case::new();
    assert_eq!(case.store.stash(&lineage("www")).unwrap_err().code, "store:no-lineage");
    case.deploy("www");
    assert_eq!(case.store.unstash(&lineage("www")).unwrap_err().code, "store:no-lineage");
}

#[test]
fn a_journal_entry_and_its_key_come_back_until_they_are_removed() {
    let case = Case::new();
    let (www, key) = (lineage("www"), Secret::new("key".into()));
    case.store.write_attempt_key(&www, &key).unwrap();
    case.store.write_entry(&entry("www")).unwrap();
    assert_eq!(case.store.observe().unwrap().journal, BTreeMap::from([(www.clone(), entry("www"))]));
    assert_eq!(case.store.attempt_key(&www).unwrap(), Some(key));
    case.store.remove_entry(&www).unwrap();
    case.store.remove_entry(&www).unwrap();
    assert_eq!(case.store.observe().unwrap(), Default::default());
    assert_eq!(case.store.attempt_key(&www).unwrap(), None);
}

#[test]
fn the_key_of_an_attempt_goes_when_no_attempt_needs_it() {
    let case = Case::new();
    let www = lineage("www");
    case.store.write_attempt_key(&www, &Secret::new("key".into())).unwrap();
    case.store.write_entry(&entry("www")).unwrap();
    case.store.write_entry(&Entry::new(www.clone())).unwrap();
    assert_eq!(case.store.attempt_key(&www).unwrap(), None);
}

#[test]
fn a_cut_or_changed_or_newer_journal_entry_is_reported_and_not_overwritten() {
    let case = Case::new();
    let path = case.path("journal/www.json");
    case.store.write_entry(&entry("www")).unwrap();
    let sound = fs::read_to_string(&path).unwrap();
    let newer = sound.replace("\"schema\":1", "\"schema\":2");
    let damaged = [
        ("store:journal", sound[..sound.len() - 2].to_owned()),
        ("store:journal", sound[..40].to_owned()),
        ("store:journal", String::new()),
        ("store:journal", sound.replace("MIIB", "MIIC")),
        ("store:newer-schema", newer),
        ("store:newer-schema", "{\"schema\":9,\"anything\":[]}".to_owned()),
    ];
    for (code, text) in damaged {
        fs::write(&path, &text).unwrap();
        assert_eq!(case.broken("www").code, code, "{text}");
        assert_eq!(case.store.write_entry(&entry("www")).unwrap_err().code, code);
        assert_eq!(case.store.remove_entry(&lineage("www")).unwrap_err().code, code);
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn an_entry_of_another_lineage_is_not_obeyed() {
    let case = Case::new();
    case.store.write_entry(&entry("www")).unwrap();
    fs::copy(case.path("journal/www.json"), case.path("journal/api.json")).unwrap();
    assert_eq!(case.broken("api").code, "store:journal");
}

#[test]
fn an_entry_cut_at_any_byte_is_never_taken_for_a_sound_one() {
    let case = Case::new();
    case.store.write_entry(&entry("www")).unwrap();
    let path = case.path("journal/www.json");
    let sound = fs::read(&path).unwrap();
    let taken = (0..sound.len()).filter(|length| {
        fs::write(&path, &sound[..*length]).unwrap();
        case.store.observe().unwrap().broken.is_empty()
    });
    assert_eq!(taken.count(), 0);
}

fn kept(key: &Secret, url: Option<&str>) -> Option<KeptAccount> {
    Some(KeptAccount { key: key.clone(), url: url.map(str::to_owned), next: None })
}

#[test]
fn the_next_key_of_an_account_takes_over_and_the_url_stays() {
    let case = Case::new();
    let [old, new] = ["old", "new"].map(|text| Secret::new(text.into()));
    case.store.save_key("lab", &old).unwrap();
    case.store.save_url("lab", "https://ca/dir", "https://ca/acct/1").unwrap();
    case.store.save_next_key("lab", &new).unwrap();
    assert_eq!(case.store.load("lab").unwrap().unwrap().next, Some(new.clone()));
    case.store.promote_next_key("lab").unwrap();
    assert_eq!(case.store.load("lab").unwrap(), kept(&new, Some("https://ca/acct/1")));
    case.store.forget("lab").unwrap();
    assert_eq!(case.store.load("lab").unwrap(), None);
}

#[test]
fn a_next_key_that_a_crash_left_after_it_took_over_means_nothing() {
    let case = Case::new();
    let key = Secret::new("new".into());
    case.store.save_key("lab", &key).unwrap();
    case.store.save_next_key("lab", &key).unwrap();
    assert_eq!(case.store.load("lab").unwrap(), kept(&key, None));
}

#[test]
fn a_revoked_version_says_so_and_stays_as_it_was() {
    let case = Case::new();
    let stored = case.deploy("www");
    let revoked = Revoked { reason: RevocationReason::Superseded, at: datetime!(2026-06-01 00:00 UTC) };
    case.store.record_revoked(&stored, &revoked).unwrap();
    let found = case.store.version(&stored.meta.lineage, 1).unwrap();
    assert_eq!(found, Some(Stored { revoked: Some(revoked), ..stored }));
}

#[test]
fn an_account_key_waits_for_its_url_and_a_new_key_has_none() {
    let case = Case::new();
    let [old, new] = ["old", "new"].map(|text| Secret::new(text.into()));
    assert_eq!(case.store.load("lab").unwrap(), None);
    case.store.save_key("lab", &old).unwrap();
    assert_eq!(case.store.load("lab").unwrap(), kept(&old, None));
    case.store.save_url("lab", "https://ca/dir", "https://ca/acct/1").unwrap();
    case.store.save_key("lab", &old).unwrap();
    assert_eq!(case.store.load("lab").unwrap(), kept(&old, Some("https://ca/acct/1")));
    case.store.save_key("lab", &new).unwrap();
    assert_eq!(case.store.load("lab").unwrap(), kept(&new, None));
}

#[test]
fn an_authority_cannot_name_a_path_outside_its_folder() {
    let case = Case::new();
    for name in ["", ".", "..", "../x", "a/b", "/etc", ".hidden", "a b"] {
        assert_eq!(case.store.save_key(name, &Secret::new("k".into())).unwrap_err().code, "store:authority", "{name}");
    }
}

#[test]
fn what_failed_the_checks_is_kept_apart_with_the_reason() {
    let case = Case::new();
    let why = Fault::new("check:names", "the certificate names others");
    let (_, pems) = certificate("www");
    case.store.quarantine(&lineage("www"), &pems, &why).unwrap();
    case.store.quarantine(&lineage("www"), &pems, &why).unwrap();
    let read = |path: &str| fs::read(case.path(path)).unwrap();
    assert_eq!(serde_json::from_slice::<Fault>(&read("quarantine/www/2/fault.json")).unwrap(), why);
    assert_eq!(read("quarantine/www/1/privkey.pem"), pems.privkey.as_ref().unwrap().reveal().as_bytes());
    assert_eq!(case.store.observe().unwrap(), Default::default());
}

#[test]
fn renewal_information_is_kept_and_a_damaged_file_is_only_a_loss() {
    let case = Case::new();
    let info = RenewalInfo {
        start: datetime!(2026-07-01 00:00 UTC),
        end: datetime!(2026-07-02 00:00 UTC),
        explanation: None,
        ask_again: datetime!(2026-06-01 06:00 UTC),
    };
    let infos = BTreeMap::from([("aki.serial".to_owned(), info)]);
    case.store.write_renewal_infos(&infos).unwrap();
    assert_eq!(case.store.renewal_infos().unwrap(), infos);
    fs::write(case.path("ari.json"), "{").unwrap();
    assert_eq!(case.store.renewal_infos().unwrap(), BTreeMap::new());
}

#[test]
fn a_damaged_trust_state_is_an_error_and_not_an_absent_one() {
    let case = Case::new();
    assert_eq!(case.store.read_json::<Vec<u32>>(Document::TrustState).unwrap(), None);
    case.store.write_json(Document::TrustState, &[1, 2]).unwrap();
    assert_eq!(case.store.read_json(Document::TrustState).unwrap(), Some(vec![1, 2]));
    fs::write(case.path("trust-state.json"), "").unwrap();
    assert_eq!(case.store.read_json::<Vec<u32>>(Document::TrustState).unwrap_err().code, "store:unreadable");
}

#[test]
fn a_newer_schema_is_refused_by_readers_and_writers() {
    let case = Case::new();
    fs::write(case.path("schema"), "2\n").unwrap();
    assert_eq!(FileStore::open(&case.root).unwrap_err().code, "store:newer-schema");
    assert_eq!(FileStore::open_read_only(&case.root).unwrap_err().code, "store:newer-schema");
}

#[test]
fn a_folder_of_the_store_that_is_a_link_is_refused() {
    let case = Case::new();
    let outside = tempfile::tempdir().unwrap();
    fs::remove_dir(case.path("archive")).unwrap();
    symlink(outside.path(), case.path("archive")).unwrap();
    assert_eq!(FileStore::open(&case.root).unwrap_err().code, "store:foreign");
}

#[test]
fn a_lineage_folder_that_is_a_link_is_not_written_through() {
    let case = Case::new();
    let outside = tempfile::tempdir().unwrap();
    symlink(outside.path(), case.path("archive/www")).unwrap();
    let (meta, pems) = certificate("www");
    assert_eq!(case.store.deploy(meta, &pems).unwrap_err().code, "store:foreign");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn a_lineage_behind_a_link_is_broken_before_anything_is_ordered_for_it() {
    let case = Case::new();
    case.deploy("www");
    fs::rename(case.path("archive/www"), case.path("elsewhere")).unwrap();
    symlink("../elsewhere", case.path("archive/www")).unwrap();
    assert_eq!(case.broken("www").code, "store:broken");
}

#[test]
fn a_key_file_that_is_a_link_is_not_read() {
    let case = Case::new();
    let stored = case.deploy("www");
    let key = case.path("archive/www/1/privkey.pem");
    fs::rename(&key, case.path("archive/key")).unwrap();
    symlink("../../key", &key).unwrap();
    assert_eq!(case.store.pems(&stored).err().unwrap().code, "store:unreadable");
    assert_eq!(case.broken("www").code, "store:broken");
}

#[test]
fn a_folder_with_other_things_is_not_made_into_a_store() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("thesis.tex"), "").unwrap();
    let before = tree(dir.path());
    assert_eq!(FileStore::open(dir.path()).unwrap_err().code, "store:foreign");
    assert!(Lock::acquire(dir.path(), "apply", datetime!(2026-06-01 00:00 UTC)).is_err());
    assert_eq!(tree(dir.path()), before);
}

#[test]
fn of_many_runs_that_begin_at_once_on_a_new_folder_one_gets_the_lock_and_all_others_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("state");
    let start = std::sync::Barrier::new(32);
    let acquire = || {
        start.wait();
        Lock::acquire(&root, "apply", datetime!(2026-06-01 00:00 UTC))
    };
    let results: Vec<_> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..32).map(|_| scope.spawn(acquire)).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    let held = results.iter().filter(|result| matches!(result, Err(NoLock::Held(_)))).count();
    assert_eq!((results.iter().filter(|result| result.is_ok()).count(), held), (1, 31), "{results:?}");
}

#[test]
fn a_place_that_cannot_be_written_is_named_with_a_hint() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let below_a_file = FileStore::open(&file.join("state")).unwrap_err();
    // sysfs takes no folders, whoever asks.
    let read_only = FileStore::open(Path::new("/sys/countersign")).unwrap_err();
    assert_eq!([below_a_file.code, read_only.code], ["store:unwritable"; 2]);
    assert!(below_a_file.hint.is_some());
}
