//! Patterns of names in rules.

use std::fmt;

use crate::name::{Identifier, NameError};

/// A name, or `*.` and a name for everything below it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern(Identifier);

impl Pattern {
    /// Takes what a list takes: U-labels and upper case are normalised, a trailing dot is refused.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        Identifier::parse(text).map(Self)
    }

    /// `team.example.com` matches that name only; `*.team.example.com` matches every name below `team.example.com`,
    /// at any depth, and not `team.example.com` itself. Labels are compared whole.
    ///
    /// A wildcard is a name below its base. It also matches the plain names that its certificate would serve, so
    /// that a rule about `pay.example.com` is not passed by with `*.example.com`.
    pub fn matches(&self, identifier: &Identifier) -> bool {
        if self.0.is_wildcard() {
            let above = identifier.as_str().strip_suffix(self.0.base());
            above.is_some_and(|above| above.len() > 1 && above.ends_with('.'))
        } else {
            self.0 == *identifier || identifier.covers(&self.0)
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(&Identifier::parse(name).unwrap())
    }

    #[test]
    fn a_pattern_matches_at_label_boundaries_only() {
        let table = [
            ("*.team.example.com", "a.team.example.com", true),
            ("*.team.example.com", "a.b.team.example.com", true),
            ("*.team.example.com", "*.team.example.com", true),
            ("*.team.example.com", "*.b.team.example.com", true),
            ("*.team.example.com", "team.example.com", false),
            ("*.team.example.com", "evilteam.example.com", false),
            ("*.team.example.com", "a.evilteam.example.com", false),
            ("*.team.example.com", "team.example.com.evil.net", false),
            ("*.team.example.com", "*.example.com", false),
            ("team.example.com", "team.example.com", true),
            ("team.example.com", "a.team.example.com", false),
            ("team.example.com", "*.team.example.com", false),
            ("team.example.com", "*.example.com", true),
            ("team.example.com", "xteam.example.com", false),
        ];
        assert_eq!(table.map(|(pattern, name, _)| (pattern, name, matches(pattern, name))), table);
    }

    #[test]
    fn case_and_script_do_not_hide_a_name() {
        assert!(matches("*.BÜCHER.example", "a.xn--bcher-kva.example"));
        assert!(matches("*.xn--bcher-kva.example", "A.bücher.example"));
        assert!(matches("Team.Example.COM", "team.example.com"));
    }

    #[test]
    fn a_trailing_dot_is_no_pattern() {
        assert!(Pattern::parse("*.team.example.com.").is_err());
        assert!(Pattern::parse("team.example.com.").is_err());
    }

    /// Compares reversed lists of labels, one by one.
    fn oracle(pattern: &str, name: &str) -> bool {
        let labels = |text: &str| text.split('.').rev().map(str::to_owned).collect::<Vec<_>>();
        let (pattern, name) = (labels(pattern), labels(name));
        let (last, fixed) = pattern.split_last().unwrap();
        if last == "*" {
            return name.len() > fixed.len() && fixed.iter().zip(&name).all(|(a, b)| a == b);
        }
        let same_length = name.len() == pattern.len();
        same_length
            && pattern.iter().zip(&name).enumerate().all(|(at, (a, b))| a == b || (b == "*" && at + 1 == name.len()))
    }

    fn name() -> impl Strategy<Value = String> {
        let label = prop::sample::select(vec!["a", "b", "ab", "team", "evilteam", "xn--bcher-kva"]);
        (any::<bool>(), prop::collection::vec(label, 2..5))
            .prop_map(|(wildcard, labels)| format!("{}{}", if wildcard { "*." } else { "" }, labels.join(".")))
    }

    proptest! {
        #[test]
        fn matching_agrees_with_a_comparison_of_labels(pattern in name(), name in name()) {
            prop_assert_eq!(matches(&pattern, &name), oracle(&pattern, &name));
        }

        #[test]
        fn a_pattern_made_of_the_name_agrees_as_well(name in name(), cut in 0usize..40, text in "[ab.]{0,3}") {
            // Patterns that share a suffix with the name, cut at any byte.
            let cut = cut.min(name.len());
            for pattern in [format!("*.{}", &name[cut..]), format!("{text}{}", &name[cut..])] {
                if let (Ok(parsed), Ok(identifier)) = (Pattern::parse(&pattern), Identifier::parse(&name)) {
                    prop_assert_eq!(parsed.matches(&identifier), oracle(&pattern, &name), "{} {}", pattern, name);
                }
            }
        }
    }
}
