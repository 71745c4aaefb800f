//! Replays the corpora of the fuzz targets, without a fuzzer.

#[path = "../fuzz/targets.rs"]
mod targets;

use std::path::Path;

/// Feeds every file of some folders to a target, and what comes of it when the file is cut in the middle.
fn replay(folders: &[&str], target: fn(&[u8])) {
    let mut files = 0;
    for folder in folders {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let data = std::fs::read(entry.unwrap().path()).unwrap();
            target(&data);
            target(&data[..data.len() / 2]);
            files += 1;
        }
    }
    assert!(files > 0, "no corpus in {folders:?}");
}

#[test]
fn commits() {
    replay(&["fuzz/corpus/commit", "tests/fixtures/commits"], targets::commit);
}

#[test]
fn signatures() {
    replay(&["fuzz/corpus/sshsig"], targets::sshsig);
}

#[test]
fn allowed_signers() {
    replay(&["fuzz/corpus/allowed_signers"], targets::allowed_signers);
}

#[test]
fn lists() {
    replay(&["fuzz/corpus/list", "tests/cases/list"], targets::list);
}

#[test]
fn policies() {
    replay(&["fuzz/corpus/policy"], targets::policy);
}

#[test]
fn statements() {
    replay(&["fuzz/corpus/statement"], targets::statement);
}
