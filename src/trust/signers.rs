//! OpenSSH's allowed_signers file (ssh-keygen(1), ALLOWED SIGNERS), read strictly.
//!
//! Whatever OpenSSH would skip or guess is an error here: a line that is not understood could be the one that matters.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use time::format_description::well_known::Rfc3339;
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

use crate::diag::{Diagnostic, Label, Place, Severity};
use crate::trust::key::{Fingerprint, KeyError, PublicKey};

/// Who may sign. Every key stands on exactly one line.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AllowedSigners {
    signers: BTreeMap<Fingerprint, Signer>,
    /// Of `cert-authority` lines.
    authorities: BTreeMap<Fingerprint, Signer>,
}

/// One line: a key and whom it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// At least one. Of a key: names of one person, the first is shown. Of an authority: everybody for whom its
    /// certificates count.
    pub principals: Vec<String>,
    /// `None`: every namespace.
    pub namespaces: Option<Vec<String>>,
    pub valid_after: Option<OffsetDateTime>,
    pub valid_before: Option<OffsetDateTime>,
    pub key: PublicKey,
}

impl Signer {
    pub fn principal(&self) -> &str {
        &self.principals[0]
    }

    /// Whether certificates of this authority still count for somebody who signed, as `<principal> …`.
    pub fn vouches_for(&self, signer: &str) -> bool {
        signer.split(' ').next().is_some_and(|name| self.principals.iter().any(|principal| principal == name))
    }

    /// Whether the key may sign commits: OpenSSH calls that namespace `git`.
    pub fn may_sign_for_git(&self) -> bool {
        self.namespaces.as_ref().is_none_or(|names| names.iter().any(|name| name == "git"))
    }

    /// `valid-after …, valid-before …`, as far as the line says it.
    pub fn validity(&self) -> String {
        let ends = [("valid-after", self.valid_after), ("valid-before", self.valid_before)];
        let said = ends.into_iter().filter_map(|(name, time)| Some(format!("{name} {}", time?.format(&Rfc3339).ok()?)));
        said.collect::<Vec<_>>().join(", ")
    }

    pub fn is_valid_at(&self, now: OffsetDateTime) -> bool {
        self.valid_after.is_none_or(|after| now >= after) && self.valid_before.is_none_or(|before| now < before)
    }
}

impl AllowedSigners {
    /// Reads the text of a file that the diagnostics call `path`. No authority is accepted.
    ///
    /// # Errors
    /// Every line that is not understood, with its place.
    pub fn parse(text: &str, path: &str) -> Result<Self, Vec<Diagnostic>> {
        Self::with_authorities(text, path, &BTreeSet::new())
    }

    /// As [`AllowedSigners::parse`], with `cert-authority` lines for the keys that are `pinned`.
    ///
    /// # Errors
    /// Also lines of authorities that are not pinned, and pinned ones that have no line.
    pub fn with_authorities(text: &str, path: &str, pinned: &BTreeSet<Fingerprint>) -> Result<Self, Vec<Diagnostic>> {
        if text.contains("PRIVATE KEY-----") {
            let place = Place { file: path.to_owned(), line: 1, column: 1, span: 0..0 };
            return Err(vec![diagnostic("private-key", "the file is a private key, not a list of signers", place)]);
        }
        let (mut keys, mut signers, mut authorities) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        let mut wrong = Vec::new();
        let mut offset = 0;
        for (index, line) in text.split('\n').enumerate() {
            let place = Place { file: path.to_owned(), line: index + 1, column: 1, span: offset..offset + line.len() };
            offset += line.len() + 1;
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            match signer(line) {
                Ok((signer, authority)) => {
                    let key = signer.key.fingerprint();
                    if authority && !pinned.contains(&key) {
                        let message = format!("the authority {key} is not pinned in the runner's config");
                        wrong.push(diagnostic("signers-cert-authority", message, place.clone()));
                    }
                    if !keys.insert(key.clone()) {
                        wrong.push(diagnostic("signers-duplicate-key", "the key stands on two lines", place));
                    }
                    if authority { &mut authorities } else { &mut signers }.insert(key, signer);
                }
                Err(LineError(code, message)) => wrong.push(diagnostic(code, message, place)),
            }
        }
        let whole = || Place { file: path.to_owned(), line: 1, column: 1, span: 0..0 };
        for key in pinned.iter().filter(|key| !authorities.contains_key(key)) {
            let message = format!("the pinned authority {key} has no line with `cert-authority`");
            wrong.push(diagnostic("signers-cert-authority", message, whole()));
        }
        if keys.is_empty() && wrong.is_empty() {
            wrong.push(diagnostic("signers-empty", "nobody may sign", whole()));
        }
        if wrong.is_empty() { Ok(Self { signers, authorities }) } else { Err(wrong) }
    }

    pub fn get(&self, key: &Fingerprint) -> Option<&Signer> {
        self.signers.get(key)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Fingerprint, &Signer)> {
        self.signers.iter()
    }

    /// The line of an authority whose certificates count.
    pub fn authority(&self, key: &Fingerprint) -> Option<&Signer> {
        self.authorities.get(key)
    }

    pub fn authorities(&self) -> impl Iterator<Item = (&Fingerprint, &Signer)> {
        self.authorities.iter()
    }

    /// The same text for every file that means the same.
    pub(super) fn to_canonical(&self) -> String {
        let line = |what: &'static str| {
            move |(key, signer): (&Fingerprint, &Signer)| {
                let time = |time: Option<OffsetDateTime>| time.map(OffsetDateTime::unix_timestamp);
                format!(
                    "{what} {key} {:?} {:?} {:?} {:?}\n",
                    signer.principals,
                    signer.namespaces,
                    time(signer.valid_after),
                    time(signer.valid_before)
                )
            }
        };
        let signers = self.signers.iter().map(line("signer"));
        signers.chain(self.authorities.iter().map(line("authority"))).collect()
    }
}

fn diagnostic(code: &'static str, message: impl Into<String>, place: Place) -> Diagnostic {
    let hint = match code {
        "signers-bad-line" => Some("a line is `name@example.com namespaces=\"git\" ssh-ed25519 AAAA…`"),
        "signers-bad-time" => Some("write UTC, like `valid-before=\"20270131Z\"` or `20270131235959Z`"),
        "signers-cert-authority" => {
            Some("list the people's own keys, or name the authority in both `trust.certificate_authorities` and here")
        }
        "signers-bad-principal" => Some("give each person a line, with a name such as an e-mail address"),
        "signers-unknown-option" => {
            Some("options are `namespaces=\"git\"`, `valid-after`, `valid-before` and `cert-authority`, each once")
        }
        "signers-bad-key" => Some("copy both words of the person's `.pub` file: its type and its base64"),
        "signers-weak-key" => Some("ask for another: `ssh-keygen -t ed25519` makes one"),
        "signers-duplicate-key" => Some("a key stands for one line: take the other away"),
        "signers-empty" => Some("add a line `name@example.com namespaces=\"git\" ssh-ed25519 AAAA…`"),
        _ => None,
    };
    let label = Label { place, text: String::new() };
    let message = message.into();
    Diagnostic { code, severity: Severity::Error, message, labels: vec![label], hint: hint.map(str::to_owned) }
}

/// Code and message.
struct LineError(&'static str, String);

/// The line, and whether it is of an authority.
fn signer(line: &str) -> Result<(Signer, bool), LineError> {
    let bad = |text: &str| LineError("signers-bad-line", text.to_owned());
    if line.chars().any(|c| c.is_control() && c != '\t') {
        return Err(bad("the line contains a control character"));
    }
    let mut words = words(line).ok_or_else(|| bad("a quote is not closed"))?.into_iter();
    let principals = words.next().map(principals).ok_or_else(|| bad("the line is empty"))??;
    let mut word = words.next().ok_or_else(|| bad("the line has no key"))?;
    let mut options = Options::default();
    if !is_key_type(word) {
        options = Options::parse(word)?;
        word = words.next().ok_or_else(|| bad("the line has no key"))?;
    }
    let blob = words.next().ok_or_else(|| bad("the line has no key"))?;
    let key = key(word, blob)?;
    if let (Some(after), Some(before)) = (options.valid_after, options.valid_before)
        && after >= before
    {
        return Err(LineError("signers-bad-time", "valid-after is not before valid-before".into()));
    }
    let Options { authority, namespaces, valid_after, valid_before } = options;
    Ok((Signer { principals, namespaces, valid_after, valid_before, key }, authority))
}

/// Splits at blanks outside of double quotes.
fn words(line: &str) -> Option<Vec<&str>> {
    let mut quoted = false;
    let words = line
        .split(|c: char| {
            quoted ^= c == '"';
            !quoted && (c == ' ' || c == '\t')
        })
        .filter(|word| !word.is_empty())
        .collect();
    (!quoted).then_some(words)
}

fn is_key_type(word: &str) -> bool {
    ["ssh-", "ecdsa-", "sk-"].iter().any(|prefix| word.starts_with(prefix))
}

fn principals(word: &str) -> Result<Vec<String>, LineError> {
    let plain = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_graphic() && !"*?!\",'\\".contains(c));
    let names: Vec<String> = word.split(',').map(str::to_owned).collect();
    if names.iter().all(|name| plain(name)) {
        return Ok(names);
    }
    let message = format!("`{word}` is not a principal: a name like `ann@example.com`, without patterns and quotes");
    Err(LineError("signers-bad-principal", message))
}

fn key(kind: &str, base64: &str) -> Result<PublicKey, LineError> {
    let bad = |why: String| LineError("signers-bad-key", format!("the key {why}"));
    let blob = STANDARD.decode(base64).map_err(|_| bad("is not base64".into()))?;
    let key = PublicKey::from_blob(&blob).map_err(|error| match error {
        KeyError::Malformed => bad(error.to_string()),
        KeyError::Weak(why) => LineError("signers-weak-key", format!("the key {why}")),
    })?;
    if key.kind() == kind { Ok(key) } else { Err(bad(format!("is of type {}, the line says {kind}", key.kind()))) }
}

#[derive(Default)]
struct Options {
    authority: bool,
    namespaces: Option<Vec<String>>,
    valid_after: Option<OffsetDateTime>,
    valid_before: Option<OffsetDateTime>,
}

impl Options {
    fn parse(word: &str) -> Result<Self, LineError> {
        let mut options = Self::default();
        let mut quoted = false;
        let parts = word.split(|c: char| {
            quoted ^= c == '"';
            !quoted && c == ','
        });
        for part in parts {
            options.set(part)?;
        }
        Ok(options)
    }

    fn set(&mut self, part: &str) -> Result<(), LineError> {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let repeated = match (name.to_ascii_lowercase().as_str(), value) {
            ("namespaces", Some(value)) => self.namespaces.replace(namespaces(value)?).is_some(),
            ("valid-after", Some(value)) => self.valid_after.replace(timestamp(value)?).is_some(),
            ("valid-before", Some(value)) => self.valid_before.replace(timestamp(value)?).is_some(),
            ("cert-authority", None) if !part.contains('=') => std::mem::replace(&mut self.authority, true),
            _ => return Err(LineError("signers-unknown-option", format!("`{part}` is not an option of a signer"))),
        };
        if repeated {
            return Err(LineError("signers-unknown-option", format!("`{name}` stands twice")));
        }
        Ok(())
    }
}

fn namespaces(value: &str) -> Result<Vec<String>, LineError> {
    let plain = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_graphic() && !"*?!\"".contains(c));
    let names: Vec<String> = value.split(',').map(str::to_owned).collect();
    if names.iter().all(|name| plain(name)) {
        return Ok(names);
    }
    Err(LineError(
        "signers-unknown-option",
        format!("`namespaces=\"{value}\"` is not a list of names without patterns"),
    ))
}

/// `YYYYMMDD[HHMM[SS]]Z`. Without `Z` OpenSSH takes the machine's time zone, which must not decide.
fn timestamp(text: &str) -> Result<OffsetDateTime, LineError> {
    let read = || {
        let digits = text.strip_suffix('Z').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
        let part = |from: usize, to: usize| digits.get(from..to)?.parse::<u16>().ok();
        let small = |from: usize| u8::try_from(part(from, from + 2)?).ok();
        let date = Date::from_calendar_date(part(0, 4)?.into(), Month::try_from(small(4)?).ok()?, small(6)?).ok()?;
        let time = match digits.len() {
            8 => Time::MIDNIGHT,
            12 => Time::from_hms(small(8)?, small(10)?, 0).ok()?,
            14 => Time::from_hms(small(8)?, small(10)?, small(12)?).ok()?,
            _ => return None,
        };
        Some(PrimitiveDateTime::new(date, time).assume_utc())
    };
    read().ok_or_else(|| LineError("signers-bad-time", format!("`{text}` is not a time in UTC")))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn codes(text: &str) -> Vec<String> {
        match AllowedSigners::parse(text, "allowed_signers") {
            Ok(_) => Vec::new(),
            Err(wrong) => wrong.iter().map(|d| format!("{}:{}", d.labels[0].place.line, d.code)).collect(),
        }
    }

    fn only(text: &str) -> Signer {
        AllowedSigners::parse(text, "allowed_signers").unwrap().iter().next().unwrap().1.clone()
    }

    #[test]
    fn a_line_gives_principals_options_and_a_key() {
        let signer = only(&format!(
            "# people\n\nann@example.com,ann namespaces=\"git,file\",valid-after=\"20260101Z\",valid-before=\"202701022359Z\" {KEY} her laptop\n"
        ));
        assert_eq!(signer.principals, ["ann@example.com", "ann"]);
        assert_eq!(signer.namespaces, Some(vec!["git".to_owned(), "file".to_owned()]));
        assert_eq!(signer.valid_after, Some(datetime!(2026-01-01 00:00 UTC)));
        assert_eq!(signer.valid_before, Some(datetime!(2027-01-02 23:59 UTC)));
    }

    #[test]
    fn validity_starts_at_valid_after_and_ends_before_valid_before() {
        let signer = only(&format!("ann valid-after=\"20260101Z\",valid-before=\"20270101Z\" {KEY}"));
        let table = [
            (datetime!(2025-12-31 23:59:59 UTC), false),
            (datetime!(2026-01-01 00:00 UTC), true),
            (datetime!(2026-12-31 23:59:59 UTC), true),
            (datetime!(2027-01-01 00:00 UTC), false),
        ];
        assert_eq!(table.map(|(now, _)| signer.is_valid_at(now)), table.map(|(_, valid)| valid));
    }

    #[test]
    fn a_line_that_is_not_understood_is_an_error_with_its_number() {
        let table = [
            (format!("ann {KEY}\nbob {KEY}"), "2:signers-duplicate-key"),
            (String::new(), "1:signers-empty"),
            ("ann".to_owned(), "1:signers-bad-line"),
            (format!("\n\nann namespaces=\"git {KEY}"), "3:signers-bad-line"),
            (format!("*@example.com {KEY}"), "1:signers-bad-principal"),
            (format!("ann cert-authority {KEY}"), "1:signers-cert-authority"),
            (format!("ann cert-authority=\"yes\" {KEY}"), "1:signers-unknown-option"),
            (format!("ann zone=\"x\" {KEY}"), "1:signers-unknown-option"),
            (format!("ann namespaces=git {KEY}"), "1:signers-unknown-option"),
            (format!("ann namespaces=\"*\" {KEY}"), "1:signers-unknown-option"),
            (format!("ann namespaces=\"a\",namespaces=\"b\" {KEY}"), "1:signers-unknown-option"),
            (format!("ann valid-before=\"20270101\" {KEY}"), "1:signers-bad-time"),
            (format!("ann valid-before=\"20271301Z\" {KEY}"), "1:signers-bad-time"),
            (format!("ann valid-after=\"20270101Z\",valid-before=\"20260101Z\" {KEY}"), "1:signers-bad-time"),
            ("ann ssh-ed25519 AAAA".to_owned(), "1:signers-bad-key"),
            (format!("ann {}", KEY.replace("ssh-ed25519 ", "ssh-rsa ")), "1:signers-bad-key"),
            ("ann ssh-dss AAAAB3NzaC1kc3MAAAAA".to_owned(), "1:signers-weak-key"),
            (format!("ann {KEY}\r"), "1:signers-bad-line"),
        ];
        for (text, expected) in table {
            assert_eq!(codes(&text), [expected], "{text}");
        }
    }
}
