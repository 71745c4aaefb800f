//! Servers that refuse, throttle or are not there: what fails fails alone, and nothing is lost.

use super::junit::Junit;
use super::scene::{Scene, WWW, said};
use crate::lab::answer::Refusal;
use crate::lab::daemon::free_addresses;
use crate::lab::pebble::Options;
use crate::run::Run;

const THREE: &str = "\
version: 1
defaults: {authority: lab, publish: [certs]}
certificates:
  - name: blocked
    domains: [www.blocked.test]
  - name: elsewhere
    domains: [www.elsewhere.test]
  - name: www
    domains: [www.lab.test]
";

#[test]
#[ignore = "needs the lab: ci/install"]
fn a_name_that_the_ca_blocks_and_one_without_a_zone_fail_alone() {
    let scene = Scene::of(THREE);

    let run = scene.runner.apply();

    assert_eq!(run.code, Some(3), "{}", said(&run));
    assert_eq!(run.summary(), "countersign apply: partial (exit 3): 1 done (1 issued), 2 failed");
    let report = Junit::of(&run);
    assert_eq!(report.bad(), ["certs.issue/blocked", "certs.issue/elsewhere"]);
    let blocked = report.message("certs.issue", "blocked");
    assert!(blocked.starts_with("[acme:rejectedIdentifier] issue: "), "{blocked}");
    let way_out = report.text("certs.issue", "elsewhere");
    assert!(way_out.contains("dns.route53.zones") && way_out.contains("ACME_HOSTED_ZONE"), "{way_out}");
    assert!(scene.live("www").exists());
    assert_eq!(scene.challenge_values(), Vec::<String>::new());
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn a_zone_that_is_named_is_not_looked_for() {
    let mut scene = Scene::of(WWW);
    scene.lab.judge.refuse("ListHostedZones", usize::MAX, Refusal::Denied);
    scene.runner.env.insert("ACME_HOSTED_ZONE", scene.lab.zone_id.clone());

    let run = scene.runner.apply();
    assert_eq!(run.code, Some(0), "{}", said(&run));

    scene.runner.env.remove("ACME_HOSTED_ZONE");
    let pin = format!("route53:\n    zones: {{lab.test: {}}}", scene.lab.zone_id);
    scene.runner.config = scene.runner.config.replace("route53:", &pin);
    let run = renew(&scene);
    assert_eq!(run.code, Some(0), "{}", said(&run));
    assert_eq!(scene.lab.judge.count("ListHostedZones"), 0);
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn throttling_is_waited_out() {
    let scene = Scene::of(WWW);
    scene.lab.judge.refuse("ChangeResourceRecordSets", 3, Refusal::Throttled);
    scene.lab.judge.refuse("GetChange", 2, Refusal::Throttled);

    let run = scene.runner.apply();

    assert_eq!(run.code, Some(0), "{}", said(&run));
    assert_eq!(scene.asked().dns_changes, 3 + 2);
    assert_eq!(scene.requests().new_order, 1);
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn what_route53_denied_is_finished_with_the_same_order_once_it_is_allowed() {
    let scene = Scene::of(WWW);
    scene.lab.judge.refuse("ChangeResourceRecordSets", usize::MAX, Refusal::Denied);

    let run = scene.runner.apply();

    assert_eq!(run.code, Some(3), "{}", said(&run));
    let report = Junit::of(&run);
    assert_eq!(report.bad(), ["certs.issue/www"]);
    let text = report.text("certs.issue", "www");
    assert!(text.contains("allow route53:ChangeResourceRecordSets"), "{text}");

    scene.lab.judge.refuse("ChangeResourceRecordSets", 0, Refusal::Denied);
    let run = renew(&scene);
    assert_eq!(run.code, Some(0), "{}", said(&run));
    assert_eq!((scene.requests().new_order, scene.requests().finalize), (1, 1));
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn what_s3_denied_is_published_later_without_an_order() {
    let scene = Scene::of(WWW);
    scene.lab.judge.refuse("PutObject", usize::MAX, Refusal::Denied);

    let run = scene.runner.apply();

    assert_eq!(run.code, Some(3), "{}", said(&run));
    let report = Junit::of(&run);
    // The head of the audit log could not be uploaded either.
    assert_eq!(report.bad(), ["certs.source/completed", "certs.publish/www"]);
    assert!(report.message("certs.publish", "www").starts_with("[s3:AccessDenied] "));
    let text = report.text("certs.publish", "www");
    assert!(text.contains("s3:PutObject"), "{text}");
    assert!(scene.live("www").exists());

    scene.lab.judge.refuse("PutObject", 0, Refusal::Denied);
    let run = scene.runner.apply();
    assert_eq!(run.summary(), "countersign apply: done (exit 0): 1 done (1 published), 0 failed", "{}", said(&run));
    assert_eq!(scene.requests().new_order, 1);
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn a_bucket_that_may_not_be_listed_does_not_hold_up_issuance() {
    let scene = Scene::applied(WWW);
    scene.push(&WWW.replace("[www.lab.test]", "[www.lab.test, lab.test]"));
    scene.lab.judge.refuse("ListObjectsV2", usize::MAX, Refusal::Denied);

    let run = scene.runner.apply();

    assert_eq!(run.code, Some(3), "{}", said(&run));
    let report = Junit::of(&run);
    assert_eq!(report.bad(), ["certs.publish/www"]);
    let text = report.text("certs.publish", "www");
    assert!(text.contains("s3:ListBucket"), "{text}");
    assert_eq!(scene.meta("www")["version"], 2);
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn without_its_ca_a_certificate_fails_and_the_store_stays_as_it_was() {
    let mut scene = Scene::applied(WWW);
    let [nobody] = free_addresses();
    let directory = scene.lab.pebble.directory();
    scene.runner.config = scene.runner.config.replace(&directory, &format!("https://{nobody}/dir"));
    let possessions = scene.possessions();

    let run = renew(&scene);

    assert_eq!(run.code, Some(3), "{}", said(&run));
    let report = Junit::of(&run);
    assert_eq!(report.bad(), ["certs.issue/www"]);
    assert!(report.message("certs.issue", "www").starts_with("[acme:unreachable] "), "{}", said(&run));
    assert!(report.text("certs.issue", "www").contains(&nobody.to_string()), "{}", said(&run));
    assert!(report.text("certs.issue", "www").contains("hint: "), "{}", said(&run));
    assert_eq!(scene.possessions(), possessions);
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn a_pebble_that_refuses_nonces_issues_all_the_same_and_reused_authorizations_need_no_dns() {
    // Present and clean up, in each run that has to.
    for (authz_reuse, dns_changes) in [(100, 2), (0, 4)] {
        assert_issues_twice(Options { nonce_reject: 15, authz_reuse, ..Options::default() }, dns_changes);
    }
}

fn assert_issues_twice(options: Options, dns_changes: usize) {
    let names = ["a", "b", "c", "d", "e", "f"];
    let entries: String = names.iter().map(|n| format!("  - {{name: {n}, domains: [{n}.lab.test]}}\n")).collect();
    let list = format!("version: 1\ndefaults: {{authority: lab, publish: []}}\ncertificates:\n{entries}");
    let scene = Scene::with_pebble(&list, options);

    let first = scene.runner.apply();
    let force: Vec<&str> = names.iter().flat_map(|name| ["--force", name]).collect();
    let again = scene.runner.run(&[&["apply", "--auto-approve", "--reason", "test"][..], &force].concat());

    assert_eq!((first.code, again.code), (Some(0), Some(0)), "{}{}", said(&first), said(&again));
    assert!(names.iter().all(|name| scene.meta(name)["version"] == 2));
    assert_eq!(scene.asked().dns_changes, dns_changes);
}

fn renew(scene: &Scene) -> Run {
    scene.runner.run(&["apply", "--auto-approve", "--force", "www", "--reason", "test"])
}
