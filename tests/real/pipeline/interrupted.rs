//! A build that Jenkins ends, and two builds at once.

use std::net::TcpListener;
use std::time::Duration;

use super::junit::Junit;
use super::scene::{Scene, WWW, said};
use crate::lab::daemon::wait_for;
use crate::run::Running;

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
#[ignore = "needs the lab: ci/install"]
fn a_run_that_is_ended_cleans_up_and_the_next_one_finishes_its_order() {
    let scene = Scene::of(WWW);
    let waiting = waiting_for_dns(&scene);
    assert_eq!(scene.challenge_values().len(), 1);

    waiting.terminate();
    let run = waiting.end();

    assert_eq!(run.code, Some(130), "{}", said(&run));
    assert_eq!(scene.challenge_values(), Vec::<String>::new());
    assert_eq!(run.summary(), "countersign apply: interrupted (exit 130): 0 done, 0 failed, 1 stopped");
    let message = Junit::of(&run).message("certs.source", "completed");
    assert!(message.starts_with("[run:interrupted] "), "{message}");

    scene.lab.judge.insync_after(0);
    let next = scene.runner.apply();
    assert_eq!(next.code, Some(0), "{}", said(&next));
    assert_eq!((scene.requests().new_order, scene.requests().finalize), (1, 1));
    assert_eq!(scene.challenge_values(), Vec::<String>::new());
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn a_run_that_is_ended_while_the_git_server_is_silent_says_that_it_is_not_complete() {
    let mut scene = Scene::of(WWW);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ssh://git@{}/domains.git", silent.local_addr().unwrap());
    scene.runner.config = scene.runner.config.replace(&scene.lab.repository_url(), &url);
    let fetching = scene.runner.start(&["apply", "--auto-approve"]);
    let _connection = silent.accept().unwrap();

    fetching.terminate();
    let run = fetching.end();

    assert_eq!(run.code, Some(130), "{}", said(&run));
    assert_eq!(Junit::of(&run).bad(), ["certs.source/completed"]);
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn a_second_run_is_told_who_holds_the_lock() {
    let scene = Scene::of(WWW);
    let first = waiting_for_dns(&scene);
    let asked = scene.asked();

    let second = scene.runner.apply();

    assert_eq!(second.code, Some(5), "{}", said(&second));
    assert!(second.stderr.contains(&format!("`apply` holds the lock: process {}", first.pid())), "{}", second.stderr);
    assert!(second.stderr.contains("hint: "), "{}", second.stderr);
    assert_eq!(Junit::of(&second).bad(), ["certs.source/completed"]);
    assert_eq!(scene.asked(), asked);
    first.terminate();
    assert_eq!(first.end().code, Some(130));
}

/// A run whose change stays PENDING for as long as nobody says otherwise.
fn waiting_for_dns(scene: &Scene) -> Running {
    scene.lab.judge.insync_after(usize::MAX);
    let running = scene.runner.start(&["apply", "--auto-approve"]);
    wait_for("the first question after the change", PATIENCE, || {
        (scene.lab.judge.count("GetChange") > 0).then_some(())
    });
    running
}
