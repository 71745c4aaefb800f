//! Every kind of error for which something has to be there: a list, a store, a bucket, a CA. As whoever types the command
//! reads it. Those that need nothing are in `tests/operator/errors`.

mod audit;
mod issue;
mod material;
mod pull;
mod repository;
mod restore;
mod store;

use std::process::Command;

use super::rig::Lab;
use crate::answers::{Answers, answer};

/// Commands that fail in one lab, each with its cause.
struct Errors {
    lab: Lab,
    answers: Answers,
    config: String,
}

impl Errors {
    fn new() -> Self {
        Self::of(Lab::new())
    }

    fn of(lab: Lab) -> Self {
        let config = lab.read("countersign.yaml");
        Self { lab, answers: Answers::default(), config }
    }

    /// `www` is live and published.
    fn live() -> Self {
        let errors = Self::new();
        errors.lab.list(&[("www", "www.example.com")]);
        errors.lab.done();
        errors
    }

    fn ask(&mut self, cause: &str, args: &[&str]) {
        self.ask_with(cause, args, &[]);
    }

    fn ask_with(&mut self, cause: &str, args: &[&str], environment: &[(&str, &str)]) {
        let (code, out, err) = self.lab.ask_with(args, environment);
        assert_ne!(code, Some(0), "{cause}: {out}{err}");
        self.answers.add(cause, &answer(args, code, &out, &err));
    }

    /// What the report of an apply says of all that did not pass.
    fn apply(&mut self, cause: &str) {
        let ran = self.lab.apply();
        assert_ne!(ran.code, Some(0), "{cause}: {ran:?}");
        let bad: String = ran.bad().iter().map(|bad| format!("{bad}\n")).collect();
        let text = answer(&["apply", "--auto-approve"], ran.code, &ran.out, &ran.err);
        self.answers.add(cause, &format!("{text}--- JUnit\n{bad}"));
    }

    /// The configuration with something else in one place.
    fn configure(&self, from: &str, to: &str) {
        assert!(self.config.contains(from), "{from}");
        self.lab.write("countersign.yaml", &self.config.replacen(from, to, 1));
    }

    fn also(&self, more: &str) {
        self.lab.write("countersign.yaml", &format!("{}{more}\n", self.config));
    }

    fn as_before(&self) {
        self.lab.write("countersign.yaml", &self.config);
    }

    /// A copy of the store that may be broken, and is used from now on.
    fn copied(&self) {
        let script = "rm -rf copy && cp -a state copy";
        assert!(Command::new("sh").args(["-c", script]).current_dir(self.lab.path("")).status().unwrap().success());
        self.configure("state: state", "state: copy");
    }

    fn hold(self, name: &str) {
        self.answers.hold("pipeline", &format!("errors-{name}"));
    }
}
