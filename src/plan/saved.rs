//! Saved plans: JSON with a digest. A saved plan selects, it never adds.

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::fault::{Fault, Retry};
use crate::name::Digest;
use crate::plan::{Basis, FORMAT, Plan};

/// How long a saved plan may be applied.
const MAX_AGE: Duration = Duration::hours(24);

#[derive(Serialize, Deserialize)]
struct File {
    digest: String,
    plan: Plan,
}

/// The plan as a file: pretty JSON with the digest of its content.
pub fn to_json(plan: &Plan) -> String {
    let file = File { digest: plan.digest().to_string(), plan: plan.clone() };
    serde_json::to_string_pretty(&file).expect("a plan is plain data") + "\n"
}

/// Reads a saved plan. A plan of another format or with another digest is refused.
pub fn from_json(text: &str) -> Result<Plan, Fault> {
    let broken =
        |message: &str| Fault::new("plan:unreadable", message).hint("make a new one: `countersign plan --out FILE`");
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|error| broken("the saved plan is not JSON").caused_by(&error))?;
    if value["plan"]["format"] != FORMAT {
        return Err(broken("the saved plan was written by another version of countersign"));
    }
    let file: File =
        serde_json::from_value(value).map_err(|error| broken("the saved plan is incomplete").caused_by(&error))?;
    if file.plan.digest().to_string() != file.digest {
        return Err(broken("the saved plan was changed after it was written"));
    }
    Ok(file.plan)
}

impl Plan {
    /// Narrows a fresh plan to what a saved one says.
    ///
    /// The fresh plan comes from the verified list, so an edited file can take steps away but never add one. If the
    /// world has changed since the plan was saved, the plan is stale.
    pub fn select(mut self, saved: &Self, now: OffsetDateTime) -> Result<Self, Fault> {
        if now - saved.created > MAX_AGE {
            return Err(stale(format!("it is older than {} hours", MAX_AGE.whole_hours())));
        }
        if saved.mode != self.mode {
            return Err(stale("the head verified then and does not now, or the other way round".into()));
        }
        if let Some(difference) = difference(&saved.basis, &self.basis) {
            return Err(stale(difference));
        }
        for step in &mut self.steps {
            let chosen = saved.steps.iter().find(|other| other.lineage == step.lineage);
            let same = |other: &&super::Step| {
                other.action == step.action && other.certificate == step.certificate && other.adopt == step.adopt
            };
            match chosen {
                Some(other) if other.action.changes() && chosen.filter(same).is_none() => {
                    let lineage = &step.lineage;
                    return Err(stale(format!("{lineage} was to {}, now it is to {}", other.action, step.action)));
                }
                Some(other) if other.revokes != step.revokes => {
                    return Err(stale(format!("{} says something else about a compromised key", step.lineage)));
                }
                Some(other) if other.action.changes() => {}
                _ if step.action.changes() => step.leave_for_later(),
                _ => {}
            }
        }
        Ok(self)
    }
}

fn stale(why: String) -> Fault {
    Fault::new("plan:stale", format!("the saved plan is stale: {why}"))
        .hint("look at the change with `countersign plan --out FILE`, then apply that file")
        .retry(Retry::Never)
}

fn difference(then: &Basis, now: &Basis) -> Option<String> {
    if then.commit != now.commit {
        return Some(format!("the head was {}, now it is {}", then.commit.short(), now.commit.short()));
    }
    if then.list != now.list || then.trust_root != now.trust_root {
        return Some("the list or the trust root changed".into());
    }
    for name in then.live.keys().chain(now.live.keys()) {
        let (before, after) = (then.live.get(name), now.live.get(name));
        if before != after {
            let say = |version: Option<&u64>| version.map_or("absent".into(), |v| format!("at version {v}"));
            return Some(format!("lineage {name} was {}, now it is {}", say(before), say(after)));
        }
    }
    if then.journal != now.journal {
        return Some("the journal changed: a run was here in between".into());
    }
    // A bucket that was not looked at, then or now, says nothing.
    let moved = |(bucket, digest): &(&String, &Digest)| now.pointers.get(*bucket).is_some_and(|now| now != *digest);
    let moved = then.pointers.iter().find(moved);
    moved.map(|(bucket, _)| format!("the pointers in bucket {bucket} changed"))
}
