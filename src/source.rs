//! The config repo: fetched by git2 into a bare store, read by gix.

mod begin;
mod checkout;
mod isolation;
mod store;
mod url;

use std::cell::{Cell, RefCell};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use git2::{AutotagOption, CertificateCheckStatus, Cred, ErrorClass, ErrorCode, FetchOptions, RemoteCallbacks};
use tracing::{debug, warn};

use crate::fault::{Fault, Retry};
use crate::name::CommitId;
use crate::source::url::RepoUrl;
use crate::trust::Fingerprint;

pub use crate::source::begin::{Settings, begin};
pub use crate::source::checkout::Checkout;
pub(crate) use crate::source::isolation::isolate;
pub use crate::source::store::BareStore;

/// Where the tip of the configured ref stands in the store.
const INCOMING: &str = "refs/countersign/incoming";

/// A fetch may receive this many bytes, unless a [`Remote`] says otherwise.
pub const MAX_RECEIVED: usize = 1 << 30;

/// Where the config repo comes from, and how the server proves itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// `ssh://user@host[:port]/path`, or a local path if `allow_local`.
    pub url: String,
    /// Full name of a branch, like `refs/heads/main`.
    pub ref_name: String,
    /// An unencrypted private key file.
    pub ssh_key: Option<PathBuf>,
    /// SHA-256 fingerprints of the server's host keys. There is no trust on first use.
    pub host_keys: Vec<String>,
    pub allow_local: bool,
    /// A fetch may receive this many bytes.
    pub max_received: usize,
    /// The bare repository that receives the objects. Made if it is missing.
    pub store: PathBuf,
}

impl Remote {
    /// Fetches the ref with its whole history and answers what the server says is its tip. Blocks.
    ///
    /// A tip that moved backwards or sideways is taken as it is: `trust` judges it.
    ///
    /// # Errors
    /// `git:url`, `git:ssh-key`, `git:host-key`, `git:auth`, `git:unreachable`, `git:no-such-ref`, `git:too-large`,
    /// `git:store`, and `git:fetch` for everything else.
    pub fn fetch(&self) -> Result<CommitId, Fault> {
        isolate();
        let url = RepoUrl::parse(&self.url, self.allow_local)?;
        check_ref_name(&self.ref_name)?;
        match &url {
            RepoUrl::Ssh(_) => self.check_key_file()?,
            RepoUrl::Local(path) if !Path::new(path.trim_start_matches("file://")).exists() => {
                let fault = Fault::new("git:unreachable", format!("there is no repository at `{path}`"));
                return Err(fault.hint("see that `repository.url` is right"));
            }
            RepoUrl::Local(_) => {
                warn!(url = %url, "the config repo is a local path: nobody proves where it comes from");
            }
        }
        let pins = self.pins(&url)?;
        let repo = store::open_or_init(&self.store)?;
        let mut remote = repo
            .remote_anonymous(url.as_str())
            .map_err(|error| failed("git:url", format!("failed to use the URL `{url}`"), &error))?;
        let attempt = Attempt::new(self, &url, &pins);
        let mut options = FetchOptions::new();
        options.remote_callbacks(attempt.callbacks()).download_tags(AutotagOption::None).update_fetchhead(false);
        let refspec = format!("+{}:{INCOMING}", self.ref_name);
        debug!(url = %url, %refspec, "fetching");
        remote.fetch(&[&refspec], Some(&mut options), None).map_err(|error| attempt.explain(&error))?;
        drop(options);

        let heads = remote.list().map_err(|error| attempt.explain(&error))?;
        let Some(tip) = heads.iter().find(|head| head.name() == self.ref_name).map(git2::RemoteHead::oid) else {
            let branches: Vec<_> = heads
                .iter()
                .map(git2::RemoteHead::name)
                .filter(|name| name.starts_with("refs/heads/"))
                .take(10)
                .collect();
            let message = format!("the config repo has no ref `{}`", self.ref_name);
            return Err(Fault::new("git:no-such-ref", message).hint(format!("its branches: {}", branches.join(", "))));
        };
        // libgit2 says nothing when it leaves a ref where it was.
        let stored = repo.refname_to_id(INCOMING).ok();
        if stored != Some(tip) {
            return Err(Fault::new(
                "git:fetch",
                format!("the store did not receive the tip {tip} of `{}`", self.ref_name),
            ));
        }
        // Not read: `trust` looks at its size first.
        let kind = repo.odb().and_then(|odb| odb.read_header(tip)).map(|(_, kind)| kind);
        let kind = kind.map_err(|error| failed("git:fetch", format!("the tip {tip} cannot be read"), &error))?;
        if kind != git2::ObjectType::Commit {
            return Err(Fault::new("git:fetch", format!("the tip {tip} is a {kind} and not a commit")));
        }
        debug!(commit = %tip, "fetched");
        CommitId::parse(&tip.to_string()).map_err(|error| Fault::new("git:fetch", error.to_string()))
    }

    fn pins(&self, url: &RepoUrl) -> Result<Vec<Fingerprint>, Fault> {
        if self.host_keys.is_empty() && matches!(url, RepoUrl::Ssh(_)) {
            return Err(Fault::new("git:host-key", "no host key of the git server is pinned")
                .hint("put the fingerprint that the server's administrator gives you into `host_keys`")
                .retry(Retry::Never));
        }
        let parse = |pin: &String| {
            Fingerprint::parse(pin).map_err(|error| {
                Fault::new("git:host-key", format!("a pinned host key is wrong: {error}")).retry(Retry::Never)
            })
        };
        self.host_keys.iter().map(parse).collect()
    }

    fn check_key_file(&self) -> Result<(), Fault> {
        let Some(path) = &self.ssh_key else {
            return Err(Fault::new("git:ssh-key", "no key file for the git server is configured")
                .hint("set `ssh_key` to the private key of a read-only deploy key")
                .retry(Retry::Never));
        };
        let wrong = |message: String| Fault::new("git:ssh-key", message).retry(Retry::Never);
        let about = std::fs::metadata(path).map_err(|error| {
            wrong(format!("failed to read the key file `{}`", path.display())).caused_by(&error).hint(format!(
                "see that this user may read it, or make one: `ssh-keygen -t ed25519 -N '' -f {}`",
                path.display()
            ))
        })?;
        // libssh2 would wait at a pipe.
        if !about.is_file() {
            return Err(wrong(format!("the key file `{}` is no regular file", path.display()))
                .hint("set `ssh_key` to the private key of a read-only deploy key"));
        }
        if about.permissions().mode() & 0o077 != 0 {
            return Err(wrong(format!("the key file `{}` is open to others", path.display()))
                .hint(format!("chmod 600 {}", path.display())));
        }
        Ok(())
    }
}

/// One try to fetch. libgit2 loses what a callback says, so the reasons are kept here.
struct Attempt<'a> {
    url: &'a RepoUrl,
    key: Option<&'a Path>,
    pins: &'a [Fingerprint],
    /// A host key that is not pinned.
    seen: RefCell<Option<String>>,
    credentials_asked: Cell<u32>,
    received: Cell<usize>,
    max_received: usize,
}

impl<'a> Attempt<'a> {
    fn new(remote: &'a Remote, url: &'a RepoUrl, pins: &'a [Fingerprint]) -> Self {
        let (key, max_received) = (remote.ssh_key.as_deref(), remote.max_received);
        let (seen, credentials_asked, received) = (RefCell::new(None), Cell::new(0), Cell::new(0));
        Self { url, key, pins, seen, credentials_asked, received, max_received }
    }

    fn callbacks(&self) -> RemoteCallbacks<'_> {
        let mut callbacks = RemoteCallbacks::new();
        callbacks.certificate_check(|certificate, _| {
            let seen =
                certificate.as_hostkey().and_then(|key| key.hash_sha256()).map(|hash| Fingerprint::from_sha256(hash));
            match seen {
                Some(seen) if self.pins.contains(&seen) => {
                    debug!(host_key = %seen, "the host key is pinned");
                    Ok(CertificateCheckStatus::CertificateOk)
                }
                seen => {
                    let shown = seen.map_or("none".to_owned(), |seen| seen.to_string());
                    *self.seen.borrow_mut() = Some(shown);
                    Err(git2::Error::from_str("host key not pinned"))
                }
            }
        });
        // Asked again after each failure: answer once.
        callbacks.credentials(|_, user, allowed| {
            self.credentials_asked.set(self.credentials_asked.get() + 1);
            match (self.key, user) {
                (Some(key), Some(user)) if allowed.is_ssh_key() && self.credentials_asked.get() == 1 => {
                    debug!(user, key = %key.display(), "offering the key");
                    Cred::ssh_key(user, None, key, None)
                }
                _ => Err(git2::Error::new(ErrorCode::Auth, ErrorClass::Ssh, "no other credentials")),
            }
        });
        callbacks.transfer_progress(|progress| {
            self.received.set(progress.received_bytes());
            progress.received_bytes() <= self.max_received
        });
        callbacks
    }

    fn explain(&self, error: &git2::Error) -> Fault {
        let url = self.url;
        if let Some(seen) = self.seen.borrow().as_ref() {
            let pins: Vec<_> = self.pins.iter().map(Fingerprint::as_str).collect();
            return Fault::new("git:host-key", format!("the host key of `{url}` is not pinned: it showed {seen}"))
                .hint(format!(
                    "pinned are {}; ask the server's administrator before you add another to `host_keys`. A server has one key of each type",
                    pins.join(", ")
                ))
                .retry(Retry::Never);
        }
        if self.received.get() > self.max_received {
            return Fault::new("git:too-large", format!("`{url}` sent more than {} MiB", self.max_received >> 20))
                .hint("see what was pushed: a list of certificates is small. A repository that has to be so large cannot be fetched")
                .retry(Retry::Never);
        }
        if error.code() == ErrorCode::Auth || self.credentials_asked.get() > 1 {
            return failed("git:auth", format!("`{url}` refused the key"), error)
                .hint("add the public half of `ssh_key` to the repository as a read-only deploy key");
        }
        if self.credentials_asked.get() == 0
            && matches!(error.class(), ErrorClass::Net | ErrorClass::Os | ErrorClass::Ssh)
        {
            return failed("git:unreachable", format!("`{url}` cannot be reached"), error).hint(
                "see that `repository.url` is right and that this host can open a connection to its host and port",
            );
        }
        failed("git:fetch", format!("failed to fetch from `{url}`"), error)
            .hint("see that the path in `repository.url` is right and that the key may read the repository")
    }
}

/// The cause may quote the server, so it is stripped of control characters.
fn failed(code: &str, message: String, error: &git2::Error) -> Fault {
    let cause = error.message().trim().replace(char::is_control, " ");
    Fault { causes: vec![cause], ..Fault::new(code, message) }
}

fn check_ref_name(name: &str) -> Result<(), Fault> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-/".contains(&b);
    if name.starts_with("refs/heads/") && name.bytes().all(plain) && git2::Reference::is_valid_name(name) {
        return Ok(());
    }
    Err(Fault::new("git:url", format!("`{}` is not the full name of a branch", name.escape_debug()))
        .hint("write it like `refs/heads/main`")
        .retry(Retry::Never))
}
