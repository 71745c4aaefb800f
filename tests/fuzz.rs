//! Replays the corpora of the fuzz targets, without a fuzzer.

#[path = "../fuzz/targets.rs"]
mod targets;

use std::path::Path;

/// So many damaged inputs a target.
const DAMAGED: usize = 2_500;

/// Feeds every file of some folders to a target, whole and damaged.
fn replay(folders: &[&str], target: fn(&[u8])) {
    let mut files = Vec::new();
    for folder in folders {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            files.push(std::fs::read(entry.unwrap().path()).unwrap());
        }
    }
    assert!(!files.is_empty(), "no corpus in {folders:?}");
    let damages = DAMAGED.div_ceil(files.len()) as u64;
    for data in files {
        target(&data);
        (0..damages).for_each(|seed| target(&damaged(&data, seed)));
    }
}

/// The data with a few bytes changed, a part left out, or a part put in twice; always the same for a seed.
fn damaged(data: &[u8], seed: u64) -> Vec<u8> {
    let mut state = (seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut pick = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below.max(1) as u64) as usize
    };
    let mut data = data.to_vec();
    for _ in 0..=pick(3) {
        let (one, other) = (pick(data.len()), pick(data.len()));
        let part = one.min(other)..one.max(other);
        match pick(4) {
            0 => drop(data.drain(part)),
            1 => data.splice(one..one, data[part].to_vec()).for_each(drop),
            _ if data.is_empty() => {}
            2 => data[one] = pick(256) as u8,
            _ => data[one] ^= 1 << pick(8),
        }
    }
    data
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
fn requests() {
    replay(&["fuzz/corpus/csr"], targets::csr);
}

#[test]
fn policies() {
    replay(&["fuzz/corpus/policy"], targets::policy);
}

#[test]
fn statements() {
    replay(&["fuzz/corpus/statement"], targets::statement);
}
