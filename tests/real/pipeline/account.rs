//! Accounts, revocation and the choice of a chain at a CA that is not ours.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::import::tool;
use super::junit::Junit;
use super::scene::{Scene, WWW, json, said};
use crate::lab::daemon::output;
use crate::lab::pebble::Options;
use crate::lab::{BUCKET, REGION};

const MAC: &str = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";

/// An account verb for the lab's authority. It must succeed.
fn account(scene: &Scene, verb: &str, more: &[&str]) -> String {
    let (code, out, err) = scene.runner.ask(&[&["account", verb, "--authority", "lab"], more].concat());
    assert_eq!(code, Some(0), "{verb}: {out}{err}");
    out
}

fn url(scene: &Scene) -> String {
    let text = fs::read_to_string(scene.runner.state().join("accounts/lab/account.json")).unwrap();
    json(&text)["url"].as_str().unwrap().to_owned()
}

fn force(scene: &Scene, reason: &str) {
    let run = scene.runner.run(&["apply", "--auto-approve", "--force", "www", "--reason", reason]);
    assert_eq!(run.code, Some(0), "{}", said(&run));
}

fn serial(scene: &Scene) -> String {
    scene.meta("www")["facts"]["serial"].as_str().unwrap().to_owned()
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn an_account_is_bound_re_keyed_and_given_up_and_its_certificate_revoked_by_either_key() {
    let mut scene = Scene::with_pebble(WWW, Options { binding: Some(MAC), ..Options::default() });
    let run = scene.runner.apply();
    assert_eq!(run.code, Some(3), "{}", said(&run));
    let report = Junit::of(&run);
    assert!(report.message("certs.issue", "www").starts_with("[acme:externalAccountRequired]"), "{}", said(&run));
    assert!(report.text("certs.issue", "www").contains("hint: "), "{}", said(&run));

    let bound = "lab: {eab: {kid: kid-1, hmac_env: LAB_EAB}, directory:";
    scene.runner.config = scene.runner.config.replace("lab: {directory:", bound);
    scene.runner.env.insert("LAB_EAB", MAC.to_owned());
    let run = scene.runner.apply();
    assert_eq!(run.code, Some(0), "{}", said(&run));
    let (first, account_url) = (serial(&scene), url(&scene));

    account(&scene, "key-change", &[]);
    let shown = account(&scene, "show", &[]);
    assert!(shown.contains(&account_url) && shown.contains("valid"), "{shown}");
    force(&scene, "test");
    let (code, out, err) = scene.runner.ask(&["revoke", "www", "--auto-approve", "--reason", "superseded"]);
    assert_eq!(code, Some(0), "{out}{err}");
    let second = serial(&scene);
    force(&scene, "keyCompromise");
    let third = serial(&scene);

    let revoked = [&first, &second, &third].map(|serial| scene.lab.pebble.revoked(serial));
    assert_eq!(revoked, [None, Some(4), None]);
    assert_eq!((scene.requests().key_change, url(&scene)), (1, account_url.clone()));

    account(&scene, "deactivate", &["--auto-approve"]);
    force(&scene, "another account");
    assert_ne!(url(&scene), account_url);
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn a_compromised_key_is_replaced_before_pebble_revokes_it_by_that_key() {
    let scene = Scene::applied(WWW);
    let (compromised, key) = (serial(&scene), fs::read(scene.live("www").join("privkey.pem")).unwrap());
    force(&scene, "keyCompromise");
    assert_eq!((scene.lab.pebble.revoked(&compromised), scene.lab.pebble.revoked(&serial(&scene))), (Some(1), None));
    assert_ne!(fs::read(scene.live("www").join("privkey.pem")).unwrap(), key);
    let pointer = &scene.bucket()["certs/www/current.json"].body;
    assert_eq!(json(pointer)["sequence"], 2, "{pointer}");
    let log = scene.lab.pebble.log();
    let place = |path: &str| log.rfind(&format!("POST {path}")).unwrap();
    assert!(place("/finalize-order/") < place("/revoke-cert"));
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn a_reused_key_that_is_compromised_is_given_up_and_pebble_revokes_all_that_has_it() {
    let scene = Scene::applied(&WWW.replace("    domains:", "    reuse_key: true\n    domains:"));
    let key = || fs::read(scene.live("www").join("privkey.pem")).unwrap();
    let (first, compromised) = (serial(&scene), key());
    force(&scene, "test");
    let second = serial(&scene);
    assert_eq!(key(), compromised);
    force(&scene, "keyCompromise");
    let revoked = [&first, &second, &serial(&scene)].map(|serial| scene.lab.pebble.revoked(serial));
    assert_eq!(revoked, [Some(1), Some(1), None]);
    let fresh = key();
    assert_ne!(fresh, compromised);
    force(&scene, "test");
    assert_eq!(key(), fresh);
}

/// Registers, or finds its account again, by the word of acme-tiny.
fn acme_tiny(scene: &Scene) -> String {
    let (mut command, dir) = tool(scene, "acme-tiny");
    let request = ["req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "domain.key", "-subj", "/"];
    let names = ["-addext", "subjectAltName=DNS:tiny.lab.test", "-out", "domain.csr"];
    output(Command::new("openssl").args(request).args(names).current_dir(&dir));
    command.args(["--account-key", "account.key", "--csr", "domain.csr", "--acme-dir", ".", "--disable-check"]);
    let ran = command.args(["--directory-url", &scene.lab.pebble.directory()]).output().unwrap();
    String::from_utf8(ran.stderr).unwrap()
}

fn upload(scene: &Scene, file: &Path, key: &str) {
    let python = crate::lab::moto::venv().join("bin/python");
    let script = "import sys, boto3\n\
        boto3.client('s3', endpoint_url=sys.argv[1], region_name=sys.argv[2]).upload_file(*sys.argv[3:])";
    let mut command = Command::new(python);
    command.args(["-c", script, &scene.lab.judge.url(), REGION]).arg(file).args([BUCKET, key]);
    output(command.env("AWS_ACCESS_KEY_ID", "writer").env("AWS_SECRET_ACCESS_KEY", "writer"));
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn the_rsa_account_of_acme_tiny_is_taken_over_from_s3_and_its_old_key_opens_nothing() {
    let scene = Scene::with_pebble(WWW, Options { validates: false, ..Options::default() });
    let (_, dir) = tool(&scene, "acme-tiny");
    let key = dir.join("account.key");
    output(Command::new("openssl").args(["genrsa", "-traditional", "-out"]).arg(&key).arg("4096"));
    assert!(acme_tiny(&scene).contains("\nRegistered!"));
    assert!(acme_tiny(&scene).contains("\nAlready registered!"));
    upload(&scene, &key, "acme/account.key");

    let said = account(&scene, "import", &[&format!("s3://{BUCKET}/acme/account.key"), "--auto-approve"]);

    assert!(said.contains("P-256"), "{said}");
    assert_eq!(scene.requests().key_change, 1);
    assert!(acme_tiny(&scene).contains("\nRegistered!"), "the old key is the account's still");
    let before = scene.requests().new_account;
    let run = scene.runner.apply();
    assert_eq!((run.code, scene.requests().new_account), (Some(0), before), "{}", super::scene::said(&run));
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn the_chain_that_the_list_prefers_is_taken_and_else_the_default() {
    let scene = Scene::with_pebble(WWW, Options { alternate_roots: 2, ..Options::default() });
    let file = |name: &str, text: &str| {
        let path = scene.lab.dir().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let roots = [0, 1, 2].map(|number| file(&format!("root-{number}.pem"), &scene.lab.pebble.alternate_root(number)));
    let name = |root: &Path| {
        let text = output(
            Command::new("openssl").args(["x509", "-noout", "-subject", "-nameopt", "multiline", "-in"]).arg(root),
        );
        text.split_once("= ").unwrap().1.trim().to_owned()
    };
    let verified_by = || {
        let live = scene.live("www");
        let verified = roots.iter().position(|root| {
            let mut command = Command::new("openssl");
            command.arg("verify").arg("-CAfile").arg(root).arg("-untrusted").arg(live.join("chain.pem"));
            command.arg(live.join("cert.pem")).output().unwrap().status.success()
        });
        verified.unwrap()
    };

    scene.push(&WWW.replace("domains:", &format!("preferred_chain: {}\n    domains:", name(&roots[2]))));
    let run = scene.runner.apply();
    assert_eq!((run.code, verified_by()), (Some(0), 2), "{}", said(&run));
    scene.push(&WWW.replace("domains:", "preferred_chain: Nobody's Root\n    domains:"));
    force(&scene, "test");
    assert_eq!(verified_by(), 0);
}
