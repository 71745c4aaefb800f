//! The arguments. Doc comments are the help.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::cli::term::ColorChoice;
use crate::config::parse::endpoint;
use crate::config::pull::server_name;
use crate::config::value;
use crate::lineage::naming::Naming;
use crate::lineage::{RevocationReason, RevokedBy};
use crate::name::Identifier;

/// Turns a signed list of certificates in git into certificates in S3.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, max_term_width = 100, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "\
Exit codes:
  0 done or nothing to do          4 refused: nothing of the refused change was done
  1 could not finish               5 another run holds the lock
  2 changes pending                6 valid but approvals missing
    (only plan --detailed-exitcode)  64 bad flags
  3 finished, some lineages failed 130 interrupted";

#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The runner's configuration; `-` reads standard input [default: ./countersign.yaml]
    #[arg(long, global = true, value_name = "PATH", env = "COUNTERSIGN_CONFIG")]
    pub config: Option<PathBuf>,
    /// Write JSON to standard output instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// When to use colour
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t)]
    pub color: ColorChoice,
    /// Show only problems; nothing if all is done
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say more on standard error: -v why, -vv each step
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Keep the log in this file as well; it is lengthened
    #[arg(long, global = true, value_name = "PATH", env = "COUNTERSIGN_LOG_FILE")]
    pub log_file: Option<PathBuf>,
    /// How the log is written: lines of text, or an object in JSON a line
    #[arg(long, global = true, value_name = "FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check the list in the current folder, or the commits of a branch, and report every problem with its place
    Validate(Validate),
    /// Say what a rule or the code of a failure means, and what to do about it
    Explain(Explain),
    /// Show what an apply would do
    Plan(Plan),
    /// Issue, renew and publish what the plan says
    Apply(Apply),
    /// Show all lineages of the store by expiry
    Status(Status),
    /// Fetch the config repo and verify every new commit
    Verify(Report),
    /// Show one lineage: its certificate, who authorised it, where it is published
    Show(Show),
    /// Have the CA revoke a certificate; the next apply replaces it if the list still has it
    Revoke(Revoke),
    /// Make an earlier version of a lineage live again, as a new one, and point the buckets at it
    Rollback(Rollback),
    /// Show, make, take over, re-key or give up the ACME accounts of this store
    Account(Account),
    /// Show and verify the audit log, and name what no verified commit authorised
    Audit(Audit),
    /// Check everything that a run needs, and change nothing
    Doctor,
    /// Write lineages into a file, to be moved to another machine
    Export(Export),
    /// Bring lineages back from an export, or a lost store from a bucket
    Restore(Restore),
    /// Bring the current version of lineages from a bucket to a machine that uses them, and have it used there
    Pull(Pull),
    /// Take over certificates of another tool: they wait in the store until the list has them
    Import(Import),
    /// Approve a change of the list: prints what to sign with minisign, or has it signed
    Approve(Approve),
    /// Make a config repo and the runner's files, ready for the first signed commit
    Init(Init),
    /// Answer the few commands that a locked-down host takes over SSH; for `command=` in authorized_keys
    SshGate(SshGate),
    /// Print cron lines or systemd units that run this configuration
    Schedule(Schedule),
    /// Print the least that AWS must allow, as an IAM policy
    IamPolicy(IamPolicy),
    /// Print the JSON Schema of a file that people write, for editors and linters
    Schema(Schema),
    /// Print completions for a shell
    Completions(Completions),
    /// Print the manual page, or write all of them into a folder
    Man(Man),
    /// Show the whole pipeline on stand-ins of this machine, in seconds
    #[cfg(feature = "sandbox")]
    Demo(Demo),
    /// Run the stand-ins for the CA, Route53 and S3 until interrupted
    #[cfg(feature = "sandbox")]
    Sandbox(Sandbox),
}

/// Where reports go.
#[derive(Debug, Default, Args)]
pub struct Report {
    /// Write a JUnit report
    #[arg(long, value_name = "PATH")]
    pub junit: Option<PathBuf>,
    /// Write the report as a page with its style into this folder
    #[arg(long, value_name = "DIR")]
    pub html: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Validate {
    /// The list: a file, or a folder with a file for each part [default: domains.yaml, else domains/]
    #[arg(value_name = "LIST")]
    pub list: Option<PathBuf>,
    /// Judge every commit since this ref, as a run would: a branch, a remote branch or a commit id that is trusted
    #[arg(long, value_name = "REF", conflicts_with = "list")]
    pub base: Option<String>,
    /// The tip of what is to be merged
    #[arg(long, value_name = "REF", default_value = "HEAD", requires = "base")]
    pub head: String,
    /// How it will be merged; without it the head itself is pushed
    #[arg(long, value_name = "METHOD", value_enum, requires = "base")]
    pub merge_method: Option<MergeMethod>,
    /// Write a SARIF report
    #[arg(long, value_name = "PATH")]
    pub sarif: Option<PathBuf>,
    #[command(flatten)]
    pub report: Report,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MergeMethod {
    /// A merge commit
    Merge,
    /// One new commit by the forge
    Squash,
    /// New commits by the forge
    Rebase,
}

#[derive(Debug, Args)]
pub struct Explain {
    /// The id of a rule or the code of a failure, like S01-unsigned, duplicate-name or dns:not-visible; without one
    /// all are listed
    #[arg(value_name = "CODE")]
    pub rule: Option<String>,
}

/// What a plan is about.
#[derive(Debug, Default, Args)]
pub struct Selection {
    /// Act on this lineage only; may be given several times
    #[arg(long, value_name = "NAME")]
    pub only: Vec<String>,
    /// Renew this lineage although it is not due; needs --reason
    #[arg(long, value_name = "NAME", requires = "reason")]
    pub force: Vec<String>,
    /// Why a renewal is forced; stands in the plan and in the report. `keyCompromise` also has the replaced version
    /// revoked, and never uses its key again
    #[arg(long, value_name = "TEXT", requires = "force")]
    pub reason: Option<String>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Exits with 1 when --fail-under finds a live certificate with less time left, one that is revoked or \
                  cannot be read, or a lineage without one."
)]
pub struct Status {
    /// Fail if a live certificate has less than this left: minutes, hours or days, such as 14d
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub fail_under: Option<time::Duration>,
}

fn duration(text: &str) -> Result<time::Duration, String> {
    crate::yaml::duration::parse(text).ok_or_else(|| "write a whole number and `m`, `h` or `d`, such as `14d`".into())
}

#[derive(Debug, Args)]
pub struct Show {
    /// The name of the lineage
    #[arg(value_name = "LINEAGE")]
    pub lineage: String,
    /// Print nothing but the certificate and its issuers, in PEM
    #[arg(long, conflicts_with = "json")]
    pub chain: bool,
}

#[derive(Debug, Args)]
pub struct Revoke {
    /// The name of the lineage, live or stashed
    #[arg(value_name = "LINEAGE")]
    pub lineage: String,
    /// Why, in the words of RFC 5280
    #[arg(long, value_name = "REASON", value_enum, ignore_case = true, default_value = "unspecified")]
    pub reason: Reason,
    /// Whose key signs the request [default: the account's, at keyCompromise the certificate's, else the other]
    #[arg(long, value_name = "KEY", value_enum)]
    pub by: Option<By>,
    /// Another version than the one in use
    #[arg(long = "version", value_name = "NUMBER")]
    pub lineage_version: Option<u64>,
    /// Do not ask
    #[arg(long)]
    pub auto_approve: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "The next apply goes by the list and by the calendar again: it renews the certificate if that is \
                        due, and replaces it if the list asks for something else."
)]
pub struct Rollback {
    /// The name of a live lineage
    #[arg(value_name = "LINEAGE")]
    pub lineage: String,
    /// The version to use again [default: the newest earlier one with another certificate that is still valid]
    #[arg(long, value_name = "NUMBER")]
    pub to: Option<u64>,
    /// Why; stands in the audit log
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Do not ask
    #[arg(long)]
    pub auto_approve: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "camelCase")]
pub enum Reason {
    /// No reason that concerns others
    Unspecified,
    /// Somebody else has or may have the key
    #[value(alias = "key-compromise")]
    KeyCompromise,
    /// The names or the organisation are not ours any more
    #[value(alias = "affiliation-changed")]
    AffiliationChanged,
    /// Another certificate has taken its place
    Superseded,
    /// The service is gone
    #[value(alias = "cessation-of-operation")]
    CessationOfOperation,
}

impl From<Reason> for RevocationReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Unspecified => Self::Unspecified,
            Reason::KeyCompromise => Self::KeyCompromise,
            Reason::AffiliationChanged => Self::AffiliationChanged,
            Reason::Superseded => Self::Superseded,
            Reason::CessationOfOperation => Self::CessationOfOperation,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// The account that ordered it
    AccountKey,
    /// The key of the certificate itself
    CertificateKey,
}

impl From<By> for RevokedBy {
    fn from(by: By) -> Self {
        match by {
            By::AccountKey => Self::AccountKey,
            By::CertificateKey => Self::CertificateKey,
        }
    }
}

#[derive(Debug, Args)]
pub struct Account {
    #[command(subcommand)]
    pub command: AccountCommand,
}

#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Ask the CAs how the accounts stand
    Show {
        /// One authority of the configuration [default: all]
        #[arg(long, value_name = "NAME")]
        authority: Option<String>,
    },
    /// Make an account with a new P-256 key and agree to the CA's terms of service
    Register(RegisterAccount),
    /// Take over an account by its key: RSA of 2048 to 4096 bits, P-256 or P-384, in PEM
    Import(ImportAccount),
    /// Give the account a new key; finishes a change that was cut short
    KeyChange {
        /// An authority of the configuration
        #[arg(long, value_name = "NAME")]
        authority: String,
    },
    /// Give the account up for good
    Deactivate {
        /// An authority of the configuration
        #[arg(long, value_name = "NAME")]
        authority: String,
        /// Do not ask
        #[arg(long)]
        auto_approve: bool,
    },
}

#[derive(Debug, Args)]
pub struct RegisterAccount {
    /// An authority of the configuration
    #[arg(long, value_name = "NAME")]
    pub authority: String,
    /// Write the key to this file too, for its owner alone; a file that exists is never overwritten
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "A key that is not of P-256 gives way to a new P-256 key at once (RFC 8555 section 7.3.5). \
                        Whoever had the account before then loses it.")]
pub struct ImportAccount {
    /// A file, file:///path or s3://bucket/key
    #[arg(value_name = "KEY")]
    pub key: String,
    /// An authority of the configuration
    #[arg(long, value_name = "NAME")]
    pub authority: String,
    /// Do not ask before the key is changed
    #[arg(long)]
    pub auto_approve: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Exits with 1 when the log is broken, when something live was authorised by nobody, or by a \
                        revoked key. What a removed signer authorised before is named and is no failure.")]
pub struct Audit {
    /// List the buckets too: their prefixes, and the copies of the log's end
    #[arg(long)]
    pub online: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "The lines to add to the list are printed. Nothing is changed where the other tool keeps its files: \
                  stop it once the list is merged, or both renew."
)]
pub struct Import {
    /// Say what would be taken over, and change nothing
    #[arg(long, global = true)]
    pub dry_run: bool,
    #[command(subcommand)]
    pub from: ImportFrom,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Without keys it is a record; with them it can be restored, and is as secret as the store. A file \
                        has mode 0600. Nothing is ever overwritten."
)]
pub struct Export {
    /// These lineages; without one the whole store: accounts, trust state and audit log too
    #[arg(value_name = "LINEAGE")]
    pub lineages: Vec<String>,
    /// A file, or with `/` at the end a folder with the PEM files beside it
    #[arg(long, value_name = "FILE|DIR/")]
    pub out: PathBuf,
    /// The private keys too
    #[arg(long)]
    pub with_keys: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Of a lineage that is there already the certificate that ends later is used. A store without trust \
                        state gets that of the export of a whole store, or verifies the config repo from the \
                        introduction on."
)]
pub struct Restore {
    /// What `countersign export --with-keys` wrote
    #[arg(value_name = "FILE|DIR", required_unless_present = "from_bucket")]
    pub source: Option<PathBuf>,
    /// These lineages; without one all
    #[arg(value_name = "LINEAGE")]
    pub lineages: Vec<String>,
    /// Rebuild a lost store from the versions that it published: in this bucket of the config, or in the only one
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "", require_equals = true)]
    pub from_bucket: Option<String>,
}

impl Restore {
    /// The lineages. With a bucket the first word is one too.
    pub fn words(&self) -> Vec<String> {
        let first = self.source.iter().filter(|_| self.from_bucket.is_some());
        let first = first.map(|path| path.to_string_lossy().into_owned());
        first.chain(self.lineages.iter().cloned()).collect()
    }
}

#[derive(Debug, Args)]
#[command(after_help = PULL_HELP)]
pub struct Pull {
    /// These lineages of the file; without one all. With --bucket the one to pull
    #[arg(value_name = "LINEAGE")]
    pub lineages: Vec<String>,
    /// The bucket, instead of a file
    #[arg(long, value_name = "NAME", value_parser = value::bucket_name, requires = "into", requires = "lineages")]
    pub bucket: Option<String>,
    #[command(flatten)]
    pub place: PullPlace,
    /// The folder of the lineage on this machine: `current/` in it is the version to use
    #[arg(long, value_name = "DIR", requires = "bucket")]
    pub into: Option<PathBuf>,
    /// A name that the certificate must serve; may be given several times
    #[arg(long, value_name = "DOMAIN", value_parser = Identifier::parse, requires = "bucket")]
    pub domain: Vec<Identifier>,
    /// Names of files besides certbot's: acmetool, haproxy; may be given several times
    #[arg(long, value_name = "LAYOUT", value_parser = Naming::parse, requires = "bucket")]
    pub layout: Vec<Naming>,
    /// The private key of this machine, where the list has its CSR: the certificate must be for it
    #[arg(long, value_name = "FILE", requires = "bucket")]
    pub key: Option<PathBuf>,
    /// How long the command may take, such as 60s or 5m
    #[arg(long, value_name = "TIME", value_parser = value::seconds, default_value = "30s")]
    pub reload_timeout: Duration,
    /// A TLS server that must show the certificate after the command
    #[arg(long, value_name = "HOST:PORT", value_parser = value::host_and_port, requires = "bucket")]
    pub served: Option<String>,
    /// The name to ask that server for [default: the first of the certificate]
    #[arg(long, value_name = "DOMAIN", value_parser = server_name, requires = "served")]
    pub server_name: Option<String>,
    /// How long that server may take to show it, such as 10s
    #[arg(long, value_name = "TIME", value_parser = value::seconds, default_value = "10s")]
    pub served_timeout: Duration,
    /// How many versions are kept here, the current one included
    #[arg(long, value_name = "COUNT", default_value = "3", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub keep: u16,
    /// What makes the server read its files again: a program and its arguments, without a shell
    #[arg(last = true, value_name = "COMMAND", requires = "bucket")]
    pub reload: Vec<String>,
}

const PULL_HELP: &str = "\
Without --bucket the file ./pull.yaml is read, or the one of --config; policy/pull.example.yaml has every key.

Nothing new in the bucket: nothing is done. When the command fails, or the server does not show the new certificate, the \
version of before is the current one again.";

/// How a bucket is reached.
#[derive(Debug, Args)]
pub struct PullPlace {
    /// What stands before every key, with `/` at its end
    #[arg(long, value_name = "PREFIX", value_parser = value::prefix, default_value = "", requires = "bucket")]
    pub prefix: String,
    /// The region of the bucket
    #[arg(long, value_name = "REGION", value_parser = value::aws_name, requires = "bucket")]
    pub region: Option<String>,
    /// The AWS profile with the credentials
    #[arg(long, value_name = "PROFILE", value_parser = value::aws_name, requires = "bucket")]
    pub profile: Option<String>,
    /// Another S3 than Amazon's
    #[arg(long, value_name = "URL", value_parser = endpoint, requires = "bucket")]
    pub endpoint: Option<String>,
    /// The account that the bucket must belong to
    #[arg(long, value_name = "ACCOUNT", value_parser = value::account, requires = "bucket")]
    pub expected_owner: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum ImportFrom {
    /// certbot's config directory, like /etc/letsencrypt
    Certbot {
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
    /// acmetool's state directory, like /var/lib/acme, with its response file and conf/target
    Acmetool {
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// A response file outside of the directory
        #[arg(long, value_name = "FILE")]
        response_file: Option<PathBuf>,
    },
    /// A folder with a sub-folder for each domain: domain.key, domain.crt, account.key
    AcmeTiny {
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
    /// The JSON configuration of letsencrypt-aws: only settings, since it keeps no certificates
    LetsencryptAws {
        /// A file, or `-` for standard input [default: the variable LETSENCRYPT_AWS_CONFIG]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// A key and a certificate in PEM
    Pem {
        /// The name of the lineage
        #[arg(long, value_name = "NAME")]
        name: String,
        /// The private key, without a passphrase; none if the list has the CSR that it was issued for
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// The leaf and its issuers; with --cert only the issuers
        #[arg(long, value_name = "FILE")]
        chain: PathBuf,
        /// The leaf
        #[arg(long, value_name = "FILE")]
        cert: Option<PathBuf>,
        /// The authority that issued it, as the list names it [default: whatever the list says]
        #[arg(long, value_name = "NAME")]
        authority: Option<String>,
    },
}

#[derive(Debug, Args)]
pub struct Plan {
    /// Do not fetch, do not list buckets, do not ask for renewal info
    #[arg(long)]
    pub offline: bool,
    /// Look up CAA records and hosted zones of what is due, and say what would stop the orders
    #[arg(long, conflicts_with = "offline")]
    pub probe: bool,
    /// Save the plan for `countersign apply FILE`
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Exit with 2 when changes are pending
    #[arg(long)]
    pub detailed_exitcode: bool,
    #[command(flatten)]
    pub selection: Selection,
    #[command(flatten)]
    pub report: Report,
}

#[derive(Debug, Args)]
pub struct Apply {
    /// A plan that `countersign plan --out FILE` saved
    #[arg(value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// Plan and apply without asking
    #[arg(long, conflicts_with = "plan")]
    pub auto_approve: bool,
    /// Apply although more existing lineages change than `limits:` allows
    #[arg(long)]
    pub force_limits: bool,
    #[command(flatten)]
    pub selection: Selection,
    #[command(flatten)]
    pub report: Report,
}

#[derive(Debug, Args)]
pub struct Approve {
    /// The commit with the list to approve
    #[arg(long, value_name = "REF", default_value = "HEAD")]
    pub head: String,
    /// What it is compared with [default: where it left the runner's branch of `origin`]
    #[arg(long, value_name = "REF")]
    pub base: Option<String>,
    /// Who approves: a name from the policy [default: the only one with a key]
    #[arg(long, value_name = "NAME")]
    pub person: Option<String>,
    /// How long the approval holds, such as 12h or 7d
    #[arg(long, value_name = "DURATION", default_value = "7d")]
    pub expires: String,
    /// Run minisign instead of printing the command
    #[arg(long)]
    pub run: bool,
    /// The secret key for minisign [default: minisign's own]
    #[arg(long, value_name = "PATH")]
    pub key: Option<PathBuf>,
}

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

#[derive(Debug, Args)]
pub struct Schema {
    /// Which file
    #[arg(value_name = "FILE", value_enum)]
    pub of: SchemaOf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// The list of a config repo
    List,
    /// Who may change what in it
    Policy,
    /// The runner's configuration
    Config,
    /// What a consumer pulls
    Pull,
}

#[derive(Debug, Args)]
pub struct Completions {
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub struct Man {
    /// Write a page for each command into this folder
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
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
