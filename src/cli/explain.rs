//! `countersign explain`

use serde_json::{Value, json};

use crate::cli::args::Explain as Args;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, counted};
use crate::diag::Severity;
use crate::explain::{self, Rule};
use crate::fault::Fault;
use crate::report::Check;
use crate::report::terminal::{Paint, plain};

pub fn run(args: &Args, output: &Output) -> Exit {
    let Some(id) = &args.rule else {
        return list(output);
    };
    match explain::find(id) {
        Some(rule) => {
            output.text(&text(&rule, output.paint));
            output.json("explain", with_exit(object(&rule)));
            Exit::Done
        }
        None => unknown(id, output),
    }
}

fn list(output: &Output) -> Exit {
    let width = explain::all().map(|rule| rule.id.len()).max().unwrap_or(0);
    for (title, rules) in [("Trust", explain::trust().collect::<Vec<_>>()), ("The list", explain::list().collect())] {
        output.text(&format!("{}\n", output.paint.bold(title)));
        for rule in rules {
            output.text(&format!("  {:width$}  {}\n", rule.id, rule.description));
        }
    }
    output.json("explain", with_exit(json!({"rules": explain::all().map(|rule| object(&rule)).collect::<Vec<_>>()})));
    output.summary("explain", Exit::Done, &counted(explain::all().count(), "rule"));
    Exit::Done
}

fn unknown(id: &str, output: &Output) -> Exit {
    let similar = explain::similar(id);
    let hint = match similar.is_empty() {
        true => "`countersign explain` lists all rules".to_owned(),
        false => format!("did you mean {}?", similar.join(", ")),
    };
    let fault = Fault::new("run:rule", format!("there is no rule `{}`", plain(id))).hint(hint);
    Failure::new(Exit::Usage, Check::Completed, fault).end("explain", output)
}

fn text(rule: &Rule, paint: Paint) -> String {
    let title = paint.bold(rule.id);
    let weight = if rule.severity == Severity::Warning { " (a warning)" } else { "" };
    let Rule { description, why, fix, example, .. } = rule;
    format!("{title}{weight}\n{description}\n\nWhy:     {why}\nFix:     {fix}\nExample: {example}\n")
}

fn object(rule: &Rule) -> Value {
    let Rule { id, description, severity, why, fix, example } = rule;
    json!({"rule": id, "description": description, "severity": severity, "why": why, "fix": fix, "example": example})
}

fn with_exit(mut value: Value) -> Value {
    value["exit"] = (Exit::Done as u8).into();
    value
}
