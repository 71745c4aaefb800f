//! A store with a sound certificate for every name of a world.

use std::path::Path;

use countersign::lineage::{CertFacts, Meta, Origin, Pems, Provenance, SCHEMA};
use countersign::name::{CommitId, Digest, LineageName};
use countersign::port::Store;
use countersign::secret::Secret;
use countersign::store::FileStore;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use time::{Duration, OffsetDateTime};

use crate::Outcome;
use crate::world::{World, ZONE, name};

pub fn fill(dir: &Path, names: usize) -> Outcome {
    let store = FileStore::open(&dir.join("state"))?;
    let mut root = CertificateParams::new(Vec::new())?;
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root_key = KeyPair::generate()?;
    let chain = root.self_signed(&root_key)?.pem();
    let issuer = Issuer::new(root, root_key);
    for at in 0..names {
        deploy(&store, &name(at), &issuer, &chain)?;
    }
    Ok(())
}

/// Issued today for 90 days, so nothing is due.
fn deploy(store: &FileStore, name: &str, issuer: &Issuer<'_, KeyPair>, chain: &str) -> Outcome {
    let now = OffsetDateTime::now_utc();
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec![format!("{name}.{ZONE}")])?;
    params.not_before = now - Duration::HOUR;
    params.not_after = now + Duration::days(90);
    params.use_authority_key_identifier_extension = true;
    let cert = params.signed_by(&key, issuer)?.pem();
    let meta = Meta {
        schema: SCHEMA,
        lineage: LineageName::parse(name)?,
        version: 0,
        authority: "sandbox".into(),
        directory: World::offline().directory,
        profile: None,
        order_url: format!("https://127.0.0.1:9/order/{name}"),
        certificate_url: format!("https://127.0.0.1:9/cert/{name}"),
        provenance: Provenance {
            commit: CommitId::parse(&"1".repeat(40))?,
            signers: vec!["ann@example.com".into()],
            list: Digest::of(b"list"),
            trust_root: Digest::of(b"trust root"),
            approvals: Vec::new(),
            policy: None,
        },
        key_source: Default::default(),
        origin: Origin::Ordered,
        stored_at: now,
        facts: CertFacts::from_pem(&cert)?,
    };
    store.deploy(meta, &Pems { privkey: Some(Secret::new(key.serialize_pem())), cert, chain: chain.to_owned() })?;
    Ok(())
}
