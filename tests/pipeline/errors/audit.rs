//! What the log of a store does not explain.

use std::fs;

use countersign::sandbox::Mishap;
use countersign::sandbox::repo::Signer;

use super::super::rig::BUCKET;
use super::Errors;

/// Findings fail an audit or only warn.
fn audit(errors: &mut Errors, cause: &str, more: &[&str]) {
    let args = [&["audit"], more].concat();
    let (code, out, err) = errors.lab.ask(&args);
    errors.answers.add(cause, &crate::answers::answer(&args, code, &out, &err));
}

#[test]
fn of_an_audit() {
    let mut errors = Errors::live();
    let log = errors.lab.read("state/audit.jsonl");
    let signer = errors.lab.signer.allowed_signers_line();
    errors.lab.write("allowed_signers", &Signer::generate("bob@example.com").allowed_signers_line());
    audit(&mut errors, "the signer has left", &[]);
    errors.lab.write("allowed_signers", &signer);
    let revoked = format!("revoked: [\"{}\"], allowed_signers", errors.lab.signer.fingerprint());
    errors.configure("allowed_signers", &revoked);
    audit(&mut errors, "the signer is revoked", &[]);
    errors.as_before();
    errors.lab.write("state/audit.jsonl", &format!("{log}{{\"kind\""));
    audit(&mut errors, "a line is torn", &[]);
    errors.lab.write("state/audit.jsonl", &log.replacen("ann@example.com", "eve@example.com", 1));
    audit(&mut errors, "a line was changed", &[]);
    errors.lab.write("state/audit.jsonl", &log.split_inclusive('\n').take(1).collect::<String>());
    audit(&mut errors, "the log was cut", &["--online"]);
    errors.lab.write("state/audit.jsonl", &log);
    let meta = errors.lab.read("state/archive/www/1/meta.json");
    let commit = errors.lab.repo.head().unwrap();
    errors.lab.write("state/archive/www/1/meta.json", &meta.replace(commit.as_str(), &"a".repeat(40)));
    audit(&mut errors, "nobody asked for a certificate", &[]);
    errors.lab.write("state/archive/www/1/meta.json", &meta);
    errors.lab.sandbox.seed_object(BUCKET, "certs/evil/current.json", "x").unwrap();
    audit(&mut errors, "nobody asked for an object", &["--online"]);
    errors.lab.sandbox.seed_object(BUCKET, "certs/audit-head.json", "x").unwrap();
    audit(&mut errors, "the copy of the log's end is none", &["--online"]);
    errors.hold("audit");
}

#[test]
fn of_a_copy_that_somebody_else_writes() {
    let mut errors = Errors::live();
    errors.lab.repo.commit(&[("README.md", "x")], "Nothing", Some(&errors.lab.signer)).unwrap();
    errors.lab.sandbox.faults().script("PutObject", 1, Mishap::refused(412, "PreconditionFailed"));
    errors.apply("two stores publish here");
    errors.hold("audit-copy");
}

#[test]
fn of_an_audit_after_a_restore() {
    let mut errors = Errors::live();
    let lab = &errors.lab;
    assert_eq!(lab.ask(&["export", "www", "--with-keys", "--out", "www.export"]).0, Some(0));
    fs::remove_dir_all(lab.path("state")).unwrap();
    lab.list(&[("www", "www.example.com"), ("api", "api.example.com")]);
    errors.configure("introduction: ", &format!("introduction: {} #", lab.repo.head().unwrap()));
    let text = errors.lab.read("countersign.yaml");
    let cut = text.lines().map(|line| line.split(" #").next().unwrap_or_default());
    let line = |line: &str| {
        if line.starts_with("trust:") {
            format!("{line}, allowed_signers: allowed_signers}}\n")
        } else {
            format!("{line}\n")
        }
    };
    errors.lab.write("countersign.yaml", &cut.map(line).collect::<String>());
    let restored = errors.lab.ask(&["restore", "www.export", "www"]);
    assert_eq!(restored.0, Some(0), "{restored:?}");
    audit(&mut errors, "a lineage of another store came back", &[]);
    errors.hold("audit-restored");
}
