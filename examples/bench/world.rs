//! A signed config repo with a list of many names, and a runner's configuration for it.

use std::fs;
use std::io;
use std::path::Path;

use countersign::sandbox::Sandbox;
use countersign::sandbox::repo::{ConfigRepo, Signer};

/// The zone of all names.
pub const ZONE: &str = "example.com";

/// Where the configuration points.
pub struct World {
    pub directory: String,
    pub tls_root: String,
    pub route53: String,
    pub nameserver: String,
}

impl World {
    /// Nothing listens there: for what never asks.
    pub fn offline() -> Self {
        Self {
            directory: "https://127.0.0.1:9/dir".into(),
            tls_root: String::new(),
            route53: "http://127.0.0.1:9".into(),
            nameserver: "127.0.0.1:9".into(),
        }
    }

    pub fn of(sandbox: &Sandbox) -> Self {
        Self {
            directory: sandbox.directory_url(),
            tls_root: sandbox.tls_root_pem().to_owned(),
            route53: sandbox.route53_url(),
            nameserver: sandbox.dns_addr().to_string(),
        }
    }

    pub fn write(&self, dir: &Path, names: usize) -> io::Result<()> {
        fs::create_dir_all(dir)?;
        let dir = fs::canonicalize(dir)?;
        let signer = Signer::generate("ann@example.com");
        let commit = |repo: &ConfigRepo, path: &str, text: &str| repo.commit(&[(path, text)], "change", Some(&signer));
        let repo = ConfigRepo::init(&dir.join("domains.git")).map_err(io::Error::other)?;
        let introduction = commit(&repo, "README.md", "The list of certificates.\n").map_err(io::Error::other)?;
        commit(&repo, "domains.yaml", &list(names)).map_err(io::Error::other)?;
        fs::write(dir.join("allowed_signers"), signer.allowed_signers_line())?;
        fs::write(dir.join("ca-root.pem"), &self.tls_root)?;
        let root = if self.tls_root.is_empty() { "" } else { ", root: ca-root.pem" };
        let text = format!(
            "\
version: 1
state: state
repository: {{url: {repo}, ref: refs/heads/main, allow_local: true}}
trust: {{introduction: {introduction}, allowed_signers: allowed_signers}}
authorities:
  sandbox: {{directory: \"{directory}\"{root}}}
dns:
  route53: {{endpoint: \"{route53}\", nameservers: [\"{nameserver}\"]}}
",
            repo = repo.path().display(),
            directory = self.directory,
            route53 = self.route53,
            nameserver = self.nameserver,
        );
        fs::write(dir.join("countersign.yaml"), text)
    }
}

/// The name of a lineage, which is the first label of its domain.
pub fn name(at: usize) -> String {
    format!("n{at}")
}

fn list(names: usize) -> String {
    let entry = |at| format!("  - {{name: {0}, domains: [{0}.{ZONE}]}}\n", name(at));
    let entries: String = (0..names).map(entry).collect();
    format!("version: 1\ndefaults: {{authority: sandbox, publish: []}}\ncertificates:\n{entries}")
}
