//! The list and the runner's config, as their readers see them.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use countersign::diag::render::render;
use countersign::diag::{Code, Diagnostic, SourceFile};
use countersign::list::parse::{Known, Parsed, parse};

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/list")
}

fn known() -> Known {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Known { authorities: set(&["letsencrypt", "letsencrypt-staging"]), buckets: set(&["certs"]) }
}

fn file(path: &str, text: impl Into<Vec<u8>>) -> SourceFile {
    SourceFile { path: path.to_owned(), bytes: text.into() }
}

fn read(text: &str) -> Parsed {
    parse(&[file("domains.yaml", text)], Some(&known()))
}

/// One line a label: `line:column code`, further labels of the same diagnostic indented.
fn places(diagnostics: &[Diagnostic]) -> String {
    let mut text = String::new();
    for diagnostic in diagnostics {
        for (nth, label) in diagnostic.labels.iter().enumerate() {
            let (line, column) = (label.place.line, label.place.column);
            let what = if nth == 0 { diagnostic.code } else { &format!("  {}", label.text) };
            writeln!(text, "{line}:{column} {what}").unwrap();
        }
    }
    text
}

#[test]
fn every_case_gives_exactly_the_diagnostics_beside_it() {
    let mut wrong = String::new();
    for entry in std::fs::read_dir(cases()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let parsed = parse(&[file("domains.yaml", std::fs::read(&path).unwrap())], Some(&known()));
        let beside = path.with_extension("expected");
        let found = places(&parsed.diagnostics);
        if std::env::var_os("UPDATE_CASES").is_some() {
            std::fs::write(&beside, &found).unwrap();
        }
        let expected = std::fs::read_to_string(&beside).unwrap_or_default();
        if found != expected {
            write!(wrong, "{}\n--- expected\n{expected}--- found\n{found}", path.display()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
#[test]
fn show() {
    for n in [
        "unknown-key",
        "yaml-alias",
        "identifier-claimed-twice",
        "control-character",
        "not-utf8",
        "yaml-syntax",
        "yaml-syntax-nesting",
        "yaml-syntax-tab",
        "yaml-syntax-directive",
        "renew-before-too-long",
        "missing-key",
        "missing-key-nothing",
        "wrong-type",
        "bad-identifier",
        "mixed-script",
        "bidi-control",
        "line-separator",
        "bad-value",
        "unknown-authority",
        "too-many-identifiers",
        "must-staple",
        "lineage-names-collide",
        "bad-name",
    ] {
        let src = [file("domains.yaml", std::fs::read(cases().join(format!("{n}.yaml"))).unwrap())];
        println!("{}", render(&parse(&src, Some(&known())).diagnostics, &src, false));
    }
}
