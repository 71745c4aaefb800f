//! The JUnit report, read by xmllint.

use std::path::PathBuf;
use std::process::Command;

use crate::lab::daemon::output;
use crate::run::Run;

/// A well-formed report.
pub struct Junit(PathBuf);

impl Junit {
    /// Panics if the run left no report, or one that is not XML.
    pub fn of(run: &Run) -> Junit {
        output(Command::new("xmllint").args(["--noout", "--nonet"]).arg(&run.junit));
        Junit(run.junit.clone())
    }

    pub fn cases(&self) -> usize {
        self.ask("count(//testcase)").parse().expect("a number")
    }

    /// `suite/case` of every case that did not pass.
    pub fn bad(&self) -> Vec<String> {
        let count = self.ask(&format!("count({BAD})")).parse().expect("a number");
        let name = |n: usize| self.ask(&format!("concat(({BAD})[{n}]/@classname, '/', ({BAD})[{n}]/@name)"));
        (1..=count).map(name).collect()
    }

    /// What a mail of Jenkins would say of a case that did not pass. Empty if it passed.
    pub fn message(&self, suite: &str, case: &str) -> String {
        self.ask(&format!("string({}/*/@message)", path(suite, case)))
    }

    /// What the page of a case that did not pass shows below the message.
    pub fn text(&self, suite: &str, case: &str) -> String {
        self.ask(&format!("string({}/*[self::failure or self::error])", path(suite, case)))
    }

    /// What is known of a case, passed or not.
    pub fn facts(&self, suite: &str, case: &str) -> String {
        self.ask(&format!("string({}/system-out)", path(suite, case)))
    }

    fn ask(&self, xpath: &str) -> String {
        output(Command::new("xmllint").args(["--xpath", xpath]).arg(&self.0)).trim_end_matches('\n').to_owned()
    }
}

const BAD: &str = "//testcase[failure or error]";

fn path(suite: &str, case: &str) -> String {
    format!("//testsuite[@name='{suite}']/testcase[@name='{case}']")
}
