//! `countersign ssh-gate`: the forced command of a locked-down host. It takes a few whole lines over SSH and nothing
//! else.

pub mod authorize;

use std::path::{Path, PathBuf};

use clap::Parser;

use crate::cli::args::{Cli, GateCommand, Global, SshGate as Args};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::settings;
use crate::clock::SystemClock;
use crate::fault::Fault;
use crate::port::Clock;
use crate::report::{Check, stamp};
use crate::store::{FileStore, write};

/// What sshd was asked to run (sshd(8), `command=`).
const ASKED: &str = "SSH_ORIGINAL_COMMAND";

/// The JUnit file of what was run through the gate last. The host's own runs write another.
const JUNIT: &str = "ssh.xml";
const LOG: &str = "ssh-gate.log";

/// What a whole line stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// These arguments.
    Run(&'static [&'static str]),
    /// These arguments, and a JUnit file that `report junit` hands out.
    Report(&'static [&'static str]),
    /// The JUnit file of the last run through the gate.
    Junit,
}

/// Every line that the gate takes.
const LINES: [(&str, Answer); 9] = [
    ("verify", Answer::Report(&["verify"])),
    ("plan", Answer::Report(&["plan"])),
    ("plan --json", Answer::Report(&["plan", "--json"])),
    ("apply", Answer::Report(&["apply", "--auto-approve"])),
    ("status", Answer::Run(&["status"])),
    ("status --json", Answer::Run(&["status", "--json"])),
    ("doctor", Answer::Run(&["doctor"])),
    ("doctor --json", Answer::Run(&["doctor", "--json"])),
    ("report junit", Answer::Junit),
];

pub fn run(global: &Global, args: &Args, output: &Output) -> Exit {
    let done = match &args.command {
        Some(GateCommand::Authorize(args)) => authorize::line(global, args).map(|line| {
            output.exactly(&line);
            Exit::Done
        }),
        None => answer(global, output),
    };
    done.unwrap_or_else(|failure| failure.show("ssh-gate", output))
}

fn answer(global: &Global, output: &Output) -> Result<Exit, Failure> {
    let config = trusted_config(global)?;
    let state = settings::load(global)?.state;
    FileStore::open(&state)?;
    let reports = state.join("report");
    let asked = std::env::var(ASKED).unwrap_or_default();
    let found = LINES.iter().find(|(line, _)| *line == asked).map(|(_, answer)| *answer);
    log(&reports, if found.is_some() { "ran" } else { "refused" }, &asked)?;
    let Some(found) = found else { return Err(refused(&asked)) };
    let junit = reports.join(JUNIT);
    match found {
        Answer::Run(arguments) => Ok(run_line(&config, arguments, None)),
        Answer::Report(arguments) => Ok(run_line(&config, arguments, Some(&junit))),
        Answer::Junit => hand_over(&junit, output),
    }
}

/// The configuration of the line in `authorized_keys`. What a client can bring along has no say.
fn trusted_config(global: &Global) -> Result<PathBuf, Failure> {
    let brought = ["COUNTERSIGN_CONFIG", "COUNTERSIGN_CONFIG_TEXT", "COUNTERSIGN_LOG_FILE"]
        .iter()
        .any(|name| std::env::var_os(name).is_some());
    match &global.config {
        Some(config) if !brought && config.is_absolute() => Ok(config.clone()),
        _ => {
            let text = "the gate takes an absolute --config in authorized_keys, and nothing that whoever connects brings along";
            let hint = "print the line with `countersign --config PATH ssh-gate authorize KEY.pub`";
            Err(Failure::new(Exit::Refused, Check::Completed, Fault::new("gate:config", text).hint(hint)))
        }
    }
}

fn refused(asked: &str) -> Failure {
    let lines: Vec<String> = LINES.iter().map(|(line, _)| format!("`{line}`")).collect();
    let text = match asked {
        "" => "this key opens no shell".to_owned(),
        asked => format!("{asked:?} is not a command of this host"),
    };
    let fault = Fault::new("gate:refused", text).hint(format!("it takes {}", lines.join(", ")));
    Failure::new(Exit::Usage, Check::Completed, fault)
}

/// Runs this program's own command line in this process: there is no shell anywhere.
fn run_line(config: &Path, arguments: &[&str], junit: Option<&Path>) -> Exit {
    let mut line: Vec<std::ffi::OsString> = vec!["countersign".into(), "--config".into(), config.into()];
    line.extend(["--color", "never"].map(Into::into));
    line.extend(arguments.iter().map(Into::into));
    if let Some(junit) = junit {
        line.extend(["--junit".into(), junit.into()]);
    }
    let cli = Cli::try_parse_from(line).expect("the lines of the gate are command lines");
    let output = Output::new(&cli.global, Default::default());
    super::run(cli, &output)
}

fn hand_over(junit: &Path, output: &Output) -> Result<Exit, Failure> {
    let text = std::fs::read_to_string(junit).map_err(|error| {
        Fault::new("gate:no-report", "there is no report of a run through the gate")
            .caused_by(&error)
            .hint("run `verify`, `plan` or `apply` first")
    })?;
    output.exactly(&text);
    Ok(Exit::Done)
}

/// One line for each call: when, what became of it, what was asked, from where.
fn log(folder: &Path, what: &str, asked: &str) -> Result<(), Fault> {
    let file = folder.join(LOG);
    let from = std::env::var("SSH_CLIENT").unwrap_or_default();
    let from = from.split(' ').next().unwrap_or_default();
    let line = format!("{} {what} {asked:?} from {from:?}\n", stamp(SystemClock.now()));
    write::own_folder(folder)?;
    write::append(&file, line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_gate_is_a_command_line() {
        for (line, answer) in LINES {
            if let Answer::Run(arguments) | Answer::Report(arguments) = answer {
                let parsed = Cli::try_parse_from([&["countersign"], arguments].concat());
                assert!(parsed.is_ok(), "{line}");
            }
        }
    }
}
