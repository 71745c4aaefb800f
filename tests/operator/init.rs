//! A first run: what `init` makes is what git, ssh-keygen and the other commands take.

use std::process::Command;

use super::{Place, Ran};

const HOST_KEY: &str = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn place() -> Place {
    let place = Place::configured();
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "ann", "-f"])
        .arg(place.path("id_ann"))
        .status()
        .unwrap();
    assert!(made.success());
    place
}

fn flags() -> Vec<&'static str> {
    let url = ["--url", "ssh://git@git.example.com/pki/domains.git", "--host-key", HOST_KEY];
    let people = ["--signer", "ann@example.com", "--signing-key", "id_ann.pub", "--contact", "ops@example.com"];
    [&["init", "new"][..], &url, &people, &["--domain", "www.example.com", "--bucket", "example-certs"]].concat()
}

/// git as the person at the terminal has it, but without this machine's configuration.
fn git(place: &Place, args: &[&str]) {
    let mut command = Command::new("git");
    command.args(args).current_dir(place.path("new/config-repo"));
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    let output = command.output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn introduction(place: &Place) -> String {
    let config = std::fs::read_to_string(place.path("new/runner/countersign.yaml")).unwrap();
    config.split("introduction: \"").nth(1).unwrap()[..40].to_owned()
}

#[test]
fn the_first_signed_commit_on_top_of_what_init_made_is_valid() {
    let place = place();
    let said = place.printed(&flags());
    let next: Vec<&str> = said.lines().filter(|line| line.starts_with("  ")).collect();
    assert_eq!(next.len(), 3, "{said}");

    let status = Command::new("sh").args(["-c", next[0].trim()]).current_dir(place.path("")).status().unwrap();
    assert!(status.success(), "the first of the three commands");
    let base = introduction(&place);
    let config = place.path("new/runner/countersign.yaml");
    let ran = place.run_in("new/config-repo", &["validate", "--base", &base, "--config", config.to_str().unwrap()]);

    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[test]
fn an_unsigned_commit_on_top_of_it_is_not() {
    let place = place();
    place.printed(&flags());
    git(&place, &["add", "-A"]);
    git(&place, &["-c", "commit.gpgsign=false", "commit", "-qm", "On the sly"]);
    let config = place.path("new/runner/countersign.yaml");
    let base = introduction(&place);
    let ran = place.run_in("new/config-repo", &["validate", "--base", &base, "--config", config.to_str().unwrap()]);
    assert_eq!(ran.code, Some(4), "{ran:?}");
}

#[test]
fn a_folder_that_is_in_use_is_left_alone() {
    let place = place();
    place.printed(&flags());
    let again = place.run(&flags());
    assert_eq!(again.code, Some(64), "{again:?}");
    assert!(again.err.contains("init:folder"), "{}", again.err);
}

#[test]
fn without_a_terminal_all_missing_answers_are_named_at_once() {
    let place = place();
    let Ran { code, err, .. } = place.run(&["init", "new", "--signer", "ann@example.com"]);
    assert_eq!(code, Some(64), "{err}");
    assert!(err.contains("--url, --host-key, --signing-key, --contact, --domain"), "{err}");
    assert!(!place.path("new").exists());
}

#[test]
fn answers_may_come_from_a_file() {
    let place = place();
    let answers = format!(
        "url: ssh://git@git.example.com/d.git\nhost-key: {HOST_KEY}\nsigner: ann@example.com\n\
         signing-key: id_ann.pub\ncontact: ops@example.com\ndomain: \"*.example.com\"\n"
    );
    place.write("answers.yaml", &answers);
    place.printed(&["init", "new", "--answers", "answers.yaml"]);
    let list = std::fs::read_to_string(place.path("new/config-repo/domains.yaml")).unwrap();
    assert!(list.contains("domains: [\"*.example.com\"]"), "{list}");
}

#[test]
fn answers_that_make_no_valid_file_leave_nothing_behind() {
    let place = place();
    let wrong = flags().iter().map(|flag| flag.replace("www.example.com", "www_.example.com")).collect::<Vec<_>>();
    let ran = place.run(&wrong.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(ran.code, Some(64), "{ran:?}");
    assert!(ran.err.contains("domains.yaml"), "{}", ran.err);
    assert!(!place.path("new").exists());
}

#[test]
fn a_person_at_a_terminal_is_asked_for_what_is_missing() {
    let place = place();
    let without_contact = flags().into_iter().filter(|word| !word.contains("contact") && *word != "ops@example.com");
    let line: Vec<&str> = [env!("CARGO_BIN_EXE_countersign")].into_iter().chain(without_contact).collect();
    let mut child = Command::new("script")
        .args(["-qec", &line.join(" "), "/dev/null"])
        .current_dir(place.path(""))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"ops@example.com\n\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("Whom may the CA write to?"), "{said}");
    let config = std::fs::read_to_string(place.path("new/runner/countersign.yaml")).unwrap();
    assert!(config.contains("mailto:ops@example.com"), "{config}");
}

#[test]
fn a_private_key_in_place_of_the_public_one_is_named_and_not_shown() {
    let place = place();
    let flags: Vec<&str> = flags().into_iter().map(|flag| if flag == "id_ann.pub" { "id_ann" } else { flag }).collect();
    let ran = place.run(&flags);
    assert!(ran.err.contains("is a private key, and nothing of it was used [init:signing-key]"), "{ran:?}");
    let key = std::fs::read_to_string(place.path("id_ann")).unwrap();
    assert!(key.lines().all(|line| !format!("{}{}", ran.out, ran.err).contains(line)), "{ran:?}");
}
