//! A whole run that is killed at each call that changes its store. Takes minutes.

use std::collections::BTreeMap;
use std::fs;

use super::crash::{assert_whole, lab};
use super::pairs::beside_each_other;

const APPLY: [&str; 2] = ["apply", "--auto-approve"];

/// How often a good run makes each call, by the call's name and its path below the store.
fn calls() -> BTreeMap<(String, String), usize> {
    let lab = lab();
    let log = lab.path("strace");
    let kinds = "trace=write,fsync,?rename,?renameat,renameat2,?symlink,symlinkat,?mkdir,mkdirat,?unlink,unlinkat";
    let strace = ["strace", "-f", "-y", "-qq", "-s", "4096", "-e", kinds, "-o", log.to_str().unwrap()];
    assert_eq!(lab.run_under(&strace, &APPLY, &[]).code, Some(0));
    let state = format!("{}/", lab.path("state").display());
    let mut calls = BTreeMap::new();
    for line in fs::read_to_string(&log).unwrap().lines() {
        let Some((_, rest)) = line.split_once(' ') else { continue };
        let Some((name, args)) = rest.trim_start().split_once('(') else { continue };
        let Some((_, path)) = args.split_once(&state) else { continue };
        let path = path.split(['"', '>']).next().unwrap_or_default();
        if !path.starts_with("git/") {
            *calls.entry((name.to_owned(), path.to_owned())).or_default() += 1;
        }
    }
    calls
}

#[test]
#[ignore = "needs strace: ci/install"]
#[expect(clippy::print_stdout, reason = "docs/soak.md keeps the figures")]
fn a_run_that_is_killed_at_any_write_to_its_store_costs_no_second_certificate() {
    let calls: Vec<_> =
        calls().into_iter().flat_map(|(call, count)| (1..=count).map(move |n| (call.clone(), n))).collect();
    assert!(calls.len() > 50, "{calls:?}");
    beside_each_other(&calls, |((name, path), time)| {
        let lab = lab();
        let path = lab.path("state").join(path);
        // Each thread counts for itself, so the last of many calls of one name may not be reached: then the run is good.
        let inject = format!("inject={name}:signal=KILL:when={time}");
        let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", path.to_str().unwrap(), "-e", &inject];
        let ran = lab.run_under(&strace, &APPLY, &[]);
        assert!(ran.code.is_none() || ran.code == Some(0), "{inject} {}: {ran:?}", path.display());
        lab.published("www");
        // The answer to newOrder may be among what was lost.
        assert_whole(&lab, 1, &["after-new-order"]);
    });
    println!("{} calls", calls.len());
}
