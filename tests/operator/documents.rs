//! The documents: links, the book, and the tutorial line by line.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Place, read};

/// The shell blocks of a document, in order, with what stands behind `sh` on the fence.
fn blocks(text: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    for part in text.split("\n```sh").skip(1) {
        let (kind, rest) = part.split_once('\n').unwrap();
        let (block, _) = rest.split_once("\n```").unwrap();
        blocks.push((kind.trim().to_owned(), block.to_owned()));
    }
    blocks
}

/// Every page that users read, by its path from the top.
pub fn documents() -> Vec<(String, String)> {
    let top = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "policy/README.md"];
    let found = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")).unwrap();
    let found = found.map(|entry| format!("docs/{}", entry.unwrap().file_name().display()));
    let mut paths: Vec<String> = top.map(str::to_owned).into_iter().chain(found).collect();
    paths.sort();
    paths.into_iter().filter(|path| path.ends_with(".md")).map(|path| (path.clone(), read(&path))).collect()
}

/// Where the links of a text lead to, without those to other hosts.
fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
    targets.filter(|target| !target.contains("://") && !target.starts_with("mailto:")).collect()
}

/// The anchors that mdBook and forges make of the headings of a text.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |c: &char| c.is_alphanumeric() || " -_".contains(*c);
    headings.map(|heading| heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")).collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_are_there() {
    for (path, text) in documents() {
        for link in links(&text) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let file = if file.is_empty() { path.clone() } else { joined(&path, file) };
            assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(&file).exists(), "{path}: {link}");
            assert!(anchor.is_empty() || anchors(&read(&file)).iter().any(|found| found == anchor), "{path}: {link}");
        }
    }
}

fn joined(page: &str, link: &str) -> String {
    Path::new(page).parent().unwrap().join(link).display().to_string()
}

#[test]
#[ignore = "needs mdbook: ci/install"]
fn mdbook_builds_the_book_without_a_complaint() {
    // Not looked through for secrets: the pages show the one of the sandbox.
    let folder = tempfile::tempdir().unwrap();
    let book = folder.path().join("book");
    let venv = std::env::var("COUNTERSIGN_VENV").unwrap_or_else(|_| "target/venv".into());
    let output = Command::new(format!("{venv}/bin/mdbook"))
        .args(["build", "--dest-dir", book.to_str().unwrap()])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && !said.contains("WARN") && !said.contains("ERROR"), "{said}");
    let pages = fs::read_dir(&book).unwrap().map(|entry| entry.unwrap().file_name().display().to_string());
    let pages: Vec<String> = pages.filter(|page| page.ends_with(".html")).collect();
    for (path, _) in documents().iter().filter(|(path, _)| path.starts_with("docs/") && !path.ends_with("SUMMARY.md")) {
        assert!(pages.contains(&path[5..].replace(".md", ".html")), "{path}: {pages:?}");
    }
    assert!(fs::read_to_string(book.join("list.html")).unwrap().contains("certificates:"), "the example stands in it");
}

#[test]
fn every_document_is_in_the_book() {
    let summary = read("docs/SUMMARY.md");
    let pages = links(&summary);
    for (path, _) in documents().iter().filter(|(path, _)| path.starts_with("docs/") && !path.ends_with("SUMMARY.md")) {
        assert!(pages.contains(&&path[5..]), "{path} is not in docs/SUMMARY.md");
    }
}

#[test]
fn the_tutorial_can_be_followed_line_by_line() {
    let place = Place::configured();
    let mut script = "set -eu\n".to_owned();
    for (kind, block) in blocks(&read("docs/tutorial.md")) {
        match kind.as_str() {
            "terminal" => script.push_str(&format!(
                "{block} > sandbox.log 2>&1 & sandbox=$!\ntrap 'kill $sandbox' EXIT\n\
                 until grep -q 'Change the list' sandbox.log; do kill -0 $sandbox; done\n"
            )),
            _ => script.push_str(&format!("{block}\n")),
        }
    }
    place.write("tutorial.sh", &script);
    let bin = Path::new(env!("CARGO_BIN_EXE_countersign")).parent().unwrap();

    let output = Command::new("sh")
        .arg("tutorial.sh")
        .current_dir(place.path(""))
        .env_clear()
        .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display()))
        .env("HOME", place.path(""))
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .stdin(Stdio::null())
        .output()
        .unwrap();

    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("\nexit 4\n"), "the unsigned commit was refused: {said}");
    let shop: Vec<&str> = said.lines().filter(|line| line.starts_with("shop ") && line.contains("stashed")).collect();
    assert_eq!(shop.len(), 1, "shop is kept: {said}");
    place.forget_the_sandbox("tutorial.sh");
}
