use std::collections::{BTreeMap, BTreeSet};

use aws_config::SdkConfig;
use aws_sdk_route53::config::{Credentials, SharedCredentialsProvider};
use countersign::dns::{DnsSolver, Pin, Settings};
use countersign::journal::Proof;
use countersign::port::Solver;
use countersign::sandbox::{
    ACCESS_KEY, Call, OTHER_ACCESS_KEY, OTHER_ROLE, OTHER_SECRET_KEY, Options, Sandbox, Throttle,
};

use super::rig::{codes, sandbox, sdk, settings, start, txt, txt_sets};

/// The sandbox with the zone Z9 other.test in the second account.
async fn two_accounts() -> Sandbox {
    let sandbox = sandbox().await;
    sandbox.add_other_zone("Z9", "other.test").unwrap();
    sandbox
}

/// An adapter that reaches Z9 by its role.
fn dns(sandbox: &Sandbox) -> DnsSolver {
    let other = Credentials::new(OTHER_ACCESS_KEY, OTHER_SECRET_KEY, None, None, "test");
    let other: SdkConfig =
        sdk(sandbox).into_builder().credentials_provider(SharedCredentialsProvider::new(other)).build();
    let pin = Pin { id: "Z9".to_owned(), role: Some(OTHER_ROLE.to_owned()) };
    let settings = Settings { pins: BTreeMap::from([("other.test".to_owned(), pin)]), ..settings(sandbox) };
    DnsSolver::new(settings, &sdk(sandbox), &BTreeMap::from([(OTHER_ROLE.to_owned(), other)])).unwrap()
}

fn of<'c>(calls: &'c [Call], account: &str) -> Vec<&'c Call> {
    calls.iter().filter(|call| call.principal.as_deref() == Some(account)).collect()
}

#[tokio::test]
async fn each_zone_is_changed_and_waited_for_by_the_account_that_it_is_in() {
    let sandbox = two_accounts().await;
    let dns = dns(&sandbox);
    let mine = [txt("Z1", "n.example.test", "one"), txt("Z9", "n.other.test", "two")];
    let changes = dns.present(&mine).await;
    for change in &changes {
        assert_eq!(dns.settled(change).await, Ok(()));
    }
    let calls = sandbox.log().calls();
    let other: BTreeSet<&str> = of(&calls, OTHER_ACCESS_KEY).iter().map(|call| call.operation.as_str()).collect();
    assert_eq!(other, BTreeSet::from(["ChangeResourceRecordSets", "GetChange", "ListResourceRecordSets"]));
    assert_eq!(txt_sets(&sandbox, "Z9"), [r#"n.other.test 60 "two""#]);
    assert_eq!(codes(&dns.clean_up(&mine).await), ["ok", "ok"]);
    assert_eq!(txt_sets(&sandbox, "Z9"), [""; 0]);
}

#[tokio::test]
async fn a_zone_of_another_account_without_its_role_is_denied_by_name() {
    let sandbox = two_accounts().await;
    let changes = super::rig::dns(&sandbox).present(&[txt("Z9", "n.other.test", "mine")]).await;
    assert_eq!(codes(&changes), ["route53:AccessDenied"]);
}

#[tokio::test]
async fn an_account_without_room_does_not_hold_the_other() {
    let sandbox = two_accounts().await;
    sandbox.throttle(OTHER_ACCESS_KEY, Throttle { requests: (1, 1), changes: (1, 1) });
    let dns = dns(&sandbox);
    let changes = dns.present(&[txt("Z1", "n.example.test", "one"), txt("Z9", "n.other.test", "two")]).await;
    assert_eq!(codes(&changes), ["ok", "ok"]);
    let calls = sandbox.log().calls();
    let (own, other) = (of(&calls, ACCESS_KEY), of(&calls, OTHER_ACCESS_KEY));
    assert!(own.iter().all(|call| call.status == Some(200)), "{own:?}");
    assert!(other.iter().any(|call| call.status == Some(400)), "{other:?}");
    assert!(own.last().unwrap().ended < Some(other.last().unwrap().began), "{calls:?}");
}

/// Requests and changes each have a bucket of their own at Route53, and nobody says how large.
#[tokio::test]
async fn many_zones_find_their_pace_under_two_buckets() {
    let zones: Vec<String> = (0..12).map(|at| format!("z{at}.test")).collect();
    let listed = zones.iter().enumerate().map(|(at, name)| (format!("Z{at}"), name.clone())).collect();
    let sandbox = Sandbox::start(Options { zones: listed, ..Options::default() }).await.unwrap();
    sandbox.throttle(ACCESS_KEY, Throttle { requests: (15, 10), changes: (4, 4) });
    let records: Vec<Proof> =
        zones.iter().enumerate().map(|(at, name)| txt(&format!("Z{at}"), &format!("n.{name}"), "mine")).collect();
    let changes = super::rig::dns(&sandbox).present(&records).await;
    assert!(changes.len() == 12 && changes.iter().all(|change| change.result.is_ok()), "{changes:?}");
    let refused = sandbox.log().calls().iter().filter(|call| call.status == Some(400)).count();
    assert!(refused > 0 && refused <= 24, "{refused} refused");
}

#[tokio::test]
async fn zones_wait_for_their_changes_beside_each_other() {
    let delay = std::time::Duration::from_millis(700);
    let sandbox = start(Options { insync_delay: delay, ..Options::default() }).await;
    let dns = super::rig::dns(&sandbox);
    let changes = dns.present(&[txt("Z1", "n.example.test", "one"), txt("Z2", "n.sub.example.test", "two")]).await;
    let waits = changes.iter().map(|change| dns.settled(change));
    assert_eq!(futures::future::join_all(waits).await, [Ok(()), Ok(())]);
    let calls = sandbox.log().calls();
    let polls: Vec<&str> =
        calls.iter().filter(|call| call.operation == "GetChange").map(|call| call.subject.as_str()).collect();
    assert_ne!(polls[0], polls[1], "the second zone is asked before the first has settled: {polls:?}");
}
