//! Approval: a plan that changes too much of what exists is not applied without a second word.

use serde::Serialize;

use crate::plan::{Action, Plan};

/// How much of the existing lineages one run may change or take away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Percent of existing lineages that may be reissued or stashed.
    pub max_changed_percent: u32,
    /// Below this number of existing lineages there is no limit.
    pub min_lineages: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_changed_percent: 30, min_lineages: 10 }
    }
}

/// Whether the limits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitsMode {
    Enforce,
    /// The operator gave `--force-limits`.
    Force,
}

/// A plan that may be applied. Made only by [`Plan::approve`].
#[derive(Clone, Debug)]
pub struct ApprovedPlan(Plan);

impl ApprovedPlan {
    pub fn plan(&self) -> &Plan {
        &self.0
    }
}

/// Why a plan was not approved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OverLimit {
    pub changed: usize,
    pub existing: usize,
    pub max_percent: u32,
}

impl OverLimit {
    pub fn message(&self) -> String {
        let Self { changed, existing, max_percent } = self;
        let percent = changed * 100 / existing;
        format!(
            "the plan changes or removes {changed} of {existing} lineages ({percent}%), the limit is {max_percent}%"
        )
    }
}

impl Plan {
    /// Approves the plan if it keeps within the limits. Additions and renewals do not count.
    pub fn approve(self, limits: Limits, mode: LimitsMode) -> Result<ApprovedPlan, (Box<Self>, OverLimit)> {
        let existing = self.steps.iter().filter(|step| step.live.is_some()).count();
        let changed = self.count(Action::Reissue) + self.count(Action::Stash);
        let over = existing >= limits.min_lineages && changed * 100 > existing * limits.max_changed_percent as usize;
        if over && mode == LimitsMode::Enforce {
            let max_percent = limits.max_changed_percent;
            return Err((Box::new(self), OverLimit { changed, existing, max_percent }));
        }
        Ok(ApprovedPlan(self))
    }
}
