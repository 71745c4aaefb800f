//! Schedules, completions, manual pages. Where a program reads them, that program is asked.

use std::fs;
use std::process::Command;

use super::{Place, Ran};

/// Every command of the program, from its help.
fn commands(place: &Place) -> Vec<String> {
    let help = place.printed(&["--help"]);
    let listed = help.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let names = listed.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next().map(str::to_owned));
    names.filter(|name| name != "help").collect()
}

#[test]
#[ignore = "needs systemd-analyze: ci/install"]
fn systemd_takes_the_units() {
    let place = Place::configured();
    let text = place.printed(&["schedule", "systemd", "--user", "root", "--minute", "7"]);
    let (service, timer) = text.split_once("# /etc/systemd/system/countersign.timer\n").unwrap();
    place.write("countersign.service", service);
    place.write("countersign.timer", timer);
    let units = ["countersign.service", "countersign.timer"].map(|name| place.path(name));

    let output = Command::new("systemd-analyze").args(["verify", "--man=no"]).args(units).output().unwrap();

    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let about_us: Vec<&str> = said.lines().filter(|line| line.contains("countersign.")).collect();
    assert_eq!((output.status.success(), about_us), (true, Vec::<&str>::new()), "{said}");
}

#[test]
fn the_minute_of_a_schedule_is_random_unless_it_is_said() {
    let place = Place::configured();
    let minutes: std::collections::BTreeSet<String> = (0..12).map(|_| place.printed(&["schedule", "cron"])).collect();
    assert!(minutes.len() > 1);
    assert_eq!(
        place.printed(&["schedule", "cron", "--minute", "5"]),
        place.printed(&["schedule", "cron", "--minute", "5"])
    );
}

#[test]
fn a_schedule_says_nothing_that_cron_reads_differently() {
    let place = Place::configured();
    let Ran { code, err, .. } = place.run(&["schedule", "cron", "--user", "root\n* * * * * root sh"]);
    assert_eq!(code, Some(64));
    assert!(err.contains("schedule:characters"), "{err}");
}

#[test]
fn each_shell_takes_its_completions_and_they_know_every_command() {
    let place = Place::configured();
    for (shell, known) in [("bash", "countersign,COMMAND)"), ("zsh", "(COMMAND)"), ("fish", "-a \"COMMAND\"")] {
        let script = place.printed(&["completions", shell]);
        place.write("completions", &script);
        let ran = Command::new(shell).arg("-n").arg(place.path("completions")).output().unwrap();
        assert_eq!((ran.status.code(), ran.stderr), (Some(0), vec![]), "{shell}");
        let unknown = commands(&place).into_iter().filter(|name| !script.contains(&known.replace("COMMAND", name)));
        assert_eq!(unknown.collect::<Vec<_>>(), [""; 0], "{shell}");
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let place = Place::configured();
    place.printed(&["man", "--dir", "man"]);
    for command in commands(&place) {
        let page = fs::read_to_string(place.path(&format!("man/countersign-{command}.1")));
        assert!(page.is_ok_and(|page| page.contains(".SH SYNOPSIS") && page.contains(".SH EXAMPLES")), "{command}");
    }
    assert!(fs::read_to_string(place.path("man/countersign.1")).unwrap().contains(".SH EXIT STATUS"));
}

#[test]
fn the_log_can_be_kept_in_a_file_as_lines_of_json() {
    let place = Place::configured();
    let ran = place.run(&["status", "-v", "--log-file", "log", "--log-format", "json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let log = fs::read_to_string(place.path("log")).unwrap();
    let read = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    assert!(read.into_iter().any(|line| line["message"] == "observed" && line["live"] == 0), "{log}");
    assert_eq!(ran.err.lines().count(), log.lines().count(), "standard error has the same");
}

#[test]
fn an_answer_that_cannot_be_written_is_not_done() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_countersign")).arg("explain").stdout(full).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && said.contains("[run:output]"), "{said}");
}

#[test]
fn a_schedule_names_a_user() {
    let place = Place::configured();
    let config = place.path("countersign.yaml").display().to_string();
    for user in ["", "-"] {
        let ran = place.run(&["--config", &config, "schedule", "cron", "--user", user]);
        assert_eq!((ran.code, ran.err.contains("is not the name of a user")), (Some(64), true), "{user:?}: {ran:?}");
    }
}
