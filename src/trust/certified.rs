//! Whom a key stands for because an authority says so, and whether the runner lets it say so.

use time::OffsetDateTime;

use crate::trust::certificate::Certificate;
use crate::trust::key::Fingerprint;
use crate::trust::refusal::{Refusal, RuleId};
use crate::trust::root::TrustRoot;
use crate::trust::signers::Signer;

/// A certificate may be valid for so many seconds. Nobody tells the runner when one is withdrawn, so it has to end
/// soon by itself.
const MAX_LIFETIME: u64 = 24 * 60 * 60;

/// A certificate that came with a commit.
pub struct Shown<'a> {
    pub certificate: &'a Certificate,
    /// Whom its key stood for in commits that were accepted already.
    pub known_as: Option<&'a str>,
    /// When the runner saw the commit first.
    pub seen: OffsetDateTime,
    pub now: OffsetDateTime,
}

impl Shown<'_> {
    /// The person for whom the certificate was made, if it counts.
    pub fn principal(&self, root: &TrustRoot) -> Result<String, Refusal> {
        let (key, authority) = (self.certificate.key.fingerprint(), self.certificate.authority.fingerprint());
        if let Some(revoked) = [&key, &authority].into_iter().find(|key| root.revoked.contains(key)) {
            let message =
                format!("the commit is signed with a certificate about {key} of {authority}: {revoked} is revoked");
            let hint = "make its changes again with another key, on top of the commit before it";
            return Err(self.refuse(RuleId::Revoked, message, hint));
        }
        let Some(line) = root.signers.authority(&authority) else {
            return Err(self.not_pinned(&authority));
        };
        if let Some((message, hint)) = self.flaw() {
            return Err(self.refuse(RuleId::Certificate, message, hint));
        }
        let principal = self.in_scope(line)?;
        self.check_line(line, &authority).map_err(|refusal| refusal.principal(principal))?;
        self.check_person(root, &key, principal).map_err(|refusal| refusal.principal(principal))?;
        Ok(principal.to_owned())
    }

    fn refuse(&self, rule: RuleId, message: impl Into<String>, hint: impl Into<String>) -> Refusal {
        Refusal::new(rule, message).key(self.certificate.key.fingerprint()).hint(hint)
    }

    fn not_pinned(&self, authority: &Fingerprint) -> Refusal {
        let message =
            format!("the commit is signed with a certificate of the authority {authority}, which is not pinned");
        let line =
            format!("name@example.com cert-authority,namespaces=\"git\" {}", self.certificate.authority.to_openssh());
        let hint = format!(
            "sign with a key that the runner knows; or, if it is your authority, have the runner's administrator put \
             its fingerprint into `trust.certificate_authorities` and add to allowed_signers:\n{line}"
        );
        self.refuse(RuleId::Certificate, message, hint)
    }

    /// What the certificate may not be, whoever made it.
    fn flaw(&self) -> Option<(String, &'static str)> {
        let certificate = self.certificate;
        if !certificate.is_user {
            return Some((
                "the certificate is not one for a user".into(),
                "have a user certificate made: `ssh-keygen -s` without `-h`",
            ));
        }
        if certificate.has_critical_options {
            let message = "the certificate has critical options, which nobody enforces for a commit".into();
            return Some((message, "have one made without `-O force-command`, `-O source-address` and the like"));
        }
        let lifetime = certificate.lifetime();
        if lifetime == 0 || lifetime > MAX_LIFETIME {
            let message = match certificate.valid_before {
                u64::MAX => "the certificate is valid forever; 24 h are accepted".to_owned(),
                _ => format!("the certificate is valid for {} h; up to 24 h are accepted", lifetime.div_ceil(3600)),
            };
            return Some((message, "have one made that ends within a day: `ssh-keygen -s … -V +16h`"));
        }
        None
    }

    /// Two people in one certificate would be one who counts twice.
    fn in_scope<'l>(&self, line: &'l Signer) -> Result<&'l str, Refusal> {
        let names = &self.certificate.principals;
        let mut found = line.principals.iter().filter(|name| names.contains(name));
        let said = || names.iter().map(|name| format!("`{}`", name.escape_debug())).collect::<Vec<_>>().join(", ");
        let refuse = |message: String, hint| Err(self.refuse(RuleId::Certificate, message, hint));
        match (found.next(), found.next()) {
            (Some(name), None) => Ok(name),
            (None, _) if names.is_empty() => refuse(
                "the certificate names no principal".into(),
                "have one made for the person: `ssh-keygen -s … -n NAME`",
            ),
            (None, _) => refuse(
                format!("the certificate is for {}, none of whom its authority may vouch for", said()),
                "add the principal to the authority's line in the runner's allowed_signers",
            ),
            (Some(_), Some(_)) => refuse(
                format!("the certificate is for {}: it has to be for one person", said()),
                "have one made for one person: `ssh-keygen -s … -n NAME`",
            ),
        }
    }

    fn check_line(&self, line: &Signer, authority: &Fingerprint) -> Result<(), Refusal> {
        if !line.may_sign_for_git() {
            let message = format!("certificates of {authority} do not count in the namespace `git`");
            let hint = "add `git` to the `namespaces` of its line in the runner's allowed_signers";
            return Err(self.refuse(RuleId::Namespace, message, hint));
        }
        if !line.is_valid_at(self.now) {
            let message = format!("certificates of {authority} do not count now, by its valid-after and valid-before");
            return Err(self.refuse(RuleId::Expired, message, "change the validity in the runner's allowed_signers"));
        }
        Ok(())
    }

    fn check_person(&self, root: &TrustRoot, key: &Fingerprint, principal: &str) -> Result<(), Refusal> {
        if !self.certificate.is_valid_at(self.seen.unix_timestamp()) {
            let message = format!("the certificate of {principal} was not valid when the commit was seen first");
            let hint = "get a new certificate, sign again, and have the runner look before it ends: run `countersign verify` \
                        after each push";
            return Err(self.refuse(RuleId::Certificate, message, hint));
        }
        let line = root.signers.get(key).map(Signer::principal);
        match [line, self.known_as].into_iter().flatten().find(|known| *known != principal) {
            None => Ok(()),
            Some(other) => {
                let message = format!("the key of {other} has a certificate for {principal}");
                Err(self.refuse(RuleId::Certificate, message, "use one key for one person"))
            }
        }
    }
}
