//! What a program started, whatever process group it moved to (proc(5)).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// Kills everything that descends from a process that is still there, but not the process.
///
/// Each is stopped as soon as it is seen, so that in the end nobody is left who could start another. A daemon whose
/// parents have ended is nobody's descendant any more.
pub fn kill(of: Pid) {
    let mut seen = BTreeSet::from([of.as_raw_nonzero().get()]);
    loop {
        let found = children(&seen);
        if found.is_empty() {
            break;
        }
        send(&found, Signal::STOP);
        seen.extend(found);
    }
    seen.remove(&of.as_raw_nonzero().get());
    send(&seen, Signal::KILL);
}

fn send(pids: &BTreeSet<i32>, signal: Signal) {
    for pid in pids.iter().filter_map(|pid| Pid::from_raw(*pid)) {
        // It may have ended by itself.
        let _ = kill_process(pid, signal);
    }
}

/// The children of these that are not among them.
fn children(of: &BTreeSet<i32>) -> BTreeSet<i32> {
    let parents = fs::read_dir("/proc").into_iter().flatten().filter_map(|entry| {
        let name = entry.ok()?.file_name();
        let pid: i32 = name.to_str()?.parse().ok()?;
        Some((pid, parent(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?))
    });
    let parents: BTreeMap<i32, i32> = parents.collect();
    parents.into_iter().filter(|(pid, parent)| of.contains(parent) && !of.contains(pid)).map(|(pid, _)| pid).collect()
}

/// The fourth field of `/proc/<pid>/stat`. The second is a name in parentheses that may hold anything.
fn parent(stat: &str) -> Option<i32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_and_parentheses_hides_no_parent() {
        assert_eq!(parent("42 (a) 7 (b) S 41 42 42 0 -1"), Some(41));
        assert_eq!(parent("42"), None);
    }
}
