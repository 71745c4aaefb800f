//! Reads the certificates that somebody else issued, from the files that the runner's config names.

use std::collections::{BTreeMap, BTreeSet};

use crate::cli::given;
use crate::config::{Config, Provided, read};
use crate::fault::Fault;
use crate::lineage::Pems;
use crate::lineage::foreign::{Maker, check_foreign};
use crate::list::List;
use crate::name::Digest;
use crate::plan::provided;
use crate::secret::Secret;

const PLACEHOLDER: &str = "provided:placeholder";

/// Reads the files of every word that the list uses and the config knows.
pub fn read(config: &Config, list: &List) -> BTreeMap<String, Result<(Pems, provided::Provided), Fault>> {
    let words: BTreeSet<&String> = list.certificates().filter_map(|entry| entry.provided.as_ref()).collect();
    let known = words.into_iter().filter_map(|word| Some((word, config.provided.get(word)?)));
    known.map(|(word, files)| (word.clone(), one(word, files))).collect()
}

fn one(word: &str, files: &Provided) -> Result<(Pems, provided::Provided), Fault> {
    parse(files).map_err(|fault| {
        let code = if fault.code == PLACEHOLDER { PLACEHOLDER } else { "provided:unusable" };
        given::unusable(code, &format!("what the runner provides as `{word}`"), "provided", fault)
    })
}

fn parse(files: &Provided) -> Result<(Pems, provided::Provided), Fault> {
    let mut chain = read::read(&files.cert)?;
    if let Some(issuers) = &files.chain {
        if !chain.ends_with('\n') {
            chain.push('\n');
        }
        chain += &read::read(issuers)?;
    }
    let key = Secret::new(read::read_private(&files.key)?);
    let (pems, facts, maker) = check_foreign(Some(&key), &chain)?;
    if maker == Maker::Placeholder {
        return Err(Fault::new(PLACEHOLDER, "it is the placeholder of a countersign, which nobody may see")
            .hint("put the certificate that a CA issued, and its key, into the files under `provided:`"));
    }
    let files = Digest::of(pems.fullchain().as_bytes());
    Ok((pems, provided::Provided { facts, files }))
}
