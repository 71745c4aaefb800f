//! A machine that reads one prefix, and the server on it that uses what was pulled.

use std::path::PathBuf;

use crate::lab::nginx::Nginx;
use crate::lab::{BUCKET, REGION};
use crate::run::Run;

use super::scene::{Scene, WWW, json, said};

/// A web server that gets its certificate from the bucket.
struct Machine {
    scene: Scene,
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
    let machine = Machine { scene: Scene::applied(WWW) };
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
    assert_eq!((pulled.0, machine.marked(), nginx.serial("www.lab.test")), (Some(0), Some(2), renewed), "{pulled:?}");
    assert!(pulled.1.contains("www  version 2 instead of 1, until "), "{pulled:?}");

    let calls = machine.scene.lab.judge.calls().len();
    let again = machine.pull(&["/bin/false".to_owned()], Some(&address));
    assert_eq!((again.0, machine.scene.lab.judge.calls().len() - calls), (Some(0), 1), "{again:?}");
}
