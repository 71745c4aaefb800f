//! Placeholders for lineages that have no certificate yet, so that web servers start.

use std::collections::BTreeSet;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use time::{Duration, OffsetDateTime};
use tracing::{info, warn};

use crate::apply::Ports;
use crate::fault::Fault;
use crate::lineage::Pems;
use crate::lineage::foreign::PLACEHOLDER;
use crate::list::Certificate;
use crate::name::{Identifier, LineageName};
use crate::plan::{Action, Reason, Step};
use crate::port::Inventory;
use crate::secret::Secret;

/// Nobody trusts it anyway, and it need not be made anew while a CA is out of reach.
const LIFETIME: Duration = Duration::days(3650);

/// Makes those that are missing, and takes away those of names that left the list, or whose key is not made here any
/// more: a server would start with the wrong one. A failure is only told: no certificate depends on it.
pub fn place(steps: &[Step], inventory: &Inventory, ports: &Ports) {
    let has_key = |step: &&Step| step.certificate.as_ref().is_some_and(|certificate| certificate.key_source.has_key());
    let listed: BTreeSet<&LineageName> = steps.iter().filter(has_key).map(|step| &step.lineage).collect();
    for lineage in inventory.placeholders.iter().filter(|lineage| !listed.contains(lineage)) {
        tell(lineage, ports.store.remove_placeholder(lineage));
    }
    if !ports.placeholders {
        return;
    }
    for step in steps.iter().filter(has_key).filter(|step| lacks_a_certificate(step)) {
        let Some(certificate) = &step.certificate else { continue };
        let made = make(certificate, ports.clock.now())
            .and_then(|pems| ports.store.add_placeholder(&step.lineage, &pems))
            .map(|made| {
                if made {
                    info!(lineage = %step.lineage, "a placeholder stands in until it is issued")
                }
            });
        tell(&step.lineage, made);
    }
}

/// Nothing is live and nothing was taken up. What cannot be read is left alone.
fn lacks_a_certificate(step: &Step) -> bool {
    let hidden = |reason: &Reason| matches!(reason, Reason::NotSelected);
    let unread = |reason: &Reason| matches!(reason, Reason::Broken { fault } if fault.code.starts_with("store:"));
    let waits = matches!(step.action, Action::Issue | Action::Defer);
    let free = step.live.is_none() && !step.unstash && step.adopt.is_none();
    waits && free && !step.reasons.iter().any(|reason| hidden(reason) || unread(reason))
}

fn make(certificate: &Certificate, now: OffsetDateTime) -> Result<Pems, Fault> {
    self_signed(&certificate.identifiers, now)
        .map_err(|error| Fault::new("key:generate", "failed to make a placeholder").caused_by(&error))
}

fn self_signed(identifiers: &BTreeSet<Identifier>, now: OffsetDateTime) -> Result<Pems, rcgen::Error> {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let names: Vec<String> = identifiers.iter().map(|name| name.as_str().to_owned()).collect();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, PLACEHOLDER);
    (params.not_before, params.not_after) = (now - Duration::HOUR, now + LIFETIME);
    let cert = params.self_signed(&key)?.pem().replace("\r\n", "\n");
    Ok(Pems { privkey: Some(Secret::new(key.serialize_pem())), chain: cert.clone(), cert })
}

fn tell(lineage: &LineageName, result: Result<(), Fault>) {
    if let Err(fault) = result {
        warn!(%lineage, "the placeholder was not changed: {fault}");
    }
}
