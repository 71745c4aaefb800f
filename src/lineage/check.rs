//! The checks between a CA's answer and the store: nothing that fails here is deployed or published.

use time::{Duration, OffsetDateTime};
use x509_parser::certificate::X509Certificate;

use super::read::{parse, time_of};
use super::{CertFacts, Pems, pem, public_key_of};
use crate::fault::{Fault, Retry};
use crate::journal::Intent;
use crate::name::Identifier;
use crate::secret::Secret;

/// The code of the fault for a certificate that is good and whose time is still to come.
pub const NOT_YET_VALID: &str = "check:not-yet-valid";

/// A CA's clock may be ahead of ours by so much.
const SKEW: Duration = Duration::HOUR;

/// Checks an issued chain against what was asked for, and gives it back in its plain form.
///
/// The chain is strict PEM, leaf first, each certificate signed by the next; its root is not judged, since that
/// is the business of whoever connects.
///
/// # Errors
/// `check:malformed`, `check:key-mismatch` (not the key of this attempt), `check:names` (other names than asked
/// for), `check:chain` (not signed by the next, or an issuer that ends before the leaf), `check:validity`, and
/// [`NOT_YET_VALID`] with the seconds until it is.
pub fn check_issued(
    intent: &Intent,
    privkey: Option<&Secret>,
    chain_pem: &str,
    now: OffsetDateTime,
) -> Result<(Pems, CertFacts), Fault> {
    let ders = pem::certificates(chain_pem)?;
    let chain = ders.iter().map(|der| parse(der)).collect::<Result<Vec<_>, _>>()?;
    let facts = CertFacts::from_der(&ders[0])?;
    check_key(intent, privkey, &facts)?;
    check_names(intent, &facts)?;
    check_chain(&chain)?;
    check_validity(&facts, now)?;
    let cert = pem::encode(&ders[0]);
    let chain = ders[1..].iter().map(|der| pem::encode(der)).collect();
    Ok((Pems { privkey: privkey.cloned(), cert, chain }, facts))
}

/// Without the private key, the intent says which public key it was.
fn check_key(intent: &Intent, privkey: Option<&Secret>, facts: &CertFacts) -> Result<(), Fault> {
    let expected = privkey.map(public_key_of).transpose()?.or_else(|| intent.public_key.clone());
    if expected.as_ref() != Some(&facts.public_key) {
        return Err(Fault::new("check:key-mismatch", "the certificate was issued for another key"));
    }
    match facts.key {
        Some(key) if key == intent.key => Ok(()),
        other => {
            let found = other.map_or("another kind", |key| key.as_str());
            let message = format!("the certificate's key is {found}, asked for was {}", intent.key);
            Err(Fault::new("check:key-mismatch", message))
        }
    }
}

fn check_names(intent: &Intent, facts: &CertFacts) -> Result<(), Fault> {
    if facts.identifiers == intent.identifiers {
        return Ok(());
    }
    let list = |names: Vec<&Identifier>| names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
    let missing = list(intent.identifiers.difference(&facts.identifiers).collect());
    let foreign = list(facts.identifiers.difference(&intent.identifiers).collect());
    let mut fault = Fault::new("check:names", "the certificate does not hold exactly the names that were asked for");
    for (what, names) in [("missing", missing), ("not asked for", foreign)] {
        if !names.is_empty() {
            fault.causes.push(format!("{what}: {names}"));
        }
    }
    Err(fault)
}

pub(super) fn check_chain(chain: &[X509Certificate<'_>]) -> Result<(), Fault> {
    let wrong = |message: String| Err(Fault::new("check:chain", message));
    if chain[0].is_ca() {
        return wrong("the chain does not begin with the leaf".into());
    }
    if chain.len() == 1 {
        return wrong("the leaf stands there without its issuer".into());
    }
    let end = chain[0].validity.not_after;
    for (at, pair) in chain.windows(2).enumerate() {
        let [below, issuer] = pair else { continue };
        let (number, next) = (at + 1, at + 2);
        if !issuer.is_ca() {
            return wrong(format!("certificate {next} of the chain is not a CA"));
        }
        if below.issuer().as_raw() != issuer.subject().as_raw() {
            return wrong(format!("certificate {number} of the chain names another issuer than certificate {next}"));
        }
        if below.verify_signature(Some(issuer.public_key())).is_err() {
            return wrong(format!("certificate {number} of the chain is not signed by certificate {next}"));
        }
        if issuer.validity.not_after < end {
            let ends = time_of(issuer.validity.not_after)?.date();
            return wrong(format!("certificate {next} of the chain ends on {ends}, before the leaf"));
        }
    }
    Ok(())
}

fn check_validity(facts: &CertFacts, now: OffsetDateTime) -> Result<(), Fault> {
    let wrong = |message: String| {
        let hint = "compare the clock of this machine with that of the CA: `countersign doctor`";
        Err(Fault::new("check:validity", message).hint(hint))
    };
    if facts.not_before > now + SKEW {
        return wrong(format!("the certificate is not valid before {}", facts.not_before));
    }
    if facts.not_before > now {
        let seconds = u64::try_from((facts.not_before - now).whole_seconds() + 1).unwrap_or_default();
        return Err(Fault::new(NOT_YET_VALID, format!("the certificate is not valid before {}", facts.not_before))
            .hint(
                "the CA's clock is ahead of this one; the certificate is deployed and published when its time has come",
            )
            .retry(Retry::After(seconds)));
    }
    if facts.not_after <= now {
        return wrong(format!("the certificate ended at {}", facts.not_after));
    }
    if facts.not_after <= facts.not_before {
        return wrong("the certificate ends before it begins".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
    use time::macros::datetime;

    use super::*;
    use crate::lineage::Provenance;
    use crate::list::KeyType;
    use crate::name::{CommitId, Digest};

    const NOW: OffsetDateTime = datetime!(2026-06-01 00:00 UTC);

    /// Root, intermediate and leaf, each of which a test may spoil before the chain is made.
    struct Hierarchy {
        root: CertificateParams,
        intermediate: CertificateParams,
        leaf: CertificateParams,
        keys: [KeyPair; 3],
    }

    impl Hierarchy {
        fn new() -> Self {
            let ca = |name: &str| {
                let mut params = CertificateParams::new(Vec::new()).unwrap();
                params.distinguished_name.push(DnType::CommonName, name);
                params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
                params.not_before = datetime!(2020-01-01 00:00 UTC);
                params.not_after = datetime!(2030-01-01 00:00 UTC);
                params
            };
            let mut leaf = CertificateParams::new(vec!["a.example.com".into(), "b.example.com".into()]).unwrap();
            leaf.not_before = datetime!(2026-05-31 23:00 UTC);
            leaf.not_after = datetime!(2026-09-01 00:00 UTC);
            let keys = [(); 3].map(|()| KeyPair::generate().unwrap());
            Self { root: ca("Root"), intermediate: ca("Intermediate"), leaf, keys }
        }

        /// The certificates as the CA sends them: leaf, intermediate, root.
        fn certificates(&self) -> [String; 3] {
            let [root_key, intermediate_key, leaf_key] = &self.keys;
            let root = Issuer::from_params(&self.root, root_key);
            let intermediate = Issuer::from_params(&self.intermediate, intermediate_key);
            [
                self.leaf.signed_by(leaf_key, &intermediate).unwrap().pem(),
                self.intermediate.signed_by(intermediate_key, &root).unwrap().pem(),
                self.root.self_signed(root_key).unwrap().pem(),
            ]
        }

        fn privkey(&self) -> Secret {
            Secret::new(self.keys[2].serialize_pem())
        }

        fn check(&self) -> Result<(Pems, CertFacts), Fault> {
            check_issued(&intent(), Some(&self.privkey()), &self.certificates().concat(), NOW)
        }
    }

    fn intent() -> Intent {
        Intent {
            identifiers: ["a.example.com", "b.example.com"].map(|name| Identifier::parse(name).unwrap()).into(),
            authority: "lab".into(),
            directory: "https://127.0.0.1/dir".into(),
            key: KeyType::EcdsaP256,
            key_source: Default::default(),
            public_key: None,
            profile: None,
            replaces: None,
            csr: String::new(),
            provenance: Provenance {
                commit: CommitId::parse(&"a".repeat(40)).unwrap(),
                signers: Vec::new(),
                list: Digest::of(b"list"),
                trust_root: Digest::of(b"trust"),
                approvals: Vec::new(),
                policy: None,
            },
        }
    }

    fn code(result: Result<(Pems, CertFacts), Fault>) -> String {
        result.map(|_| "accepted".to_owned()).unwrap_or_else(|fault| fault.code)
    }

    #[test]
    fn a_good_chain_is_split_into_leaf_and_issuers() {
        let ca = Hierarchy::new();
        let certificates = ca.certificates();
        let unix = certificates.concat().replace("\r\n", "\n");
        let (pems, facts) = check_issued(&intent(), Some(&ca.privkey()), &certificates.concat(), NOW).unwrap();
        assert_eq!(pems.fullchain(), unix);
        assert_eq!(CertFacts::from_pem(&pems.cert), Ok(facts));
    }

    #[test]
    fn a_certificate_for_another_key_is_refused() {
        let ca = Hierarchy::new();
        let other = Secret::new(KeyPair::generate().unwrap().serialize_pem());
        assert_eq!(code(check_issued(&intent(), Some(&other), &ca.certificates().concat(), NOW)), "check:key-mismatch");
    }

    #[test]
    fn without_the_private_key_the_intent_says_which_key_it_must_be() {
        let ca = Hierarchy::new();
        let check = |public_key: Option<Digest>| {
            let intent = Intent { public_key, ..intent() };
            check_issued(&intent, None, &ca.certificates().concat(), NOW).map(|(pems, _)| pems.privkey.is_none())
        };
        assert_eq!(check(Some(public_key_of(&ca.privkey()).unwrap())), Ok(true));
        assert_eq!(check(Some(Digest::of(b"another"))).unwrap_err().code, "check:key-mismatch");
        assert_eq!(check(None).unwrap_err().code, "check:key-mismatch");
    }

    #[test]
    fn a_key_of_another_type_than_the_list_asks_for_is_refused() {
        let ca = Hierarchy::new();
        let intent = Intent { key: KeyType::EcdsaP384, ..intent() };
        let checked = check_issued(&intent, Some(&ca.privkey()), &ca.certificates().concat(), NOW);
        assert_eq!(code(checked), "check:key-mismatch");
    }

    #[test]
    fn a_missing_name_and_a_foreign_name_are_refused_by_name() {
        let mut ca = Hierarchy::new();
        ca.leaf.subject_alt_names =
            CertificateParams::new(vec!["a.example.com".into(), "c.example.com".into()]).unwrap().subject_alt_names;
        let fault = ca.check().err().unwrap();
        assert_eq!(fault.code, "check:names");
        assert_eq!(fault.causes, ["missing: b.example.com", "not asked for: c.example.com"]);
    }

    #[test]
    fn a_chain_in_another_order_is_refused() {
        let ca = Hierarchy::new();
        let [leaf, intermediate, root] = ca.certificates();
        let check = |chain: String| code(check_issued(&intent(), Some(&ca.privkey()), &chain, NOW));
        assert_eq!(check(format!("{leaf}{root}{intermediate}")), "check:chain");
        assert_eq!(check(format!("{leaf}{root}")), "check:chain");
        assert_eq!(check(leaf.clone()), "check:chain");
        assert_eq!(check(format!("{leaf}{leaf}")), "check:chain");
        assert_eq!(check(format!("{leaf}{intermediate}")), "accepted");
    }

    #[test]
    fn an_issuer_with_the_right_name_and_another_key_is_refused() {
        let (ca, twin) = (Hierarchy::new(), Hierarchy::new());
        let chain = format!("{}{}", ca.certificates()[0], twin.certificates()[1]);
        let fault = check_issued(&intent(), Some(&ca.privkey()), &chain, NOW).err().unwrap();
        assert_eq!(fault.message, "certificate 1 of the chain is not signed by certificate 2");
    }

    #[test]
    fn an_issuer_that_may_not_sign_is_refused() {
        let mut ca = Hierarchy::new();
        ca.intermediate.is_ca = IsCa::ExplicitNoCa;
        assert_eq!(code(ca.check()), "check:chain");
    }

    #[test]
    fn an_issuer_that_ends_before_the_leaf_is_refused() {
        let mut ca = Hierarchy::new();
        ca.root.not_after = ca.leaf.not_after - Duration::SECOND;
        assert_eq!(code(ca.check()), "check:chain");
        ca.root.not_after = ca.leaf.not_after;
        assert_eq!(code(ca.check()), "accepted");
    }

    #[test]
    fn a_certificate_that_has_ended_or_begins_too_late_is_refused() {
        let mut ca = Hierarchy::new();
        ca.leaf.not_before = NOW + Duration::HOUR;
        let fault = ca.check().err().unwrap();
        assert_eq!((fault.code.as_str(), fault.retry), (NOT_YET_VALID, Retry::After(3601)));
        ca.leaf.not_before = NOW + Duration::HOUR + Duration::SECOND;
        assert_eq!(code(ca.check()), "check:validity");
        ca.leaf.not_before = NOW - Duration::DAY;
        ca.leaf.not_after = NOW;
        assert_eq!(code(ca.check()), "check:validity");
    }

    #[test]
    fn a_chain_that_is_not_plain_pem_is_refused() {
        let ca = Hierarchy::new();
        let chain = format!("{}{}", ca.certificates().concat(), ca.keys[2].serialize_pem());
        assert_eq!(code(check_issued(&intent(), Some(&ca.privkey()), &chain, NOW)), "check:malformed");
    }
}
