//! What the runner trusts, independent of anything in the config repo.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::name::{CommitId, Digest, NameError};
use crate::trust::VERIFIER_VERSION;
use crate::trust::key::Fingerprint;
use crate::trust::policy::Policy;
use crate::trust::signers::AllowedSigners;

/// Which commits have to be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Require {
    /// Every commit.
    #[default]
    All,
    /// Commits that touch a protected path: the list and `hooks/`.
    Protected,
}

/// The runner's side of trust: from its config, and the signers file that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustRoot {
    /// The first commit that is trusted, by its id. Its own signature is not asked.
    pub introduction: CommitId,
    pub signers: AllowedSigners,
    /// Always win.
    pub revoked: BTreeSet<Fingerprint>,
    pub require: Require,
    /// Who may change what. Without it every allowed signer may change everything.
    pub policy: Option<Policy>,
    /// Where the config repo is, as the runner's config says. Approvals name it.
    pub url: String,
    /// Full name of the ref, like `refs/heads/main`.
    pub ref_name: String,
    pub list: ListPath,
}

impl TrustRoot {
    /// Covers everything that can change a verdict, the verifier's own version included.
    pub fn digest(&self) -> Digest {
        let mut text = format!(
            "countersign-trust-root {VERIFIER_VERSION}\nintroduction {}\nref {}\nlist {}\nrequire {:?}\n",
            self.introduction, self.ref_name, self.list, self.require
        );
        for key in &self.revoked {
            text.push_str(&format!("revoked {key}\n"));
        }
        text.push_str(&self.signers.to_canonical());
        if let Some(policy) = &self.policy {
            text.push_str(&format!("url {}\npolicy {}\n", self.url, policy.digest()));
        }
        Digest::of(text.as_bytes())
    }

    /// Whether the key, accepted for `principal`, may sign nothing but merges.
    pub(super) fn is_merger(&self, key: &Fingerprint, principal: &str) -> bool {
        let Some(policy) = &self.policy else { return false };
        self.principals(key).chain([principal]).any(|principal| policy.is_merger(principal))
    }

    /// The person of the policy for whom the key, once accepted for `principal`, stands.
    pub(super) fn person(&self, key: &Fingerprint, principal: &str) -> Option<&str> {
        self.policy.as_ref()?.signer(self.principals(key).chain([principal]))
    }

    fn principals(&self, key: &Fingerprint) -> impl Iterator<Item = &str> {
        self.signers.get(key).into_iter().flat_map(|signer| signer.principals.iter().map(String::as_str))
    }
}

/// Where the list stands in the config repo: a file, or a directory of which every `*.yaml` directly inside counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ListPath {
    path: String,
    directory: bool,
}

impl ListPath {
    /// `domains.yaml`, or `domains/` with a slash at the end for a directory.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let path = text.strip_suffix('/').unwrap_or(text);
        let component = |part: &str| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
            !matches!(part, "" | "." | "..") && !part.eq_ignore_ascii_case(".git") && part.bytes().all(plain)
        };
        if !path.split('/').all(component) {
            return Err(NameError(format!(
                "`{text}` is not a relative path of letters, digits, `.`, `_`, `-` and `/`"
            )));
        }
        let first = path.split('/').next().unwrap_or_default();
        if ["hooks", "approvals"].iter().any(|taken| first.eq_ignore_ascii_case(taken)) {
            return Err(NameError(format!("`{first}` has another meaning in a config repo")));
        }
        Ok(Self { path: path.to_owned(), directory: text.ends_with('/') })
    }

    /// Without the slash at the end.
    pub fn path(&self) -> &str {
        &self.path
    }

    pub fn is_directory(&self) -> bool {
        self.directory
    }
}

impl fmt::Display for ListPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.path, if self.directory { "/" } else { "" })
    }
}

impl From<ListPath> for String {
    fn from(path: ListPath) -> Self {
        path.to_string()
    }
}

impl TryFrom<String> for ListPath {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_path_stays_inside_the_repo() {
        let accepted = ["domains.yaml", "domains/", "pki/domains.yaml"];
        let refused =
            ["", "/", "/domains.yaml", "../x", "a//b", "./a", ".git/config", "a b", "hooks/", "Hooks/a.yaml", "ä"];
        assert_eq!(accepted.iter().filter(|text| ListPath::parse(text).is_err()).count(), 0);
        assert_eq!(refused.iter().filter(|text| ListPath::parse(text).is_ok()).count(), 0);
    }
}
