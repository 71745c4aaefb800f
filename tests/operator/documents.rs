//! The documents: what they tell to type can be typed.

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

fn documents() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut documents: Vec<_> = found.filter(|path| path.extension().is_some_and(|end| end == "md")).collect();
    documents.extend(["README.md", "policy/README.md"].map(|name| root.join(name)));
    documents.sort();
    documents.iter().map(|path| (path.display().to_string(), fs::read_to_string(path).unwrap())).collect()
}

/// Every `countersign …` in back quotes, in a fenced block or in an indented line.
fn commands(text: &str) -> Vec<String> {
    let quoted = text.split('`').filter(|piece| piece.starts_with("countersign ") && !piece.contains('\n'));
    let mut found: Vec<String> = quoted.map(str::to_owned).collect();
    let mut fenced = false;
    for line in text.replace("\\\n", " ").lines() {
        fenced ^= line.trim_start().starts_with("```");
        let typed = line.trim().trim_start_matches('(');
        if typed.starts_with("countersign ") && (fenced || line.starts_with("    ")) {
            found.push(typed.to_owned());
        }
    }
    // The name on a placeholder certificate is none.
    found.retain(|command| !command.starts_with("countersign placeholder,"));
    found
}

/// The words of a command up to what is for the shell.
fn words(command: &str) -> Vec<String> {
    let plain = command.split(['#', '|', '>', ';', ')']).next().unwrap().replace(['"', '\'', '…'], "");
    plain.split_whitespace().take_while(|word| *word != "||").map(str::to_owned).collect()
}

#[test]
fn every_command_in_the_documents_is_understood() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (path, text) in documents() {
        for command in commands(&text) {
            let mut words = words(&command);
            words.remove(0);
            // `--help` is looked at last: a flag or a command that does not exist is an error before. What stands
            // behind `--` is another program's.
            words.truncate(words.iter().position(|word| word == "--").unwrap_or(words.len()));
            let known = Command::new(env!("CARGO_BIN_EXE_countersign")).args(&words).arg("--help").output().unwrap();
            seen += 1;
            if !known.status.success() {
                wrong.push(format!("{path}: {command}: {}", String::from_utf8_lossy(&known.stderr)));
            }
        }
    }
    assert!(seen > 50, "{seen}");
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_page_of_the_book_is_there_and_every_document_is_in_it() {
    let summary = read("docs/SUMMARY.md");
    let pages: Vec<&str> = summary.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()).collect();
    for page in &pages {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page).exists(), "{page}");
    }
    for (path, _) in documents().iter().filter(|(path, _)| path.contains("/docs/") && !path.ends_with("SUMMARY.md")) {
        assert!(pages.iter().any(|page| path.ends_with(&format!("/docs/{page}"))), "{path} is not in docs/SUMMARY.md");
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
}
