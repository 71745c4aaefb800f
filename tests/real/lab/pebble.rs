//! Pebble, the ACME server of Let's Encrypt for tests, with real dns-01 validation.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use http::Request;

use super::daemon::{Daemon, wait_for};
use super::tls::Tls;
use super::web::{Web, wait};

const RESTART_DEADLINE: Duration = Duration::from_secs(60);

/// What differs from lab to lab.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Percent of good nonces that are refused (Pebble's own default is 5).
    pub nonce_reject: u8,
    /// Percent of valid authorizations that are reused (Pebble's own default is 50).
    pub authz_reuse: u8,
    /// Lifetime of certificates, in seconds.
    pub validity: u32,
    /// Whether challenges are looked at. Not for other tools, whose certificates are only wanted.
    pub validates: bool,
    /// The MAC key of the external account `kid-1`, base64url, without which nobody may register.
    pub binding: Option<&'static str>,
    /// So many chains besides the default one.
    pub alternate_roots: u8,
    /// Where web servers are asked for token files.
    pub http_port: u16,
}

impl Default for Options {
    /// Strict where Pebble is random: no reuse, no refused nonces.
    fn default() -> Options {
        Options {
            nonce_reject: 0,
            authz_reuse: 0,
            validity: 90 * 24 * 3600,
            validates: true,
            binding: None,
            alternate_roots: 0,
            http_port: 5002,
        }
    }
}

/// Requests that reached Pebble, by its log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    pub new_account: usize,
    pub new_order: usize,
    pub challenge: usize,
    pub finalize: usize,
    pub certificate: usize,
    pub key_change: usize,
    pub revoke: usize,
}

/// A running Pebble. It keeps everything in memory.
pub struct Pebble {
    daemon: Daemon,
    dir: PathBuf,
    address: SocketAddr,
    management: SocketAddr,
    dns: SocketAddr,
    options: Options,
    tls: Tls,
}

impl Pebble {
    pub fn start(dir: &Path, dns: SocketAddr, options: Options) -> Pebble {
        let tls = Tls::generate(dir);
        let web = Web::with_root(&tls.root);
        let (daemon, [address, management]) = Daemon::start(
            "pebble",
            dir,
            |[address, management]: [SocketAddr; 2]| command(dir, &tls, [address, management], dns, options),
            |[address, _]| TcpStream::connect(address).is_ok() && web.get(&directory(address)).is_ok(),
        );
        Pebble { daemon, dir: dir.to_owned(), address, management, dns, options, tls }
    }

    /// The URL of the ACME directory.
    pub fn directory(&self) -> String {
        directory(self.address)
    }

    /// The root of the certificate with which Pebble's API answers (PEM).
    pub fn tls_root(&self) -> &Path {
        &self.tls.root
    }

    /// A client that trusts the API.
    pub fn web(&self) -> Web {
        Web::with_root(&self.tls.root)
    }

    /// The root that issued chains end at (PEM). A new one after every start.
    pub fn issuing_root(&self) -> String {
        self.managed("roots/0")
    }

    /// The root of an alternate chain (PEM), counted from one.
    pub fn alternate_root(&self, number: u8) -> String {
        self.managed(&format!("roots/{number}"))
    }

    /// Why a certificate was revoked (RFC 5280 section 5.3.1). `None` if it was not.
    pub fn revoked(&self, serial: &str) -> Option<u64> {
        let answer: serde_json::Value = serde_json::from_str(&self.managed(&format!("cert-status-by-serial/{serial}")))
            .expect("Pebble answers in JSON");
        assert!(["Valid", "Revoked"].contains(&answer["Status"].as_str().unwrap_or_default()), "{answer}");
        // Pebble leaves out what is zero.
        (answer["Status"] == "Revoked").then(|| answer["Reason"].as_u64().unwrap_or(0))
    }

    fn managed(&self, path: &str) -> String {
        let answer = self.web().get(&format!("https://{}/{path}", self.management)).expect("Pebble's answer");
        String::from_utf8(answer.into_body().into()).expect("text")
    }

    pub fn requests(&self) -> Requests {
        count(&self.log())
    }

    pub fn log(&self) -> String {
        self.daemon.log()
    }

    /// Whether the store is locked for good, which happens when authorizations are read beside new orders.
    ///
    /// Asks the management interface for a certificate: that needs the lock, and finds none.
    pub fn hangs(&self) -> bool {
        const PATIENCE: Duration = Duration::from_secs(5);
        let request = Request::get(format!("https://{}/cert-status-by-serial/0", self.management));
        let request = request.body(Bytes::new()).expect("a request");
        let web = self.web();
        wait(async { tokio::time::timeout(PATIENCE, web.send(request)).await.is_err() })
    }

    /// Makes it hang, as it does by itself now and then.
    pub fn freeze(&self) {
        self.daemon.freeze();
    }

    /// A new Pebble with the same URL. Accounts, orders, the issuing root and the log are gone.
    pub fn restart(&mut self) {
        self.daemon.stop();
        let (web, url) = (self.web(), self.directory());
        self.daemon = wait_for("pebble on its old ports", RESTART_DEADLINE, || {
            let command = command(&self.dir, &self.tls, [self.address, self.management], self.dns, self.options);
            Daemon::try_start("pebble", &self.dir, command, || web.get(&url).is_ok())
        });
    }
}

fn directory(address: SocketAddr) -> String {
    format!("https://{address}/dir")
}

fn command(
    dir: &Path,
    tls: &Tls,
    [address, management]: [SocketAddr; 2],
    dns: SocketAddr,
    options: Options,
) -> Command {
    let config = dir.join("pebble.json");
    let text = serde_json::json!({"pebble": {
        "listenAddress": address.to_string(),
        "managementListenAddress": management.to_string(),
        "certificate": tls.certificate,
        "privateKey": tls.key,
        "httpPort": options.http_port,
        "tlsPort": 5001,
        // Two labels: this Pebble panics on names that have fewer labels than an entry.
        "domainBlocklist": ["blocked.test"],
        "certificateValidityPeriod": options.validity,
        "externalAccountBindingRequired": options.binding.is_some(),
        "externalAccountMACKeys": options.binding.map(|key| serde_json::json!({"kid-1": key})),
    }});
    std::fs::write(&config, text.to_string()).expect("pebble.json");
    let mut command = Command::new("pebble");
    command.arg("-config").arg(config).arg("-dnsserver").arg(dns.to_string());
    match options.validates {
        true => command.env_remove("PEBBLE_VA_ALWAYS_VALID"),
        false => command.env("PEBBLE_VA_ALWAYS_VALID", "1"),
    };
    command.env("PEBBLE_VA_NOSLEEP", "1");
    command.env("PEBBLE_WFE_NONCEREJECT", options.nonce_reject.to_string());
    command.env("PEBBLE_AUTHZREUSE", options.authz_reuse.to_string());
    command.env("PEBBLE_ALTERNATE_ROOTS", options.alternate_roots.to_string());
    command
}

/// Pebble writes `POST /path -> calling handler()` for each request.
fn count(log: &str) -> Requests {
    let calls = |path: &str| log.lines().filter(|line| line.contains(&format!("POST {path}"))).count();
    Requests {
        new_account: calls("/sign-me-up"),
        new_order: calls("/order-plz"),
        challenge: calls("/chalZ/"),
        finalize: calls("/finalize-order/"),
        certificate: calls("/certZ/"),
        key_change: calls("/rollover-account-key"),
        revoke: calls("/revoke-cert"),
    }
}
