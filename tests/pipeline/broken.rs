//! A disk, a clock and a process that are not as they should be.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use countersign::failpoint::VARIABLE;

use super::rig::{Lab, Ran};

const ONE: [(&str, &str); 1] = [("www", "www.example.com")];
const APPLY: [&str; 2] = ["apply", "--auto-approve"];

fn lab() -> Lab {
    let lab = Lab::new();
    lab.list(&ONE);
    lab
}

/// An apply in which each such call about a path of the store fails.
fn spoilt(lab: &Lab, path: &str, harm: &str) -> Ran {
    let (path, inject) = (lab.path("state").join(path), format!("inject={harm}"));
    let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", path.to_str().unwrap(), "-e", &inject];
    lab.run_under(&strace, &APPLY, &[])
}

/// The lineage failed with this code, and the next run has one certificate to show for both.
fn assert_made_good(lab: &Lab, ran: &Ran, code: &str, orders: usize) {
    assert_eq!((ran.code, lab.count("newOrder"), lab.txt()), (Some(3), orders, vec![]), "{ran:?}");
    assert!(ran.bad()[0].starts_with(&format!("certs.issue/www [{code}] ")), "{ran:?}");
    lab.forget_back_off();
    lab.done();
    assert_eq!((lab.sandbox.issued().len(), lab.count("newOrder"), lab.published("www")), (1, 1, Some(1)));
}

#[test]
#[ignore = "needs strace: ci/install"]
fn nothing_is_ordered_when_the_disk_is_too_full_for_the_intent() {
    for file in ["journal/.www.key.tmp", "journal/.www.json.tmp"] {
        let lab = lab();
        let ran = spoilt(&lab, file, "write:error=ENOSPC");
        assert_made_good(&lab, &ran, "store:no-space", 0);
    }
}

#[test]
#[ignore = "needs strace: ci/install"]
fn nothing_is_ordered_when_the_intent_cannot_be_synced() {
    for (path, harm) in [("journal/.www.key.tmp", "fsync:error=EIO"), ("journal/.www.json.tmp", "fsync:error=EIO")] {
        let lab = lab();
        let ran = spoilt(&lab, path, harm);
        assert_made_good(&lab, &ran, "store:io", 0);
    }
}

#[test]
#[ignore = "needs strace: ci/install"]
fn a_certificate_that_found_no_room_is_stored_by_the_next_run() {
    for file in ["privkey.pem", "meta.json"] {
        let lab = lab();
        let ran = spoilt(&lab, &format!("archive/www/.1.tmp/{file}"), "write:error=ENOSPC");
        assert_made_good(&lab, &ran, "store:no-space", 1);
    }
}

#[test]
#[ignore = "needs a file system of its own: unshare"]
fn nothing_is_ordered_when_there_is_no_room_for_what_comes_of_it() {
    let lab = lab();
    lab.store();
    let small = "mount -t tmpfs -o size=512k none state && exec \"$0\" \"$@\"";
    let ran = lab.run_under(&["unshare", "-rm", "sh", "-c", small], &APPLY, &[]);
    assert_eq!((ran.code, lab.count("newOrder"), lab.count("ChangeResourceRecordSets")), (Some(3), 0, 0), "{ran:?}");
    assert!(ran.bad()[0].starts_with("certs.issue/www [store:no-space] "), "{ran:?}");
}

#[test]
#[ignore = "needs strace: ci/install"]
fn a_folder_of_the_store_that_takes_no_files_ends_the_run_before_it_asks_anybody() {
    for folder in ["journal", "archive", "accounts", "live"] {
        let lab = lab();
        lab.store();
        let ran = spoilt(&lab, folder, "openat:error=EROFS");
        assert_eq!((ran.code, lab.sandbox.log().counts().len()), (Some(1), 0), "{folder}: {ran:?}");
        assert!(ran.err.contains("[store:unwritable]") && ran.err.contains("hint: "), "{folder}: {ran:?}");
    }
}

#[test]
#[ignore = "needs faketime: ci/install"]
fn a_clock_that_is_an_hour_wrong_orders_nothing() {
    let lab = lab();
    let ran = lab.run_under(&["faketime", "-f", "+1h"], &APPLY, &[("FAKETIME_DONT_FAKE_MONOTONIC", "1")]);
    assert_eq!((ran.code, lab.count("newOrder")), (Some(3), 0), "{ran:?}");
    assert!(ran.bad()[0].contains(" ahead of the CA's"), "{ran:?}");
}

#[test]
#[ignore = "needs faketime: ci/install"]
fn doctor_says_by_how_much_the_clock_is_wrong() {
    let lab = lab();
    let ran = lab.run_under(&["faketime", "-f", "+1h"], &["doctor"], &[("FAKETIME_DONT_FAKE_MONOTONIC", "1")]);
    assert!(ran.code == Some(1) && ran.out.contains("FAIL  clock"), "{ran:?}");
}

#[test]
fn a_crash_leaves_no_core_behind() {
    let lab = lab();
    let generous = ["sh", "-c", "ulimit -c unlimited; exec \"$0\" \"$@\""];
    let ran = lab.run_under(&generous, &APPLY, &[(VARIABLE, "after-intent")]);
    assert_eq!(ran.code, None, "{ran:?}");
    let left = fs::read_dir(lab.path(".")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(left.filter(|name| name.starts_with("core")).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn no_umask_opens_the_store_to_others() {
    let lab = lab();
    let generous = ["sh", "-c", "umask 000; exec \"$0\" \"$@\""];
    let ran = lab.run_under(&generous, &APPLY, &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let mut open = Vec::new();
    walk(&lab.path("state"), &mut |path, mode| {
        let secret = path.is_dir() || path.ends_with("privkey.pem") || path.ends_with("key.pem");
        if mode & (if secret { 0o077 } else { 0o022 }) != 0 {
            open.push(format!("{mode:o} {}", path.display()));
        }
    });
    // The folders of git objects stand below one that is closed.
    open.retain(|line| !line.contains("/state/git/"));
    assert_eq!(open, [""; 0]);
}

fn walk(path: &Path, found: &mut impl FnMut(&Path, u32)) {
    let about = path.symlink_metadata().unwrap();
    if about.is_symlink() {
        return;
    }
    found(path, about.permissions().mode() & 0o7777);
    if about.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| walk(&entry.unwrap().path(), found));
    }
}
