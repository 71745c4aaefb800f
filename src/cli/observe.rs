//! Looks at the world once before planning: the store, the buckets, the CA's renewal information.

use std::collections::BTreeMap;

use futures::StreamExt;
use futures::future::join;
use time::OffsetDateTime;

use crate::apply::Target;
use crate::bucket::layout::{self, Publication};
use crate::bucket::{Safety, UNSAFE, WRONG_OWNER};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::counted;
use crate::cli::session::Session;
use crate::cli::{given, provided, wire};
use crate::fault::Fault;
use crate::lineage::Pems;
use crate::list::{KeySource, List};
use crate::name::{Digest, LineageName};
use crate::plan::Observed;
use crate::port::{Bucket, Inventory, ObjectSummary, RenewalInfo, Store};
use crate::report::Check;
use crate::secret::Secret;
use crate::trust::VerifiedList;

/// How many renewal informations are asked for at a time.
const WIDTH: usize = 32;

/// What was seen, and the buckets to publish to.
#[derive(Default)]
pub struct Looked {
    pub observed: Observed,
    pub targets: BTreeMap<String, Target>,
    /// Buckets that could not be listed.
    pub unreachable: BTreeMap<String, Fault>,
    /// Somebody else's certificates, by the word that lists use.
    pub provided: BTreeMap<String, Pems>,
    /// The keys that the runner gives.
    pub given: BTreeMap<KeySource, Secret>,
}

/// Looks. `offline` reads the store only.
pub async fn observe(session: &Session, list: &VerifiedList, offline: bool) -> Result<Looked, Failure> {
    let inventory = session.store.observe()?;
    let ledger = session.store.ledger()?;
    let mut looked = Looked { observed: Observed { inventory, ledger, ..Observed::default() }, ..Looked::default() };
    (looked.provided, looked.observed.provided) = apart(provided::read(&session.config, list.list()));
    (looked.given, looked.observed.given) = apart(given::read(&session.config, list.list()));
    if offline {
        looked.observed.renewal_infos = session.store.renewal_infos()?;
        return Ok(looked);
    }
    let list = list.list();
    look_at_buckets(session, list, &mut looked).await;
    refuse_lost_store(&looked)?;
    looked.observed.renewal_infos = renewal_infos(session, list, &looked.observed.inventory).await?;
    Ok(looked)
}

/// What the runner's files hold for itself, and what a plan sees of them.
fn apart<Word: Ord + Clone, Files, Seen>(
    read: BTreeMap<Word, Result<(Files, Seen), Fault>>,
) -> (BTreeMap<Word, Files>, BTreeMap<Word, Result<Seen, Fault>>) {
    let (mut held, mut seen) = (BTreeMap::new(), BTreeMap::new());
    for (word, read) in read {
        let shown = read.map(|(files, shown)| {
            held.insert(word.clone(), files);
            shown
        });
        seen.insert(word, shown);
    }
    (held, seen)
}

/// Those that the list publishes to.
async fn look_at_buckets(session: &Session, list: &List, looked: &mut Looked) {
    for (name, (bucket, configured)) in wire::buckets(&session.config).await {
        if !list.certificates().any(|certificate| certificate.publish.contains(&name)) {
            continue;
        }
        match look_at(bucket.as_ref(), &name).await {
            Ok(listing) => {
                let target = Target { bucket, flat: configured.flat.clone(), keep: configured.keep, listing };
                see_bucket(&mut looked.observed, list, &name, &target);
                looked.targets.insert(name, target);
            }
            Err(fault) => {
                if matches!(fault.code.as_str(), UNSAFE | WRONG_OWNER) {
                    looked.observed.unsafe_buckets.insert(name.clone());
                }
                looked.unreachable.insert(name, fault);
            }
        }
    }
}

/// What a bucket holds, unless it is one that must not hold keys.
pub async fn look_at(bucket: &dyn Bucket, name: &str) -> Result<BTreeMap<String, ObjectSummary>, Fault> {
    let (listed, guards) = join(bucket.list(), bucket.guards()).await;
    let listing = listed?;
    let safety = Safety::of(&guards);
    if let Some(refusal) = safety.refusal(name) {
        return Err(refusal);
    }
    if !safety.doubts.is_empty() {
        tracing::warn!("bucket {name}: {}", safety.doubts.join("; "));
    }
    Ok(listing)
}

impl Looked {
    /// The refusal of a bucket that must not hold keys: nothing new is done for lineages that are published there.
    pub fn refused(&self) -> Option<Failure> {
        let mut refused = self.observed.unsafe_buckets.iter().filter_map(|name| self.unreachable.get(name));
        refused.next().map(|fault| fault.clone().into())
    }
}

fn see_bucket(observed: &mut Observed, list: &List, name: &str, target: &Target) {
    let Target { listing, flat, .. } = target;
    let pointers: Vec<(&String, &String)> = listing
        .iter()
        .filter(|(key, _)| key.ends_with("/current.json"))
        .map(|(key, object)| (key, &object.etag))
        .collect();
    let digest = Digest::of(&serde_json::to_vec(&pointers).expect("keys and ETags are text"));
    observed.pointers.insert(name.to_owned(), digest);
    let mut missing: BTreeMap<LineageName, Vec<String>> = BTreeMap::new();
    for certificate in list.certificates().filter(|certificate| certificate.publish.contains(name)) {
        let held = &observed.inventory;
        let Some(stored) = held.live.get(&certificate.name).or_else(|| held.stash.get(&certificate.name)) else {
            continue;
        };
        if let Publication::Missing(what) = layout::publication(listing, stored, name, flat.as_ref()) {
            missing.insert(certificate.name.clone(), what.iter().map(ToString::to_string).collect());
        }
    }
    observed.missing.insert(name.to_owned(), missing);
}

/// A new machine with an empty store must not order everything again while the bucket has it all.
fn refuse_lost_store(looked: &Looked) -> Result<(), Failure> {
    let inventory = &looked.observed.inventory;
    if !inventory.live.is_empty() || !inventory.stash.is_empty() || !inventory.broken.is_empty() {
        return Ok(());
    }
    // A bucket that cannot be looked at may hold everything.
    if let Some(fault) = looked.unreachable.values().next() {
        return Err(fault.clone().into());
    }
    for (name, target) in &looked.targets {
        let pointers = target.listing.keys().filter(|key| key.ends_with("/current.json")).count();
        if pointers > 0 {
            let text =
                format!("the store is empty while bucket `{name}` holds {}", counted(pointers, "published lineage"));
            let fault = Fault::new("store:lost", text).hint(
                "bring back the state directory from a backup or an export, or rebuild it: `countersign restore \
                 --from-bucket`; for a really new start publish below another `prefix:`",
            );
            return Err(Failure::new(Exit::Refused, Check::Limits, fault));
        }
    }
    Ok(())
}

/// Asks for what may be asked again, and keeps the rest (RFC 9773 section 4.3).
async fn renewal_infos(
    session: &Session,
    list: &List,
    inventory: &Inventory,
) -> Result<BTreeMap<String, RenewalInfo>, Failure> {
    let now = session.clock.now();
    let known = session.store.renewal_infos()?;
    let wanted: Vec<(String, String)> = wanted_infos(list, inventory, now);
    let mut infos: BTreeMap<String, RenewalInfo> =
        wanted.iter().filter_map(|(id, _)| Some((id.clone(), known.get(id)?.clone()))).collect();
    let open: Vec<&(String, String)> =
        wanted.iter().filter(|(id, _)| infos.get(id).is_none_or(|info| info.ask_again <= now)).collect();
    if open.is_empty() {
        return Ok(infos);
    }
    let cas = wire::cas(session)?;
    let answers = futures::stream::iter(open)
        .map(|(id, authority)| async {
            let answer = match cas.get(authority) {
                Some(ca) => ca.renewal_info(id).await,
                None => Ok(None),
            };
            (id.clone(), answer)
        })
        .buffer_unordered(WIDTH)
        .collect::<Vec<_>>()
        .await;
    for (id, answer) in answers {
        match answer {
            Ok(Some(info)) => drop(infos.insert(id, info)),
            Ok(None) => drop(infos.remove(&id)),
            Err(fault) => tracing::warn!("no renewal information, the lifetime decides: {fault}"),
        }
    }
    if infos != known {
        session.store.write_renewal_infos(&infos)?;
    }
    Ok(infos)
}

/// ARI id and authority of every live certificate of the list that has not ended.
fn wanted_infos(list: &List, inventory: &Inventory, now: OffsetDateTime) -> Vec<(String, String)> {
    let held = |name| inventory.live.get(name).or_else(|| inventory.stash.get(name));
    let stored = list.certificates().filter_map(|certificate| held(&certificate.name));
    let alive = stored.filter(|stored| stored.facts().not_after > now);
    alive.filter_map(|stored| Some((stored.facts().ari_id.clone()?, stored.meta.authority.clone()))).collect()
}
