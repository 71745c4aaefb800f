//! Lineages with somebody else's certificate, from files of the runner: published and watched, never ordered.

use time::OffsetDateTime;

use crate::fault::{Fault, Retry};
use crate::lineage::{CertFacts, Origin, Stored};
use crate::list::Certificate;
use crate::name::{Digest, Identifier};
use crate::plan::steps::{bare, drift, word};
use crate::plan::{Action, Adopt, Observed, Reason, Step};

/// What the runner's files hold, as far as a plan needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provided {
    pub facts: CertFacts,
    /// Digest of leaf and issuers in PEM: other files are another version.
    pub files: Digest,
}

/// The step of a lineage that the list says is provided.
pub(super) fn step(wanted: &Certificate, observed: &Observed, now: OffsetDateTime) -> Step {
    let (name, inventory) = (&wanted.name, &observed.inventory);
    let live = inventory.live.get(name);
    let keeps = wanted.provided.as_deref().unwrap_or_default();
    let provided = match usable(wanted, keeps, observed, now) {
        Ok(provided) => provided,
        // What is live stays.
        Err(fault) => return bare(name, Action::Defer, vec![Reason::Broken { fault }], Some(wanted), live),
    };
    let origin = Origin::Provided { word: keeps.to_owned(), files: provided.files.clone() };
    let is_it = |stored: &&Stored| stored.meta.origin == origin;
    if live.filter(is_it).is_some() {
        let drift = drift(wanted, observed);
        let (action, reasons) =
            if drift.is_empty() { (Action::Keep, vec![Reason::NotDue]) } else { (Action::Publish, drift) };
        return bare(name, action, reasons, Some(wanted), live);
    }
    if let Some(stashed) = inventory.stash.get(name).filter(is_it).filter(|_| live.is_none()) {
        let mut step = bare(name, Action::Unstash, vec![Reason::Returned], Some(wanted), Some(stashed));
        step.unstash = true;
        return step;
    }
    let reason = match live {
        Some(live) if word(live).as_deref() != Some(keeps) => {
            Reason::ProvidedChanged { from: word(live), to: Some(keeps.to_owned()) }
        }
        _ => Reason::Provided { word: keeps.to_owned() },
    };
    let mut step = bare(name, Action::Adopt, vec![reason], Some(wanted), live);
    step.adopt = Some(Adopt::Provided { word: keeps.to_owned(), files: provided.files.clone() });
    step
}

fn usable<'a>(
    wanted: &Certificate,
    word: &str,
    observed: &'a Observed,
    now: OffsetDateTime,
) -> Result<&'a Provided, Fault> {
    let unknown = || {
        Fault::new("provided:unknown", format!("the runner provides no `{word}`"))
            .hint(format!("add `{word}: {{cert: PATH, key: PATH}}` under `provided:` in the runner's config"))
            .retry(Retry::Never)
    };
    let provided = observed.provided.get(word).ok_or_else(unknown)?.as_ref().map_err(Clone::clone)?;
    check_names(wanted, word, &provided.facts)?;
    if provided.facts.not_after <= now {
        let text = format!(
            "the certificate that the runner provides as `{word}` ended on {}",
            provided.facts.not_after.date()
        );
        return Err(Fault::new("provided:expired", text).hint("put the new one into the same files"));
    }
    Ok(provided)
}

/// The list says what the certificate holds: no name less, none more.
fn check_names(wanted: &Certificate, word: &str, facts: &CertFacts) -> Result<(), Fault> {
    if facts.identifiers == wanted.identifiers {
        return Ok(());
    }
    let text = format!("the certificate that the runner provides as `{word}` is not for the listed domains");
    let mut fault = Fault::new("provided:names", text)
        .hint("list exactly the domains that are in the certificate")
        .retry(Retry::Never);
    let list = |names: Vec<&Identifier>| names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
    let lacking = list(wanted.identifiers.difference(&facts.identifiers).collect());
    let foreign = list(facts.identifiers.difference(&wanted.identifiers).collect());
    for (what, names) in [("not in the certificate", lacking), ("not in the list", foreign)] {
        if !names.is_empty() {
            fault.causes.push(format!("{what}: {names}"));
        }
    }
    Err(fault)
}
