//! What is read from the verified commit (T38 to T41, T43).

use super::*;

fn rules_with(path: &str, content: Option<(&str, i32)>) -> Vec<&'static str> {
    let house = House::new();
    let tree = house.repo.tree_with(&house.introduction, path, content).unwrap();
    let parents = [house.introduction.clone()];
    let head = house.repo.commit_tree(tree, &parents, "change", Some(&house.ann)).unwrap();
    house.rules(&head)
}

#[test]
fn the_list_is_a_plain_file() {
    assert_eq!(rules_with("domains.yaml", Some(("/etc/passwd", 0o120000))), ["C02-mode"]);
    assert_eq!(rules_with("domains.yaml", Some((EMPTY, 0o100755))), ["C02-mode"]);
    assert_eq!(rules_with("domains.yaml", Some((&"1".repeat(40), 0o160000))), ["C02-mode"]);
    assert_eq!(rules_with("domains.yaml", Some((EMPTY, 0o100644))), [""; 0]);
    assert_eq!(rules_with("domains.yaml", None), ["C13-no-list"]);
}

#[test]
fn hooks_are_plain_or_executable_files() {
    assert_eq!(rules_with("hooks/after-issue", Some(("#!/bin/sh\n", 0o100755))), [""; 0]);
    assert_eq!(rules_with("hooks/after-issue", Some(("#!/bin/sh\n", 0o100644))), [""; 0]);
    assert_eq!(rules_with("hooks/after-issue", Some(("/bin/sh", 0o120000))), ["C02-mode"]);
    assert_eq!(rules_with("hooks/more/after-issue", Some(("#!/bin/sh\n", 0o100755))), ["C02-mode"]);
    assert_eq!(rules_with("hooks", Some(("text", 0o100644))), ["C02-mode"]);
}

#[test]
fn an_entry_that_looks_like_a_protected_one_is_refused() {
    for twin in ["Domains.yaml", "DOMAINS.YAML", "domains.yaml ", "doma\u{200d}ins.yaml", "Hooks", "hoo\u{212a}s"] {
        assert_eq!(rules_with(twin, Some((EMPTY, 0o100644))), ["C04-path"], "{twin:?}");
    }
    assert_eq!(rules_with("domains.yml", Some((EMPTY, 0o100644))), [""; 0]);
}

/// The rules that a tree of files with one content breaks, entries as they are given.
fn rules_of_tree(entries: &[(&str, &str)]) -> Vec<&'static str> {
    let house = House::new();
    let odb = git2::Repository::open_bare(house.dir.path()).unwrap();
    let odb = odb.odb().unwrap();
    let mut tree = Vec::new();
    for (name, text) in entries {
        let blob = odb.write(git2::ObjectType::Blob, text.as_bytes()).unwrap();
        tree.extend([b"100644 ", name.as_bytes(), b"\0", blob.as_bytes()].concat());
    }
    let tree = odb.write(git2::ObjectType::Tree, &tree).unwrap();
    let parents = [house.introduction.clone()];
    let head = house.repo.commit_tree(tree, &parents, "change", Some(&house.ann)).unwrap();
    house.rules(&head)
}

#[test]
fn a_tree_in_which_programs_find_different_entries_is_refused() {
    let (shown, hidden) = (list(&["www"]), list(&["evil"]));
    let table = [
        (vec![("README", "x"), ("domains.yaml", &shown)], vec![]),
        (vec![("domains.yaml", &shown), ("domains.yaml", &hidden)], vec!["C04-path"]),
        (vec![("domains.yaml", &shown), ("domains.yaml-old", "x"), ("domains.yaml", &hidden)], vec!["C04-path"]),
        (vec![("zones", "x"), ("domains.yaml", &shown)], vec!["C04-path"]),
    ];
    for (entries, expected) in table {
        assert_eq!(rules_of_tree(&entries), expected, "{entries:?}");
    }
}

#[test]
fn a_tree_that_does_not_fit_into_memory_is_not_read() {
    let house = House::new();
    let names = (0..420_000).map(|number| format!("100644 {number:012}\0{}", "x".repeat(20)));
    let tree = names.collect::<String>();
    assert!(tree.len() > 16 * 1024 * 1024);
    let store = git2::Repository::open_bare(house.dir.path()).unwrap();
    let tree = store.odb().unwrap().write(git2::ObjectType::Tree, tree.as_bytes()).unwrap();
    let head = house.seal_tree(&tree.to_string());
    let fault = trust::verify(&house.root(), None, &head, &house.store(), NOW, None).unwrap_err();
    assert_eq!(fault.causes, ["it is a tree of more than 16 MiB"]);
}

#[test]
fn a_pointer_to_large_file_storage_is_not_a_list() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
    assert_eq!(rules_with("domains.yaml", Some((pointer, 0o100644))), ["C03-filters"]);
}

#[test]
fn a_list_larger_than_16_mib_is_refused() {
    let huge = format!("{EMPTY}#{}\n", "x".repeat(16 * 1024 * 1024));
    assert_eq!(rules_with("domains.yaml", Some((&huge, 0o100644))), ["H08-limits"]);
}

#[test]
fn a_list_with_errors_is_refused_with_its_diagnostics_and_files() {
    let house = House::new();
    let head = house.commit(&[("domains.yaml", "version: 1\ncertificates: [{name: www}]\n")], &house.ann);
    let refused = house.refused(&house.root(), None, &head);
    assert_eq!(refused.refusals[0].rule.as_str(), "C14-invalid-list");
    assert_eq!(refused.diagnostics[0].labels[0].place.file, "domains.yaml");
    assert_eq!(refused.files[0].path, "domains.yaml");
}

#[test]
fn a_list_directory_counts_the_yaml_files_directly_inside() {
    let files = [
        ("domains/a.yaml", list(&["a"])),
        ("domains/b.yaml", list(&["b"])),
        ("domains/README", "x".to_owned()),
        ("domains/old/c.yaml", list(&["c"])),
    ];
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let house = House::with(&files);
    let root = TrustRoot { list: ListPath::parse("domains/").unwrap(), ..house.root() };
    assert_eq!(names(&house.verified(&root, None, &house.introduction)), ["a", "b"]);
}
