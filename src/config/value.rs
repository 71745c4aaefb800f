//! Forms of single values. Each error is a sentence that names the value.

use std::net::SocketAddr;
use std::time::Duration;

use crate::trust::Fingerprint;

use crate::name::{Identifier, LineageName};

/// A URL of one of these schemes with a host and without a user.
pub(super) fn url(text: &str, schemes: &[&str]) -> Result<String, String> {
    let uri: Option<http::Uri> = text.parse().ok();
    let fits = uri.as_ref().is_some_and(|uri| {
        uri.scheme_str().is_some_and(|scheme| schemes.contains(&scheme))
            && uri
                .authority()
                .is_some_and(|authority| !authority.host().is_empty() && !authority.as_str().contains('@'))
    });
    let wanted = schemes.iter().map(|scheme| format!("`{scheme}://`")).collect::<Vec<_>>().join(" or ");
    check(text, fits, || format!("`{text}` is not a URL with {wanted} and a host"))
}

/// The config repo: `ssh://[user@]host[:port]/path`, or a path or `file://` URL.
pub(super) fn repository_url(text: &str) -> Result<String, String> {
    if let Some(rest) = text.strip_prefix("ssh://") {
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host) = authority.rsplit_once('@').unwrap_or(("git", authority));
        let plain = !user.is_empty() && !user.contains(':') && !host.is_empty() && !host.starts_with(['-', ':']);
        let fits = plain && !user.starts_with('-') && !path.is_empty() && !text.contains(char::is_whitespace);
        return check(text, fits, || format!("`{text}` is not of the form `ssh://user@host:port/path`"));
    }
    if is_local(text) {
        return Ok(text.to_owned());
    }
    let hint = match text.split_once(':') {
        Some((host, path)) if !path.starts_with("//") => {
            format!("; write `ssh://{host}/{}`", path.trim_start_matches('/'))
        }
        _ => String::new(),
    };
    Err(format!("`{text}` is not an `ssh://` URL{hint}"))
}

/// Whether a repository URL is a path of this host.
pub(super) fn is_local(url: &str) -> bool {
    ["/", "./", "../", "file:///"].iter().any(|start| url.starts_with(start))
}

/// A full ref name by the rules of git-check-ref-format.
pub(super) fn ref_name(text: &str) -> Result<String, String> {
    let odd = |c: char| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c);
    let parts = text.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock"));
    let fits =
        text.starts_with("refs/") && parts && !text.contains(odd) && !text.contains("..") && !text.contains("@{");
    check(text, fits && !text.ends_with('.'), || format!("`{text}` is not a full ref name such as `refs/heads/main`"))
}

/// A word of a command line. There is no shell, so anything goes but what no program can be given.
pub(super) fn argument(text: &str) -> Result<String, String> {
    check(text, !text.is_empty() && !text.contains('\0'), || "a word of a command is empty".to_owned())
}

/// A path inside the config repo; a folder has `/` at the end.
pub(super) fn list_path(text: &str) -> Result<String, String> {
    let path = text.strip_suffix('/').unwrap_or(text);
    let fits = path.split('/').all(|part| !matches!(part, "" | "." | "..")) && !text.contains(['\\', '\0']);
    check(text, fits, || format!("`{text}` is not a path inside the repository"))
}

/// A SHA-256 fingerprint of an SSH key, as ssh-keygen prints it.
pub(super) fn fingerprint(text: &str) -> Result<Fingerprint, String> {
    Fingerprint::parse(text).map_err(|_| {
        format!("`{text}` is not a fingerprint such as `ssh-keygen -lf` prints, `SHA256:` and 43 characters")
    })
}

/// A name that a list refers to, which becomes a folder.
pub(super) fn word(text: &str) -> Result<String, String> {
    check(text, LineageName::parse(text).is_ok(), || {
        format!("`{text}` cannot be such a name; names have a-z, 0-9, `.`, `_` and `-`")
    })
}

/// The name of a zone in A-labels.
pub(super) fn zone_name(text: &str) -> Result<String, String> {
    let zone = Identifier::parse(text).map_err(|error| error.to_string())?;
    check(zone.as_str(), !zone.is_wildcard(), || format!("`{text}` is a wildcard, not a zone"))
}

/// The id of a hosted zone (Route53 API reference, type `ResourceId`).
pub(super) fn zone_id(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix('Z').unwrap_or_default();
    let plain = rest.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    check(text, plain && (1..=31).contains(&rest.len()), || {
        format!("`{text}` is not the id of a hosted zone: `Z` and up to 31 capital letters and digits")
    })
}

/// The ARN of an IAM role.
pub(super) fn role(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let fits = matches!(parts.as_slice(), ["arn", partition, "iam", "", account, role]
        if partition.starts_with("aws") && account.len() == 12 && role.starts_with("role/"));
    check(text, fits, || format!("`{text}` is not the ARN of a role, such as `arn:aws:iam::123456789012:role/name`"))
}

/// A bucket name (S3 user guide, "General purpose bucket naming rules").
pub(crate) fn bucket_name(text: &str) -> Result<String, String> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let inside = text.bytes().all(|b| plain(b) || b == b'-' || b == b'.') && !text.contains("..");
    let ends = text.bytes().next().is_some_and(plain) && text.bytes().last().is_some_and(plain);
    check(text, inside && ends && (3..=63).contains(&text.len()), || {
        format!("`{text}` is not the name of a bucket: 3 to 63 of a-z, 0-9, `.` and `-`")
    })
}

/// A key prefix: empty, or with `/` at the end and not at the start.
pub(crate) fn prefix(text: &str) -> Result<String, String> {
    let fits = text.is_empty()
        || text.ends_with('/') && text.split('/').rev().skip(1).all(|part| !matches!(part, "" | "." | ".."));
    check(text, fits, || format!("`{text}` is not a prefix: it ends with `/` and does not start with one"))
}

/// A name of AWS such as a region, a profile or a key.
pub(crate) fn aws_name(text: &str) -> Result<String, String> {
    let fits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    check(text, fits, || format!("`{text}` is not a name without spaces"))
}

/// The common name of a certificate (RFC 5280 appendix A).
pub(super) fn common_name(text: &str) -> Result<String, String> {
    let fits = (1..=64).contains(&text.chars().count()) && !text.contains(char::is_control) && text.trim() == text;
    check(text, fits, || format!("`{text}` is not the common name of an issuer, such as `ISRG Root X1`"))
}

/// The name of an environment variable.
pub(super) fn variable(text: &str) -> Result<String, String> {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let fits = plain && text.bytes().next().is_some_and(|b| !b.is_ascii_digit());
    check(text, fits, || format!("`{text}` is not the name of an environment variable"))
}

/// An AWS account.
pub(crate) fn account(text: &str) -> Result<String, String> {
    let fits = text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    check(text, fits, || format!("`{text}` is not an AWS account: 12 digits"))
}

/// Where a TLS server listens: a name or address, and a port.
pub(crate) fn host_and_port(text: &str) -> Result<String, String> {
    let parts = text.rsplit_once(':');
    let fits = parts.is_some_and(|(host, port)| {
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-_[]:".contains(c);
        !host.is_empty() && host.chars().all(plain) && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    check(text, fits, || format!("`{text}` is not a host and a port, such as `127.0.0.1:443`"))
}

/// The mode of a file that others may read and nobody but its owner may write: 0400 to 0644.
pub(super) fn file_mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|_| (3..=4).contains(&text.len()));
    let fits = |mode: &u32| mode & 0o400 != 0 && mode & !0o644 == 0;
    mode.filter(fits).ok_or_else(|| format!("`{text}` is not the mode of a file that web servers read, such as `0644`"))
}

pub(super) fn contact(text: &str) -> Result<String, String> {
    let fits = text.strip_prefix("mailto:").and_then(|mail| mail.split_once('@'));
    let fits =
        fits.is_some_and(|(user, host)| !user.is_empty() && host.contains('.') && !text.contains([' ', ',', '?']));
    check(text, fits, || format!("`{text}` is not a contact such as `mailto:ops@example.com`"))
}

/// Seconds or minutes, from a second to an hour.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let (digits, unit) = text.split_at(text.len() - text.chars().last().map_or(0, char::len_utf8));
    let unit = match unit {
        "s" => Some(1),
        "m" => Some(60),
        _ => None,
    };
    let plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    let seconds = unit.filter(|_| plain).and_then(|unit| digits.parse::<u64>().ok()?.checked_mul(unit));
    let within = seconds.filter(|seconds| (1..=3600).contains(seconds));
    within
        .map(Duration::from_secs)
        .ok_or_else(|| format!("`{text}` is not a time such as `60s` or `5m`, at most an hour"))
}

pub(super) fn server(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("`{text}` is not an address and a port, such as `127.0.0.1:53`"))
}

fn check(text: &str, fits: bool, message: impl FnOnce() -> String) -> Result<String, String> {
    if fits { Ok(text.to_owned()) } else { Err(message()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn accepts_only(parse: fn(&str) -> Result<String, String>, good: &[&str], bad: &[&str]) {
        let refused: Vec<_> = good.iter().filter(|text| parse(text).is_err()).collect();
        let accepted: Vec<_> = bad.iter().filter(|text| parse(text).is_ok()).collect();
        assert!(refused.is_empty() && accepted.is_empty(), "refused {refused:?}, accepted {accepted:?}");
    }

    #[test]
    fn a_repository_is_reached_by_ssh_or_is_a_path() {
        let good = ["ssh://git@git.example.com/pki/domains.git", "ssh://host:2222/x", "/srv/x.git", "./x", "file:///x"];
        let bad = [
            "https://git.example.com/x",
            "git@git.example.com:pki/x.git",
            "ssh://git:secret@host/x",
            "ssh://host",
            "ssh:///x",
            "ssh://-oProxyCommand=x/y",
            "ext::sh",
            "x",
            "",
        ];
        accepts_only(repository_url, &good, &bad);
    }

    #[test]
    fn the_form_of_scp_is_answered_with_the_url_to_write() {
        let error = repository_url("git@git.example.com:pki/x.git").unwrap_err();
        assert!(error.ends_with("write `ssh://git@git.example.com/pki/x.git`"), "{error}");
    }

    #[test]
    fn a_ref_is_named_in_full() {
        accepts_only(
            ref_name,
            &["refs/heads/main", "refs/heads/a/b"],
            &["main", "refs//x", "refs/heads/a..b", "refs/heads/*"],
        );
    }

    #[test]
    fn the_list_stays_inside_the_repository() {
        accepts_only(
            list_path,
            &["domains.yaml", "domains/", "a/b.yaml"],
            &["", "/", "/etc", "../x", "a//b", "a/../b", "./a"],
        );
    }

    #[test]
    fn the_id_of_a_hosted_zone_has_its_form() {
        accepts_only(
            zone_id,
            &["Z1", "Z04F3AEXAMPLE"],
            &["", "Z", "z1", "1Z", "/hostedzone/Z1", "Z1/..", "Z1234567890123456789012345678901X"],
        );
    }

    #[test]
    fn a_mode_lets_nobody_but_the_owner_write() {
        let modes = ["0644", "644", "0640", "0400"].map(file_mode);
        assert_eq!(modes, [Ok(0o644), Ok(0o644), Ok(0o640), Ok(0o400)]);
        assert!(
            ["0664", "0755", "0044", "644444", "4644", "rw-r--r--", "0o644", ""]
                .iter()
                .all(|text| file_mode(text).is_err())
        );
    }

    #[test]
    fn a_variable_has_a_plain_name() {
        accepts_only(variable, &["AWS_PROFILE", "_x1"], &["", "1A", "A=B", "A-B", "BASH_FUNC_x%%"]);
    }

    #[test]
    fn a_role_is_an_arn() {
        let good = ["arn:aws:iam::123456789012:role/dns", "arn:aws-cn:iam::123456789012:role/a/b"];
        accepts_only(role, &good, &["dns", "arn:aws:iam::123456789012:user/x", "arn:aws:iam::1:role/x"]);
    }

    #[test]
    fn a_prefix_is_a_folder() {
        accepts_only(prefix, &["", "certs/", "a/b/"], &["certs", "/certs/", "/", "a//b/", "../a/"]);
    }

    #[test]
    fn a_url_has_a_host_and_no_password() {
        let https = |text: &str| url(text, &["https"]);
        accepts_only(https, &["https://127.0.0.1:14000/dir"], &["http://a", "https://", "https://u:p@host/", "a", ""]);
    }
}
