//! Lineages come from elsewhere, or go there.

use std::path::PathBuf;

use clap::{Args, Subcommand};

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
