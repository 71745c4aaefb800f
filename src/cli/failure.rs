//! Why a command ended early: what to show, which check did not pass, and the exit code.

use serde_json::{Value, json};

use crate::bucket;
use crate::cli::exit::Exit;
use crate::cli::output::Output;
use crate::fault::Fault;
use crate::report::Check;
use crate::report::terminal;
use crate::store::lock::NoLock;

/// An early end.
#[derive(Clone, Debug)]
pub struct Failure {
    pub exit: Exit,
    pub check: Check,
    pub fault: Fault,
    /// More for people, already rendered: diagnostics or refusals.
    pub details: String,
}

impl Failure {
    pub fn new(exit: Exit, check: Check, fault: Fault) -> Self {
        Self { exit, check, fault, details: String::new() }
    }

    /// Shows it on standard error, and ends the JSON: with the summary of an apply, or with the only object.
    pub fn show(&self, command: &str, output: &Output) -> Exit {
        output.error(&self.details);
        output.fault(&self.fault);
        if command == "apply" || !output.has_answered() {
            output.json(if command == "apply" { "summary" } else { command }, self.to_json());
        }
        self.exit
    }

    /// Ends a command that writes no report: shows it, with the summary line.
    pub fn end(&self, command: &str, output: &Output) -> Exit {
        self.show(command, output);
        output.summary(command, self.exit, &self.summary());
        self.exit
    }

    pub fn to_json(&self) -> Value {
        json!({"exit": self.exit as u8, "check": self.check.as_str(), "fault": self.fault})
    }

    /// The text of the summary line.
    pub fn summary(&self) -> String {
        terminal::plain(&self.fault.to_string()).replace('\n', " ")
    }
}

/// A fault without a better place: the run could not come to its end.
impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        let (exit, check) = match fault.code.as_str() {
            "git:host-key" => (Exit::Refused, Check::Contact),
            bucket::UNSAFE | bucket::WRONG_OWNER => (Exit::Refused, Check::Completed),
            code if code.starts_with("git:") => (Exit::Failed, Check::Contact),
            "plan:stale" | "plan:unreadable" => (Exit::Refused, Check::Limits),
            _ => (Exit::Failed, Check::Completed),
        };
        Self::new(exit, check, fault)
    }
}

impl From<NoLock> for Failure {
    fn from(no_lock: NoLock) -> Self {
        match no_lock {
            NoLock::Held(_) => Self::new(Exit::Locked, Check::Completed, no_lock.into_fault()),
            NoLock::Fault(fault) => fault.into(),
        }
    }
}
