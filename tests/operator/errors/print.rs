//! What is printed for other programs, and what is begun in a folder.

use super::Errors;
use crate::Place;
use crate::golden::{LOCAL, SIGNERS, local};

const ROLE: &str = "arn:aws:iam::123456789012:role/dns";

#[test]
fn of_what_is_printed_for_others() {
    let place = local();
    let mut errors = Errors::of(&place);
    let text = [("COUNTERSIGN_CONFIG_TEXT", LOCAL)];
    errors.ask_with("the configuration is no file", &["schedule", "systemd"], &text);
    place.write("my config.yaml", LOCAL);
    errors.ask("the path has a blank", &["schedule", "cron", "--config", "my config.yaml"]);
    place.write("odd.yaml", &format!("{LOCAL}every: 5h\n"));
    errors.ask("cron cannot count so", &["schedule", "cron", "--config", "odd.yaml"]);
    errors.ask("there is no bucket", &["iam-policy", "s3"]);
    errors.ask("there is no such bucket", &["iam-policy", "consumer", "--lineage", "www", "--bucket", "certs"]);
    errors.ask("no such role is assumed", &["iam-policy", "route53", "--assume-role", ROLE]);
    place.write("file", "");
    errors.ask("a page of the manual has no place", &["man", "--dir", "file/man"]);
    errors.hold("printed");
}

#[test]
fn of_the_gate() {
    let place = local();
    let mut errors = Errors::of(&place);
    place.write("id.pub", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2SQLYBbFQZYEZTbMGTNFXNvF1Ld1bF6TqoFOTP0sVq ann");
    place.write("id", "-----BEGIN OPENSSH PRIVATE KEY-----\n");
    errors.ask("the gate has no configuration of its own", &["ssh-gate"]);
    let text = [("COUNTERSIGN_CONFIG_TEXT", LOCAL)];
    errors.ask_with("the configuration is no file", &["ssh-gate", "authorize", "id.pub"], &text);
    errors.ask("there is no key", &["ssh-gate", "authorize", "other.pub"]);
    errors.ask("the private key is named", &["ssh-gate", "authorize", "id"]);
    errors.ask("a host would end the quotes", &["ssh-gate", "authorize", "id.pub", "--from", "a\" b"]);
    let config = place.path("countersign.yaml");
    let gate = ["--config", config.to_str().unwrap(), "ssh-gate"];
    errors.ask("somebody wants a shell", &gate);
    errors.ask_with("somebody wants another command", &gate, &[("SSH_ORIGINAL_COMMAND", "cat /etc/passwd")]);
    errors.ask_with("nothing was reported yet", &gate, &[("SSH_ORIGINAL_COMMAND", "report junit")]);
    errors.hold("gate");
}

#[test]
fn of_a_beginning() {
    let place = Place::configured();
    let mut errors = Errors::of(&place);
    std::fs::create_dir(place.path("full")).unwrap();
    place.write("full/file", "");
    errors.ask("nobody answers", &["init", "new"]);
    errors.ask("the folder is in use", &["init", "full"]);
    errors.ask("the answers are not there", &["init", "new", "--answers", "answers.yaml"]);
    place.write("answers.yaml", "url: ssh://git@git.example.com/d.git\nhost: x\n");
    errors.ask("the answers have a wrong key", &["init", "new", "--answers", "answers.yaml"]);
    let url = ["init", "new", "--url", "ssh://git@git.example.com/d.git", "--contact", "ops@example.com"];
    let key = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let rest = ["--host-key", key, "--signer", "ann@example.com", "--domain", "www.example.com"];
    errors.ask("the signing key is not there", &[&url[..], &rest, &["--signing-key", "id.pub"]].concat());
    place.write("id.pub", "ssh-ed25519 AAAA ann\n");
    errors.ask("the signing key is none", &[&url[..], &rest, &["--signing-key", "id.pub"]].concat());
    let name = ["--host-key", key, "--signer", "<>", "--domain", "www.example.com", "--signing-key", "id.pub"];
    place.write("id.pub", SIGNERS.split_once("\"git\" ").unwrap().1);
    errors.ask("the signer has no name", &[&url[..], &name].concat());
    errors.ask("the demo wants an empty folder", &["demo", "--dir", "full"]);
    errors.ask("the stand-ins want an empty folder", &["sandbox", "--dir", "full"]);
    errors.ask("the stand-ins want a folder", &["sandbox", "--dir", "full/file"]);
    errors.hold("begun");
}
