//! What a night reads like, word for word: one certificate is issued, one has no zone, one is not due.

use std::fs;

use std::time::Duration;

use super::rig::Lab;

/// There is no zone for the first.
const ALL: [(&str, &str); 3] =
    [("elsewhere", "www.elsewhere.test"), ("new", "new.example.com"), ("www", "www.example.com")];

fn golden(name: &str, text: &str) {
    crate::snapshot::golden("pipeline", name, text);
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
