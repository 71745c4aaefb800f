//! How the binary is run.

use std::process::Command;
use std::time::Duration;

use crate::lab::daemon::wait_or_kill;

#[test]
fn a_run_that_passes_its_deadline_is_killed() {
    let mut child = Command::new("sleep").arg("1000").spawn().unwrap();

    assert_eq!(wait_or_kill(&mut child, Duration::ZERO), None);
    assert!(child.try_wait().unwrap().is_some());
}
