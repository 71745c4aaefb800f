//! The codes of failures: each that the sources name is explained, in `docs/errors.md` too, and each that a command can
//! be made to show stands in a golden file.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use countersign::explain::{self, Kind};

use super::{assert_stands, root};

fn document() -> String {
    let mut text = String::from(
        "# Errors\n\nMade by `UPDATE_DOCS=1 cargo test --test rules` from `src/explain/faults.md`. Do not edit.\n\n\
         Every failure ends in a code in brackets, such as `[dns:not-visible]`: at the terminal, in the log, in JUnit and \
         in JSON. A code keeps its meaning. `countersign explain CODE` shows what stands here; the message itself says \
         which name, file or server it is about. What begins with a letter and two digits, or has no colon, is a rule: see \
         [rules.md](rules.md).\n\n| code | what it means | what to do |\n|---|---|---|\n",
    );
    for Kind { code, what, fix } in explain::kinds() {
        writeln!(text, "| `{code}` | {what} | {fix} |").unwrap();
    }
    text
}

#[test]
fn the_table_of_errors_is_up_to_date() {
    assert_stands("errors.md", &document());
}

/// The files below a folder whose names end so.
fn files(folder: PathBuf, end: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => files(path, end),
            false => vec![path],
        })
        .filter(|path| path.to_string_lossy().ends_with(end))
        .collect()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// `origin:kind`, as kinds of failure are written. Kinds of AWS, and actions of IAM, begin with a capital letter.
fn is_code(text: &str) -> bool {
    let lower = |c: char| c.is_ascii_lowercase();
    let word = |word: &str| word.starts_with(lower) && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    text.split_once(':').is_some_and(|(origin, kind)| {
        origin.len() > 1 && !origin.starts_with("urn") && word(origin) && word(kind) && !kind.ends_with('-')
    })
}

/// The texts in quotes, without those of the unit tests.
fn quoted(source: &str) -> Vec<&str> {
    let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(|line| line.split('"').skip(1)).collect()
}

/// What the sources give to failures as their code, or compare it with.
fn in_sources() -> BTreeSet<String> {
    let sources = files(root().join("src"), ".rs").into_iter().filter(|path| {
        let path = path.to_string_lossy();
        !path.ends_with("tests.rs") && !path.contains("/tests/") && !path.contains("/sandbox/")
    });
    let texts: Vec<String> = sources.map(|path| read(&path)).collect();
    let quoted = texts.iter().flat_map(|text| quoted(text));
    // The key of a condition of IAM, and the beginning of what a CA's web server says.
    let other = |text: &str| text == "s3:prefix" || text.starts_with("acme:http-");
    quoted.filter(|text| is_code(text) && !other(text)).map(str::to_owned).collect()
}

#[test]
fn every_code_in_the_sources_is_explained() {
    let known: BTreeSet<&str> = explain::kinds().map(|kind| kind.code).collect();
    let unknown = in_sources().into_iter().filter(|code| !known.contains(code.as_str()));
    assert_eq!(unknown.collect::<Vec<_>>(), [""; 0]);
}

/// CAs and AWS name kinds of their own; ours stand in the sources.
#[test]
fn every_code_that_is_explained_can_happen() {
    let sources: String = files(root().join("src"), ".rs").iter().map(|path| read(path)).collect();
    let of_servers = |code: &str| code.starts_with("acme:") || code.ends_with(":*") || code == "s3:AccessDenied";
    let dead =
        explain::kinds().filter(|kind| !of_servers(kind.code) && !sources.contains(&format!("\"{}\"", kind.code)));
    assert_eq!(dead.map(|kind| kind.code).collect::<Vec<_>>(), [""; 0]);
}

/// No command shows these in a test.
const UNSEEN: &[(&str, &[&str])] = &[
    (
        "the machine fails in a way that no test can ask for",
        &[
            "demo:command",
            "gate:program",
            "http:random",
            "http:tls",
            "acme:no-tls",
            "key:generate",
            "run:runtime",
            "run:signals",
            "sandbox:start",
            "schedule:program",
            "schedule:random",
            "store:write",
        ],
    ),
    (
        "a bug, or a guard behind another one",
        &[
            "acme:no-challenge",
            "demo:surprise",
            "dns:not-txt",
            "http:not-a-file",
            "route53:bug",
            "route53:no-change-id",
            "run:bug",
            "sandbox:repo",
            "store:authority",
            "store:read-only",
            "trust:refused",
            "G11-readings",
        ],
    ),
    (
        "shown under another code, or in the log alone",
        &["acme:alreadyRevoked", "acme:order-pending", "config:readable"],
    ),
    ("the list is refused first", &["http:no-folder", "key:unknown", "provided:unknown", "s3:unknown-bucket"]),
    ("two runs would have to meet at one moment", &["export:changed", "journal:key-lost"]),
    ("needs a user who is not root", &["pull:unwritable"]),
    ("needs a gigabyte", &["git:too-large"]),
    ("nothing can be read where it happens: `tests/operator/printed.rs`", &["run:output"]),
    ("needs minutes", &["dns:not-visible", "route53:pending", "route53:unreachable"]),
    (
        "needs the machine's own resolver",
        &["dns:delegation", "dns:no-address", "dns:no-name-server", "dns:no-resolver"],
    ),
    ("TLS ends before there is anything to look at", &["served:malformed", "served:nothing"]),
];

#[test]
fn every_kind_of_error_stands_in_a_golden_file_or_here_with_a_reason() {
    let folders = ["tests/operator", "tests/pipeline", "tests/trust", "tests/validate", "tests/cases"];
    let golden: String =
        folders.iter().flat_map(|at| files(root().join(at), ".snap")).map(|path| read(&path)).collect();
    let is_shown = |code: &&str| [format!("[{code}]"), format!("{code}: ")].iter().any(|text| golden.contains(text));
    let kinds = explain::kinds().map(|kind| kind.code).filter(|code| !code.ends_with('*'));
    let all = kinds.chain(explain::all().map(|rule| rule.id));
    let unseen: BTreeSet<&str> = all.filter(|code| !is_shown(code)).collect();
    let excused: BTreeSet<&str> = UNSEEN.iter().flat_map(|(_, codes)| *codes).copied().collect();
    assert_eq!(unseen, excused);
}
