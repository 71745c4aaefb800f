//! The line of `authorized_keys` that lets a key in for the gate's commands only (sshd(8)).

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::cli::args::{Authorize as Args, Global};
use crate::cli::failure::Failure;
use crate::cli::settings;
use crate::fault::Fault;

/// The line for a public key file.
pub fn line(global: &Global, args: &Args) -> Result<String, Failure> {
    let config = settings::file(global).map(std::path::absolute).transpose().ok().flatten();
    let config = config.ok_or_else(|| {
        Fault::new("gate:config", "the gate needs a configuration that is a file").hint("name it with --config")
    })?;
    // A line with a configuration that cannot be read would let nobody in.
    settings::load(global)?;
    let program = std::env::current_exe()
        .map_err(|error| Fault::new("gate:program", "failed to find this program").caused_by(&error))?;
    let key = std::fs::read_to_string(&args.key).map_err(|error| {
        Fault::new("gate:key", format!("failed to read {}", args.key.display()))
            .caused_by(&error)
            .hint("give a public key file, such as id_ed25519.pub")
    })?;
    Ok(render(&program, &config, args.from.as_deref(), &key)?)
}

fn render(program: &Path, config: &Path, from: Option<&str>, key: &str) -> Result<String, Fault> {
    let (program, config) = (plain(&program.to_string_lossy(), "/")?, plain(&config.to_string_lossy(), "/")?);
    let from = from.map(|from| plain(from, "*?!,:/")).transpose()?;
    let from = from.map_or(String::new(), |from| format!("from=\"{from}\","));
    Ok(format!("restrict,{from}command=\"{program} --config {config} ssh-gate\" {}\n", public_key(key)?))
}

/// What a shell and sshd read as it stands.
fn plain(text: &str, more: &str) -> Result<String, Fault> {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "._-+@".contains(c) || more.contains(c);
    if text.is_empty() || !text.chars().all(harmless) {
        let text = format!("{text:?} holds characters that mean something to sshd or to a shell");
        return Err(
            Fault::new("gate:characters", text).hint(format!("only letters, digits and `._-+@{more}` may stand there"))
        );
    }
    Ok(text.to_owned())
}

/// `type base64 comment`, of one key. Options that somebody put before it are not taken over.
fn public_key(text: &str) -> Result<String, Fault> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    if let [line] = lines[..]
        && let [kind, blob, ref comment @ ..] = line.split(' ').collect::<Vec<_>>()[..]
        && is_key(kind, blob)
    {
        let comment: String = comment.join(" ").chars().filter(|c| c.is_ascii_graphic() || *c == ' ').collect();
        return Ok(format!("{kind} {blob} {comment}").trim_end().to_owned());
    }
    let fault = Fault::new("gate:key", "this is not one OpenSSH public key");
    Err(fault.hint("give the file that ends in .pub; the private key stays where it is"))
}

/// The blob names its kind itself (RFC 4253 section 6.6).
fn is_key(kind: &str, blob: &str) -> bool {
    let Ok(blob) = STANDARD.decode(blob) else { return false };
    let length = u32::try_from(kind.len()).unwrap_or(u32::MAX).to_be_bytes();
    blob.strip_prefix(&length).is_some_and(|rest| rest.len() > kind.len() && rest.starts_with(kind.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJIBSD6ENUn/gfUPlQKLu8OJhuS5UKgZ8J4eGqMCqEaf jenkins@ci.example.com";

    fn rendered(config: &str, from: Option<&str>, key: &str) -> Result<String, String> {
        render(Path::new("/usr/bin/countersign"), Path::new(config), from, key).map_err(|fault| fault.code)
    }

    #[test]
    fn the_line_forces_the_gate_with_its_configuration() {
        let line = rendered("/etc/countersign/countersign.yaml", None, KEY).unwrap();
        let options = "restrict,command=\"/usr/bin/countersign --config /etc/countersign/countersign.yaml ssh-gate\"";
        assert_eq!(line, format!("{options} {KEY}\n"));
    }

    #[test]
    fn the_line_may_name_where_the_key_comes_from() {
        let line = rendered("/c.yaml", Some("10.0.0.0/8,!10.0.0.9"), KEY).unwrap();
        assert!(line.starts_with("restrict,from=\"10.0.0.0/8,!10.0.0.9\",command="), "{line}");
    }

    #[test]
    fn nothing_that_a_shell_or_sshd_would_read_differently_gets_into_the_line() {
        assert_eq!(rendered("/a b.yaml", None, KEY), Err("gate:characters".into()));
        assert_eq!(rendered("/c.yaml", Some("*\",command=\"sh"), KEY), Err("gate:characters".into()));
    }

    #[test]
    fn what_is_not_one_public_key_is_refused() {
        let two = format!("{KEY}\n{KEY}\n");
        let options = format!("command=\"sh\" {KEY}");
        let private = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n";
        for text in ["", "ssh-ed25519 AAAA", two.as_str(), options.as_str(), private] {
            assert_eq!(rendered("/c.yaml", None, text), Err("gate:key".into()), "{text}");
        }
    }
}
