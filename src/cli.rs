//! The command line: arguments in, exit code out. Only here are standard output and standard error written.

mod account;
mod apply;
mod approve;
mod args;
mod ask;
mod audit;
mod completions;
#[cfg(feature = "sandbox")]
mod demo;
mod doctor;
mod examples;
mod exit;
mod explain;
mod export;
mod failure;
mod given;
mod hooks;
mod iam_policy;
mod import;
mod init;
mod log;
mod man;
mod observe;
mod output;
mod plan;
mod probe;
mod process;
mod progress;
mod provided;
mod pull;
mod record;
mod reports;
mod restore;
mod revoke;
mod rollback;
mod runtime;
#[cfg(feature = "sandbox")]
mod sandbox;
mod schedule;
mod schema;
mod served;
mod session;
mod settings;
mod show;
mod signals;
mod source;
mod ssh_gate;
mod status;
mod tell;
mod term;
mod validate;
mod verify;
mod wire;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::process::ExitCode;

use clap::FromArgMatches;

use crate::cli::args::{Cli, Command};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::term::Surroundings;
use crate::fault::Fault;

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    process::keep_memory_private();
    let matches = examples::command().try_get_matches();
    let cli = match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let output = Output::new(&cli.global, surroundings(std::io::stdout().is_terminal()));
    if let Err(fault) = log::start(&cli.global, surroundings(std::io::stderr().is_terminal())) {
        return Failure::from(fault).show("log", &output).into();
    }
    // The hook has said where. The reports on disk say that the run did not complete.
    let exit = std::panic::catch_unwind(AssertUnwindSafe(|| run(cli, &output))).unwrap_or(Exit::Failed);
    if output::is_cut() {
        output.fault(&Fault::new("run:output", "the answer is not whole: standard output cannot be written"));
        return if exit == Exit::Done { Exit::Failed } else { exit }.into();
    }
    exit.into()
}

/// Help and version are answers. Every other complaint of the parser is 64: its own 2 would read as *changes pending*.
fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if !error.use_stderr() {
        return Exit::Done.into();
    }
    // The report of an earlier run must not stand for this one.
    if let Some(file) = junit(std::env::args_os()) {
        let _ = reports::misused(Path::new(&file), &error.to_string());
    }
    Exit::Usage.into()
}

/// The value of `--junit` in arguments that could not be parsed.
fn junit(arguments: impl IntoIterator<Item = OsString>) -> Option<OsString> {
    let mut arguments = arguments.into_iter();
    loop {
        match arguments.next()?.to_str() {
            Some("--junit") => return arguments.next(),
            Some(argument) if argument.starts_with("--junit=") => return Some(argument["--junit=".len()..].into()),
            _ => {}
        }
    }
}

fn run(cli: Cli, output: &Output) -> Exit {
    let Cli { global, command } = cli;
    match command {
        Command::Validate(args) => validate::run(&global, &args, output),
        Command::Explain(args) => explain::run(&args, output),
        Command::Verify(args) => verify::run(&global, &args, output),
        Command::Plan(args) => plan::run(&global, &args, output),
        Command::Apply(args) => apply::run(&global, &args, output),
        Command::Approve(args) => approve::run(&global, &args, output),
        Command::Status(args) => status::run(&global, &args, output),
        Command::Show(args) => show::run(&global, &args, output),
        Command::Revoke(args) => revoke::run(&global, &args, output),
        Command::Rollback(args) => rollback::run(&global, &args, output),
        Command::Account(args) => account::run(&global, &args, output),
        Command::Audit(args) => audit::run(&global, &args, output),
        Command::Doctor => doctor::run(&global, output),
        Command::Export(args) => export::run(&global, &args, output),
        Command::Restore(args) => restore::run(&global, &args, output),
        Command::Pull(args) => pull::run(&global, &args, output),
        Command::Import(args) => import::run(&global, &args, output),
        Command::Init(args) => init::run(&args, output),
        Command::SshGate(args) => ssh_gate::run(&global, &args, output),
        Command::Schedule(args) => schedule::run(&global, &args, output),
        Command::IamPolicy(args) => iam_policy::run(&global, &args, output),
        Command::Schema(args) => schema::run(&args, output),
        Command::Completions(args) => completions::run(&args, output),
        Command::Man(args) => man::run(&args, output),
        #[cfg(feature = "sandbox")]
        Command::Demo(args) => demo::run(&args, output),
        #[cfg(feature = "sandbox")]
        Command::Sandbox(args) => sandbox::run(&args, output),
    }
}

fn surroundings(is_terminal: bool) -> Surroundings {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok();
    let width = size.filter(|_| is_terminal).map(|size| usize::from(size.ws_col)).filter(|width| *width >= 40);
    let is_automated = set("CI") || set("BUILD_NUMBER");
    Surroundings { is_terminal, width, no_color: set("NO_COLOR"), is_automated }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_found_among_arguments_that_make_no_sense() {
        let found = |line: &str| junit(line.split(' ').map(OsString::from));
        assert_eq!(found("countersign aply --junit a.xml --bad"), Some("a.xml".into()));
        assert_eq!(found("countersign --bad --junit=a.xml"), Some("a.xml".into()));
        assert_eq!(found("countersign apply --junit"), None);
    }
}
