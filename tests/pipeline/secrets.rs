//! Nothing that a run writes holds a secret, but for the files that are there for it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use countersign::failpoint::VARIABLE;
use countersign::sandbox::SECRET_KEY;

use super::rig::{BUCKET, Lab};
use crate::canary::{Scratch, leaks};

/// The bucket as a folder, but for what holds a key there.
fn copy_bucket(lab: &Lab) {
    for key in lab.sandbox.keys(BUCKET).iter().filter(|key| !key.ends_with("/privkey.pem")) {
        lab.write(
            &format!("s3 {}", key.replace('/', " ")),
            &String::from_utf8_lossy(&lab.sandbox.object(BUCKET, key).unwrap().body),
        );
    }
}

#[test]
fn no_secret_stands_anywhere_but_in_its_own_file() {
    let lab = Lab::new();
    lab.list(&[("api", "api.example.com"), ("www", "www.example.com")]);
    let apply = ["apply", "--auto-approve", "-vv", "--json", "--log-file", "log"];
    // A crash with a key in the journal, a bug, and a good run.
    let ends = [(VARIABLE, "after-order-journaled:2"), (VARIABLE, "after-download:1:panic"), (VARIABLE, "never")];
    for end in ends {
        lab.run_with(&apply, &[end, ("RUST_LOG", "trace")]);
        assert_eq!(leaks(&lab.path(".")), [""; 0], "{end:?}");
        lab.forget_back_off();
    }
    copy_bucket(&lab);
    assert_eq!(leaks(&lab.path(".")), [""; 0]);
    assert!(lab.read(".said").len() > 10_000 && lab.read("log").len() > 10_000, "the traces are looked through");
}

/// What each text in a file beside a private key is taken for.
#[test]
fn a_secret_that_is_planted_is_found() {
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem().replace("\r\n", "\n");
    let line = key.lines().nth(1).unwrap();
    for (text, mode, leak) in [
        (key.clone(), 0o644, "is a key that others may read"),
        (format!("it says {key}"), 0o600, "holds a PEM of a private key"),
        (serde_json::json!({ "key": key }).to_string(), 0o600, "holds a line of a private key"),
        (format!("lines {line}\\n"), 0o600, "holds a line of a private key"),
        (format!("AWS_SECRET_ACCESS_KEY={SECRET_KEY}"), 0o600, "holds a secret"),
    ] {
        let scratch = Scratch::new();
        let write = |name: &str, text: &str, mode| {
            let path = scratch.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        };
        write("privkey.pem", &key, 0o600);
        assert_eq!(leaks(scratch.path()), [""; 0]);
        write("report.json", &text, mode);
        assert!(leaks(scratch.path()).iter().any(|found| found.ends_with(leak)), "{text}");
        fs::remove_file(scratch.path().join("report.json")).unwrap();
    }
}
