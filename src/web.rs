//! The web adapter: [`Solver`] for http-01 through a folder that web servers share with this host.
//!
//! `folder` puts files into it and takes them away, `fetch` looks at them as a CA does.

mod fetch;
mod folder;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{self, StreamExt};

use crate::fault::{Fault, Retry};
use crate::journal::{Proof, TokenFile};
use crate::name::hex;
use crate::port::{Addresses, Answer, Change, Solver};

pub use folder::check as check_folder;

/// Looks under way at a time.
const WIDTH: usize = 32;
/// A folder that is shared over a network may show a file a little later.
const LOOKS: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);
/// Characters of a token and of a file's content: a CA's tokens have 43, key authorizations 87.
const LONGEST: usize = 512;

/// `http` of the runner's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What web servers serve at `/.well-known/acme-challenge/`.
    pub folder: PathBuf,
    /// Of the files, whatever the umask.
    pub mode: u32,
    /// The port at which this host reaches the web servers.
    pub port: u16,
    /// Whether files are looked at through the web servers before the CA is asked to.
    pub preflight: bool,
}

/// Token files in a shared folder.
pub struct WebSolver {
    /// Without, nothing can be placed. What an earlier run placed can still be taken away.
    settings: Option<Settings>,
    addresses: Arc<dyn Addresses>,
}

impl WebSolver {
    pub fn new(settings: Option<Settings>, addresses: Arc<dyn Addresses>) -> Self {
        Self { settings, addresses }
    }

    fn settings(&self) -> Result<&Settings, Fault> {
        self.settings.as_ref().ok_or_else(|| {
            Fault::new("http:no-folder", "the runner's config names no folder for http-01")
                .hint("add `http: {folder: PATH}`, the folder that web servers serve at /.well-known/acme-challenge/")
                .retry(Retry::Never)
        })
    }

    fn file(&self, host: &str, token: &str, content: &str) -> Result<Proof, Fault> {
        let folder = self.settings()?.folder.clone();
        let plain = |text: &str, more: &[u8]| {
            let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b) || more.contains(&b);
            !text.is_empty() && text.len() <= LONGEST && text.bytes().all(fits)
        };
        if !plain(token, b"") || !plain(content, b".") {
            return Err(Fault::new("http:bad-token", format!("{host}: the CA's token cannot be the name of a file")));
        }
        Ok(Proof::File(TokenFile { folder, host: host.into(), token: token.into(), content: content.into() }))
    }

    /// Looks at a file at every address of its host: a CA may take any of them.
    async fn look(&self, file: &TokenFile) -> Result<(), Fault> {
        let settings = self.settings()?;
        let addresses = self.addresses.of(&file.host).await?;
        if addresses.is_empty() {
            return Err(Fault::new("http:no-address", format!("{} has no address in DNS", file.host))
                .hint("add A or AAAA records, or let the list say `challenge: dns-01`"));
        }
        let (mut answered, mut silent) = (false, None);
        for address in addresses {
            match fetch::fetch(self.addresses.as_ref(), address, settings.port, file).await {
                Ok(seen) => {
                    seen.judge(file)?;
                    answered = true;
                }
                // CAs fall back to IPv4, and this host may have no IPv6.
                Err(fault) if matches!(address, IpAddr::V6(_)) => silent = Some(fault),
                Err(fault) => return Err(fault),
            }
        }
        silent.filter(|_| !answered).map_or(Ok(()), Err)
    }

    async fn look_again(&self, file: &TokenFile) -> Result<(), Fault> {
        for _ in 1..LOOKS {
            if self.look(file).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.look(file).await
    }
}

#[async_trait]
impl Solver for WebSolver {
    /// One file for all names, which nobody can guess.
    fn rehearsal(&self, bases: &[String]) -> Vec<Result<Proof, Fault>> {
        if self.settings.as_ref().is_some_and(|settings| !settings.preflight) {
            return Vec::new();
        }
        let mut random = [0; 16];
        if aws_lc_rs::rand::fill(&mut random).is_err() {
            return vec![Err(Fault::new("http:random", "this host gives no random numbers")); bases.len()];
        }
        let random = hex(&random);
        bases.iter().map(|base| self.file(base, &format!("countersign-test-{random}"), &random)).collect()
    }

    async fn locate(&self, answers: &[(String, Answer)]) -> Vec<Result<Proof, Fault>> {
        let proof = |(base, answer): &(String, Answer)| match answer {
            Answer::File { token, content } => self.file(base, token, content),
            Answer::Txt(_) => Err(Fault::new("http:not-a-file", format!("{base}: a TXT value is no answer over HTTP"))),
        };
        answers.iter().map(proof).collect()
    }

    async fn present(&self, records: &[Proof]) -> Vec<Change> {
        let mode = self.settings.as_ref().map_or(0, |settings| settings.mode);
        each(records, move |file| folder::put(file, mode)).await
    }

    /// A file is there at once.
    async fn settled(&self, change: &Change) -> Result<(), Fault> {
        change.result.as_ref().map(drop).map_err(Clone::clone)
    }

    async fn visible(&self, records: &[Proof]) -> Vec<Result<(), Fault>> {
        if self.settings.as_ref().is_some_and(|settings| !settings.preflight) {
            return vec![Ok(()); records.len()];
        }
        let looks: Vec<_> = files(records).map(|file| self.look_again(file)).collect();
        stream::iter(looks).buffered(WIDTH).collect().await
    }

    async fn clean_up(&self, records: &[Proof]) -> Vec<Change> {
        each(records, folder::take).await
    }
}

fn files(records: &[Proof]) -> impl Iterator<Item = &TokenFile> {
    records.iter().filter_map(|record| match record {
        Proof::File(file) => Some(file),
        Proof::Txt(_) => None,
    })
}

/// One change for each file, away from the async threads.
async fn each(records: &[Proof], work: impl Fn(&TokenFile) -> Result<(), Fault> + Send + 'static) -> Vec<Change> {
    let files: Vec<TokenFile> = files(records).cloned().collect();
    let lost: Vec<Proof> = files.iter().cloned().map(Proof::File).collect();
    let done = tokio::task::spawn_blocking(move || {
        let change = |file: TokenFile| {
            let result = work(&file).map(|()| String::new());
            Change { records: vec![Proof::File(file)], result }
        };
        files.into_iter().map(change).collect()
    });
    done.await.unwrap_or_else(|error| {
        let fault = Fault::new("http:folder", "failed to work on token files").caused_by(&error);
        vec![Change { records: lost, result: Err(fault) }]
    })
}
