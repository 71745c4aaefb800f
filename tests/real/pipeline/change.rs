//! A list that changes, and certificates that are replaced.

use std::path::PathBuf;

use super::scene::{Scene, WWW, json, said};

const BOTH: &str = "\
version: 1
defaults: {authority: lab, publish: [certs]}
certificates:
  - name: api
    domains: [api.lab.test]
  - name: www
    domains: [www.lab.test]
";

#[test]
#[ignore = "needs the lab: ci/install"]
fn a_forced_renewal_is_version_2_and_version_1_stays() {
    let scene = Scene::applied(WWW);
    let (first, objects) = (scene.meta("www"), scene.bucket());

    let run = scene.runner.run(&["apply", "--auto-approve", "--force", "www", "--reason", "the key was on a laptop"]);

    assert_eq!(run.code, Some(0), "{}", said(&run));
    assert!(run.stdout.contains("the key was on a laptop"), "{}", run.stdout);
    assert_eq!(scene.asked().orders, 2);
    assert_eq!(std::fs::read_link(scene.live("www")).unwrap(), PathBuf::from("../archive/www/2"));
    assert_eq!(json(&read(&scene, "archive/www/1/meta.json")), first);
    assert_ne!(scene.meta("www")["facts"]["serial"], first["facts"]["serial"]);

    let after = scene.bucket();
    let pointer = json(&after["certs/www/current.json"].body);
    assert_eq!((&pointer["sequence"], &pointer["previous"]), (&2.into(), &1.into()));
    let immutable = objects.iter().filter(|(key, _)| key.starts_with("certs/www/v/1-"));
    assert!(immutable.clone().count() == 5 && immutable.into_iter().all(|(key, object)| after[key] == *object));
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn a_changed_entry_is_reissued_a_removed_one_is_kept_and_comes_back_without_an_order() {
    let scene = Scene::applied(BOTH);

    scene.push(&BOTH.replace("[api.lab.test]", "[api.lab.test, api2.lab.test]"));
    let run = scene.runner.apply();
    assert_eq!(run.summary(), "countersign apply: done (exit 0): 1 done (1 reissued), 0 failed", "{}", said(&run));
    assert_eq!(scene.meta("api")["facts"]["identifiers"], serde_json::json!(["api.lab.test", "api2.lab.test"]));
    assert_eq!((scene.meta("api")["version"].clone(), scene.asked().orders), (2.into(), 3));

    scene.push(WWW);
    let run = scene.runner.apply();
    assert_eq!(run.summary(), "countersign apply: done (exit 0): 1 done (1 stashed), 0 failed", "{}", said(&run));
    assert!(!scene.live("api").exists());
    assert!(scene.runner.state().join("stash/api/2/privkey.pem").exists());

    scene.push(&BOTH.replace("[api.lab.test]", "[api.lab.test, api2.lab.test]"));
    let run = scene.runner.apply();
    assert_eq!(run.summary(), "countersign apply: done (exit 0): 1 done (1 unstashed), 0 failed", "{}", said(&run));
    assert_eq!(std::fs::read_link(scene.live("api")).unwrap(), PathBuf::from("../archive/api/2"));
    assert_eq!(scene.asked().orders, 3);
}

fn read(scene: &Scene, path: &str) -> String {
    std::fs::read_to_string(scene.runner.state().join(path)).unwrap()
}
