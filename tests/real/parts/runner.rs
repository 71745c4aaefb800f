//! How the binary is run.

use std::process::Command;
use std::time::Duration;

use crate::lab::Lab;
use crate::lab::daemon::wait_or_kill;
use crate::run::Runner;

#[test]
#[ignore = "needs the lab: ci/install"]
fn the_binary_starts_with_nothing_but_what_the_runner_gives_it() {
    let lab = Lab::start();

    let run = Runner::new(&lab).run(&["--version"]);

    assert_eq!(run.code, Some(0), "{}", run.stderr);
}

#[test]
fn a_run_that_passes_its_deadline_is_killed() {
    let mut child = Command::new("sleep").arg("1000").spawn().unwrap();

    assert_eq!(wait_or_kill(&mut child, Duration::ZERO), None);
    assert!(child.try_wait().unwrap().is_some());
}
