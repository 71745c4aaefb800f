//! The nightly job: a signed list over SSH becomes certificates in the store and in the bucket, once.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::junit::Junit;
use super::scene::{Asked, Scene, WWW, json, said};
use crate::lab::bucket::Object;
use crate::lab::daemon::output;
use crate::lab::{BUCKET, REGION};

const LIST: &str = r#"version: 1
defaults: {authority: lab, publish: [certs]}
certificates:
  - name: api
    domains: [api.lab.test, api-eu.lab.test, api-us.lab.test]
  - name: internal
    domains: ["*.internal.lab.test", internal.lab.test]
    key: ecdsa-p384
  - name: mail
    domains: [mail.lab.test]
    key: rsa-2048
  - name: shop
    domains: [shop.lab.test]
"#;

const LINEAGES: [&str; 4] = ["api", "internal", "mail", "shop"];
const FILES: [&str; 4] = ["cert.pem", "chain.pem", "fullchain.pem", "privkey.pem"];

/// The challenges of `shop` are answered in another zone.
fn scene() -> (Scene, String) {
    let scene = Scene::of(LIST);
    let delegated = scene.lab.judge.create_zone("challenges.test");
    let alias = "_acme-challenge.shop.lab.test";
    scene.lab.judge.seed(&scene.lab.zone_id, alias, "CNAME", &["_acme-challenge.shop.challenges.test."]);
    (scene, delegated)
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn a_signed_list_becomes_certificates_by_way_of_a_saved_plan() {
    let (scene, delegated) = scene();
    let Scene { lab, runner } = &scene;

    let verify = runner.run(&["verify"]);
    let plan = runner.run(&["plan", "--out", "tonight.plan", "--detailed-exitcode"]);
    let apply = runner.run(&["apply", "tonight.plan"]);

    assert_eq!((verify.code, plan.code, apply.code), (Some(0), Some(2), Some(0)), "{}", said(&apply));
    assert_eq!(verify.summary(), "countersign verify: done (exit 0): 1 new commit verified, 4 certificates");
    assert_eq!(plan.summary(), "countersign plan: changes (exit 2): 4 to issue; 0 unchanged");
    assert_eq!(apply.summary(), "countersign apply: done (exit 0): 4 done (4 issued), 0 failed");

    // One wave: an order for each lineage, one change and one clean-up for each of the two zones.
    let requests = scene.requests();
    assert_eq!((requests.new_account, requests.new_order, requests.finalize), (1, 4, 4));
    assert_eq!(scene.asked(), Asked { orders: 4, dns_changes: 2 + 2, uploads: 4 * (FILES.len() + 2) });
    assert_eq!(scene.challenge_values(), lab.judge.challenge_values(&delegated));
    assert_eq!(scene.challenge_values(), Vec::<String>::new());

    let report = Junit::of(&apply);
    assert_eq!(report.bad(), Vec::<String>::new());
    for suite in ["certs.issue", "certs.publish", "certs.expiry"] {
        assert!(LINEAGES.iter().all(|name| !report.facts(suite, name).is_empty()), "{suite}");
    }
    let facts = report.facts("certs.source", "signature");
    assert!(facts.contains(&lab.repo.tip()) && facts.contains(&lab.ann.fingerprint()), "{facts}");

    for name in LINEAGES {
        openssl_verifies(&scene, name);
        laid_out(&scene, name);
    }
    assert_eq!(key_type(&scene, "api"), "prime256v1");
    assert_eq!(key_type(&scene, "internal"), "secp384r1");
    assert_eq!(key_type(&scene, "mail"), "rsa 2048 bit");
    let objects = scene.bucket();
    LINEAGES.iter().for_each(|name| published(&scene, name, &objects));
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn a_second_run_does_nothing_and_says_the_same_of_every_lineage() {
    let (scene, _) = scene();
    let first = scene.runner.apply();
    let (asked, cases) = (scene.asked(), Junit::of(&first).cases());
    let puts = scene.lab.judge.count("PutObject");

    let second = scene.runner.apply();

    assert_eq!((first.code, second.code), (Some(0), Some(0)), "{}", said(&second));
    assert_eq!((scene.asked(), scene.lab.judge.count("PutObject")), (asked, puts));
    assert_eq!((Junit::of(&second).cases(), Junit::of(&second).bad()), (cases, vec![]));
    assert_eq!(second.summary(), "countersign apply: done (exit 0): 0 done, 0 failed");
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn objects_deleted_by_hand_come_back_without_an_order() {
    let scene = Scene::applied(WWW);
    let (before, orders) = (scene.bucket(), scene.requests().new_order);
    let lost = before.keys().find(|key| key.ends_with("/chain.pem")).unwrap();
    [lost.as_str(), "certs/www/current.json"].iter().for_each(|key| delete(&scene, key));
    let replaced = before.keys().find(|key| key.ends_with("/privkey.pem")).unwrap();
    by_hand(&scene, replaced, "put_object(Bucket=sys.argv[3], Key=sys.argv[4], Body=b'not a key')");

    let run = scene.runner.apply();

    assert_eq!(run.code, Some(0), "{}", said(&run));
    assert_eq!(run.summary(), "countersign apply: done (exit 0): 1 done (1 published), 0 failed");
    assert_eq!(scene.bucket(), before);
    assert_eq!(scene.requests().new_order, orders);
    let told = Junit::of(&run).facts("certs.publish", "www");
    assert!(told.contains("somebody had replaced www/v/1-") && told.contains("/privkey.pem"), "{told}");
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn with_a_kms_key_every_object_is_encrypted_by_it() {
    let mut scene = Scene::of(WWW);
    scene.runner.config = scene.runner.config.replace("prefix: certs/", "prefix: certs/, kms_key: alias/certs");

    let run = scene.runner.apply();

    assert_eq!(run.code, Some(0), "{}", said(&run));
    let objects = scene.bucket();
    assert_eq!(objects.len(), FILES.len() + 2);
    let encrypted = |object: &Object| {
        object.encryption.as_deref() == Some("aws:kms") && object.kms_key.as_deref() == Some("alias/certs")
    };
    assert!(objects.values().all(encrypted), "{objects:?}");
}

/// What an operator of the store relies on: docs/store.md.
fn laid_out(scene: &Scene, name: &str) {
    let live = scene.live(name);
    assert_eq!(std::fs::read_link(&live).unwrap(), PathBuf::from(format!("../archive/{name}/1")));
    assert_eq!(mode(&live), 0o700);
    assert_eq!(FILES.map(|file| mode(&live.join(file))), [0o644, 0o644, 0o644, 0o600]);

    let meta = scene.meta(name);
    assert_eq!(meta["provenance"]["commit"], scene.lab.repo.tip());
    let signer = format!("ann@example.com {}", scene.lab.ann.fingerprint());
    assert_eq!(meta["provenance"]["signers"], serde_json::json!([signer]));
    let url = std::fs::read_to_string(live.join("url")).unwrap();
    assert_eq!(url.trim_end(), meta["certificate_url"]);
}

/// What a consumer of the bucket relies on: pointer, manifest, digests, bodies.
fn published(scene: &Scene, name: &str, objects: &BTreeMap<String, Object>) {
    let pointer = json(&objects[&format!("certs/{name}/current.json")].body);
    let prefix = format!("certs/{}", pointer["prefix"].as_str().unwrap());
    let manifest = &objects[&format!("{prefix}manifest.json")];
    assert_eq!(pointer["manifest"], format!("sha256:{}", manifest.sha256));
    let manifest = json(&manifest.body);
    for file in FILES {
        let object = &objects[&format!("{prefix}{file}")];
        assert_eq!(object.body, std::fs::read_to_string(scene.live(name).join(file)).unwrap(), "{name} {file}");
        assert_eq!(manifest["files"][file]["sha256"], format!("sha256:{}", object.sha256));
        assert_eq!(object.metadata["commit"], scene.lab.repo.tip());
    }
}

fn openssl_verifies(scene: &Scene, name: &str) {
    let root = scene.lab.dir().join("issuing-root.pem");
    std::fs::write(&root, scene.lab.pebble.issuing_root()).unwrap();
    let live = scene.live(name);
    let mut verify = Command::new("openssl");
    verify.args(["verify", "-purpose", "sslserver", "-CAfile"]).arg(root);
    verify.arg("-untrusted").args([live.join("chain.pem"), live.join("cert.pem")]);
    output(&mut verify);
}

/// As openssl names it, of the key and of the certificate, which must be the same.
fn key_type(scene: &Scene, name: &str) -> String {
    let live = scene.live(name);
    let public = |arguments: &[&str], file: &str| {
        output(Command::new("openssl").args(arguments).args(["-in", live.join(file).to_str().unwrap()]))
    };
    assert_eq!(public(&["pkey", "-pubout"], "privkey.pem"), public(&["x509", "-noout", "-pubkey"], "cert.pem"));
    let text = public(&["x509", "-noout", "-text"], "cert.pem");
    let curve = text.lines().find_map(|line| line.trim().strip_prefix("ASN1 OID: "));
    match curve {
        Some(curve) => curve.to_owned(),
        None => format!("rsa {}", text.split("Public-Key: (").nth(1).unwrap().split(')').next().unwrap()),
    }
}

fn delete(scene: &Scene, key: &str) {
    by_hand(scene, key, "delete_object(Bucket=sys.argv[3], Key=sys.argv[4])");
}

/// A call of boto3.
fn by_hand(scene: &Scene, key: &str, call: &str) {
    let mut script = Command::new(crate::lab::moto::venv().join("bin/python"));
    script.arg("-c").arg(format!(
        "import sys, boto3\n\
         s3 = boto3.client('s3', endpoint_url=sys.argv[1], region_name=sys.argv[2])\n\
         s3.{call}"
    ));
    script.env("AWS_ACCESS_KEY_ID", "hand").env("AWS_SECRET_ACCESS_KEY", "hand");
    output(script.args([&scene.lab.judge.url(), REGION, BUCKET, key]));
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}
