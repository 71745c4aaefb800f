//! Machines that read a bucket while others write to it: old or new, never a mix.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use countersign::apply::publish::publish;
use countersign::bucket::layout::{Manifest, Pointer};
use countersign::bucket::{S3Bucket, Settings};
use countersign::failpoint::{PULL_PLACES, VARIABLE};
use countersign::lineage::{CertFacts, Meta, Pems, Stored, public_key_of};
use countersign::name::Digest;
use countersign::port::Bucket;
use countersign::sandbox::{ACCESS_KEY, SECRET_KEY};
use countersign::secret::Secret;
use rcgen::{CertificateParams, KeyPair};

use super::rig::{BUCKET, Lab};

/// How many versions are published while others read.
const PUBLISHES: u64 = 200;

const WWW: [(&str, &str); 1] = [("www", "www.example.com")];

/// A machine with a `pull.yaml`, and `www` published.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.list(&WWW);
    lab.done();
    write_pull_yaml(&lab, "");
    lab
}

/// `more` stands with the certificate.
fn write_pull_yaml(lab: &Lab, more: &str) {
    let s3 = lab.sandbox.s3_url();
    lab.write(
        "pull.yaml",
        &format!(
            "\
version: 1
bucket: {{bucket: {BUCKET}, prefix: certs/, region: us-east-1, endpoint: \"{s3}\"}}
certificates:
  - {{name: www, into: used, domains: [www.example.com]{more}}}
"
        ),
    );
}

/// Version and serial of what the machine uses, with everything in its place.
fn used(lab: &Lab) -> (u64, String) {
    let read = |file: &str| lab.read(&format!("used/current/{file}"));
    let manifest: Manifest = serde_json::from_str(&read("manifest.json")).unwrap();
    let facts = CertFacts::from_pem(&read("cert.pem")).unwrap();
    assert_eq!(read("fullchain.pem"), read("cert.pem") + &read("chain.pem"));
    assert_eq!(public_key_of(&Secret::new(read("privkey.pem"))).unwrap(), facts.public_key);
    assert_eq!((&manifest.serial, &manifest.public_key), (&facts.serial, &facts.public_key));
    (manifest.sequence, facts.serial)
}

fn renew(lab: &Lab) {
    let ran = lab.run(&["apply", "--auto-approve", "--force", "www", "--reason", "a test"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[test]
fn a_file_says_what_to_pull_and_the_answer_says_what_was_done() {
    let lab = lab();
    let (code, said, _) = lab.ask(&["pull"]);
    assert_eq!(code, Some(0));
    assert!(said.ends_with("countersign pull: done (exit 0): 1 new, 0 as before, 0 failed\n"), "{said}");
    assert_eq!(used(&lab).0, 1);
    let (code, said, _) = lab.ask(&["pull", "www", "--json"]);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &said["certificates"][0]["state"]), (Some(0), &"same".into()));
    // A consumer's policy allows nothing else.
    let asked = lab.count("ListObjectsV2");
    lab.ask(&["pull"]);
    assert_eq!(lab.count("ListObjectsV2"), asked);
}

#[test]
fn flags_and_files_that_make_no_sense_are_told_at_once() {
    let lab = lab();
    let code = |args: &[&str]| lab.ask(args).0;
    assert_eq!(code(&["pull", "api"]), Some(64));
    assert_eq!(code(&["pull", "www", "--bucket", BUCKET]), Some(64));
    assert_eq!(code(&["pull", "--into", "used"]), Some(64));
    assert_eq!(code(&["pull", "www", "--", "true"]), Some(64));
    write_pull_yaml(&lab, ", reload: [true]");
    let (code, _, told) = lab.ask(&["pull"]);
    assert!(code == Some(1) && told.contains("pull.yaml:4:") && told.contains("whole path"), "{told}");
}

#[test]
fn a_failing_command_is_exit_3_and_leaves_the_version_of_before() {
    let lab = lab();
    lab.ask(&["pull"]);
    let before = used(&lab);
    renew(&lab);
    write_pull_yaml(&lab, ", reload: [/bin/false]");
    let (code, said, told) = lab.ask(&["pull"]);
    assert_eq!((code, used(&lab)), (Some(3), before), "{said}{told}");
    assert!(told.contains("program:failed") && told.contains("`current` is version 1 again"), "{told}");
}

#[test]
fn a_pull_that_is_killed_leaves_the_old_or_the_new_and_the_next_one_ends_it() {
    let lab = lab();
    lab.ask(&["pull"]);
    for (number, place) in (2..).zip(PULL_PLACES) {
        renew(&lab);
        write_pull_yaml(
            &lab,
            ", reload: [/bin/sh, -c, \"echo $COUNTERSIGN_VERSION >> $COUNTERSIGN_LIVE/../../../reloads\"]",
        );
        let reloads = || fs::read_to_string(lab.path("reloads")).unwrap_or_default();
        let before = reloads();
        assert_eq!(lab.ask_with(&["pull"], &[(VARIABLE, place)]).0, None, "{place} is not reached");
        let seen = used(&lab).0;
        assert!(seen == number || seen == number - 1, "{place}: {seen}");
        assert_eq!(lab.ask(&["pull"]).0, Some(0), "{place}");
        assert_eq!(used(&lab).0, number, "{place}");
        // Killed after the command and before it is noted, it runs again.
        let twice = if place == "after-reload" { 2 } else { 1 };
        assert_eq!(reloads(), before + &format!("{number}\n").repeat(twice), "{place}");
    }
}

#[test]
fn no_umask_opens_the_folder_or_closes_the_marker() {
    for umask in ["0000", "0777"] {
        let lab = lab();
        let under = format!("umask {umask}; exec \"$@\"");
        let ran = lab.run_under(&["sh", "-c", &under, "sh"], &["pull"], &[]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let mode = |path: &str| lab.path(path).metadata().unwrap().permissions().mode() & 0o7777;
        let files = ["used", "used/releases", "used/releases/1", "used/releases/1/privkey.pem", "used/version.json"];
        assert_eq!(files.map(mode), [0o755, 0o700, 0o700, 0o600, 0o644], "umask {umask}");
    }
}

#[test]
#[ignore = "needs strace: ci/install"]
fn a_disk_that_is_full_leaves_the_version_of_before_and_the_next_pull_has_the_new_one() {
    let lab = lab();
    lab.ask(&["pull"]);
    renew(&lab);
    for file in ["releases/.2.tmp/privkey.pem", "releases/.2.tmp/manifest.json", ".version.json.tmp"] {
        let path = lab.path("used").join(file);
        let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", path.to_str().unwrap(), "-e"];
        let ran = lab.run_under(&[&strace[..], &["inject=write:error=ENOSPC"]].concat(), &["pull"], &[]);
        assert_eq!(ran.code, Some(3), "{file}: {ran:?}");
        assert!(ran.err.contains("[pull:no-space]") && ran.err.contains("then pull again"), "{file}: {ran:?}");
        // The marker comes last: without room for it the new version is in use, and is made ready once more.
        assert_eq!(used(&lab).0, if file == ".version.json.tmp" { 2 } else { 1 }, "{file}");
    }
    let (code, said, _) = lab.ask(&["pull"]);
    assert!(code == Some(0) && used(&lab).0 == 2 && said.contains("version 2 instead of 1"), "{said}");
}

#[test]
fn a_command_may_leave_something_behind_that_goes_on() {
    let lab = lab();
    let script = "sleep 300 & echo $! > $COUNTERSIGN_LIVE/../../../background";
    write_pull_yaml(&lab, &format!(", reload: [/bin/sh, -c, \"{script}\"], reload_timeout: 60s"));
    let pulled = lab.ask(&["pull"]);
    let next = lab.ask(&["pull"]).0;
    let ended = std::process::Command::new("kill").arg(lab.read("background").trim()).status().unwrap();
    assert_eq!((pulled.0, next, ended.success()), (Some(0), Some(0), true), "{pulled:?}");
}

#[test]
fn a_file_that_others_may_write_is_refused_because_it_names_commands() {
    let lab = lab();
    fs::set_permissions(lab.path("pull.yaml"), fs::Permissions::from_mode(0o666)).unwrap();
    let (code, _, told) = lab.ask(&["pull"]);
    assert!(code == Some(1) && told.contains("pull.yaml"), "{told}");
    assert!(!lab.path("used").exists());
}

fn bucket(lab: &Lab) -> S3Bucket {
    let credentials = Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test");
    let sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    let settings = Settings {
        bucket: BUCKET.into(),
        prefix: "certs/".into(),
        region: Some("us-east-1".into()),
        endpoint: Some(lab.sandbox.s3_url()),
        kms_key: None,
        expected_owner: None,
    };
    S3Bucket::new(settings, &sdk)
}

/// The next versions of a lineage, each with another key.
fn versions(first: &Stored, count: u64) -> Vec<(Stored, Pems)> {
    let version = |number| {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["www.example.com".to_owned()]).unwrap();
        let cert = params.self_signed(&key).unwrap().pem().replace("\r\n", "\n");
        let facts = CertFacts::from_pem(&cert).unwrap();
        let pems = Pems { privkey: Some(Secret::new(key.serialize_pem())), cert, chain: String::new() };
        (Stored { meta: Meta { version: number, facts, ..first.meta.clone() }, ..first.clone() }, pems)
    };
    (first.meta.version + 1..).take(usize::try_from(count).unwrap()).map(version).collect()
}

/// Reads as a script would: the pointer, what it names, and nothing else. Gives the sequence.
async fn read_whole(bucket: &S3Bucket) -> u64 {
    let get = async |key: String| bucket.get(&key).await.unwrap().unwrap_or_else(|| panic!("{key} is not there")).0;
    let pointer: Pointer = serde_json::from_slice(&get("www/current.json".into()).await).unwrap();
    let manifest = get(format!("{}manifest.json", pointer.prefix)).await;
    assert_eq!(Digest::of(&manifest), pointer.manifest);
    let manifest: Manifest = serde_json::from_slice(&manifest).unwrap();
    let mut texts = BTreeMap::new();
    for (name, said) in &manifest.files {
        let bytes = get(format!("{}{name}", pointer.prefix)).await;
        assert_eq!(Digest::of(&bytes), said.sha256, "{name} of {}", pointer.sequence);
        texts.insert(name.clone(), String::from_utf8(bytes).unwrap());
    }
    let facts = CertFacts::from_pem(&texts["cert.pem"]).unwrap();
    assert_eq!(public_key_of(&Secret::new(texts["privkey.pem"].clone())).unwrap(), facts.public_key);
    pointer.sequence
}

/// All that a reader sees, until the end and once more.
async fn sequences(bucket: &S3Bucket, done: &AtomicBool) -> Vec<u64> {
    let mut seen = Vec::new();
    while !done.load(Ordering::SeqCst) {
        seen.push(read_whole(bucket).await);
    }
    seen.push(read_whole(bucket).await);
    seen
}

#[test]
fn readers_see_one_whole_version_after_the_other_while_many_are_published() {
    let lab = lab();
    let first = lab.inventory().live.into_values().next().unwrap();
    let versions = versions(&first, PUBLISHES);
    let last = versions.last().unwrap().0.meta.version;
    let done = AtomicBool::new(false);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let bucket = bucket(&lab);
        let writer = async {
            for (stored, pems) in &versions {
                publish(&bucket, "certs", &BTreeMap::new(), stored, pems, None).await.unwrap();
            }
            done.store(true, Ordering::SeqCst);
        };
        let puller = async {
            let consumer = countersign::pull::Consumer {
                lineage: first.meta.lineage.clone(),
                into: lab.path("used"),
                domains: first.facts().identifiers.clone(),
                also: Default::default(),
                key: None,
                reload: None,
                served: None,
                keep: 2,
            };
            while !done.load(Ordering::SeqCst) {
                countersign::pull::pull(&consumer, &bucket, &countersign::clock::SystemClock).await.unwrap();
                used(&lab);
            }
            countersign::pull::pull(&consumer, &bucket, &countersign::clock::SystemClock).await.unwrap().sequence
        };
        let ((), seen, pulled) = futures::join!(writer, sequences(&bucket, &done), puller);
        assert!(seen.is_sorted() && seen.len() > 5, "{seen:?}");
        assert_eq!((seen.last(), pulled), (Some(&last), last));
    });
    assert!(Path::new(&lab.path("used/releases")).read_dir().unwrap().count() <= 2);
}
