//! Saved plans: what changed since makes them stale, and whoever edits them gets nothing.

use countersign::sandbox::repo::Signer;

use super::rig::{BUCKET, Lab, Ran};

const ONE: [(&str, &str); 1] = [("www", "www.example.com")];
const TWO: [(&str, &str); 2] = [("api", "api.example.com"), ("www", "www.example.com")];

/// `www` is live, `api` is planned and saved.
fn planned() -> Lab {
    let lab = Lab::new();
    lab.list(&ONE);
    lab.done();
    lab.list(&TWO);
    save(&lab);
    lab
}

fn save(lab: &Lab) {
    let ran = lab.run(&["plan", "--out", "plan.json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

fn apply(lab: &Lab) -> Ran {
    lab.run(&["apply", "plan.json"])
}

/// The saved plan is refused for this reason, and nothing is ordered.
fn assert_stale(lab: &Lab, why: &str) {
    lab.sandbox.log().clear();
    let ran = apply(lab);
    assert_eq!((ran.code, lab.count("newOrder")), (Some(4), 0), "{ran:?}");
    let stale = ran.bad().into_iter().find(|bad| bad.contains("[plan:stale] "));
    assert!(stale.as_ref().is_some_and(|text| text.contains(why)), "{stale:?} does not say {why:?}");
}

#[test]
fn a_saved_plan_is_applied() {
    let lab = planned();
    assert_eq!((apply(&lab).code, lab.live("api")), (Some(0), Some(1)));
}

#[test]
fn a_new_head_makes_a_plan_stale() {
    let lab = planned();
    lab.list(&ONE);
    assert_stale(&lab, "the head was ");
}

#[test]
fn another_trust_root_makes_a_plan_stale() {
    let lab = planned();
    let more = Signer::generate("bob@example.com").allowed_signers_line();
    lab.write("allowed_signers", &(lab.signer.allowed_signers_line() + &more));
    assert_stale(&lab, "the list or the trust root changed");
}

#[test]
fn another_live_version_makes_a_plan_stale() {
    let lab = planned();
    let ran = lab.run(&["apply", "--auto-approve", "--only", "www", "--force", "www", "--reason", "test"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_stale(&lab, "lineage www was at version 1, now it is at version 2");
}

#[test]
fn another_journal_makes_a_plan_stale() {
    let lab = planned();
    let crash = [(countersign::failpoint::VARIABLE, "after-intent")];
    assert_eq!(lab.run_with(&["apply", "--auto-approve"], &crash).code, None);
    assert_stale(&lab, "the journal changed");
}

#[test]
fn another_pointer_makes_a_plan_stale() {
    let lab = planned();
    let key = "certs/www/current.json";
    let body = lab.sandbox.object(BUCKET, key).unwrap().body;
    lab.sandbox.seed_object(BUCKET, key, body).unwrap();
    assert_stale(&lab, "the pointers in bucket certs changed");
}

#[test]
fn a_plan_of_the_day_before_yesterday_is_stale() {
    let lab = planned();
    let mut plan: serde_json::Value = serde_json::from_str(&lab.read("plan.json")).unwrap();
    plan["plan"]["created"] = "2026-01-01T00:00:00Z".into();
    lab.write("plan.json", &plan.to_string());
    assert_stale(&lab, "it is older than 24 hours");
}

#[test]
fn a_head_that_is_refused_since_makes_a_plan_stale() {
    let lab = planned();
    lab.unsigned_list(&ONE);
    assert_stale(&lab, "the head verified then");
}

#[test]
fn an_edited_plan_is_refused() {
    let lab = planned();
    let edited = lab.read("plan.json").replace("api.example.com", "login.example.com");
    lab.write("plan.json", &edited);
    let ran = apply(&lab);
    assert_eq!((ran.code, lab.count("newOrder")), (Some(4), 1), "{ran:?}");
    assert!(ran.bad()[0].contains("[plan:unreadable] the saved plan was changed"), "{ran:?}");
}

#[test]
fn a_plan_with_a_forged_digest_still_adds_nothing() {
    let lab = planned();
    let mut file: serde_json::Value = serde_json::from_str(&lab.read("plan.json")).unwrap();
    let text = file["plan"].to_string().replace("api.example.com", "login.example.com");
    let plan: countersign::plan::Plan = serde_json::from_str(&text).unwrap();
    file = serde_json::json!({"digest": plan.digest(), "plan": plan});
    lab.write("plan.json", &file.to_string());
    assert_stale(&lab, "api was to issue, now it is to issue");
}

#[test]
fn what_the_saved_plan_left_out_is_left_out() {
    let lab = Lab::new();
    lab.list(&TWO);
    lab.run(&["plan", "--only", "api", "--out", "plan.json"]);
    assert_eq!((apply(&lab).code, lab.live("api"), lab.live("www")), (Some(0), Some(1), None));
}

#[test]
fn a_name_that_is_nowhere_is_not_taken_for_nothing_to_do() {
    let lab = planned();
    lab.sandbox.log().clear();
    let nobody = [&["--only", "nobody"][..], &["--force", "nobody", "--reason", "test"]];
    for choice in nobody {
        for command in [&["plan"][..], &["apply", "--auto-approve"]] {
            let ran = lab.run(&[command, choice].concat());
            assert!(ran.code == Some(64) && ran.err.contains("[run:name]"), "{ran:?}");
        }
    }
    assert_eq!(lab.count("newOrder"), 0);
}

#[test]
fn what_is_forced_is_never_left_out_without_a_word() {
    let lab = Lab::new();
    lab.list(&TWO);
    lab.done();
    assert_eq!(lab.ask(&["plan", "--out", "plan.json"]).0, Some(0));
    let forced = ["--force", "www", "--reason", "test"];
    let beside = lab.ask(&[&["apply", "plan.json"][..], &forced].concat());
    assert!(beside.0 == Some(64) && beside.2.contains("cannot be used with"), "{beside:?}");
    let narrowed = lab.ask(&[&["apply", "--auto-approve", "--only", "api"][..], &forced].concat());
    assert!(narrowed.0 == Some(64) && narrowed.2.contains("not among those of --only [run:name]"), "{narrowed:?}");
}
