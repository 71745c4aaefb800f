use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};

use aws_config::BehaviorVersion;
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};

use super::*;

/// An endpoint that gives the prepared answers, one a connection, and tells what it was asked.
struct Endpoint {
    url: String,
    asked: JoinHandle<Vec<String>>,
}

impl Endpoint {
    fn new(answers: &[String]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answers = answers.to_vec();
        let asked = thread::spawn(move || answers.iter().map(|answer| serve(&listener, answer)).collect());
        Self { url, asked }
    }

    fn bucket(&self) -> S3Bucket {
        S3Bucket::new(settings(Some(self.url.clone())), &sdk().build())
    }

    /// The requests, head in lower case, when all answers are given.
    fn asked(self) -> Vec<String> {
        self.asked.join().unwrap()
    }
}

fn serve(listener: &TcpListener, answer: &str) -> String {
    let (mut stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while reader.read_line(&mut head).unwrap() > 2 {}
    let head = head.to_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    stream.write_all(answer.as_bytes()).unwrap();
    head + &String::from_utf8(body).unwrap()
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

fn refusal(status: &str, code: &str) -> String {
    let body = format!("<Error><Code>{code}</Code><Message>the reason</Message></Error>");
    answer(status, "content-type: application/xml\r\n", &body)
}

fn settings(endpoint: Option<String>) -> Settings {
    Settings {
        bucket: "example-certs".into(),
        prefix: "certs/".into(),
        region: Some("eu-west-1".into()),
        endpoint,
        kms_key: Some("alias/certs".into()),
        expected_owner: Some("123456789012".into()),
    }
}

fn sdk() -> aws_types::sdk_config::Builder {
    let credentials = Credentials::new("AKID", "SECRET", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
}

async fn put(endpoint: &Endpoint, condition: Condition) -> Result<Written, Fault> {
    let metadata = BTreeMap::from([("lineage".to_owned(), "www".to_owned())]);
    endpoint.bucket().put("www/current.json", b"{}", &metadata, &condition).await
}

const ENCRYPTED: &str = "etag: \"1\"\r\nx-amz-server-side-encryption: aws:kms\r\n";

#[tokio::test]
async fn a_write_carries_condition_checksum_encryption_owner_and_metadata() {
    let endpoint = Endpoint::new(&[answer("200 OK", ENCRYPTED, "")]);
    assert_eq!(put(&endpoint, Condition::Absent).await, Ok(Written::Done("\"1\"".into())));
    let asked = endpoint.asked().remove(0);
    let expected = [
        "put /example-certs/certs/www/current.json",
        "\r\nif-none-match: *\r\n",
        // printf '{}' | openssl dgst -sha256 -binary | base64
        "\r\nx-amz-checksum-sha256: RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=\r\n",
        "\r\nx-amz-server-side-encryption: aws:kms\r\n",
        "\r\nx-amz-server-side-encryption-aws-kms-key-id: alias/certs\r\n",
        "\r\nx-amz-expected-bucket-owner: 123456789012\r\n",
        "\r\nx-amz-meta-lineage: www\r\n",
        "\r\n\r\n{}",
    ];
    let missing: Vec<_> = expected.into_iter().filter(|text| !asked.contains(&text.to_lowercase())).collect();
    assert!(missing.is_empty(), "{missing:?} in {asked}");
}

#[tokio::test]
async fn a_swap_carries_the_etag() {
    let endpoint = Endpoint::new(&[answer("200 OK", ENCRYPTED, "")]);
    put(&endpoint, Condition::Etag("\"7\"".into())).await.unwrap();
    assert!(endpoint.asked()[0].contains("\r\nif-match: \"7\"\r\n"));
}

#[tokio::test]
async fn a_condition_that_does_not_hold_is_a_refusal_and_no_fault() {
    let endpoint = Endpoint::new(&[refusal("412 Precondition Failed", "PreconditionFailed")]);
    assert_eq!(put(&endpoint, Condition::Absent).await, Ok(Written::Refused));
    let endpoint = Endpoint::new(&[refusal("404 Not Found", "NoSuchKey")]);
    assert_eq!(put(&endpoint, Condition::Etag("\"7\"".into())).await, Ok(Written::Refused));
}

#[tokio::test]
async fn a_write_that_fails_is_sent_once() {
    let failures = [("409 Conflict", "ConditionalRequestConflict"), ("503 Slow Down", "SlowDown")];
    for (status, code) in failures {
        // The second answer would be taken by a second try.
        let endpoint = Endpoint::new(&[refusal(status, code)]);
        let fault = put(&endpoint, Condition::Absent).await.unwrap_err();
        assert_eq!((fault.code, fault.retry), (format!("s3:{code}"), Retry::Later));
        assert_eq!(endpoint.asked().len(), 1);
    }
}

#[tokio::test]
async fn a_denied_write_names_bucket_key_and_permission() {
    let endpoint = Endpoint::new(&[refusal("403 Forbidden", "AccessDenied")]);
    let fault = put(&endpoint, Condition::Absent).await.unwrap_err();
    assert_eq!((fault.code.as_str(), fault.retry), ("s3:AccessDenied", Retry::Never));
    assert_eq!(fault.message, "failed to write `certs/www/current.json` in bucket `example-certs`: the reason");
    assert!(fault.hint.unwrap().contains("s3:PutObject"));
}

#[tokio::test]
async fn a_bucket_that_is_not_there_and_a_wrong_region_say_what_to_correct() {
    for (status, code, hint) in
        [("404 Not Found", "NoSuchBucket", "`bucket:`"), ("301 Moved Permanently", "PermanentRedirect", "`region:`")]
    {
        let endpoint = Endpoint::new(&[refusal(status, code)]);
        let fault = endpoint.bucket().list().await.unwrap_err();
        assert_eq!((fault.code, fault.retry), (format!("s3:{code}"), Retry::Never));
        assert!(fault.hint.unwrap().contains(hint));
    }
}

#[tokio::test]
async fn an_object_without_the_kms_key_is_refused_when_written_and_when_read() {
    let plain = "etag: \"1\"\r\nx-amz-server-side-encryption: AES256\r\n";
    let endpoint = Endpoint::new(&[answer("200 OK", plain, "")]);
    let written = put(&endpoint, Condition::Absent).await.unwrap_err();
    let endpoint = Endpoint::new(&[answer("200 OK", "etag: \"1\"\r\n", "{}")]);
    let read = endpoint.bucket().get("www/current.json").await.unwrap_err();
    assert_eq!([written.code, read.code], ["s3:not-encrypted"; 2]);
    assert_eq!([written.retry, read.retry], [Retry::Never; 2]);
}

#[tokio::test]
async fn an_object_is_read_with_its_etag_and_an_absent_one_is_none() {
    let endpoint = Endpoint::new(&[answer("200 OK", ENCRYPTED, "{}"), refusal("404 Not Found", "NoSuchKey")]);
    let bucket = endpoint.bucket();
    assert_eq!(bucket.get("a").await, Ok(Some((b"{}".to_vec(), "\"1\"".into()))));
    assert_eq!(bucket.get("a").await, Ok(None));
}

#[tokio::test]
async fn an_endless_object_is_not_read_to_its_end() {
    let endpoint = Endpoint::new(&[answer("200 OK", ENCRYPTED, &"x".repeat(MAX_BYTES + 1))]);
    assert_eq!(endpoint.bucket().get("a").await.unwrap_err().code, "s3:too-large");
}

#[tokio::test]
async fn a_list_of_several_pages_comes_as_keys_below_the_prefix() {
    let page = |key: &str, more: &str| {
        let object = format!("<Contents><Key>{key}</Key><ETag>&quot;1&quot;</ETag><Size>2</Size></Contents>");
        answer("200 OK", "", &format!("<ListBucketResult>{more}{object}</ListBucketResult>"))
    };
    let more = "<IsTruncated>true</IsTruncated><NextContinuationToken>next</NextContinuationToken>";
    let endpoint = Endpoint::new(&[page("certs/www/current.json", more), page("certs/www/cert.pem", "")]);
    let object = ObjectSummary { etag: "\"1\"".into(), size: 2 };
    let expected = ["www/cert.pem", "www/current.json"].map(|key| (key.to_owned(), object.clone()));
    assert_eq!(endpoint.bucket().list().await, Ok(BTreeMap::from(expected)));
    assert!(endpoint.asked()[1].contains("continuation-token=next"));
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_unreachable() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let bucket = S3Bucket::new(settings(Some(format!("http://127.0.0.1:{port}"))), &sdk().build());
    let fault = bucket.put("a", b"", &BTreeMap::new(), &Condition::Absent).await.unwrap_err();
    assert_eq!((fault.code.as_str(), fault.retry), ("s3:unreachable", Retry::Later));
}

#[tokio::test]
async fn an_answer_that_breaks_off_leaves_the_write_open() {
    let endpoint = Endpoint::new(&["HTTP/1.1 200 OK\r\netag: ".to_owned()]);
    assert_eq!(put(&endpoint, Condition::Absent).await.unwrap_err().code, "s3:unreachable");
}

#[tokio::test]
async fn missing_credentials_are_named_as_such() {
    let profile = aws_config::profile::ProfileFileCredentialsProvider::builder().profile_name("no-such-profile");
    let sdk = sdk().credentials_provider(SharedCredentialsProvider::new(profile.build())).build();
    let bucket = S3Bucket::new(settings(Some("http://127.0.0.1:9".into())), &sdk);
    let fault = bucket.put("a", b"", &BTreeMap::new(), &Condition::Absent).await.unwrap_err();
    assert_eq!(fault.code, "s3:credentials", "{fault:?}");
}

#[test]
fn an_endpoint_of_the_sdk_config_is_seen_wherever_it_stands() {
    #[derive(Debug)]
    struct OnlyS3;
    impl aws_types::service_config::LoadServiceConfig for OnlyS3 {
        fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
            (key.service_id() == "S3" && key.env() == "AWS_ENDPOINT_URL").then(|| "http://127.0.0.1:9".into())
        }
    }
    assert!(!has_endpoint(&sdk().build()));
    assert!(has_endpoint(&sdk().endpoint_url("http://127.0.0.1:9").build()));
    assert!(has_endpoint(&sdk().service_config(OnlyS3).build()));
}
