//! Debian's nginx, with one server on loopback.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::daemon::{Daemon, output, wait_for};

/// A running nginx. Its own files are in `dir`.
pub struct Nginx {
    daemon: Daemon,
    conf: PathBuf,
    pub address: SocketAddr,
}

impl Nginx {
    /// Serves the `fullchain.pem` and `privkey.pem` of a folder.
    pub fn start(dir: &Path, folder: &Path) -> Nginx {
        let folder = folder.display();
        Self::with(dir, |address| {
            format!(
                "server {{
    listen {address} ssl;
    ssl_certificate {folder}/fullchain.pem;
    ssl_certificate_key {folder}/privkey.pem;
}}
"
            )
        })
    }

    /// `site` makes `server { … }` for an address.
    pub fn with(dir: &Path, site: impl Fn(SocketAddr) -> String) -> Nginx {
        std::fs::create_dir_all(dir).expect("a directory for nginx");
        let conf = dir.join("nginx.conf");
        let start = |[address]: [SocketAddr; 1]| {
            std::fs::write(&conf, configuration(dir, &site(address))).expect("the configuration of nginx");
            command(&conf, &[])
        };
        let ready = |[address]: [SocketAddr; 1]| std::net::TcpStream::connect(address).is_ok();
        let (daemon, [address]) = Daemon::start("nginx", dir, start, ready);
        Nginx { daemon, conf, address }
    }

    /// The command that lets it read its files again.
    pub fn reload(&self) -> Vec<String> {
        let command = command(&self.conf, &["-s", "reload"]);
        let words = [command.get_program()].into_iter().chain(command.get_args());
        words.map(|word| word.to_str().expect("plain paths").to_owned()).collect()
    }

    /// Waits until the worker of before a reload is gone: for a moment it answers beside the new one.
    pub fn settle(&self) {
        let master = std::fs::read_to_string(self.conf.with_file_name("nginx.pid")).expect("nginx' pid");
        let workers = format!("/proc/{0}/task/{0}/children", master.trim());
        let count = || std::fs::read_to_string(&workers).expect("nginx' workers").split_whitespace().count();
        wait_for("one worker of nginx", Duration::from_secs(20), || (count() == 1).then_some(()));
    }

    /// The first line of each request, with the status of the answer.
    pub fn requests(&self) -> Vec<String> {
        let log = self.conf.with_file_name("access.log");
        std::fs::read_to_string(log).expect("nginx' log").lines().map(str::to_owned).collect()
    }

    /// The serial number of the certificate for a name, as OpenSSL sees it: whole octets in lower-case hex.
    pub fn serial(&self, name: &str) -> String {
        let address = self.address.to_string();
        let script = "openssl s_client -connect \"$1\" -servername \"$2\" < /dev/null 2> /dev/null | openssl x509 -noout -serial";
        let said = output(Command::new("sh").args(["-c", script, "sh", &address, name]));
        said.trim().strip_prefix("serial=").expect("a serial number").to_lowercase()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Workers whose master was killed would stay.
        let _ = command(&self.conf, &["-s", "stop"]).output();
        self.daemon.wait();
    }
}

fn command(conf: &Path, more: &[&str]) -> Command {
    let mut command = Command::new("/usr/sbin/nginx");
    command
        .arg("-p")
        .arg(conf.parent().expect("a file in a folder"))
        .arg("-c")
        .arg(conf)
        .args(["-e", "stderr"])
        .args(more);
    command
}

fn configuration(dir: &Path, site: &str) -> String {
    let dir = dir.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("    {kind}_temp_path {dir}/{kind};\n"))
        .collect();
    format!(
        "daemon off;
pid {dir}/nginx.pid;
error_log stderr;
events {{}}
http {{
    log_format lab '$request $status';
    access_log {dir}/access.log lab;
{temporary}
{site}}}
"
    )
}
