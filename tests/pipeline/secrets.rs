//! Nothing that a run writes holds a secret, but for the files that are there for it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use countersign::failpoint::VARIABLE;
use countersign::sandbox::SECRET_KEY;

use super::rig::{BUCKET, Lab};

/// Everything below a folder.
fn files(folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            continue;
        }
        match path.is_dir() {
            true => files(&path, found),
            false => drop(found.insert(path.clone(), fs::read(&path).unwrap())),
        }
    }
}

fn is_for_a_key(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_str().unwrap();
    ["privkey.pem", "key.pem"].contains(&name) || name.ends_with(".key")
}

#[test]
fn no_secret_stands_anywhere_but_in_its_own_file() {
    let lab = Lab::new();
    lab.list(&[("api", "api.example.com"), ("www", "www.example.com")]);
    let apply = ["apply", "--auto-approve", "-vv", "--json"];
    // A crash with a key in the journal, a bug, and a good run.
    let ends = [(VARIABLE, "after-order-journaled:2"), (VARIABLE, "after-download:1:panic"), (VARIABLE, "never")];
    let mut written = BTreeMap::new();
    for (run, end) in ends.into_iter().enumerate() {
        let ran = lab.run_with(&apply, &[end, ("RUST_LOG", "trace")]);
        written.insert(PathBuf::from(format!("output of run {run}")), format!("{}{}", ran.out, ran.err).into_bytes());
        lab.forget_back_off();
        files(&lab.path("."), &mut written);
    }
    for key in lab.sandbox.keys(BUCKET) {
        written.insert(Path::new("s3").join(&key), lab.sandbox.object(BUCKET, &key).unwrap().body.to_vec());
    }
    let (keys, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
        written.into_iter().partition(|(path, _)| is_for_a_key(path));
    assert!(keys.len() >= 5 && others.len() > 20, "{:?}", keys.keys());
    // Each line of a key by itself: whoever cuts or joins lines shows it all the same. The third is of its public half.
    let lines = keys.values().flat_map(|key| str::from_utf8(key).unwrap().lines().skip(1).take(2));
    let secrets: Vec<&str> = lines.chain([SECRET_KEY]).collect();
    for (path, bytes) in &others {
        let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(!holds("PRIVATE KEY-----"), "{} has a PEM of a key", path.display());
        for (number, secret) in secrets.iter().enumerate() {
            assert!(!holds(secret), "{} holds secret {number}", path.display());
        }
    }
}
