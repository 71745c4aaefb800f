//! Fetching from a real sshd on loopback, with its own host key (threats T12, T50 to T54).
#![cfg(feature = "sandbox")]

#[path = "shared/canary.rs"]
mod canary;
#[path = "shared/sshd.rs"]
mod sshd;

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use canary::said;
use countersign::sandbox::repo::Signer;
use countersign::source::{MAX_RECEIVED, Remote};
use rustix::fs::{CWD, Mode, mkfifoat};
use sshd::{Server, free_port};

fn remote(server: &Server) -> Remote {
    Remote {
        url: format!("ssh://{}@127.0.0.1:{}{}", server.user, server.port, server.repo.path().display()),
        ref_name: "refs/heads/main".to_owned(),
        ssh_key: Some(server.dir.path().join("client")),
        host_keys: vec![server.host_key.clone()],
        allow_local: false,
        max_received: MAX_RECEIVED,
        store: store(server),
    }
}

fn store(server: &Server) -> PathBuf {
    server.dir.path().join("state/git")
}

#[test]
fn a_pinned_host_key_and_a_known_client_key_give_the_tip() {
    let server = Server::start();
    assert_eq!(remote(&server).fetch().unwrap(), server.repo.head().unwrap());
    let mode = std::fs::metadata(store(&server)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn one_of_several_pinned_host_keys_is_enough_while_they_rotate() {
    let server = Server::start();
    let other = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned();
    let remote = Remote { host_keys: vec![other, server.host_key.clone()], ..remote(&server) };
    assert_eq!(remote.fetch().unwrap(), server.repo.head().unwrap());
}

#[test]
fn another_host_key_is_refused_and_shown() {
    let server = Server::start();
    let other = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned();
    let fault = Remote { host_keys: vec![other], ..remote(&server) }.fetch().unwrap_err();
    assert_eq!(fault.code, "git:host-key");
    assert!(fault.message.contains("host key") && fault.message.contains(&server.host_key), "{fault:?}");
}

#[test]
fn nothing_is_fetched_without_a_pinned_host_key() {
    let server = Server::start();
    let fault = Remote { host_keys: Vec::new(), ..remote(&server) }.fetch().unwrap_err();
    assert_eq!(fault.code, "git:host-key");
}

#[test]
fn a_key_that_the_server_does_not_know_is_refused() {
    let server = Server::start();
    let fault = Remote { ssh_key: Some(server.dir.path().join("stranger")), ..remote(&server) }.fetch().unwrap_err();
    assert_eq!(fault.code, "git:auth", "{fault:?}");
}

#[test]
fn a_key_file_that_is_open_to_others_is_not_used() {
    let server = Server::start();
    let mode = |mode| {
        std::fs::set_permissions(server.dir.path().join("client"), std::fs::Permissions::from_mode(mode)).unwrap()
    };
    mode(0o640);
    assert_eq!(remote(&server).fetch().unwrap_err().code, "git:ssh-key");
    mode(0o600);
}

#[test]
fn a_key_file_that_is_a_named_pipe_is_not_waited_for() {
    let server = Server::start();
    std::fs::remove_file(server.dir.path().join("client")).unwrap();
    mkfifoat(CWD, server.dir.path().join("client"), Mode::RUSR | Mode::WUSR).unwrap();
    assert_eq!(remote(&server).fetch().unwrap_err().code, "git:ssh-key");
}

#[test]
fn a_port_where_nobody_listens_is_unreachable() {
    let server = Server::start();
    let url = format!("ssh://{}@127.0.0.1:{}/domains.git", server.user, free_port());
    let fault = Remote { url, ..remote(&server) }.fetch().unwrap_err();
    assert_eq!(fault.code, "git:unreachable", "{fault:?}");
}

#[test]
fn a_server_that_is_not_ssh_is_unreachable() {
    let server = Server::start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || listener.accept().map(|(stream, _): (TcpStream, _)| drop(stream)));
    let url = format!("ssh://{}@127.0.0.1:{port}/domains.git", server.user);
    let fault = Remote { url, ..remote(&server) }.fetch().unwrap_err();
    assert_eq!(fault.code, "git:unreachable", "{fault:?}");
}

#[test]
fn a_missing_branch_is_named_with_those_that_exist() {
    let server = Server::start();
    let fault = Remote { ref_name: "refs/heads/master".to_owned(), ..remote(&server) }.fetch().unwrap_err();
    assert_eq!(fault.code, "git:no-such-ref");
    assert_eq!(fault.hint.as_deref(), Some("its branches: refs/heads/main"));
}

#[test]
fn a_missing_repository_is_told_in_the_words_of_the_server() {
    let server = Server::start();
    let url = format!("{}-not", remote(&server).url);
    let fault = Remote { url, ..remote(&server) }.fetch().unwrap_err();
    assert_eq!(fault.code, "git:fetch");
    assert!(fault.causes[0].ends_with("does not appear to be a git repository"), "{fault:?}");
}

#[test]
fn a_store_whose_configuration_redirects_is_refused() {
    let server = Server::start();
    remote(&server).fetch().unwrap();
    let store = git2::Repository::open_bare(store(&server)).unwrap();
    store.config().unwrap().set_str("url.ssh://elsewhere/.insteadOf", "ssh://").unwrap();
    let fault = remote(&server).fetch().unwrap_err();
    assert_eq!(fault.code, "git:store");
}

#[test]
fn a_local_path_is_fetched_only_if_that_is_allowed() {
    let server = Server::start();
    let url = server.repo.path().display().to_string();
    let local = Remote { url, ssh_key: None, host_keys: Vec::new(), ..remote(&server) };
    assert_eq!(local.fetch().unwrap_err().code, "git:url");
    assert_eq!(Remote { allow_local: true, ..local }.fetch().unwrap(), server.repo.head().unwrap());
}

#[test]
fn a_forced_push_is_seen() {
    let server = Server::start();
    let ann = Signer::generate("ann@example.com");
    let first = server.repo.head().unwrap();
    server.repo.commit(&[("README", "x")], "change", Some(&ann)).unwrap();
    remote(&server).fetch().unwrap();
    let other = server.repo.commit_on(&[first], &[("README", "y")], "change", Some(&ann)).unwrap();
    server.repo.set_head(&other).unwrap();
    assert_eq!(remote(&server).fetch().unwrap(), other);
}

#[test]
fn tags_are_not_fetched() {
    let server = Server::start();
    let head = server.repo.head().unwrap();
    let repo = git2::Repository::open_bare(server.repo.path()).unwrap();
    repo.reference("refs/tags/main", git2::Oid::from_str(head.as_str()).unwrap(), true, "").unwrap();
    remote(&server).fetch().unwrap();
    let store = git2::Repository::open_bare(store(&server)).unwrap();
    let names: Vec<_> = store.references().unwrap().map(|r| r.unwrap().name().unwrap().to_owned()).collect();
    assert_eq!(names, ["refs/countersign/incoming"]);
}

#[test]
fn a_server_that_sends_more_than_a_fetch_may_receive_is_cut_off() {
    let server = Server::start();
    let noise: String = (0..20_000_u64).map(|n| format!("{:x}\n", n.wrapping_mul(0x9E37_79B9_7F4A_7C15))).collect();
    server.repo.commit(&[("noise", &noise)], "change", None).unwrap();
    let fault = Remote { max_received: 64 * 1024, ..remote(&server) }.fetch().unwrap_err();
    assert_eq!(fault.code, "git:too-large", "{fault:?}");
    let store = git2::Repository::open_bare(store(&server)).unwrap();
    assert!(store.find_reference("refs/countersign/incoming").is_err());
    assert_eq!(remote(&server).fetch().unwrap(), server.repo.head().unwrap());
}

/// An ssh-agent that holds one key. Ends when dropped.
struct Agent {
    socket: PathBuf,
    pid: String,
}

impl Agent {
    fn with(key: &Path) -> Self {
        let socket = key.with_extension("agent");
        let said = Command::new("ssh-agent").arg("-s").arg("-a").arg(&socket).output().expect("ssh-agent runs").stdout;
        let said = String::from_utf8(said).unwrap();
        let pid = said.split("SSH_AGENT_PID=").nth(1).and_then(|rest| rest.split(';').next()).expect("the agent tells");
        let agent = Self { socket, pid: pid.to_owned() };
        let added = Command::new("ssh-add").arg("-q").arg(key).env("SSH_AUTH_SOCK", &agent.socket).status();
        assert!(added.expect("ssh-add runs").success());
        agent
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(&self.pid).status();
    }
}

#[test]
fn an_identity_that_only_an_agent_holds_is_not_used() {
    let server = Server::start();
    let path = |name: &str| server.dir.path().join(name);
    std::fs::rename(path("stranger.pub"), path("authorized_keys")).unwrap();
    let agent = Agent::with(&path("stranger"));
    let mut ssh = Command::new("ssh");
    ssh.args([
        "-F",
        "none",
        "-o",
        "BatchMode=yes",
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
    ]);
    ssh.arg("-p").arg(server.port.to_string()).arg(format!("{}@127.0.0.1", server.user)).arg("true");
    assert!(ssh.env("SSH_AUTH_SOCK", &agent.socket).status().unwrap().success(), "the agent would be let in");
    let verified = |key: &str| {
        let text = format!(
            "version: 1\nstate: state\nrepository: {{url: \"{}\", ssh_key: {key}, host_keys: [\"{}\"]}}\n\
             trust: {{introduction: {}, allowed_signers: allowed_signers}}\n",
            remote(&server).url,
            server.host_key,
            server.repo.head().unwrap()
        );
        std::fs::write(path("countersign.yaml"), text).unwrap();
        std::fs::write(path("allowed_signers"), Signer::generate("ann").allowed_signers_line()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        let ran =
            command.arg("verify").current_dir(server.dir.path()).env("SSH_AUTH_SOCK", &agent.socket).output().unwrap();
        said(server.dir.path(), [&ran.stdout, &ran.stderr]);
        (ran.status.code(), String::from_utf8(ran.stderr).unwrap())
    };
    let (code, said) = verified("client");
    assert_eq!((code, said.contains("git:auth")), (Some(1), true), "{said}");
    assert_eq!(verified("stranger").0, Some(0), "with the key file it is let in");
}
