//! Modes under a hostile umask. The umask belongs to a process, so each case runs in one of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use countersign::port::Store;
use countersign::secret::Secret;
use countersign::store::lock::Lock;
use countersign::store::{Document, FileStore};
use time::macros::datetime;

use crate::canary::Scratch;

const ROOT: &str = "COUNTERSIGN_TEST_ROOT";

#[test]
fn modes_do_not_depend_on_the_umask() {
    for umask in ["000", "022", "077", "777"] {
        let dir = Scratch::new();
        let root = dir.path().join("state");
        let this = std::env::current_exe().unwrap();
        let script = format!("umask {umask}; exec \"$0\" --ignored --exact disk::umask::writes_into_a_store");
        let child = Command::new("sh").arg("-c").arg(script).arg(this).env(ROOT, &root).output().unwrap();
        assert!(child.status.success(), "umask {umask}: {}", String::from_utf8_lossy(&child.stdout));
        let modes = ["", "journal", "accounts", "journal/www.key", "ledger.json", "schema", "lock"]
            .map(|path| mode(&root, path));
        assert_eq!(modes, [0o700, 0o700, 0o700, 0o600, 0o600, 0o600, 0o600], "umask {umask}");
    }
}

/// Run by the test above, in a process with the umask in question.
#[test]
#[ignore = "it is a part of modes_do_not_depend_on_the_umask"]
fn writes_into_a_store() {
    let root = std::env::var_os(ROOT).expect("the root comes from the other test");
    let root = Path::new(&root);
    let _lock = Lock::acquire(root, "apply", datetime!(2026-06-01 00:00 UTC)).unwrap();
    let store = FileStore::open(root).unwrap();
    let www = countersign::name::LineageName::parse("www").unwrap();
    store.write_attempt_key(&www, &Secret::new("key".into())).unwrap();
    store.write_json(Document::Ledger, &[1]).unwrap();
}

fn mode(root: &Path, path: &str) -> u32 {
    fs::symlink_metadata(root.join(path)).unwrap().permissions().mode() & 0o7777
}
