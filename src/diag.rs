//! Diagnostics: what is wrong in a file, where, and what to do about it.
//!
//! A diagnostic is a finding, not a failure. Each has a stable kebab-case code.

pub mod code;
pub mod render;

use std::ops::Range;

use serde::Serialize;

pub use code::Code;

/// How much a diagnostic weighs. Only errors make a list invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    Error,
    Warning,
}

/// A place in a file. Lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Path as in the repository, with `/`.
    pub file: String,
    pub line: usize,
    pub column: usize,
    /// Byte range in the file.
    #[serde(skip)]
    pub span: Range<usize>,
}

/// A place with a word about it. The first label of a diagnostic is the place of the fault itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Label {
    #[serde(flatten)]
    pub place: Place,
    pub text: String,
}

/// One finding in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Stable kebab-case code, documented in `docs/rules.md`.
    pub code: &'static str,
    pub severity: Severity,
    pub message: String,
    pub labels: Vec<Label>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Diagnostic {
    /// A finding at `place`, as severe as its code. Messages and hints longer than a paragraph are cut.
    pub fn new(code: Code, place: Place, message: impl Into<String>) -> Self {
        Self {
            code: code.name(),
            severity: code.severity(),
            message: clip(message.into()),
            labels: vec![Label { place, text: String::new() }],
            hint: None,
        }
    }

    /// Says a word about the place of the fault itself.
    pub fn label(&mut self, text: impl Into<String>) -> &mut Self {
        if let Some(first) = self.labels.first_mut() {
            first.text = text.into();
        }
        self
    }

    /// Points at a second place.
    pub fn also(&mut self, place: Place, text: impl Into<String>) -> &mut Self {
        self.labels.push(Label { place, text: text.into() });
        self
    }

    /// Says what to do about it.
    pub fn hint(&mut self, text: impl Into<String>) -> &mut Self {
        self.hint = Some(clip(text.into()));
        self
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// A file may hold words of a megabyte; a message quotes no more than a reader can use.
fn clip(mut text: String) -> String {
    const LONGEST: usize = 600;
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
        text.push('…');
    }
    text
}

/// Puts diagnostics in file order, errors before warnings at the same place.
pub fn sort(diagnostics: &mut [Diagnostic]) {
    fn key(d: &Diagnostic) -> (Option<(&str, usize)>, Severity, &str, &str) {
        let place = d.labels.first().map(|label| &label.place);
        (place.map(|place| (place.file.as_str(), place.span.start)), d.severity, d.code, &d.message)
    }
    diagnostics.sort_by(|a, b| key(a).cmp(&key(b)));
}

/// A file of the list as text, with its path in the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    pub path: String,
    pub bytes: Vec<u8>,
}
