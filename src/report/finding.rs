//! What is wrong with an input, rule by rule: the one shape behind text, JUnit and SARIF of `validate`.

use std::fmt::Write;

use serde::Serialize;

use crate::diag::render::visible;
use crate::diag::{Diagnostic, Place, Severity};
use crate::name::CommitId;
use crate::report::terminal::Paint;
use crate::trust::Refusal;

/// One broken rule of trust, or one diagnostic of the list. Its texts neither steer a terminal nor hide anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Id of a rule of `trust`, or code of a diagnostic.
    pub rule: &'static str,
    pub severity: Severity,
    /// A sentence without a full stop.
    pub message: String,
    /// What would satisfy the rule. May have several lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitId>,
    /// Principal, fingerprint, or both, as far as they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    /// What of the repository it is about, when there is no better place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The certificates or domains that are concerned.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// The first is the place of the fault itself.
    pub places: Vec<Place>,
}

impl Finding {
    pub fn of_diagnostic(diagnostic: &Diagnostic) -> Self {
        Self {
            rule: diagnostic.code,
            severity: diagnostic.severity,
            message: shown(&diagnostic.message),
            hint: diagnostic.hint.as_deref().map(shown),
            commit: None,
            signer: None,
            path: None,
            names: Vec::new(),
            places: diagnostic.labels.iter().map(|label| label.place.clone()).collect(),
        }
    }

    pub fn of_refusal(refusal: &Refusal) -> Self {
        let signer = [refusal.principal.clone(), refusal.key.as_ref().map(ToString::to_string)];
        let signer: Vec<_> = signer.into_iter().flatten().collect();
        Self {
            rule: refusal.rule.as_str(),
            severity: Severity::Error,
            message: shown(&refusal.message),
            hint: Some(shown(&refusal.hint)).filter(|hint| !hint.is_empty()),
            commit: refusal.commit.clone(),
            signer: Some(shown(&signer.join(" "))).filter(|signer| !signer.is_empty()),
            path: refusal.path.as_deref().map(shown),
            names: refusal.name.iter().map(|name| shown(name)).collect(),
            places: refusal.place.iter().cloned().collect(),
        }
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// One line: `domains.yaml:12:5: the commit is not signed (commit 3fa9c1d0e4, www)`.
    pub fn line(&self) -> String {
        let place = match (self.places.first(), &self.path) {
            (Some(place), _) => format!("{}:{}:{}: ", visible(&place.file), place.line, place.column),
            (None, Some(path)) => format!("{path}: "),
            (None, None) => String::new(),
        };
        let commit = self.commit.as_ref().map(|commit| format!("commit {}", commit.short()));
        let about: Vec<_> = commit.into_iter().chain(self.names.iter().cloned()).collect();
        let about = if about.is_empty() { String::new() } else { format!(" ({})", about.join(", ")) };
        format!("{place}{}{about}", self.message)
    }

    /// For people, in the form of the diagnostics.
    pub fn text(&self, paint: Paint) -> String {
        let (word, rule) = (if self.is_error() { "error" } else { "warning" }, self.rule);
        let title = format!("{word}[{rule}]");
        let title = if self.is_error() { paint.bad(&title) } else { paint.warn(&title) };
        let mut text = format!("{title}: {}\n", self.message);
        for place in &self.places {
            let _ = writeln!(text, " --> {}:{}:{}", visible(&place.file), place.line, place.column);
        }
        let facts = [
            ("path", self.path.clone().filter(|_| self.places.is_empty())),
            ("commit", self.commit.as_ref().map(ToString::to_string)),
            ("signer", self.signer.clone()),
            ("names", Some(self.names.join(", ")).filter(|names| !names.is_empty())),
        ];
        for (name, fact) in facts {
            if let Some(fact) = fact {
                let _ = writeln!(text, "  {name}: {fact}");
            }
        }
        for (nth, line) in self.hint.iter().flat_map(|hint| hint.lines()).enumerate() {
            let _ = writeln!(text, "{}{}", if nth == 0 { "  help: " } else { "    " }, line);
        }
        text
    }
}

/// Line by line, with strange characters written out.
pub fn shown(text: &str) -> String {
    text.lines().map(visible).collect::<Vec<_>>().join("\n")
}

/// The same on one line.
pub fn one_line(text: &str) -> String {
    shown(text).replace('\n', " ")
}
