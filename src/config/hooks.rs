//! `hooks:`: what runs on this host after a change.

use std::time::Duration;

use crate::config::value;
use crate::diag::Code;
use crate::hook::Event;
use crate::yaml::{Fields, Findings, Node};

/// How long a command may take if nothing is said.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Programs to run after a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hooks {
    /// Whether signed hooks of the config repo run here.
    pub from_repo: bool,
    /// Programs with their arguments, in their order.
    pub after_issue: Vec<Vec<String>>,
    pub after_renew: Vec<Vec<String>>,
    pub on_failure: Vec<Vec<String>>,
    /// How long each may take; 60 s if not said.
    pub timeout: Duration,
}

impl Default for Hooks {
    fn default() -> Self {
        let (after_issue, after_renew, on_failure) = (Vec::new(), Vec::new(), Vec::new());
        Self { from_repo: false, after_issue, after_renew, on_failure, timeout: TIMEOUT }
    }
}

impl Hooks {
    pub fn commands(&self, event: Event) -> &[Vec<String>] {
        match event {
            Event::AfterIssue => &self.after_issue,
            Event::AfterRenew => &self.after_renew,
            Event::OnFailure => &self.on_failure,
        }
    }

    /// Whether anything may ever run.
    pub fn are_used(&self) -> bool {
        self.from_repo || Event::ALL.iter().any(|event| !self.commands(*event).is_empty())
    }
}

pub(super) fn hooks(node: &Node, f: &mut Findings<'_>) -> Option<Hooks> {
    let keys = ["from_repo", "after_issue", "after_renew", "on_failure", "timeout"];
    let fields = Fields::of(node, "`hooks`", &keys, f)?;
    let from_repo = fields.get("from_repo").map_or(Some(false), |node| node.flag(f));
    let mut list = |key| fields.get(key).and_then(|node| commands(node, f)).unwrap_or_default();
    let (after_issue, after_renew, on_failure) = (list("after_issue"), list("after_renew"), list("on_failure"));
    let timeout = fields.get("timeout").map_or(Some(TIMEOUT), |node| node.parsed(value::seconds, f));
    Some(Hooks { from_repo: from_repo?, after_issue, after_renew, on_failure, timeout: timeout? })
}

fn commands(node: &Node, f: &mut Findings<'_>) -> Option<Vec<Vec<String>>> {
    Some(node.items(f)?.iter().filter_map(|item| command(item, f)).collect())
}

/// A program by its whole path, and its arguments. There is no shell.
fn command(node: &Node, f: &mut Findings<'_>) -> Option<Vec<String>> {
    let words = node.texts(f)?;
    match words.first() {
        Some((program, _)) if program.starts_with('/') => {}
        Some((program, at)) => {
            f.report(Code::BadValue, *at, format!("`{program}` is not the whole path of a program"))
                .hint("write a list such as `[/usr/bin/systemctl, reload, nginx]`: no shell looks for it or reads it");
            return None;
        }
        None => {
            f.report(Code::BadValue, node.at, "a command without a program")
                .hint("write `[/path/of/program, argument]`");
            return None;
        }
    }
    Some(words.into_iter().map(|(word, _)| word.to_owned()).collect())
}
