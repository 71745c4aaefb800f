//! `countersign man`

use std::path::Path;

use clap_mangen::Man;

use crate::cli::args::Man as Args;
use crate::cli::examples;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::fault::Fault;
use crate::store::write;

pub fn run(args: &Args, output: &Output) -> Exit {
    let command = whole();
    let done = match &args.dir {
        None => {
            output.exactly(&page(&command));
            Ok(())
        }
        Some(folder) => pages(command, folder),
    };
    done.map_or_else(|fault| Failure::from(fault).show("man", output), |()| Exit::Done)
}

/// Without `help`, which says of itself what the pages say.
fn whole() -> clap::Command {
    let mut command = examples::command().disable_help_subcommand(true);
    command.build();
    command
}

fn page(command: &clap::Command) -> String {
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page).expect("memory takes what is written");
    with_sections(&String::from_utf8_lossy(&page))
}

/// What stands below the help is EXTRA to clap; readers look for the sections of man-pages(7). Lines stay lines.
fn with_sections(page: &str) -> String {
    page.replacen(".SH EXTRA\nExit codes:", ".SH EXIT STATUS\n.nf", 1)
        .replacen(".SH EXTRA\nExamples:", ".SH EXAMPLES\n.nf", 1)
        .replacen(".SH EXTRA", ".SH NOTES", 1)
        .replacen("\nExamples:", "\n.SH EXAMPLES\n.nf", 1)
}

/// `countersign.1`, and `countersign-COMMAND.1` for each command below it.
fn pages(command: clap::Command, folder: &Path) -> Result<(), Fault> {
    std::fs::create_dir_all(folder).map_err(|error| write::failed("make", folder, &error))?;
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    write::file(&folder.join(format!("{name}.1")), page(&command).as_bytes(), write::PUBLIC)?;
    command.get_subcommands().try_for_each(|below| pages(below.clone(), folder))
}
