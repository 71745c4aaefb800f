//! The shape of history (T4, T12, T14, T16 to T18, T20).

use super::*;

#[test]
fn an_unchanged_head_is_verified_without_a_walk() {
    let house = House::new();
    let head = house.commit(&[("domains.yaml", &list(&["www"]))], &house.ann);
    let first = house.verified(&house.root(), None, &head);
    let again = house.verified(&house.root(), Some(first.state()), &head);
    assert_eq!(again.commits_walked(), 0);
    assert_eq!(again.state(), first.state());
}

#[test]
fn only_commits_after_the_last_verified_one_are_walked() {
    let house = House::new();
    let first = house.commit(&[("domains.yaml", &list(&["www"]))], &house.ann);
    let state = house.verified(&house.root(), None, &first).state().clone();
    let head = house.commit(&[("README", "x")], &house.bob);
    assert_eq!(house.verified(&house.root(), Some(&state), &head).commits_walked(), 1);
}

#[test]
fn a_head_that_does_not_descend_from_the_last_verified_commit_is_refused() {
    let house = House::new();
    let older = house.commit(&[("domains.yaml", &list(&["one"]))], &house.ann);
    let last = house.commit(&[("domains.yaml", &list(&["two"]))], &house.ann);
    let state = house.verified(&house.root(), None, &last).state().clone();
    let sibling = house.on(&[&older], &[("domains.yaml", &list(&["three"]))], &house.ann);
    let unrelated = house.on(&[], &[("domains.yaml", &list(&["www"]))], &house.ann);
    for head in [&older, &house.introduction, &sibling, &unrelated] {
        assert_eq!(rules(&house.judge(&house.root(), Some(&state), head)), ["H01-rollback"]);
    }
}

#[test]
fn a_rollback_is_refused_when_the_trust_root_changed_as_well() {
    let house = House::new();
    let older = house.commit(&[("domains.yaml", &list(&["one"]))], &house.ann);
    let last = house.commit(&[("domains.yaml", &list(&["two"]))], &house.ann);
    let state = house.verified(&house.root(), None, &last).state().clone();
    let root = TrustRoot { signers: signers(&[&house.ann]), ..house.root() };
    assert_eq!(rules(&house.judge(&root, Some(&state), &older)), ["H01-rollback"]);
}

#[test]
fn a_head_that_does_not_descend_from_the_introduction_is_refused() {
    let house = House::new();
    let unrelated = house.on(&[], &[("domains.yaml", &list(&["www"]))], &house.ann);
    assert_eq!(house.rules(&unrelated), ["H01-rollback"]);
}

#[test]
fn a_side_branch_from_before_the_introduction_is_walked() {
    let mut house = House::new();
    let old = house.introduction.clone();
    house.introduction = house.repo.commit(&[("README", "reviewed")], "introduction", None).unwrap();
    let side = house.repo.commit_on(&[old], &[("NEWS", "x")], "side", None).unwrap();
    let head = house.on(&[&house.introduction, &side], &[("NEWS", "x")], &house.ann);
    let refused = house.refused(&house.root(), None, &head);
    let found: Vec<_> = refused.refusals.iter().map(|r| (r.rule.as_str(), r.commit.as_ref())).collect();
    assert_eq!(found, [("S01-unsigned", Some(&side))]);
}

#[test]
fn a_signed_merge_does_not_cover_the_unsigned_branch_it_merges() {
    let house = House::new();
    let parents = [house.introduction.clone()];
    let side = house.repo.commit_on(&parents, &[("domains.yaml", &list(&["evil"]))], "side", None).unwrap();
    let merge = house.on(&[&side, &house.introduction], &[], &house.ann);
    assert_eq!(house.rules(&merge), ["S01-unsigned"]);
}

#[test]
fn a_store_that_can_show_another_history_is_refused() {
    for (file, rule) in [
        ("shallow", "H06-shallow"),
        ("info/grafts", "H05-replace"),
        ("objects/info/alternates", "H05-replace"),
        ("refs/replace/1111111111111111111111111111111111111111", "H05-replace"),
    ] {
        let house = House::new();
        let path = house.dir.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, format!("{}\n", house.introduction)).unwrap();
        assert_eq!(house.rules(&house.introduction), [rule], "{file}");
    }
}

#[test]
fn a_sha_256_commit_id_is_refused() {
    let house = House::new();
    assert_eq!(house.rules(&CommitId::parse(&"a".repeat(64)).unwrap()), ["H07-object-format"]);
}

#[test]
fn a_missing_object_is_a_failure_and_not_a_verdict() {
    let house = House::new();
    let missing = CommitId::parse(&"a".repeat(40)).unwrap();
    let fault = trust::verify(&house.root(), None, &missing, &house.store(), NOW, None).unwrap_err();
    assert_eq!(fault.code, "git:object");
}

#[test]
fn a_commit_larger_than_64_kib_is_refused() {
    let house = House::new();
    let head = house.repo.commit(&[], &"m".repeat(64 * 1024), Some(&house.ann)).unwrap();
    assert_eq!(house.rules(&head), ["H08-limits"]);
}

#[test]
fn outsiders_may_leave_commits_unsigned_that_touch_nothing_protected() {
    let house = House::new();
    house.repo.commit(&[("README", "typo")], "change", None).unwrap();
    let head = house.commit(&[("domains.yaml", &list(&["www"]))], &house.ann);
    let protected = TrustRoot { require: Require::Protected, ..house.root() };
    assert_eq!(rules(&house.judge(&protected, None, &head)), [""; 0]);
    assert_eq!(house.rules(&head), ["S01-unsigned"]);
}

#[test]
fn an_object_whose_bytes_were_exchanged_in_the_store_is_not_read() {
    let house = House::new();
    let file = |commit: &CommitId| {
        let (folder, name) = commit.as_str().split_at(2);
        house.dir.path().join("objects").join(folder).join(name)
    };
    let other = house.repo.commit_on(&[], &[("domains.yaml", &list(&["evil"]))], "other", None).unwrap();
    std::fs::remove_file(file(&house.introduction)).unwrap();
    std::fs::rename(file(&other), file(&house.introduction)).unwrap();
    let fault = trust::verify(&house.root(), None, &house.introduction, &house.store(), NOW, None).unwrap_err();
    assert_eq!(fault.code, "git:object");
}

/// The files begin like those of <https://shattered.io>: other bytes, and the same SHA-1.
#[test]
fn the_known_collision_of_sha_1_has_no_id_where_ids_are_checked() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/shattered");
    let files = ["one", "other"].map(|name| std::fs::read(folder.join(name)).unwrap());
    assert_ne!(files[0], files[1]);
    for file in files {
        let mut hasher = gix::hash::hasher(gix::hash::Kind::Sha1);
        hasher.update(&file);
        let refused = hasher.try_finalize().unwrap_err().to_string();
        assert!(refused.contains("ollision"), "{refused}");
    }
}

#[test]
fn an_unsigned_change_of_hooks_is_refused_whatever_is_required() {
    let house = House::new();
    let head = house.repo.commit(&[("hooks/after-issue", "#!/bin/sh\n")], "change", None).unwrap();
    for require in [Require::All, Require::Protected] {
        let refused = house.refused(&TrustRoot { require, ..house.root() }, None, &head);
        let refusal = &refused.refusals[0];
        assert_eq!((refusal.rule.as_str(), refusal.path.as_deref()), ("S01-unsigned", Some("hooks/")));
    }
}
