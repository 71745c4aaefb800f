//! Every kind of error that can be had without a server, as whoever types the command reads it. Those that need stand-ins
//! are in `tests/pipeline/errors`.

mod clone;
mod config;
mod import;
mod print;

use super::Place;
use super::answers::{Answers, answer};

/// Commands that fail in one place, each with its cause.
struct Errors<'a> {
    place: &'a Place,
    answers: Answers,
}

impl<'a> Errors<'a> {
    fn of(place: &'a Place) -> Self {
        Self { place, answers: Answers::default() }
    }

    fn ask(&mut self, cause: &str, args: &[&str]) {
        self.ask_in("", cause, args, &[]);
    }

    fn ask_with(&mut self, cause: &str, args: &[&str], environment: &[(&str, &str)]) {
        self.ask_in("", cause, args, environment);
    }

    fn ask_in(&mut self, folder: &str, cause: &str, args: &[&str], environment: &[(&str, &str)]) {
        let ran = self.place.run_with(folder, args, environment);
        assert_ne!(ran.code, Some(0), "{cause}: {ran:?}");
        self.answers.add(cause, &answer(args, ran.code, &ran.out, &ran.err));
    }

    fn hold(self, name: &str) {
        self.answers.hold("operator", &format!("errors-{name}"));
    }
}
