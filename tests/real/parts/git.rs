//! sshd and git.

use std::path::Path;
use std::process::Command;

use crate::lab::git::{ConfigRepo, Persona};
use crate::lab::sshd::{Sshd, generate_key};

#[test]
#[ignore = "needs the lab: ci/install"]
fn sshd_serves_the_origin_to_the_deploy_key() {
    let dir = tempfile::tempdir().unwrap();
    let repo = ConfigRepo::init(dir.path());
    let sshd = Sshd::start(&dir.path().join("sshd"));

    let refs = ls_remote(&repo, &sshd, sshd.client_key()).unwrap();

    assert_eq!(refs, format!("{}\trefs/heads/main\n", repo.tip()));
    assert!(sshd.log().contains("Accepted publickey"), "{}", sshd.log());
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn sshd_refuses_any_other_key() {
    let dir = tempfile::tempdir().unwrap();
    let repo = ConfigRepo::init(dir.path());
    let sshd = Sshd::start(&dir.path().join("sshd"));
    let other = generate_key(dir.path(), "other", "other");

    let error = ls_remote(&repo, &sshd, &other).unwrap_err();

    assert!(error.contains("Permission denied (publickey)"), "{error}");
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn git_itself_accepts_the_signature_of_a_persona_and_names_her() {
    let dir = tempfile::tempdir().unwrap();
    let repo = ConfigRepo::init(dir.path());
    let ann = Persona::generate(dir.path(), "ann@example.com");

    let commit = repo.commit_signed(&[("domains.yaml", "version: 1\n")], "Add the list", &ann);

    let said = verify_commit(&repo, dir.path(), &ann, &commit).unwrap();
    assert!(said.contains("Good \"git\" signature for ann@example.com"), "{said}");
    assert!(said.contains(&ann.fingerprint()), "{said}");
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn git_itself_knows_ann_from_mallory() {
    let dir = tempfile::tempdir().unwrap();
    let repo = ConfigRepo::init(dir.path());
    let ann = Persona::generate(dir.path(), "ann@example.com");
    let mallory = Persona::generate(dir.path(), "mallory@example.com");

    let commit = repo.commit_signed(&[("domains.yaml", "version: 1\n")], "Add the list", &mallory);

    assert!(verify_commit(&repo, dir.path(), &ann, &commit).is_err());
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn an_unsigned_commit_has_no_signature() {
    let dir = tempfile::tempdir().unwrap();
    let repo = ConfigRepo::init(dir.path());
    let ann = Persona::generate(dir.path(), "ann@example.com");

    let commit = repo.commit_unsigned(&[("domains.yaml", "version: 1\n")], "Add the list");

    assert!(verify_commit(&repo, dir.path(), &ann, &commit).is_err());
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn a_force_push_takes_the_origin_back() {
    let dir = tempfile::tempdir().unwrap();
    let repo = ConfigRepo::init(dir.path());
    repo.commit_unsigned(&[("domains.yaml", "version: 1\n")], "Add the list");

    repo.force_push(&repo.introduction());

    assert_eq!(repo.tip(), repo.introduction());
}

/// What the real client sees with the host key pinned.
fn ls_remote(repo: &ConfigRepo, sshd: &Sshd, key: &Path) -> Result<String, String> {
    let known_hosts = repo.work().with_extension("known_hosts");
    std::fs::write(&known_hosts, sshd.known_hosts_line()).unwrap();
    let ssh = format!(
        "ssh -F none -o BatchMode=yes -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile={} -i {}",
        known_hosts.display(),
        key.display()
    );
    let url = sshd.url(repo.origin());
    run(repo.git().env("GIT_SSH_COMMAND", ssh).args(["ls-remote", &url, "refs/heads/main"]))
}

fn verify_commit(repo: &ConfigRepo, dir: &Path, persona: &Persona, commit: &str) -> Result<String, String> {
    let signers = dir.join("allowed_signers");
    std::fs::write(&signers, persona.allowed_signers_line()).unwrap();
    let signers = format!("gpg.ssh.allowedSignersFile={}", signers.display());
    run(repo.git().args(["-c", &signers, "verify-commit", commit]))
}

/// What a command says: standard output and error together, as an error if it fails.
fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    if output.status.success() { Ok(said + &error) } else { Err(error) }
}
