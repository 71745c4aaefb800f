//! The config repo and what is asked of it.

use std::fs;
use std::time::Duration;

use countersign::sandbox::Mishap;
use countersign::store::lock::Lock;
use time::OffsetDateTime;

use super::super::junit::Junit;
use super::super::rig::until;
use super::Errors;
use crate::answers::answer;

const HOST_KEY: &str = "host_keys: [\"SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"]";

#[test]
fn of_a_repository_that_is_not_there() {
    let mut errors = Errors::new();
    errors.ask("nothing was verified yet", &["plan", "--offline"]);
    errors.configure("ref: refs/heads/main", "ref: refs/heads/other");
    errors.ask("the branch is not there", &["verify"]);
    errors.configure("ref: refs/heads/main", "ref: refs/tags/v1");
    errors.ask("the ref is a tag", &["verify"]);
    let url = errors.lab.repo.path().display().to_string();
    errors.configure(&url, "./state");
    errors.ask("the folder is no repository", &["verify"]);
    errors.configure(&url, "ssh://git@127.0.0.1/pki/domains.git");
    let ssh = errors.lab.read("countersign.yaml").replace("allow_local: true", HOST_KEY);
    errors.lab.write("countersign.yaml", &ssh);
    errors.ask("there is no key for the server", &["verify"]);
    errors.lab.write(
        "countersign.yaml",
        &ssh.replace("allow_local", "x").replace(HOST_KEY, &format!("{HOST_KEY}, ssh_key: id")),
    );
    errors.ask("the key for the server is not there", &["verify"]);
    errors.lab.write("id", "");
    fs::set_permissions(errors.lab.path("id"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    errors.ask("the key for the server is open to others", &["verify"]);
    errors.hold("repository");
}

#[test]
fn of_a_history_that_was_damaged_here() {
    let mut errors = Errors::new();
    errors.ask("the introduction has no list", &["verify"]);
    errors.lab.list(&[("www", "www.example.com")]);
    errors.lab.run(&["verify"]);
    fs::remove_dir_all(errors.lab.path("state/git")).unwrap();
    errors.ask("the copy of the repository is gone", &["plan", "--offline"]);
    fs::write(errors.lab.path("state/git"), "").unwrap();
    errors.ask("a file stands in its place", &["verify"]);
    fs::remove_file(errors.lab.path("state/git")).unwrap();
    errors.lab.run(&["verify"]);
    fs::remove_dir_all(errors.lab.path("state/git/objects")).unwrap();
    fs::create_dir(errors.lab.path("state/git/objects")).unwrap();
    errors.ask("its objects are gone", &["plan", "--offline"]);
    errors.hold("history");
}

#[test]
fn of_a_run() {
    let mut errors = Errors::new();
    errors.lab.write("key.pem", "");
    errors.ask("the file is there", &["account", "register", "--authority", "sandbox", "--out", "key.pem"]);
    errors.lab.list(&[("www", "www.example.com")]);
    errors.lab.done();
    let apply = ["apply", "--auto-approve"];
    let with = |more: &[&'static str]| [&apply[..], more].concat();
    #[expect(clippy::disallowed_methods, reason = "whoever holds a lock says since when")]
    let lock = Lock::acquire(&errors.lab.path("state"), "plan", OffsetDateTime::now_utc()).unwrap();
    errors.ask("another run holds the lock", &apply);
    drop(lock);
    errors.ask("the name is none", &with(&["--only", "WWW"]));
    errors.ask("the name is nowhere", &with(&["--only", "api"]));
    errors.ask("a name is forced that is nowhere", &with(&["--force", "api", "--reason", "x"]));
    errors.ask("nobody can be asked", &["revoke", "www"]);
    errors.lab.list(&[]);
    errors.ask("a name is forced that left the list", &with(&["--force", "www", "--reason", "x"]));
    errors.lab.list(&[("www", "domains: [www.example.com], provided: shop")]);
    errors.also("provided: {shop: {cert: shop.crt, key: shop.key}}");
    errors.ask("a name is forced that is provided", &with(&["--force", "www", "--reason", "x"]));
    errors.as_before();
    errors.lab.list(&[("www", "www.example.com"), ("api", "api.example.com")]);
    let saved = errors.lab.ask(&["plan", "--out", "plan.json"]);
    assert_eq!(saved.0, Some(0), "{saved:?}");
    errors.lab.list(&[("www", "www.example.com"), ("new", "new.example.com")]);
    errors.ask("the list has changed since the plan", &["apply", "plan.json"]);
    errors.ask("the plan has no place", &["plan", "--out", "key.pem/plan.json"]);
    let plan = errors.lab.read("plan.json");
    errors.lab.write("plan.json", &plan.replace("api", "eve"));
    errors.ask("the plan was edited", &["apply", "plan.json"]);
    errors.lab.list(&[("www", "domains: [www.example.com], key: rsa-2048")]);
    errors.also("limits: {max_changed_percent: 10, min_lineages: 1}");
    errors.ask("too much changes at once", &apply);
    let mut state: serde_json::Value = serde_json::from_str(&errors.lab.read("state/trust-state.json")).unwrap();
    state["moved_at"] = "2026-01-01T00:00:00Z".into();
    errors.lab.write("state/trust-state.json", &state.to_string());
    errors.configure("allowed_signers", "max_quiet: 1d, allowed_signers");
    errors.ask("the head has not moved for long", &["verify"]);
    errors.hold("run");
}

/// What the report says that did not pass.
fn bad(errors: &Errors) -> String {
    Junit::parse(&errors.lab.read("junit.xml")).bad().iter().map(|bad| format!("{bad}\n")).collect()
}

#[test]
fn of_a_run_that_did_not_end() {
    let mut errors = Errors::new();
    errors.lab.list(&[("www", "www.example.com")]);
    errors.lab.sandbox.faults().script("GetChange", 1, Mishap::Stalled(Duration::from_secs(3600)));
    let run = errors.lab.start(&["apply", "--auto-approve"]);
    until("GetChange", || errors.lab.count("GetChange") > 0);
    errors.answers.add("the report of a run that has not ended", &bad(&errors));
    run.signal("TERM");
    let ran = run.end();
    errors.answers.add("it is told to stop", &answer(&["apply", "--auto-approve"], ran.code, &ran.out, &ran.err));
    errors.answers.add("the report of that", &bad(&errors));
    errors.hold("stopped");
}

/// Somebody at the terminal has second thoughts.
#[test]
fn of_an_answer_that_is_no() {
    let mut errors = Errors::live();
    let shown = errors.lab.at_terminal_with(&["revoke", "www"], "no\n");
    errors.answers.add("the answer is not yes", &shown.replace('\r', "").replace("no\n", ""));
    errors.hold("declined");
}
