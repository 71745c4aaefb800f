//! The real binary, run against the lab as a nightly job would run it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::canary::said;
use crate::lab::daemon::{output, wait_or_kill};
use crate::lab::{BUCKET, Lab, REGION};

/// Longer than any run in the lab takes, and shorter than nextest's patience.
const DEADLINE: Duration = Duration::from_secs(90);

/// A host that runs countersign. Tests change `config` and `env` before a run.
pub struct Runner {
    dir: PathBuf,
    /// So many runs were started: each has its own files for what it says.
    runs: Cell<u32>,
    /// The text of countersign.yaml, with the paths and addresses of the lab.
    pub config: String,
    /// All that the binary finds in its environment.
    pub env: BTreeMap<&'static str, String>,
}

/// How a run ended.
#[derive(Debug)]
pub struct Run {
    /// `None`: a signal ended it, or the deadline did.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    /// Where the run was told to write its JUnit report. It was not there before.
    pub junit: PathBuf,
}

impl Runner {
    /// Trusts ann, and the first commit of the config repo.
    pub fn new(lab: &Lab) -> Runner {
        let dir = lab.dir().join("runner");
        std::fs::create_dir_all(&dir).expect("a directory for the runner");
        write(&dir.join("allowed_signers"), &lab.ann.allowed_signers_line());
        std::fs::copy(lab.pebble.tls_root(), dir.join("lab-root.pem")).expect("the root of the CA's API");
        let config = config(lab, &dir);
        let env = BTreeMap::from([
            ("HOME", dir.display().to_string()),
            ("COUNTERSIGN_CONFIG", dir.join("countersign.yaml").display().to_string()),
            ("AWS_ACCESS_KEY_ID", "lab".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "lab-secret".to_owned()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]);
        Runner { dir, runs: Cell::new(0), config, env }
    }

    /// The lineage store.
    pub fn state(&self) -> PathBuf {
        self.dir.join("state")
    }

    /// The folder of the config, where runs are started.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Runs one command to its end.
    pub fn run(&self, arguments: &[&str]) -> Run {
        self.start(arguments).end()
    }

    /// The nightly job: plans and applies in one go.
    pub fn apply(&self) -> Run {
        self.run(&["apply", "--auto-approve"])
    }

    pub fn write_config(&self) {
        write(&self.dir.join("countersign.yaml"), &self.config);
    }

    /// A command in the environment and the folder of the runner.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args(arguments).env_clear().envs(&self.env).current_dir(&self.dir).stdin(Stdio::null());
        command
    }

    /// Runs a command that writes no JUnit report: its exit code, what it said, and what it complained of.
    pub fn ask(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        write(&self.dir.join("countersign.yaml"), &self.config);
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args(arguments).env_clear().envs(&self.env).current_dir(&self.dir).stdin(Stdio::null());
        let output = command.output().expect("the binary runs");
        said(&self.dir, [&output.stdout, &output.stderr]);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }

    /// Starts a command, with a JUnit report, and does not wait for it.
    pub fn start(&self, arguments: &[&str]) -> Running {
        self.write_config();
        self.runs.set(self.runs.get() + 1);
        let [stdout, stderr, junit] =
            ["stdout", "stderr", "xml"].map(|kind| self.dir.join(format!("run-{}.{kind}", self.runs.get())));
        let mut command = self.command(arguments);
        command.arg("--junit").arg(&junit);
        command.stdout(File::create(&stdout).expect("a file for stdout"));
        command.stderr(File::create(&stderr).expect("a file for stderr"));
        Running { child: command.spawn().expect("the binary starts"), stdout, stderr, junit }
    }
}

/// A run under way.
pub struct Running {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
    junit: PathBuf,
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// As Jenkins ends a build.
    pub fn terminate(&self) {
        output(Command::new("kill").args(["-TERM", &self.child.id().to_string()]));
    }

    pub fn end(mut self) -> Run {
        let code = wait_or_kill(&mut self.child, DEADLINE).and_then(|status| status.code());
        Run { code, stdout: read(&self.stdout), stderr: read(&self.stderr), junit: self.junit }
    }
}

impl Run {
    /// The last line of standard output.
    pub fn summary(&self) -> &str {
        self.stdout.lines().last().unwrap_or_default()
    }
}

fn config(lab: &Lab, dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "version: 1
state: {dir}/state
repository:
  url: {url}
  ssh_key: {ssh_key}
  host_keys: [\"{host_key}\"]
trust:
  introduction: {introduction}
  allowed_signers: {dir}/allowed_signers
authorities:
  lab: {{directory: \"{directory}\", root: {dir}/lab-root.pem}}
dns:
  route53:
    endpoint: {endpoint}
    nameservers: [\"{nameserver}\"]
buckets:
  certs: {{bucket: {BUCKET}, prefix: certs/, region: {REGION}, endpoint: \"{endpoint}\"}}
",
        url = lab.repository_url(),
        ssh_key = lab.sshd.client_key().display(),
        host_key = lab.sshd.host_key_fingerprint(),
        introduction = lab.repo.introduction(),
        directory = lab.pebble.directory(),
        endpoint = lab.judge.url(),
        nameserver = lab.dns.address(),
    )
}

/// The runner refuses trust files that others may write, so the umask of the machine must not matter.
fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("a file of the runner");
    std::fs::set_permissions(path, Permissions::from_mode(0o600)).expect("permissions");
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).expect("the output of the run")).into_owned()
}
