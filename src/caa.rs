//! CAA: who may issue for a name (RFC 8659), narrowed to an account and a method (RFC 8657). Pure.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::list::ChallengeType;

/// One CAA record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Property {
    pub critical: bool,
    /// As received; compared without regard to case.
    pub tag: String,
    pub value: String,
}

/// The relevant record set of a name: the closest one up the tree (RFC 8659 section 3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecordSet {
    /// Where it stands.
    pub at: String,
    pub properties: Vec<Property>,
}

/// A CA and the account with which it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applicant {
    /// `caaIdentities` of the CA's directory (RFC 8555 section 9.7.6).
    pub identities: Vec<String>,
    /// URL of the account, once there is one.
    pub account: Option<String>,
    /// How control over names is shown to it (RFC 8657 section 4).
    pub methods: BTreeSet<ChallengeType>,
}

/// What the record set says to an applicant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Judgement {
    /// There is no CAA record: every CA may issue, to every account.
    Open,
    /// We may, and nobody else may.
    Sealed { at: String },
    /// We may, and others may too.
    Loose { at: String, why: String },
    /// The CA must refuse.
    Forbidden { at: String, why: String },
}

/// The names at which to look, in order: the name itself, then each parent (RFC 8659 section 3).
pub fn tree(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| name.split_once('.').map(|(_, parent)| parent))
}

/// Judges one identifier that is validated by `method`. `wildcard` is whether it begins with `*.`.
pub fn judge(found: Option<&RecordSet>, wildcard: bool, method: ChallengeType, us: &Applicant) -> Judgement {
    let Some(RecordSet { at, properties }) = found else { return Judgement::Open };
    let at = at.clone();
    if let Some(strange) = properties.iter().find(|property| property.critical && !property.is_known()) {
        let why = format!("it has a critical property `{}` that CAs need not know", strange.tag);
        return Judgement::Forbidden { at, why };
    }
    let tagged = |tag: &str| -> Vec<&Property> {
        properties.iter().filter(|property| property.tag.eq_ignore_ascii_case(tag)).collect()
    };
    let (issue, issuewild) = (tagged("issue"), tagged("issuewild"));
    let relevant = if wildcard && !issuewild.is_empty() { issuewild } else { issue };
    if relevant.is_empty() {
        return Judgement::Loose { at, why: "it restricts nothing".into() };
    }
    let grants: Vec<(&Property, Grant)> = relevant.into_iter().map(|one| (one, Grant::parse(&one.value))).collect();
    if !grants.iter().any(|(_, grant)| grant.allows(method, us)) {
        let values: Vec<String> = grants.iter().map(|(property, _)| property.to_string()).collect();
        return Judgement::Forbidden { at, why: format!("it says {}", values.join(", ")) };
    }
    match grants.iter().find(|(_, grant)| !grant.is_sealed(us)) {
        Some((property, grant)) => Judgement::Loose { at, why: format!("{property} lets {}", grant.who(us)) },
        None => Judgement::Sealed { at },
    }
}

/// The record that completes the promise, as a line of a zone file.
pub fn record(zone: &str, us: &Applicant) -> Option<String> {
    let identity = us.identities.first()?;
    let account = us.account.as_ref().map(|account| format!("; accounturi={account}")).unwrap_or_default();
    let methods: Vec<&str> = us.methods.iter().map(|method| method.as_str()).collect();
    let methods = methods.join(",");
    Some(format!("{zone}. CAA 0 issue \"{identity}{account}; validationmethods={methods}\""))
}

impl Property {
    /// Properties that CAs know, or must ignore: RFC 8659, RFC 9495, CA/Browser Forum.
    fn is_known(&self) -> bool {
        let known = ["issue", "issuewild", "iodef", "issuemail", "issuevmc", "contactemail", "contactphone"];
        known.iter().any(|tag| self.tag.eq_ignore_ascii_case(tag))
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?}", if self.critical { 128 } else { 0 }, self.tag, self.value)
    }
}

/// The value of `issue` and `issuewild` (RFC 8659 section 4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
enum Grant {
    /// No issuer, or a value that cannot be read: it grants nothing.
    Nobody,
    Issuer {
        domain: String,
        /// Values of `accounturi`. Two of them cannot be met (RFC 8657 section 3).
        accounts: Vec<String>,
        /// Methods of each `validationmethods` (RFC 8657 section 4).
        methods: Vec<Vec<String>>,
    },
}

impl Grant {
    fn parse(value: &str) -> Self {
        let mut parts = value.split(';').map(|part| part.trim_matches([' ', '\t']));
        let domain = parts.next().unwrap_or_default().to_ascii_lowercase();
        let domain_like = |b: u8| b.is_ascii_alphanumeric() || b"-.".contains(&b);
        if domain.is_empty() || !domain.bytes().all(domain_like) {
            return Self::Nobody;
        }
        let (mut accounts, mut methods) = (Vec::new(), Vec::new());
        for part in parts.filter(|part| !part.is_empty()) {
            let Some((tag, value)) = part.split_once('=') else { return Self::Nobody };
            let value = value.trim_matches([' ', '\t']);
            match tag.trim_matches([' ', '\t']).to_ascii_lowercase().as_str() {
                "accounturi" => accounts.push(value.to_owned()),
                "validationmethods" => methods.push(value.split(',').map(|one| one.trim().to_owned()).collect()),
                _ => {}
            }
        }
        Self::Issuer { domain, accounts, methods }
    }

    fn names(&self, us: &Applicant) -> bool {
        let Self::Issuer { domain, accounts, .. } = self else { return false };
        us.identities.iter().any(|identity| identity.eq_ignore_ascii_case(domain))
            && accounts.len() <= 1
            && accounts.iter().all(|account| Some(account) == us.account.as_ref())
    }

    fn allows(&self, method: ChallengeType, us: &Applicant) -> bool {
        let Self::Issuer { methods, .. } = self else { return false };
        self.names(us) && methods.iter().all(|methods| methods.iter().any(|one| one == method.as_str()))
    }

    /// Whether it grants nothing to anybody but this account by its methods.
    fn is_sealed(&self, us: &Applicant) -> bool {
        let ours =
            |methods: &Vec<String>| methods.iter().all(|one| us.methods.iter().any(|method| one == method.as_str()));
        match self {
            Self::Nobody => true,
            Self::Issuer { accounts, methods, .. } => self.names(us) && accounts.len() == 1 && methods.iter().any(ours),
        }
    }

    fn who(&self, us: &Applicant) -> String {
        match self {
            Self::Nobody => "nobody".into(),
            Self::Issuer { domain, .. } if !self.names(us) => format!("{domain} issue too"),
            Self::Issuer { domain, accounts, .. } if accounts.is_empty() => {
                format!("every account of {domain} have certificates")
            }
            Self::Issuer { .. } => {
                let methods: Vec<&str> = us.methods.iter().map(|method| method.as_str()).collect();
                format!("other methods than {} prove control", methods.join(" and "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ChallengeType::{Dns01, Http01};

    const ACCOUNT: &str = "https://ca.test/acct/1";

    fn us() -> Applicant {
        Applicant {
            identities: vec!["ca.test".into()],
            account: Some(ACCOUNT.into()),
            methods: BTreeSet::from([Dns01]),
        }
    }

    fn set(records: &[(&str, &str)]) -> RecordSet {
        let property = |(tag, value): &(&str, &str)| {
            let (critical, tag) = tag.strip_prefix('!').map_or((false, *tag), |tag| (true, tag));
            Property { critical, tag: tag.into(), value: (*value).into() }
        };
        RecordSet { at: "example.com".into(), properties: records.iter().map(property).collect() }
    }

    fn verdict(records: &[(&str, &str)], wildcard: bool) -> &'static str {
        match judge(Some(&set(records)), wildcard, Dns01, &us()) {
            Judgement::Open => "open",
            Judgement::Sealed { .. } => "sealed",
            Judgement::Loose { .. } => "loose",
            Judgement::Forbidden { .. } => "forbidden",
        }
    }

    #[test]
    fn the_tree_is_climbed_from_the_name_to_the_top_level() {
        assert_eq!(tree("a.b.test").collect::<Vec<_>>(), ["a.b.test", "b.test", "test"]);
    }

    #[test]
    fn without_any_record_everybody_may_issue() {
        assert_eq!(judge(None, false, Dns01, &us()), Judgement::Open);
    }

    #[test]
    fn issue_names_the_ca_and_may_narrow_it_to_an_account_and_methods() {
        let sealed = "ca.test; accounturi=https://ca.test/acct/1; validationmethods=dns-01";
        let table = [
            (sealed, "sealed"),
            ("CA.test;accounturi=https://ca.test/acct/1;validationmethods=dns-01;", "sealed"),
            ("ca.test", "loose"),
            ("ca.test; accounturi=https://ca.test/acct/1", "loose"),
            ("ca.test; validationmethods=dns-01", "loose"),
            ("ca.test; accounturi=https://ca.test/acct/1; validationmethods=http-01,dns-01", "loose"),
            ("ca.test; accounturi=https://ca.test/acct/2; validationmethods=dns-01", "forbidden"),
            ("ca.test; accounturi=https://ca.test/acct/1; accounturi=https://ca.test/acct/1", "forbidden"),
            ("ca.test; validationmethods=http-01", "forbidden"),
            ("ca.test; validationmethods=", "forbidden"),
            ("ca.test; nonsense", "forbidden"),
            ("other.test", "forbidden"),
            ("evilca.test", "forbidden"),
            (";", "forbidden"),
            ("", "forbidden"),
            ("%%%", "forbidden"),
        ];
        for (value, expected) in table {
            assert_eq!(verdict(&[("issue", value)], false), expected, "{value}");
        }
    }

    #[test]
    fn one_grant_to_us_is_enough_and_every_other_grant_leaves_a_door_open() {
        let sealed = ("issue", "ca.test; accounturi=https://ca.test/acct/1; validationmethods=dns-01");
        assert_eq!(verdict(&[("issue", "other.test"), sealed], false), "loose");
        assert_eq!(verdict(&[("issue", ";"), sealed], false), "sealed");
        assert_eq!(verdict(&[("ISSUE", "ca.test")], false), "loose");
    }

    #[test]
    fn issuewild_decides_for_wildcards_and_for_nothing_else() {
        let sealed = "ca.test; accounturi=https://ca.test/acct/1; validationmethods=dns-01";
        assert_eq!(verdict(&[("issue", sealed), ("issuewild", ";")], true), "forbidden");
        assert_eq!(verdict(&[("issue", sealed), ("issuewild", ";")], false), "sealed");
        assert_eq!(verdict(&[("issue", ";"), ("issuewild", sealed)], true), "sealed");
        assert_eq!(verdict(&[("issue", sealed)], true), "sealed");
        assert_eq!(verdict(&[("issuewild", sealed)], false), "loose");
    }

    #[test]
    fn only_a_critical_property_that_nobody_knows_forbids() {
        assert_eq!(verdict(&[("tbs", "x"), ("issue", "ca.test")], false), "loose");
        assert_eq!(verdict(&[("!tbs", "x"), ("issue", "ca.test")], false), "forbidden");
        assert_eq!(verdict(&[("!issue", "ca.test")], false), "loose");
        assert_eq!(verdict(&[("iodef", "mailto:a@b.test")], false), "loose");
    }

    #[test]
    fn an_account_that_is_not_made_yet_meets_no_accounturi() {
        let us = Applicant { account: None, ..us() };
        let found = set(&[("issue", "ca.test; accounturi=https://ca.test/acct/1")]);
        assert!(matches!(judge(Some(&found), false, Dns01, &us), Judgement::Forbidden { .. }));
    }

    #[test]
    fn the_record_that_is_printed_is_the_one_that_seals() {
        let line = record("example.com", &us()).unwrap();
        assert_eq!(
            line,
            "example.com. CAA 0 issue \"ca.test; accounturi=https://ca.test/acct/1; validationmethods=dns-01\""
        );
        let value = line.split('"').nth(1).unwrap();
        assert_eq!(verdict(&[("issue", value)], false), "sealed");
        assert_eq!(verdict(&[("issue", value)], true), "sealed");
    }

    #[test]
    fn a_record_for_both_methods_seals_a_runner_that_uses_both() {
        let us = Applicant { methods: BTreeSet::from([Dns01, Http01]), ..us() };
        let line = record("example.com", &us).unwrap();
        let value = line.split('"').nth(1).unwrap();
        assert!(value.ends_with("validationmethods=dns-01,http-01"), "{value}");
        let found = set(&[("issue", value)]);
        assert_eq!(judge(Some(&found), false, Http01, &us), Judgement::Sealed { at: "example.com".into() });
        let narrow = set(&[("issue", "ca.test; accounturi=https://ca.test/acct/1; validationmethods=dns-01")]);
        assert!(matches!(judge(Some(&narrow), false, Http01, &us), Judgement::Forbidden { .. }));
        assert!(matches!(judge(Some(&narrow), false, Dns01, &us), Judgement::Sealed { .. }));
    }
}
