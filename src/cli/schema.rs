//! `countersign schema`: what editors and linters need to know of the files that people write.

use crate::cli::args::{Schema as Args, SchemaOf};
use crate::cli::exit::Exit;
use crate::cli::output::Output;

pub fn run(args: &Args, output: &Output) -> Exit {
    output.exactly(match args.of {
        SchemaOf::List => include_str!("schema/list.json"),
        SchemaOf::Policy => include_str!("schema/policy.json"),
        SchemaOf::Config => include_str!("schema/config.json"),
        SchemaOf::Pull => include_str!("schema/pull.json"),
    });
    Exit::Done
}
