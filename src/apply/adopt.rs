//! Makes live what was not ordered: an import, somebody else's certificate, an earlier version.

use tracing::info;

use crate::apply::Ports;
use crate::fault::{Fault, Retry};
use crate::lineage::{CertFacts, Meta, Origin, Pems, SCHEMA};
use crate::list::{Certificate, KeySource};
use crate::name::Digest;
use crate::plan::{Adopt, Basis, Step};
use crate::port::Inventory;

/// Makes it the live version, with the verified list as the one who asked for it.
pub fn adopt(step: &Step, what: &Adopt, ports: &Ports, basis: &Basis) -> Result<(), Fault> {
    let store = ports.store.as_ref();
    let Some(certificate) = &step.certificate else { return Err(changed(step)) };
    match what {
        Adopt::Earlier { version } => store.redeploy(&step.lineage, *version).map(drop),
        Adopt::Imported => {
            let (imported, mut pems) = store.imported(&step.lineage)?.ok_or_else(|| changed(step))?;
            if !imported.is_for(certificate) {
                return Err(changed(step));
            }
            // Whose key the list leaves to others is not kept here, whoever brought it.
            let key_source = match &certificate.key_source {
                KeySource::Csr(csr) if *csr.public_key() == imported.facts.public_key => {
                    pems.privkey = None;
                    certificate.key_source.clone()
                }
                _ => KeySource::New,
            };
            let meta = Meta {
                authority: imported.authority.unwrap_or_else(|| certificate.authority.clone()),
                directory: imported.directory,
                profile: certificate.profile.clone(),
                certificate_url: imported.certificate_url,
                key_source,
                ..meta(step, Origin::Imported(imported.from), imported.facts, ports, basis)
            };
            store.deploy(meta, &pems)?;
            store.remove_imported(&step.lineage)
        }
        Adopt::Provided { word, files } => {
            let pems = ports.provided.get(word).filter(|pems| is_it(pems, files)).ok_or_else(|| changed(step))?;
            let origin = Origin::Provided { word: word.clone(), files: files.clone() };
            let facts = CertFacts::from_pem(&pems.cert)?;
            store.deploy(Meta { profile: None, ..meta(step, origin, facts, ports, basis) }, pems).map(drop)
        }
    }
}

/// Imports that are of no use any more: expired, or live already because a run was cut short.
pub fn tidy(inventory: &Inventory, ports: &Ports) {
    let now = ports.clock.now();
    for (lineage, imported) in &inventory.imported {
        let live = inventory.live.get(lineage).is_some_and(|live| *live.facts() == imported.facts);
        if live || imported.facts.not_after <= now {
            match ports.store.remove_imported(lineage) {
                Ok(()) => info!(%lineage, "an imported certificate is live already or has expired: deleted"),
                Err(fault) => tracing::warn!(%lineage, "an imported certificate could not be deleted: {fault}"),
            }
        }
    }
}

fn meta(step: &Step, origin: Origin, facts: CertFacts, ports: &Ports, basis: &Basis) -> Meta {
    let authority = step.certificate.as_ref().map(|certificate: &Certificate| certificate.authority.clone());
    Meta {
        schema: SCHEMA,
        lineage: step.lineage.clone(),
        version: 0,
        authority: authority.filter(|_| matches!(origin, Origin::Imported(_))).unwrap_or_default(),
        directory: String::new(),
        profile: None,
        order_url: String::new(),
        certificate_url: String::new(),
        provenance: basis.provenance(Some(step)),
        key_source: KeySource::New,
        origin,
        stored_at: ports.clock.now(),
        facts,
    }
}

fn is_it(pems: &Pems, files: &Digest) -> bool {
    Digest::of(pems.fullchain().as_bytes()) == *files
}

fn changed(step: &Step) -> Fault {
    let message = format!("what was to become live for `{}` is not there any more", step.lineage);
    Fault::new("plan:stale", message).hint("somebody changed it since the plan was made: run again").retry(Retry::Later)
}
