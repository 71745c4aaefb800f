use std::collections::BTreeMap;

use aws_config::SdkConfig;
use countersign::dns::DnsSolver;
use countersign::port::Solver;
use countersign::sandbox::faults::Mishap;

use super::rig::{codes, dns, sandbox, seed_answer, seed_txt, seed_weighted, settings, txt, txt_sets};

#[tokio::test]
async fn two_values_of_one_name_are_one_set() {
    let sandbox = sandbox().await;
    let records = [txt("Z1", "n.example.test", "one"), txt("Z1", "n.example.test", "two")];
    let changes = dns(&sandbox).present(&records).await;
    assert_eq!(codes(&changes), ["ok"]);
    assert_eq!(txt_sets(&sandbox, "Z1"), [r#"n.example.test 60 "one" "two""#]);
}

#[tokio::test]
async fn a_hundred_names_are_one_batch_and_one_read() {
    let sandbox = sandbox().await;
    let records: Vec<_> = (0..100).map(|at| txt("Z1", &format!("n{at}.example.test"), &format!("v{at}"))).collect();
    let changes = dns(&sandbox).present(&records).await;
    assert_eq!(changes.iter().map(|change| change.records.len()).collect::<Vec<_>>(), [100]);
    assert_eq!(sandbox.log().count("ListResourceRecordSets"), 1);
    assert_eq!(sandbox.log().count("ChangeResourceRecordSets"), 1);
}

#[tokio::test]
async fn names_that_sort_before_their_prefix_are_cleaned_up_too() {
    let sandbox = sandbox().await;
    let names = ["api", "api-eu", "api-us", "mail"];
    let records = names.map(|name| txt("Z1", &format!("_acme-challenge.{name}.example.test"), name));
    let dns = dns(&sandbox);
    dns.present(&records).await;
    assert_eq!(codes(&dns.clean_up(&records).await), ["ok"]);
    assert_eq!(txt_sets(&sandbox, "Z1").len(), 0);
}

#[tokio::test]
async fn names_beyond_one_request_are_several_batches() {
    let sandbox = sandbox().await;
    let value = "v".repeat(43);
    let records: Vec<_> = (0..800).map(|at| txt("Z1", &format!("n{at}.example.test"), &value)).collect();
    let changes = dns(&sandbox).present(&records).await;
    assert_eq!(codes(&changes), ["ok", "ok"]);
    assert_eq!(txt_sets(&sandbox, "Z1").len(), 800);
    // Now the zone has more sets than a page.
    assert_eq!(codes(&dns(&sandbox).clean_up(&records).await), ["ok", "ok"]);
    assert_eq!(txt_sets(&sandbox, "Z1").len(), 0);
}

#[tokio::test]
async fn each_zone_has_its_own_change() {
    let sandbox = sandbox().await;
    let records = [txt("Z1", "n.example.test", "one"), txt("Z2", "n.sub.example.test", "two")];
    assert_eq!(codes(&dns(&sandbox).present(&records).await), ["ok", "ok"]);
}

#[tokio::test]
async fn foreign_values_and_their_ttl_outlive_ours() {
    let sandbox = sandbox().await;
    seed_txt(&sandbox, "Z1", "n.example.test", 300, r#""v=spf1 \"x\" \\ \303\244" "more""#);
    let dns = dns(&sandbox);
    let mine = [txt("Z1", "n.example.test", "mine")];
    dns.present(&mine).await;
    assert_eq!(txt_sets(&sandbox, "Z1"), [r#"n.example.test 300 "v=spf1 \"x\" \\ \303\244" "more" "mine""#]);
    dns.clean_up(&mine).await;
    assert_eq!(txt_sets(&sandbox, "Z1"), [r#"n.example.test 300 "v=spf1 \"x\" \\ \303\244" "more""#]);
}

#[tokio::test]
async fn a_value_that_is_there_is_settled_without_a_change() {
    let sandbox = sandbox().await;
    let dns = dns(&sandbox);
    let mine = [txt("Z1", "n.example.test", "mine")];
    dns.present(&mine).await;
    let again = dns.present(&mine).await;
    assert_eq!(again[0].result, Ok(String::new()));
    assert_eq!(dns.settled(&again[0]).await, Ok(()));
    assert_eq!(sandbox.log().count("GetChange"), 0);
}

#[tokio::test]
async fn a_value_that_is_gone_is_cleaned_up() {
    let sandbox = sandbox().await;
    let changes = dns(&sandbox).clean_up(&[txt("Z1", "n.example.test", "mine")]).await;
    assert_eq!(changes[0].result, Ok(String::new()));
}

#[tokio::test]
async fn a_set_with_a_routing_policy_is_left_alone_and_others_go_on() {
    let sandbox = sandbox().await;
    seed_weighted(&sandbox, "Z1", "many.example.test");
    let records = [txt("Z1", "many.example.test", "mine"), txt("Z1", "n.example.test", "mine")];
    let changes = dns(&sandbox).present(&records).await;
    assert_eq!(codes(&changes), ["route53:unsupported-set", "ok"]);
}

#[tokio::test]
async fn beside_multivalue_answers_ours_come_and_go_and_theirs_stay() {
    let sandbox = sandbox().await;
    for id in ["cert-manager-1", "cert-manager-2"] {
        seed_answer(&sandbox, "Z1", "n.example.test", id);
    }
    let before = txt_sets(&sandbox, "Z1");
    let dns = dns(&sandbox);
    let mine = [txt("Z1", "n.example.test", "one"), txt("Z1", "n.example.test", "two")];
    assert_eq!(codes(&dns.present(&mine).await), ["ok"]);
    assert_eq!(sandbox.txt("n.example.test"), ["cert-manager-1", "cert-manager-2", "one", "two"]);
    assert_eq!(dns.present(&mine).await[0].result, Ok(String::new()), "they are there already");
    assert_eq!(codes(&dns.clean_up(&mine).await), ["ok"]);
    assert_eq!(txt_sets(&sandbox, "Z1"), before);
}

#[tokio::test]
async fn more_multivalue_answers_than_route53_gives_are_refused() {
    let sandbox = sandbox().await;
    for at in 0..8 {
        seed_answer(&sandbox, "Z1", "n.example.test", &format!("a{at}"));
    }
    let changes = dns(&sandbox).present(&[txt("Z1", "n.example.test", "mine")]).await;
    assert_eq!(codes(&changes), ["route53:too-many-answers"]);
}

#[tokio::test]
async fn a_name_outside_of_its_zone_fails_alone() {
    let sandbox = sandbox().await;
    let records = [txt("Z1", "n.example.test", "mine"), txt("Z1", "n.other.test", "mine")];
    let mut codes = codes(&dns(&sandbox).present(&records).await);
    codes.sort_unstable();
    assert_eq!(codes, ["ok", "route53:InvalidChangeBatch"]);
}

#[tokio::test]
async fn a_refused_batch_is_read_again() {
    let sandbox = sandbox().await;
    sandbox.faults().script("ChangeResourceRecordSets", 2, Mishap::refused(400, "InvalidChangeBatch"));
    let changes = dns(&sandbox).present(&[txt("Z1", "n.example.test", "mine")]).await;
    assert_eq!(codes(&changes), ["ok"]);
    assert_eq!(sandbox.log().count("ListResourceRecordSets"), 3);
}

#[tokio::test]
async fn a_lost_answer_leaves_one_value() {
    let sandbox = sandbox().await;
    sandbox.faults().script("ChangeResourceRecordSets", 1, Mishap::Lost);
    let changes = dns(&sandbox).present(&[txt("Z1", "n.example.test", "mine")]).await;
    assert_eq!(codes(&changes), ["ok"]);
    assert_eq!(txt_sets(&sandbox, "Z1"), [r#"n.example.test 60 "mine""#]);
}

#[tokio::test]
async fn throttling_is_waited_out() {
    let sandbox = sandbox().await;
    sandbox.faults().script("ChangeResourceRecordSets", 1, Mishap::throttled());
    sandbox.faults().script("ListResourceRecordSets", 1, Mishap::refused(400, "PriorRequestNotComplete"));
    assert_eq!(codes(&dns(&sandbox).present(&[txt("Z1", "n.example.test", "mine")]).await), ["ok"]);
}

#[tokio::test]
async fn credentials_that_expire_are_tried_once_more_and_no_longer() {
    for (refusals, expected) in [(1, "ok"), (2, "route53:ExpiredToken")] {
        let sandbox = sandbox().await;
        let faults = sandbox.faults();
        faults.script("ListResourceRecordSets", refusals, Mishap::refused(403, "ExpiredToken"));
        assert_eq!(codes(&dns(&sandbox).present(&[txt("Z1", "n.example.test", "mine")]).await), [expected]);
        assert_eq!(sandbox.log().count("ListResourceRecordSets"), 2);
    }
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    let sandbox = sandbox().await;
    sandbox.faults().script("ChangeResourceRecordSets", 1, Mishap::refused(403, "AccessDenied"));
    let mut changes = dns(&sandbox).present(&[txt("Z1", "n.example.test", "mine")]).await;
    let fault = changes.remove(0).result.unwrap_err();
    assert_eq!(fault.code, "route53:AccessDenied");
    assert!(fault.hint.unwrap().contains("route53:ChangeResourceRecordSets"));
}

#[tokio::test]
async fn an_unknown_zone_is_named() {
    let sandbox = sandbox().await;
    let mut changes = dns(&sandbox).present(&[txt("Z404", "n.example.test", "mine")]).await;
    let fault = changes.remove(0).result.unwrap_err();
    assert_eq!(fault.code, "route53:NoSuchHostedZone");
    assert!(fault.message.contains("Z404"), "{}", fault.message);
}

#[tokio::test]
async fn without_credentials_the_way_to_give_them_is_shown() {
    let sandbox = sandbox().await;
    let bare = SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::new("us-east-1"))
        .endpoint_url(sandbox.route53_url())
        .build();
    let dns = DnsSolver::new(settings(&sandbox), &bare, &BTreeMap::new()).unwrap();
    let mut changes = dns.present(&[txt("Z1", "n.example.test", "mine")]).await;
    let fault = changes.remove(0).result.unwrap_err();
    assert_eq!(fault.code, "aws:no-credentials", "{fault:?}");
}
