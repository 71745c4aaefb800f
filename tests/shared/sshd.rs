//! A real sshd on loopback with its own host key, in front of a config repo.

use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use countersign::sandbox::repo::ConfigRepo;

use crate::canary::Scratch;

const LIST: &str = "version: 1\ncertificates: []\n";
const SSHD: &str = "/usr/sbin/sshd";

/// An sshd that lets one key in and serves one config repo. Ends when dropped.
pub struct Server {
    sshd: Child,
    pub port: u16,
    pub user: String,
    pub host_key: String,
    pub repo: ConfigRepo,
    pub dir: Scratch,
}

impl Server {
    pub fn start() -> Self {
        assert!(Path::new(SSHD).exists(), "{SSHD} is missing: apt-get install openssh-server git");
        let dir = Scratch::new();
        let path = dir.path();
        let repo = ConfigRepo::init(&path.join("domains.git")).unwrap();
        repo.commit(&[("domains.yaml", LIST)], "introduction", None).unwrap();
        let host_key = keygen(&path.join("host"));
        keygen(&path.join("client"));
        keygen(&path.join("stranger"));
        std::fs::rename(path.join("client.pub"), path.join("authorized_keys")).unwrap();
        // sshd wants it when it is started by root.
        let _ = std::fs::DirBuilder::new().mode(0o755).create("/run/sshd");
        let port = free_port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {0}/host\nAuthorizedKeysFile {0}/authorized_keys\n\
             PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n",
            path.display()
        );
        std::fs::write(path.join("sshd_config"), config).unwrap();
        let mut sshd = Command::new(SSHD)
            .args(["-D", "-e", "-f"])
            .arg(path.join("sshd_config"))
            .stderr(Stdio::piped())
            .spawn()
            .expect("sshd starts");
        wait_until_it_listens(&mut sshd);
        let user = Command::new("id").arg("-un").output().expect("id runs").stdout;
        let user = String::from_utf8(user).unwrap().trim().to_owned();
        Self { sshd, port, user, host_key, repo, dir }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.sshd.kill();
        let _ = self.sshd.wait();
    }
}

/// Reads the log until sshd says that it listens.
fn wait_until_it_listens(sshd: &mut Child) {
    let mut stderr = sshd.stderr.take().expect("stderr is piped");
    let mut log = Vec::new();
    let mut byte = [0];
    while !String::from_utf8_lossy(&log).contains("Server listening") {
        let read = stderr.read(&mut byte).expect("the log can be read");
        assert!(read > 0, "sshd ended: {}", String::from_utf8_lossy(&log));
        log.push(byte[0]);
    }
    // The pipe must stay open and must not fill up.
    std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
}

/// Makes a key pair and answers its fingerprint.
fn keygen(path: &Path) -> String {
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"]).arg(path).status();
    assert!(made.expect("ssh-keygen runs: apt-get install openssh-client").success());
    let shown = Command::new("ssh-keygen").arg("-lf").arg(path).output().expect("ssh-keygen runs").stdout;
    String::from_utf8(shown).unwrap().split(' ').nth(1).unwrap().to_owned()
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
