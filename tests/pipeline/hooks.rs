//! Hooks: who hears of what, when it is said again, and what never runs.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use countersign::failpoint::VARIABLE;
use countersign::name::CommitId;
use countersign::port::Store;
use countersign::sandbox::Mishap;
use countersign::sandbox::repo::Signer;
use serde_json::Value;

use super::rig::{Lab, Ran, lineage};

const WWW: [(&str, &str); 1] = [("www", "www.example.com")];

/// Writes down what it hears: variables, then standard input.
const TELL: &str = "env | grep -v ^PWD= | sort >> heard; cat >> heard";

/// Adds a line to the runner's config.
fn configure(lab: &Lab, line: &str) {
    let config = lab.read("countersign.yaml");
    lab.write("countersign.yaml", &format!("{config}{line}\n"));
}

/// A shell command, in the folder of the lab.
fn shell(lab: &Lab, script: &str) -> String {
    let script = format!("cd {} && {script}", lab.path("").display());
    format!("[/bin/sh, -c, {}]", Value::from(script))
}

/// Every event runs this command.
fn all_events(lab: &Lab, script: &str) {
    let command = shell(lab, script);
    configure(lab, &format!("hooks: {{after_issue: [{command}], after_renew: [{command}], on_failure: [{command}]}}"));
}

fn heard(lab: &Lab) -> String {
    fs::read_to_string(lab.path("heard")).unwrap_or_default()
}

/// The events that were heard, in their order.
fn events(lab: &Lab) -> Vec<String> {
    let heard = heard(lab);
    let lines = heard.lines().filter_map(|line| line.strip_prefix("COUNTERSIGN_EVENT="));
    lines.map(str::to_owned).collect()
}

/// Puts scripts below `hooks/`, executable.
fn commit_scripts(lab: &Lab, scripts: &[(&str, &str)], mode: i32, signer: Option<&Signer>) -> CommitId {
    for (name, text) in scripts {
        let head = lab.repo.head().unwrap();
        let tree = lab.repo.tree_with(&head, &format!("hooks/{name}"), Some((text, mode))).unwrap();
        let commit = lab.repo.commit_tree(tree, &[head], "Change a hook", signer).unwrap();
        lab.repo.set_head(&commit).unwrap();
    }
    lab.repo.head().unwrap()
}

fn say(lab: &Lab, word: &str) -> String {
    format!("#!/bin/sh\necho {word} $COUNTERSIGN_LINEAGE >> {}\n", lab.path("heard").display())
}

/// The message of the hooks' case, and whether it failed.
fn case(ran: &Ran, name: &str) -> Option<String> {
    ran.junit().case("certs.hooks", name).verdict.as_ref().map(|verdict| verdict.message.clone())
}

#[test]
fn a_command_hears_the_facts_in_variables_and_as_json() {
    let lab = Lab::new();
    all_events(&lab, TELL);
    lab.list(&WWW);
    let ran = lab.done();
    let heard = heard(&lab);
    let live = lab.inventory().live.remove(&lineage("www")).unwrap();
    for line in [
        "COUNTERSIGN_EVENT=after-issue",
        "COUNTERSIGN_OUTCOME=done",
        "COUNTERSIGN_ACTION=issue",
        "COUNTERSIGN_LINEAGE=www",
        "COUNTERSIGN_VERSION=1",
        "COUNTERSIGN_DOMAINS=www.example.com",
        "COUNTERSIGN_PUBLISHED=certs",
        &format!("COUNTERSIGN_LIVE={}", lab.path("state/live/www").display()),
        &format!("COUNTERSIGN_SERIAL={}", live.facts().serial),
    ] {
        assert!(heard.lines().any(|found| found == line), "{line} is missing in {heard}");
    }
    let json: Value = serde_json::from_str(heard.lines().last().unwrap()).unwrap();
    assert_eq!((json["event"].as_str(), json["lineage_version"].as_u64()), (Some("after-issue"), Some(1)));
    assert_eq!(json["provenance"]["commit"].as_str(), Some(lab.repo.head().unwrap().as_str()));
    let names = heard.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name);
    let others: Vec<&str> = names.filter(|name| !name.starts_with("COUNTERSIGN_") && *name != "OLDPWD").collect();
    assert_eq!(others, ["PATH"], "nothing of the runner's environment reaches a command");
    assert!(case(&ran, "www").is_none() && ran.out.contains("www  after-issue"), "{ran:?}");
}

#[test]
fn a_renewal_is_told_once_and_a_quiet_night_not_at_all() {
    let lab = Lab::new();
    all_events(&lab, TELL);
    lab.list(&WWW);
    lab.done();
    lab.done();
    lab.make_due("www");
    lab.done();
    let quiet = lab.done();
    assert_eq!(events(&lab), ["after-issue", "after-renew"]);
    assert!(quiet.junit().case("certs.hooks", "www").system_out.contains("nothing to tell"), "{quiet:?}");
}

#[test]
fn a_failed_order_is_told_with_its_fault() {
    let lab = Lab::new();
    all_events(&lab, TELL);
    lab.list(&WWW);
    lab.sandbox.faults().script("newOrder", 1, Mishap::refused(400, "no\nway"));
    assert_eq!(lab.apply().code, Some(3));
    let heard = heard(&lab);
    assert_eq!(events(&lab), ["on-failure"]);
    assert!(heard.contains("COUNTERSIGN_OUTCOME=failed\n") && heard.contains("COUNTERSIGN_FAULT=acme:"), "{heard}");
    assert!(!heard.contains("COUNTERSIGN_LIVE"), "{heard}");
}

#[test]
fn without_hooks_there_is_no_suite_and_no_file() {
    let lab = Lab::new();
    lab.list(&WWW);
    let ran = lab.done();
    assert!(ran.junit().suite("certs.hooks").is_none() && !lab.path("state/hooks.json").exists(), "{ran:?}");
}

#[test]
fn what_was_live_before_there_were_hooks_is_not_told() {
    let lab = Lab::new();
    lab.list(&WWW);
    lab.done();
    all_events(&lab, TELL);
    lab.done();
    lab.make_due("www");
    lab.done();
    assert_eq!(events(&lab), ["after-renew"]);
}

#[test]
fn a_hook_that_failed_is_run_again_without_a_new_order_and_the_others_are_not() {
    let lab = Lab::new();
    let (first, second) = (shell(&lab, "echo first >> heard"), shell(&lab, "echo second >> heard; test -e ready"));
    configure(&lab, &format!("hooks: {{after_issue: [{second}, {first}]}}"));
    lab.list(&WWW);
    let ran = lab.apply();
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let message = case(&ran, "www").unwrap();
    assert!(message.starts_with("[program:failed] after-issue: `/bin/sh -c "), "{message}");
    assert_eq!((lab.live("www"), lab.published("www")), (Some(1), Some(1)));
    assert_eq!(lab.apply().code, Some(3));
    lab.write("ready", "");
    lab.done();
    lab.done();
    assert_eq!((heard(&lab).as_str(), lab.count("newOrder")), ("second\nfirst\nsecond\nsecond\n", 1));
}

#[test]
fn a_run_that_ended_before_its_hooks_leaves_them_to_the_next() {
    let lab = Lab::new();
    all_events(&lab, TELL);
    lab.list(&WWW);
    lab.run_with(&["apply", "--auto-approve"], &[(VARIABLE, "after-published")]);
    assert_eq!((lab.live("www"), events(&lab).len()), (Some(1), 0));
    lab.done();
    assert_eq!((events(&lab), lab.count("newOrder")), (vec!["after-issue".to_owned()], 1));
}

#[test]
fn a_lineage_that_comes_back_from_the_stash_is_told_again() {
    let lab = Lab::new();
    all_events(&lab, TELL);
    for certificates in [&WWW[..], &[], &WWW] {
        lab.list(certificates);
        lab.done();
    }
    assert_eq!(events(&lab), ["after-issue", "after-issue"]);
}

#[test]
fn a_command_that_hangs_is_killed_with_its_children_and_not_waited_for_twice() {
    let lab = Lab::new();
    let command = shell(&lab, "echo $COUNTERSIGN_LINEAGE >> heard; (sleep 1000; echo late >> heard) & sleep 1000");
    configure(&lab, &format!("hooks: {{after_issue: [{command}], timeout: 1s}}"));
    lab.list(&[("api", "api.example.com"), ("www", "www.example.com")]);
    let ran = lab.apply();
    assert_eq!((ran.code, heard(&lab).as_str()), (Some(3), "api\n"), "{ran:?}");
    assert!(case(&ran, "api").unwrap().starts_with("[program:timeout] after-issue: "), "{ran:?}");
    assert!(case(&ran, "www").unwrap().starts_with("[hooks:hung] after-issue: "), "{ran:?}");
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|process| fs::read_to_string(process.path().join("cmdline")).ok());
    let left = lines.filter(|line| line.contains(&*lab.path("").to_string_lossy())).count();
    assert_eq!(left, 0, "children are left");
}

#[test]
fn what_a_command_prints_steers_neither_terminal_nor_report() {
    let lab = Lab::new();
    all_events(&lab, r"printf '\033[2J\000]]>\r\n\033]0;owned\007' >&2; exit 1");
    lab.list(&WWW);
    let ran = lab.apply();
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let steers = |text: &str| text.contains(['\u{1b}', '\u{7}', '\0']);
    assert!(!steers(&ran.out) && !steers(&ran.err) && ran.out.contains("owned"), "{ran:?}");
}

#[test]
fn a_command_that_is_not_there_is_one_failure_among_good_ones() {
    let lab = Lab::new();
    configure(&lab, &format!("hooks: {{after_issue: [[/nowhere/reload], {}]}}", shell(&lab, TELL)));
    lab.list(&WWW);
    let ran = lab.apply();
    assert_eq!((ran.code, events(&lab)), (Some(3), vec!["after-issue".to_owned()]), "{ran:?}");
    assert!(case(&ran, "www").unwrap().contains("failed to start `/nowhere/reload`"), "{ran:?}");
}

#[test]
fn scripts_of_the_verified_commit_run_after_issue_and_after_renew() {
    let lab = Lab::new();
    configure(&lab, "hooks: {from_repo: true}");
    lab.list(&WWW);
    let place = format!("#!/bin/sh\nstat -c '%a %n' $0 $(dirname $0) >> {}\n", lab.path("place").display());
    let (issue, renew) = (say(&lab, "issued") + &place, say(&lab, "renewed"));
    commit_scripts(&lab, &[("after-issue", &issue), ("after-renew", &renew)], 0o100755, Some(&lab.signer));
    lab.done();
    lab.make_due("www");
    lab.done();
    assert_eq!(heard(&lab), "issued www\nrenewed www\n");
    let place = lab.read("place");
    let (script, folder) = place.trim_end().split_once('\n').unwrap();
    assert!(script.starts_with("700 ") && folder.starts_with("700 "), "{place}");
    let folder = folder.trim_start_matches("700 ");
    assert!(!folder.starts_with(&*lab.path("state").to_string_lossy()) && !std::path::Path::new(folder).exists());
}

#[test]
fn a_script_of_an_unsigned_commit_never_runs() {
    let lab = Lab::new();
    configure(&lab, "hooks: {from_repo: true}");
    lab.list(&WWW);
    commit_scripts(&lab, &[("after-renew", &say(&lab, "good"))], 0o100755, Some(&lab.signer));
    lab.done();
    commit_scripts(&lab, &[("after-renew", &say(&lab, "evil"))], 0o100755, None);
    lab.make_due("www");
    let ran = lab.apply();
    assert_eq!((ran.code, lab.live("www")), (Some(4), Some(2)), "{ran:?}");
    assert_eq!(heard(&lab), "good www\n");
}

#[test]
fn scripts_do_not_run_unless_the_runner_wants_them() {
    let lab = Lab::new();
    configure(&lab, &format!("hooks: {{on_failure: [{}]}}", shell(&lab, TELL)));
    lab.list(&WWW);
    commit_scripts(&lab, &[("after-issue", &say(&lab, "evil"))], 0o100755, Some(&lab.signer));
    lab.done();
    assert_eq!(heard(&lab), "");
}

#[test]
fn a_script_whose_signer_was_revoked_waits_while_renewals_go_on() {
    let lab = Lab::new();
    configure(&lab, "hooks: {from_repo: true}");
    let bob = Signer::generate("bob@example.com");
    lab.write("allowed_signers", &(lab.signer.allowed_signers_line() + &bob.allowed_signers_line()));
    lab.list(&WWW);
    commit_scripts(&lab, &[("after-renew", &say(&lab, "evil"))], 0o100755, Some(&bob));
    lab.done();
    let config = lab.read("countersign.yaml");
    let revoked = format!("allowed_signers: allowed_signers, revoked: [\"{}\"]}}", bob.fingerprint());
    lab.write("countersign.yaml", &config.replace("allowed_signers: allowed_signers}", &revoked));
    lab.make_due("www");
    let ran = lab.apply();
    assert_eq!((ran.code, lab.live("www"), heard(&lab).as_str()), (Some(4), Some(2), ""), "{ran:?}");
    assert!(case(&ran, "www").unwrap().starts_with("[hooks:unverified] "), "{ran:?}");
}

#[test]
fn a_script_without_its_mode_is_a_failure_and_a_link_refuses_the_head() {
    let lab = Lab::new();
    configure(&lab, "hooks: {from_repo: true}");
    lab.list(&WWW);
    commit_scripts(&lab, &[("after-issue", &say(&lab, "good"))], 0o100644, Some(&lab.signer));
    let ran = lab.apply();
    assert!(case(&ran, "www").unwrap().starts_with("[hooks:not-executable] "), "{ran:?}");
    commit_scripts(&lab, &[("after-issue", "/bin/false")], 0o120000, Some(&lab.signer));
    assert_eq!((lab.apply().code, heard(&lab).as_str()), (Some(4), ""));
}

#[test]
fn scripts_are_not_unpacked_into_the_store() {
    let lab = Lab::new();
    configure(&lab, "hooks: {from_repo: true}");
    lab.list(&WWW);
    commit_scripts(&lab, &[("after-issue", &say(&lab, "good"))], 0o100755, Some(&lab.signer));
    let inside = lab.path("state/report");
    lab.store();
    fs::create_dir_all(&inside).unwrap();
    fs::set_permissions(&inside, PermissionsExt::from_mode(0o700)).unwrap();
    let ran = lab.run_with(&["apply", "--auto-approve"], &[("TMPDIR", &inside.to_string_lossy())]);
    assert!(case(&ran, "www").unwrap().starts_with("[hooks:folder] "), "{ran:?}");
    assert_eq!((lab.live("www"), heard(&lab).as_str()), (Some(1), ""));
    assert!(lab.store().observe().unwrap().broken.is_empty());
}

#[test]
fn being_told_to_stop_ends_a_hook_and_leaves_it_to_the_next_run() {
    let lab = Lab::new();
    let command = shell(&lab, "echo run >> heard; test -e ready || exec sleep 1000");
    configure(&lab, &format!("hooks: {{after_issue: [{command}]}}"));
    lab.list(&WWW);
    let running = lab.start(&["apply", "--auto-approve"]);
    super::rig::until("the hook", || heard(&lab) == "run\n");
    running.signal("TERM");
    let ran = running.end();
    assert_eq!(ran.code, Some(130), "{ran:?}");
    lab.write("ready", "");
    lab.done();
    assert_eq!((heard(&lab).as_str(), lab.count("newOrder")), ("run\nrun\n", 1));
}

#[test]
fn a_damaged_memory_of_what_was_told_stops_the_hooks_and_nothing_else() {
    let lab = Lab::new();
    all_events(&lab, TELL);
    lab.list(&WWW);
    lab.done();
    lab.write("state/hooks.json", "{");
    lab.make_due("www");
    let ran = lab.apply();
    assert_eq!((ran.code, lab.live("www"), events(&lab).len()), (Some(1), Some(2), 1), "{ran:?}");
    fs::remove_file(lab.path("state/hooks.json")).unwrap();
    lab.done();
}

#[test]
fn a_key_that_a_command_shows_stands_in_no_report() {
    let lab = Lab::new();
    all_events(&lab, "cat $COUNTERSIGN_LIVE/privkey.pem >&2; exit 1");
    lab.list(&WWW);
    let ran = lab.apply();
    let key = lab.read("state/live/www/privkey.pem");
    let secret = key.lines().nth(1).unwrap();
    let report = lab.read("junit.xml") + &lab.read("state/report/html/index.html");
    assert!(case(&ran, "www").is_some() && report.contains("(a private key)"), "{ran:?}");
    assert!(![&ran.out, &ran.err, &report].iter().any(|text| text.contains(secret)), "{ran:?}");
}

#[test]
fn a_script_that_does_not_start_is_told_with_what_to_look_for() {
    let lab = Lab::new();
    configure(&lab, "hooks: {from_repo: true}");
    lab.list(&WWW);
    commit_scripts(&lab, &[("after-issue", "#!/nowhere/sh\n")], 0o100755, Some(&lab.signer));
    let ran = lab.apply();
    assert!(
        case(&ran, "www").unwrap().starts_with("[program:unusable] after-issue: failed to start `hooks/after-issue`")
    );
    assert!(ran.out.contains("its first line names its interpreter"), "{ran:?}");
}
