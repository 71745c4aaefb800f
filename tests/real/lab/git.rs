//! A config repo made by the real git, with commits signed by keys of the real ssh-keygen.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::daemon::output;
use super::sshd::{fingerprint, generate_key, public_half};

/// Somebody who signs commits.
pub struct Persona {
    principal: String,
    key: PathBuf,
}

impl Persona {
    /// A new key in `dir`; `principal` is also the e-mail address of the commits.
    pub fn generate(dir: &Path, principal: &str) -> Persona {
        let key = generate_key(dir, principal, principal);
        Persona { principal: principal.to_owned(), key }
    }

    /// The persona's line of an allowed_signers file.
    pub fn allowed_signers_line(&self) -> String {
        let public = std::fs::read_to_string(public_half(&self.key)).expect("the public key");
        let mut fields = public.split(' ');
        let (kind, blob) = (fields.next().expect("the key type"), fields.next().expect("the key"));
        format!("{} namespaces=\"git\" {kind} {blob}\n", self.principal)
    }

    /// `SHA256:…` of the signing key.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.key)
    }
}

/// A bare origin, which sshd serves, and the clone in which people work.
pub struct ConfigRepo {
    origin: PathBuf,
    work: PathBuf,
    home: PathBuf,
}

impl ConfigRepo {
    /// Starts with one unsigned commit, the introduction, on `main`.
    pub fn init(dir: &Path) -> ConfigRepo {
        let repo = ConfigRepo { origin: dir.join("domains.git"), work: dir.join("work"), home: dir.join("home") };
        std::fs::create_dir_all(&repo.home).expect("a home for git");
        output(repo.git_in(dir).args(["init", "-q", "--bare", "-b", "main"]).arg(&repo.origin));
        output(repo.git_in(dir).args(["init", "-q", "-b", "main"]).arg(&repo.work));
        output(repo.git().args(["remote", "add", "origin"]).arg(&repo.origin));
        repo.commit_unsigned(&[("README.md", "The certificates we want.\n")], "Start the list");
        repo
    }

    /// The path of the bare repository.
    pub fn origin(&self) -> &Path {
        &self.origin
    }

    /// The path of the work tree.
    pub fn work(&self) -> &Path {
        &self.work
    }

    /// The first commit.
    pub fn introduction(&self) -> String {
        self.rev_parse(&["--max-parents=0", "HEAD"], "rev-list")
    }

    /// What `main` of the origin points at.
    pub fn tip(&self) -> String {
        output(self.git_in(&self.origin).args(["rev-parse", "main"])).trim().to_owned()
    }

    /// Writes the files, commits with `git commit -S`, pushes. Returns the commit's id.
    pub fn commit_signed(&self, files: &[(&str, &str)], message: &str, persona: &Persona) -> String {
        self.stage(files);
        let signer = format!("user.signingKey={}", persona.key.display());
        let email = format!("user.email={}", persona.principal);
        let config = ["-c", "gpg.format=ssh", "-c", &signer, "-c", &email];
        output(self.git().args(config).args(["commit", "-q", "--allow-empty", "-S", "-m", message]));
        self.push(&[])
    }

    /// The same without a signature.
    pub fn commit_unsigned(&self, files: &[(&str, &str)], message: &str) -> String {
        self.stage(files);
        output(self.git().args(["commit", "-q", "--allow-empty", "--no-gpg-sign", "-m", message]));
        self.push(&[])
    }

    /// Takes the work tree back to `commit` and forces the origin there. Later commits diverge.
    pub fn force_push(&self, commit: &str) -> String {
        output(self.git().args(["reset", "-q", "--hard", commit]));
        self.push(&["--force"])
    }

    /// A git command in the work tree that sees no configuration but the repository's.
    pub fn git(&self) -> Command {
        self.git_in(&self.work)
    }

    fn git_in(&self, dir: &Path) -> Command {
        let mut command = Command::new("git");
        command.env_clear().current_dir(dir).args(["-c", "user.name=Lab", "-c", "user.email=lab@example.com"]);
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.env("HOME", &self.home).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
        command
    }

    fn stage(&self, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = self.work.join(path);
            std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder in the work tree");
            std::fs::write(path, text).expect("a file in the work tree");
        }
        output(self.git().args(["add", "--all"]));
    }

    fn push(&self, options: &[&str]) -> String {
        output(self.git().args(["push", "-q"]).args(options).args(["origin", "main"]));
        self.rev_parse(&["HEAD"], "rev-parse")
    }

    fn rev_parse(&self, arguments: &[&str], verb: &str) -> String {
        output(self.git().arg(verb).args(arguments)).trim().to_owned()
    }
}
