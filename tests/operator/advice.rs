//! What failures advise to type exists.

use std::path::Path;

use super::Place;

/// Every Rust file and page below a folder, with what was broken into lines in one.
fn texts(folder: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text += &texts(&path);
        } else if path.extension().is_some_and(|kind| kind == "rs" || kind == "md") {
            let lines = std::fs::read_to_string(&path).unwrap();
            text += &lines.split("\\\n").map(str::trim_start).collect::<Vec<_>>().concat();
        }
    }
    text
}

#[test]
fn every_command_that_the_program_speaks_of_is_one_and_has_these_flags() {
    let place = Place::configured();
    let text = texts(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let quoted = text.split('`').filter_map(|piece| piece.strip_prefix("countersign "));
    let commands: Vec<Vec<&str>> = quoted.map(|words| words.split_whitespace().collect()).collect();
    assert!(commands.len() > 100);
    for words in commands {
        let is_verb = |word: &&&str| word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let verbs: Vec<&str> =
            words.iter().take_while(is_verb).filter(|word| !word.starts_with('-')).copied().collect();
        let ran = place.run(&[&verbs[..], &["--help"]].concat());
        assert_eq!(ran.code, Some(0), "{words:?}");
        let known: Vec<&str> = ran.out.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').collect();
        let unknown = words.iter().filter(|word| word.starts_with("--") && !known.contains(word));
        assert_eq!(unknown.collect::<Vec<_>>(), [&""; 0], "{words:?}");
    }
}
