//! The keys of a mapping, and values of the kind that a key asks for. What does not fit is reported.

use std::collections::HashMap;

use time::Duration;

use super::{Findings, Node, Spot, Value, duration};
use crate::diag::Code;

/// The entries of a mapping; keys are unique scalars.
pub struct Fields<'n> {
    what: &'static str,
    /// Where the mapping starts: its first key, or its braces.
    pub at: Spot,
    entries: Vec<(&'n str, Spot, &'n Node)>,
}

impl<'n> Fields<'n> {
    /// Reads a mapping, whatever its keys are. Of equal keys the first one counts.
    pub fn read(node: &'n Node, what: &'static str, findings: &mut Findings<'_>) -> Option<Self> {
        let Value::Mapping(pairs) = &node.value else {
            return node.refuse(&format!("{what} is a mapping of keys and values"), findings);
        };
        let mut seen: HashMap<&str, Spot> = HashMap::new();
        let mut entries = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            let Some(text) = key.text(findings) else { continue };
            if let Some(first) = seen.get(text) {
                let message = format!("the key `{text}` stands twice in {what}");
                findings.report_pair(Code::DuplicateKey, message, (key.at, "again"), (*first, "first"));
                continue;
            }
            seen.insert(text, key.at);
            entries.push((text, key.at, value));
        }
        let at = pairs.first().map_or(node.at, |(key, _)| key.at);
        Some(Self { what, at, entries })
    }

    /// Reads a mapping that may only have these keys.
    pub fn of(node: &'n Node, what: &'static str, keys: &[&str], findings: &mut Findings<'_>) -> Option<Self> {
        let fields = Self::read(node, what, findings)?;
        fields.only(keys, findings);
        Some(fields)
    }

    /// Reports every key that is not one of these.
    pub fn only(&self, keys: &[&str], findings: &mut Findings<'_>) {
        for (key, at, _) in self.entries.iter().filter(|(key, ..)| !keys.contains(key)) {
            findings.report(Code::UnknownKey, *at, format!("`{key}` is not a key of {}", self.what)).hint(suggest(
                key,
                keys.iter().copied(),
                "known keys",
            ));
        }
    }

    /// Takes the entries out whose key is one of these.
    pub fn take(&mut self, keys: &[&str]) -> Vec<(&'n str, Spot)> {
        let taken = self.entries.extract_if(.., |(key, ..)| keys.contains(key));
        taken.map(|(key, at, _)| (key, at)).collect()
    }

    pub fn get(&self, key: &str) -> Option<&'n Node> {
        self.entries.iter().find(|(name, ..)| *name == key).map(|(_, _, node)| *node)
    }

    /// The value of a key that must be there. A misspelt key has been reported by `only`, so that is enough.
    pub fn require(&self, key: &str, findings: &mut Findings<'_>) -> Option<&'n Node> {
        let node = self.get(key);
        if node.is_none() && !self.entries.iter().any(|(other, ..)| is_near(other, key)) {
            findings.report(Code::MissingKey, self.at, format!("{} needs the key `{key}`", self.what));
        }
        node
    }

    /// Whether `version` is 1, or missing, which is reported but leaves no doubt about the rest.
    pub fn is_version_1(&self, findings: &mut Findings<'_>) -> bool {
        let Some(version) = self.require("version", findings) else { return true };
        let one = matches!(&version.value, Value::Scalar { text, plain: true } if text == "1");
        if !one {
            findings
                .report(Code::UnsupportedVersion, version.at, "this version of the format is not known")
                .hint("write `version: 1`, or use a newer countersign");
        }
        one
    }

    pub fn entries(&self) -> impl Iterator<Item = (&'n str, Spot, &'n Node)> {
        self.entries.iter().copied()
    }
}

impl Node {
    /// A text. Numbers and words such as `no` are text; nothing and `null` are not.
    pub fn text(&self, findings: &mut Findings<'_>) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } if !self.is_null() => Some(text),
            _ => self.refuse("a text is expected", findings),
        }
    }

    /// The items of a sequence.
    pub fn items(&self, findings: &mut Findings<'_>) -> Option<&[Self]> {
        match &self.value {
            Value::Sequence(items) => Some(items),
            Value::Scalar { text, .. } if !self.is_null() => {
                let message = "a list is expected, not a text";
                findings.report(Code::WrongType, self.at, message).hint(format!("write `[{text}]`"));
                None
            }
            _ => self.refuse("a list is expected", findings),
        }
    }

    /// The texts of a sequence with their places; others are reported and left out.
    pub fn texts(&self, findings: &mut Findings<'_>) -> Option<Vec<(&str, Spot)>> {
        let items = self.items(findings)?;
        Some(items.iter().filter_map(|item| Some((item.text(findings)?, item.at))).collect())
    }

    /// `true` or `false` without quotes.
    pub fn flag(&self, findings: &mut Findings<'_>) -> Option<bool> {
        match &self.value {
            Value::Scalar { text, plain: true } if text == "true" => Some(true),
            Value::Scalar { text, plain: true } if text == "false" => Some(false),
            _ => self.refuse("`true` or `false` is expected", findings),
        }
    }

    /// A whole number between two limits, in decimal digits.
    pub fn number(&self, least: u32, most: u32, findings: &mut Findings<'_>) -> Option<u32> {
        let Value::Scalar { text, plain: true } = &self.value else {
            return self.refuse(&format!("a number from {least} to {most} is expected"), findings);
        };
        let digits = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        match text.parse() {
            Ok(number) if digits && (least..=most).contains(&number) => Some(number),
            _ => {
                findings.report(Code::BadValue, self.at, format!("a number from {least} to {most} is expected"));
                None
            }
        }
    }

    /// A text of a certain form; the error of `parse` is the message.
    pub fn parsed<T, E: std::fmt::Display>(
        &self,
        parse: impl FnOnce(&str) -> Result<T, E>,
        findings: &mut Findings<'_>,
    ) -> Option<T> {
        match parse(self.text(findings)?) {
            Ok(value) => Some(value),
            Err(error) => {
                findings.report(Code::BadValue, self.at, error.to_string());
                None
            }
        }
    }

    /// A duration such as `20d`.
    pub fn duration(&self, findings: &mut Findings<'_>) -> Option<Duration> {
        let text = self.text(findings)?;
        let parsed = duration::parse(text);
        if parsed.is_none() {
            findings
                .report(Code::BadDuration, self.at, format!("`{text}` is not a duration"))
                .hint("write a whole number and `m`, `h` or `d`, such as `36h` or `20d`");
        }
        parsed
    }

    pub fn is_mapping(&self) -> bool {
        matches!(self.value, Value::Mapping(_))
    }

    /// Whether this is `[]`.
    pub fn is_empty_sequence(&self) -> bool {
        matches!(&self.value, Value::Sequence(items) if items.is_empty())
    }

    /// Whether nothing is written here, or YAML's word for it.
    fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    fn refuse<T>(&self, expected: &str, findings: &mut Findings<'_>) -> Option<T> {
        let got = match &self.value {
            Value::Refused => return None,
            Value::Scalar { .. } if self.is_null() => "nothing",
            Value::Scalar { .. } => "a text",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        };
        findings.report(Code::WrongType, self.first_line(), format!("{expected}, not {got}"));
        None
    }

    /// The spot itself, or the first key or item of what may be long.
    fn first_line(&self) -> Spot {
        match &self.value {
            Value::Mapping(pairs) => pairs.first().map_or(self.at, |(key, _)| key.at),
            Value::Sequence(items) => items.first().map_or(self.at, Self::first_line),
            _ => self.at,
        }
    }
}

/// The nearest of some words as a question, else all of them.
pub fn suggest<'w>(word: &str, known: impl Iterator<Item = &'w str>, title: &str) -> String {
    let known: Vec<&str> = known.collect();
    let near = known.iter().copied().filter(|other| is_near(word, other));
    match near.min_by_key(|other| strsim::osa_distance(word, other)) {
        Some(best) => format!("did you mean `{best}`?"),
        None if known.is_empty() => format!("{title}: none"),
        None => format!("{title}: {}", known.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")),
    }
}

/// Whether one word may be a slip of the pen for the other.
fn is_near(word: &str, other: &str) -> bool {
    let most = (word.len() / 3).max(1);
    word.len().abs_diff(other.len()) <= most && strsim::osa_distance(word, other) <= most
}
