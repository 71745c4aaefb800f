use std::collections::BTreeMap;
use std::time::Duration;

use countersign::dns::{DnsSolver, Settings};
use countersign::port::Solver;
use countersign::sandbox::Options;
use countersign::sandbox::faults::Mishap;

use super::rig::{dns, sandbox, sdk, settings, start, txt};

#[tokio::test]
async fn a_change_is_settled_when_route53_says_so() {
    let sandbox = start(Options { insync_delay: Duration::from_millis(500), ..Options::default() }).await;
    let dns = dns(&sandbox);
    let mine = [txt("Z1", "n.example.test", "mine")];
    let changes = dns.present(&mine).await;
    assert_eq!(dns.settled(&changes[0]).await, Ok(()));
    assert_eq!(sandbox.log().count("GetChange"), 2);
    assert_eq!(dns.visible(&mine).await, [Ok(())]);
    assert_eq!(sandbox.log().count("DNS TXT"), 1);
}

#[tokio::test]
async fn a_refused_change_is_never_settled() {
    let sandbox = sandbox().await;
    let dns = dns(&sandbox);
    sandbox.faults().script("ChangeResourceRecordSets", 1, Mishap::refused(403, "AccessDenied"));
    let changes = dns.present(&[txt("Z1", "n.example.test", "mine")]).await;
    assert_eq!(dns.settled(&changes[0]).await.map_err(|fault| fault.code), Err("route53:AccessDenied".into()));
}

#[tokio::test]
async fn a_value_becomes_visible_when_the_servers_have_it() {
    let sandbox = start(Options { insync_delay: Duration::from_millis(500), ..Options::default() }).await;
    let dns = dns(&sandbox);
    let mine = [txt("Z1", "n.example.test", "mine"), txt("Z2", "n.sub.example.test", "mine")];
    dns.present(&mine).await;
    assert_eq!(dns.visible(&mine).await, [Ok(()), Ok(())]);
}

#[tokio::test]
async fn a_set_that_is_too_large_for_udp_is_visible() {
    let sandbox = sandbox().await;
    let dns = dns(&sandbox);
    let records: Vec<_> = (0..60).map(|at| txt("Z1", "n.example.test", &format!("{at:043}"))).collect();
    dns.present(&records).await;
    assert!(dns.visible(&records).await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_change_that_never_settles_is_given_up_when_its_time_is_over() {
    let sandbox = start(Options { insync_delay: Duration::MAX, ..Options::default() }).await;
    let settings = Settings { insync: Duration::from_millis(600), ..settings(&sandbox) };
    let dns = DnsSolver::new(settings, &sdk(&sandbox), &BTreeMap::new()).unwrap();
    let changes = dns.present(&[txt("Z1", "n.example.test", "mine")]).await;
    let fault = dns.settled(&changes[0]).await.unwrap_err();
    assert_eq!((fault.code.as_str(), sandbox.log().count("GetChange")), ("route53:pending", 2));
}
