//! Machines that read a bucket, and what they do not take from it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use countersign::lineage::CertFacts;
use countersign::name::Digest;
use rcgen::KeyPair;
use serde_json::{Value, json};

use super::super::rig::BUCKET;
use super::Errors;
use crate::issuer::{Issuer, Made};

impl Errors {
    /// `more` stands with the certificate.
    fn pulls(&self, more: &str) {
        let s3 = self.lab.sandbox.s3_url();
        let place = format!("{{bucket: {BUCKET}, prefix: certs/, region: us-east-1, endpoint: \"{s3}\"}}");
        let one = format!("{{name: www, into: used, domains: [www.example.com]{more}}}");
        self.lab.write("pull.yaml", &format!("version: 1\nbucket: {place}\ncertificates: [{one}]\n"));
    }

    fn pull(&mut self, cause: &str) {
        self.ask(cause, &["pull"]);
    }

    fn object(&self, key: &str) -> Value {
        serde_json::from_slice(&self.lab.sandbox.object(BUCKET, &format!("certs/{key}")).unwrap().body).unwrap()
    }

    fn put(&self, key: &str, body: impl Into<Vec<u8>>) {
        self.lab.sandbox.seed_object(BUCKET, &format!("certs/{key}"), body.into()).unwrap();
    }

    /// The pointer with something else in it.
    fn point(&self, change: impl FnOnce(&mut Value)) {
        let mut pointer = self.object("www/current.json");
        change(&mut pointer);
        self.put("www/current.json", pointer.to_string());
    }

    /// Publishes a version as whoever may write to the bucket can.
    fn publish(&self, sequence: u64, made: &Made, has_key: bool) {
        let facts = CertFacts::from_pem(&made.cert).unwrap();
        let mut pointer = self.object("www/current.json");
        let mut manifest = self.object(&format!("{}manifest.json", pointer["prefix"].as_str().unwrap()));
        let prefix = format!("www/v/{sequence}-{}/", facts.serial);
        let facts = json!(facts);
        let mut files = vec![
            ("cert.pem", made.cert.clone()),
            ("chain.pem", made.chain.clone()),
            ("fullchain.pem", made.fullchain()),
        ];
        if has_key {
            files.push(("privkey.pem", made.key.clone()));
        }
        manifest["files"] = json!({});
        for (name, text) in files {
            let digest = Digest::of(text.as_bytes()).to_string();
            manifest["files"][name] = json!({"sha256": digest, "size": text.len()});
            self.put(&format!("{prefix}{name}"), text);
        }
        manifest["sequence"] = sequence.into();
        manifest["names"] = facts["identifiers"].clone();
        for field in ["serial", "public_key", "not_before", "not_after"] {
            manifest[field] = facts[field].clone();
        }
        manifest["meta"] = json!({});
        let manifest = manifest.to_string();
        pointer["sequence"] = sequence.into();
        pointer["prefix"] = prefix.clone().into();
        pointer["manifest"] = Digest::of(manifest.as_bytes()).to_string().into();
        pointer["not_after"] = facts["not_after"].clone();
        self.put(&format!("{prefix}manifest.json"), manifest);
        self.put("www/current.json", pointer.to_string());
    }
}

#[test]
fn of_a_pull_that_is_not_set_up() {
    let mut errors = Errors::live();
    errors.pulls(", reload: [true]");
    errors.pull("the command has no path");
    errors.pulls(", key: none.key");
    errors.pull("the key is not there");
    errors.lab.write("used.key", "x");
    errors.pulls(", key: used.key");
    errors.pull("the key is none");
    errors.pulls("");
    errors.ask("the file has no such certificate", &["pull", "api"]);
    errors.ask("flags describe one lineage", &["pull", "--bucket", BUCKET, "--into", "used"]);
    let used = errors.lab.path("used");
    fs::set_permissions(&used, fs::Permissions::from_mode(0o777)).unwrap();
    errors.pull("others may write to the folder");
    fs::remove_dir_all(&used).unwrap();
    errors.lab.write("used", "");
    errors.pull("the folder is a file");
    fs::remove_file(&used).unwrap();
    fs::create_dir(&used).unwrap();
    symlink("/etc", used.join("current")).unwrap();
    errors.pull("a link leads elsewhere");
    errors.pulls("");
    let yaml = errors.lab.read("pull.yaml").replace("into: used", "into: none/used");
    errors.lab.write("pull.yaml", &yaml);
    errors.pull("the folder above is not there");
    errors.hold("pull-here");
}

#[test]
fn of_a_pull_from_a_bucket() {
    let mut errors = Errors::live();
    let issuer = Issuer::new();
    let www = ["www.example.com"];
    errors.pulls("");
    let first = errors.object("www/current.json").to_string();
    let reset = |errors: &Errors| {
        errors.put("www/current.json", first.clone());
        let _ = fs::remove_dir_all(errors.lab.path("used"));
    };
    errors.point(|pointer| pointer["schema"] = 9.into());
    errors.pull("a newer version published it");
    reset(&errors);
    errors.put("www/current.json", "x");
    errors.pull("the pointer is none");
    reset(&errors);
    errors.point(|pointer| pointer["prefix"] = "www/v/1-00/".into());
    errors.pull("the pointer leads to nothing");
    reset(&errors);
    errors.pulls(", layouts: [haproxy]");
    errors.publish(2, &issuer.issue(&www), false);
    errors.pull("there is no key");
    let key = KeyPair::generate().unwrap();
    errors.lab.write("used.key", &key.serialize_pem());
    errors.pulls(", key: used.key");
    errors.pull("it was issued for another key");
    errors.pulls("");
    errors.publish(2, &issuer.issue(&["api.example.com"]), true);
    errors.pull("it is for another name");
    errors.publish(3, &issuer.issue_for(&KeyPair::generate().unwrap(), &www, 2), true);
    errors.pull("its time has not come");
    errors.publish(4, &issuer.issue_for(&KeyPair::generate().unwrap(), &www, -100), true);
    errors.pull("it has ended");
    errors.publish(5, &issuer.issue(&www), true);
    assert_eq!(errors.lab.ask(&["pull"]).0, Some(0));
    errors.publish(5, &issuer.issue(&www), true);
    errors.pull("the same number stands for another one");
    errors.put("www/current.json", first.clone());
    errors.pull("it is older than what is used");
    errors.publish(6, &issuer.issue(&www), true);
    errors.pulls(", reload: [/bin/false]");
    errors.pull("the command fails");
    errors.pulls(", reload: [/bin/sleep, \"60\"], reload_timeout: 1s");
    errors.pull("the command does not end");
    errors.pulls(", reload: [/nowhere/nginx]");
    errors.pull("the command is not there");
    errors.pulls(", reload: [/bin/true], served: {at: \"127.0.0.1:1\", timeout: 1s}");
    errors.pull("no server shows it");
    let other = errors.lab.sandbox.directory_url().replace("https://", "").replace("/dir", "");
    errors.pulls(&format!(", reload: [/bin/true], served: {{at: \"{other}\", timeout: 1s}}"));
    errors.pull("a server shows another one");
    let full = "trap '' XFSZ; ulimit -f 0; exec \"$@\"";
    errors.pulls("");
    let ran = errors.lab.run_under(&["sh", "-c", full, "sh"], &["pull"], &[]);
    errors.answers.add("there is no room", &crate::answers::answer(&["pull"], ran.code, &ran.out, &ran.err));
    let yaml = errors.lab.read("pull.yaml").replace("name: www", "name: api");
    errors.lab.write("pull.yaml", &yaml);
    errors.pull("the folder is that of another lineage");
    errors.lab.write("pull.yaml", &yaml.replace("into: used", "into: other"));
    errors.pull("the lineage is not published");
    errors.hold("pull");
}
