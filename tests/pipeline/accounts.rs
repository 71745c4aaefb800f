//! Zones in another AWS account, reached by a role.

use std::collections::BTreeSet;

use countersign::sandbox::{OTHER_ACCESS_KEY, OTHER_ROLE, RecordSet};

use super::rig::Lab;

/// The validation zone `acme.test` is in the other account, and the challenges of `www.example.com` lead there.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.sandbox.add_other_zone("ZOTHER", "acme.test").unwrap();
    let cname = RecordSet {
        name: "_acme-challenge.www.example.com".into(),
        kind: "CNAME".into(),
        ttl: 300,
        values: vec!["_acme-challenge.www.acme.test.".into()],
        routing: None,
    };
    lab.sandbox.seed_record("ZONE1", cname).unwrap();
    lab.list(&[("net", "www.example.net"), ("www", "www.example.com")]);
    lab
}

fn pin(lab: &Lab, role: &str) {
    let pin = format!("zones: {{acme.test: {{id: ZOTHER, assume_role: \"{role}\"}}}}, nameservers");
    lab.write("countersign.yaml", &lab.read("countersign.yaml").replace("nameservers", &pin));
}

#[test]
fn a_cname_into_another_account_is_followed_and_written_by_the_role_of_its_zone() {
    let lab = lab();
    pin(&lab, OTHER_ROLE);
    let ran = lab.apply();
    assert_eq!((ran.code, lab.live("www"), lab.live("net")), (Some(0), Some(1), Some(1)), "{ran:?}");
    let calls = lab.sandbox.log().calls();
    let other = calls.iter().filter(|call| call.principal.as_deref() == Some(OTHER_ACCESS_KEY));
    let zones: BTreeSet<&str> = other.clone().filter_map(|call| call.subject.split('/').nth(3)).collect();
    assert!(other.clone().any(|call| call.operation == "ChangeResourceRecordSets"), "{calls:?}");
    assert!(zones.iter().all(|id| *id == "ZOTHER" || id.starts_with('C')), "{zones:?}");
    assert_eq!(lab.sandbox.records("ZOTHER"), []);
}

#[test]
fn a_role_that_cannot_be_assumed_fails_its_zone_alone_and_is_named() {
    let lab = lab();
    pin(&lab, "arn:aws:iam::222222222222:role/nobody");
    let ran = lab.apply();
    assert_eq!((ran.code, lab.live("www"), lab.live("net")), (Some(3), None, Some(1)), "{ran:?}");
    let text = ran.bad().join("\n") + &ran.err;
    assert!(text.contains("role/nobody"), "{ran:?}");
}

#[test]
fn a_cname_to_a_zone_that_nobody_configured_says_where_it_leads() {
    let lab = lab();
    let ran = lab.apply();
    assert_eq!((ran.code, lab.live("net")), (Some(3), Some(1)), "{ran:?}");
    let bad = ran.bad().join("\n");
    assert!(bad.contains("_acme-challenge.www.acme.test") && bad.contains("www.example.com"), "{bad}");
}
