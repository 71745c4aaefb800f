//! Keys and certificates that this tool did not order: imported from another tool, or provided by the runner.

use super::read::parse;
use super::{CertFacts, Pems, check, key, pem, public_key_of};
use crate::fault::Fault;
use crate::secret::Secret;

/// Who made a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// A CA: the chain says which.
    Authority,
    /// Whoever holds its key.
    Itself,
    /// This tool, to stand in until there is a real one.
    Placeholder,
}

/// Issuer and subject of a placeholder (RFC 5280 section 4.1.2.4, common name).
pub const PLACEHOLDER: &str = "countersign placeholder, not issued by any CA";

/// Checks a key, if it is known, and a chain against each other, and gives both in their plain form.
///
/// The chain is strict PEM, leaf first, each certificate signed by the next. A self-signed certificate stands alone.
///
/// # Errors
/// `check:malformed`, `check:key-mismatch`, `check:chain`, `check:names`. Validity is for the caller to judge.
pub fn check_foreign(privkey: Option<&Secret>, chain_pem: &str) -> Result<(Pems, CertFacts, Maker), Fault> {
    let privkey = privkey.map(key::to_pkcs8).transpose()?;
    let ders = pem::certificates(chain_pem)?;
    let chain = ders.iter().map(|der| parse(der)).collect::<Result<Vec<_>, _>>()?;
    let facts = CertFacts::from_der(&ders[0])?;
    if privkey.as_ref().map(public_key_of).transpose()?.is_some_and(|public_key| public_key != facts.public_key) {
        return Err(Fault::new("check:key-mismatch", "the private key does not belong to the certificate"));
    }
    let leaf = &chain[0];
    let alone = leaf.issuer().as_raw() == leaf.subject().as_raw() && leaf.verify_signature(None).is_ok();
    let maker = match alone {
        true if facts.issuer == PLACEHOLDER => Maker::Placeholder,
        true => Maker::Itself,
        false => Maker::Authority,
    };
    if !(alone && chain.len() == 1) {
        check::check_chain(&chain)?;
    }
    let cert = pem::encode(&ders[0]);
    let issuers = ders[1..].iter().map(|der| pem::encode(der)).collect();
    Ok((Pems { privkey, cert, chain: issuers }, facts, maker))
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

    use super::*;

    fn params(name: &str) -> CertificateParams {
        let mut params = CertificateParams::new(vec!["a.example.com".into()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params
    }

    fn maker(privkey: &KeyPair, chain: &str) -> Result<Maker, String> {
        let privkey = Secret::new(privkey.serialize_pem());
        check_foreign(Some(&privkey), chain).map(|(_, _, maker)| maker).map_err(|fault| fault.code)
    }

    #[test]
    fn who_made_a_certificate_is_told_apart() {
        let (leaf, root) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let mut ca = params("Some CA");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_pem = ca.self_signed(&root).unwrap().pem();
        let issued = params("a").signed_by(&leaf, &Issuer::from_params(&ca, &root)).unwrap().pem();
        let own = params("a").self_signed(&leaf).unwrap().pem();
        let placeholder = params(PLACEHOLDER).self_signed(&leaf).unwrap().pem();
        assert_eq!(maker(&leaf, &format!("{issued}{ca_pem}")), Ok(Maker::Authority));
        assert_eq!(maker(&leaf, &own), Ok(Maker::Itself));
        assert_eq!(maker(&leaf, &placeholder), Ok(Maker::Placeholder));
        assert_eq!(maker(&leaf, &issued), Err("check:chain".into()));
        assert_eq!(maker(&root, &own), Err("check:key-mismatch".into()));
    }
}
