//! Reads the keys that the runner gives, from the files that its config names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::config::{Config, read};
use crate::fault::Fault;
use crate::lineage::{key, key_type_of, public_key_of};
use crate::list::{KeySource, List};
use crate::plan::given::Given;
use crate::secret::Secret;

/// Reads the file of every word that the list uses and the config knows. The keys are PKCS#8 in PEM.
pub fn read(config: &Config, list: &List) -> BTreeMap<KeySource, Result<(Secret, Given), Fault>> {
    let used: BTreeSet<&KeySource> =
        list.certificates().filter(|entry| entry.provided.is_none()).map(|entry| &entry.key_source).collect();
    let file = |source: &KeySource| match source {
        KeySource::Given(word) => Some(one(word, config.given_keys.get(word)?)),
        KeySource::New | KeySource::Reused | KeySource::Csr(_) => None,
    };
    used.into_iter().filter_map(|source| Some((source.clone(), file(source)?))).collect()
}

fn one(word: &str, path: &Path) -> Result<(Secret, Given), Fault> {
    let parse = || {
        let key = key::to_pkcs8(&Secret::new(read::read_private(path)?))?;
        let given = Given { public_key: public_key_of(&key)?, key: key_type_of(&key) };
        Ok((key, given))
    };
    parse().map_err(|fault| unusable("key:unusable", &format!("the key given as `{word}`"), "given_keys", fault))
}

/// How to make a file one that can be used is said best by who looked at it.
pub fn unusable(code: &str, what: &str, section: &str, fault: Fault) -> Fault {
    let see_to = || format!("see to the file under `{section}:` in the runner's config");
    let hint = fault.hint.unwrap_or_else(see_to);
    let unusable = Fault::new(code, format!("{what} cannot be used: {}", fault.message));
    Fault { causes: fault.causes, ..unusable.hint(format!("{hint}; what is live stays until then")) }
}
