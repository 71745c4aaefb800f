//! The copy of the log's end in a bucket. Whoever rewrites or rolls back the store does not reach it.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{Chain, Head};
use crate::fault::{Fault, Retry};
use crate::port::{Bucket, Condition, Written};

/// Below the bucket's prefix.
pub const KEY: &str = "audit-head.json";

const SCHEMA: u32 = 1;

/// `audit-head.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copy {
    pub schema: u32,
    #[serde(flatten)]
    pub head: Head,
    #[serde(with = "time::serde::rfc3339")]
    pub time: OffsetDateTime,
}

/// What stands in the bucket, if the log contains it, with its ETag.
///
/// # Errors
/// `X01-state-rollback` if the log lacks what the bucket remembers, `audit:copy-unreadable`, and the bucket's faults.
pub async fn compare(bucket: &dyn Bucket, chain: &Chain) -> Result<Option<(Head, String)>, Fault> {
    let Some((copy, etag)) = read(bucket).await? else { return Ok(None) };
    if !chain.contains(&copy.head) && !chain.replaces(&copy.head) {
        return Err(strange(&copy, chain));
    }
    Ok(Some((copy.head, etag)))
}

/// The end that the bucket remembers, if the log does not contain it.
///
/// # Errors
/// `audit:copy-unreadable`, and the bucket's faults.
pub async fn lost(bucket: &dyn Bucket, chain: &Chain) -> Result<Option<Head>, Fault> {
    let copy = read(bucket).await?;
    Ok(copy.map(|(copy, _)| copy.head).filter(|head| !chain.contains(head) && !chain.replaces(head)))
}

/// Brings the end of the log into the bucket.
///
/// # Errors
/// As [`compare`], and `audit:copy-contested` if somebody else writes at the same time.
pub async fn write(bucket: &dyn Bucket, chain: &Chain, now: OffsetDateTime) -> Result<(), Fault> {
    let Some(head) = chain.head() else { return Ok(()) };
    let condition = match compare(bucket, chain).await? {
        Some((there, _)) if there == *head => return Ok(()),
        Some((_, etag)) => Condition::Etag(etag),
        None => Condition::Absent,
    };
    let copy = Copy { schema: SCHEMA, head: head.clone(), time: now };
    let mut body = serde_json::to_vec_pretty(&copy).expect("plain data");
    body.push(b'\n');
    match bucket.put(KEY, &body, &Default::default(), &condition).await? {
        Written::Done(_) => Ok(()),
        Written::Refused => Err(Fault::new("audit:copy-contested", format!("somebody else wrote `{KEY}` just now"))
            .hint("see that only one store publishes below this prefix")),
    }
}

async fn read(bucket: &dyn Bucket) -> Result<Option<(Copy, String)>, Fault> {
    let Some((bytes, etag)) = bucket.get(KEY).await? else { return Ok(None) };
    let copy = serde_json::from_slice(&bytes).map_err(|error| {
        Fault::new("audit:copy-unreadable", format!("`{KEY}` in the bucket cannot be read"))
            .caused_by(&error)
            .hint("see who wrote it; if it is of no use, delete the object")
            .retry(Retry::Never)
    })?;
    Ok(Some((copy, etag)))
}

fn strange(copy: &Copy, chain: &Chain) -> Fault {
    let ours = chain.head().map_or("no entry".to_owned(), |head| format!("{} entries", head.seq));
    let message = format!(
        "the bucket remembers entry {} of the audit log of {}, and the store's log, with {ours}, does not contain it",
        copy.head.seq,
        copy.time.date()
    );
    Fault::new("X01-state-rollback", message)
        .hint(format!(
            "the store was rolled back or rewritten, or another store publishes here: bring back the right state \
             directory; if it is lost, `countersign restore --from-bucket`; to go on from this one, delete `{KEY}` from the bucket"
        ))
        .retry(Retry::Never)
}
