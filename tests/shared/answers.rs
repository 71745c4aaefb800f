//! Commands that go wrong, and what is said about it: many answers in one file.

use crate::snapshot::golden;

/// What was typed, and everything that was said.
pub fn answer(args: &[&str], code: Option<i32>, out: &str, err: &str) -> String {
    let code = code.map_or_else(|| "none".to_owned(), |code| code.to_string());
    format!("$ countersign {}\nexit {code}\n--- stdout\n{out}--- stderr\n{err}", args.join(" "))
}

/// Many answers in one file, each below what led to it.
#[derive(Default)]
pub struct Answers(String);

impl Answers {
    pub fn add(&mut self, cause: &str, answer: &str) {
        let between = if self.0.is_empty() { "" } else { "\n" };
        self.0 += &format!("{between}## {cause}\n{answer}");
    }

    pub fn hold(self, folder: &str, name: &str) {
        golden(folder, name, &self.0);
    }
}
