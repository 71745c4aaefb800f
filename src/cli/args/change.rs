//! How a change of the list becomes certificates.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Report;

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
    #[arg(value_name = "FILE", conflicts_with_all = ["only", "force", "reason"])]
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
