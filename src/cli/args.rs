//! The arguments. Doc comments are the help. Each group of commands has its file.

mod account;
mod change;
mod look;
mod pull;
mod setup;
mod transfer;
mod version;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use self::account::*;
pub use self::change::*;
pub use self::look::*;
pub use self::pull::*;
pub use self::setup::*;
pub use self::transfer::*;
pub use self::version::*;
use crate::cli::term::ColorChoice;

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
