//! The SDK that the binary uses understands what the judge and moto say.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_route53::error::ProvideErrorMetadata;
use aws_sdk_route53::types::{
    Change, ChangeAction, ChangeBatch, ChangeStatus, ResourceRecord, ResourceRecordSet, RrType,
};
use aws_sdk_s3::config::Credentials;
use aws_sdk_s3::types::ChecksumAlgorithm;

use crate::lab::answer::Refusal;
use crate::lab::judge::Judge;
use crate::lab::moto::Moto;
use crate::lab::web::wait;
use crate::lab::{BUCKET, REGION, ZONE, bucket};

#[test]
#[ignore = "needs the lab: ci/install"]
fn the_sdk_lists_zones_and_changes_records() {
    let dir = tempfile::tempdir().unwrap();
    let (judge, _moto) = judge(dir.path());
    let id = judge.create_zone(ZONE);
    let route53 = aws_sdk_route53::Client::new(&config(&judge));

    let status = wait(async {
        let zones = route53.list_hosted_zones().send().await.unwrap();
        assert_eq!(zones.hosted_zones()[0].id(), format!("/hostedzone/{id}"));
        let made = route53.change_resource_record_sets().hosted_zone_id(&id).change_batch(create()).send().await;
        let change = made.unwrap().change_info.unwrap();
        route53.get_change().id(change.id()).send().await.unwrap().change_info.unwrap().status
    });

    assert_eq!(status, ChangeStatus::Insync);
    assert_eq!(judge.challenge_values(&id), ["\"one\""]);
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn the_sdk_reads_the_code_of_each_refusal() {
    let dir = tempfile::tempdir().unwrap();
    let (judge, _moto) = judge(dir.path());
    let id = judge.create_zone(ZONE);
    judge.seed(&id, &format!("_acme-challenge.{ZONE}"), "TXT", &["\"one\""]);
    let route53 = aws_sdk_route53::Client::new(&config(&judge));
    let refused = || {
        let change = route53.change_resource_record_sets().hosted_zone_id(&id).change_batch(create());
        wait(async { change.send().await.unwrap_err().code().unwrap().to_owned() })
    };

    assert_eq!(refused(), "InvalidChangeBatch");
    judge.refuse("ChangeResourceRecordSets", usize::MAX, Refusal::Throttled);
    assert_eq!(refused(), "Throttling");
    judge.refuse("ChangeResourceRecordSets", usize::MAX, Refusal::Denied);
    assert_eq!(refused(), "AccessDenied");
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn a_conditional_put_of_the_sdk_happens_once_and_boto3_reads_it() {
    let dir = tempfile::tempdir().unwrap();
    let (judge, _moto) = judge(dir.path());
    judge.create_bucket(BUCKET, REGION);
    let path_style = aws_sdk_s3::config::Builder::from(&config(&judge)).force_path_style(true).build();
    let s3 = aws_sdk_s3::Client::from_conf(path_style);
    let put = |body: &'static [u8]| {
        let put = s3.put_object().bucket(BUCKET).key("certs/www/current.json").body(body.to_vec().into());
        let put = put.if_none_match("*").checksum_algorithm(ChecksumAlgorithm::Sha256).metadata("lineage", "www");
        wait(async { put.send().await.err().map(|e| e.code().unwrap().to_owned()) })
    };

    assert_eq!(put(b"first"), None);
    assert_eq!(put(b"second").as_deref(), Some("PreconditionFailed"));

    let objects = bucket::read(&judge, BUCKET, REGION);
    assert_eq!(objects["certs/www/current.json"].body, "first");
    assert_eq!(objects["certs/www/current.json"].metadata["lineage"], "www");
}

fn judge(dir: &std::path::Path) -> (Judge, Moto) {
    let moto = Moto::start(dir);
    (Judge::start(&moto), moto)
}

fn config(judge: &Judge) -> SdkConfig {
    let credentials = Credentials::new("lab", "lab-secret", None, None, "lab");
    let config = aws_config::defaults(BehaviorVersion::latest()).no_credentials().region(Region::new(REGION));
    wait(config.credentials_provider(credentials).endpoint_url(judge.url()).load())
}

fn create() -> ChangeBatch {
    let record = ResourceRecord::builder().value("\"one\"").build().unwrap();
    let set = ResourceRecordSet::builder().name(format!("_acme-challenge.{ZONE}")).r#type(RrType::Txt).ttl(60);
    let set = set.resource_records(record).build().unwrap();
    let change = Change::builder().action(ChangeAction::Create).resource_record_set(set).build().unwrap();
    ChangeBatch::builder().changes(change).build().unwrap()
}
