//! A signed config repo, a runner's configuration and the stand-ins, in one folder that goes away.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use countersign::journal::Entry;
use countersign::name::LineageName;
use countersign::port::{Clock, Inventory, Store};
use countersign::sandbox::repo::{ConfigRepo, Signer};
use countersign::sandbox::{ACCESS_KEY, CaOptions, Options, RecordSet, RenewalWindow, SECRET_KEY, Sandbox};
use countersign::store::FileStore;
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use time::OffsetDateTime;

use crate::canary::{Scratch, said};

use super::junit::Junit;

pub const ZONES: [(&str, &str); 2] = [("ZONE1", "example.com"), ("ZONE2", "example.net")];
pub const BUCKET: &str = "pki-certs";

pub const BINARY: &str = env!("CARGO_BIN_EXE_countersign");

/// Nothing in these tests takes this long, unless it hangs.
const DEADLINE: Duration = Duration::from_secs(if cfg!(feature = "soak") { 900 } else { 90 });

pub struct Lab {
    pub sandbox: Sandbox,
    pub repo: ConfigRepo,
    pub signer: Signer,
    dir: Scratch,
    /// The sandbox runs on it.
    _runtime: tokio::runtime::Runtime,
}

impl Lab {
    pub fn new() -> Self {
        Self::with(CaOptions::default())
    }

    pub fn with(ca: CaOptions) -> Self {
        Self::with_options(Options { ca, ..Options::default() })
    }

    /// The zones of the options come beside those that every lab has.
    pub fn with_options(options: Options) -> Self {
        let zones = ZONES.map(|(id, name)| (id.to_owned(), name.to_owned())).into_iter().chain(options.zones).collect();
        let buckets = vec![BUCKET.to_owned(), "mirror".to_owned()];
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let options = Options { zones, buckets, ..options };
        let sandbox = runtime.block_on(Sandbox::start(options)).unwrap();
        let dir = Scratch::new();
        let repo = ConfigRepo::init(&dir.path().join("domains.git")).unwrap();
        let signer = Signer::generate("ann@example.com");
        let introduction = repo.commit(&[("README.md", "The list.\n")], "Start", Some(&signer)).unwrap();
        let lab = Self { sandbox, repo, signer, dir, _runtime: runtime };
        lab.configure(introduction.as_str());
        lab
    }

    fn configure(&self, introduction: &str) {
        let sandbox = &self.sandbox;
        let config = format!(
            "\
version: 1
state: state
repository: {{url: {repo}, ref: refs/heads/main, allow_local: true}}
trust: {{introduction: {introduction}, allowed_signers: allowed_signers}}
authorities:
  sandbox: {{directory: \"{directory}\", root: ca-root.pem}}
dns:
  route53: {{endpoint: \"{route53}\", nameservers: [\"{nameserver}\"]}}
buckets:
  certs: {{bucket: {BUCKET}, prefix: certs/, region: us-east-1, endpoint: \"{s3}\"}}
  mirror: {{bucket: mirror, prefix: m/, region: us-east-1, endpoint: \"{s3}\", flat: true}}
",
            repo = self.repo.path().display(),
            directory = sandbox.directory_url(),
            route53 = sandbox.route53_url(),
            nameserver = sandbox.dns_addr(),
            s3 = sandbox.s3_url(),
        );
        self.write("countersign.yaml", &config);
        self.write("allowed_signers", &self.signer.allowed_signers_line());
        self.write("ca-root.pem", sandbox.tls_root_pem());
    }

    /// Another CA, which the configuration calls `name`, with further keys.
    pub fn authority(&self, name: &str, ca: CaOptions, more: &str) -> Sandbox {
        let sandbox = self._runtime.block_on(Sandbox::start(Options { ca, ..Options::default() })).unwrap();
        let root = format!("root-{name}.pem");
        self.write(&root, sandbox.tls_root_pem());
        let entry = format!("  {name}: {{directory: \"{}\", root: {root}{more}}}\ndns:", sandbox.directory_url());
        self.reconfigure("dns:", &entry);
        sandbox
    }

    /// Puts something else into the configuration, once.
    pub fn reconfigure(&self, what: &str, instead: &str) {
        let config = self.read("countersign.yaml");
        assert!(config.contains(what), "{config}");
        self.write("countersign.yaml", &config.replacen(what, instead, 1));
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Commits a list: names with their domains and further keys.
    pub fn list(&self, certificates: &[(&str, &str)]) {
        self.repo.commit(&[("domains.yaml", &list(certificates))], "Change the list", Some(&self.signer)).unwrap();
    }

    /// A list that nobody signed.
    pub fn unsigned_list(&self, certificates: &[(&str, &str)]) {
        self.repo.commit(&[("domains.yaml", &list(certificates))], "Nothing to see", None).unwrap();
    }

    pub fn apply(&self) -> Ran {
        self.run(&["apply", "--auto-approve"])
    }

    /// An apply that must succeed.
    pub fn done(&self) -> Ran {
        let ran = self.apply();
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran
    }

    /// Runs a command with `--junit`, and holds its report against the rules.
    pub fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, &[])
    }

    pub fn run_with(&self, args: &[&str], environment: &[(&str, &str)]) -> Ran {
        self.start_with(args, environment).end()
    }

    /// A command that writes no report: its exit code, what it said, and what it complained of.
    pub fn ask(&self, args: &[&str]) -> (Option<i32>, String, String) {
        self.ask_with(args, &[])
    }

    pub fn ask_with(&self, args: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String, String) {
        let output = self.command(args).envs(environment.iter().copied()).output().unwrap();
        said(self.dir.path(), [&output.stdout, &output.stderr]);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// The same with something to read.
    pub fn run_with_input(&self, args: &[&str], input: &str) -> (Option<i32>, String, String) {
        let pipes = [Stdio::piped(), Stdio::piped()];
        let [out, err] = pipes;
        let mut child = self.command(args).stdin(Stdio::piped()).stdout(out).stderr(err).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        said(self.dir.path(), [&output.stdout, &output.stderr]);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// Runs beside the lab until it goes.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self._runtime.spawn(work);
    }

    fn command(&self, args: &[&str]) -> Command {
        self.prepared(Command::new(BINARY), args)
    }

    fn prepared(&self, mut command: Command, args: &[&str]) -> Command {
        command.args(args).current_dir(self.dir.path()).env_clear();
        command
            .env("HOME", self.dir.path())
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            // All roots of this machine, three times over, take a debug build a while.
            .env("SSL_CERT_FILE", self.path("ca-root.pem"))
            .stdin(Stdio::null());
        command
    }

    pub fn start(&self, args: &[&str]) -> Running {
        self.start_with(args, &[])
    }

    /// Runs a command below another program, such as strace, that is given with its own arguments.
    pub fn run_under(&self, program: &[&str], args: &[&str], environment: &[(&str, &str)]) -> Ran {
        let (name, before) = program.split_first().expect("a program has a name");
        let mut command = Command::new(name);
        command.args(before).arg(BINARY);
        self.start_command(command, args, environment).end()
    }

    fn start_with(&self, args: &[&str], environment: &[(&str, &str)]) -> Running {
        self.start_command(Command::new(BINARY), args, environment)
    }

    fn start_command(&self, command: Command, args: &[&str], environment: &[(&str, &str)]) -> Running {
        let junit = self.path("junit.xml");
        let _ = fs::remove_file(&junit);
        // Commands that write no report.
        let silent = ["account", "doctor", "pull", "revoke", "rollback", "show", "status"].contains(&args[0]);
        let report = if silent { Vec::new() } else { vec![OsStr::new("--junit"), junit.as_os_str()] };
        let child = self
            .prepared(command, args)
            .args(report)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Running { child, junit }
    }

    /// Everything that a terminal of 80 columns gets to see of a command, without colour.
    pub fn at_terminal(&self, args: &[&str]) -> String {
        self.at_terminal_with(args, "")
    }

    /// The same with something that is typed.
    pub fn at_terminal_with(&self, args: &[&str], typed: &str) -> String {
        let line = format!("stty cols 80; {BINARY} {}", args.join(" "));
        let mut script = self.prepared(Command::new("script"), &["-qec", &line, "/dev/null"]);
        script.env("TERM", "xterm").env("NO_COLOR", "1");
        if !typed.is_empty() {
            let input = self.path("typed");
            fs::write(&input, typed).unwrap();
            script.stdin(fs::File::open(input).unwrap());
        }
        let output = script.output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn store(&self) -> FileStore {
        FileStore::open(&self.path("state")).unwrap()
    }

    pub fn inventory(&self) -> Inventory {
        self.store().observe().unwrap()
    }

    pub fn entry(&self, name: &str) -> Option<Entry> {
        self.inventory().journal.remove(&lineage(name))
    }

    /// The version that is live.
    pub fn live(&self, name: &str) -> Option<u64> {
        self.inventory().live.get(&lineage(name)).map(|stored| stored.meta.version)
    }

    /// Puts a CAA record at a name of `example.com`, instead of the one that is there.
    pub fn caa(&self, name: &str, value: &str) {
        let (name, kind, values) = (name.to_owned(), "CAA".to_owned(), vec![value.to_owned()]);
        let set = RecordSet { name, kind, ttl: 60, values, routing: None };
        self.sandbox.seed_record(ZONES[0].0, set).unwrap();
    }

    /// The night after: nobody has to back off any more.
    pub fn forget_back_off(&self) {
        let store = self.store();
        for mut entry in self.inventory().journal.into_values() {
            if let Some(failures) = &mut entry.failures {
                failures.not_before = OffsetDateTime::UNIX_EPOCH;
                store.write_entry(&entry).unwrap();
            }
        }
    }

    /// The CA suggests to renew the newest certificate of a name now. Gives its ARI id.
    pub fn make_due(&self, name: &str) -> String {
        let live = self.inventory().live.remove(&lineage(name)).unwrap();
        let id = live.facts().ari_id.clone().unwrap();
        let now = countersign::clock::SystemClock.now();
        let (start, end) = (now - Duration::from_secs(7200), now - Duration::from_secs(3600));
        self.sandbox.set_renewal_window(&id, RenewalWindow { start, end, explanation: None });
        let _ = fs::remove_file(self.path("state/ari.json"));
        id
    }

    /// TXT records in all zones.
    pub fn txt(&self) -> Vec<String> {
        let sets = ZONES.iter().flat_map(|(id, _)| self.sandbox.records(id));
        let texts = sets.filter(|set| set.kind == "TXT");
        texts.flat_map(|set| set.values.into_iter().map(move |value| format!("{} {value}", set.name))).collect()
    }

    pub fn count(&self, operation: &str) -> usize {
        self.sandbox.log().count(operation)
    }

    /// The version that the bucket's pointer names, with everything that it leads to in place.
    pub fn published(&self, name: &str) -> Option<u64> {
        let object = |key: &str| self.sandbox.object(BUCKET, &format!("certs/{key}"));
        let pointer = object(&format!("{name}/current.json"))?;
        let pointer: serde_json::Value = serde_json::from_slice(&pointer.body).unwrap();
        let prefix = pointer["prefix"].as_str().unwrap();
        let manifest = object(&format!("{prefix}manifest.json")).expect("the pointer leads to a manifest");
        assert_eq!(countersign::name::Digest::of(&manifest.body).to_string(), pointer["manifest"].as_str().unwrap());
        let manifest: serde_json::Value = serde_json::from_slice(&manifest.body).unwrap();
        for (file, said) in manifest["files"].as_object().unwrap() {
            let found = object(&format!("{prefix}{file}")).expect("the manifest names files that are there");
            assert_eq!(countersign::name::Digest::of(&found.body).to_string(), said["sha256"].as_str().unwrap());
        }
        pointer["sequence"].as_u64()
    }
}

fn list(certificates: &[(&str, &str)]) -> String {
    let head = "version: 1\ndefaults: {authority: sandbox, publish: [certs]}\ncertificates:";
    let entry = |(name, keys): &(&str, &str)| match keys.contains(':') {
        true => format!("\n  - {{name: {name}, {keys}}}"),
        false => format!("\n  - {{name: {name}, domains: [{keys}]}}"),
    };
    let entries: String = certificates.iter().map(entry).collect();
    format!("{head}{}\n", if entries.is_empty() { " []".to_owned() } else { entries })
}

/// A certificate request, as PEM and as it stands in a list, with its key.
pub fn csr(names: &[&str]) -> (String, String, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    params.distinguished_name = DistinguishedName::new();
    let pem = params.serialize_request(&key).unwrap().pem().unwrap();
    let listed = format!("domains: [{}], csr: {}", quoted(names), serde_json::Value::from(pem.as_str()));
    (pem, listed, key)
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}

pub fn lineage(name: &str) -> LineageName {
    LineageName::parse(name).unwrap()
}

/// Waits for something that another process is about to do.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what} does not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A command on its way.
pub struct Running {
    child: Child,
    junit: PathBuf,
}

impl Running {
    pub fn signal(&self, name: &str) {
        let line = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &line]).status().unwrap().success());
    }

    /// Whether it waits for somebody to read what it prints.
    #[cfg(feature = "soak")]
    pub fn writes_to_a_full_pipe(&self) -> bool {
        fs::read_to_string(format!("/proc/{}/wchan", self.child.id())).unwrap().contains("pipe_write")
    }

    /// Waits for the end.
    pub fn end(mut self) -> Ran {
        until("the end of the command", || self.child.try_wait().unwrap().is_some());
        Ran::new(self.child.wait_with_output().unwrap(), &self.junit)
    }
}

/// A command that has ended.
pub struct Ran {
    /// `None` if a signal ended it.
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
    /// `None` if there is no report.
    pub junit: Option<Junit>,
}

impl Ran {
    fn new(output: Output, junit: &Path) -> Self {
        said(junit.parent().unwrap(), [&output.stdout, &output.stderr]);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let junit = fs::read_to_string(junit).ok().map(|xml| Junit::parse(&xml));
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr), junit }
    }

    pub fn junit(&self) -> &Junit {
        self.junit.as_ref().unwrap_or_else(|| panic!("there is no report: {self:?}"))
    }

    /// The messages of everything in the report that did not pass, as `suite/case [code] …`.
    pub fn bad(&self) -> Vec<String> {
        self.junit().bad()
    }
}

impl std::fmt::Debug for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bad = self.junit.as_ref().map(Junit::bad);
        write!(f, "exit {:?}\n{}\n{}\nreport: {bad:#?}", self.code, self.out, self.err)
    }
}
