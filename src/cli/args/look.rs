//! What is asked and answered, and changes nothing.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub struct Explain {
    /// The id of a rule or the code of a failure, like S01-unsigned, duplicate-name or dns:not-visible; without one
    /// all are listed
    #[arg(value_name = "CODE")]
    pub rule: Option<String>,
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
#[command(after_help = "Exits with 1 when the log is broken, when something live was authorised by nobody, or by a \
                        revoked key. What a removed signer authorised before is named and is no failure.")]
pub struct Audit {
    /// List the buckets too: their prefixes, and the copies of the log's end
    #[arg(long)]
    pub online: bool,
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
