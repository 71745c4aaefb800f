//! Debian's nginx reads `live/`, a hook has it reload, and the report says what it shows.

use crate::lab::nginx::Nginx;

use super::junit::Junit;
use super::scene::{Scene, WWW, said};

#[test]
#[ignore = "needs the lab: ci/install"]
fn a_hook_reloads_nginx_and_the_report_says_what_it_shows() {
    let mut scene = Scene::applied(WWW);
    let nginx = Nginx::start(&scene.lab.dir().join("nginx"), &scene.live("www"));
    scene.lab.judge.seed(&scene.lab.zone_id, "www.lab.test", "A", &["127.0.0.1"]);
    let reload = serde_json::to_string(&nginx.reload()).unwrap();
    scene.runner.config += &format!("hooks: {{after_renew: [{reload}]}}\n");
    let served = format!("served: [\"www.lab.test:{}\"]\n    domains:", nginx.address.port());
    scene.push(&WWW.replace("domains:", &served));
    let first = scene.runner.apply();
    assert_eq!(first.code, Some(0), "{}", said(&first));
    assert!(Junit::of(&first).facts("certs.served", "www").contains("shows version 1"));

    let old = nginx.serial("www.lab.test");
    let renewed = scene.runner.run(&["apply", "--auto-approve", "--force", "www", "--reason", "a test"]);
    assert_eq!((renewed.code, Junit::of(&renewed).bad()), (Some(0), vec![]), "{}", said(&renewed));
    // nginx starts its new workers by itself, some time after the command has ended.
    let new = scene.meta("www")["facts"]["serial"].as_str().unwrap().to_owned();
    let seen = (0..1000).map(|_| nginx.serial("www.lab.test")).find(|serial| *serial != old);
    assert_eq!(seen, Some(new));
    let quiet = scene.runner.apply();
    assert!(Junit::of(&quiet).facts("certs.served", "www").contains("shows version 2"), "{}", said(&quiet));
    assert!(scene.runner.ask(&["show", "www"]).1.contains(" shows version 2 (seen "));
}
