//! The pre-push hook of `docs/validate.md`, run by git, and the step of `ci/Jenkinsfile.validate`, run as Jenkins does.

use std::os::unix::fs::PermissionsExt;

use super::*;

/// The hook as it is documented.
fn documented() -> String {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/validate.md")).unwrap();
    let (_, rest) = text.split_once("```sh elsewhere\n#!/bin/sh\n").expect("the hook is documented");
    format!("#!/bin/sh\n{}", rest.split_once("```").unwrap().0)
}

/// Whether a push of the branch to `target` succeeds, and what it says.
fn push(house: &House, target: &str) -> (bool, String) {
    let hook = house.path("clone/.git/hooks/pre-push");
    std::fs::write(&hook, documented()).unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_countersign")).parent().unwrap();
    let mut command = house.command(&house.path("clone"), "git");
    let path = std::env::join_paths([program.into(), PathBuf::from("/usr/bin"), PathBuf::from("/bin")]).unwrap();
    command.env("PATH", path).env("COUNTERSIGN_CONFIG", house.path("runner/countersign.yaml"));
    let ran = command.args(["push", "-q", "origin", target]).output().unwrap();
    (ran.status.success(), String::from_utf8(ran.stderr).unwrap())
}

#[test]
fn a_push_of_signed_commits_goes_through() {
    let house = House::new();
    house.commit(&[("domains.yaml", &list(&["www"]))], Some("ann"));
    let (pushed, said) = push(&house, "HEAD:feature");
    assert!(pushed, "{said}");
}

#[test]
fn a_push_of_an_unsigned_commit_is_held_back() {
    let house = House::new();
    house.commit(&[("domains.yaml", &list(&["www"]))], None);
    let (pushed, said) = push(&house, "HEAD:main");
    assert_eq!((pushed, said.contains("S01-unsigned")), (false, true), "{said}");
}

#[test]
fn what_is_pushed_is_judged_and_not_what_is_checked_out() {
    let house = House::new();
    house.commit(&[("domains.yaml", &list(&["www"]))], None);
    house.git(&["branch", "bad"]);
    house.git(&["reset", "-q", "--hard", "origin/main"]);
    assert!(!push(&house, "bad:feature").0);
}

#[test]
fn without_a_configuration_every_push_is_held_back() {
    let house = House::new();
    house.commit(&[("domains.yaml", &list(&["www"]))], Some("ann"));
    std::fs::remove_file(house.path("runner/countersign.yaml")).unwrap();
    let (pushed, said) = push(&house, "HEAD:feature");
    assert_eq!((pushed, said.contains("[config:")), (false, true), "{said}");
}

#[test]
fn a_deletion_goes_through() {
    let house = House::new();
    house.git(&["push", "-q", "origin", "HEAD:old"]);
    let (pushed, said) = push(&house, ":old");
    assert!(pushed, "{said}");
}

/// How the shell step of the pipeline ends for what is checked out.
fn in_jenkins(house: &House) -> Option<i32> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/ci/Jenkinsfile.validate")).unwrap();
    let step = text.split("'''").nth(1).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_countersign")).parent().unwrap();
    let path = std::env::join_paths([program.into(), PathBuf::from("/usr/bin"), PathBuf::from("/bin")]).unwrap();
    let mut command = house.command(&house.path("clone"), "/bin/sh");
    command.env("PATH", path).env("COUNTERSIGN_CONFIG", house.path("runner/countersign.yaml"));
    command.env("BASE", "origin/main").args(["-xe", "-c", step]).output().unwrap().status.code()
}

#[test]
fn the_pipeline_before_a_merge_is_red_for_an_unsigned_branch_and_leaves_both_reports() {
    let house = House::new();
    house.commit(&[("domains.yaml", &list(&["www"]))], Some("ann"));
    assert_eq!(in_jenkins(&house), Some(0));
    house.commit(&[("domains.yaml", &list(&["www", "evil"]))], None);
    assert_eq!(in_jenkins(&house), Some(4));
    for report in ["clone/report/validate.xml", "clone/report/validate.sarif"] {
        assert!(std::fs::read_to_string(house.path(report)).unwrap().contains("S01-unsigned"), "{report}");
    }
}
