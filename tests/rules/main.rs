//! `docs/rules.md` is made from the rules themselves and from the table of threats, `docs/errors.md` from the kinds of
//! failure, `docs/faults.md` from the table of faults, `docs/requirements.md` from that of requirements. `UPDATE_DOCS=1`
//! writes them.

mod codes;
mod faults;
mod requirements;
mod threats;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use countersign::diag::Severity;
use countersign::explain::{self, Rule};
use faults::{FAULTS, Fault, PARTS, Shown};
use requirements::{Met, REQUIREMENTS, Requirement, SEEDS};
use threats::{THREATS, Threat, Word};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn document() -> String {
    let mut text = String::from(
        "# Rules and threats\n\nMade by `UPDATE_DOCS=1 cargo test --test rules` from `src/explain/` and \
         `tests/rules/threats.rs`. Do not edit.\n\n`countersign explain RULE` shows the same. Every id is stable: it \
         stands in messages, JUnit, SARIF and the audit log.\n\n## Rules of trust\n\n\
         A broken rule refuses the head: nothing new is done, and the list that was verified last still renews.\n",
    );
    explain::trust().for_each(|rule| describe(&mut text, &rule));
    text +=
        "\n## Rules of the list\n\nFound in the files of the list, with line and column. Warnings refuse nothing.\n";
    explain::list().for_each(|rule| describe(&mut text, &rule));
    text += "\n## Threats\n\nWhat an attacker or an accident could do, the rule that stands against it, and the tests \
             that show it.\n\n| | threat | rule | shown by |\n|---|---|---|---|\n";
    for Threat { number, threat, rule, word } in THREATS {
        let rule = if rule.is_empty() { String::new() } else { format!("`{rule}`") };
        let word = match word {
            Word::Shown(tests) => cell(tests, ""),
            Word::Not(reason) => format!("does not apply: {reason}"),
        };
        writeln!(text, "| T{number} | {threat} | {rule} | {word} |").unwrap();
    }
    text
}

/// Tests, and what they do not show.
fn cell(tests: &[&str], open: &str) -> String {
    let tests = tests.iter().map(|test| format!("`{test}`"));
    let open = (!open.is_empty()).then(|| format!("*open:* {open}"));
    tests.chain(open).collect::<Vec<_>>().join("<br>")
}

fn table_of_faults() -> String {
    let mut text = String::from(
        "# Faults\n\nMade by `UPDATE_DOCS=1 cargo test --test rules` from `tests/rules/faults.rs`. Do not edit.\n\n\
         What goes wrong without anybody's ill will, what happens then, and the test that shows it. *Open* is what is not \
         done or not shown yet. [soak.md](soak.md) has the results of the tests that take long.\n",
    );
    for (letter, title) in PARTS {
        write!(text, "\n## {title}\n\n| | fault | what happens | shown by |\n|---|---|---|---|\n").unwrap();
        for Fault { id, fault, behaviour, shown } in FAULTS.iter().filter(|fault| fault.id.starts_with(letter)) {
            let shown = match shown {
                Shown::By(tests) => cell(tests, ""),
                Shown::Partly(tests, open) => cell(tests, open),
                Shown::Not(reason) => format!("does not apply: {reason}"),
            };
            writeln!(text, "| {id} | {fault} | {behaviour} | {shown} |").unwrap();
        }
    }
    text
}

fn table_of_requirements() -> String {
    let mut text = String::from(
        "# Requirements\n\nMade by `UPDATE_DOCS=1 cargo test --test rules` from `tests/rules/requirements.rs`. Do not \
         edit.\n\nThe project began with five documents of people who run certificates. Each line is something that one of \
         them asks for, and the test or file that shows it; *later* and *otherwise* say why there is none.\n",
    );
    for (seed, title) in SEEDS {
        write!(text, "\n## {title}\n\n| | asked for | how | shown by |\n|---|---|---|---|\n").unwrap();
        for Requirement { id, wish, how, met } in REQUIREMENTS.iter().filter(|row| row.id.starts_with(seed)) {
            let shown = match met {
                Met::Shown(tests) => cell(tests, ""),
                Met::Partly(tests, open) => cell(tests, open),
                Met::Later(why) => format!("*later:* {why}"),
                Met::Otherwise(why) => format!("*otherwise:* {why}"),
            };
            writeln!(text, "| {id} | {wish} | {how} | {shown} |").unwrap();
        }
    }
    text
}

fn describe(text: &mut String, rule: &Rule) {
    let Rule { id, description, severity, why, fix, example } = rule;
    let weight = if *severity == Severity::Warning { " *A warning.*" } else { "" };
    writeln!(
        text,
        "\n### {id}\n\n{description}{weight} {why}\n\n* **What satisfies it:** {fix}\n* **Example:** {example}"
    )
    .unwrap();
}

/// Every Rust file below a folder.
fn sources(folder: PathBuf) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text += &sources(path);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text += &std::fs::read_to_string(path).unwrap();
        }
    }
    text
}

fn assert_stands(name: &str, text: &str) {
    let path = root().join("docs").join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let stands = std::fs::read_to_string(path).unwrap_or_default();
    assert!(stands == text, "docs/{name} is stale: UPDATE_DOCS=1 cargo test --test rules");
}

#[test]
fn the_document_says_what_the_program_does() {
    assert_stands("rules.md", &document());
}

#[test]
fn the_table_of_faults_is_up_to_date() {
    assert_stands("faults.md", &table_of_faults());
}

#[test]
fn every_fault_has_its_place() {
    for (letter, _) in PARTS {
        let ids = FAULTS.iter().filter_map(|fault| fault.id.strip_prefix(letter));
        let numbers: Vec<usize> = ids.map(|id| id.parse().unwrap()).collect();
        assert_eq!(numbers, (1..=numbers.len()).collect::<Vec<_>>(), "{letter}");
    }
}

#[test]
fn the_table_of_requirements_is_up_to_date() {
    assert_stands("requirements.md", &table_of_requirements());
}

/// The numbers of the rows of each seed document.
#[test]
fn every_requirement_has_its_row() {
    let seeds: [&[(u32, u32)]; 5] = [
        &[(1, 32)],
        &[(1, 7), (10, 11), (20, 23), (30, 33), (40, 41), (50, 52), (60, 70)],
        &[(1, 30)],
        &[(1, 22)],
        &[(1, 21)],
    ];
    let ids = |(seed, ranges): (usize, &[(u32, u32)])| -> Vec<String> {
        let numbers = ranges.iter().flat_map(|(first, last)| *first..=*last);
        numbers.map(|number| format!("{seed}-{number:02}")).collect()
    };
    let expected: Vec<String> = seeds.into_iter().enumerate().flat_map(ids).collect();
    assert_eq!(expected.len(), 138);
    assert_eq!(REQUIREMENTS.iter().map(|row| row.id).collect::<Vec<_>>(), expected);
}

#[test]
fn every_threat_has_its_row() {
    let numbers: Vec<_> = THREATS.iter().map(|threat| threat.number).collect();
    assert_eq!(numbers, (1..=61).collect::<Vec<_>>());
}

#[test]
fn every_test_that_the_table_names_exists() {
    let code = sources(root().join("tests")) + &sources(root().join("src"));
    let threats = THREATS.iter().flat_map(|threat| match threat.word {
        Word::Shown(tests) => tests,
        Word::Not(_) => &[],
    });
    let faults = FAULTS.iter().flat_map(|fault| match fault.shown {
        Shown::By(tests) | Shown::Partly(tests, _) => tests,
        Shown::Not(_) => &[],
    });
    let requirements = REQUIREMENTS.iter().flat_map(|row| match row.met {
        Met::Shown(tests) | Met::Partly(tests, _) => tests,
        Met::Later(_) | Met::Otherwise(_) => &[],
    });
    let named = threats.chain(faults).chain(requirements);
    let exists = |test: &&&str| match test.contains('/') {
        true => root().join(test).exists(),
        false => code.contains(&format!("fn {test}(")),
    };
    assert_eq!(named.filter(|test| !exists(test)).collect::<Vec<_>>(), [&""; 0]);
}

#[test]
fn every_rule_that_the_table_names_exists() {
    let named = THREATS.iter().map(|threat| threat.rule).filter(|rule| !rule.is_empty());
    let unknown = |id: &&str| !id.split(", ").all(|id| id.ends_with(':') || explain::find(id).is_some());
    assert_eq!(named.filter(unknown).collect::<Vec<_>>(), [""; 0]);
}
