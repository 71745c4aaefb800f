//! Examples below the help of each command, and in its manual page.

use clap::CommandFactory;

use crate::cli::args::Cli;

/// A paragraph for each command: its name, then lines to type, and above each what it is for.
const EXAMPLES: &str = include_str!("examples.txt");

/// The command line, with examples.
pub fn command() -> clap::Command {
    let paragraphs = EXAMPLES.split("\n\n").filter_map(|paragraph| paragraph.split_once('\n'));
    paragraphs.fold(Cli::command(), |cli, (name, lines)| cli.mut_subcommand(name, |command| with(command, lines)))
}

fn with(command: clap::Command, lines: &str) -> clap::Command {
    let lines: String = lines.trim_end().lines().map(|line| format!("\n  {line}")).collect();
    let before = command.get_after_help().map(|text| format!("{text}\n\n")).unwrap_or_default();
    command.after_help(format!("{before}Examples:{lines}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_examples_and_each_can_be_typed() {
        let names: Vec<String> = Cli::command().get_subcommands().map(|below| below.get_name().to_owned()).collect();
        for name in names {
            let of_it = EXAMPLES.split("\n\n").find_map(|paragraph| paragraph.strip_prefix(&format!("{name}\n")));
            let lines = of_it.unwrap_or_else(|| panic!("{name} has no example")).lines();
            for line in lines.filter(|line| !line.starts_with('#')) {
                let words = shlex::split(line.split(" >").next().unwrap_or_default()).unwrap();
                assert!(words.contains(&name), "{line}");
                assert!(command().try_get_matches_from(words).is_ok(), "{line}");
            }
        }
    }
}
