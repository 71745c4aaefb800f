//! Who signed a commit, and whether that key may.

use std::fmt;

use time::OffsetDateTime;

use crate::trust::certificate::Certificate;
use crate::trust::commit::Commit;
use crate::trust::key::{Fingerprint, KeyError, PublicKey, SignatureError};
use crate::trust::refusal::{Refusal, RuleId};
use crate::trust::root::TrustRoot;
use crate::trust::sshsig::{EnvelopeError, SshSignature};

/// A key that really signed a commit, and what vouches for the key if it brought that along.
#[derive(Clone, Debug)]
pub struct Proven {
    pub key: PublicKey,
    /// Signed by the authority that it names.
    pub certificate: Option<Box<Certificate>>,
}

/// Who signed an accepted commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    pub key: Fingerprint,
    pub principal: String,
    /// Whose certificate says that the key is the principal's.
    pub authority: Option<Fingerprint>,
}

impl Who {
    /// The key and that of the authority: with either the signature is worth nothing any more.
    pub fn keys(&self) -> impl Iterator<Item = &Fingerprint> {
        [&self.key].into_iter().chain(&self.authority)
    }
}

/// As it stands in the trust state, in provenance and in the audit log.
impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.principal, self.key)?;
        self.authority.as_ref().map_or(Ok(()), |authority| write!(f, " certified-by {authority}"))
    }
}

/// The key of which each commit carries a signature that holds, found on all processors.
///
/// A new refusal has no hint: signing again is the way out. What was refused already stays refused.
pub fn proven_keys(commits: &[Result<Commit, Refusal>]) -> Vec<Result<Proven, Refusal>> {
    let check = |commit: &Result<Commit, Refusal>| commit.as_ref().map_err(Clone::clone).and_then(proven_key);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    if threads == 1 || commits.len() < 16 {
        return commits.iter().map(check).collect();
    }
    std::thread::scope(|scope| {
        let part = |part: &'_ [Result<Commit, Refusal>]| part.iter().map(check).collect::<Vec<_>>();
        let parts = commits.chunks(commits.len().div_ceil(threads));
        let running: Vec<_> = parts.map(|commits| scope.spawn(move || part(commits))).collect();
        running.into_iter().flat_map(|thread| thread.join().expect("checking a signature does not panic")).collect()
    })
}

fn proven_key(commit: &Commit) -> Result<Proven, Refusal> {
    let armored = match commit.signature.as_deref() {
        Some(text) if !text.starts_with("-----BEGIN PGP") => text,
        Some(_) => return Err(Refusal::new(RuleId::Unsigned, "the commit is signed with OpenPGP, not SSH")),
        None => return Err(Refusal::new(RuleId::Unsigned, "the commit is not signed")),
    };
    let signature = SshSignature::parse(armored).map_err(unreadable)?;
    let refuse = |rule, message| Err(Refusal::new(rule, message).key(signature.key.fingerprint()));
    if signature.namespace != b"git" {
        return refuse(RuleId::Namespace, "the signature was made for another purpose than a commit");
    }
    if signature.certificate.as_ref().is_some_and(|certificate| certificate.verify().is_err()) {
        return refuse(RuleId::Certificate, "the certificate was not signed by the authority that it names");
    }
    match signature.verify(&commit.payload) {
        Ok(()) => Ok(Proven { key: signature.key, certificate: signature.certificate }),
        Err(SignatureError::Bad) => refuse(RuleId::BadSignature, "the signature does not hold over the commit"),
        Err(SignatureError::NoTouch) => {
            let hint = "touch the security key when it asks for it; one that was made with `no-touch-required` cannot sign here";
            refuse(RuleId::WeakKey, "the security key signed without being touched")
                .map_err(|refusal| refusal.hint(hint))
        }
        Err(SignatureError::Algorithm) => refuse(RuleId::WeakKey, "the signature's algorithm is not accepted"),
    }
}

fn unreadable(error: EnvelopeError) -> Refusal {
    match error {
        EnvelopeError::Armor(why) => {
            Refusal::new(RuleId::Armor, format!("the signature is not what OpenSSH writes: {why}"))
        }
        EnvelopeError::Malformed => Refusal::new(RuleId::BadSignature, "the signature is malformed"),
        EnvelopeError::Key(error @ KeyError::Malformed) => {
            Refusal::new(RuleId::BadSignature, format!("the signing key {error}"))
        }
        EnvelopeError::Key(error) => Refusal::new(RuleId::WeakKey, format!("the signing key {error}")),
        EnvelopeError::Hash => Refusal::new(RuleId::WeakKey, "the signature is over a hash that is not accepted"),
    }
}

/// Whom a key stands for, if it may sign by the runner's files and clock.
///
/// `earlier` is whom it stood for when an earlier run accepted the commit. What a key did before it was revoked is
/// judged by name instead: see `cover`.
pub fn principal(
    root: &TrustRoot,
    key: &PublicKey,
    earlier: Option<&str>,
    now: OffsetDateTime,
) -> Result<String, Refusal> {
    let fingerprint = key.fingerprint();
    let signer = root.signers.get(&fingerprint);
    let known_as = earlier.or(signer.map(|signer| signer.principal()));
    let refuse = |rule, message: String, hint: &str| {
        let refusal = Refusal::new(rule, message).key(fingerprint.clone()).hint(hint);
        Err(known_as.into_iter().fold(refusal, Refusal::principal))
    };
    if let Some(principal) = earlier {
        return Ok(principal.to_owned());
    }
    if root.revoked.contains(&fingerprint) {
        let message = format!("the commit is signed by the revoked key {fingerprint}");
        let hint = "make its changes again with another key, on top of the commit before it; if it was reviewed and is \
                    right, move the introduction past it";
        return refuse(RuleId::Revoked, message, hint);
    }
    if root.signers.authority(&fingerprint).is_some() {
        let message = format!("the commit is signed by the key {fingerprint} of an authority itself");
        return refuse(RuleId::Certificate, message, "an authority signs certificates, and people sign commits");
    }
    let Some(signer) = signer else {
        let message = format!("the commit is signed by the unknown key {fingerprint}");
        let line = format!("name@example.com namespaces=\"git\" {}", key.to_openssh());
        let hint = format!("if you know whose key it is and trust it, add to the runner's allowed_signers:\n{line}");
        return refuse(RuleId::UnknownKey, message, &hint);
    };
    let name = signer.principal();
    if !signer.may_sign_for_git() {
        let message = format!("the key of {name} may not sign in the namespace `git`");
        let hint = "add `git` to the `namespaces` of its line in the runner's allowed_signers";
        return refuse(RuleId::Namespace, message, hint);
    }
    if !signer.is_valid_at(now) {
        let message = format!("the key of {name} is not valid now: {}", signer.validity());
        let hint = "have a signer with a valid key make the commit again, or change the validity in allowed_signers";
        return refuse(RuleId::Expired, message, hint);
    }
    Ok(name.to_owned())
}
