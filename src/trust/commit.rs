//! The strict grammar of a commit object.
//!
//! Implementations of git disagree on what a signed commit is, so only commits that leave no room are read: `tree`, up
//! to two `parent`, `author`, `committer`, at most one `gpgsig`, a blank line, the message. Nothing else.

use crate::trust::object::{MAX_COMMIT, ObjectId, Reading};
use crate::trust::refusal::RuleId;

/// A commit that every implementation reads alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    pub reading: Reading,
    /// The text of the `gpgsig` header, lines joined by `\n`.
    pub signature: Option<String>,
    /// What the signature is over: the object without the `gpgsig` header.
    pub payload: Vec<u8>,
}

/// The rule that a commit object breaks, and a fragment that reads after "the commit".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrammarError(pub RuleId, pub &'static str);

pub const TOO_LARGE: GrammarError = GrammarError(RuleId::Limits, "has more than 64 KiB");

/// Reads the raw bytes of a commit object.
pub fn parse(raw: &[u8]) -> Result<Commit, GrammarError> {
    if raw.len() > MAX_COMMIT {
        return Err(TOO_LARGE);
    }
    if raw.contains(&0) {
        return Err(GrammarError(RuleId::Nul, "contains a NUL byte"));
    }
    if raw.contains(&b'\r') {
        return Err(GrammarError(RuleId::CarriageReturn, "contains a carriage return"));
    }
    let mut lines = Lines { raw, at: 0 };
    let tree = match lines.header(b"tree ")? {
        Some(value) => id(value)?,
        None => return Err(GrammarError(RuleId::Tree, "does not begin with its tree")),
    };
    let parents = parents(&mut lines)?;
    for name in [b"author ".as_slice(), b"committer "] {
        match lines.header(name)? {
            Some(value) if is_identity(value) => {}
            Some(_) => {
                return Err(GrammarError(RuleId::Identity, "has an author or committer line that git would not write"));
            }
            None => return Err(unexpected(lines.peek().unwrap_or_default())),
        }
    }
    let before = lines.at;
    let signature = lines.signature()?;
    let after = lines.at;
    match lines.next() {
        Some(b"") => {}
        Some(line) => return Err(unexpected(line)),
        None => return Err(GrammarError(RuleId::Header, "has no blank line before its message")),
    }
    Ok(Commit { reading: Reading { tree, parents }, signature, payload: [&raw[..before], &raw[after..]].concat() })
}

fn parents(lines: &mut Lines<'_>) -> Result<Vec<ObjectId>, GrammarError> {
    let mut parents = Vec::new();
    while let Some(value) = lines.header(b"parent ")? {
        let parent = id(value)?;
        if parents.contains(&parent) {
            return Err(GrammarError(RuleId::Parent, "names the same parent twice"));
        }
        parents.push(parent);
    }
    if parents.len() > 2 {
        return Err(GrammarError(RuleId::Octopus, "merges more than two parents"));
    }
    Ok(parents)
}

fn id(value: &[u8]) -> Result<ObjectId, GrammarError> {
    ObjectId::parse(value).ok_or(GrammarError(RuleId::Tree, "names a tree or parent that is not 40 hex digits"))
}

fn unexpected(line: &[u8]) -> GrammarError {
    if line.starts_with(b"gpgsig ") {
        GrammarError(RuleId::TwoSignatures, "has two gpgsig headers")
    } else if line.starts_with(b"gpgsig-sha256 ") {
        GrammarError(RuleId::SignatureSha256, "has a gpgsig-sha256 header")
    } else if line.starts_with(b"encoding ") || line.starts_with(b"mergetag ") {
        GrammarError(RuleId::OtherHeader, "has an encoding or mergetag header")
    } else {
        GrammarError(RuleId::OtherHeader, "has a header that is unknown, repeated or out of order")
    }
}

/// `Name <mail> 1700000000 +0100`.
fn is_identity(value: &[u8]) -> bool {
    let parts = || {
        let open = value.iter().position(|b| *b == b'<')?;
        let close = open + value[open..].iter().position(|b| *b == b'>')?;
        let name = &value[..open];
        let mail = &value[open + 1..close];
        let mut fields = value[close + 1..].strip_prefix(b" ")?.split(|b| *b == b' ');
        let (seconds, zone) = (fields.next()?, fields.next()?);
        let digits = |text: &[u8], len: std::ops::RangeInclusive<usize>| {
            len.contains(&text.len()) && text.iter().all(u8::is_ascii_digit)
        };
        let plain = !name.contains(&b'>') && !mail.contains(&b'<') && name.last().is_none_or(|b| *b == b' ');
        let signed = matches!(zone.first(), Some(b'+' | b'-')) && digits(&zone[1..], 4..=4);
        (plain && signed && digits(seconds, 1..=12) && fields.next().is_none()).then_some(())
    };
    parts().is_some()
}

/// Header lines, one after the other. `at` is the offset of the next.
struct Lines<'a> {
    raw: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    fn peek(&self) -> Option<&'a [u8]> {
        let rest = &self.raw[self.at..];
        rest.iter().position(|b| *b == b'\n').map(|end| &rest[..end])
    }

    fn next(&mut self) -> Option<&'a [u8]> {
        let line = self.peek()?;
        self.at += line.len() + 1;
        Some(line)
    }

    /// The value of the next line if it is the header `name`. It may not go on over further lines.
    fn header(&mut self, name: &[u8]) -> Result<Option<&'a [u8]>, GrammarError> {
        let Some(value) = self.peek().and_then(|line| line.strip_prefix(name)) else {
            return Ok(None);
        };
        self.next();
        match self.peek() {
            Some([b' ', ..]) => Err(GrammarError(RuleId::Header, "has a header that goes on over several lines")),
            _ => Ok(Some(value)),
        }
    }

    fn signature(&mut self) -> Result<Option<String>, GrammarError> {
        let Some(first) = self.peek().and_then(|line| line.strip_prefix(b"gpgsig ")) else {
            return Ok(None);
        };
        self.next();
        let mut text = first.to_vec();
        while let Some([b' ', rest @ ..]) = self.peek() {
            self.next();
            text.push(b'\n');
            text.extend_from_slice(rest);
        }
        match String::from_utf8(text) {
            Ok(text) if text.is_ascii() => Ok(Some(text)),
            _ => Err(GrammarError(RuleId::Armor, "has a signature that is not ASCII")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n";
    const PEOPLE: &str = "author A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n";

    fn rule(raw: &str) -> Result<(), RuleId> {
        parse(raw.as_bytes()).map(drop).map_err(|error| error.0)
    }

    #[test]
    fn the_payload_is_the_object_without_its_signature() {
        let raw = format!("{TREE}{PEOPLE}gpgsig one\n two\n\nmessage\n");
        let commit = parse(raw.as_bytes()).unwrap();
        assert_eq!(commit.signature.as_deref(), Some("one\ntwo"));
        assert_eq!(String::from_utf8(commit.payload).unwrap(), format!("{TREE}{PEOPLE}\nmessage\n"));
    }

    #[test]
    fn a_commit_that_leaves_room_is_refused_by_the_rule_it_breaks() {
        let parent = |digit: char| format!("parent {}\n", digit.to_string().repeat(40));
        let (one, two, three) = (parent('1'), parent('2'), parent('3'));
        let table = [
            (format!("{TREE}{PEOPLE}\n"), Ok(())),
            (format!("{TREE}{one}{two}{PEOPLE}\nm"), Ok(())),
            (format!("{TREE}{one}{two}{three}{PEOPLE}\nm"), Err(RuleId::Octopus)),
            (format!("{TREE}{one}{one}{PEOPLE}\nm"), Err(RuleId::Parent)),
            (format!("{TREE}{TREE}{PEOPLE}\nm"), Err(RuleId::OtherHeader)),
            (format!("{TREE}author A\ncommitter A <a@b> 1 +0000\n\nm"), Err(RuleId::Identity)),
            (format!("{PEOPLE}{TREE}\nm"), Err(RuleId::Tree)),
            (format!("{}{PEOPLE}\nm", TREE.to_uppercase()), Err(RuleId::Tree)),
            (format!("{}{PEOPLE}\nm", TREE.replace("4b", "4B")), Err(RuleId::Tree)),
            (format!("{TREE} x\n{PEOPLE}\nm"), Err(RuleId::Header)),
            (format!("{TREE}{PEOPLE}"), Err(RuleId::Header)),
            (format!("{TREE}{PEOPLE}m"), Err(RuleId::Header)),
            (format!("{TREE}{PEOPLE}encoding latin1\n\nm"), Err(RuleId::OtherHeader)),
            (format!("{TREE}{PEOPLE}gpgsig a\nx y\n\nm"), Err(RuleId::OtherHeader)),
            (format!("{TREE}{PEOPLE}gpgsig a\ngpgsig b\n\nm"), Err(RuleId::TwoSignatures)),
            (format!("{TREE}{PEOPLE}gpgsig-sha256 a\n\nm"), Err(RuleId::SignatureSha256)),
            (format!("{TREE}{PEOPLE}\nm\0"), Err(RuleId::Nul)),
            (format!("{TREE}{PEOPLE}\nm\r\n"), Err(RuleId::CarriageReturn)),
            (format!("{TREE}{PEOPLE}\n{}", "m".repeat(MAX_COMMIT)), Err(RuleId::Limits)),
        ];
        for (raw, expected) in table {
            assert_eq!(rule(&raw), expected, "{}", raw.chars().take(300).collect::<String>());
        }
    }

    #[test]
    fn an_identity_has_a_mail_a_time_and_a_zone() {
        let accepted = ["A <a@b> 1 +0000", "<a@b> 1 -1200", " <> 0 +0000", "A B C <a> 1700000000 +0530"];
        let refused = [
            "",
            "A",
            "A <a@b>",
            "A <a@b> 1",
            "A <a@b> x +0000",
            "A <a@b> 1 0000",
            "A <a@b> 1 +0000 x",
            "A> <a> 1 +0000",
        ];
        assert_eq!(accepted.iter().filter(|text| !is_identity(text.as_bytes())).count(), 0);
        assert_eq!(refused.iter().filter(|text| is_identity(text.as_bytes())).count(), 0);
    }
}
