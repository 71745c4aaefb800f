//! The few traits behind which effects happen. They are made for batches, since the wave works on sets.
//!
//! Adapters implement one each and never import each other. Contracts stand here.

use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::caa::{self, Applicant};
use crate::fault::Fault;
use crate::journal::{Entry, Proof, Status};
use crate::ledger::Ledger;
use crate::lineage::{Etags, Imported, Meta, Pems, RevocationReason, Revoked, Stored};
use crate::list::ChallengeType;
use crate::name::{Identifier, LineageName};
use crate::secret::Secret;

/// How long a change may take to reach all servers of a zone.
pub const INSYNC_DEADLINE: Duration = Duration::from_secs(300);

/// How long a CA may take to validate or to issue before the order is left for the next run.
pub const CA_DEADLINE: Duration = Duration::from_secs(600);

/// Wall time, for decisions only. Durations are measured by whoever waits.
pub trait Clock: Send + Sync {
    fn now(&self) -> OffsetDateTime;
}

/// What to order (RFC 8555 section 7.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRequest {
    pub identifiers: BTreeSet<Identifier>,
    pub profile: Option<String>,
    /// RFC 9773 section 5.
    pub replaces: Option<String>,
}

/// An authorization of an order (RFC 8555 section 7.1.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization {
    /// The name to validate: a wildcard without its `*.`.
    pub base: String,
    /// `None` if the authorization is valid already.
    pub challenge: Option<Challenge>,
}

/// A pending challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    pub url: String,
    pub answer: Answer,
}

/// What the CA wants to find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// dns-01: the value of a TXT record (RFC 8555 section 8.4).
    Txt(String),
    /// http-01: a file with the token's name (RFC 8555 section 8.3).
    File { token: String, content: String },
}

/// When to renew, as the CA suggests (RFC 9773 section 4.2).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RenewalInfo {
    #[serde(with = "time::serde::rfc3339")]
    pub start: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub end: OffsetDateTime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<String>,
    /// Not to be asked again before this time.
    #[serde(with = "time::serde::rfc3339")]
    pub ask_again: OffsetDateTime,
}

/// One certificate authority with one account.
///
/// A badNonce is retried inside. Every other problem comes back as a [`Fault`] with the code `acme:<type>`.
/// Each call has a deadline.
#[async_trait]
pub trait Ca: Send + Sync {
    /// The URL of the directory.
    fn directory(&self) -> &str;
    /// Creates the account if there is none yet. Its key is stored before the CA hears of it.
    async fn new_order(&self, request: &OrderRequest) -> Result<Box<dyn Order>, Fault>;
    /// An order by its URL, without asking the CA.
    async fn order(&self, url: &str) -> Result<Box<dyn Order>, Fault>;
    /// `None` if this CA has no ARI or no valid answer for the certificate (RFC 9773 section 4.3.3).
    async fn renewal_info(&self, ari_id: &str) -> Result<Option<RenewalInfo>, Fault>;
    /// The profiles that the directory offers (draft-ietf-acme-profiles). Empty if it knows none.
    async fn profiles(&self) -> Result<BTreeSet<String>, Fault>;
    /// As CAA records name this CA and its account, for challenges of these types. Makes no account.
    async fn applicant(&self, methods: BTreeSet<ChallengeType>) -> Result<Applicant, Fault>;
    /// The chain at a certificate's URL: leaf first, PEM. Of several the one whose topmost certificate was issued by
    /// `preferred` (a common name), else the CA's default (RFC 8555 section 7.4.2).
    async fn certificate(&self, url: &str, preferred: Option<&str>) -> Result<String, Fault>;
    /// Revokes a certificate (PEM), signed by its own key if that is given, else by the account (RFC 8555
    /// section 7.6). One that is revoked already is no error.
    async fn revoke(&self, leaf: &str, reason: RevocationReason, key: Option<&Secret>) -> Result<(), Fault>;
}

/// CAA records (RFC 8659), as CAs look them up.
#[async_trait]
pub trait Caa: Send + Sync {
    /// The relevant record set of each name. In the order of `names`.
    async fn relevant(&self, names: &[String]) -> Vec<Result<Option<caa::RecordSet>, Fault>>;
}

/// An order at the CA. An order that is left behind is safe.
#[async_trait]
pub trait Order: Send {
    fn url(&self) -> &str;
    /// As the CA last said. `None` before its first answer.
    fn status(&self) -> Option<Status>;
    /// How long the CA asked to be left alone before the next `refresh`, counted from now.
    fn rest(&self) -> Duration;
    async fn refresh(&mut self) -> Result<Status, Fault>;
    /// With the challenges of one type, as far as they are to be answered.
    async fn authorizations(&mut self, challenge: ChallengeType) -> Result<Vec<Authorization>, Fault>;
    /// Says that a challenge can be validated.
    async fn set_ready(&mut self, challenge_url: &str) -> Result<(), Fault>;
    /// Sends the CSR (DER). A lost answer is harmless: `refresh` tells.
    async fn finalize(&mut self, csr: &[u8]) -> Result<Status, Fault>;
}

/// One accepted or refused batch of changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What this batch is about.
    pub records: Vec<Proof>,
    /// The provider's id of the change, or why it was refused.
    pub result: Result<String, Fault>,
}

/// One way of showing control over names: where answers go, and how they get there and away.
///
/// Solvers see only what is theirs: answers and proofs of one challenge type.
#[async_trait]
pub trait Solver: Send + Sync {
    /// What to try out before a CA is asked for anything: proofs of our own making, in the order of `bases`. None if
    /// nothing can be learned from it.
    fn rehearsal(&self, bases: &[String]) -> Vec<Result<Proof, Fault>>;
    /// Where each answer goes: a base and what the CA wants to find for it. In the order of `answers`. Changes nothing.
    async fn locate(&self, answers: &[(String, Answer)]) -> Vec<Result<Proof, Fault>>;
    /// Adds proofs beside whatever is there. Adding one twice is no error. Every proof stands in exactly one change.
    async fn present(&self, records: &[Proof]) -> Vec<Change>;
    /// Returns when the provider says that all its servers have the change.
    async fn settled(&self, change: &Change) -> Result<(), Fault>;
    /// Looks at each proof as a CA will. In the order of `records`.
    async fn visible(&self, records: &[Proof]) -> Vec<Result<(), Fault>>;
    /// Takes away exactly these proofs. One that is gone already is no error. Does not wait.
    async fn clean_up(&self, records: &[Proof]) -> Vec<Change>;
}

/// Addresses of hosts.
#[async_trait]
pub trait Addresses: Send + Sync {
    /// All of them, IPv6 first. None if the name has none.
    async fn of(&self, host: &str) -> Result<Vec<IpAddr>, Fault>;
}

/// Everything the store holds, read once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    pub live: BTreeMap<LineageName, Stored>,
    pub stash: BTreeMap<LineageName, Stored>,
    /// The newest of ours below a version that is somebody else's.
    pub set_aside: BTreeMap<LineageName, Stored>,
    /// Imported, and not asked for yet by a verified list.
    pub imported: BTreeMap<LineageName, Imported>,
    /// Lineages without a certificate, where a placeholder stands in `live/`.
    pub placeholders: BTreeSet<LineageName>,
    pub journal: BTreeMap<LineageName, Entry>,
    /// Lineages that cannot be read. They are reported and left alone.
    pub broken: BTreeMap<LineageName, Fault>,
}

impl Inventory {
    /// The live certificate that ends first.
    pub fn first_to_expire(&self) -> Option<(&LineageName, &Stored)> {
        self.live.iter().min_by_key(|(_, stored)| stored.facts().not_after)
    }
}

/// The lineage store. `docs/store.md` is its specification.
///
/// Every write is durable when the call returns: temporary file, fsync, rename, fsync of the directory.
pub trait Store: Send + Sync {
    fn observe(&self) -> Result<Inventory, Fault>;
    /// Fails with `store:no-space` if what comes of so many orders would not fit.
    fn has_room_for(&self, orders: usize) -> Result<(), Fault>;

    fn write_entry(&self, entry: &Entry) -> Result<(), Fault>;
    fn remove_entry(&self, lineage: &LineageName) -> Result<(), Fault>;
    /// Writes an entry, or removes it if nothing is left in it.
    fn settle_entry(&self, entry: &Entry) -> Result<(), Fault> {
        if entry.is_spent() { self.remove_entry(&entry.lineage) } else { self.write_entry(entry) }
    }
    /// The private key of the attempt, PEM (PKCS#8).
    fn write_attempt_key(&self, lineage: &LineageName, key: &Secret) -> Result<(), Fault>;
    fn attempt_key(&self, lineage: &LineageName) -> Result<Option<Secret>, Fault>;

    /// Stores a new version and swaps `live` to it. `meta.version` is chosen by the store: never used before.
    fn deploy(&self, meta: Meta, pems: &Pems) -> Result<Stored, Fault>;
    /// Keeps what did not pass the checks, away from `live`.
    fn quarantine(&self, lineage: &LineageName, pems: &Pems, why: &Fault) -> Result<(), Fault>;
    fn pems(&self, stored: &Stored) -> Result<Pems, Fault>;
    /// Remembers what was written to a bucket.
    fn record_published(&self, stored: &Stored, bucket: &str, etags: &Etags) -> Result<(), Fault>;
    /// A version that is kept, live or not. `None` if there is none of this number.
    fn version(&self, lineage: &LineageName, version: u64) -> Result<Option<Stored>, Fault>;
    /// Every version that is kept in the archive, oldest first.
    fn versions(&self, lineage: &LineageName) -> Result<Vec<Stored>, Fault>;
    /// Writes down that the CA has revoked a version.
    fn record_revoked(&self, stored: &Stored, revoked: &Revoked) -> Result<(), Fault>;

    fn stash(&self, lineage: &LineageName) -> Result<(), Fault>;
    fn unstash(&self, lineage: &LineageName) -> Result<(), Fault>;
    /// Deletes a stash that has expired. Its numbers stay taken.
    fn discard_stash(&self, lineage: &LineageName) -> Result<(), Fault>;
    /// Makes an earlier version live again, as a new version.
    fn redeploy(&self, lineage: &LineageName, version: u64) -> Result<Stored, Fault>;

    /// Deletes versions below the live one, but the newest `keep` (the live one is the first of them) and those in
    /// `spared`. Gives what it deleted. A lineage that is not live is left alone.
    fn prune(&self, lineage: &LineageName, keep: usize, spared: &BTreeSet<u64>) -> Result<Vec<u64>, Fault>;

    /// Keeps an imported certificate until a verified list asks for it.
    fn add_imported(&self, imported: &Imported, pems: &Pems) -> Result<(), Fault>;
    /// `None` if none waits.
    fn imported(&self, lineage: &LineageName) -> Result<Option<(Imported, Pems)>, Fault>;
    fn remove_imported(&self, lineage: &LineageName) -> Result<(), Fault>;

    /// Puts a placeholder into `live/` if nothing else stands there. Says whether it did.
    fn add_placeholder(&self, lineage: &LineageName, pems: &Pems) -> Result<bool, Fault>;
    fn remove_placeholder(&self, lineage: &LineageName) -> Result<(), Fault>;

    /// Renewal information from earlier runs, by ARI id, so that `ask_again` is kept.
    fn renewal_infos(&self) -> Result<BTreeMap<String, RenewalInfo>, Fault>;
    fn write_renewal_infos(&self, infos: &BTreeMap<String, RenewalInfo>) -> Result<(), Fault>;

    /// What counts against the CAs' limits. An empty one if nothing was ever written.
    fn ledger(&self) -> Result<Ledger, Fault>;
    fn write_ledger(&self, ledger: &Ledger) -> Result<(), Fault>;
}

/// Where accounts are kept. Part of the lineage store, apart because only the CA adapter uses it.
pub trait Accounts: Send + Sync {
    fn load(&self, authority: &str) -> Result<Option<KeptAccount>, Fault>;
    fn save_key(&self, authority: &str, key: &Secret) -> Result<(), Fault>;
    fn save_url(&self, authority: &str, directory: &str, url: &str) -> Result<(), Fault>;
    /// Keeps the key that is to take over, beside the one in use.
    fn save_next_key(&self, authority: &str, key: &Secret) -> Result<(), Fault>;
    /// The next key takes over. The URL stays.
    fn promote_next_key(&self, authority: &str) -> Result<(), Fault>;
    fn drop_next_key(&self, authority: &str) -> Result<(), Fault>;
    /// Takes the account out of the store, key and all.
    fn forget(&self, authority: &str) -> Result<(), Fault>;
}

/// An account as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAccount {
    /// PEM (PKCS#8).
    pub key: Secret,
    /// `None` when a run ended between making the key and hearing from the CA.
    pub url: Option<String>,
    /// While a key change is under way. The CA may know either key (RFC 8555 section 7.3.5).
    pub next: Option<Secret>,
}

/// An object as a paged list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectSummary {
    pub etag: String,
    pub size: u64,
}

/// How a conditional write ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// With the new ETag.
    Done(String),
    /// The condition did not hold: somebody else's object is there, or an earlier try of ours landed.
    Refused,
}

/// What must hold for a write to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `If-None-Match: *`
    Absent,
    /// `If-Match: <etag>`
    Etag(String),
}

/// How a bucket is guarded, as it says itself. A fault stands for what it did not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guards {
    /// The parts of the public access block that are switched off. `None`: the bucket has no block of its own.
    pub block_off: Result<Option<Vec<&'static str>>, Fault>,
    pub policy_is_public: Result<bool, Fault>,
    pub acl_is_public: Result<bool, Fault>,
    /// Whether it keeps earlier versions of its objects.
    pub versioned: Result<bool, Fault>,
    /// How it encrypts what is sent without a key: `AES256`, `aws:kms`.
    pub encryption: Result<String, Fault>,
}

/// One bucket below one prefix. Keys are relative to the prefix.
///
/// Conditional writes are sent once: after an error it is open whether they happened, and the caller looks.
#[async_trait]
pub trait Bucket: Send + Sync {
    /// Every object below the prefix, by paged list.
    async fn list(&self) -> Result<BTreeMap<String, ObjectSummary>, Fault>;
    /// `None` if there is no such object. With its ETag.
    async fn get(&self, key: &str) -> Result<Option<(Vec<u8>, String)>, Fault>;
    /// Writes with a SHA-256 checksum, and encrypted by the configured KMS key if there is one.
    async fn put(
        &self,
        key: &str,
        body: &[u8],
        metadata: &BTreeMap<String, String>,
        condition: &Condition,
    ) -> Result<Written, Fault>;
    /// Takes an object away. One that is gone already is no error.
    async fn delete(&self, key: &str) -> Result<(), Fault>;
    async fn guards(&self) -> Guards;
}
