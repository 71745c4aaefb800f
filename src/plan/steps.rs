//! Desired against observed: one step for each lineage of the list and of the store.

use std::collections::BTreeSet;

use time::OffsetDateTime;

use crate::journal::{Attempt, Entry};
use crate::lineage::{CertFacts, Imported, Origin, Revocation, RevocationReason, Stored};
use crate::list::{Certificate, List};
use crate::name::{Digest, LineageName};
use crate::plan::given;
use crate::plan::matrix::{self, Decision, Deployed, Held, Wanted};
use crate::plan::window::{self, Due};
use crate::plan::{Action, Adopt, Choices, LiveVersion, Mode, Observed, Reason, Step, provided};
use crate::port::Inventory;

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
    let entry = inventory.journal.get(name);
    let mut step = match (&wanted.provided, given::of(wanted, observed)) {
        (Some(_), _) => provided::step(wanted, observed, now),
        // What is live stays.
        (None, Err(fault)) => bare(name, Action::Defer, vec![Reason::Broken { fault }], Some(wanted), live),
        (None, Ok(fixed)) => {
            let mut step = ours(wanted, observed, choices, now);
            let mut attempt = entry.and_then(|entry| entry.attempt.as_ref());
            attempt = attempt.filter(|attempt| fixed.is_none_or(|key| attempt.intent.public_key.as_ref() == Some(key)));
            resume(&mut step, wanted, attempt, live);
            step
        }
    };
    let nothing_new = match mode {
        Mode::RenewOnly => Some(Reason::HeadRefused),
        Mode::Full => unsafe_bucket(wanted, observed),
    };
    hold_back(&mut step, entry, nothing_new, choices, now);
    step
}

pub(super) fn bare(
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
        adopt: None,
        discard_stash: false,
        revokes: None,
        replaces: None,
        signers: Vec::new(),
        approvals: Vec::new(),
        price: None,
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

/// A lineage that this tool is to order and renew.
fn ours(wanted: &Certificate, observed: &Observed, choices: &Choices, now: OffsetDateTime) -> Step {
    let (name, inventory) = (&wanted.name, &observed.inventory);
    let live = inventory.live.get(name);
    let set_aside = set_aside(name, inventory);
    let imported = inventory.imported.get(name);
    // One for other names, or without a key that the list does not leave to others, was never asked for.
    let usable = imported.filter(|imported| imported.is_for(wanted));
    let end = |stored: &Stored| stored.facts().not_after;
    let held = Held {
        deployed: live.map_or(Deployed::Nothing, |live| match live.is_ours() {
            true => Deployed::Ours(end(live)),
            false => Deployed::Other,
        }),
        stash: set_aside.map(end),
        imported: usable.map(|imported| imported.facts.not_after),
    };
    let life = matrix::decide(Wanted::Ours, held, now);
    let mut step = match (life.decision, live, set_aside, usable) {
        (Decision::Keep, Some(live), ..) => {
            let step = self::held(wanted, Seen::of(live), observed, choices, now);
            Step { live: Some(live_version(live)), ..step }
        }
        (Decision::Unstash, _, Some(stored), _) => returned(wanted, stored, observed, choices, now),
        (Decision::Import, _, _, Some(imported)) => taken_over(wanted, imported, observed, choices, now),
        (_, Some(live), ..) => {
            let reasons = vec![Reason::ProvidedChanged { from: word(live), to: None }];
            bare(name, Action::Reissue, reasons, Some(wanted), Some(live))
        }
        _ => bare(name, Action::Issue, vec![Reason::New], Some(wanted), None),
    };
    step.discard_stash = life.discard_stash && inventory.stash.get(name).is_some_and(Stored::is_ours);
    if let Some(since) = held.stash.filter(|_| step.discard_stash) {
        step.reasons.push(Reason::StashExpired { since });
    }
    if imported.is_some() && usable.is_none() {
        step.reasons.push(Reason::ImportDiffers);
    }
    step
}

/// The newest of ours that is not live.
fn set_aside<'a>(name: &LineageName, inventory: &'a Inventory) -> Option<&'a Stored> {
    inventory.stash.get(name).filter(|stored| stored.is_ours()).or_else(|| inventory.set_aside.get(name))
}

pub(super) fn word(stored: &Stored) -> Option<String> {
    match &stored.meta.origin {
        Origin::Provided { word, .. } => Some(word.clone()),
        Origin::Ordered | Origin::Imported(_) => None,
    }
}

/// What was set aside comes back, and is renewed at once if that is due.
fn returned(
    wanted: &Certificate,
    stored: &Stored,
    observed: &Observed,
    choices: &Choices,
    now: OffsetDateTime,
) -> Step {
    let inventory = &observed.inventory;
    let mut step = held(wanted, Seen::of(stored), observed, choices, now);
    step.reasons.insert(0, Reason::Returned);
    // Below somebody else's it is an earlier version, and comes back as a new one.
    let earlier = inventory.stash.get(&wanted.name) != Some(stored);
    step.unstash = !earlier;
    step.adopt = earlier.then_some(Adopt::Earlier { version: stored.meta.version });
    if matches!(step.action, Action::Keep | Action::Publish) {
        step.action = if earlier { Action::Adopt } else { Action::Unstash };
    }
    let live = if earlier { inventory.live.get(&wanted.name) } else { Some(stored) };
    step.live = live.map(live_version);
    step
}

/// An imported certificate becomes live, and is renewed at once if that is due.
fn taken_over(
    wanted: &Certificate,
    imported: &Imported,
    observed: &Observed,
    choices: &Choices,
    now: OffsetDateTime,
) -> Step {
    // Without a known authority it is taken for what the list asks for.
    let authority = imported.authority.as_ref().unwrap_or(&wanted.authority);
    let profile = wanted.wanted_profile().map(|(name, _)| name);
    let seen = Seen { facts: &imported.facts, authority, profile, stored: None };
    let mut step = held(wanted, seen, observed, choices, now);
    step.reasons.retain(|reason| *reason != Reason::NotDue);
    step.reasons.insert(0, Reason::Imported { from: imported.from.clone() });
    step.adopt = Some(Adopt::Imported);
    step.live = observed.inventory.live.get(&wanted.name).map(live_version);
    if matches!(step.action, Action::Keep | Action::Publish) {
        step.action = Action::Adopt;
    }
    step
}

/// What a certificate is, to be held against what the list asks for.
#[derive(Clone, Copy)]
struct Seen<'a> {
    facts: &'a CertFacts,
    authority: &'a str,
    profile: Option<&'a str>,
    /// `None` if it is not a version yet.
    stored: Option<&'a Stored>,
}

impl<'a> Seen<'a> {
    fn of(stored: &'a Stored) -> Self {
        let meta = &stored.meta;
        let profile = meta.profile.as_deref();
        Self { facts: &meta.facts, authority: &meta.authority, profile, stored: Some(stored) }
    }
}

/// A certificate that is there, or about to be, and in the list.
fn held(wanted: &Certificate, seen: Seen<'_>, observed: &Observed, choices: &Choices, now: OffsetDateTime) -> Step {
    let facts = seen.facts;
    let info = facts.ari_id.as_ref().and_then(|id| observed.renewal_infos.get(id));
    let fixed = given::of(wanted, observed).ok().flatten();
    let mut step = bare(&wanted.name, Action::Keep, differences(wanted, seen, fixed), Some(wanted), None);
    let changed = !step.reasons.is_empty();
    let entry = observed.inventory.journal.get(&wanted.name);
    if let Some(reason) = choices.force.get(&wanted.name) {
        step.revokes = seen.stored.and_then(|stored| compromised(stored, entry, reason));
        if !seen.stored.is_some_and(|stored| is_replaced(stored, entry, reason)) {
            step.reasons.push(Reason::Forced { reason: reason.clone() });
        }
    }
    if let Some(reason) = seen.stored.and_then(|stored| revoked(stored, entry)) {
        step.reasons.push(Reason::Revoked { reason });
    }
    let compromise = seen.stored.and_then(|stored| revoked(stored, entry)) == Some(RevocationReason::KeyCompromise);
    if fixed == Some(&facts.public_key) && (step.revokes.is_some() || compromise) {
        let fault = given::compromised(&wanted.name, &wanted.key_source);
        return bare(&wanted.name, Action::Defer, vec![Reason::Broken { fault }], Some(wanted), None);
    }
    match window::due(facts, wanted.renew_before, info, choices.every, now) {
        Due::Now(reason) => step.reasons.push(reason),
        Due::Later(due) => step.due = Some(due),
    }
    if !step.reasons.is_empty() {
        step.action = if changed { Action::Reissue } else { Action::Renew };
        step.due = None;
        // A CA refuses to replace a certificate that it did not issue (RFC 9773 section 5).
        let same_authority = seen.authority == wanted.authority;
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

/// What the CA is to revoke, because somebody else may have its key.
fn compromised(stored: &Stored, entry: Option<&Entry>, reason: &str) -> Option<Revocation> {
    let compromise = RevocationReason::parse(reason) == Some(RevocationReason::KeyCompromise);
    if !compromise
        || is_replaced(stored, entry, reason)
        || revoked(stored, entry) == Some(RevocationReason::KeyCompromise)
    {
        return None;
    }
    let (version, serial) = (stored.meta.version, stored.facts().serial.clone());
    Some(Revocation { version, serial, reason: RevocationReason::KeyCompromise, by: None })
}

/// The same command was cut short before: the compromised version was replaced and is not revoked yet.
fn is_replaced(stored: &Stored, entry: Option<&Entry>, reason: &str) -> bool {
    let pending = entry.map(|entry| entry.revocations.as_slice()).unwrap_or_default();
    let older = |pending: &Revocation| {
        pending.version < stored.meta.version && RevocationReason::parse(reason) == Some(pending.reason)
    };
    pending.iter().any(older)
}

/// Why the CA revoked it, or is about to.
fn revoked(stored: &Stored, entry: Option<&Entry>) -> Option<RevocationReason> {
    let pending = entry.map(|entry| entry.revocations.as_slice()).unwrap_or_default();
    let pending = pending.iter().find(|pending| pending.version == stored.meta.version).map(|pending| pending.reason);
    pending.or(stored.revoked.as_ref().map(|revoked| revoked.reason))
}

fn differences(wanted: &Certificate, seen: Seen<'_>, fixed: Option<&Digest>) -> Vec<Reason> {
    let facts = seen.facts;
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
    // A store that is to have the key must have it, and one that is not must not.
    let misplaced = |stored: &Stored| stored.meta.has_key() != wanted.key_source.has_key();
    if fixed.is_some_and(|key| *key != facts.public_key) || seen.stored.is_some_and(misplaced) {
        reasons.push(Reason::OtherKey { source: wanted.key_source.clone() });
    }
    if seen.authority != wanted.authority {
        reasons.push(Reason::AuthorityChanged { from: seen.authority.to_owned(), to: wanted.authority.clone() });
    }
    if !wanted.allows_profile(seen.profile) {
        let to = wanted.wanted_profile().map(|(name, _)| name.to_owned());
        reasons.push(Reason::ProfileChanged { from: seen.profile.map(str::to_owned), to });
    }
    reasons
}

pub(super) fn drift(wanted: &Certificate, observed: &Observed) -> Vec<Reason> {
    let lacking = |bucket: &String| {
        let missing = observed.missing.get(bucket)?.get(&wanted.name)?.clone();
        Some(Reason::BucketDrift { bucket: bucket.clone(), missing })
    };
    wanted.publish.iter().filter_map(lacking).collect()
}

/// An order that an earlier run began is finished, whatever the clock says now.
fn resume(step: &mut Step, wanted: &Certificate, attempt: Option<&Attempt>, live: Option<&Stored>) {
    let Some(attempt) = attempt.filter(|attempt| attempt.intent.is_for(wanted)) else { return };
    if step.reasons.iter().any(|reason| matches!(reason, Reason::Broken { .. })) {
        return;
    }
    if live.is_some_and(|live| attempt.order.as_ref() == Some(&live.meta.order_url)) {
        return;
    }
    if !step.action.orders() {
        // The CA never heard of it, and something else is used by now.
        if attempt.order.is_none() {
            return;
        }
        step.action = Action::Renew;
        step.reasons.clear();
        step.due = None;
    }
    step.reasons.push(Reason::Unfinished);
}

fn unsafe_bucket(wanted: &Certificate, observed: &Observed) -> Option<Reason> {
    let bucket = wanted.publish.iter().find(|bucket| observed.unsafe_buckets.contains(*bucket))?;
    Some(Reason::BucketUnsafe { bucket: bucket.clone() })
}

/// Nothing is ordered while the back-off runs, and nothing new while there is a reason against it.
fn hold_back(
    step: &mut Step,
    entry: Option<&Entry>,
    nothing_new: Option<Reason>,
    choices: &Choices,
    now: OffsetDateTime,
) {
    let forced = choices.force.contains_key(&step.lineage);
    let waits = entry.and_then(|entry| entry.backs_off(now)).filter(|_| !forced);
    if let Some(failures) = waits.filter(|_| step.action.orders()) {
        step.reasons.push(Reason::BacksOff { failures: failures.count, last: failures.last.clone() });
        step.due = Some(failures.not_before);
        step.action = Action::Defer;
    } else if let Some(reason) = nothing_new.filter(|_| step.unstash || step.adopts_anew() || is_new(step.action)) {
        step.reasons.push(reason);
        step.action = Action::Defer;
    }
}

fn is_new(action: Action) -> bool {
    matches!(action, Action::Issue | Action::Reissue | Action::Unstash)
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
