//! What each rule means, why it is there, and what satisfies it: for `countersign explain` and `docs/rules.md`.

use crate::diag::{Code, Severity};
use crate::trust::RuleId;

/// One paragraph a rule: `# id`, then `Why:`, `Fix:` and `Example:`.
const TRUST: &str = include_str!("explain/trust.md");
const LIST: &str = include_str!("explain/list.md");

/// A rule of trust, or a code of the list's diagnostics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    pub id: &'static str,
    /// What the rule asks for; for a code of the list what is wrong.
    pub description: &'static str,
    pub severity: Severity,
    pub why: &'static str,
    /// What satisfies it.
    pub fix: &'static str,
    /// What breaks it.
    pub example: &'static str,
}

/// Every rule of trust, then every code of the list.
pub fn all() -> impl Iterator<Item = Rule> {
    trust().chain(list())
}

pub fn trust() -> impl Iterator<Item = Rule> {
    RuleId::ALL.iter().map(|rule| of(TRUST, rule.as_str(), rule.description(), Severity::Error))
}

pub fn list() -> impl Iterator<Item = Rule> {
    Code::ALL.iter().map(|code| of(LIST, code.name(), code.description(), code.severity()))
}

/// The rule of this id.
pub fn find(id: &str) -> Option<Rule> {
    all().find(|rule| rule.id == id)
}

/// Up to three ids that look like `id`.
pub fn similar(id: &str) -> Vec<&'static str> {
    let (wanted, short) = (id.to_lowercase(), |id: &str| id.split('-').next().unwrap_or_default().to_lowercase());
    let mut near: Vec<_> =
        all().map(|rule| (strsim::jaro_winkler(&wanted, &rule.id.to_lowercase()), rule.id)).collect();
    near.iter_mut().filter(|(_, rule)| short(rule) == wanted).for_each(|(score, _)| *score = 2.0);
    near.retain(|(score, _)| *score > 0.75);
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    near.into_iter().take(3).map(|(_, id)| id).collect()
}

fn of(texts: &'static str, id: &'static str, description: &'static str, severity: Severity) -> Rule {
    let field = |name| field(texts, id, name).unwrap_or_default();
    Rule { id, description, severity, why: field("Why: "), fix: field("Fix: "), example: field("Example: ") }
}

fn field(texts: &'static str, id: &str, name: &str) -> Option<&'static str> {
    let section = texts.split("# ").find(|section| section.lines().next() == Some(id))?;
    section.lines().find_map(|line| line.strip_prefix(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_says_why_it_is_there_what_satisfies_it_and_what_breaks_it() {
        let silent = |rule: &Rule| [rule.why, rule.fix, rule.example].iter().any(|text| !text.ends_with('.'));
        assert_eq!(all().filter(silent).map(|rule| rule.id).collect::<Vec<_>>(), [""; 0]);
    }

    #[test]
    fn every_text_belongs_to_a_rule() {
        let titles = [TRUST, LIST].into_iter().flat_map(str::lines).filter_map(|line| line.strip_prefix("# "));
        assert_eq!(titles.filter(|id| find(id).is_none()).collect::<Vec<_>>(), [""; 0]);
    }

    #[test]
    fn a_misspelt_rule_is_recognised_also_by_its_number() {
        assert_eq!(similar("S01"), ["S01-unsigned"]);
        assert_eq!(similar("duplicate-nme")[0], "duplicate-name");
        assert_eq!(similar("zzz"), [""; 0]);
    }
}
