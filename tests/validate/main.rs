//! `validate` and `explain` as people and Jenkins run them, on clones made by git itself (T16, T17, T60, T61).
#![cfg(feature = "sandbox")]

#[path = "../shared/answers.rs"]
mod answers;
mod branch;
#[path = "../shared/canary.rs"]
mod canary;
mod certified;
mod clones;
mod explain;
mod hook;
mod hygiene;
mod reports;
#[path = "../shared/snapshot.rs"]
mod snapshot;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use canary::{Scratch, said};

const EMPTY: &str = "version: 1\ncertificates: []\n";

fn list(names: &[&str]) -> String {
    let entry = |name: &&str| format!("  - name: {name}\n    domains: [{name}.example.com]\n");
    format!("version: 1\ncertificates:\n{}", names.iter().map(entry).collect::<String>())
}

/// A config repo, ann's clone of it, and the runner's files. The runner knows ann and not mallory.
struct House {
    dir: Scratch,
}

/// How the program ended.
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl House {
    fn new() -> Self {
        let house = Self { dir: Scratch::new() };
        for who in ["ann", "mallory"] {
            house.tool(&house.path(""), "ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", who]);
        }
        house.tool(&house.path(""), "git", &["init", "-q", "--bare", "-b", "main", "origin.git"]);
        house.tool(&house.path(""), "git", &["clone", "-q", "origin.git", "clone"]);
        house.git(&["config", "user.name", "Ann"]);
        house.git(&["config", "user.email", "ann@example.com"]);
        house.git(&["config", "gpg.format", "ssh"]);
        house.commit(&[("domains.yaml", EMPTY)], None);
        house.git(&["push", "-q", "origin", "HEAD:main"]);
        house.git(&["switch", "-q", "-C", "feature", "--track", "origin/main"]);
        std::fs::create_dir(house.path("runner")).unwrap();
        let key = std::fs::read_to_string(house.path("ann.pub")).unwrap();
        house.write("runner/allowed_signers", &format!("ann@example.com namespaces=\"git\" {key}"));
        house.write("runner/countersign.yaml", &house.config());
        house
    }

    fn config(&self) -> String {
        let (origin, introduction) = (self.path("origin.git"), self.id("HEAD"));
        format!(
            "version: 1\nstate: state\nrepository: {{url: {}, allow_local: true}}\n\
             trust: {{introduction: {introduction}, allowed_signers: allowed_signers}}\n",
            origin.display()
        )
    }

    fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    fn write(&self, below: &str, text: &str) {
        let path = self.path(below);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Commits files in the clone, signed by the key of somebody.
    fn commit(&self, files: &[(&str, &str)], signer: Option<&str>) -> String {
        for (path, text) in files {
            self.write(&format!("clone/{path}"), text);
        }
        self.git(&["add", "-A"]);
        let key = signer.map(|who| format!("user.signingkey={}", self.path(&format!("{who}.pub")).display()));
        let sign = key.iter().flat_map(|key| ["-c", key.as_str(), "-c", "commit.gpgsign=true"]);
        let args: Vec<&str> = sign.chain(["commit", "-q", "--allow-empty", "-m", "change"]).collect();
        self.git(&args);
        self.id("HEAD")
    }

    fn git(&self, args: &[&str]) -> String {
        self.tool(&self.path("clone"), "git", args)
    }

    fn id(&self, revision: &str) -> String {
        self.git(&["rev-parse", revision])
    }

    fn command(&self, folder: &Path, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(folder).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.path("")).env("GIT_CONFIG_NOSYSTEM", "1");
        command
    }

    fn tool(&self, folder: &Path, program: &str, args: &[&str]) -> String {
        let output = self.command(folder, program).args(args).output();
        let output = output.unwrap_or_else(|error| panic!("`{program}`: {error}: apt-get install git openssh-client"));
        assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Runs countersign in the clone.
    fn run(&self, args: &[&str]) -> Ran {
        self.run_in(&self.path("clone"), args)
    }

    fn run_in(&self, folder: &Path, args: &[&str]) -> Ran {
        let mut command = self.command(folder, env!("CARGO_BIN_EXE_countersign"));
        command.env("COUNTERSIGN_CONFIG", self.path("runner/countersign.yaml"));
        let output = command.args(args).output().unwrap();
        said(self.dir.path(), [&output.stdout, &output.stderr]);
        Ran::of(output)
    }

    /// `validate --base origin/main` with more arguments.
    fn validate(&self, args: &[&str]) -> Ran {
        self.run(&[&["validate", "--base", "origin/main"], args].concat())
    }

    /// The exit code and the rules that `validate --base origin/main` finds broken.
    fn rules(&self, args: &[&str]) -> (i32, Vec<String>) {
        let ran = self.validate(&[&["--json"], args].concat());
        let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr));
        let rules = json["findings"].as_array().into_iter().flatten();
        (ran.code, rules.map(|finding| finding["rule"].as_str().unwrap().to_owned()).collect())
    }
}

impl Ran {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let code = output.status.code().unwrap();
        Self { code, stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    fn last_line(&self) -> &str {
        self.stdout.lines().last().unwrap_or_default()
    }
}

/// What [`House::rules`] gives for these rules.
fn refused(rules: &[&str]) -> (i32, Vec<String>) {
    (4, rules.iter().map(|rule| (*rule).to_owned()).collect())
}

const VALID: (i32, Vec<String>) = (0, Vec::new());
