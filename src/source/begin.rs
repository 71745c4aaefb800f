//! A new config repo with its first commit: the one that a runner trusts by its id.

use std::path::Path;

use git2::{Repository, RepositoryInitOptions, Signature, Time};
use time::OffsetDateTime;

use super::isolate;
use crate::fault::Fault;
use crate::name::CommitId;

/// What git in the new clone shall know.
pub struct Settings<'a> {
    /// Name and address of whoever commits.
    pub person: &'a str,
    /// The public key file of that person.
    pub signing_key: &'a Path,
    /// The URL of the remote `origin`.
    pub origin: &'a str,
}

/// Makes a repository in an empty folder, and commits the files that are there, unsigned, as `main`.
pub fn begin(dir: &Path, settings: &Settings<'_>, now: OffsetDateTime) -> Result<CommitId, Fault> {
    isolate();
    made(dir, settings, now).map_err(|error| {
        Fault::new("init:repository", format!("failed to make a repository in {}", dir.display()))
            .because(error.message())
            .hint("remove that folder with what is in it, mend the cause, and run the same command again")
    })
}

fn made(dir: &Path, settings: &Settings<'_>, now: OffsetDateTime) -> Result<CommitId, git2::Error> {
    let mut options = RepositoryInitOptions::new();
    options.external_template(false).initial_head("main");
    let repository = Repository::init_opts(dir, &options)?;
    let mut config = repository.config()?;
    let key = settings.signing_key.to_string_lossy();
    for (name, value) in [
        ("user.name", settings.person),
        ("user.email", settings.person),
        ("user.signingkey", key.as_ref()),
        ("gpg.format", "ssh"),
        ("commit.gpgsign", "true"),
    ] {
        config.set_str(name, value)?;
    }
    repository.remote("origin", settings.origin)?;
    let mut index = repository.index()?;
    index.add_all(["*"], git2::IndexAddOption::DEFAULT, None)?;
    index.write()?;
    let tree = repository.find_tree(index.write_tree()?)?;
    let person = Signature::new(settings.person, settings.person, &Time::new(now.unix_timestamp(), 0))?;
    let commit = repository.commit(Some("HEAD"), &person, &person, "Begin\n", &tree, &[])?;
    Ok(CommitId::parse(&commit.to_string()).expect("git writes full ids"))
}
