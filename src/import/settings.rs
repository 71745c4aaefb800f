//! Settings of other tools, and what becomes of each.

use serde::Serialize;

/// One key of a tool's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    pub key: String,
    pub value: String,
    #[serde(flatten)]
    pub becomes: Becomes,
}

/// What a setting is here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Becomes {
    /// A line of the list.
    List(String),
    /// A line of the runner's config.
    Runner(String),
    /// A CA, by the URL of its directory: a name in the list, once the runner's config has it.
    Authority(String),
    /// A command of this tool.
    Command(String),
    /// Nothing, because of this.
    Ignored(String),
}

impl Setting {
    pub fn new(key: impl Into<String>, value: impl Into<String>, becomes: Becomes) -> Self {
        Self { key: key.into(), value: value.into(), becomes }
    }
}

impl Becomes {
    pub fn text(&self) -> String {
        match self {
            Self::List(line) => format!("list: {line}"),
            Self::Runner(line) => format!("runner's config: {line}"),
            Self::Authority(url) => format!("runner's config: authorities: {{NAME: {{directory: \"{url}\"}}}}"),
            Self::Command(line) => format!("command: {line}"),
            Self::Ignored(why) => format!("ignored: {why}"),
        }
    }
}

pub(super) fn list(line: impl Into<String>) -> Becomes {
    Becomes::List(line.into())
}

pub(super) fn runner(line: impl Into<String>) -> Becomes {
    Becomes::Runner(line.into())
}

pub(super) fn ignored(why: impl Into<String>) -> Becomes {
    Becomes::Ignored(why.into())
}

/// The CA.
pub(super) fn server(directory: &str) -> Becomes {
    Becomes::Authority(super::todays(directory).to_owned())
}

pub(super) fn contact(address: &str) -> Becomes {
    runner(format!("contact: [\"mailto:{address}\"] of the authority"))
}

/// The key type of a list for an algorithm with its size or curve.
pub(super) fn key_type(algorithm: &str, size: Option<u64>, curve: Option<&str>) -> Option<&'static str> {
    match (algorithm, size.unwrap_or(2048), curve.unwrap_or("nistp256")) {
        ("rsa", 0..=2048, _) => Some("rsa-2048"),
        ("rsa", 2049..=3072, _) => Some("rsa-3072"),
        ("rsa", 3073.., _) => Some("rsa-4096"),
        ("ecdsa", _, "nistp256" | "secp256r1") => Some("ecdsa-p256"),
        ("ecdsa", _, "nistp384" | "secp384r1" | "nistp521" | "secp521r1") => Some("ecdsa-p384"),
        _ => None,
    }
}

pub(super) fn key(algorithm: &str, size: Option<u64>, curve: Option<&str>) -> Becomes {
    match key_type(algorithm, size, curve) {
        Some(key) => list(format!("key: {key}")),
        None => ignored("no such key type can be had; the list's default is ecdsa-p256"),
    }
}
