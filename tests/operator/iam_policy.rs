//! The policies that are printed for a configuration.

use serde_json::Value;

use super::{Place, read};

fn policy(place: &Place, args: &[&str]) -> Value {
    serde_json::from_str(&place.printed(&[&["iam-policy"], args].concat())).unwrap()
}

fn statement<'v>(policy: &'v Value, sid: &str) -> &'v Value {
    policy["Statement"].as_array().unwrap().iter().find(|statement| statement["Sid"] == sid).unwrap()
}

/// The roles of the example: of the zones in general, and of one of them.
const ROLE: &str = "arn:aws:iam::123456789012:role/countersign-dns";
const OTHER_ROLE: &str = "arn:aws:iam::210987654321:role/countersign-dns";

#[test]
fn who_assumes_roles_may_do_that_and_nothing_else() {
    let policy = policy(&Place::configured(), &["route53"]);
    let statements = policy["Statement"].as_array().unwrap();
    assert_eq!((statements.len(), &statements[0]["Action"]), (1, &serde_json::json!(["sts:AssumeRole"])));
    assert_eq!(statements[0]["Resource"], serde_json::json!([ROLE, OTHER_ROLE]));
}

#[test]
fn the_role_of_one_zone_may_change_that_zone_and_look_for_none() {
    let policy = policy(&Place::configured(), &["route53", "--assume-role", OTHER_ROLE]);
    let changes = statement(&policy, "ChallengeRecordsOnly");
    assert_eq!(changes["Resource"], serde_json::json!(["arn:aws:route53:::hostedzone/Z9876543210EXAMPLE"]));
    assert!(!policy.to_string().contains("ListHostedZones") && !policy.to_string().contains("sts:"), "{policy}");
}

#[test]
fn a_role_that_the_configuration_does_not_assume_is_an_error() {
    let ran = Place::configured().run(&["iam-policy", "route53", "--assume-role", "arn:aws:iam::1:role/x"]);
    assert_eq!(ran.code, Some(64), "{ran:?}");
}

#[test]
fn records_of_challenges_alone_may_be_changed_and_in_the_zones_of_the_configuration_alone() {
    let policy = policy(&Place::configured(), &["route53", "--assume-role", ROLE]);
    let changes = statement(&policy, "ChallengeRecordsOnly");
    assert!(!changes["Resource"].as_array().unwrap().iter().any(|arn| arn.as_str().unwrap().contains('*')));
    let condition = &changes["Condition"];
    let names = &condition["ForAllValues:StringLike"]["route53:ChangeResourceRecordSetsNormalizedRecordNames"];
    assert!(names.as_array().unwrap().iter().all(|name| name.as_str().unwrap().starts_with("_acme-challenge.")));
    let equals = &condition["ForAllValues:StringEquals"];
    assert_eq!(equals["route53:ChangeResourceRecordSetsRecordTypes"], serde_json::json!(["TXT"]));
    assert_eq!(equals["route53:ChangeResourceRecordSetsActions"], serde_json::json!(["CREATE", "DELETE"]));
    assert_eq!(condition["Null"].as_object().unwrap().len(), 3, "a key that is absent must not do");
}

#[test]
fn a_consumer_reads_one_lineage_and_lists_nothing() {
    let policy = policy(&Place::configured(), &["consumer", "--lineage", "www"]);
    let read = statement(&policy, "ReadOneLineage");
    assert_eq!(read["Action"], serde_json::json!(["s3:GetObject"]));
    assert_eq!(read["Resource"], "arn:aws:s3:::example-certs/certs/www/*");
    assert!(!policy.to_string().contains("List"));
}

#[test]
fn the_job_before_the_merge_may_do_nothing() {
    let policy = policy(&Place::configured(), &["validate"]);
    assert_eq!(policy["Statement"].as_array().unwrap().len(), 1);
    assert_eq!(policy["Statement"][0]["Effect"], "Deny");
}

#[test]
fn a_bucket_that_the_configuration_does_not_have_is_an_error() {
    let ran = Place::configured().run(&["iam-policy", "s3", "--bucket", "nowhere"]);
    assert_eq!(ran.code, Some(64), "{ran:?}");
}

#[test]
fn without_pinned_zones_the_names_still_have_to_be_those_of_challenges() {
    let place = Place::configured();
    let config = read("policy/countersign.example.yaml");
    let (before, rest) = config.split_once("    # Hosted zones that are not looked for").unwrap();
    let after = &rest[rest.find("    # If there are any, every look-up").unwrap()..];
    place.write("countersign.yaml", &format!("{before}{after}"));
    let policy = policy(&place, &["route53", "--assume-role", ROLE]);
    let changes = statement(&policy, "ChallengeRecordsOnly");
    assert_eq!(changes["Resource"], serde_json::json!(["arn:aws:route53:::hostedzone/*"]));
    let names = &changes["Condition"]["ForAllValues:StringLike"];
    assert!(names.to_string().contains("[\"_acme-challenge.*\"]"), "{names}");
}
