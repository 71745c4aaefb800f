//! What happens during an apply, as it happens. Reporters listen; the run does not know them.

use crate::outcome::Outcome;

/// The phases of the wave, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Rehearsal,
    Orders,
    Authorizations,
    Dns,
    Files,
    Visible,
    Validation,
    Finalize,
    Publish,
    CleanUp,
}

impl Phase {
    pub fn text(self) -> &'static str {
        match self {
            Self::Rehearsal => "trying the web servers",
            Self::Orders => "ordering",
            Self::Authorizations => "fetching authorizations",
            Self::Dns => "writing TXT records",
            Self::Files => "writing token files",
            Self::Visible => "waiting until the answers can be seen",
            Self::Validation => "waiting for validation",
            Self::Finalize => "finalizing",
            Self::Publish => "publishing",
            Self::CleanUp => "removing the answers",
        }
    }
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A phase begins for so many lineages.
    Began(Phase, usize),
    /// One lineage is done with, well or not.
    Finished(&'a Outcome),
}

/// Somebody who wants to know. Calls come one after another.
pub trait Listener: Send + Sync {
    fn on(&self, event: Event<'_>);
}
