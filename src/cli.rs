//! The command line: arguments in, exit code out. Only here are standard output and standard error written.

mod apply;
mod args;
#[cfg(feature = "sandbox")]
mod demo;
mod exit;
mod explain;
mod failure;
mod observe;
mod output;
mod plan;
mod progress;
mod reports;
#[cfg(feature = "sandbox")]
mod sandbox;
mod session;
mod settings;
mod signals;
mod source;
mod status;
mod term;
mod validate;
mod verify;
mod wire;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;

use crate::cli::args::{Cli, Command};
use crate::cli::exit::Exit;
use crate::cli::output::Output;
use crate::cli::term::Surroundings;

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    start_log(cli.global.verbose, cli.global.quiet);
    let output = Output::new(&cli.global, surroundings(std::io::stdout().is_terminal()));
    run(cli, &output).into()
}

/// Help and version are answers. Every other complaint of the parser is 64: its own 2 would read as *changes pending*.
fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() }
}

fn run(cli: Cli, output: &Output) -> Exit {
    let Cli { global, command } = cli;
    match command {
        Command::Validate(args) => validate::run(&global, &args, output),
        Command::Explain(args) => explain::run(&args, output),
        Command::Verify(args) => verify::run(&global, &args, output),
        Command::Plan(args) => plan::run(&global, &args, output),
        Command::Apply(args) => apply::run(&global, &args, output),
        Command::Status => status::run(&global, output),
        #[cfg(feature = "sandbox")]
        Command::Demo(args) => demo::run(&args, output),
        #[cfg(feature = "sandbox")]
        Command::Sandbox(args) => sandbox::run(&args, output),
    }
}

fn surroundings(is_terminal: bool) -> Surroundings {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    Surroundings { is_terminal, no_color: set("NO_COLOR"), is_automated: set("CI") || set("BUILD_NUMBER") }
}

fn start_log(verbose: u8, quiet: bool) {
    let level = match (quiet, verbose) {
        (true, _) => "error",
        (false, 0) => "warn,countersign=info",
        (false, 1) => "warn,countersign=debug",
        (false, _) => "info,countersign=trace",
    };
    let filter = tracing_subscriber::EnvFilter::new(level);
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let around = surroundings(std::io::stderr().is_terminal());
    let _ =
        log.with_ansi(term::paint(term::ColorChoice::Auto, around) == crate::report::terminal::Paint::Color).try_init();
}
