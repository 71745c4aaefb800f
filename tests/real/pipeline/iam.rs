//! The policies that `iam-policy` prints are what a run needs: no call is missing, and nothing is there for no call.

use std::collections::BTreeSet;

use serde_json::Value;

use super::scene::{Scene, WWW, json};

/// The action that IAM asks for an operation of the APIs.
fn action(operation: &str) -> String {
    match operation {
        "HeadObject" => "s3:GetObject".into(),
        "ListObjectsV2" => "s3:ListBucket".into(),
        "DeleteObjects" => "s3:DeleteObject".into(),
        "GetPublicAccessBlock" => "s3:GetBucketPublicAccessBlock".into(),
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

#[test]
#[ignore = "needs the lab: ci/install"]
fn the_printed_policies_allow_what_a_run_does_and_nothing_else() {
    let scene = Scene::of(WWW);
    let policies = ["route53", "s3"].map(|role| {
        scene.runner.write_config();
        let printed = scene.runner.command(&["iam-policy", role]).output().unwrap();
        json(&String::from_utf8(printed.stdout).unwrap())
    });
    let before = scene.lab.judge.calls().len();
    assert_eq!(scene.runner.apply().code, Some(0));
    assert_eq!(scene.runner.apply().code, Some(0));

    let calls = scene.lab.judge.calls();
    let asked: BTreeSet<String> = calls[before..].iter().map(|call| action(call.operation)).collect();
    let allowed: BTreeSet<String> = policies.iter().flat_map(allowed).collect();
    assert_eq!(asked, allowed);
}
