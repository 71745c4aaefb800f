use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketVersioningStatus, ChecksumAlgorithm, ChecksumMode, ServerSideEncryption};
use countersign::sandbox::{ACCESS_KEY, Mishap, SECRET_KEY, Sandbox};

use crate::start;

fn client(sandbox: &Sandbox, secret: &str) -> Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .endpoint_url(sandbox.s3_url())
        .force_path_style(true)
        .credentials_provider(Credentials::new(ACCESS_KEY, secret, None, None, "test"))
        .retry_config(RetryConfig::disabled());
    Client::from_conf(config.build())
}

fn put(client: &Client, key: &str, body: &'static str) -> PutObjectFluentBuilder {
    client.put_object().bucket("certs").key(key).body(ByteStream::from_static(body.as_bytes()))
}

fn refusal<E: ProvideErrorMetadata>(error: SdkError<E>) -> (u16, String) {
    let status = error.raw_response().map_or(0, |response| response.status().as_u16());
    (status, error.code().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn an_object_comes_back_with_metadata_and_encryption() {
    let sandbox = start().await;
    let client = client(&sandbox, SECRET_KEY);
    let written = put(&client, "a/b", "body")
        .metadata("serial", "01")
        .server_side_encryption(ServerSideEncryption::AwsKms)
        .ssekms_key_id("alias/certs")
        .checksum_algorithm(ChecksumAlgorithm::Sha256)
        .send()
        .await
        .unwrap();
    assert_eq!(written.server_side_encryption, Some(ServerSideEncryption::AwsKms));
    let head =
        client.head_object().bucket("certs").key("a/b").checksum_mode(ChecksumMode::Enabled).send().await.unwrap();
    assert_eq!(head.ssekms_key_id(), Some("alias/certs"));
    assert_eq!(head.checksum_sha256(), written.checksum_sha256());
    let read = client.get_object().bucket("certs").key("a/b").send().await.unwrap();
    assert_eq!(read.metadata().unwrap()["serial"], "01");
    assert_eq!(read.e_tag(), written.e_tag());
    assert_eq!(read.body.collect().await.unwrap().to_vec(), b"body");
}

#[tokio::test]
async fn of_many_racing_creations_one_wins() {
    let sandbox = start().await;
    let client = client(&sandbox, SECRET_KEY);
    let races = (0..64).map(|_| put(&client, "lock", "mine").if_none_match("*").send());
    let results = futures::future::join_all(races).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    let refusals = results.into_iter().filter_map(Result::err).map(refusal);
    assert!(refusals.into_iter().all(|refusal| refusal == (412, "PreconditionFailed".to_owned())));
}

#[tokio::test]
async fn a_swap_needs_the_etag_of_what_is_there() {
    let sandbox = start().await;
    let client = client(&sandbox, SECRET_KEY);
    let absent = put(&client, "current", "0").if_match("\"x\"").send().await.unwrap_err();
    assert_eq!(refusal(absent), (404, "NoSuchKey".to_owned()));
    let first = put(&client, "current", "1").send().await.unwrap().e_tag.unwrap();
    put(&client, "current", "2").if_match(&first).send().await.unwrap();
    let stale = put(&client, "current", "3").if_match(&first).send().await.unwrap_err();
    assert_eq!(refusal(stale), (412, "PreconditionFailed".to_owned()));
    assert_eq!(sandbox.object("certs", "current").unwrap().body, "2");
}

#[tokio::test]
async fn the_same_body_written_twice_has_two_etags() {
    let sandbox = start().await;
    let client = client(&sandbox, SECRET_KEY);
    let first = put(&client, "a", "x").send().await.unwrap().e_tag;
    assert_ne!(first, put(&client, "a", "x").send().await.unwrap().e_tag);
}

#[tokio::test]
async fn a_wrong_checksum_is_refused() {
    let sandbox = start().await;
    let client = client(&sandbox, SECRET_KEY);
    let wrong = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let error = put(&client, "a", "x").checksum_sha256(wrong).send().await.unwrap_err();
    assert_eq!(refusal(error).0, 400);
    assert_eq!(sandbox.object("certs", "a"), None);
}

#[tokio::test]
async fn keys_are_listed_in_pages_of_a_thousand() {
    let sandbox = start().await;
    let client = client(&sandbox, SECRET_KEY);
    for n in 0..1_001 {
        sandbox.seed_object("certs", &format!("p/{n:04}"), "x").unwrap();
    }
    sandbox.seed_object("certs", "q", "x").unwrap();
    let first = client.list_objects_v2().bucket("certs").prefix("p/").send().await.unwrap();
    assert_eq!((first.contents().len(), first.is_truncated()), (1_000, Some(true)));
    let token = first.next_continuation_token().unwrap();
    let rest = client.list_objects_v2().bucket("certs").prefix("p/").continuation_token(token).send().await.unwrap();
    assert_eq!((rest.contents()[0].key(), rest.is_truncated()), (Some("p/1000"), Some(false)));
}

#[tokio::test]
async fn a_deleted_object_is_gone() {
    let sandbox = start().await;
    let client = client(&sandbox, SECRET_KEY);
    put(&client, "a", "x").send().await.unwrap();
    client.delete_object().bucket("certs").key("a").send().await.unwrap();
    let error = client.get_object().bucket("certs").key("a").send().await.unwrap_err();
    assert_eq!(refusal(error), (404, "NoSuchKey".to_owned()));
}

#[tokio::test]
async fn buckets_are_versioned_and_unknown_ones_are_refused() {
    let sandbox = start().await;
    let client = client(&sandbox, SECRET_KEY);
    let versioning = client.get_bucket_versioning().bucket("certs").send().await.unwrap();
    assert_eq!(versioning.status(), Some(&BucketVersioningStatus::Enabled));
    let error = client.list_objects_v2().bucket("other").send().await.unwrap_err();
    assert_eq!(refusal(error), (404, "NoSuchBucket".to_owned()));
}

#[tokio::test]
async fn a_wrong_secret_is_refused() {
    let sandbox = start().await;
    let error = put(&client(&sandbox, "wrong"), "a", "x").send().await.unwrap_err();
    assert_eq!(refusal(error), (403, "SignatureDoesNotMatch".to_owned()));
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_has_happened() {
    let sandbox = start().await;
    sandbox.faults().script("PutObject", 1, Mishap::Lost);
    assert!(put(&client(&sandbox, SECRET_KEY), "a", "x").if_none_match("*").send().await.is_err());
    assert_eq!(sandbox.keys("certs"), ["a"]);
}

#[tokio::test]
async fn access_can_be_denied_by_script() {
    let sandbox = start().await;
    sandbox.faults().script("PutObject", 1, Mishap::refused(403, "AccessDenied"));
    let error = put(&client(&sandbox, SECRET_KEY), "a", "x").send().await.unwrap_err();
    assert_eq!(refusal(error), (403, "AccessDenied".to_owned()));
    assert_eq!(sandbox.log().count("PutObject"), 1);
}
