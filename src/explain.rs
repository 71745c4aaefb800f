//! What each rule means, why it is there, and what satisfies it, and what each kind of failure asks for: for
//! `countersign explain`, `docs/rules.md` and `docs/errors.md`.

use crate::diag::{Code, Severity};
use crate::trust::RuleId;

/// One paragraph a rule: `# id`, then `Why:`, `Fix:` and `Example:`.
const TRUST: &str = include_str!("explain/trust.md");
const LIST: &str = include_str!("explain/list.md");
/// One paragraph a kind of failure: `# code`, then `What:` and `Fix:`.
const FAULTS: &str = include_str!("explain/faults.md");

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

/// A kind of failure, by the code that stands in brackets behind its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// `origin:kind`, or `origin:*` for what a server names itself.
    pub code: &'static str,
    pub what: &'static str,
    pub fix: &'static str,
}

/// Every kind of failure, by its code.
pub fn kinds() -> impl Iterator<Item = Kind> {
    let codes = FAULTS.lines().filter_map(|line| line.strip_prefix("# "));
    let text = |code, name| field(FAULTS, code, name).unwrap_or_default();
    codes.map(move |code| Kind { code, what: text(code, "What: "), fix: text(code, "Fix: ") })
}

/// The kind of failure with this code, else the one for whatever its origin names itself.
pub fn kind(code: &str) -> Option<Kind> {
    let find = |code: &str| kinds().find(|kind| kind.code == code);
    find(code).or_else(|| find(&format!("{}:*", code.split_once(':')?.0)))
}

/// What somebody means who typed this: with brackets, in other letters, or by the number of a rule alone.
pub fn meant(typed: &str) -> Option<&'static str> {
    let typed = typed.trim_matches(['[', ']']).to_lowercase();
    let ids = || all().map(|rule| rule.id).chain(kinds().map(|kind| kind.code));
    let number = format!("{typed}-");
    ids()
        .find(|id| id.to_lowercase() == typed)
        .or_else(|| all().map(|rule| rule.id).find(|id| id.to_lowercase().starts_with(&number)))
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

/// Up to three ids of rules and codes of failures that look like `id`.
pub fn similar(id: &str) -> Vec<&'static str> {
    let (wanted, short) = (id.to_lowercase(), |id: &str| id.split('-').next().unwrap_or_default().to_lowercase());
    let ids = all().map(|rule| rule.id).chain(kinds().map(|kind| kind.code));
    let mut near: Vec<_> = ids.map(|id| (strsim::jaro_winkler(&wanted, &id.to_lowercase()), id)).collect();
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
    fn every_kind_of_failure_says_what_it_is_and_what_to_do_in_the_order_of_the_codes() {
        let silent = |kind: &Kind| [kind.what, kind.fix].iter().any(|text| !text.ends_with('.'));
        assert_eq!(kinds().filter(silent).map(|kind| kind.code).collect::<Vec<_>>(), [""; 0]);
        assert!(kinds().map(|kind| kind.code.to_lowercase()).is_sorted());
    }

    #[test]
    fn what_a_server_names_itself_is_explained_by_its_origin() {
        assert_eq!(kind("s3:NoSuchBucket").unwrap().code, "s3:*");
        assert_eq!(kind("s3:unsafe").unwrap().code, "s3:unsafe");
        assert_eq!(kind("nowhere:odd"), None);
    }

    #[test]
    fn a_misspelt_rule_is_recognised_also_by_its_number() {
        assert_eq!(similar("S01"), ["S01-unsigned"]);
        assert_eq!(similar("duplicate-nme")[0], "duplicate-name");
        assert_eq!(similar("zzz"), [""; 0]);
    }
}
