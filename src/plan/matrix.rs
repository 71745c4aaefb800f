//! What becomes of a lineage when the list, `live/`, the stash and an import are held against each other.
//!
//! One function for every event: a name that is added, removed or brought back, a provided certificate that comes or
//! goes, a store that was restored. Of certificates that this tool renews, the one that ends last is used.

use time::OffsetDateTime;

/// What the list asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Nothing,
    /// A certificate that this tool orders and renews.
    Ours,
    /// Somebody else's key and certificate.
    Provided,
}

/// What stands in `live/`. A placeholder is nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deployed {
    Nothing,
    /// A certificate that this tool renews, with its end.
    Ours(OffsetDateTime),
    /// Somebody else's.
    Other,
}

/// A lineage as the store holds it, with the ends of what could be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    pub deployed: Deployed,
    /// Of ours that was set aside: stashed, or below somebody else's.
    pub stash: Option<OffsetDateTime>,
    /// Of one that was imported and waits.
    pub imported: Option<OffsetDateTime>,
}

/// What to do first. Whether a renewal is due is another question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Nothing,
    /// Take out of `live/` and keep whole: not renewed, not revoked.
    Stash,
    /// What is live stays.
    Keep,
    /// What was set aside becomes live again.
    Unstash,
    /// What was imported becomes live.
    Import,
    /// There is nothing to use: order. Until that succeeds, what is live stays, or a placeholder stands in.
    Order,
    /// Somebody else's becomes live. Ours is kept below it.
    Provide,
}

/// A decision, and whether the stash is deleted because it has expired: quietly, rather than brought back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    pub decision: Decision,
    pub discard_stash: bool,
}

/// Decides. Of two that end at the same time the one that is live stays, and the stash comes before an import.
pub fn decide(wanted: Wanted, held: Held, now: OffsetDateTime) -> Life {
    let decision = match (wanted, held.deployed) {
        (Wanted::Nothing, Deployed::Nothing) => Decision::Nothing,
        (Wanted::Nothing, _) => Decision::Stash,
        (Wanted::Provided, _) => Decision::Provide,
        (Wanted::Ours, deployed) => newest(deployed, held, now),
    };
    let expired = held.stash.is_some_and(|end| end <= now);
    Life { decision, discard_stash: wanted == Wanted::Ours && expired }
}

fn newest(deployed: Deployed, held: Held, now: OffsetDateTime) -> Decision {
    let live = match deployed {
        Deployed::Ours(end) => Some(end),
        Deployed::Nothing | Deployed::Other => None,
    };
    let choices = [(held.imported, Decision::Import), (held.stash, Decision::Unstash), (live, Decision::Keep)];
    let usable = choices.into_iter().filter_map(|(end, decision)| Some((end.filter(|end| *end > now)?, decision)));
    match usable.max_by_key(|(end, _)| *end) {
        Some((_, decision)) => decision,
        // An expired certificate of ours is renewed in its place.
        None if live.is_some() => Decision::Keep,
        None => Decision::Order,
    }
}
