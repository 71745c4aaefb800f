//! The arrow rule: the core is pure, adapters know their port and not each other.

use std::fs;
use std::path::{Path, PathBuf};

/// Modules without effects: no files, no network, no environment, no clock, no async runtime.
const PURE: [&str; 21] = [
    "audit", "caa", "diag", "event", "explain", "export", "fault", "hook", "journal", "ledger", "lineage", "list",
    "name", "outcome", "plan", "port", "premerge", "report", "secret", "trust", "yaml",
];

/// What a pure module may not name.
const EFFECTS: [&str; 9] = [
    "tokio::",
    "std::fs",
    "std::env",
    "std::net",
    "std::process",
    "thread::sleep",
    "SystemTime",
    "now_utc",
    "std::io::std",
];

/// What must not be named in a module: (module, others).
const FORBIDDEN: [(&str, &[&str]); 17] = [
    ("ca", &["source", "dns", "web", "store", "bucket", "plan", "apply", "report", "cli"]),
    ("dns", &["source", "ca", "web", "store", "bucket", "plan", "apply", "report", "cli", "list"]),
    ("web", &["source", "ca", "dns", "store", "bucket", "plan", "apply", "report", "cli", "list"]),
    ("bucket", &["source", "ca", "dns", "store", "plan", "apply", "report", "cli", "list"]),
    ("store", &["source", "ca", "dns", "bucket", "plan", "apply", "report", "cli"]),
    ("source", &["ca", "dns", "store", "bucket", "plan", "apply", "report", "cli", "list"]),
    ("apply", &["source", "ca", "dns", "web", "store", "cli", "report", "trust"]),
    ("plan", &["source", "ca", "dns", "store", "bucket", "apply", "report", "cli", "outcome"]),
    ("trust", &["source", "ca", "dns", "store", "bucket", "plan", "apply", "report", "cli", "port"]),
    ("list", &["trust", "source", "ca", "dns", "store", "bucket", "plan", "apply", "report", "cli", "port"]),
    ("import", &["source", "ca", "dns", "store", "bucket", "plan", "apply", "report", "cli", "trust"]),
    ("report", &["source", "ca", "dns", "store", "bucket", "apply", "cli"]),
    ("port", &["trust", "source", "ca", "dns", "store", "bucket", "plan", "apply", "report", "cli"]),
    ("served", &["trust", "source", "ca", "dns", "store", "bucket", "plan", "apply", "report", "cli", "port"]),
    ("program", &["trust", "source", "ca", "dns", "store", "bucket", "plan", "apply", "report", "cli", "port"]),
    (
        "ledger",
        &["trust", "source", "ca", "dns", "store", "bucket", "plan", "apply", "report", "cli", "port", "journal"],
    ),
    ("journal", &["trust", "source", "ca", "dns", "store", "bucket", "plan", "apply", "report", "cli", "port"]),
];

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The files of a top-level module, without their tests.
fn files(module: &str) -> Vec<(PathBuf, String)> {
    let mut paths = vec![src().join(format!("{module}.rs"))];
    let mut folders = vec![src().join(module)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { paths.push(path) }
        }
    }
    paths.retain(|path| !path.ends_with("tests.rs"));
    let code = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        text.split("#[cfg(test)]").next().unwrap_or_default().to_owned()
    };
    paths.iter().map(|path| (path.clone(), code(path))).collect()
}

#[test]
fn the_core_has_no_effects() {
    for module in PURE {
        for (path, code) in files(module) {
            for effect in EFFECTS {
                assert!(!code.contains(effect), "{} names {effect}", path.display());
            }
        }
    }
}

#[test]
fn arrows_point_one_way() {
    for (module, forbidden) in FORBIDDEN {
        for (path, code) in files(module) {
            for other in forbidden {
                for arrow in [format!("crate::{other}::"), format!("crate::{other};")] {
                    assert!(!code.contains(&arrow), "{} names {arrow}", path.display());
                }
            }
        }
    }
}

#[test]
fn only_the_store_writes_files() {
    for module in ["apply", "bucket", "ca", "cli", "config", "dns", "plan", "report", "source"] {
        for (path, code) in files(module) {
            for write in ["fs::write", "File::create", "OpenOptions"] {
                assert!(!code.contains(write), "{} names {write}: use store::write", path.display());
            }
        }
    }
}

#[test]
fn only_wire_builds_adapters() {
    for (path, code) in files("cli").into_iter().chain(files("apply")) {
        let builds =
            ["AcmeCa::new", "DnsSolver::new", "WebSolver::new", "S3Bucket::new"].iter().any(|made| code.contains(made));
        assert!(!builds || path.ends_with("cli/wire.rs"), "{} builds an adapter", path.display());
    }
}
