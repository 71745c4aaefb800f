//! URLs of config repos: strict, since a URL can make git run a command or read a file.

use std::fmt;
use std::path::Path;

use crate::fault::{Fault, Retry};

/// A URL that leads to an SSH server, or to a directory if that is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RepoUrl {
    Ssh(String),
    Local(String),
}

impl RepoUrl {
    /// `ssh://user@host[:port]/path`; with `allow_local` an absolute path, too.
    pub fn parse(text: &str, allow_local: bool) -> Result<Self, Fault> {
        if let Some(rest) = text.strip_prefix("ssh://") {
            check_ssh(rest).map_err(wrong)?;
            return Ok(Self::Ssh(text.to_owned()));
        }
        match (Path::new(text).is_absolute(), allow_local) {
            (true, true) if !text.contains('\0') => Ok(Self::Local(text.to_owned())),
            (true, false) => Err(wrong("it is a local path, which needs `allow_local: true`")),
            _ => Err(wrong("it does not begin with `ssh://`")),
        }
    }

    pub fn as_str(&self) -> &str {
        match self {
            Self::Ssh(text) | Self::Local(text) => text,
        }
    }
}

impl fmt::Display for RepoUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text itself is not shown: it may hold a password.
fn wrong(why: &str) -> Fault {
    Fault::new("git:url", format!("the URL of the config repo is wrong: {why}"))
        .hint("write it like `ssh://git@git.example.com/pki/domains.git`")
        .retry(Retry::Never)
}

fn check_ssh(rest: &str) -> Result<(), &'static str> {
    let (authority, path) = rest.split_once('/').ok_or("it has no path")?;
    let (user, address) = authority.split_once('@').ok_or("it names no user")?;
    if !is_word(user) {
        return Err("its user is not a plain name; a password has no place in it");
    }
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (address, None),
    };
    let number =
        |port: &str| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    if !port.is_none_or(number) {
        return Err("its port is not a number from 1 to 65535");
    }
    let ipv6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_address = ipv6.is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok());
    if !(is_word(host) || is_address) {
        return Err("its host is not a name or address");
    }
    let plain =
        |part: &str| !part.starts_with('-') && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._~+-".contains(&b));
    let part = |part: &str| !matches!(part, "" | "." | "..") && plain(part);
    if !path.split('/').all(part) {
        return Err("its path is not made of plain names");
    }
    Ok(())
}

fn is_word(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_') && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_ssh_urls_are_taken() {
        let accepted = [
            "ssh://git@git.example.com/pki/domains.git",
            "ssh://git@127.0.0.1:2222/srv/git/domains.git",
            "ssh://git@[::1]:2222/domains.git",
            "ssh://git@[::1]/~ann/domains.git",
        ];
        let refused = [
            "",
            "git.example.com:pki/domains.git",
            "git@git.example.com:pki/domains.git",
            "ssh://git.example.com/domains.git",
            "ssh://git@git.example.com",
            "ssh://git@git.example.com/",
            "ssh://git@-oProxyCommand=touch/x",
            "ssh://-oProxyCommand=touch@host/x",
            "ssh://git@host/-x",
            "ssh://git@host/../x",
            "ssh://git@host/a b",
            "ssh://git@host/a%20b",
            "ssh://git@host/a?b",
            "ssh://git@host:0/x",
            "ssh://git@host:99999/x",
            "ssh://git@host:+22/x",
            "ssh://git:secret@host/x",
            "ext::sh -c touch%20x",
            "file:///srv/git",
            "https://git.example.com/x",
            "/srv/git",
            "./x",
        ];
        let taken = |texts: &[&'static str]| -> Vec<&str> {
            texts.iter().copied().filter(|text| RepoUrl::parse(text, false).is_ok()).collect()
        };
        assert_eq!(taken(&accepted), accepted);
        assert_eq!(taken(&refused), [""; 0]);
    }

    #[test]
    fn a_local_path_needs_to_be_allowed_and_absolute() {
        assert!(RepoUrl::parse("/srv/git", true).is_ok());
        assert!(RepoUrl::parse("srv/git", true).is_err());
        assert!(RepoUrl::parse("file:///srv/git", true).is_err());
    }

    #[test]
    fn a_password_in_a_url_is_not_repeated() {
        let fault = RepoUrl::parse("ssh://git:hunter2@host/x", false).unwrap_err();
        assert!(!format!("{fault:?}").contains("hunter2"));
    }
}
