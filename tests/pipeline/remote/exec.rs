//! Hooks that write TXT records for other providers.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use countersign::failpoint::VARIABLE;
use countersign::sandbox::{Options, RecordSet};

use super::super::rig::Lab;
use super::{APPLY, Page};

/// Word, path, mode and script of each hook. It takes the zone `WORD.test`.
const HOOKS: [(&str, &str, u32, &str); 7] = [
    ("cname", "cname", 0o755, "exit 0"),
    ("failing", "failing", 0o755, "echo the token is wrong >&2; exit 1"),
    ("gone", "", 0, ""),
    ("inside", "state/inside", 0o755, "exit 0"),
    ("open", "open", 0o757, "exit 0"),
    ("plain", "plain", 0o644, "exit 0"),
    ("strange", "strange", 0o755, "exit 42"),
];

fn configure(lab: &Lab) {
    let entry = |(word, path, ..): (&str, &str, u32, &str)| {
        let path = if path.is_empty() { word } else { path };
        format!("    {word}: {{command: {}, zones: [{word}.test]}}\n", lab.path(path).display())
    };
    lab.reconfigure("buckets:", &format!("  exec:\n{}buckets:", HOOKS.map(entry).concat()));
    lab.store();
    for (_, path, mode, script) in HOOKS.into_iter().filter(|(_, path, ..)| !path.is_empty()) {
        // By a shell: what this process has open for writing could not be run.
        let line = format!("printf '#!/bin/sh\\n%s\\n' \"{script}\" > '{}'", lab.path(path).display());
        assert!(Command::new("sh").args(["-c", &line]).status().unwrap().success());
        fs::set_permissions(lab.path(path), fs::Permissions::from_mode(mode)).unwrap();
    }
}

#[test]
fn what_is_wrong_with_a_hook_is_told_with_what_to_do() {
    let zones = HOOKS.map(|(word, ..)| (format!("Z{}", word.to_uppercase()), format!("{word}.test"))).into();
    let lab = Lab::with_options(Options { zones, ..Options::default() });
    configure(&lab);
    let elsewhere = RecordSet {
        name: "_acme-challenge.www.cname.test".into(),
        kind: "CNAME".into(),
        ttl: 60,
        values: vec!["proof.cname.test.".into()],
        routing: None,
    };
    lab.sandbox.seed_record("ZCNAME", elsewhere).unwrap();
    let list = HOOKS.map(|(word, ..)| (word, format!("www.{word}.test")));
    lab.list(&list.iter().map(|(name, domain)| (*name, domain.as_str())).collect::<Vec<_>>());
    let mut page = Page::default();
    page.run(&lab, &APPLY);
    page.run(&lab, &["doctor"]);
    page.is("exec");
}

#[test]
fn a_hook_that_left_the_config_before_its_record_is_told_with_what_to_do() {
    let zones = vec![("ZCNAME".to_owned(), "cname.test".to_owned())];
    let lab = Lab::with_options(Options { zones, ..Options::default() });
    let config = lab.read("countersign.yaml");
    configure(&lab);
    lab.list(&[("www", "www.cname.test")]);
    assert_eq!(lab.run_with(&APPLY, &[(VARIABLE, "after-present")]).code, None);
    lab.write("countersign.yaml", &config);
    lab.list(&[]);
    let mut page = Page::default();
    page.run(&lab, &[&APPLY[..], &["--force-limits"]].concat());
    page.is("exec-unknown");
}
