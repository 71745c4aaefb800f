//! A validation zone in another AWS account, as docs/route53.md has it.

use super::scene::{Scene, WWW, said};

const ROLE: &str = "arn:aws:iam::222222222222:role/countersign-dns";

#[test]
#[ignore = "needs the lab: ci/install"]
fn a_challenge_that_leads_to_another_account_is_written_by_the_role_of_its_zone() {
    let mut scene = Scene::of(WWW);
    let judge = &scene.lab.judge;
    let other = judge.create_zone_by(ROLE, "acme.test");
    judge.seed(&scene.lab.zone_id, "_acme-challenge.www.lab.test", "CNAME", &["_acme-challenge.www.acme.test."]);

    let run = scene.runner.apply();
    assert_eq!(run.code, Some(3), "the zone is not among those of our own account: {}", said(&run));

    let pin = format!("route53:\n    zones: {{acme.test: {{id: {other}, assume_role: \"{ROLE}\"}}}}");
    scene.runner.config = scene.runner.config.replace("route53:", &pin);
    let run = scene.runner.run(&["apply", "--auto-approve", "--force", "www", "--reason", "the zone is pinned now"]);
    assert_eq!(run.code, Some(0), "{}", said(&run));
    assert!(scene.live("www").exists());
    let zone = |id: &str| format!("/2013-04-01/hostedzone/{id}/rrset");
    let calls = scene.lab.judge.calls();
    let changed: Vec<&str> = calls
        .iter()
        .filter(|call| call.operation == "ChangeResourceRecordSets")
        .map(|call| call.path.as_str())
        .collect();
    assert_eq!(changed, [zone(&other), zone(&other)], "once to write, once to clean up");
    assert_eq!(scene.lab.judge.challenge_values(&other), Vec::<String>::new());
}
