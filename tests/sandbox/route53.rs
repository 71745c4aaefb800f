use std::time::Duration;

use aws_sdk_route53::Client;
use aws_sdk_route53::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use aws_sdk_route53::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_route53::types::{
    Change, ChangeAction, ChangeBatch, ChangeStatus, ResourceRecord, ResourceRecordSet, RrType,
};
use countersign::sandbox::{ACCESS_KEY, Mishap, Options, Routing, SECRET_KEY, Sandbox};

use crate::{options, record, start};

const NAME: &str = "_acme-challenge.example.com";

fn client(sandbox: &Sandbox, secret: &str) -> Client {
    let config = aws_sdk_route53::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(sandbox.route53_url())
        .credentials_provider(Credentials::new(ACCESS_KEY, secret, None, None, "test"))
        .retry_config(RetryConfig::disabled());
    Client::from_conf(config.build())
}

fn change(action: ChangeAction, name: &str, values: &[&str]) -> Change {
    let records = values.iter().map(|value| ResourceRecord::builder().value(*value).build().unwrap()).collect();
    let set = ResourceRecordSet::builder().name(name).r#type(RrType::Txt).ttl(60).set_resource_records(Some(records));
    Change::builder().action(action).resource_record_set(set.build().unwrap()).build().unwrap()
}

/// The id of the change, or the code of the refusal.
async fn apply(client: &Client, changes: Vec<Change>) -> Result<String, String> {
    let batch = ChangeBatch::builder().set_changes(Some(changes)).build().unwrap();
    let answer = client.change_resource_record_sets().hosted_zone_id("Z1").change_batch(batch).send().await;
    Ok(answer.map_err(|error| code(&error))?.change_info.unwrap().id)
}

fn code<E: ProvideErrorMetadata>(error: &SdkError<E>) -> String {
    error.code().unwrap_or("no code").to_owned()
}

fn refused(code: &str) -> Result<String, String> {
    Err(code.to_owned())
}

#[tokio::test]
async fn a_value_is_added_and_removed_by_compare_and_swap() {
    let sandbox = start().await;
    let client = client(&sandbox, SECRET_KEY);
    apply(&client, vec![change(ChangeAction::Create, NAME, &["\"a\""])]).await.unwrap();
    let swap =
        vec![change(ChangeAction::Delete, NAME, &["\"a\""]), change(ChangeAction::Create, NAME, &["\"a\"", "\"b\""])];
    apply(&client, swap).await.unwrap();
    assert_eq!(sandbox.txt(NAME), ["a", "b"]);
    apply(&client, vec![change(ChangeAction::Delete, NAME, &["\"b\"", "\"a\""])]).await.unwrap();
    assert_eq!(sandbox.records("Z1"), []);
}

#[tokio::test]
async fn a_batch_is_done_as_a_whole_or_not_at_all() {
    let sandbox = start().await;
    let client = client(&sandbox, SECRET_KEY);
    let batch =
        vec![change(ChangeAction::Create, NAME, &["\"a\""]), change(ChangeAction::Delete, "x.example.com", &["\"a\""])];
    assert_eq!(apply(&client, batch).await, refused("InvalidChangeBatch"));
    assert_eq!(sandbox.records("Z1"), []);
}

#[tokio::test]
async fn a_delete_must_name_ttl_and_all_values() {
    let sandbox = start().await;
    let client = client(&sandbox, SECRET_KEY);
    sandbox.seed_record("Z1", record("TXT", NAME, &["\"a\"", "\"b\""])).unwrap();
    let other_ttl = {
        let mut change = change(ChangeAction::Delete, NAME, &["\"a\"", "\"b\""]);
        change.resource_record_set.as_mut().unwrap().ttl = Some(61);
        change
    };
    for change in [
        change(ChangeAction::Delete, NAME, &["\"a\""]),
        change(ChangeAction::Delete, NAME, &["\"a\"", "\"c\""]),
        other_ttl,
    ] {
        assert_eq!(apply(&client, vec![change]).await, refused("InvalidChangeBatch"));
    }
}

#[tokio::test]
async fn what_route53_refuses_is_refused() {
    let sandbox = start().await;
    let client = client(&sandbox, SECRET_KEY);
    sandbox.seed_record("Z1", record("TXT", NAME, &["\"a\""])).unwrap();
    sandbox.seed_record("Z1", record("CNAME", "alias.example.com", &["other.test"])).unwrap();
    let long = format!("\"{}\"", "a".repeat(256));
    let refusals = [
        change(ChangeAction::Create, NAME, &["\"b\""]),
        change(ChangeAction::Create, "a.other.test", &["\"b\""]),
        change(ChangeAction::Create, "notexample.com", &["\"b\""]),
        change(ChangeAction::Create, "alias.example.com", &["\"b\""]),
        change(ChangeAction::Create, "x.example.com", &["unquoted"]),
        change(ChangeAction::Create, "x.example.com", &["\"b\"", "\"b\""]),
        change(ChangeAction::Create, "x.example.com", &[&long]),
    ];
    for change in refusals {
        assert_eq!(apply(&client, vec![change.clone()]).await, refused("InvalidChangeBatch"), "{change:?}");
    }
}

#[tokio::test]
async fn a_batch_has_at_most_32_000_characters_and_upsert_counts_double() {
    let sandbox = start().await;
    let client = client(&sandbox, SECRET_KEY);
    let batch = |action: ChangeAction, count: usize| -> Vec<Change> {
        let value = format!("\"{:043}\"", 0);
        (0..count).map(|n| change(action.clone(), &format!("n{n}.example.com"), &[&value])).collect()
    };
    assert_eq!(apply(&client, batch(ChangeAction::Create, 712)).await, refused("InvalidChangeBatch"));
    assert_eq!(apply(&client, batch(ChangeAction::Upsert, 356)).await, refused("InvalidChangeBatch"));
    apply(&client, batch(ChangeAction::Upsert, 355)).await.unwrap();
}

#[tokio::test]
async fn a_batch_has_at_most_1000_records() {
    let sandbox = start().await;
    let client = client(&sandbox, SECRET_KEY);
    let batch = |count: usize| -> Vec<Change> {
        (0..count).map(|n| change(ChangeAction::Create, &format!("n{n}.example.com"), &["\"a\""])).collect()
    };
    assert_eq!(apply(&client, batch(1_001)).await, refused("InvalidChangeBatch"));
    apply(&client, batch(1_000)).await.unwrap();
}

#[tokio::test]
async fn a_change_is_pending_and_unseen_until_it_is_insync() {
    let sandbox = Sandbox::start(Options { insync_delay: Duration::MAX, ..options() }).await.unwrap();
    let client = client(&sandbox, SECRET_KEY);
    let id = apply(&client, vec![change(ChangeAction::Create, NAME, &["\"a\""])]).await.unwrap();
    let status = client.get_change().id(&id).send().await.unwrap().change_info.unwrap().status;
    assert_eq!((status, sandbox.txt(NAME)), (ChangeStatus::Pending, Vec::new()));
    assert_eq!(sandbox.records("Z1").len(), 1);

    sandbox.set_insync_delay(Duration::ZERO);
    let other = apply(&client, vec![change(ChangeAction::Create, "x.example.com", &["\"a\""])]).await.unwrap();
    let status = client.get_change().id(&other).send().await.unwrap().change_info.unwrap().status;
    assert_eq!(status, ChangeStatus::Insync);
}

#[tokio::test]
async fn an_unknown_change_or_zone_is_an_error() {
    let sandbox = start().await;
    let client = client(&sandbox, SECRET_KEY);
    let change = client.get_change().id("C0").send().await.unwrap_err();
    let zone = client.list_resource_record_sets().hosted_zone_id("Z9").send().await.unwrap_err();
    assert_eq!((code(&change).as_str(), code(&zone).as_str()), ("NoSuchChange", "NoSuchHostedZone"));
}

#[tokio::test]
async fn records_are_listed_in_pages_from_a_name_and_a_type_on() {
    let sandbox = start().await;
    let client = client(&sandbox, SECRET_KEY);
    for name in ["a.example.com", "b.a.example.com", "*.example.com"] {
        sandbox.seed_record("Z1", record("TXT", name, &["\"v\""])).unwrap();
    }
    let first = client.list_resource_record_sets().hosted_zone_id("Z1").max_items(3).send().await.unwrap();
    let names: Vec<&str> = first.resource_record_sets.iter().map(|set| set.name.as_str()).collect();
    assert_eq!(names, ["example.com.", "example.com.", "\\052.example.com."]);
    assert_eq!((first.is_truncated, first.next_record_name.as_deref()), (true, Some("a.example.com.")));
    let next = client.list_resource_record_sets().hosted_zone_id("Z1");
    let next = next.set_start_record_name(first.next_record_name).set_start_record_type(first.next_record_type);
    let next = next.send().await.unwrap();
    let names: Vec<&str> = next.resource_record_sets.iter().map(|set| set.name.as_str()).collect();
    assert_eq!((names, next.is_truncated), (vec!["a.example.com.", "b.a.example.com."], false));
}

#[tokio::test]
async fn zones_are_listed_in_pages_with_their_privacy() {
    let sandbox = start().await;
    let client = client(&sandbox, SECRET_KEY);
    sandbox.add_zone("Z3", "example.com", true).unwrap();
    let mut pages = client.list_hosted_zones().into_paginator().page_size(2).send();
    let mut zones = Vec::new();
    while let Some(page) = pages.next().await {
        for zone in page.unwrap().hosted_zones {
            zones.push((zone.id, zone.name, zone.config.unwrap().private_zone));
        }
    }
    let expected = [("Z1", "example.com.", false), ("Z2", "other.test.", false), ("Z3", "example.com.", true)];
    assert_eq!(zones, expected.map(|(id, name, private)| (format!("/hostedzone/{id}"), name.to_owned(), private)));
    assert_eq!(sandbox.log().count("ListHostedZones"), 2);
}

#[tokio::test]
async fn zones_are_listed_by_name_from_a_name_on() {
    let sandbox = start().await;
    sandbox.add_zone("Z0", "dev.example.com", false).unwrap();
    let client = client(&sandbox, SECRET_KEY);
    let answer = client.list_hosted_zones_by_name().dns_name("dev.example.com").max_items(1).send().await.unwrap();
    assert_eq!(answer.hosted_zones[0].id, "/hostedzone/Z0");
    assert_eq!(answer.next_dns_name.as_deref(), Some("other.test."));
    let zone = client.get_hosted_zone().id("Z0").send().await.unwrap();
    assert_eq!(zone.delegation_set.unwrap().name_servers, ["ns-1.sandbox.test", "ns-2.sandbox.test"]);
}

#[tokio::test]
async fn simple_and_multivalue_sets_exclude_each_other() {
    let sandbox = start().await;
    let client = client(&sandbox, SECRET_KEY);
    let mut multi = record("TXT", NAME, &["\"a\""]);
    multi.routing = Some(("one".to_owned(), Routing::MultiValueAnswer));
    sandbox.seed_record("Z1", multi).unwrap();
    assert_eq!(
        apply(&client, vec![change(ChangeAction::Create, NAME, &["\"b\""])]).await,
        refused("InvalidChangeBatch")
    );
}

#[tokio::test]
async fn a_request_signed_with_a_wrong_secret_is_refused() {
    let sandbox = start().await;
    let error = client(&sandbox, "wrong").list_hosted_zones().send().await.unwrap_err();
    assert_eq!(code(&error), "SignatureDoesNotMatch");
    assert_eq!(sandbox.log().calls()[0].principal.as_deref(), Some(ACCESS_KEY));
}

#[tokio::test]
async fn throttling_can_be_scripted_and_has_no_effect() {
    let sandbox = start().await;
    let client = client(&sandbox, SECRET_KEY);
    sandbox.faults().script("ChangeResourceRecordSets", 1, Mishap::throttled());
    let create = || vec![change(ChangeAction::Create, NAME, &["\"a\""])];
    assert_eq!(apply(&client, create()).await, refused("Throttling"));
    assert!(apply(&client, create()).await.is_ok());
}

#[tokio::test]
async fn a_lost_answer_of_a_change_leaves_its_effect_behind() {
    let sandbox = start().await;
    let client = client(&sandbox, SECRET_KEY);
    sandbox.faults().script("ChangeResourceRecordSets", 1, Mishap::Lost);
    assert!(apply(&client, vec![change(ChangeAction::Create, NAME, &["\"a\""])]).await.is_err());
    assert_eq!(sandbox.txt(NAME), ["a"]);
}
