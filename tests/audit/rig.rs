//! A config repo, a configuration and the stand-ins, with the command as a child process.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use countersign::audit::chain::{Chain, Extent};
use countersign::audit::{Entry, Kind};
use countersign::name::CommitId;
use countersign::sandbox::repo::{ConfigRepo, Signer};
use countersign::sandbox::{ACCESS_KEY, Options, RecordSet, RenewalWindow, SECRET_KEY, Sandbox};
use serde_json::Value;
use time::{Duration, OffsetDateTime};

use crate::canary::{Scratch, said};

pub const BUCKET: &str = "vault";

/// What a command left behind.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// The last object of a `--json` answer.
    pub fn json(&self) -> Value {
        serde_json::from_str(self.out.lines().last().unwrap_or_default()).unwrap()
    }

    pub fn must(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        self
    }
}

pub struct House {
    pub sandbox: Sandbox,
    pub repo: ConfigRepo,
    pub ann: Signer,
    pub bob: Signer,
    introduction: CommitId,
    dir: Scratch,
}

impl House {
    /// Zone `example.com`, bucket `certs` with the prefix `pki/`. Ann and Bob may sign. The list names `names`.
    pub async fn with(names: &[&str]) -> Self {
        let options = Options {
            zones: vec![("Z1".into(), "example.com".into())],
            buckets: vec![BUCKET.into()],
            ..Options::default()
        };
        let sandbox = Sandbox::start(options).await.unwrap();
        let dir = Scratch::new();
        let repo = ConfigRepo::init(&dir.path().join("domains.git")).unwrap();
        let [ann, bob] = ["ann@example.com", "bob@example.com"].map(Signer::generate);
        let introduction = repo.commit(&[("README.md", "The list.\n")], "Start", Some(&ann)).unwrap();
        let house = Self { sandbox, repo, ann, bob, introduction, dir };
        house.configure("");
        house.allow(&[&house.ann, &house.bob]);
        house.write("root.pem", house.sandbox.tls_root_pem());
        house.list(names, Some(&house.ann));
        house
    }

    /// Writes the configuration, with further keys of `trust`.
    pub fn configure(&self, trust: &str) {
        let sandbox = &self.sandbox;
        let text = format!(
            "version: 1
state: state
repository: {{url: {repo}, allow_local: true}}
trust: {{introduction: {introduction}, allowed_signers: allowed_signers, {trust}}}
authorities: {{lab: {{directory: \"{directory}\", root: root.pem}}}}
dns: {{route53: {{endpoint: \"{route53}\", nameservers: [\"{dns}\"]}}}}
buckets: {{certs: {{bucket: {BUCKET}, prefix: pki/, region: us-east-1, endpoint: \"{s3}\"}}}}
",
            repo = self.repo.path().display(),
            introduction = self.introduction,
            directory = sandbox.directory_url(),
            route53 = sandbox.route53_url(),
            dns = sandbox.dns_addr(),
            s3 = sandbox.s3_url(),
        );
        self.write("countersign.yaml", &text);
    }

    pub fn allow(&self, signers: &[&Signer]) {
        let text: String = signers.iter().map(|signer| signer.allowed_signers_line()).collect();
        self.write("allowed_signers", &text);
    }

    /// Commits a list with a certificate for each name below example.com.
    pub fn list(&self, names: &[&str], signer: Option<&Signer>) -> CommitId {
        let entry = |name: &&str| format!("  - {{name: {name}, domains: [{name}.example.com]}}\n");
        let entries: String = names.iter().map(entry).collect();
        let entries = if entries.is_empty() { "  []\n".to_owned() } else { entries };
        let text = format!("version: 1\ndefaults: {{authority: lab, publish: [certs]}}\ncertificates:\n{entries}");
        self.repo.commit(&[("domains.yaml", &text)], "Change the list", signer).unwrap()
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_countersign"))
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .output()
            .unwrap();
        said(self.dir.path(), [&output.stdout, &output.stderr]);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    pub fn apply(&self) -> Ran {
        self.run(&["apply", "--auto-approve", "--junit", "junit.xml"])
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    pub fn write(&self, path: &str, text: &str) {
        fs::write(self.path(path), text).unwrap();
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub fn edit_json(&self, path: &str, edit: impl FnOnce(&mut Value)) {
        let mut value = serde_json::from_str(&self.read(path)).unwrap();
        edit(&mut value);
        self.write(path, &value.to_string());
    }

    pub fn chain(&self) -> Chain {
        Chain::read(self.read("state/audit.jsonl").as_bytes(), Extent::Whole)
    }

    /// The kinds of all entries.
    pub fn kinds(&self) -> Vec<Kind> {
        self.chain().entries.iter().map(|entry| entry.record.kind).collect()
    }

    pub fn last(&self) -> Entry {
        self.chain().entries.last().unwrap().clone()
    }

    pub fn orders(&self) -> usize {
        self.sandbox.log().count("newOrder")
    }

    pub fn record(&self, kind: &str, name: &str, value: &str) {
        let (name, kind) = (name.to_owned(), kind.to_owned());
        let set = RecordSet { name, kind, ttl: 60, values: vec![value.to_owned()], routing: None };
        self.sandbox.seed_record("Z1", set).unwrap();
    }

    /// Lets the CA suggest to renew a live certificate now.
    pub fn make_due(&self, lineage: &str, now: OffsetDateTime) {
        let meta: Value = serde_json::from_str(&self.read(&format!("state/live/{lineage}/meta.json"))).unwrap();
        let id = meta["facts"]["ari_id"].as_str().unwrap();
        let window = RenewalWindow { start: now - Duration::days(2), end: now - Duration::days(1), explanation: None };
        self.sandbox.set_renewal_window(id, window);
        let _ = fs::remove_file(self.path("state/ari.json"));
    }

    pub fn junit(&self) -> String {
        self.read("junit.xml")
    }
}

/// A copy of a folder, links as links.
pub fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

pub fn now() -> OffsetDateTime {
    countersign::port::Clock::now(&countersign::clock::SystemClock)
}
