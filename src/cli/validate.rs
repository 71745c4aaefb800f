//! `countersign validate`

mod branch;
mod worktree;

pub use branch::refuse_files_of_the_branch;

use std::path::Path;

use serde_json::json;

use crate::cli::args::{Global, Validate as Args};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, counted};
use crate::cli::reports::{Ended, Reports, reported};
use crate::diag::{Diagnostic, SourceFile, render};
use crate::fault::Fault;
use crate::report::finding::Finding;
use crate::report::terminal::Paint;
use crate::report::{Check, sarif};
use crate::store::write;

/// What was looked at and what is wrong with it.
#[derive(Default)]
struct Checked {
    /// What the summary begins with.
    about: String,
    /// Told before everything else.
    notes: Vec<String>,
    /// Broken rules of trust, without those of the list.
    refused: Vec<Finding>,
    /// How many more there are.
    more: usize,
    diagnostics: Vec<Diagnostic>,
    files: Vec<SourceFile>,
    missing_approvals_only: bool,
    /// The path of the list in the repository.
    list: String,
}

pub fn run(global: &Global, args: &Args, output: &Output) -> Exit {
    reported("validate", &args.report, output, |reports| {
        let sarif = args.sarif.as_deref();
        // A file of an earlier run must not be taken for the answer of this one.
        save(sarif, Err(&Fault::new("run:incomplete", "the validation did not come to its end")), "")?;
        let checked = match &args.base {
            Some(base) => branch::check(global, base, args, reports.now()),
            None => worktree::check(global, args.list.as_deref()),
        };
        match checked {
            Ok(checked) => {
                reports.run.made.extend(made(args));
                tell(&checked, sarif, reports, output)
            }
            Err(failure) => {
                save(sarif, Err(&failure.fault), "")?;
                Err(failure)
            }
        }
    })
}

/// A list without its commits says nothing about who signed it.
fn made(args: &Args) -> Vec<Check> {
    match args.base {
        Some(_) => {
            vec![Check::Signature, Check::SignerAllowed, Check::NoRollback, Check::ListValid, Check::PolicyValid]
        }
        None => vec![Check::ListValid],
    }
}

fn tell(checked: &Checked, sarif: Option<&Path>, reports: &mut Reports, output: &Output) -> Result<Ended, Failure> {
    for note in &checked.notes {
        output.text(&format!("note: {note}\n"));
    }
    for finding in &checked.refused {
        output.error(&(finding.text(output.paint) + "\n"));
    }
    if checked.more > 0 {
        output.error(&format!("and {} more\n\n", checked.more));
    }
    output.error(&render::render(&checked.diagnostics, &checked.files, output.paint == Paint::Color));
    let of_list = checked.diagnostics.iter().map(Finding::of_diagnostic);
    let findings: Vec<_> = checked.refused.iter().cloned().chain(of_list).collect();
    save(sarif, Ok(&findings), &checked.list)?;

    let errors = findings.iter().filter(|finding| finding.is_error()).count() + checked.more;
    let warnings = findings.len() + checked.more - errors;
    let exit = match errors {
        0 => Exit::Done,
        _ if checked.missing_approvals_only => Exit::Unapproved,
        _ => Exit::Refused,
    };
    let of_trust = &findings[..checked.refused.len()];
    output.json(
        "validate",
        json!({"exit": exit as u8, "findings": of_trust, "more": checked.more, "diagnostics": checked.diagnostics}),
    );
    let first = |part: &[Finding]| {
        part.iter().find(|finding| finding.is_error()).map(|finding| {
            let fault = Fault::new(finding.rule, format!("{}; see the suite config.rules", finding.message));
            finding.hint.iter().fold(fault, Fault::hint)
        })
    };
    let failed = [(Check::Signature, first(of_trust)), (Check::ListValid, first(&findings[checked.refused.len()..]))];
    reports.run.failed.extend(failed.into_iter().filter_map(|(check, fault)| Some((check, fault?))));
    reports.run.findings = Some(findings);
    let (errors, warnings) = (counted(errors, "error"), counted(warnings, "warning"));
    Ok(Ended::new(exit, format!("{}, {errors}, {warnings}", checked.about)))
}

fn save(file: Option<&Path>, findings: Result<&[Finding], &Fault>, list: &str) -> Result<(), Fault> {
    let Some(file) = file else {
        return Ok(());
    };
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(|error| write::failed("make", folder, &error))?;
    }
    write::report(file, &sarif::render(findings, list), "{")
}
