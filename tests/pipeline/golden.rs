//! What a night reads like, word for word: one certificate is issued, one has no zone, one is not due.
//! `INSTA_UPDATE=always` writes the files anew.

use std::fs;

use std::time::Duration;

use super::rig::Lab;

/// There is no zone for the first.
const ALL: [(&str, &str); 3] =
    [("elsewhere", "www.elsewhere.test"), ("new", "new.example.com"), ("www", "www.example.com")];

/// With what differs from run to run made equal.
fn golden(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("golden");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (what, instead) in [
        (r"/tmp/\.tmp\w{6}", "DIR"),
        (r"127\.0\.0\.1:\d+", "HOST"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)? UTC", "TIME"),
        (r"\d{4}-\d\d-\d\d", "DAY"),
        (r"SHA256:[A-Za-z0-9+/]{43}", "SHA256:KEY"),
        (r"sha256:[0-9a-f]{64}", "sha256:DIGEST"),
        (r"\b[0-9a-f]{40}\b", "COMMIT"),
        (r"\b[0-9a-f]{30,39}\b", "SERIAL"),
        (r"(commit|@) [0-9a-f]{10}\b", "$1 COMMIT"),
        (r#"time="\d+\.\d{3}""#, r#"time="0.000""#),
        (r"\b\d+\.\d ?s\b", "0.0s"),
        (r"/(order|acct|account)/[\w/-]+", "/$1/ID"),
    ] {
        settings.add_filter(what, instead);
    }
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn a_night_reads_as_it_did() {
    let lab = Lab::new();
    lab.list(&ALL[2..]);
    lab.done();
    // So that one ends before the other.
    lab.sandbox.advance(Duration::from_secs(600));
    lab.list(&ALL);
    let page = lab.path("page").display().to_string();

    golden("plan", &lab.run(&["plan"]).out);
    let ran = lab.run(&["apply", "--auto-approve", "--html", &page]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    golden("apply", &ran.out);
    golden("junit.xml", &lab.read("junit.xml"));
    golden("index.html", &fs::read_to_string(lab.path("page/index.html")).unwrap().replace("><", ">\n<"));
    golden("status", &lab.ask(&["status"]).1);
    golden("show", &lab.ask(&["show", "www"]).1);
    golden("audit", &lab.ask(&["audit"]).1);
    lab.unsigned_list(&[("evil", "evil.example.com")]);
    let ran = lab.run(&["apply", "--auto-approve"]);
    golden("refused", &format!("{}--- stderr\n{}", ran.out, ran.err));
}
