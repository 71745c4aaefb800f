//! What `audit` and `show` say about certificates, folders and prefixes.

use std::fs;
use std::process::Command;

use countersign::name::Digest;
use countersign::source::BareStore;
use countersign::trust::approval::Statement;
use countersign::trust::{self, ListPath};
use time::Duration;

use super::rig::{BUCKET, House, Ran, copy, now};

/// The codes and subjects of the findings.
fn found(ran: &Ran) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let json = ran.json();
    let findings = json["findings"].as_array().unwrap();
    findings.iter().map(|finding| (text(&finding["code"]), text(&finding["message"]))).collect()
}

fn codes(ran: &Ran) -> Vec<String> {
    found(ran).into_iter().map(|(code, _)| code).collect()
}

/// Puts a copy of `www` under another name into the store, as somebody with a shell there could.
fn plant(house: &House, name: &str) {
    let folder = house.path(&format!("state/archive/{name}"));
    copy(&house.path("state/archive/www"), &folder);
    let meta = format!("state/archive/{name}/1/meta.json");
    house.edit_json(&meta, |meta| meta["lineage"] = name.into());
    std::os::unix::fs::symlink(format!("../archive/{name}/1"), house.path(&format!("state/live/{name}"))).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_only_this_tool_wrote_has_no_findings() {
    let house = House::with(&["www", "api"]).await;
    house.apply().must(0);
    house.list(&["www"], Some(&house.bob));
    house.apply().must(0);
    assert_eq!(codes(&house.run(&["audit", "--online", "--json"]).must(0)), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_takes_no_lock_and_writes_nothing() {
    let house = House::with(&["www"]).await;
    house.apply().must(0);
    let lock = fs::File::open(house.path("state/lock")).unwrap();
    lock.lock().unwrap();
    house.run(&["audit"]).must(0);
    house.run(&["show", "www"]).must(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_folder_that_no_verified_commit_authorised_is_named() {
    let house = House::with(&["www"]).await;
    house.apply().must(0);
    plant(&house, "evil");
    let seen = house.run(&["audit", "--json"]).must(1);
    let [(code, message)] = &found(&seen)[..] else { panic!("{}", seen.out) };
    assert_eq!(code, "audit:unauthorised-lineage");
    assert!(message.contains("`live/evil`"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_certificate_of_a_commit_that_was_never_verified_is_named() {
    let house = House::with(&["www"]).await;
    house.apply().must(0);
    house.edit_json("state/archive/www/1/meta.json", |meta| meta["provenance"]["commit"] = "a".repeat(40).into());
    assert_eq!(codes(&house.run(&["audit", "--json"]).must(1)), ["audit:unauthorised-lineage"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn prefixes_and_versions_in_a_bucket_that_nobody_authorised_are_named() {
    let house = House::with(&["www"]).await;
    house.apply().must(0);
    for key in ["pki/evil/current.json", "pki/www/v/9-abcdef/privkey.pem", "pki/loose.txt"] {
        house.sandbox.seed_object(BUCKET, key, "planted").unwrap();
    }
    house.run(&["audit"]).must(0);
    let seen = found(&house.run(&["audit", "--online", "--json"]).must(1));
    let named = |prefix: &str| {
        seen.iter().any(|(code, text)| code == "audit:unauthorised-prefix" && text.contains(&format!("`{prefix}`")))
    };
    assert_eq!((seen.len(), ["evil/", "www/v/9-abcdef/", "loose.txt"].map(named)), (3, [true; 3]), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_remembers_more_than_the_log_is_named() {
    let house = House::with(&["www"]).await;
    house.apply().must(0);
    let log = house.read("state/audit.jsonl");
    let cut: String = log.split_inclusive('\n').take(1).collect();
    house.write("state/audit.jsonl", &cut);
    assert!(codes(&house.run(&["audit", "--online", "--json"]).must(1)).contains(&"X01-state-rollback".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_of_a_signer_who_was_revoked_since_are_named_and_fail_the_audit() {
    let house = House::with(&["www"]).await;
    house.apply().must(0);
    house.configure(&format!("revoked: [\"{}\"]", house.ann.fingerprint()));
    assert_eq!(codes(&house.run(&["audit", "--json"]).must(1)), ["audit:revoked-signer"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_of_a_signer_who_left_are_named_and_stay_good() {
    let house = House::with(&["www"]).await;
    house.apply().must(0);
    house.allow(&[&house.bob]);
    assert_eq!(codes(&house.run(&["audit", "--json"]).must(0)), ["audit:removed-signer"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn show_answers_who_authorised_this_certificate() {
    let house = House::with(&["www"]).await;
    house.apply().must(0);
    let text = house.run(&["show", "www"]).must(0).out;
    let json = house.run(&["show", "www", "--json"]).must(0).json();
    let (commit, key) = (house.repo.head().unwrap().to_string(), house.ann.fingerprint().to_string());
    let issued = &house.sandbox.issued()[0];
    for fact in [&commit, &key, &issued.serial, "www.example.com", "ecdsa-p256", "s3://vault/pki/www/v/1-"] {
        assert!(text.contains(fact), "{fact} is not in\n{text}");
    }
    assert_eq!(json["provenance"]["commit"], commit);
    assert_eq!(json["provenance"]["signers"][0], format!("ann@example.com {key}"));
    assert_eq!((json["state"].as_str(), json["versions"][0].as_u64()), (Some("live"), Some(1)));
    assert!(json["ari_window"]["start"].is_string() || json["ari_window"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn show_finds_what_is_stashed_and_names_what_is_not_there() {
    let house = House::with(&["www"]).await;
    house.apply().must(0);
    house.list(&[], Some(&house.ann));
    house.run(&["apply", "--auto-approve", "--force-limits"]).must(0);
    assert_eq!(house.run(&["show", "www", "--json"]).must(0).json()["state"], "stashed");
    assert!(house.run(&["show", "nothing"]).must(1).err.contains("store:no-lineage"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_object_in_the_bucket_says_which_commit_and_who_asked_for_it() {
    let house = House::with(&["www"]).await;
    house.apply().must(0);
    let commit = house.repo.head().unwrap().to_string();
    let signers = format!("ann@example.com {}", house.ann.fingerprint());
    let keys = house.sandbox.keys(BUCKET);
    let objects = keys.iter().filter(|key| key.starts_with("pki/www/"));
    let objects: Vec<_> = objects.map(|key| house.sandbox.object(BUCKET, key).unwrap()).collect();
    assert_eq!(objects.len(), 6);
    for object in objects {
        assert_eq!((&object.metadata["commit"], &object.metadata["signers"]), (&commit, &signers));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_object_in_the_bucket_says_by_which_policy_and_approvals() {
    let house = House::with(&["www"]).await;
    house.apply().must(0);
    let previous = house.repo.head().unwrap();
    let added = house.list(&["api", "www"], Some(&house.ann));
    minisign(&house, &["-G", "-W", "-p", "eve.pub", "-s", "eve.key"]);
    let key = house.read("eve.pub").lines().nth(1).unwrap().to_owned();
    let policy = format!(
        "version: 1\npeople: {{ann: {{signs: [ann@example.com]}}, eve: {{approves: [{key}]}}}}\n\
         rules: [{{id: all, names: [\"*.example.com\"], by: [ann, eve], threshold: 2}}]\n"
    );
    house.write("policy.yaml", &policy);
    house.configure("policy: policy.yaml");
    house.apply().must(4);

    let objects = BareStore::open(house.repo.path()).unwrap();
    let path = ListPath::parse("domains.yaml").unwrap();
    let list = |commit| trust::list_at(&objects, commit, &path).unwrap().unwrap().0;
    let policy = Digest::of(policy.as_bytes());
    let statement = Statement {
        url: house.repo.path().display().to_string(),
        ref_name: "refs/heads/main".into(),
        list: list(&added),
        previous: list(&previous),
        policy: policy.clone(),
        expires: now() + Duration::days(7),
    };
    house.write("statement", &statement.to_text());
    minisign(&house, &["-S", "-s", "eve.key", "-m", "statement", "-x", "eve.minisig"]);
    let file = |name: &str| (format!("{}/{name}", Statement::folder(&statement.list)), house.read(name));
    let files = ["statement", "eve.minisig"].map(file);
    let files = files.each_ref().map(|(path, text)| (path.as_str(), text.as_str()));
    house.repo.commit(&files, "Approve", Some(&house.ann)).unwrap();
    house.apply().must(0);

    let (policy, approval) = (policy.to_string(), format!("eve {key}"));
    for key in house.sandbox.keys(BUCKET).iter().filter(|key| key.starts_with("pki/api/")) {
        let object = house.sandbox.object(BUCKET, key).unwrap();
        assert_eq!((&object.metadata["policy"], &object.metadata["approvals"]), (&policy, &approval), "{key}");
    }
    let meta: serde_json::Value = serde_json::from_str(&house.read("state/live/api/meta.json")).unwrap();
    assert_eq!(
        (&meta["provenance"]["policy"], &meta["provenance"]["approvals"][0]),
        (&policy.into(), &approval.into())
    );
}

fn minisign(house: &House, args: &[&str]) {
    let output = Command::new("minisign").args(args).current_dir(house.path("")).output();
    let output = output.unwrap_or_else(|error| panic!("`minisign` does not run ({error}): apt-get install minisign"));
    assert!(output.status.success(), "minisign {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}
