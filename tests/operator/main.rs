//! What an operator has printed: schedules, policies, completions, manual pages.

mod advice;
#[path = "../shared/answers.rs"]
mod answers;
#[path = "../shared/canary.rs"]
mod canary;
mod documents;
mod errors;
mod golden;
mod iam_policy;
mod init;
#[path = "../shared/issuer.rs"]
mod issuer;
mod network;
mod pages;
mod printed;
mod schema;
#[path = "../shared/snapshot.rs"]
mod snapshot;
mod terminal;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use canary::{Scratch, said};

/// A folder with a configuration.
pub struct Place(Scratch);

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Place {
    /// With the configuration that explains every key.
    pub fn configured() -> Self {
        let place = Self(Scratch::new());
        place.write("countersign.yaml", &read("policy/countersign.example.yaml"));
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Takes away what the sandbox printed to be used, and the script that used it: both hold its secret on purpose.
    pub fn forget_the_sandbox(&self, script: &str) {
        ["sandbox.log", script].iter().for_each(|name| fs::remove_file(self.path(name)).unwrap());
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        self.run_in("", args)
    }

    pub fn run_in(&self, folder: &str, args: &[&str]) -> Ran {
        self.run_with(folder, args, &[])
    }

    pub fn run_with(&self, folder: &str, args: &[&str], environment: &[(&str, &str)]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args(args).current_dir(self.path(folder)).env_clear().env("HOME", self.0.path()).stdin(Stdio::null());
        command.envs(environment.iter().copied());
        let output = command.output().unwrap();
        said(self.0.path(), [&output.stdout, &output.stderr]);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// What a command prints that must succeed.
    pub fn printed(&self, args: &[&str]) -> String {
        let ran = self.run(args);
        assert_eq!(ran.code, Some(0), "{args:?}: {ran:?}");
        ran.out
    }
}

/// A file of this project.
pub fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}
