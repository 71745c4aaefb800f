//! What `ci/bench` needs beside the product: a lab to measure in, a yardstick, and generators of large inputs.

#![allow(clippy::print_stdout, reason = "a program whose output is read by ci/bench")]
#![allow(clippy::disallowed_methods, reason = "measuring needs the real clock")]

mod history;
mod lab;
mod store;
mod world;
mod yardstick;

use std::error::Error;
use std::path::Path;

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

const USAGE: &str = "\
usage: bench lab DIR NAMES INSYNC_MS LATENCY_MS    serve the stand-ins until the end of standard input
       bench yardstick LAB_JSON NAMES              issue as fast as the protocol allows
       bench world DIR NAMES                       a config repo and a configuration, without stand-ins
       bench fill DIR NAMES                        a store with a certificate for each name of that world
       bench history DIR COMMITS                   a config repo with so many signed commits
       bench walk DIR                              verify that history twice, and tell how long it took";

fn main() -> Outcome {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["lab", dir, names, insync, latency] => {
            lab::serve(Path::new(dir), names.parse()?, insync.parse()?, latency.parse()?)
        }
        ["yardstick", lab, names] => yardstick::run(lab, names.parse()?),
        ["world", dir, names] => Ok(world::World::offline().write(Path::new(dir), names.parse()?)?),
        ["fill", dir, names] => store::fill(Path::new(dir), names.parse()?),
        ["history", dir, commits] => history::make(Path::new(dir), commits.parse()?),
        ["walk", dir] => history::walk(Path::new(dir)),
        _ => Err(USAGE.into()),
    }
}
