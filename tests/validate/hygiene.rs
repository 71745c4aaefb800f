//! What stands in the branch or in the clone neither runs nor decides (T16, T40, T52, T60).

use super::*;

/// A command that leaves a trace.
fn canary(house: &House) -> String {
    format!("touch {}", house.path("sung").display())
}

#[test]
fn nothing_of_the_branch_or_the_clone_is_executed() {
    let house = House::new();
    house.commit(
        &[
            ("domains.yaml", &list(&["www"])),
            (".gitattributes", "*.yaml filter=canary diff=canary merge=canary\n"),
            ("hooks/after-issue", &format!("#!/bin/sh\n{}\n", canary(&house))),
        ],
        Some("ann"),
    );
    let keys = [
        "filter.canary.clean",
        "filter.canary.smudge",
        "filter.canary.process",
        "diff.canary.textconv",
        "diff.external",
        "merge.canary.driver",
        "core.fsmonitor",
        "core.sshCommand",
        "core.pager",
        "gpg.ssh.program",
        "uploadpack.packObjectsHook",
        "credential.helper",
        "core.editor",
    ];
    for key in keys {
        house.git(&["config", key, &canary(&house)]);
    }
    for hook in ["pre-commit", "post-checkout", "reference-transaction", "post-index-change", "fsmonitor-watchman"] {
        use std::os::unix::fs::PermissionsExt;
        let path = house.path(&format!("clone/.git/hooks/{hook}"));
        std::fs::write(&path, format!("#!/bin/sh\n{}\n", canary(&house))).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let ran = house.validate(&["--merge-method", "merge"]);
    assert_eq!((ran.code, house.path("sung").exists()), (0, false), "{}", ran.stderr);
}

#[test]
fn the_environment_of_git_has_no_say() {
    let house = House::new();
    house.commit(&[("domains.yaml", &list(&["www"]))], None);
    let (canary, other) = (canary(&house), house.path("origin.git"));
    let mut command = house.command(&house.path("clone"), env!("CARGO_BIN_EXE_countersign"));
    command.env("COUNTERSIGN_CONFIG", house.path("runner/countersign.yaml"));
    for name in ["GIT_SSH_COMMAND", "GIT_SSH", "GIT_EXTERNAL_DIFF", "GIT_PROXY_COMMAND", "GIT_ASKPASS", "GIT_EDITOR"] {
        command.env(name, &canary);
    }
    for name in ["GIT_DIR", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_ALTERNATE_OBJECT_DIRECTORIES"] {
        command.env(name, &other);
    }
    command.env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_KEY_0", "core.fsmonitor").env("GIT_CONFIG_VALUE_0", &canary);
    command.env("GIT_NAMESPACE", "x").env("GIT_REPLACE_REF_BASE", "refs/x/").env("GIT_CEILING_DIRECTORIES", &other);
    let ran = Ran::of(command.args(["validate", "--base", "origin/main"]).output().unwrap());
    assert!(ran.stderr.contains("S01-unsigned"), "{}", ran.stderr);
    assert_eq!((ran.code, house.path("sung").exists()), (4, false));
}

#[test]
fn a_replacement_or_a_graft_does_not_hide_a_commit() {
    let house = House::new();
    let bad = house.commit(&[("domains.yaml", &list(&["evil"]))], None);
    house.git(&["switch", "-q", "-C", "good", "HEAD~1"]);
    let good = house.commit(&[("domains.yaml", &list(&["www"]))], Some("ann"));
    house.git(&["switch", "-q", "feature"]);
    house.git(&["replace", &bad, &good]);
    house.write("clone/.git/info/grafts", &format!("{bad} {good}\n"));
    assert_eq!(house.rules(&[]), refused(&["S01-unsigned"]));
}

#[test]
fn a_repository_that_the_branch_brings_along_is_not_asked() {
    let house = House::new();
    house.git(&["clone", "-q", "--bare", ".", "pki"]);
    house.tool(&house.path("clone/pki"), "git", &["update-ref", "refs/remotes/origin/main", "HEAD"]);
    house.commit(&[("domains.yaml", &list(&["evil"]))], None);
    for folder in ["clone/pki", "clone/pki/refs"] {
        let ran = house.run_in(&house.path(folder), &["validate", "--base", "origin/main"]);
        assert_eq!((ran.code, ran.stderr.contains("git:embedded")), (1, true), "{}", ran.stderr);
    }
    let ran = house.run_in(&house.path("origin.git"), &["validate", "--base", "main", "--head", "main"]);
    assert_eq!(ran.code, 0, "a bare repository by itself: {}", ran.stderr);
    let ran = house.run_in(&house.path("clone/.git"), &["validate", "--base", "origin/main", "--head", "origin/main"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn a_configuration_that_the_branch_brings_along_is_not_used() {
    let house = House::new();
    house.commit(&[("domains.yaml", &list(&["evil"]))], Some("mallory"));
    let key = std::fs::read_to_string(house.path("mallory.pub")).unwrap();
    let config = house.config().replace(&house.id("HEAD"), &house.id("origin/main"));
    house.commit(
        &[("countersign.yaml", &config), ("allowed_signers", &format!("m@example.com {key}"))],
        Some("mallory"),
    );
    for config in ["countersign.yaml", "../clone/countersign.yaml"] {
        let ran = house.run(&["validate", "--base", "origin/main", "--config", config]);
        assert_eq!((ran.code, ran.stderr.contains("config:in-checkout")), (1, true), "{}", ran.stderr);
    }
    let mut command = house.command(&house.path("clone"), env!("CARGO_BIN_EXE_countersign"));
    let ran = Ran::of(command.args(["validate", "--base", "origin/main"]).output().unwrap());
    assert_eq!((ran.code, ran.stderr.contains("config:in-checkout")), (1, true), "{}", ran.stderr);
}

#[test]
fn nothing_is_written_and_no_lock_is_taken() {
    let house = House::new();
    house.commit(&[("domains.yaml", &list(&["www"]))], Some("ann"));
    let files = || house.tool(&house.path("clone"), "find", &[".", "-printf", "%p %s %T@\n"]);
    let before = files();
    assert_eq!(house.rules(&[]), VALID);
    assert_eq!((files(), house.path("runner/state").exists()), (before, false));
}

#[test]
fn trust_files_that_others_may_write_are_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::new();
    let signers = house.path("runner/allowed_signers");
    std::fs::set_permissions(signers, std::fs::Permissions::from_mode(0o666)).unwrap();
    let ran = house.validate(&[]);
    assert_eq!((ran.code, ran.stderr.contains("config:writable")), (1, true), "{}", ran.stderr);
}

#[test]
fn a_list_that_leads_to_an_endless_device_is_refused_at_once() {
    let house = House::new();
    house.commit(&[("README.md", "The list.\n")], None);
    std::fs::remove_file(house.path("clone/domains.yaml")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", house.path("clone/domains.yaml")).unwrap();
    let ran = house.run(&["validate"]);
    assert!(ran.code == 4 && ran.stderr.contains("it is not a regular file"), "{} {}", ran.code, ran.stderr);
}
