//! Desired against observed: one step for each lineage of the list and of the store.

use std::collections::BTreeSet;

use time::OffsetDateTime;

use crate::journal::Entry;
use crate::lineage::Stored;
use crate::list::{Certificate, List};
use crate::name::LineageName;
use crate::plan::window::{self, Due};
use crate::plan::{Action, Choices, LiveVersion, Mode, Observed, Reason, Step};

/// One step for each lineage, sorted by name.
pub fn steps(list: &List, mode: Mode, observed: &Observed, choices: &Choices, now: OffsetDateTime) -> Vec<Step> {
    let inventory = &observed.inventory;
    let wanted = list.certificates().map(|certificate| &certificate.name);
    let names: BTreeSet<&LineageName> = wanted.chain(inventory.live.keys()).chain(inventory.broken.keys()).collect();
    let steps = names.into_iter().map(|name| step(name, list.get(name), mode, observed, choices, now));
    steps.map(|step| select(step, choices)).collect()
}

fn step(
    name: &LineageName,
    wanted: Option<&Certificate>,
    mode: Mode,
    observed: &Observed,
    choices: &Choices,
    now: OffsetDateTime,
) -> Step {
    let inventory = &observed.inventory;
    if let Some(fault) = inventory.broken.get(name) {
        let reasons = vec![Reason::Broken { fault: fault.clone() }];
        return bare(name, Action::Defer, reasons, wanted, None);
    }
    let live = inventory.live.get(name);
    let Some(wanted) = wanted else {
        // Also while a newer head is refused: a verified commit removed the name.
        return bare(name, Action::Stash, vec![Reason::Removed], None, live);
    };
    let stash = inventory.stash.get(name).filter(|_| live.is_none());
    let entry = inventory.journal.get(name);
    let mut step = match live.or(stash) {
        Some(stored) => held(wanted, stored, observed, choices, now),
        None => bare(name, Action::Issue, vec![Reason::New], Some(wanted), None),
    };
    if stash.is_some() {
        step.unstash = true;
        step.reasons.insert(0, Reason::Returned);
        if matches!(step.action, Action::Keep | Action::Publish) {
            step.action = Action::Unstash;
        }
    }
    resume(&mut step, wanted, entry, live);
    hold_back(&mut step, entry, mode, choices, now);
    step
}

fn bare(
    name: &LineageName,
    action: Action,
    reasons: Vec<Reason>,
    wanted: Option<&Certificate>,
    live: Option<&Stored>,
) -> Step {
    Step {
        lineage: name.clone(),
        action,
        reasons,
        certificate: wanted.cloned(),
        live: live.map(live_version),
        unstash: false,
        replaces: None,
        signers: Vec::new(),
        approvals: Vec::new(),
        due: None,
    }
}

fn live_version(stored: &Stored) -> LiveVersion {
    let facts = stored.facts();
    LiveVersion {
        version: stored.meta.version,
        serial: facts.serial.clone(),
        issuer: facts.issuer.clone(),
        not_before: facts.not_before,
        not_after: facts.not_after,
    }
}

/// A lineage that is in the list and in the store.
fn held(wanted: &Certificate, stored: &Stored, observed: &Observed, choices: &Choices, now: OffsetDateTime) -> Step {
    let facts = stored.facts();
    let info = facts.ari_id.as_ref().and_then(|id| observed.renewal_infos.get(id));
    let mut step = bare(&wanted.name, Action::Keep, differences(wanted, stored), Some(wanted), Some(stored));
    let changed = !step.reasons.is_empty();
    if let Some(reason) = choices.force.get(&wanted.name) {
        step.reasons.push(Reason::Forced { reason: reason.clone() });
    }
    match window::due(facts, wanted.renew_before, info, choices.every, now) {
        Due::Now(reason) => step.reasons.push(reason),
        Due::Later(due) => step.due = Some(due),
    }
    if !step.reasons.is_empty() {
        step.action = if changed { Action::Reissue } else { Action::Renew };
        step.due = None;
        // A CA refuses to replace a certificate that it did not issue (RFC 9773 section 5).
        let same_authority = stored.meta.authority == wanted.authority;
        step.replaces = facts.ari_id.clone().filter(|_| info.is_some() && same_authority);
        return step;
    }
    step.reasons = drift(wanted, observed);
    if step.reasons.is_empty() {
        step.reasons.push(Reason::NotDue);
    } else {
        step.action = Action::Publish;
    }
    step
}

fn differences(wanted: &Certificate, stored: &Stored) -> Vec<Reason> {
    let (meta, facts) = (&stored.meta, stored.facts());
    let mut reasons = Vec::new();
    if wanted.identifiers != facts.identifiers {
        reasons.push(Reason::IdentifiersChanged {
            added: &wanted.identifiers - &facts.identifiers,
            removed: &facts.identifiers - &wanted.identifiers,
        });
    }
    if facts.key != Some(wanted.key) {
        reasons.push(Reason::KeyTypeChanged { from: facts.key, to: wanted.key });
    }
    if meta.authority != wanted.authority {
        reasons.push(Reason::AuthorityChanged { from: meta.authority.clone(), to: wanted.authority.clone() });
    }
    if meta.profile != wanted.profile {
        reasons.push(Reason::ProfileChanged { from: meta.profile.clone(), to: wanted.profile.clone() });
    }
    reasons
}

fn drift(wanted: &Certificate, observed: &Observed) -> Vec<Reason> {
    let lacking = |bucket: &String| {
        let missing = observed.missing.get(bucket)?.get(&wanted.name)?.clone();
        Some(Reason::BucketDrift { bucket: bucket.clone(), missing })
    };
    wanted.publish.iter().filter_map(lacking).collect()
}

/// An order that an earlier run began is finished, whatever the clock says now.
fn resume(step: &mut Step, wanted: &Certificate, entry: Option<&Entry>, live: Option<&Stored>) {
    let attempt = entry.and_then(|entry| entry.attempt.as_ref());
    let Some(attempt) = attempt.filter(|attempt| attempt.intent.is_for(wanted)) else { return };
    if live.is_some_and(|live| attempt.order.as_ref() == Some(&live.meta.order_url)) {
        return;
    }
    if !step.action.orders() {
        step.action = Action::Renew;
        step.reasons.clear();
        step.due = None;
    }
    step.reasons.push(Reason::Unfinished);
}

/// Nothing is ordered while the back-off runs, and nothing new while the head is refused.
fn hold_back(step: &mut Step, entry: Option<&Entry>, mode: Mode, choices: &Choices, now: OffsetDateTime) {
    let forced = choices.force.contains_key(&step.lineage);
    let waits = entry.and_then(|entry| entry.backs_off(now)).filter(|_| !forced);
    if let Some(failures) = waits.filter(|_| step.action.orders()) {
        step.reasons.push(Reason::BacksOff { failures: failures.count, last: failures.last.clone() });
        step.due = Some(failures.not_before);
        step.action = Action::Defer;
    } else if mode == Mode::RenewOnly
        && (step.unstash || matches!(step.action, Action::Issue | Action::Reissue | Action::Unstash))
    {
        step.reasons.push(Reason::HeadRefused);
        step.action = Action::Defer;
    }
}

fn select(mut step: Step, choices: &Choices) -> Step {
    if !choices.only.is_empty() && !choices.only.contains(&step.lineage) && step.action.changes() {
        step.leave_for_later();
    }
    step
}

impl Step {
    /// Turns the step into one that does nothing in this run.
    pub(super) fn leave_for_later(&mut self) {
        self.reasons.push(Reason::NotSelected);
        self.action = if self.live.is_some() && !self.unstash { Action::Keep } else { Action::Defer };
    }
}
