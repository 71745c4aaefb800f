//! What the runner and the command line say about a plan.

use std::collections::{BTreeMap, BTreeSet};

use time::Duration;

use crate::fault::{Fault, Retry};
use crate::ledger::Terms;
use crate::list::List;
use crate::name::LineageName;
use crate::port::Inventory;

/// Settings from the runner and from the command line that change a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choices {
    /// Time between runs.
    pub every: Duration,
    /// Names to act on; everything if empty.
    pub only: BTreeSet<LineageName>,
    /// Names to renew although they are not due, with the reason.
    pub force: BTreeMap<LineageName, String>,
    /// The CAs and their limits, by authority.
    pub terms: BTreeMap<String, Terms>,
}

impl Choices {
    /// Whether there is anything that the names can be about.
    ///
    /// # Errors
    /// `run:name` for one that is nowhere, or that is to be ordered and is not in the list or left out by `only`; `run:provided` for an order
    /// of somebody else's.
    pub fn check(&self, list: &List, inventory: &Inventory) -> Result<(), Fault> {
        let held = |name| inventory.live.contains_key(name) || inventory.broken.contains_key(name);
        if let Some(name) = self.only.iter().find(|name| list.get(name).is_none() && !held(*name)) {
            return Err(unknown(format!("`{name}` is neither in the list nor live")));
        }
        let left_out = |name: &&LineageName| !self.only.is_empty() && !self.only.contains(*name);
        if let Some(name) = self.force.keys().find(left_out) {
            let text = format!("`{name}` is forced, and not among those of --only");
            return Err(unknown(text).hint(format!("give `--only {name}` too, or leave --only out")));
        }
        for name in self.force.keys() {
            let Some(certificate) = list.get(name) else {
                let text = format!("`{name}` is not in the list, and only what is in the list is ordered");
                let hint = format!("`countersign revoke {name}` has the CA revoke what the store holds of it");
                return Err(if held(name) { unknown(text).hint(hint) } else { unknown(text) });
            };
            if let Some(word) = &certificate.provided {
                let text = format!("`{name}` is provided by the runner as `{word}`, and never ordered");
                return Err(Fault::new("run:provided", text)
                    .hint("put the new certificate into the files under `provided:` in the runner's config")
                    .retry(Retry::Never));
            }
        }
        Ok(())
    }
}

fn unknown(text: String) -> Fault {
    Fault::new("run:name", text)
        .hint("the list has the names, and `countersign status` those of the store")
        .retry(Retry::Never)
}
