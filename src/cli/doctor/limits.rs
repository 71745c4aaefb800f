//! What the CAs' limits leave, as far as the ledger knows.

use time::OffsetDateTime;

use super::{Checked, Sheet, State};
use crate::config::Config;
use crate::ledger::{Bucket, Ledger, Tally};
use crate::plan::{Share, price};
use crate::port::{Accounts, Store};
use crate::report::terminal::minute;
use crate::store::FileStore;

/// So many domains are named, the fullest first.
const DOMAINS: usize = 3;

/// One line for each authority that has an account, and one for each bucket that a CA told us to leave alone.
pub fn look(config: &Config, store: &FileStore, now: OffsetDateTime, sheet: &mut Sheet<'_>) {
    let ledger = match store.ledger() {
        Ok(ledger) => ledger,
        Err(fault) => return sheet.add(Checked::of("limits", State::Fail, &fault)),
    };
    let terms = config.terms();
    let limits = price::limits_of(&terms);
    let tally = Tally::new(&ledger, &limits, now, |_| false);
    for (authority, terms) in &terms {
        let Some(orders) = tally.used(&terms.directory, Bucket::Orders).map(Share::from) else { continue };
        if !store.load(authority).is_ok_and(|account| account.is_some()) {
            continue;
        }
        let mut domains: Vec<Share> = tally.domains(&terms.directory).map(Share::from).collect();
        domains.sort_by_key(|share| share.left());
        let domains: String = domains.iter().take(DOMAINS).map(|share| format!("; {}", share.text())).collect();
        let fact = format!("`{authority}` has {} orders left, {}{domains}", orders.left(), orders.text());
        let state = if orders.left() == 0 { State::Warn } else { State::Ok };
        sheet.add(Checked { check: "limits", state, fact, fix: None });
    }
    waits(&ledger, now, sheet);
}

fn waits(ledger: &Ledger, now: OffsetDateTime, sheet: &mut Sheet<'_>) {
    for wait in ledger.waits.iter().filter(|wait| !wait.is_over(now)) {
        let until = wait.until.map(|until| format!(", until {}", minute(until))).unwrap_or_default();
        let fact = format!("the CA said: {}{until}", wait.said);
        let fix = wait.said.hint.clone();
        sheet.add(Checked { check: "limits", state: State::Warn, fact, fix });
    }
}
