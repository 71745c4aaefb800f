//! A refused head for people: every broken rule, and the first of them as what ended the run.

use std::fmt::Write;

use super::terminal::plain;
use crate::diag::render;
use crate::fault::{Fault, Retry};
use crate::trust::{Refusal, Refused};

/// The first broken rule speaks for all; the others are causes.
pub fn fault(refused: &Refused) -> Fault {
    let Some(first) = refused.refusals.first() else {
        return Fault::new("trust:refused", "the head is refused");
    };
    let commit = first.commit.as_ref().filter(|commit| !first.message.contains(commit.short()));
    let commit = commit.map(|commit| format!("commit {}: ", commit.short())).unwrap_or_default();
    let mut fault = Fault::new(first.rule.as_str(), format!("{commit}{}", first.message)).retry(Retry::Never);
    for other in refused.refusals.iter().skip(1).take(5) {
        fault = fault.because(other.to_string());
    }
    let key = first.key.as_ref().filter(|key| !first.message.contains(key.as_str()));
    fault.causes.extend(key.map(|key| format!("signed by the key {key}")));
    fault.causes.extend(render::lines(&refused.diagnostics));
    if first.hint.is_empty() { fault } else { fault.hint(first.hint.clone()) }
}

/// Every broken rule with its facts, then the faults of the list in their lines.
pub fn details(refused: &Refused) -> String {
    let mut details = String::new();
    for (nth, refusal) in refused.refusals.iter().enumerate() {
        let _ = writeln!(details, "{}: {}", refusal.rule.as_str(), plain(&refusal.message));
        let facts = [
            ("commit", refusal.commit.as_ref().map(ToString::to_string)),
            ("key", refusal.key.as_ref().map(ToString::to_string)),
            ("signer", refusal.principal.clone()),
            ("name", refusal.name.clone()),
            ("path", place(refusal)),
            // That of the first stands below all.
            ("hint", Some(refusal.hint.clone()).filter(|hint| nth > 0 && !hint.is_empty())),
        ];
        for (name, fact) in facts {
            if let Some(fact) = fact {
                let _ = writeln!(details, "  {name}: {}", plain(&fact).replace('\n', "\n    "));
            }
        }
    }
    if refused.more > 0 {
        let _ = writeln!(details, "and {} more", refused.more);
    }
    details + &render::render(&refused.diagnostics, &refused.files, false)
}

fn place(refusal: &Refusal) -> Option<String> {
    let place = refusal.place.as_ref().map(|place| format!("{}:{}", place.file, place.line));
    place.or_else(|| refusal.path.clone())
}
