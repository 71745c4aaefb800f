//! Clones as people have them.

use super::*;

#[test]
fn a_revision_is_named_as_for_git() {
    let house = House::new();
    house.commit(&[("domains.yaml", &list(&["www"]))], Some("ann"));
    let bad = house.commit(&[("README", "x")], None);
    house.git(&["tag", "-a", "-m", "bad", "bad-tag"]);
    house.git(&["branch", "bad-branch"]);
    for name in [bad.as_str(), &bad[..9], "HEAD", "@", "bad-tag", "bad-branch", "refs/heads/feature"] {
        assert_eq!(house.rules(&["--head", name]), refused(&["S01-unsigned"]), "{name}");
    }
    for name in [format!("{bad}^"), "HEAD~1".into(), "bad-tag^".into(), "bad-branch~".into()] {
        assert_eq!(house.rules(&["--head", &name]), VALID, "{name}");
    }
}

#[test]
fn a_revision_that_names_no_commit_is_a_failure_with_a_next_step() {
    let house = House::new();
    let tree = house.id("HEAD^{tree}");
    for name in ["no-such", "HEAD~9", &tree, "--upload-pack=touch x", "../../HEAD"] {
        let ran = house.run(&["validate", "--base", "origin/main", &format!("--head={name}")]);
        assert_eq!((ran.code, ran.stderr.contains("git fetch")), (1, true), "{name}: {}", ran.stderr);
    }
}

#[test]
fn packed_refs_and_packed_objects_are_read() {
    let house = House::new();
    house.commit(&[("domains.yaml", &list(&["www"]))], Some("ann"));
    house.commit(&[("README", "x")], None);
    house.git(&["gc", "-q"]);
    house.git(&["pack-refs", "--all"]);
    assert_eq!(house.rules(&[]), refused(&["S01-unsigned"]));
}

#[test]
fn a_linked_work_tree_and_a_folder_inside_of_it_are_parts_of_the_clone() {
    let house = House::new();
    house.commit(&[("sub/README", "x")], None);
    house.git(&["worktree", "add", "-q", "../linked", "-b", "linked"]);
    for folder in ["linked", "linked/sub"] {
        let ran = house.run_in(&house.path(folder), &["validate", "--base", "origin/main"]);
        assert_eq!((ran.code, ran.stderr.contains("S01-unsigned")), (4, true), "{folder}: {}", ran.stderr);
    }
}

#[test]
fn a_clone_may_borrow_objects_although_the_store_of_a_runner_may_not() {
    let house = House::new();
    house.commit(&[("domains.yaml", &list(&["www"]))], Some("ann"));
    house.git(&["push", "-q", "origin", "HEAD:feature"]);
    house.tool(&house.path(""), "git", &["clone", "-q", "--shared", "-b", "feature", "origin.git", "borrowing"]);
    let ran = house.run_in(&house.path("borrowing"), &["validate", "--base", "origin/main"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn a_shallow_clone_is_refused_with_the_command_that_completes_it() {
    let house = House::new();
    house.commit(&[("README", "x")], None);
    house.git(&["push", "-q", "origin", "HEAD:feature"]);
    let url = format!("file://{}", house.path("origin.git").display());
    let args = ["clone", "-q", "--depth", "1", "--no-single-branch", "-b", "feature", &url, "shallow"];
    house.tool(&house.path(""), "git", &args);
    let ran = house.run_in(&house.path("shallow"), &["validate", "--base", "origin/main"]);
    let told = ran.stderr.contains("H06-shallow") && ran.stderr.contains("git fetch --unshallow");
    assert_eq!((ran.code, told), (4, true), "{}", ran.stderr);
}

#[test]
fn a_folder_outside_of_any_clone_is_a_failure() {
    let house = House::new();
    let ran = house.run_in(&house.path("runner"), &["validate", "--base", "origin/main"]);
    assert_eq!((ran.code, ran.stderr.contains("git:no-checkout")), (1, true), "{}", ran.stderr);
}

#[test]
fn a_tag_or_branch_called_like_the_base_does_not_take_its_place() {
    for put in [["tag", "origin/main"], ["branch", "origin/main"]] {
        let house = House::new();
        house.commit(&[("README", "x")], None);
        house.git(&put);
        let ran = house.validate(&[]);
        assert_eq!((ran.code, ran.stderr.contains("git:ambiguous-revision")), (1, true), "{}", ran.stderr);
        let ran = house.run(&["validate", "--base", "refs/remotes/origin/main"]);
        assert_eq!((ran.code, ran.stderr.contains("S01-unsigned")), (4, true), "{}", ran.stderr);
    }
}

#[test]
fn a_branch_called_like_a_commit_id_does_not_take_its_place() {
    let house = House::new();
    let bad = house.commit(&[("README", "x")], None);
    let base = house.id("origin/main");
    house.git(&["update-ref", &format!("refs/heads/{base}"), &bad]);
    let ran = house.run(&["validate", "--base", &base]);
    assert_eq!((ran.code, ran.stderr.contains("S01-unsigned")), (4, true), "{}", ran.stderr);
}
