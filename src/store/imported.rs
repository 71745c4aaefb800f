//! Imported certificates that wait for a verified list to ask for them. They are no versions and have no link.

use super::layout::Layout;
use super::versions::{check_files, key_file};
use super::{read, write};
use crate::fault::{Fault, Retry};
use crate::lineage::{Imported, Pems, SCHEMA};
use crate::name::LineageName;
use crate::secret::Secret;

const META: &str = "imported.json";

/// The one that waits for a lineage, without its key.
pub fn waiting(layout: &Layout, lineage: &LineageName) -> Result<Option<Imported>, Fault> {
    let path = layout.imported(lineage).join(META);
    let Some(imported) = read::versioned_json::<Imported>(&path, SCHEMA)? else { return Ok(None) };
    if imported.lineage != *lineage {
        return Err(damaged(&path.display().to_string(), &format!("it is about `{}`", imported.lineage)));
    }
    Ok(Some(imported))
}

/// The one that waits for a lineage, checked against what its `imported.json` says.
pub fn load(layout: &Layout, lineage: &LineageName) -> Result<Option<(Imported, Pems)>, Fault> {
    let Some(imported) = waiting(layout, lineage)? else { return Ok(None) };
    let dir = layout.imported(lineage);
    let text = |name: &str| {
        let path = dir.join(name);
        read::text(&path)?.ok_or_else(|| damaged(&path.display().to_string(), "it is missing"))
    };
    let privkey = (!imported.keyless).then(|| text("privkey.pem").map(Secret::new)).transpose()?;
    let pems = Pems { privkey, cert: text("cert.pem")?, chain: text("chain.pem")? };
    check(&imported, &pems).map_err(|fault| damaged(&dir.display().to_string(), &fault.to_string()))?;
    Ok(Some((imported, pems)))
}

/// Keeps one. An earlier one of the same lineage is replaced.
pub fn add(layout: &Layout, imported: &Imported, pems: &Pems) -> Result<(), Fault> {
    check(imported, pems)?;
    let dir = layout.imported(&imported.lineage);
    let meta = write::pretty(imported);
    let mut files = vec![
        ("cert.pem", pems.cert.as_bytes(), write::PUBLIC),
        ("chain.pem", pems.chain.as_bytes(), write::PUBLIC),
        (META, &meta, write::PUBLIC),
    ];
    files.extend(key_file(pems));
    write::remove(&dir)?;
    write::folder(&dir, &files)
}

pub fn remove(layout: &Layout, lineage: &LineageName) -> Result<(), Fault> {
    write::remove(&layout.imported(lineage))
}

fn check(imported: &Imported, pems: &Pems) -> Result<(), Fault> {
    check_files(pems, &imported.facts, !imported.keyless)
}

fn damaged(what: &str, why: &str) -> Fault {
    Fault::new("store:imported", format!("the imported certificate in {what} is damaged: {why}"))
        .hint("remove its folder and import again")
        .retry(Retry::Never)
}
