//! `countersign init`: a config repo and the files of its runner, ready for the first signed commit.

mod answers;
mod files;

use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::args::Init as Args;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::init::answers::Answered;
use crate::cli::output::Output;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::diag::{Diagnostic, SourceFile, render};
use crate::fault::Fault;
use crate::list::parse;
use crate::port::Clock;
use crate::report::Check;
use crate::source;
use crate::store::write;
use crate::trust::{AllowedSigners, Policy};

/// Stands in the configuration until there is a first commit.
const NO_COMMIT: &str = "0000000000000000000000000000000000000000";

pub fn run(args: &Args, output: &Output) -> Exit {
    init(args, output).unwrap_or_else(|failure| failure.end("init", output))
}

fn init(args: &Args, output: &Output) -> Result<Exit, Failure> {
    let dir = empty(&args.dir)?;
    let answers = answers::collect(args, output)?;
    check(&answers)?;
    let (repo, runner) = (dir.join("config-repo"), dir.join("runner"));
    for folder in [&repo, &repo.join("hooks"), &runner] {
        fs::create_dir_all(folder).map_err(|error| write::failed("make", folder, &error))?;
    }
    write::own_folder(&runner)?;
    for (name, text) in files::first_commit() {
        write::file(&repo.join(name), text.as_bytes(), write::PUBLIC)?;
    }
    let settings =
        source::Settings { person: &answers.signer, signing_key: &answers.signing_key, origin: &answers.url };
    let introduction = source::begin(&repo, &settings, SystemClock.now())?;
    for (name, text) in files::second_commit(&answers) {
        write::file(&repo.join(name), text.as_bytes(), write::PUBLIC)?;
    }
    for (name, text) in files::runner(&answers, introduction.as_str()) {
        write::file(&runner.join(name), text.as_bytes(), write::PRIVATE)?;
    }
    output.text(&files::next(&repo, &runner));
    Ok(Exit::Done)
}

/// Nothing of anybody is overwritten.
fn empty(dir: &Path) -> Result<PathBuf, Failure> {
    let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    match fs::read_dir(&dir).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(dir),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(dir),
        _ => {
            let fault = Fault::new("init:folder", format!("{} is not an empty folder", dir.display()))
                .hint("name a folder that is empty or missing");
            Err(Failure::new(Exit::Usage, Check::Completed, fault))
        }
    }
}

/// What would be written must be what the other commands take.
fn check(answers: &Answered) -> Result<(), Failure> {
    let list = SourceFile { path: "domains.yaml".into(), bytes: files::list(answers).into_bytes() };
    let parsed = parse::parse(std::slice::from_ref(&list), None);
    if parsed.list.is_none() {
        return Err(refused("domains.yaml", &files::list(answers), &parsed.diagnostics));
    }
    for (name, text) in files::runner(answers, NO_COMMIT) {
        let wrong = match name {
            "countersign.yaml" => Config::parse(&text, name).err(),
            "allowed_signers" => AllowedSigners::parse(&text, name).err(),
            _ => {
                let signers = AllowedSigners::parse(&files::allowed_signers(answers), "allowed_signers");
                signers.and_then(|signers| Policy::parse(&text, name, &signers)).err()
            }
        };
        wrong.map_or(Ok(()), |wrong| Err(refused(name, &text, &wrong)))?;
    }
    Ok(())
}

fn refused(name: &str, text: &str, wrong: &[Diagnostic]) -> Failure {
    let mut fault = Fault::new("init:answers", format!("these answers make no valid {name}"))
        .hint("nothing was written; correct the answers and run the same command");
    fault.causes = render::lines(wrong);
    let mut failure = Failure::new(Exit::Usage, Check::Completed, fault);
    let source = SourceFile { path: name.to_owned(), bytes: text.as_bytes().to_vec() };
    failure.details = render::render(wrong, &[source], false);
    failure
}
