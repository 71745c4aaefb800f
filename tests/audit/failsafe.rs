//! Failing safe: T59 and the last bullets of trust.

use std::fs;

use time::format_description::well_known::Rfc3339;

use super::rig::{House, now};

/// The serial numbers that the CA issued for a name.
fn issued(house: &House, name: &str) -> usize {
    let text = format!("{name}.example.com");
    house.sandbox.issued().iter().filter(|issued| issued.names.contains(&text)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_head_blocks_everything_new_while_what_is_due_is_renewed_with_a_failing_case() {
    let house = House::with(&["www"]).await;
    house.apply().must(0);
    house.make_due("www", now());
    house.list(&["www", "evil"], None);
    house.apply().must(4);
    assert_eq!((issued(&house, "www"), issued(&house, "evil")), (2, 0));
    assert!(house.junit().contains("[S01-unsigned]"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_failing_case_comes_again_each_night() {
    let house = House::with(&["www"]).await;
    house.apply().must(0);
    house.list(&["www", "evil"], None);
    for _ in 0..2 {
        house.apply().must(4);
        assert!(house.junit().contains("[S01-unsigned]"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_config_repo_out_of_reach_blocks_everything_new_while_what_is_due_is_renewed() {
    let house = House::with(&["www"]).await;
    house.apply().must(0);
    house.make_due("www", now());
    fs::rename(house.repo.path(), house.path("away.git")).unwrap();
    assert_eq!(house.apply().code, 1);
    assert_eq!(issued(&house, "www"), 2);
    assert!(house.junit().contains("name=\"contact\"") && house.junit().contains("[git:"));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_max_stale_nothing_is_renewed_either() {
    let house = House::with(&["www"]).await;
    house.apply().must(0);
    house.make_due("www", now());
    house.configure("max_stale: 2d");
    let old = (now() - time::Duration::days(3)).format(&Rfc3339).unwrap();
    house.edit_json("state/trust-state.json", |state| state["verified_at"] = old.into());
    house.list(&["www", "evil"], None);
    house.apply().must(4);
    assert_eq!((issued(&house, "www"), issued(&house, "evil")), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_a_verified_commit_removed_stops_at_once() {
    let house = House::with(&["www", "api"]).await;
    house.apply().must(0);
    house.make_due("api", now());
    house.list(&["www"], Some(&house.bob));
    house.apply().must(0);
    assert_eq!(issued(&house, "api"), 1);
    assert!(!house.path("state/live/api").exists() && house.path("state/stash/api").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_a_verified_commit_removed_stays_stopped_although_the_next_head_is_refused() {
    let house = House::with(&["www", "api"]).await;
    house.apply().must(0);
    house.make_due("api", now());
    house.list(&["www"], Some(&house.bob));
    house.run(&["verify"]).must(0);
    house.list(&["www", "api", "evil"], None);
    house.apply().must(4);
    assert_eq!((issued(&house, "api"), issued(&house, "evil")), (1, 0));
    assert!(!house.path("state/live/api").exists() && house.path("state/stash/api").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_written_stops_the_run_before_the_order() {
    let house = House::with(&["www"]).await;
    house.run(&["verify"]).must(0);
    fs::rename(house.path("state/audit.jsonl"), house.path("log")).unwrap();
    std::os::unix::fs::symlink(house.path("log"), house.path("state/audit.jsonl")).unwrap();
    house.apply().must(1);
    assert_eq!(house.orders(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_has_not_moved_for_too_long_blocks_everything_new_until_it_moves() {
    let house = House::with(&["www", "api"]).await;
    house.run(&["apply", "--auto-approve", "--only", "www"]).must(0);
    house.make_due("www", now());
    house.configure("max_quiet: 2d");
    let old = (now() - time::Duration::days(3)).format(&Rfc3339).unwrap();
    house.edit_json("state/trust-state.json", |state| state["moved_at"] = old.into());
    for _ in 0..2 {
        house.apply().must(4);
        assert!(house.junit().contains("name=\"no-rollback\"") && house.junit().contains("[H02-freeze]"));
    }
    assert_eq!((issued(&house, "www"), issued(&house, "api")), (2, 0));
    house.repo.commit(&[], "Nothing new", Some(&house.ann)).unwrap();
    house.apply().must(0);
    assert_eq!(issued(&house, "api"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_head_is_no_stale_one() {
    let house = House::with(&["www"]).await;
    house.apply().must(0);
    house.make_due("www", now());
    house.configure("max_quiet: 2d, max_stale: 2d");
    let old = (now() - time::Duration::days(3)).format(&Rfc3339).unwrap();
    house.edit_json("state/trust-state.json", |state| state["moved_at"] = old.into());
    house.apply().must(4);
    assert_eq!(issued(&house, "www"), 2);
    let state: serde_json::Value = serde_json::from_str(&house.read("state/trust-state.json")).unwrap();
    assert!(state["verified_at"].as_str() > state["moved_at"].as_str());
}
