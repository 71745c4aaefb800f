//! What happens during an apply, as it happens. Reporters listen; the run does not know them.

use std::time::Duration;

use crate::outcome::Outcome;
use crate::port::{CA_DEADLINE, INSYNC_DEADLINE};

/// The phases of the wave, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Rehearsal,
    Orders,
    Authorizations,
    Dns,
    Files,
    Insync,
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
            Self::Insync => "waiting until Route53 is INSYNC",
            Self::Visible => "waiting until the answers can be seen",
            Self::Validation => "waiting for validation",
            Self::Finalize => "finalizing",
            Self::Publish => "publishing",
            Self::CleanUp => "removing the answers",
        }
    }

    /// How long others may take before the run goes on without them.
    pub fn limit(self) -> Option<Duration> {
        match self {
            Self::Insync => Some(INSYNC_DEADLINE),
            Self::Validation | Self::Finalize => Some(CA_DEADLINE),
            _ => None,
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
