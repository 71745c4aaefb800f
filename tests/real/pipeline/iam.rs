//! The policies that `iam-policy` prints are what the commands need: no call is missing, and nothing is there for no call.

use std::collections::BTreeSet;

use serde_json::Value;

use super::scene::{Scene, WWW, json, said};
use crate::lab::{BUCKET, REGION};

/// The action that IAM asks for an operation of the APIs.
fn action(operation: &str) -> String {
    match operation {
        "HeadObject" => "s3:GetObject".into(),
        "ListObjectsV2" => "s3:ListBucket".into(),
        "DeleteObjects" => "s3:DeleteObject".into(),
        "GetPublicAccessBlock" => "s3:GetBucketPublicAccessBlock".into(),
        "GetBucketEncryption" => "s3:GetEncryptionConfiguration".into(),
        s3 if s3.ends_with("Object") || s3.contains("Bucket") => format!("s3:{s3}"),
        route53 => format!("route53:{route53}"),
    }
}

/// Every action that a policy allows.
fn allowed(policy: &Value) -> BTreeSet<String> {
    let statements = policy["Statement"].as_array().unwrap().iter();
    let actions = statements.flat_map(|statement| match &statement["Action"] {
        Value::String(action) => vec![action.clone()],
        actions => actions.as_array().unwrap().iter().map(|action| action.as_str().unwrap().to_owned()).collect(),
    });
    actions.collect()
}

/// What the policies of these roles allow.
fn printed(scene: &Scene, roles: &[&[&str]]) -> BTreeSet<String> {
    scene.runner.write_config();
    let print = |role: &&[&str]| {
        let printed = scene.runner.command(&[&["iam-policy"], *role].concat()).output().unwrap();
        allowed(&json(&String::from_utf8(printed.stdout).unwrap()))
    };
    roles.iter().flat_map(print).collect()
}

/// What is asked of AWS while `work` goes on.
fn asked(scene: &Scene, work: impl FnOnce()) -> BTreeSet<String> {
    let before = scene.lab.judge.calls().len();
    work();
    scene.lab.judge.calls()[before..].iter().map(|call| action(call.operation)).collect()
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn the_printed_policies_allow_what_the_commands_do_and_nothing_else() {
    let mut scene = Scene::of(WWW);
    let runner = printed(&scene, &[&["route53"], &["s3"]]);
    let renew = |scene: &Scene| {
        let run = scene.runner.run(&["apply", "--auto-approve", "--force", "www", "--reason", "a test"]);
        assert_eq!(run.code, Some(0), "{}", said(&run));
    };
    let runs = asked(&scene, || {
        assert_eq!(scene.runner.apply().code, Some(0));
        assert_eq!(scene.runner.apply().code, Some(0));
        renew(&scene);
        let output =
            scene.runner.command(&["rollback", "www", "--reason", "a test", "--auto-approve"]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    });
    assert_eq!(runs, runner);

    // Whoever keeps two versions deletes the others.
    scene.runner.config = scene.runner.config.replace("prefix: certs/", "prefix: certs/, keep: 2");
    let pruner = printed(&scene, &[&["s3"]]);
    let runs = asked(&scene, || renew(&scene));
    assert_eq!(&pruner - &runner, BTreeSet::from(["s3:DeleteObject".to_owned()]));
    assert!(runs.contains("s3:DeleteObject") && runs.is_subset(&(&runner | &pruner)), "{runs:?}");
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn the_policy_of_a_consumer_allows_what_a_pull_does_and_nothing_else() {
    let scene = Scene::applied(WWW);
    let consumer = printed(&scene, &[&["consumer", "--lineage", "www"]]);
    let (endpoint, into) = (scene.lab.judge.url(), scene.lab.dir().join("www").display().to_string());
    let place = ["--bucket", BUCKET, "--prefix", "certs/", "--region", REGION, "--endpoint", &endpoint];
    let runs = asked(&scene, || {
        let output = scene.runner.command(&[&["pull", "www", "--into", &into], &place[..]].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    });
    assert_eq!(runs, consumer);
}
