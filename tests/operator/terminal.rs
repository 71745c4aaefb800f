//! At a real terminal: 80 columns, colour with a meaning, and the same words without it.

use std::process::{Command, Stdio};

use super::Place;

/// What a command shows at a terminal of so many columns.
fn shown(place: &Place, columns: u16, environment: &str, command: &str) -> String {
    let line = format!("stty cols {columns}; {environment} {} {command}", env!("CARGO_BIN_EXE_countersign"));
    let output = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .current_dir(place.path(""))
        .env_remove("CI")
        .env_remove("BUILD_NUMBER")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().replace('\r', "")
}

fn without_colour(text: &str) -> String {
    let mut pieces = text.split("\u{1b}[");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |out, piece| out + piece.split_once('m').map_or("", |(_, rest)| rest))
}

const LIST: &str = "\
version: 1
certificates:
  - {name: one, domains: [one.example.com]}
  - {name: two, domains: [one.example.com]}
  - {name: three, domains: [a_name_that_is_no_domain.example.com, another_one_that_is_none.example.com]}
";

#[test]
fn doctor_and_explain_fit_into_80_columns() {
    let place = Place::configured();
    place.write("domains.yaml", LIST);
    for command in ["doctor", "explain", "explain S01-unsigned", "explain dns:not-visible"] {
        let text = without_colour(&shown(&place, 80, "", command));
        let long: Vec<&str> = text.lines().filter(|line| line.chars().count() > 80 && line.contains(' ')).collect();
        assert!(!text.is_empty());
        assert_eq!(long, Vec::<&str>::new(), "{command}");
    }
}

#[test]
fn colour_adds_nothing_to_the_words() {
    let place = Place::configured();
    place.write("domains.yaml", LIST);
    for command in ["doctor", "validate"] {
        let (coloured, plain) = (shown(&place, 80, "", command), shown(&place, 80, "NO_COLOR=1", command));
        assert!(coloured.contains("\u{1b}["), "{command} is coloured at a terminal");
        assert!(!plain.contains("\u{1b}["), "{command} is not with NO_COLOR: {plain:?}");
        assert_eq!(without_colour(&coloured), plain, "{command}");
    }
}
