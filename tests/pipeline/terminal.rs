//! An apply in front of an operator: at a real terminal, and in a pipe.

use std::time::Duration;

use super::rig::Lab;

const TWO: [(&str, &str); 2] = [("api", "api.example.com"), ("www", "www.example.com")];

#[test]
fn a_terminal_shows_the_phases_of_the_wave_in_their_order_and_then_the_result() {
    let lab = Lab::new();
    lab.list(&TWO);
    let shown = lab.at_terminal(&["apply", "--auto-approve"]);
    let phases = ["ordering (2)", "writing TXT records (2)", "waiting for validation (2)", "finalizing (2)"];
    let result = ["  issued    www", "First to expire:", "countersign apply: done (exit 0)"];
    let places: Vec<Option<usize>> = phases.iter().chain(&result).map(|told| shown.find(told)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}: {shown}");
}

#[test]
fn while_route53_works_the_line_counts_down_to_its_limit() {
    let lab = Lab::new();
    lab.sandbox.set_insync_delay(Duration::from_millis(1500));
    lab.list(&TWO);
    let shown = lab.at_terminal(&["apply", "--auto-approve"]);
    let mut left: Vec<u64> = shown
        .split("waiting until Route53 is INSYNC (1), at most ")
        .skip(1)
        .filter_map(|line| line.split(' ').next()?.parse().ok())
        .collect();
    left.dedup();
    assert_eq!(left[..2], [299, 298], "{shown}");
}

#[test]
fn the_log_begins_its_own_lines_beside_the_moving_one() {
    let lab = Lab::new();
    lab.list(&TWO);
    let shown = lab.at_terminal(&["apply", "--auto-approve"]);
    let (before, _) = shown.split_once(" INFO ").unwrap();
    // 2026-11-25T10:21:03.925527Z
    let before = &before.trim_end()[..before.trim_end().len() - 27];
    assert!(before.ends_with("\r\u{1b}[2K"), "{before:?}");
}

#[test]
fn what_a_night_shows_fits_into_80_columns() {
    let lab = Lab::new();
    lab.list(&[("www", "www.example.com"), ("elsewhere", "www.elsewhere.test")]);
    lab.run(&["apply", "--auto-approve"]);
    for command in [&["plan"][..], &["status"], &["show", "www"], &["audit"]] {
        // The log and the summary are one line each; digests, places and commands stay whole for whoever copies them.
        let whole = |line: &str| line.contains('`') || line.split_whitespace().any(|word| word.len() > 50);
        let is_kept = |line: &str| line.contains(" WARN ") || line.starts_with("countersign ") || whole(line);
        let shown = lab.at_terminal(command);
        let long: Vec<&str> = shown.lines().filter(|line| line.chars().count() > 80 && !is_kept(line)).collect();
        assert_eq!(long, Vec::<&str>::new(), "{command:?}");
    }
}

#[test]
fn a_pipe_gets_no_carriage_return_and_no_colour() {
    let lab = Lab::new();
    lab.list(&TWO);
    let ran = lab.apply();
    assert!(!ran.out.contains(['\r', '\u{1b}']) && !ran.err.contains(['\r', '\u{1b}']), "{ran:?}");
}
