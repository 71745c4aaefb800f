//! What the system may do with the memory of this process: it holds private keys.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// No core dump, and no look from other processes of the same user.
///
/// The limit alone is not enough: a core that goes to a program (`|` in core_pattern) does not heed it.
pub fn keep_memory_private() {
    // Neither can fail: a limit may always be lowered.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    #[cfg(target_os = "linux")]
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
