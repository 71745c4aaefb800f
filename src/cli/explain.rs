//! `countersign explain`

use serde_json::{Value, json};

use crate::cli::args::Explain as Args;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, counted};
use crate::diag::Severity;
use crate::explain::{self, Kind, Rule};
use crate::fault::Fault;
use crate::report::Check;
use crate::report::terminal::{Paint, plain};

pub fn run(args: &Args, output: &Output) -> Exit {
    let Some(id) = &args.rule else {
        return list(output);
    };
    let id = explain::meant(id).unwrap_or(id);
    let (text, object) = match (explain::find(id), explain::kind(id)) {
        (Some(rule), _) => (text(&rule, output.paint), object(&rule)),
        (None, Some(kind)) => (text_of_kind(id, &kind, output.paint), object_of_kind(id, &kind)),
        (None, None) => return unknown(id, output),
    };
    output.text(&text);
    output.json("explain", with_exit(object));
    Exit::Done
}

fn list(output: &Output) -> Exit {
    let rules = |rules: &mut dyn Iterator<Item = Rule>| rules.map(|rule| (rule.id, rule.description)).collect();
    let groups: [(_, Vec<_>); 3] = [
        ("Trust", rules(&mut explain::trust())),
        ("The list", rules(&mut explain::list())),
        ("Failures", explain::kinds().map(|kind| (kind.code, kind.what)).collect()),
    ];
    let width = groups.iter().flat_map(|(_, group)| group).map(|(id, _)| id.len()).max().unwrap_or(0);
    for (title, group) in groups {
        output.text(&format!("{}\n", output.paint.bold(title)));
        for (id, text) in group {
            output.text(&format!("  {id:width$}  {text}\n"));
        }
    }
    let rules: Vec<Value> = explain::all().map(|rule| object(&rule)).collect();
    let kinds: Vec<Value> = explain::kinds().map(|kind| object_of_kind(kind.code, &kind)).collect();
    let (many, more) = (counted(rules.len(), "rule"), counted(kinds.len(), "kind"));
    output.json("explain", with_exit(json!({"rules": rules, "failures": kinds})));
    output.summary("explain", Exit::Done, &format!("{many}, {more} of failure"));
    Exit::Done
}

fn unknown(id: &str, output: &Output) -> Exit {
    let similar = explain::similar(id);
    let hint = match similar.is_empty() {
        true => "`countersign explain` lists them all".to_owned(),
        false => format!("did you mean {}?", similar.join(", ")),
    };
    let fault = Fault::new("run:rule", format!("there is no rule and no kind of failure `{}`", plain(id))).hint(hint);
    Failure::new(Exit::Usage, Check::Completed, fault).end("explain", output)
}

fn text(rule: &Rule, paint: Paint) -> String {
    let title = paint.bold(rule.id);
    let weight = if rule.severity == Severity::Warning { " (a warning)" } else { "" };
    let Rule { description, why, fix, example, .. } = rule;
    format!("{title}{weight}\n{description}\n\nWhy:     {why}\nFix:     {fix}\nExample: {example}\n")
}

/// Under the code that was asked for, whether the CA, S3 or we named it.
fn text_of_kind(code: &str, kind: &Kind, paint: Paint) -> String {
    format!("{}\n{}\n\nFix:     {}\n", paint.bold(&plain(code)), kind.what, kind.fix)
}

fn object_of_kind(code: &str, kind: &Kind) -> Value {
    json!({"code": code, "what": kind.what, "fix": kind.fix})
}

fn object(rule: &Rule) -> Value {
    let Rule { id, description, severity, why, fix, example } = rule;
    json!({"rule": id, "description": description, "severity": severity, "why": why, "fix": fix, "example": example})
}

fn with_exit(mut value: Value) -> Value {
    value["exit"] = (Exit::Done as u8).into();
    value
}
