//! Names that cannot be wrong: lineages, identifiers, commits, digests.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a text is not the name it should be. Reads after "failed to parse".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameError(pub String);

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NameError {}

fn wrong<T>(text: impl Into<String>) -> Result<T, NameError> {
    Err(NameError(text.into()))
}

/// The permanent name of a lineage: `[a-z0-9][a-z0-9._-]{0,62}` without `..`.
///
/// Safe as a folder name, as part of an S3 key and as a JUnit case name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LineageName(String);

impl LineageName {
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let Some(first) = text.bytes().next() else {
            return wrong("a lineage name is empty");
        };
        if text.len() > 63 {
            return wrong(format!("a lineage name has {} characters, the limit is 63", text.len()));
        }
        if !plain(first) {
            return wrong("a lineage name starts with a letter a-z or a digit");
        }
        if let Some(bad) = text.chars().find(|c| !(c.is_ascii() && (plain(*c as u8) || "._-".contains(*c)))) {
            return wrong(format!("a lineage name may not contain {bad:?}; allowed are a-z, 0-9, `.`, `_` and `-`"));
        }
        if text.contains("..") {
            return wrong("a lineage name may not contain `..`");
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A DNS identifier (RFC 8555 section 9.7.7) as lower-case A-labels, without a trailing dot.
///
/// A wildcard has `*` as its whole leftmost label and nowhere else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Identifier(String);

impl Identifier {
    /// Accepts U-labels and upper case and normalises them by UTS 46; refuses everything else.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let (prefix, base) = match text.strip_prefix("*.") {
            Some(base) => ("*.", base),
            None => ("", text),
        };
        if base.contains('*') {
            return wrong("a `*` may only stand alone as the first label");
        }
        if text.ends_with('.') {
            return wrong("a trailing dot is not part of an identifier");
        }
        let ascii = match idna::domain_to_ascii_strict(base) {
            Ok(ascii) => ascii,
            Err(_) => return wrong(format!("`{text}` is not a valid DNS name")),
        };
        // UTS 46 drops soft hyphens and maps full-width letters; a list shows what is meant or is refused.
        let shown = if base.is_ascii() { ascii.clone() } else { idna::domain_to_unicode(&ascii).0 };
        if base.to_lowercase() != shown {
            return wrong(format!("`{text}` is not in its plain form; write `{prefix}{shown}`"));
        }
        check_labels(&ascii, text)?;
        Ok(Self(format!("{prefix}{ascii}")))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with("*.")
    }

    /// The name that is validated: a wildcard without its `*.`.
    pub fn base(&self) -> &str {
        self.0.strip_prefix("*.").unwrap_or(&self.0)
    }

    /// Whether this is a wildcard whose certificates serve `other` (RFC 6125 section 6.4.3: one label).
    pub fn covers(&self, other: &Self) -> bool {
        self.is_wildcard()
            && !other.is_wildcard()
            && other.0.split_once('.').is_some_and(|(_, parent)| parent == self.base())
    }

    /// The name with U-labels, for people.
    pub fn to_unicode(&self) -> String {
        idna::domain_to_unicode(&self.0).0
    }
}

fn check_labels(ascii: &str, text: &str) -> Result<(), NameError> {
    if ascii.len() > 253 {
        return wrong(format!("`{text}` has {} characters, the limit is 253", ascii.len()));
    }
    let labels: Vec<&str> = ascii.split('.').collect();
    if labels.len() < 2 {
        return wrong(format!("`{text}` is a single label; a public CA needs a full domain name"));
    }
    if labels.last().is_some_and(|tld| tld.bytes().all(|b| b.is_ascii_digit())) {
        return wrong(format!("`{text}` looks like an IP address; only DNS names can be listed"));
    }
    for label in labels {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let whole = !label.is_empty() && label.len() <= 63 && label.bytes().all(allowed);
        if !whole || label.starts_with('-') || label.ends_with('-') {
            return wrong(format!("`{text}` has an invalid label `{label}`"));
        }
    }
    Ok(())
}

/// A full git object id of a commit: 40 (SHA-1) or 64 (SHA-256) lower-case hex digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommitId(String);

impl CommitId {
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if !matches!(text.len(), 40 | 64) || !text.bytes().all(hex) {
            return wrong(format!("`{text}` is not a full commit id of 40 or 64 hex digits"));
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first ten digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..10]
    }
}

/// A SHA-256 digest, written `sha256:<hex>`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    pub fn of(bytes: &[u8]) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
        Self(digest.as_ref().try_into().expect("SHA-256 gives 32 bytes"))
    }

    pub fn parse(text: &str) -> Result<Self, NameError> {
        let bytes = text.strip_prefix("sha256:").and_then(unhex);
        match bytes.and_then(|bytes| bytes.try_into().ok()) {
            Some(bytes) => Ok(Self(bytes)),
            None => wrong(format!("`{text}` is not `sha256:` and 64 hex digits")),
        }
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 64 hex digits without the prefix.
    pub fn to_hex(&self) -> String {
        hex(&self.0)
    }
}

/// Lower-case hex digits of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The bytes of an even number of hex digits.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! text_name {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }
    )*};
}

text_name!(LineageName, Identifier, CommitId);

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for Digest {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lineage_name_is_safe_as_a_path_and_as_a_key() {
        let accepted = ["www", "a", "0", "api.example.com", "a_b-c"];
        assert!(accepted.iter().all(|name| LineageName::parse(name).is_ok()));
        let long = "a".repeat(64);
        let refused = ["", ".a", "-rf", "_a", "a..b", "../x", "A", "a b", "a/b", "ä", long.as_str()];
        assert_eq!(refused.iter().filter(|name| LineageName::parse(name).is_ok()).count(), 0);
    }

    #[test]
    fn an_identifier_is_normalised_to_lower_case_a_labels() {
        let read = |text| Identifier::parse(text).map(String::from);
        assert_eq!(read("WWW.Example.COM").as_deref(), Ok("www.example.com"));
        assert_eq!(read("bücher.example").as_deref(), Ok("xn--bcher-kva.example"));
        assert_eq!(read("*.Bücher.example").as_deref(), Ok("*.xn--bcher-kva.example"));
    }

    #[test]
    fn an_identifier_that_no_public_ca_would_take_is_refused() {
        let refused = [
            "",
            "localhost",
            "a..b",
            ".a.b",
            "a.b.",
            "*",
            "*.",
            "a.*.b",
            "**.a.b",
            "-a.b",
            "a-.b",
            "a_b.c",
            "10.0.0.1",
            "a b.c",
            "xn--zzzzzz-.example",
            "https://a.b",
            "a.b/c",
            "*.*.a.b",
            "a\u{ad}.b",
        ];
        let taken: Vec<_> = refused.into_iter().filter(|text| Identifier::parse(text).is_ok()).collect();
        assert!(taken.is_empty(), "{taken:?}");
    }

    #[test]
    fn a_wildcard_covers_exactly_one_label() {
        let id = |text| Identifier::parse(text).unwrap();
        assert!(id("*.example.com").covers(&id("www.example.com")));
        for other in ["example.com", "a.b.example.com", "*.example.com", "evilexample.com"] {
            assert!(!id("*.example.com").covers(&id(other)), "{other}");
        }
    }

    #[test]
    fn a_digest_reads_back_what_it_writes() {
        let digest = Digest::of(b"abc");
        assert_eq!(Digest::parse(&digest.to_string()), Ok(digest));
        assert!(Digest::parse("sha256:00").is_err());
    }
}
