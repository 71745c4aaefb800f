//! The journal: what must survive a crash, and what to do next.
//!
//! The CA remembers orders, authorizations and certificates. The journal keeps only what the CA cannot tell:
//! the key and CSR (before the order), the order's URL (before the challenge), the TXT values and token files (before
//! they are placed). A fresh run and a resumed run are the same code: [`next`] decides from the entry and from what the
//! server says.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::fault::{Fault, Retry};
use crate::lineage::{Provenance, Revocation};
use crate::list::{Certificate, ChallengeType, KeySource, KeyType};
use crate::name::{Digest, Identifier, LineageName};

/// The schema of a journal entry. A newer one is refused, never overwritten.
pub const SCHEMA: u32 = 1;

/// Where a TXT record set lives: a hosted zone and an owner name, CNAMEs followed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecordSet {
    /// The provider's id of the zone.
    pub zone: String,
    /// Owner name, lower case, without a trailing dot.
    pub name: String,
}

/// One TXT value that this tool puts into a record set, unquoted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Txt {
    #[serde(flatten)]
    pub set: RecordSet,
    pub value: String,
}

/// One file that this tool puts into a folder from which web servers answer http-01 (RFC 8555 section 8.3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TokenFile {
    pub folder: PathBuf,
    /// The name under which the CA asks for it.
    pub host: String,
    /// The file's name.
    pub token: String,
    pub content: String,
}

/// What stands somewhere so that a CA sees who controls a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Proof {
    Txt(Txt),
    File(TokenFile),
}

/// Where proofs are placed and taken away together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// By the provider's id.
    Zone(String),
    Folder(PathBuf),
}

impl Proof {
    pub fn place(&self) -> Place {
        match self {
            Self::Txt(txt) => Place::Zone(txt.set.zone.clone()),
            Self::File(file) => Place::Folder(file.folder.clone()),
        }
    }
}

impl Place {
    /// The way of showing control that uses such places.
    pub fn challenge(&self) -> ChallengeType {
        match self {
            Self::Zone(_) => ChallengeType::Dns01,
            Self::Folder(_) => ChallengeType::Http01,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zone(id) => write!(f, "zone {id}"),
            Self::Folder(path) => write!(f, "folder {}", path.display()),
        }
    }
}

/// What one order is for. The private key is kept beside the entry, in a file of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    pub identifiers: BTreeSet<Identifier>,
    pub authority: String,
    pub directory: String,
    pub key: KeyType,
    #[serde(default, skip_serializing_if = "KeySource::is_new")]
    pub key_source: KeySource,
    /// Digest of the subject public key info (DER). Absent in entries of early releases, whose keys are all new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<Digest>,
    /// What the CA is asked for: `None` also if the one that the list prefers is not offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// RFC 9773 section 5: ARI id of the certificate that this one replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// PKCS#10 in base64 of DER.
    pub csr: String,
    pub provenance: Provenance,
}

impl Intent {
    /// Whether this is what the list asks for now.
    pub fn is_for(&self, certificate: &Certificate) -> bool {
        self.identifiers == certificate.identifiers
            && self.key == certificate.key
            && self.key_source == certificate.key_source
            && certificate.allows_profile(self.profile.as_deref())
            && self.authority == certificate.authority
    }
}

/// An order on its way. Fields are filled in this order and never emptied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    pub intent: Intent,
    /// Written before the first challenge is answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// Written as soon as it is known: it outlives the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

impl Attempt {
    pub fn new(intent: Intent) -> Self {
        Self { intent, order: None, certificate: None }
    }
}

/// Failures in a row, and when the next try is due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failures {
    pub count: u32,
    pub last: Fault,
    #[serde(with = "time::serde::rfc3339")]
    pub not_before: OffsetDateTime,
}

/// The journal of one lineage. An entry without anything in it is removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub schema: u32,
    pub lineage: LineageName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Attempt>,
    /// What was or will be placed, until it is known to be gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<Proof>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<Failures>,
    /// Written before the CA hears of it, until it has said yes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revocations: Vec<Revocation>,
}

impl Entry {
    pub fn new(lineage: LineageName) -> Self {
        Self { schema: SCHEMA, lineage, attempt: None, records: Vec::new(), failures: None, revocations: Vec::new() }
    }

    pub fn is_spent(&self) -> bool {
        self.attempt.is_none() && self.records.is_empty() && self.failures.is_none() && self.revocations.is_empty()
    }

    /// The order came to nothing: count the failure and set the time of the next try.
    ///
    /// An outage or a limit says nothing about the lineage: the next try comes soon, and the count does not grow. Whoever
    /// puts the account in order does not wait at all.
    pub fn fail(&mut self, fault: Fault, now: OffsetDateTime) {
        let before = self.failures.as_ref().map_or(0, |f| f.count);
        let full = |fault: &Fault| fault.code == "acme:rateLimited" && matches!(fault.retry, Retry::After(_));
        let (count, pause) = match &fault {
            fault if is_about_account(fault) => (before.max(1), Duration::ZERO),
            fault if is_outage(fault) || full(fault) => (before.max(1), back_off(1)),
            _ => (before + 1, back_off(before + 1)),
        };
        let not_before = now + pause.max(asked_for(&fault));
        self.failures = Some(Failures { count, last: fault, not_before });
    }

    /// Whether a failure forbids a new order at `now`.
    pub fn backs_off(&self, now: OffsetDateTime) -> Option<&Failures> {
        self.failures.as_ref().filter(|failures| now < failures.not_before)
    }
}

/// Whether nobody judged the order: the CA, DNS, the network or this machine was not there to do its part.
pub fn is_outage(fault: &Fault) -> bool {
    let origin = fault.code.split(':').next().unwrap_or_default();
    let busy = ["acme:timeout", "acme:unreachable", "acme:clock", "acme:serverInternal", "acme:malformed-reply"];
    matches!(origin, "route53" | "dns" | "caa" | "http" | "exec" | "program" | "aws" | "store" | "run" | "key")
        || busy.contains(&fault.code.as_str())
        || fault.code.starts_with("acme:http-5")
}

/// Whether the CA does not want the account, whatever it orders. Only the operator can change that.
pub fn is_about_account(fault: &Fault) -> bool {
    const CODES: [&str; 6] = [
        "acme:account-key",
        "acme:accountDoesNotExist",
        "acme:account-refused",
        "acme:eab",
        "acme:externalAccountRequired",
        "acme:userActionRequired",
    ];
    CODES.contains(&fault.code.as_str())
}

fn asked_for(fault: &Fault) -> Duration {
    match fault.retry {
        Retry::After(seconds) => Duration::seconds(i64::try_from(seconds).unwrap_or(i64::MAX).min(30 * 86_400)),
        Retry::Never | Retry::Later => Duration::ZERO,
    }
}

/// 1 min, 10 min, 100 min, then 20 h: a nightly run tries each night, and a dead name stays under the CA's limits.
fn back_off(failures: u32) -> Duration {
    match failures {
        0 => Duration::ZERO,
        1 => Duration::minutes(1),
        2 => Duration::minutes(10),
        3 => Duration::minutes(100),
        _ => Duration::hours(20),
    }
}

/// What the CA says about an order (RFC 8555 section 7.1.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    Pending,
    Ready,
    Processing,
    /// With the certificate's URL.
    Valid(String),
    Invalid(Fault),
    /// The CA does not know the order any more.
    Gone,
}

/// The next thing to do for an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Ask for a new order.
    NewOrder,
    /// Ask how the order stands.
    Refresh,
    /// Fetch the authorizations and answer their challenges.
    Authorize,
    /// Send the journaled CSR.
    Finalize,
    /// The CA is at work: ask again later.
    Wait,
    /// Fetch the certificate from this URL.
    Download(String),
    /// The order came to nothing.
    GiveUp(Fault),
    /// The order is gone: begin again with a new key.
    Restart,
}

/// The single state machine of issuance. The server's word wins over the journal.
pub fn next(attempt: &Attempt, status: Option<&Status>) -> Next {
    match (&attempt.order, &attempt.certificate, status) {
        (None, _, _) => Next::NewOrder,
        (Some(_), Some(url), _) => Next::Download(url.clone()),
        (Some(_), None, None) => Next::Refresh,
        (Some(_), None, Some(status)) => match status {
            Status::Pending => Next::Authorize,
            Status::Ready => Next::Finalize,
            Status::Processing => Next::Wait,
            Status::Valid(url) => Next::Download(url.clone()),
            Status::Invalid(fault) => Next::GiveUp(fault.clone()),
            Status::Gone => Next::Restart,
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;
    use crate::name::{CommitId, Digest};

    const NOW: OffsetDateTime = datetime!(2026-06-01 02:00 UTC);

    fn attempt() -> Attempt {
        Attempt::new(Intent {
            identifiers: BTreeSet::new(),
            authority: "ca".into(),
            directory: "https://ca.test/dir".into(),
            key: KeyType::EcdsaP256,
            key_source: KeySource::New,
            public_key: None,
            profile: None,
            replaces: None,
            csr: String::new(),
            provenance: Provenance {
                commit: CommitId::parse(&"a".repeat(40)).unwrap(),
                signers: Vec::new(),
                list: Digest::of(b"list"),
                trust_root: Digest::of(b"root"),
                approvals: Vec::new(),
                policy: None,
            },
        })
    }

    fn said() -> impl Strategy<Value = Status> {
        prop_oneof![
            Just(Status::Pending),
            Just(Status::Ready),
            Just(Status::Processing),
            Just(Status::Valid("https://ca.test/cert/1".into())),
            Just(Status::Invalid(Fault::new("acme:unauthorized", "no"))),
            Just(Status::Gone),
        ]
    }

    proptest! {
        /// Whatever the CA says at each step, and wherever the process ends: after a crash the status is unknown, and
        /// of the last step only what was journaled is left.
        #[test]
        fn an_attempt_orders_once_for_each_answer_that_was_lost(
            run in proptest::collection::vec((said(), any::<bool>()), 0..40),
        ) {
            let (mut attempt, mut status, mut orders, mut lost) = (attempt(), None, 0, 0);
            for (said, crashed) in run {
                match next(&attempt, status.as_ref()) {
                    Next::NewOrder => {
                        orders += 1;
                        lost += u32::from(crashed);
                        attempt.order = (!crashed).then(|| "https://ca.test/order/1".to_owned());
                    }
                    Next::Refresh | Next::Authorize | Next::Finalize | Next::Wait => {}
                    Next::Download(url) => {
                        prop_assert!(attempt.certificate.as_ref().is_none_or(|known| *known == url));
                        attempt.certificate = Some(url);
                    }
                    Next::GiveUp(_) | Next::Restart => break,
                }
                status = (!crashed && attempt.order.is_some()).then_some(said);
            }
            prop_assert!(orders <= 1 + lost);
        }

        #[test]
        fn an_attempt_with_an_order_never_orders_again(status in proptest::option::of(said()), known in any::<bool>()) {
            let mut attempt = attempt();
            attempt.order = Some("https://ca.test/order/1".into());
            attempt.certificate = known.then(|| "https://ca.test/cert/1".into());
            prop_assert_ne!(next(&attempt, status.as_ref()), Next::NewOrder);
        }
    }

    #[test]
    fn a_name_that_the_ca_refuses_is_tried_ever_less_often() {
        let mut entry = Entry::new(LineageName::parse("www").unwrap());
        let minutes: Vec<i64> = (0..5)
            .map(|_| {
                entry.fail(Fault::new("acme:unauthorized", "no"), NOW);
                (entry.failures.as_ref().unwrap().not_before - NOW).whole_minutes()
            })
            .collect();
        assert_eq!(minutes, [1, 10, 100, 1200, 1200]);
    }

    #[test]
    fn an_outage_is_tried_again_soon_however_long_it_lasts() {
        let mut entry = Entry::new(LineageName::parse("www").unwrap());
        for code in ["acme:unreachable", "acme:http-503", "route53:pending", "dns:not-visible", "acme:timeout"] {
            entry.fail(Fault::new(code, "no"), NOW);
            let failures = entry.failures.as_ref().unwrap();
            assert_eq!((failures.count, failures.not_before), (1, NOW + Duration::MINUTE), "{code}");
        }
    }

    #[test]
    fn an_outage_does_not_make_a_refused_name_a_good_one() {
        let mut entry = Entry::new(LineageName::parse("www").unwrap());
        for code in ["acme:caa", "acme:caa", "acme:unreachable", "acme:caa"] {
            entry.fail(Fault::new(code, "no"), NOW);
        }
        assert_eq!(entry.failures.unwrap().count, 3);
    }

    #[test]
    fn an_account_that_was_put_in_order_is_tried_at_once() {
        let mut entry = Entry::new(LineageName::parse("www").unwrap());
        entry.fail(Fault::new("acme:caa", "no"), NOW);
        entry.fail(Fault::new("acme:userActionRequired", "no"), NOW);
        assert_eq!((entry.backs_off(NOW), entry.failures.as_ref().unwrap().count), (None, 1));
    }

    #[test]
    fn the_time_that_the_ca_named_is_waited_for_if_it_is_later() {
        let mut entry = Entry::new(LineageName::parse("www").unwrap());
        entry.fail(Fault::new("acme:rateLimited", "no").retry(Retry::After(7200)), NOW);
        assert_eq!(entry.backs_off(NOW + Duration::minutes(119)).map(|failures| failures.count), Some(1));
        assert_eq!(entry.backs_off(NOW + Duration::minutes(120)), None);
    }
}
