//! What is done once on a machine.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Args)]
pub struct Init {
    /// An empty or missing folder: `config-repo/` and `runner/` are made in it
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Answers in a YAML file, a line for each flag below; a flag beats the file
    #[arg(long, value_name = "FILE")]
    pub answers: Option<PathBuf>,
    #[command(flatten)]
    pub given: InitAnswers,
}

/// What is not given is asked for at a terminal.
#[derive(Clone, Debug, Args)]
pub struct InitAnswers {
    /// Where the config repo will be fetched from
    #[arg(long, value_name = "ssh://URL")]
    pub url: Option<String>,
    /// The fingerprint of that server's host key
    #[arg(long, value_name = "SHA256:…")]
    pub host_key: Option<String>,
    /// Who signs changes of the list
    #[arg(long, value_name = "EMAIL")]
    pub signer: Option<String>,
    /// The public key file of that person
    #[arg(long, value_name = "KEY.pub")]
    pub signing_key: Option<String>,
    /// Whom the CA may write to
    #[arg(long, value_name = "EMAIL")]
    pub contact: Option<String>,
    /// The first domain to get a certificate for
    #[arg(long, value_name = "NAME")]
    pub domain: Option<String>,
    /// The S3 bucket to publish to
    #[arg(long, value_name = "NAME")]
    pub bucket: Option<String>,
    /// The region of that bucket
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct SshGate {
    #[command(subcommand)]
    pub command: Option<GateCommand>,
}

#[derive(Debug, Subcommand)]
pub enum GateCommand {
    /// Print the line of authorized_keys that lets a key in, for these commands only
    Authorize(Authorize),
}

#[derive(Debug, Args)]
pub struct Authorize {
    /// The public key file of Jenkins
    #[arg(value_name = "KEY.pub")]
    pub key: PathBuf,
    /// Where the key may come from, as sshd's `from=` takes it
    #[arg(long, value_name = "PATTERNS")]
    pub from: Option<String>,
}

#[derive(Debug, Args)]
pub struct Schedule {
    /// What is to run it
    #[arg(value_name = "KIND", value_enum)]
    pub kind: ScheduleKind,
    /// The user who runs it
    #[arg(long, value_name = "USER", default_value = "countersign")]
    pub user: String,
    /// The minute of the hour, 0 to 59 [default: a random one]
    #[arg(long, value_name = "MINUTE", value_parser = clap::value_parser!(u8).range(0..60))]
    pub minute: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ScheduleKind {
    /// A file for /etc/cron.d
    Cron,
    /// A service and a timer
    Systemd,
}

#[derive(Debug, Args)]
pub struct IamPolicy {
    /// Who gets it
    #[arg(value_name = "ROLE", value_enum)]
    pub role: IamRole,
    /// For `consumer`: the lineage that may be read
    #[arg(long, value_name = "NAME", required_if_eq("role", "consumer"))]
    pub lineage: Option<String>,
    /// Only this bucket of the configuration
    #[arg(long, value_name = "NAME")]
    pub bucket: Option<String>,
    /// For `route53`: what this role of the configuration needs, in its own account
    #[arg(long, value_name = "ARN")]
    pub assume_role: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum IamRole {
    /// The runner's credentials for challenge records
    Route53,
    /// The runner's credentials for publishing
    S3,
    /// A machine that pulls one lineage
    Consumer,
    /// The job before the merge: nothing at all
    Validate,
}

#[cfg(feature = "sandbox")]
#[derive(Debug, Args)]
pub struct Demo {
    /// An empty or missing folder for everything that the demo makes
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
}

#[cfg(feature = "sandbox")]
#[derive(Debug, Args)]
pub struct Sandbox {
    /// An empty or missing folder for a config that uses the stand-ins
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Seconds until a DNS change is in sync
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub insync: u64,
}
