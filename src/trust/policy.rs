//! Who may change what: the policy file on the runner.
//!
//! Default deny. Every rule that matches must hold. A person counts once, however many keys they have.

mod parse;
mod pattern;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::name::{Digest, Identifier};

pub use crate::trust::policy::pattern::Pattern;

/// A policy that somebody can satisfy: [`Policy::parse`] refuses the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// SHA-256 of the file.
    digest: Digest,
    people: BTreeMap<String, Person>,
    /// Principals that may sign merges and nothing else.
    mergers: BTreeSet<String>,
    rules: Vec<Rule>,
}

/// Somebody with keys.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Person {
    /// Principals of allowed_signers.
    pub signs: BTreeSet<String>,
    /// Keys for approvals. No two people share one.
    pub approves: BTreeSet<ApprovalKey>,
}

/// A minisign public key. The whole key is the identity: its id of eight bytes can be chosen by an attacker.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApprovalKey(String);

impl ApprovalKey {
    /// The second line of a minisign public key file.
    pub fn parse(text: &str) -> Option<Self> {
        minisign_verify::PublicKey::from_base64(text).ok()?;
        Some(Self(text.to_owned()))
    }

    pub(super) fn key(&self) -> minisign_verify::PublicKey {
        minisign_verify::PublicKey::from_base64(&self.0).expect("the text was read when it was made")
    }
}

impl fmt::Display for ApprovalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One rule: what it is about, and who has to agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub id: String,
    pub about: About,
    /// Names of people.
    pub by: BTreeSet<String>,
    /// How many of them; at least 1.
    pub threshold: usize,
}

/// What a rule matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// Every change below `hooks/`.
    Hooks,
    Names {
        /// Any of these; every name if there are none.
        patterns: Vec<Pattern>,
        /// Wildcard identifiers only.
        wildcard: bool,
        /// These operations only.
        ops: BTreeSet<Op>,
    },
}

/// What happens to an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Op {
    /// It becomes part of a lineage, perhaps from another one.
    Add,
    /// Authority, key type, challenge, profile, publish or renew of its lineage become others.
    Change,
    /// It is no longer part of a lineage.
    Remove,
}

impl Op {
    pub const ALL: [Self; 3] = [Self::Add, Self::Change, Self::Remove];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Change => "change",
            Self::Remove => "remove",
        }
    }
}

impl Rule {
    fn is_about(&self, identifier: &Identifier, op: Op) -> bool {
        match &self.about {
            About::Hooks => false,
            About::Names { patterns, wildcard, ops } => {
                ops.contains(&op)
                    && (!wildcard || identifier.is_wildcard())
                    && (patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(identifier)))
            }
        }
    }

    fn is_for_wildcards(&self) -> bool {
        matches!(self.about, About::Names { wildcard: true, .. })
    }
}

impl Policy {
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    pub fn people(&self) -> impl Iterator<Item = (&str, &Person)> {
        self.people.iter().map(|(name, person)| (name.as_str(), person))
    }

    pub fn person(&self, name: &str) -> Option<&Person> {
        self.people.get(name)
    }

    /// The person that a key of these principals stands for. No two people share a principal.
    pub fn signer<'p>(&self, principals: impl IntoIterator<Item = &'p str>) -> Option<&str> {
        let mut principals = principals.into_iter();
        principals.find_map(|principal| {
            self.people().find(|(_, person)| person.signs.contains(principal)).map(|(name, _)| name)
        })
    }

    /// Whether a key of this principal may sign nothing but merges.
    pub fn is_merger(&self, principal: &str) -> bool {
        self.mergers.contains(principal)
    }

    /// Every rule that must hold for an operation on an identifier. Empty: nobody may.
    ///
    /// A wildcard needs a rule that says `wildcard: true`, whatever the other rules say.
    pub fn rules_for(&self, identifier: &Identifier, op: Op) -> Vec<&Rule> {
        let rules: Vec<_> = self.rules.iter().filter(|rule| rule.is_about(identifier, op)).collect();
        if identifier.is_wildcard() && !rules.iter().any(|rule| rule.is_for_wildcards()) { Vec::new() } else { rules }
    }

    /// Every rule that must hold for a change below `hooks/`. Empty: nobody may.
    pub fn rules_for_hooks(&self) -> Vec<&Rule> {
        self.rules.iter().filter(|rule| rule.about == About::Hooks).collect()
    }
}
