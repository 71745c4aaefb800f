//! `doctor` and `plan --probe`: what would stop an order, and the CAA record that completes the promise.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::rig::{House, Ran};

/// State of each check, the worst where there are several.
fn states(ran: &Ran) -> BTreeMap<String, String> {
    let mut states = BTreeMap::new();
    for line in ran.json()["checks"].as_array().unwrap() {
        let text = |key: &str| line[key].as_str().unwrap().to_owned();
        let state = states.entry(text("check")).or_insert_with(String::new);
        if state.as_str() != "fail" {
            *state = text("state");
        }
    }
    // What depends on the machine.
    for check in ["user", "space", "disk"] {
        states.remove(check);
    }
    states
}

fn fix_of(ran: &Ran, check: &str) -> String {
    let json = ran.json();
    let lines = json["checks"].as_array().unwrap();
    lines.iter().find(|line| line["check"] == check).unwrap()["fix"].as_str().unwrap().to_owned()
}

fn content(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(content(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap_or_default());
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_finds_everything_in_order_and_changes_nothing() {
    let house = House::with(&["www"]).await;
    house.apply().must(0);
    let before = (content(&house.path("state")), house.orders());
    let seen = house.run(&["doctor", "--json"]).must(0);
    let fine = [
        "ari",
        "audit",
        "bucket",
        "bucket-safety",
        "ca",
        "clock",
        "config",
        "every",
        "lock",
        "repo",
        "store",
        "tip",
        "trust",
        "zone",
    ];
    let expected = fine.iter().map(|check| ((*check).to_owned(), "ok".to_owned()));
    let expected: BTreeMap<_, _> =
        expected.chain(["aws", "caa"].map(|check| (check.to_owned(), "warn".to_owned()))).collect();
    assert_eq!(states(&seen), expected);
    assert!((content(&house.path("state")), house.orders()) == before);
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_makes_neither_a_store_nor_an_account() {
    let house = House::with(&["www"]).await;
    house.run(&["doctor"]).must(0);
    assert!(!house.path("state").exists());
    assert_eq!(house.sandbox.log().count("newAccount"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_that_doctor_prints_seals_the_zone_and_lets_the_next_order_through() {
    let house = House::with(&["www"]).await;
    house.apply().must(0);
    let fix = fix_of(&house.run(&["doctor", "--json"]), "caa");
    let record = fix.split("CAA ").nth(1).unwrap().to_owned();
    assert!(fix.contains("example.com. CAA 0 issue \"sandbox.test; accounturi=https://127.0.0.1:"), "{fix}");
    assert!(record.ends_with("; validationmethods=dns-01\""), "{record}");
    house.record("CAA", "example.com", &record);
    assert_eq!(states(&house.run(&["doctor", "--json"]).must(0))["caa"], "ok");
    house.list(&["www", "api"], Some(&house.ann));
    house.apply().must(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_says_how_many_orders_are_left() {
    let house = House::with(&["www", "api"]).await;
    let config = fs::read_to_string(house.path("countersign.yaml")).unwrap();
    let limits = "root: root.pem, limits: {orders_per_account: 300/3h, certificates_per_domain: 50/7d}";
    house.write("countersign.yaml", &config.replace("root: root.pem", limits));
    house.apply().must(0);
    let seen = house.run(&["doctor"]).must(0);
    let line = "`lab` has 298 orders left, 2 of 300 orders in 3h; 2 of 50 this week for example.com";
    assert!(seen.out.contains(line), "{}", seen.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_fails_for_a_record_that_forbids_and_says_what_it_should_be() {
    let house = House::with(&["www"]).await;
    house.apply().must(0);
    house.record("CAA", "example.com", "0 issue \"letsencrypt.org\"");
    let seen = house.run(&["doctor", "--json"]).must(1);
    assert_eq!(states(&seen)["caa"], "fail");
    assert!(fix_of(&seen, "caa").starts_with("let the zone hold: example.com. CAA 0 issue \"sandbox.test;"));
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_probe_names_the_record_that_would_stop_an_order_before_it_is_made() {
    let house = House::with(&["www"]).await;
    house.record("CAA", "www.example.com", "0 issue \"letsencrypt.org\"");
    let seen = house.run(&["plan", "--probe"]).must(0);
    assert!(seen.out.contains("STOPS  caa   www: www.example.com: the CAA record of www.example.com"), "{}", seen.out);
    assert!(seen.out.contains("ok     zone  www: www.example.com is in zone Z1"), "{}", seen.out);
    assert_eq!(house.orders(), 0);
    house.apply().must(3);
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_probe_looks_up_the_tree_and_not_beside_it() {
    let house = House::with(&["www"]).await;
    house.record("CAA", "example.com", "0 issue \"sandbox.test\"");
    house.record("CAA", "api.example.com", "0 issue \"letsencrypt.org\"");
    let probes = house.run(&["plan", "--probe", "--json"]).must(0).json()["probes"].clone();
    assert_eq!(
        (probes[0]["caa"]["verdict"].as_str(), probes[0]["caa"]["at"].as_str()),
        (Some("loose"), Some("example.com"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_fails_for_a_key_that_others_may_read() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::with(&["www"]).await;
    house.apply().must(0);
    let key = house.path("state/archive/www/1/privkey.pem");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(states(&house.run(&["doctor", "--json"]).must(1))["store"], "fail");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_fails_for_a_tip_that_does_not_verify_and_for_a_repo_out_of_reach() {
    let house = House::with(&["www"]).await;
    house.list(&["www", "evil"], None);
    assert_eq!(states(&house.run(&["doctor", "--json"]).must(1))["tip"], "fail");
    fs::rename(house.repo.path(), house.path("away.git")).unwrap();
    assert_eq!(states(&house.run(&["doctor", "--json"]).must(1))["repo"], "fail");
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_fails_for_a_trust_state_that_is_gone_as_a_run_would() {
    let house = House::with(&["www"]).await;
    house.run(&["verify"]).must(0);
    fs::remove_file(house.path("state/trust-state.json")).unwrap();
    let seen = house.run(&["doctor", "--json"]).must(1);
    assert_eq!(
        (states(&seen)["tip"].as_str(), seen.out.contains("X01-state-rollback")),
        ("fail", true),
        "{}",
        seen.out
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_names_an_account_that_the_ca_does_not_know() {
    let house = House::with(&["www"]).await;
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    house.run(&["verify"]).must(0);
    fs::create_dir(house.path("state/accounts/lab")).unwrap();
    house.write("state/accounts/lab/key.pem", &key);
    let seen = house.run(&["doctor", "--json"]).must(1);
    assert_eq!(states(&seen)["ca"], "fail");
    assert!(seen.out.contains("acme:accountDoesNotExist"), "{}", seen.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_fails_for_runs_that_are_too_rare_for_the_certificates() {
    let house = House::with(&["www"]).await;
    house.apply().must(0);
    let config = fs::read_to_string(house.path("countersign.yaml")).unwrap();
    for (every, state) in [("24h", "ok"), ("20d", "warn"), ("40d", "fail")] {
        fs::write(house.path("countersign.yaml"), format!("{config}every: {every}\n")).unwrap();
        let seen = house.run(&["doctor", "--json"]);
        assert_eq!(states(&seen)["every"], state, "{every}: {}", seen.json());
    }
}
