//! `countersign completions`

use clap::CommandFactory;

use crate::cli::args::{Cli, Completions as Args};
use crate::cli::exit::Exit;
use crate::cli::output::Output;

pub fn run(args: &Args, output: &Output) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "countersign", &mut script);
    output.exactly(&String::from_utf8_lossy(&script));
    Exit::Done
}
