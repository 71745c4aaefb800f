//! When the runner saw commits first.
//!
//! A certificate ends soon, and a commit may have to wait for an approval. So what counts is when the runner saw the
//! commit for the first time, by its own clock.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::name::CommitId;

/// Commits of a refused head whose certificates were found valid. Stands in `first-seen.json`.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FirstSeen(BTreeMap<CommitId, Stamp>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp(#[serde(with = "time::serde::rfc3339")] OffsetDateTime);

impl FirstSeen {
    pub(super) fn insert(&mut self, commit: CommitId, at: OffsetDateTime) {
        self.0.insert(commit, Stamp(at));
    }
}

/// By which time commits are judged.
#[derive(Clone, Copy, Debug)]
pub struct When<'a> {
    /// The runner's clock.
    pub now: OffsetDateTime,
    /// What earlier runs saw.
    pub first_seen: Option<&'a FirstSeen>,
}

impl From<OffsetDateTime> for When<'_> {
    fn from(now: OffsetDateTime) -> Self {
        Self { now, first_seen: None }
    }
}

impl When<'_> {
    /// When the commit was seen first. A time that is yet to come counts for nothing.
    pub(super) fn seen(&self, commit: &CommitId) -> OffsetDateTime {
        let earlier = self.first_seen.and_then(|seen| seen.0.get(commit));
        earlier.map_or(self.now, |Stamp(at)| self.now.min(*at))
    }
}
