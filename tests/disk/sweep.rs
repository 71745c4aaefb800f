//! A call of the store's writer fails, or is the last one of its process.

use super::life::{Life, STEPS};
use super::power::below;
use super::strace::{CHANGES, live};
use crate::canary::Scratch;

/// Spoils the n-th call of a kind for n = 1, 2, 3..., each in a life of its own, until there are no more.
fn sweep(kinds: &[&str], harm: &str) {
    let good = Scratch::in_memory();
    let life = Life::begin(good.path());
    let views = life.moved(&below(good.path(), "good")).views();
    let calls = live(good.path(), CHANGES, None);
    for kind in kinds {
        let count = calls.iter().filter(|call| call.name == *kind).count();
        assert!(count > 0, "no life has a {kind}");
        for at in 1..=count {
            let spoilt = Scratch::in_memory();
            let life = life.moved(spoilt.path());
            let injection = format!("{kind}:{}", harm.replace("{n}", &at.to_string()));
            // Marks begin a step; the one that was begun last is done or not.
            let marks = live(spoilt.path(), "openat", Some(&injection)).iter().filter(|call| call.is_mark()).count();
            let (before, after) = (marks.saturating_sub(1), marks.min(STEPS.len()));
            let view = life.view();
            assert!(views[before..=after].contains(&view), "{injection}: step {before} left\n{view}");
            for (step, expected) in STEPS.iter().zip(&views[1..]).skip(before) {
                if life.view() != *expected {
                    step(&life).unwrap_or_else(|fault| panic!("after {injection}: {fault}"));
                }
            }
            assert_eq!(life.view(), *views.last().unwrap(), "after {injection}");
        }
    }
}

#[test]
#[ignore = "needs strace: ci/install"]
fn a_store_that_is_killed_at_any_write_or_sync_or_rename_is_as_before_or_as_after() {
    sweep(&["write", "fsync"], "signal=KILL:when={n}");
    sweep(&[if cfg!(target_arch = "aarch64") { "renameat" } else { "rename" }], "signal=KILL:when={n}");
}

#[test]
#[cfg(feature = "soak")]
#[ignore = "needs strace: ci/install"]
fn a_store_that_is_killed_at_any_other_call_is_as_before_or_as_after() {
    sweep(&["openat", "mkdir", "unlink", "symlink"], "signal=KILL:when={n}");
}

#[test]
#[cfg(feature = "soak")]
#[ignore = "needs strace: ci/install"]
fn a_full_disk_at_any_call_leaves_the_store_as_before_or_as_after() {
    sweep(&["openat", "mkdir", "rename", "symlink", "write", "fsync"], "error=ENOSPC:when={n}");
    sweep(&["write", "openat", "mkdir"], "error=ENOSPC:when={n}+");
}

#[test]
#[cfg(feature = "soak")]
#[ignore = "needs strace: ci/install"]
fn a_broken_disk_at_any_call_leaves_the_store_as_before_or_as_after() {
    sweep(&["mkdir", "rename", "symlink", "unlink", "write", "fsync"], "error=EIO:when={n}");
    sweep(&["fsync", "rename"], "error=EIO:when={n}+");
}
