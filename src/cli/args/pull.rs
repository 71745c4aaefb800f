//! A machine that uses certificates.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::config::parse::endpoint;
use crate::config::pull::server_name;
use crate::config::value;
use crate::lineage::naming::Naming;
use crate::name::Identifier;

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
