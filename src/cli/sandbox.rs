//! `countersign sandbox`, and the playground that `demo` shares with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::args::Sandbox as Args;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::runtime::runtime;
use crate::cli::signals::Signals;
use crate::fault::Fault;
use crate::name::CommitId;
use crate::sandbox::repo::{ConfigRepo, Signer};
use crate::sandbox::{ACCESS_KEY, Options, SECRET_KEY, Sandbox};
use crate::store::write;

/// The list that a playground begins with.
const LIST: &str = "\
version: 1
defaults:
  authority: sandbox
  publish: [certs]
certificates:
  - name: www
    domains: [www.example.com, example.com]
  - name: internal
    domains: [\"*.internal.example.com\", internal.example.com]
    key: rsa-2048
";

const ZONE: (&str, &str) = ("ZSANDBOX1", "example.com");
const BUCKET: &str = "sandbox-certs";

pub fn run(args: &Args, output: &Output) -> Exit {
    serve(args, output).map_or_else(|failure| failure.show("sandbox", output), |()| Exit::Done)
}

fn serve(args: &Args, output: &Output) -> Result<(), Failure> {
    let runtime = runtime()?;
    runtime.block_on(async {
        let playground = Playground::start(&args.dir, Duration::from_secs(args.insync)).await?;
        output.text(&playground.introduction());
        Signals::listen()?.orderly().asked().await;
        Ok(())
    })
}

/// A folder with a signed config repo and a configuration, and the stand-ins that it names.
pub struct Playground {
    pub sandbox: Sandbox,
    pub repo: ConfigRepo,
    pub signer: Signer,
    pub dir: PathBuf,
}

impl Playground {
    pub async fn start(dir: &Path, insync_delay: Duration) -> Result<Self, Fault> {
        let dir = empty_folder(dir)?;
        let (id, zone) = ZONE;
        let options = Options {
            insync_delay,
            zones: vec![(id.into(), zone.into())],
            buckets: vec![BUCKET.into()],
            ..Options::default()
        };
        let sandbox = Sandbox::start(options)
            .await
            .map_err(|error| Fault::new("sandbox:start", "failed to start the stand-ins").caused_by(&error))?;
        let repo = ConfigRepo::init(&dir.join("domains.git"))?;
        let signer = Signer::generate("ann@example.com");
        let introduction = repo.commit(&[("README.md", "The list of certificates.\n")], "Start", Some(&signer))?;
        repo.commit(&[("domains.yaml", LIST)], "Ask for the first certificates", Some(&signer))?;
        let playground = Self { sandbox, repo, signer, dir };
        playground.write_config(&introduction)?;
        Ok(playground)
    }

    pub fn config(&self) -> PathBuf {
        self.dir.join("countersign.yaml")
    }

    /// What a command needs to reach the stand-ins, beside the configuration.
    pub fn environment(&self) -> [(&'static str, &'static str); 3] {
        [
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ]
    }

    fn write_config(&self, introduction: &CommitId) -> Result<(), Fault> {
        let sandbox = &self.sandbox;
        let text = format!(
            "\
version: 1
state: state
repository:
  url: {repo}
  ref: refs/heads/main
  allow_local: true
trust:
  introduction: {introduction}
  allowed_signers: allowed_signers
authorities:
  sandbox: {{directory: \"{directory}\", root: ca-root.pem}}
dns:
  route53:
    endpoint: \"{route53}\"
    nameservers: [\"{nameserver}\"]
buckets:
  certs: {{bucket: {BUCKET}, prefix: certs/, region: us-east-1, endpoint: \"{s3}\"}}
",
            repo = self.repo.path().display(),
            directory = sandbox.directory_url(),
            route53 = sandbox.route53_url(),
            nameserver = sandbox.dns_addr(),
            s3 = sandbox.s3_url(),
        );
        write::file(&self.config(), text.as_bytes(), 0o644)?;
        let signers = self.signer.allowed_signers_line();
        write::file(&self.dir.join("allowed_signers"), signers.as_bytes(), 0o644)?;
        write::file(&self.dir.join("ca-root.pem"), sandbox.tls_root_pem().as_bytes(), 0o644)?;
        let key = self.signer.private_key();
        write::file(&self.dir.join("ann_ed25519"), key.reveal().as_bytes(), 0o600)
    }

    fn introduction(&self) -> String {
        let dir = self.dir.display();
        let environment: String =
            self.environment().iter().map(|(name, value)| format!("  export {name}={value}\n")).collect();
        format!(
            "\
The stand-ins for the CA, Route53 and S3 are running; end them with Ctrl-C. In another shell:

{environment}  cd {dir}
  countersign plan
  countersign apply --auto-approve

Change the list with a signed commit, and see an unsigned one refused:

  git clone {dir}/domains.git work && cd work
  git -c gpg.format=ssh -c user.signingkey={dir}/ann_ed25519 commit -S …
"
        )
    }
}

/// An absolute path to a folder that is empty. Nothing of anybody else is overwritten.
fn empty_folder(dir: &Path) -> Result<PathBuf, Fault> {
    let cannot = |error: std::io::Error| {
        Fault::new("sandbox:folder", format!("failed to use the folder {}", dir.display()))
            .caused_by(&error)
            .hint("name a folder that is missing or empty, where this user may write")
    };
    fs::create_dir_all(dir).map_err(cannot)?;
    let dir = fs::canonicalize(dir).map_err(cannot)?;
    if fs::read_dir(&dir).map_err(cannot)?.next().is_some() {
        let fault = Fault::new("sandbox:folder", format!("the folder {} is not empty", dir.display()));
        return Err(fault.hint("name a folder that is missing or empty"));
    }
    Ok(dir)
}
