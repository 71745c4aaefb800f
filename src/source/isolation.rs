//! Keeps the machine's git configuration away, and bounds how long a server may be silent.

use std::sync::Once;

use git2::ConfigLevel;
use git2::opts::{set_search_path, set_server_connect_timeout_in_milliseconds, set_server_timeout_in_milliseconds};

const CONNECT_TIMEOUT_MS: i32 = 20_000;
const READ_TIMEOUT_MS: i32 = 60_000;

/// Empties the search paths for configuration, so that no `url.insteadOf` or the like of the machine applies.
///
/// Once a process, before libgit2 opens its first repository.
#[allow(unsafe_code)]
pub fn isolate() {
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        let levels = [ConfigLevel::ProgramData, ConfigLevel::System, ConfigLevel::XDG, ConfigLevel::Global];
        // SAFETY: these set globals of libgit2 without a lock. `Once` runs this one time; every repository of this
        // program is opened by code that calls `isolate` first.
        unsafe {
            for level in levels {
                set_search_path(level, "").expect("an empty search path is valid");
            }
            set_server_connect_timeout_in_milliseconds(CONNECT_TIMEOUT_MS).expect("a positive timeout is valid");
            set_server_timeout_in_milliseconds(READ_TIMEOUT_MS).expect("a positive timeout is valid");
        }
    });
}
