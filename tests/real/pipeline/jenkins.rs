//! The shell steps of the Jenkinsfiles, taken out of them and run as they are.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::junit::Junit;
use super::scene::{Scene, WWW};
use crate::lab::daemon::wait_for;
use crate::lab::sshd::{generate_key, public_half};
use crate::run::Run;

/// One name that can be had, and one that is in no zone of this account.
const HALF: &str = "\
version: 1
defaults: {authority: lab, publish: [certs]}
certificates:
  - name: www
    domains: [www.lab.test]
  - name: other
    domains: [www.elsewhere.test]
";

#[test]
#[ignore = "needs the lab: ci/install"]
fn a_night_that_goes_well_is_green() {
    let night = Night::on_the_agent(WWW);

    assert_eq!(night.run(), [0, 0, 0, 0]);

    assert_eq!(night.junit().bad(), Vec::<String>::new());
    assert!(night.junit().cases() > 10);
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn a_certificate_that_fails_is_red_by_name_and_the_build_unstable() {
    let night = Night::on_the_agent(HALF);

    assert_eq!(night.run(), [0, 0, 3, 0]);

    assert_eq!(night.junit().bad(), ["certs.issue/other"]);
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn after_a_refused_verify_the_apply_runs_and_every_step_says_so() {
    let night = Night::on_the_agent(WWW);
    night.run();
    night.scene.lab.repo.commit_unsigned(&[("domains.yaml", HALF)], "Add other");

    assert_eq!(night.run(), [4, 4, 4, 0]);

    assert_eq!(night.junit().bad(), ["certs.source/signature"]);
    assert!(night.junit().cases() > 10, "the lineages of the verified list are told of");
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn a_night_while_another_run_holds_the_lock_says_so() {
    let night = Night::on_the_agent(WWW);
    night.scene.lab.judge.insync_after(1_000_000);
    let other = night.scene.runner.start(&["apply", "--auto-approve"]);
    wait_for("the TXT record", std::time::Duration::from_secs(60), || night.has_a_record());

    assert_eq!(night.run(), [5, 5, 5, 0]);

    other.terminate();
    other.end();
    assert!(night.junit().message("certs.source", "completed").starts_with("[run:locked] "));
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn a_run_that_is_killed_is_red() {
    let night = Night::on_the_agent(WWW);
    night.scene.lab.judge.insync_after(1_000_000);
    let steps = night.steps();
    assert!(night.start(&steps[0]).wait_with_output().unwrap().status.success());
    let apply = night.start(&steps[2]);
    wait_for("the TXT record", std::time::Duration::from_secs(60), || night.has_a_record());

    assert!(
        Command::new("pkill").args(["-KILL", "-P", &apply.id().to_string(), "countersign"]).status().unwrap().success()
    );
    let ended = apply.wait_with_output().unwrap();

    assert_eq!(ended.status.code(), Some(137));
    assert!(night.junit().message("certs.source", "completed").starts_with("[run:incomplete] "));
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn a_night_over_ssh_brings_the_report_of_the_host_home() {
    let night = Night::over_ssh(HALF);

    assert_eq!(night.run(), [0, 0, 0, 3, 0]);

    assert_eq!(night.junit().bad(), ["certs.issue/other"]);
    let state = night.scene.runner.state();
    let log = std::fs::read_to_string(state.join("report/ssh-gate.log")).unwrap();
    let asked: Vec<&str> = log.lines().filter_map(|line| line.split('"').nth(1)).collect();
    assert_eq!(asked, ["verify", "plan", "apply", "report junit", "status"]);
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn a_host_that_does_not_answer_is_red_by_name() {
    let mut night = Night::over_ssh(WWW);
    assert_eq!(night.run(), [0, 0, 0, 0, 0], "last night's report is there and green");
    night.host = "nobody@127.0.0.1 -p 1".into();

    assert_eq!(night.run(), [0, 255, 255, 255, 0]);

    assert_eq!(night.junit().bad(), ["certs.source/contact"]);
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn the_key_of_jenkins_opens_nothing_but_the_gate() {
    let night = Night::over_ssh(WWW);
    for line in
        ["", "sh", "status; id", "apply --force-limits", "status --config /tmp/evil.yaml", "report junit /etc/passwd"]
    {
        let refused = night.ssh(line);
        let stderr = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!((refused.status.code(), refused.stdout.as_slice()), (Some(64), &b""[..]), "{line}: {stderr}");
        assert!(stderr.contains("gate:refused"), "{line}: {stderr}");
    }
    let log = std::fs::read_to_string(night.scene.runner.state().join("report/ssh-gate.log")).unwrap();
    assert_eq!(log.lines().filter(|line| line.contains(" refused ")).count(), 6, "{log}");
    assert_eq!(night.scene.requests().new_account, 0);
}

/// A host, and a workspace of Jenkins.
struct Night {
    scene: Scene,
    jenkinsfile: &'static str,
    workspace: PathBuf,
    host: String,
    ssh: String,
}

impl Night {
    fn on_the_agent(list: &str) -> Night {
        Night::new(list, "ci/Jenkinsfile")
    }

    /// The line that lets Jenkins in is the one that the gate itself prints.
    fn over_ssh(list: &str) -> Night {
        let mut night = Night::new(list, "ci/Jenkinsfile.ssh");
        let dir = night.scene.lab.dir().join("jenkins");
        let key = generate_key(&dir, "id_ed25519", "jenkins@ci");
        let sshd = &night.scene.lab.sshd;
        let known = dir.join("known_hosts");
        std::fs::write(&known, sshd.known_hosts_line()).unwrap();
        let printed = night.scene.runner.command(&["ssh-gate", "authorize"]).arg(public_half(&key)).output().unwrap();
        let line = String::from_utf8(printed.stdout).unwrap();
        assert!(line.starts_with("restrict,command="), "{line}");
        sshd.authorize(&line.replace(env!("CARGO_BIN_EXE_countersign"), &night.program().display().to_string()));
        night.host = sshd.user_and_host();
        let (key, known) = (key.display(), known.display());
        night.ssh = format!(
            "-F none -p {} -i {key} -o BatchMode=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile={known}",
            sshd.port()
        );
        night
    }

    fn new(list: &str, jenkinsfile: &'static str) -> Night {
        let scene = Scene::of(list);
        let workspace = scene.lab.dir().join("workspace");
        std::fs::create_dir_all(&workspace).unwrap();
        scene.runner.write_config();
        Night { scene, jenkinsfile, workspace, host: String::new(), ssh: String::new() }
    }

    /// What the host's administrator has installed: the binary with the credentials of the lab.
    fn program(&self) -> PathBuf {
        let bin = self.scene.lab.dir().join("bin");
        let program = bin.join("countersign");
        std::fs::create_dir_all(&bin).unwrap();
        let exports: String = self
            .scene
            .runner
            .env
            .iter()
            .filter(|(name, _)| **name != "COUNTERSIGN_CONFIG")
            .map(|(name, value)| format!("export {name}='{value}'\n"))
            .collect();
        let script = format!("#!/bin/sh\n{exports}exec {} \"$@\"\n", env!("CARGO_BIN_EXE_countersign"));
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        program
    }

    /// The shell of every `sh` step, in order.
    fn steps(&self) -> Vec<String> {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(self.jenkinsfile)).unwrap();
        let mut steps = Vec::new();
        let mut rest = text.as_str();
        while let Some(at) = ["sh '", "script: '"].iter().filter_map(|start| rest.find(start)).min() {
            let quoted = &rest[at + rest[at..].find('\'').unwrap()..];
            let quote = if quoted.starts_with("'''") { "'''" } else { "'" };
            let (step, after) = quoted[quote.len()..].split_once(quote).unwrap();
            steps.push(step.to_owned());
            rest = after;
        }
        steps
    }

    /// Runs every step, as Jenkins does: also after one that failed.
    fn run(&self) -> Vec<i32> {
        let ended = self.steps().iter().map(|step| self.start(step).wait_with_output().unwrap()).collect::<Vec<_>>();
        ended.iter().map(|output| output.status.code().unwrap_or(-1)).collect()
    }

    /// Jenkins runs `sh -xe`.
    fn start(&self, step: &str) -> std::process::Child {
        let program = self.program();
        let path = format!("{}:/usr/bin:/bin", program.parent().unwrap().display());
        let mut command = Command::new("/bin/sh");
        command.args(["-xe", "-c", step]).current_dir(&self.workspace).env_clear().env("PATH", path);
        command.env("BUILD_NUMBER", "1").env("COUNTERSIGN_HOST", &self.host).env("COUNTERSIGN_SSH", &self.ssh);
        command.env("COUNTERSIGN_CONFIG", &self.scene.runner.env["COUNTERSIGN_CONFIG"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn has_a_record(&self) -> Option<()> {
        (!self.scene.challenge_values().is_empty()).then_some(())
    }

    fn ssh(&self, line: &str) -> Output {
        let mut command = Command::new("ssh");
        command.args(self.ssh.split(' ')).arg(&self.host);
        command.args((!line.is_empty()).then_some(line)).stdin(Stdio::null()).output().unwrap()
    }

    fn junit(&self) -> Junit {
        let junit = self.workspace.join("report/countersign.xml");
        Junit::of(&Run { code: None, stdout: String::new(), stderr: String::new(), junit })
    }
}
