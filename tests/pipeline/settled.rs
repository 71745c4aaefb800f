//! Planning after applying leaves nothing to do, whatever the list, the store and the buckets were.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use countersign::diag::Place;
use countersign::journal::{Attempt, Entry, Intent};
use countersign::lineage::{CertFacts, Meta, Origin, Provenance, Stored};
use countersign::list::{Certificate, ChallengeType, Csr, KeySource, KeyType, List, Request};
use countersign::name::{CommitId, Digest, Identifier, LineageName};
use countersign::plan::{Action, Choices, Mode, Observed, Step, steps};
use proptest::collection::{btree_map, btree_set};
use proptest::prelude::*;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

const NOW: OffsetDateTime = datetime!(2026-06-01 02:00 UTC);
const BUCKETS: [&str; 2] = ["certs", "mirror"];

fn name() -> impl Strategy<Value = LineageName> {
    (0..6_u8).prop_map(|n| LineageName::parse(&format!("n{n}")).unwrap())
}

/// Two requests. Which names they are for is no business of a plan.
fn csrs() -> [Csr; 2] {
    static CSRS: LazyLock<[Csr; 2]> =
        LazyLock::new(|| [(); 2].map(|()| Request::parse(&super::rig::csr(&["d0.example.com"]).0).unwrap().csr));
    CSRS.clone()
}

fn key_source() -> impl Strategy<Value = KeySource> {
    let [one, other] = csrs().map(KeySource::Csr);
    prop_oneof![Just(KeySource::New), Just(KeySource::Reused), Just(one), Just(other)]
}

fn certificate() -> impl Strategy<Value = Certificate> {
    let identifiers = btree_set((0..4_u8).prop_map(|n| Identifier::parse(&format!("d{n}.example.com")).unwrap()), 1..3);
    let key = (prop_oneof![Just(KeyType::EcdsaP256), Just(KeyType::Rsa2048)], key_source());
    let authority = prop_oneof![Just("one".to_owned()), Just("two".to_owned())];
    let profile = proptest::option::of(Just("classic".to_owned()));
    let publish = btree_set((0..2_usize).prop_map(|n| BUCKETS[n].to_owned()), 0..3);
    let renew_before = proptest::option::of((1..40_i64).prop_map(Duration::days));
    (identifiers, key, authority, profile, publish, renew_before).prop_map(
        |(identifiers, (key, key_source), authority, profile, publish, renew_before)| Certificate {
            name: LineageName::parse("unnamed").unwrap(),
            identifiers,
            authority,
            key: if key_source.has_key() { key } else { KeyType::EcdsaP256 },
            key_source,
            challenge: ChallengeType::Dns01,
            profile,
            preferred_profile: None,
            preferred_chain: None,
            provided: None,
            publish,
            served: BTreeSet::new(),
            renew_before,
        },
    )
}

/// What a store may hold: a certificate of some age.
fn stored() -> impl Strategy<Value = Stored> {
    (certificate(), 0..100_i64).prop_map(|(certificate, age)| issued(&certificate, NOW - Duration::days(age), 1))
}

fn public_key(source: &KeySource) -> Digest {
    match source {
        KeySource::Csr(csr) => csr.public_key().clone(),
        _ => Digest::of(b"key"),
    }
}

fn issued(certificate: &Certificate, at: OffsetDateTime, version: u64) -> Stored {
    let facts = CertFacts {
        identifiers: certificate.identifiers.clone(),
        not_before: at,
        not_after: at + Duration::days(90),
        serial: format!("{version}a"),
        issuer: "CA".into(),
        key: Some(certificate.key),
        public_key: public_key(&certificate.key_source),
        fingerprint: Digest::of(&version.to_be_bytes()),
        ari_id: None,
    };
    let meta = Meta {
        schema: 1,
        lineage: certificate.name.clone(),
        version,
        authority: certificate.authority.clone(),
        directory: String::new(),
        profile: certificate.profile.clone(),
        order_url: format!("order/{version}"),
        certificate_url: String::new(),
        provenance: provenance(),
        key_source: certificate.key_source.clone(),
        origin: Origin::Ordered,
        stored_at: at,
        facts,
    };
    Stored { meta, published: BTreeMap::new(), revoked: None }
}

fn provenance() -> Provenance {
    let (list, trust_root) = (Digest::of(b"list"), Digest::of(b"root"));
    Provenance {
        commit: CommitId::parse(&"a".repeat(40)).unwrap(),
        signers: Vec::new(),
        list,
        trust_root,
        approvals: Vec::new(),
        policy: None,
    }
}

/// An order that an earlier run left behind.
fn left(certificate: Certificate) -> Entry {
    let Certificate { name, identifiers, authority, key, key_source, profile, .. } = certificate;
    let (directory, replaces, csr) = (String::new(), None, String::new());
    let provenance = provenance();
    let intent = Intent {
        identifiers,
        authority,
        directory,
        key,
        profile,
        replaces,
        csr,
        provenance,
        public_key: Some(public_key(&key_source)),
        key_source,
    };
    Entry { attempt: Some(Attempt { intent, order: Some("order/0".into()), certificate: None }), ..Entry::new(name) }
}

fn list(certificates: BTreeMap<LineageName, Certificate>) -> List {
    let place = || Place { file: "domains.yaml".into(), line: 1, column: 1, span: 0..0 };
    List::new(certificates.into_iter().map(|(name, certificate)| (Certificate { name, ..certificate }, place())))
}

/// The world after a step was carried out well.
fn carry_out(step: &Step, observed: &mut Observed) {
    let (name, inventory) = (&step.lineage, &mut observed.inventory);
    if step.action == Action::Stash {
        let live = inventory.live.remove(name).expect("only what is live is stashed");
        inventory.stash.insert(name.clone(), live);
        inventory.journal.remove(name);
    }
    if !step.action.changes() || step.action == Action::Stash {
        return;
    }
    if step.discard_stash {
        inventory.stash.remove(name);
    }
    if step.unstash {
        let stashed = inventory.stash.remove(name).expect("only what is stashed comes back");
        inventory.live.insert(name.clone(), stashed);
    }
    let certificate = step.certificate.as_ref().expect("what is not stashed is in the list");
    if step.action.orders() {
        let version = inventory.live.get(name).map_or(0, |live| live.meta.version) + 1;
        inventory.live.insert(name.clone(), issued(certificate, NOW, version));
        inventory.journal.remove(name);
    }
    for missing in observed.missing.values_mut() {
        missing.remove(name);
    }
}

fn world() -> impl Strategy<Value = Observed> {
    let names = || btree_set(name(), 0..6);
    (
        btree_map(name(), stored(), 0..6),
        btree_map(name(), stored(), 0..3),
        btree_map(name(), certificate(), 0..3),
        names(),
    )
        .prop_map(
            |(live, mut stash, begun, lacking): (_, BTreeMap<_, _>, BTreeMap<_, Certificate>, BTreeSet<_>)| {
                stash.retain(|name, _| !BTreeMap::contains_key(&live, name));
                let mut observed = Observed::default();
                let missing = lacking.into_iter().map(|name| (name, vec!["current.json".to_owned()])).collect();
                observed.missing.insert(BUCKETS[0].into(), missing);
                let entry = |(name, certificate): (LineageName, Certificate)| {
                    (name.clone(), left(Certificate { name, ..certificate }))
                };
                observed.inventory.journal = begun.into_iter().map(entry).collect();
                (observed.inventory.live, observed.inventory.stash) = (live, stash);
                observed
            },
        )
}

proptest! {
    #[test]
    fn planning_after_applying_yields_only_keep(
        certificates in btree_map(name(), certificate(), 0..6),
        mut observed in world(),
    ) {
        let (list, choices) = (list(certificates), Choices { every: Duration::DAY, ..Choices::default() });
        for step in steps::steps(&list, Mode::Full, &observed, &choices, NOW) {
            carry_out(&step, &mut observed);
        }
        let again = steps::steps(&list, Mode::Full, &observed, &choices, NOW);
        let left: Vec<&Step> = again.iter().filter(|step| step.action != Action::Keep).collect();
        prop_assert!(left.is_empty(), "{left:#?}");
    }

    #[test]
    fn a_refused_head_adds_nothing_and_takes_away_only_what_a_verified_commit_removed(
        certificates in btree_map(name(), certificate(), 0..6),
        mut observed in world(),
    ) {
        let (list, choices) = (list(certificates), Choices { every: Duration::DAY, ..Choices::default() });
        let live = observed.inventory.live.keys();
        let kept: BTreeSet<LineageName> = live.filter(|name| list.get(name).is_some()).cloned().collect();
        for step in steps::steps(&list, Mode::RenewOnly, &observed, &choices, NOW) {
            carry_out(&step, &mut observed);
        }
        let after: BTreeSet<LineageName> = observed.inventory.live.keys().cloned().collect();
        prop_assert_eq!(kept, after);
    }
}
