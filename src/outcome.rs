//! What became of each step of a plan, as data.

use std::collections::BTreeMap;

use serde::Serialize;
use time::OffsetDateTime;

use crate::fault::Fault;
use crate::lineage::Revocation;
use crate::name::LineageName;
use crate::plan::Action;

/// What became of one step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    pub lineage: LineageName,
    pub action: Action,
    /// Why the order, the stash or the unstash failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// The run was told to stop before the step was done. It goes on next time.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
    /// How uploading went, by bucket. Absent: nothing to upload.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub published: BTreeMap<String, Option<Fault>>,
    /// Keys of objects that somebody had replaced and that are ours again, by bucket.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub replaced: BTreeMap<String, Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_url: Option<String>,
    /// The version that is live after the step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    pub not_after: Option<OffsetDateTime>,
    /// Seconds from the start of the step to its end.
    pub seconds: f64,
}

/// What became of a revocation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Revoking {
    pub lineage: LineageName,
    #[serde(flatten)]
    pub revocation: Revocation,
    /// Why it is not revoked. The next run asks again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

impl Outcome {
    pub fn new(lineage: LineageName, action: Action) -> Self {
        Self {
            lineage,
            action,
            fault: None,
            interrupted: false,
            published: BTreeMap::new(),
            replaced: BTreeMap::new(),
            order_url: None,
            version: None,
            not_after: None,
            seconds: 0.0,
        }
    }

    /// A sentence for each bucket in which somebody had replaced objects.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        let sentence = |(bucket, keys): (&String, &Vec<String>)| {
            format!("somebody had replaced {} in bucket {bucket}: put back, see who may write there", keys.join(", "))
        };
        self.replaced.iter().map(sentence)
    }

    pub fn failed(&self) -> bool {
        self.fault.is_some() || self.published.values().any(Option::is_some)
    }
}
