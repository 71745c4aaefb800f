//! The ACME accounts.

use std::path::PathBuf;

use clap::{Args, Subcommand};

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
