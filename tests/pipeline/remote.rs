//! Every kind of error that a server or the network has a part in, as an operator sees it: few commands, on lists whose
//! certificates fail each in a way of its own.

mod account;
mod acme;
mod answers;
mod dns;
mod exec;
mod s3;
mod served;
mod ssh;
mod web;

use super::rig::{Lab, Ran};
use crate::answers::answer;
use crate::snapshot::golden;

const APPLY: [&str; 2] = ["apply", "--auto-approve"];

/// What is seen of some commands.
#[derive(Default)]
struct Page(String);

impl Page {
    fn run(&mut self, lab: &Lab, args: &[&str]) {
        self.add(args, &lab.run(args));
    }

    /// The command, how it ended, what it said, and every case of its report that did not pass.
    fn add(&mut self, args: &[&str], ran: &Ran) {
        let out = if args[0] == "doctor" { bad_checks(&ran.out) } else { ran.out.clone() };
        self.0 += &answer(args, ran.code, &out, &ran.err);
        for (suite, case, verdict) in ran.junit.iter().flat_map(|junit| junit.verdicts()) {
            // The first line says the message again.
            let text: String = verdict.text.trim_end().lines().skip(1).map(|line| format!("\n{line}")).collect();
            self.0 += &format!("--- {suite}/{case} {}\n{}{text}\n", verdict.element, verdict.message);
        }
        self.0 += "\n";
    }

    /// Holds it against the file `errors-NAME.snap`.
    fn is(self, name: &str) {
        golden("pipeline", &format!("errors-{name}"), &self.0);
    }
}

/// What `doctor` found to be wrong, and no more: the rest tells of this machine.
fn bad_checks(out: &str) -> String {
    let mut is_bad = false;
    let mut bad = |line: &&str| {
        is_bad = line.starts_with("FAIL") || (is_bad && line.starts_with(' '));
        is_bad
    };
    out.lines().filter(|line| bad(line)).map(|line| format!("{line}\n")).collect()
}
