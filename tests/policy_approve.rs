//! `countersign approve` from end to end: real git, ssh-keygen and minisign around the binary.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[path = "shared/canary.rs"]
mod canary;

use canary::Scratch;

/// A runner and ann's checkout of a config repo. Two people must agree; bob approves with minisign.
struct Desk {
    dir: Scratch,
}

impl Desk {
    fn new() -> Self {
        let desk = Self { dir: Scratch::new() };
        desk.run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", "ann"]);
        desk.run("minisign", &["-G", "-W", "-p", "bob.pub", "-s", "bob.key"]);
        desk.run("minisign", &["-G", "-W", "-p", "eve.pub", "-s", "eve.key"]);
        desk.run("git", &["init", "-q", "-b", "main", "repo"]);
        desk.commit("version: 1\ncertificates: []\n", "introduction");
        desk.configure();
        desk.commit("version: 1\ncertificates: [{name: www, domains: [www.example.com]}]\n", "add www");
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        std::fs::write(self.path(name), text).unwrap();
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(0o644)).unwrap();
    }

    fn configure(&self) {
        let introduction = self.git(&["rev-parse", "HEAD"]);
        let key = |name: &str| self.read(name).lines().nth(1).unwrap().to_owned();
        self.write("allowed_signers", &format!("ann@example.com namespaces=\"git\" {}", self.read("ann.pub")));
        self.write(
            "policy.yaml",
            &format!(
                "version: 1\npeople:\n  ann: {{signs: [ann@example.com]}}\n  bob: {{approves: [{}]}}\n\
                 rules: [{{id: all, names: [\"*.example.com\"], by: [ann, bob], threshold: 2}}]\n",
                key("bob.pub")
            ),
        );
        self.write(
            "countersign.yaml",
            &format!(
                "version: 1\nstate: state\n\
                 repository: {{url: {}, allow_local: true}}\n\
                 trust: {{introduction: {}, allowed_signers: allowed_signers, policy: policy.yaml}}\n",
                self.path("repo").display(),
                introduction.trim()
            ),
        );
    }

    fn commit(&self, list: &str, message: &str) {
        self.write("repo/domains.yaml", list);
        self.commit_all(message);
    }

    fn commit_all(&self, message: &str) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-S", "-m", message]);
    }

    fn git(&self, args: &[&str]) -> String {
        let key = format!("user.signingkey={}", self.path("ann.pub").display());
        let identity =
            ["-C", "repo", "-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "gpg.format=ssh"];
        self.run("git", &[&identity[..], &["-c", &key], args].concat())
    }

    fn run(&self, program: &str, args: &[&str]) -> String {
        let output = self.command(program, self.dir.path()).args(args).output();
        let output = output.unwrap_or_else(|error| {
            panic!("`{program}` does not run ({error}): apt-get install git openssh-client minisign")
        });
        assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn countersign(&self, args: &[&str]) -> Output {
        let mut command = self.command(env!("CARGO_BIN_EXE_countersign"), &self.path("repo"));
        command.arg("--config").arg(self.path("countersign.yaml")).args(args).output().unwrap()
    }

    fn command(&self, program: &str, folder: &Path) -> Command {
        let mut command = Command::new(program);
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.current_dir(folder).env_clear().env("PATH", path).env("HOME", self.dir.path());
        command.env("GIT_CONFIG_NOSYSTEM", "1");
        command
    }
}

fn texts(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_change_that_waits_for_an_approval_is_verified_once_it_is_there() {
    let desk = Desk::new();
    let (code, _, errors) = texts(&desk.countersign(&["verify"]));
    assert_eq!(code, Some(4), "{errors}");
    assert!(errors.contains("P04-threshold"), "{errors}");

    let key = desk.path("bob.key");
    let (code, out, errors) = texts(&desk.countersign(&["approve", "--run", "--key", key.to_str().unwrap()]));
    assert_eq!(code, Some(0), "{out}{errors}");
    assert!(out.contains("+ www: `www.example.com`"), "{out}");

    desk.commit_all("bob approves");
    let (code, out, errors) = texts(&desk.countersign(&["verify"]));
    assert_eq!(code, Some(0), "{out}{errors}");
}

#[test]
fn the_command_that_is_printed_makes_an_approval_that_counts() {
    let desk = Desk::new();
    let (code, out, errors) = texts(&desk.countersign(&["approve", "--key", "../bob.key"]));
    assert_eq!(code, Some(0), "{errors}");
    let typed = &out[out.find("  minisign ").unwrap()..];
    let signed =
        desk.command("sh", &desk.path("repo")).args(["-c", typed.split("\n\n").next().unwrap()]).output().unwrap();
    assert!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
    desk.commit_all("bob approves");
    assert_eq!(desk.countersign(&["verify"]).status.code(), Some(0));
}

#[test]
fn a_signature_by_the_wrong_key_is_told_at_once() {
    let desk = Desk::new();
    let (code, _, errors) = texts(&desk.countersign(&["approve", "--run", "--key", "../eve.key"]));
    assert_eq!(code, Some(4));
    assert!(errors.contains("A02-untrusted"), "{errors}");
}

#[test]
fn somebody_without_a_key_cannot_approve() {
    let desk = Desk::new();
    let (code, _, errors) = texts(&desk.countersign(&["approve", "--person", "ann"]));
    assert_eq!(code, Some(64));
    assert!(errors.contains("--person takes one of: bob"), "{errors}");
}

#[test]
fn an_unchanged_list_needs_no_approval() {
    let desk = Desk::new();
    let (code, _, errors) = texts(&desk.countersign(&["approve", "--base", "HEAD"]));
    assert_eq!(code, Some(1));
    assert!(errors.contains("list:unchanged"), "{errors}");
}

#[test]
fn a_second_person_signs_the_statement_that_is_there() {
    let desk = Desk::new();
    let first = desk.countersign(&["approve", "--json", "--expires", "5d"]);
    let again = desk.countersign(&["approve", "--json", "--expires", "9d"]);
    let statement = |output: &Output| {
        let line: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        line["statement"].as_str().unwrap().to_owned()
    };
    assert_eq!(statement(&first), statement(&again));
}

#[test]
fn a_link_of_the_branch_does_not_make_an_approval_overwrite_another_file() {
    let desk = Desk::new();
    desk.write("precious", "precious\n");
    let (_, out, _) = texts(&desk.countersign(&["approve", "--json"]));
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    let signature = desk.path("repo").join(told["signature"].as_str().unwrap());
    std::os::unix::fs::symlink(desk.path("precious"), &signature).unwrap();
    let key = desk.path("bob.key");
    let (code, _, errors) = texts(&desk.countersign(&["approve", "--run", "--key", key.to_str().unwrap()]));
    assert_eq!((code, errors.contains("is a symbolic link")), (Some(4), true), "{errors}");
    assert_eq!(desk.read("precious"), "precious\n");
}

#[test]
fn a_configuration_that_the_branch_brings_along_asks_for_no_approval() {
    let desk = Desk::new();
    for file in ["countersign.yaml", "policy.yaml", "allowed_signers"] {
        desk.write(&format!("repo/{file}"), &desk.read(file));
    }
    let program = env!("CARGO_BIN_EXE_countersign");
    let output = desk.command(program, &desk.path("repo")).arg("approve").output().unwrap();
    let (code, _, errors) = texts(&output);
    assert_eq!((code, errors.contains("stands in the checkout")), (Some(1), true), "{errors}");
}

#[test]
fn a_repository_that_the_branch_brings_along_says_nothing_about_what_is_approved() {
    let desk = Desk::new();
    desk.git(&["clone", "-q", "--bare", ".", "pki"]);
    desk.git(&["-C", "pki", "config", "core.bare", "false"]);
    desk.git(&["-C", "pki", "config", "core.worktree", desk.path("").to_str().unwrap()]);
    let program = env!("CARGO_BIN_EXE_countersign");
    let config = desk.path("countersign.yaml");
    let output =
        desk.command(program, &desk.path("repo/pki")).arg("approve").arg("--config").arg(config).output().unwrap();
    let (code, _, errors) = texts(&output);
    assert_eq!((code, errors.contains("git:embedded")), (Some(1), true), "{errors}");
    assert!(!desk.path("approvals").exists());
}
