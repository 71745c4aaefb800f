//! Nothing that a test leaves in its folder holds a secret, but for the files that are there for it.
//!
//! Every rig keeps what it does in a [`Scratch`], with what its commands said. When it goes, all of it is looked
//! through, and a leak fails the test.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Secrets of tests that are no private keys: of AWS, of external accounts, in the URL of a webhook.
const SECRETS: [&str; 4] = [
    "sandbox/sandbox/sandbox/sandbox/sandbox",
    "lab-secret",
    "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W",
    "secret-path",
];

/// Files that tests write for such a secret.
const HOMES: [&str; 2] = ["credentials", "webhook"];

/// The configuration of Pebble, which names what external accounts are bound by, and the program, in which the sandbox is.
const OTHERS: [&str; 2] = ["pebble.json", "countersign"];

/// Part of the first line of any private key in PEM (RFC 7468).
const EDGE: &[u8] = b"PRIVATE KEY-----";

/// Where the output of commands stands.
const SAID: &str = ".said";

/// A larger file is none of ours.
const MOST: u64 = 32 * 1024 * 1024;

/// A folder that goes away, after it was looked through.
pub struct Scratch(TempDir);

impl Scratch {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// In memory if there is a place for it: for many small trees that are laid out and synced.
    pub fn in_memory() -> Self {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        Self(folder.unwrap())
    }
}

impl From<TempDir> for Scratch {
    fn from(folder: TempDir) -> Self {
        Self(folder)
    }
}

impl Deref for Scratch {
    type Target = TempDir;

    fn deref(&self) -> &TempDir {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let leaks = leaks(self.0.path());
            assert!(leaks.is_empty(), "secrets stand where none belong:\n{}", leaks.join("\n"));
        }
    }
}

/// Keeps what a command said, to be looked through with the rest.
pub fn said(folder: &Path, output: [&[u8]; 2]) {
    let mut file = OpenOptions::new().create(true).append(true).open(folder.join(SAID)).unwrap();
    output.iter().for_each(|text| file.write_all(text).unwrap());
}

/// What is wrong below a folder, a line each.
pub fn leaks(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    files(folder, &mut found);
    let (keys, others): (Vec<_>, Vec<_>) = found.into_iter().partition(|(path, bytes)| is_for_a_key(path, bytes));
    let texts: Vec<_> = keys.iter().filter_map(|(_, bytes)| str::from_utf8(bytes).ok()).collect();
    // Each line by itself: whoever cuts or joins lines shows it all the same. The third may be of the public half.
    let lines = texts.iter().flat_map(|text| text.lines().skip(1).take(2)).filter(|line| line.len() >= 32);
    let secrets = SECRETS.iter().map(|secret| ("a secret", secret.as_bytes()));
    let needles: Vec<(&str, &[u8])> = lines
        .map(|line| ("a line of a private key", line.as_bytes()))
        .chain(secrets)
        .chain([("a PEM of a private key", EDGE)])
        .collect();
    let open =
        keys.iter().filter(|(path, _)| path.metadata().is_ok_and(|found| found.permissions().mode() & 0o077 != 0));
    let mut leaks: Vec<String> =
        open.map(|(path, _)| format!("{} is a key that others may read", path.display())).collect();
    for (path, bytes) in &others {
        let held = needles.iter().filter(|(_, needle)| holds(bytes, needle));
        leaks.extend(held.map(|(what, _)| format!("{} holds {what}", path.display())));
    }
    leaks
}

/// A key file holds a key and its certificates and nothing else; an export with keys says so by its name.
fn is_for_a_key(path: &Path, bytes: &[u8]) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let begins = bytes.starts_with(b"-----BEGIN ")
        && bytes.split(|b| *b == b'\n').next().is_some_and(|line| line.ends_with(EDGE));
    begins || HOMES.contains(&&*name) || name.ends_with(".export") || name == "EXPORT.json"
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(bytes, needle).is_some()
}

fn files(folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    // What a test has closed, or a server is taking away, is not looked at.
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        match path.symlink_metadata() {
            Ok(kind) if kind.is_dir() => files(&path, found),
            Ok(kind) if kind.is_file() && kind.len() <= MOST && !OTHERS.iter().any(|name| path.ends_with(name)) => {
                found.extend(fs::read(&path).ok().map(|bytes| (path, bytes)));
            }
            _ => {}
        }
    }
}
