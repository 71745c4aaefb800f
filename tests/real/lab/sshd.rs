//! A real sshd with its own host key, serving git to one deploy key.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::daemon::{Daemon, output};

/// OpenSSH's server on loopback.
pub struct Sshd {
    daemon: Daemon,
    address: SocketAddr,
    user: String,
    client_key: PathBuf,
    host_key: PathBuf,
}

impl Sshd {
    pub fn start(dir: &Path) -> Sshd {
        std::fs::create_dir_all(dir).expect("a directory for sshd");
        let host_key = generate_key(dir, "host", "host");
        let client_key = generate_key(dir, "deploy", "deploy");
        std::fs::copy(public_half(&client_key), dir.join("authorized_keys")).expect("authorized_keys");
        make_privilege_separation_directory();
        let (daemon, [address]) = Daemon::start(
            "sshd",
            dir,
            |[address]: [SocketAddr; 1]| command(dir, address),
            |[address]| TcpStream::connect(address).is_ok(),
        );
        let user = output(Command::new("id").arg("-un")).trim().to_owned();
        Sshd { daemon, address, user, client_key, host_key }
    }

    /// `ssh://user@127.0.0.1:port/path`.
    pub fn url(&self, path: &Path) -> String {
        format!("ssh://{}@{}{}", self.user, self.address, path.display())
    }

    /// Lets another key in, by a line of authorized_keys.
    pub fn authorize(&self, line: &str) {
        let file = self.host_key.with_file_name("authorized_keys");
        let known = std::fs::read_to_string(&file).expect("authorized_keys");
        std::fs::write(&file, format!("{known}{line}")).expect("authorized_keys");
    }

    pub fn user_and_host(&self) -> String {
        format!("{}@{}", self.user, self.address.ip())
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// `SHA256:…`, as `ssh-keygen -l` shows it.
    pub fn host_key_fingerprint(&self) -> String {
        fingerprint(&self.host_key)
    }

    /// The private half of the deploy key.
    pub fn client_key(&self) -> &Path {
        &self.client_key
    }

    /// A line for a known_hosts file.
    pub fn known_hosts_line(&self) -> String {
        let key = std::fs::read_to_string(public_half(&self.host_key)).expect("the host key");
        format!("[127.0.0.1]:{} {}", self.address.port(), key)
    }

    pub fn log(&self) -> String {
        self.daemon.log()
    }
}

/// An ed25519 key pair made by ssh-keygen, without a passphrase. Returns the private half.
pub fn generate_key(dir: &Path, name: &str, comment: &str) -> PathBuf {
    std::fs::create_dir_all(dir).expect("a directory for keys");
    let path = dir.join(name);
    output(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"]).arg(&path));
    path
}

/// The file beside a private key.
pub fn public_half(key: &Path) -> PathBuf {
    let mut path = key.as_os_str().to_owned();
    path.push(".pub");
    path.into()
}

/// `SHA256:…` of a key.
pub fn fingerprint(key: &Path) -> String {
    let line = output(Command::new("ssh-keygen").arg("-lf").arg(public_half(key)));
    line.split(' ').nth(1).expect("the fingerprint is the second field").to_owned()
}

fn command(dir: &Path, address: SocketAddr) -> Command {
    let config = dir.join("sshd_config");
    std::fs::write(&config, config_text(dir, address)).expect("sshd_config");
    let mut command = Command::new("/usr/sbin/sshd");
    command.args(["-D", "-e", "-f"]).arg(config);
    command
}

fn config_text(dir: &Path, address: SocketAddr) -> String {
    let dir = dir.display();
    format!(
        "ListenAddress {address}\n\
         HostKey {dir}/host\n\
         AuthorizedKeysFile {dir}/authorized_keys\n\
         PidFile none\n\
         AuthenticationMethods publickey\n\
         PermitRootLogin prohibit-password\n\
         StrictModes no\n\
         UsePAM no\n\
         SetEnv GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null\n\
         LogLevel VERBOSE\n"
    )
}

/// sshd refuses to start as root without it, and only the service's unit makes it.
fn make_privilege_separation_directory() {
    let _ = std::fs::create_dir_all("/run/sshd");
}
