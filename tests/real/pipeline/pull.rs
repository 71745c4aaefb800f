//! A machine that reads one prefix, and the server on it that uses what was pulled.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::lab::daemon::output;
use crate::lab::nginx::Nginx;
use crate::lab::{BUCKET, REGION};
use crate::run::Run;

use super::scene::{Scene, WWW, json, said};

/// A web server that gets its certificate from the bucket.
struct Machine {
    scene: Scene,
    /// The file with its own key.
    key: Option<String>,
}

impl Machine {
    fn folder(&self) -> PathBuf {
        self.scene.lab.dir().join("www")
    }

    /// Pulls with a command to reload, and says where the certificate must be seen.
    fn pull(&self, command: &[String], served: Option<&str>) -> (Option<i32>, String, String) {
        let (folder, endpoint) = (self.folder().display().to_string(), self.scene.lab.judge.url());
        let mut words = vec!["pull", "www", "--bucket", BUCKET, "--prefix", "certs/", "--region", REGION];
        words.extend(["--endpoint", &endpoint, "--into", &folder]);
        words.extend(self.key.iter().flat_map(|key| ["--key", key.as_str()]));
        words.extend(served.iter().flat_map(|served| ["--served", *served, "--served-timeout", "1s"]));
        if !command.is_empty() {
            words.push("--");
            words.extend(command.iter().map(String::as_str));
        }
        let output = self.scene.runner.command(&words).output().expect("the binary runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }

    fn renew(&self) -> Run {
        let run = self.scene.runner.run(&["apply", "--auto-approve", "--force", "www", "--reason", "a test"]);
        assert_eq!(run.code, Some(0), "{}", said(&run));
        run
    }

    /// The serial number of what is published.
    fn published(&self) -> String {
        self.scene.meta("www")["facts"]["serial"].as_str().unwrap().to_owned()
    }

    /// The version in the marker file.
    fn marked(&self) -> Option<u64> {
        json(&std::fs::read_to_string(self.folder().join("version.json")).unwrap())["sequence"].as_u64()
    }
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn nginx_serves_the_new_certificate_after_a_pull_and_the_old_one_if_it_does_not_reload() {
    let machine = Machine { scene: Scene::applied(WWW), key: None };
    let first = machine.pull(&[], None);
    assert_eq!(first.0, Some(0), "{first:?}");
    let nginx = Nginx::start(&machine.scene.lab.dir().join("nginx"), &machine.folder().join("current"));
    let (reload, address) = (nginx.reload(), nginx.address.to_string());
    let old = machine.published();
    assert_eq!(nginx.serial("www.lab.test"), old);

    machine.renew();
    let renewed = machine.published();
    // A command that does nothing: nginx goes on with what it has, and so does the folder.
    let idle = machine.pull(&["/bin/true".to_owned()], Some(&address));
    assert_eq!((idle.0, machine.marked(), nginx.serial("www.lab.test")), (Some(3), Some(1), old), "{idle:?}");
    assert!(idle.2.contains("pull:not-served") && idle.2.contains("is version 1 again"), "{idle:?}");

    let pulled = machine.pull(&reload, Some(&address));
    nginx.settle();
    assert_eq!((pulled.0, machine.marked(), nginx.serial("www.lab.test")), (Some(0), Some(2), renewed), "{pulled:?}");
    assert!(pulled.1.contains("www  version 2 instead of 1, until "), "{pulled:?}");

    let calls = machine.scene.lab.judge.calls().len();
    let again = machine.pull(&["/bin/false".to_owned()], Some(&address));
    assert_eq!((again.0, machine.scene.lab.judge.calls().len() - calls), (Some(0), 1), "{again:?}");
}

/// A key and a request for it, as the scripts around acme-tiny make them.
fn domain_csr(dir: &Path, name: &str) -> String {
    std::fs::create_dir_all(dir).unwrap();
    let san = format!(
        "[req]\ndistinguished_name = dn\n[dn]\n[SAN]\nsubjectAltName = @alt_names\n[alt_names]\nDNS.1 = {name}\nDNS.2 = www.{name}\n"
    );
    std::fs::write(dir.join("openssl.cnf"), san).unwrap();
    let openssl = |line: &str| output(Command::new("openssl").args(line.split(' ')).current_dir(dir));
    openssl("genrsa -out domain.key 2048");
    openssl("req -new -sha256 -key domain.key -subj / -reqexts SAN -config openssl.cnf -out domain.csr");
    std::fs::read_to_string(dir.join("domain.csr")).unwrap()
}

/// Paths below a folder whose content shows a private key.
fn with_keys(folder: &Path) -> Vec<PathBuf> {
    let listed = output(Command::new("grep").args(["-rl", "--", "PRIVATE KEY"]).arg(folder));
    listed.lines().map(PathBuf::from).collect()
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn a_key_that_openssl_made_on_the_machine_serves_there_and_is_nowhere_else() {
    let scene = Scene::of("version: 1\ncertificates: []\n");
    let dir = scene.lab.dir().join("machine");
    let pem = domain_csr(&dir, "lab.test").replace('\n', "\n      ");
    let entry = "  - name: www\n    domains: [lab.test, www.lab.test]\n    csr: |\n      ";
    scene.push(&format!(
        "version: 1\ndefaults: {{authority: lab, publish: [certs]}}\ncertificates:\n{entry}{}\n",
        pem.trim_end()
    ));
    let run = scene.runner.apply();
    assert_eq!(run.code, Some(0), "{}", said(&run));
    let public = |words: [&str; 3], file: &Path| output(Command::new("openssl").args(words).arg("-in").arg(file));
    let own = public(["pkey", "-pubout", "-outform=PEM"], &dir.join("domain.key"));
    assert_eq!(public(["x509", "-noout", "-pubkey"], &scene.live("www").join("cert.pem")), own);
    assert_eq!(with_keys(&scene.runner.state()), [scene.runner.state().join("accounts/lab/key.pem")]);
    let published = scene.bucket();
    assert!(published.values().all(|object| !object.body.contains("PRIVATE KEY")));
    let fullchain = scene.runner.ask(&["show", "www", "--chain"]).1;
    let key = published.keys().find(|key| key.ends_with("/fullchain.pem")).unwrap();
    assert_eq!(published[key].body, fullchain);

    let machine = Machine { scene, key: Some(dir.join("domain.key").display().to_string()) };
    let first = machine.pull(&[], None);
    assert_eq!(first.0, Some(0), "{first:?}");
    let nginx = Nginx::start(&machine.scene.lab.dir().join("nginx"), &machine.folder().join("current"));
    assert_eq!(nginx.serial("www.lab.test"), machine.published());
    machine.renew();
    let pulled = machine.pull(&nginx.reload(), Some(&nginx.address.to_string()));
    nginx.settle();
    assert_eq!((pulled.0, nginx.serial("www.lab.test")), (Some(0), machine.published()), "{pulled:?}");
    assert_eq!(public(["x509", "-noout", "-pubkey"], &machine.folder().join("current/cert.pem")), own);
}
