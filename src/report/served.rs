//! Whether servers show what is live.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::{Case, Verdict, stamp};
use crate::fault::Fault;
use crate::lineage::Stored;
use crate::lineage::describe::{Description, describe_der};
use crate::list::endpoint::Endpoint;
use crate::name::{Digest, LineageName};

/// What became of one look at one server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Look {
    pub at: Endpoint,
    #[serde(with = "time::serde::rfc3339")]
    pub time: OffsetDateTime,
    /// What it shows, as a part of a sentence. Empty if there is a fault.
    pub shows: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

/// All looks of a run.
pub type Looks = BTreeMap<LineageName, Vec<Look>>;

/// What a server should show.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    pub live: &'a Stored,
    /// Certificates in its `fullchain.pem`.
    pub chain: usize,
    /// How long servers may take to get a new version: until the next run.
    pub grace: Duration,
}

impl Expected<'_> {
    /// Judges the chain (DER, leaf first) that a server shows.
    ///
    /// # Errors
    /// `served:nothing`, `served:malformed`, `served:chain`, `served:expired` and `served:other`.
    pub fn judge(&self, shown: &[Vec<u8>], now: OffsetDateTime) -> Result<String, Fault> {
        let version = self.live.meta.version;
        let Some(leaf) = shown.first() else {
            return Err(Fault::new("served:nothing", "shows no certificate"));
        };
        if Digest::of(leaf) == self.live.facts().fingerprint {
            return match shown.len() {
                1 if self.chain > 1 => Err(Fault::new("served:chain", format!("shows version {version} without its chain"))
                    .hint("have the server read fullchain.pem instead of cert.pem: some clients do not find the issuer themselves")),
                _ => Ok(format!("shows version {version}")),
            };
        }
        let found = describe_der(leaf).map_err(|fault| Fault { code: "served:malformed".into(), ..fault })?;
        self.other(&found, now)
    }

    fn other(&self, found: &Description, now: OffsetDateTime) -> Result<String, Fault> {
        let version = self.live.meta.version;
        let Description { serial, issuer, not_after, .. } = found;
        let shows = format!("shows serial {serial} of {issuer}, until {}", not_after.date());
        let since = self.live.meta.stored_at;
        let hint = "see that the server gets its files and was reloaded: `countersign pull` and hooks do both";
        if *not_after <= now {
            Err(Fault::new("served:expired", format!("{shows}, which is over, not version {version}")).hint(hint))
        } else if now - since < self.grace {
            Ok(format!("{shows}; version {version} is new, since {}", stamp(since)))
        } else {
            let text = format!("{shows}, not version {version}, which is live since {}", stamp(since));
            Err(Fault::new("served:other", text).hint(hint))
        }
    }
}

/// The case of a lineage. The first server that does not show what it should speaks for all.
pub(super) fn case(name: &LineageName, looks: &[Look]) -> Case {
    let failed = looks.iter().find_map(|look| Some((look, look.fault.as_ref()?)));
    let verdict = failed.map_or(Verdict::Passed, |(look, fault)| {
        Verdict::of(Fault { message: format!("{}: {}", look.at, fault.message), ..fault.clone() })
    });
    let mut case = Case::new("certs.served", name.as_str(), verdict);
    case.facts = looks.iter().map(|look| ("server", look.to_string())).collect();
    case
}

impl std::fmt::Display for Look {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.fault {
            None => write!(f, "{} {}", self.at, self.shows),
            Some(fault) => write!(f, "{}: {fault}", self.at),
        }
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use time::macros::datetime;

    use super::*;
    use crate::lineage::{CertFacts, Meta, Origin, Provenance};

    const NOW: OffsetDateTime = datetime!(2026-06-02 02:00 UTC);

    fn certificate(end: OffsetDateTime) -> (String, Vec<u8>) {
        let mut params = CertificateParams::new(["www.example.com".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (end - Duration::days(90), end);
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        (certificate.pem().replace("\r\n", "\n"), certificate.der().to_vec())
    }

    fn live(pem: &str, stored_at: OffsetDateTime) -> Stored {
        let provenance = serde_json::json!({
            "commit": "0123456789abcdef0123456789abcdef01234567",
            "signers": [], "approvals": [],
            "list": Digest::of(b""), "trust_root": Digest::of(b""), "policy": null,
        });
        let provenance: Provenance = serde_json::from_value(provenance).unwrap();
        let meta = Meta {
            schema: 1,
            lineage: LineageName::parse("www").unwrap(),
            version: 2,
            authority: "lab".into(),
            directory: "https://ca.test/dir".into(),
            profile: None,
            order_url: String::new(),
            certificate_url: String::new(),
            provenance,
            key_source: Default::default(),
            origin: Origin::Ordered,
            stored_at,
            facts: CertFacts::from_pem(pem).unwrap(),
        };
        Stored { meta, published: BTreeMap::new(), revoked: None }
    }

    /// The answer, or the code and the beginning of the sentence.
    fn judge(shown: &[Vec<u8>], stored_at: OffsetDateTime, pem: &str) -> String {
        let live = live(pem, stored_at);
        let expected = Expected { live: &live, chain: 2, grace: Duration::days(1) };
        expected.judge(shown, NOW).unwrap_or_else(|fault| fault.code)
    }

    #[test]
    fn what_is_live_is_to_be_shown_with_its_chain() {
        let (pem, der) = certificate(datetime!(2026-08-01 0:00 UTC));
        let long_ago = NOW - Duration::days(9);
        assert_eq!(judge(&[der.clone(), b"issuer".to_vec()], long_ago, &pem), "shows version 2");
        assert_eq!(judge(&[der], long_ago, &pem), "served:chain");
        assert_eq!(judge(&[], long_ago, &pem), "served:nothing");
        assert_eq!(judge(&[b"nonsense".to_vec()], long_ago, &pem), "served:malformed");
    }

    #[test]
    fn an_older_certificate_has_a_night_to_go_and_no_more() {
        let (pem, _) = certificate(datetime!(2026-08-01 0:00 UTC));
        let (_, older) = certificate(datetime!(2026-06-20 0:00 UTC));
        let (_, over) = certificate(datetime!(2026-06-01 0:00 UTC));
        let an_hour_ago = NOW - Duration::hours(1);
        assert!(
            judge(std::slice::from_ref(&older), an_hour_ago, &pem)
                .ends_with("; version 2 is new, since 2026-06-02T01:00:00Z")
        );
        assert_eq!(judge(&[older], NOW - Duration::days(2), &pem), "served:other");
        assert_eq!(judge(&[over], an_hour_ago, &pem), "served:expired");
    }
}
