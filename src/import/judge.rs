//! Whether what another tool keeps can be taken over, and under which name.

use time::OffsetDateTime;

use super::Candidate;
use crate::fault::{Fault, Retry};
use crate::lineage::foreign::{Maker, check_foreign};
use crate::lineage::{CertFacts, Imported, Pems, SCHEMA};
use crate::name::LineageName;
use crate::port::Inventory;

/// A candidate that was looked at.
#[derive(Debug)]
pub struct Judged {
    pub lineage: LineageName,
    pub facts: CertFacts,
    pub verdict: Result<Take, Fault>,
}

/// What to do with it.
pub enum Take {
    /// It waits for the list from now on.
    Over(Box<(Imported, Pems)>),
    /// The store has this very certificate under this name.
    Have,
}

impl std::fmt::Debug for Take {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Over(_) => "Over",
            Self::Have => "Have",
        })
    }
}

/// Judges one. `authority` is the runner's name for the CA, if it has one.
///
/// # Errors
/// What is not even a key with its certificate, or cannot have a name here.
pub fn judge(
    candidate: &Candidate,
    from: &str,
    authority: Option<String>,
    inventory: &Inventory,
    now: OffsetDateTime,
) -> Result<Judged, Fault> {
    let lineage = lineage_name(&candidate.name)?;
    let (pems, facts, maker) = check_foreign(candidate.privkey.as_ref(), &candidate.chain)?;
    let verdict = verdict(&lineage, &facts, maker, inventory, now).map(|have| match have {
        true => Take::Have,
        false => {
            let imported = Imported {
                schema: SCHEMA,
                lineage: lineage.clone(),
                from: from.to_owned(),
                authority,
                directory: candidate.directory.clone().unwrap_or_default(),
                certificate_url: candidate.url.clone().unwrap_or_default(),
                taken_at: now,
                keyless: candidate.privkey.is_none(),
                facts: facts.clone(),
            };
            Take::Over(Box::new((imported, pems)))
        }
    });
    Ok(Judged { lineage, facts, verdict })
}

/// A name of another tool as that of a lineage: in lower case, with `-` for what a lineage's name cannot have.
pub fn lineage_name(text: &str) -> Result<LineageName, Fault> {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c.to_ascii_lowercase() } else { '-' };
    let name: String = text.trim_start_matches("*.").chars().map(plain).collect();
    LineageName::parse(name.trim_start_matches(['.', '_', '-'])).map_err(|error| {
        let shown: String = text.chars().filter(|c| !c.is_control()).take(80).collect();
        Fault::new("import:name", format!("`{shown}` cannot be the name of a lineage"))
            .caused_by(&error)
            .hint("import it under a name of your choice: `countersign import pem --name NAME …`")
            .retry(Retry::Never)
    })
}

/// Whether the store has it already.
fn verdict(
    lineage: &LineageName,
    facts: &CertFacts,
    maker: Maker,
    inventory: &Inventory,
    now: OffsetDateTime,
) -> Result<bool, Fault> {
    let never = |code: &str, text: String, hint: &str| Err(Fault::new(code, text).hint(hint).retry(Retry::Never));
    if let Some(fault) = inventory.broken.get(lineage) {
        return Err(fault.clone());
    }
    let kept = [&inventory.live, &inventory.stash, &inventory.set_aside];
    let mut kept = kept.into_iter().filter_map(|held| held.get(lineage)).map(|stored| stored.facts()).peekable();
    let there = kept.peek().is_some();
    let waiting = inventory.imported.get(lineage).map(|imported| &imported.facts);
    if kept.chain(waiting).any(|held| held == facts) {
        return Ok(true);
    }
    if there {
        let text = format!("the store holds a lineage `{lineage}` with another certificate");
        return never("import:exists", text, "give it another name: `countersign import pem --name NAME …`");
    }
    if waiting.is_some_and(|waiting| waiting.not_after >= facts.not_after) {
        let text = format!("a certificate that ends later was imported as `{lineage}` already");
        return never("import:exists", text, "give it another name: `countersign import pem --name NAME …`");
    }
    match maker {
        Maker::Authority => {}
        Maker::Itself | Maker::Placeholder => {
            let text = format!("the certificate of `{lineage}` is self-signed: there is nobody to renew it");
            let hint = "list it as `provided:`, with its files in the runner's config, or have it ordered anew";
            return never("import:self-signed", text, hint);
        }
    }
    if facts.not_after <= now {
        let text = format!("the certificate of `{lineage}` ended on {}", facts.not_after.date());
        return never("import:expired", text, "add the entry to the list: it is then ordered anew");
    }
    if facts.key.is_none() {
        let text = format!("the key of `{lineage}` is of a type that a list cannot ask for");
        return never("import:key", text, "add the entry to the list: it is then ordered with a new key");
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_other_tools_become_names_of_lineages() {
        let name = |text: &str| lineage_name(text).map(|name| name.to_string()).map_err(|fault| fault.code);
        assert_eq!(name("www.Example.com"), Ok("www.example.com".into()));
        assert_eq!(name("*.example.com"), Ok("example.com".into()));
        assert_eq!(name("Load Balancer 1"), Ok("load-balancer-1".into()));
        assert_eq!(name("../../etc/passwd"), Ok("etc-passwd".into()));
        assert_eq!(name("a..b"), Err("import:name".into()));
        assert_eq!(name("\u{1b}[31m"), Ok("31m".into()));
        assert_eq!(name(""), Err("import:name".into()));
        assert_eq!(name(&"a".repeat(64)), Err("import:name".into()));
    }
}
