//! Places where a test can end the process, as a crash would, or have it come upon a bug. Compiled out without the feature `sandbox`.

/// The variable that names the place, with `:n` the n-th time that it is reached, and with `:n:panic` a panic there.
#[cfg(feature = "sandbox")]
pub const VARIABLE: &str = "COUNTERSIGN_CRASH";

/// Every place, in the order in which a run passes them.
pub const PLACES: [&str; 23] = [
    "after-account-key",
    "after-new-account",
    "after-key",
    "after-intent",
    "after-ledger",
    "after-new-order",
    "after-order-journaled",
    "after-records-journaled",
    "after-present",
    "after-settled",
    "after-challenge",
    "after-validated",
    "after-finalize",
    "after-certificate-journaled",
    "after-download",
    "after-deploy",
    "after-attempt-closed",
    "after-files",
    "after-manifest",
    "after-pointer",
    "after-published",
    "before-clean-up",
    "after-clean-up",
];

/// The places of the commands that change an account or revoke.
pub const OTHER_PLACES: [&str; 6] =
    ["after-next-key", "after-key-change", "after-import", "after-deactivate", "before-revoke", "after-revoke"];

/// Those of a pull.
pub const PULL_PLACES: [&str; 3] = ["after-release", "after-swap", "after-reload"];
/// Those that only a run passes that tries web servers before it orders.
pub const REHEARSAL: [&str; 2] = ["after-rehearsal-journaled", "after-rehearsal"];

/// The process ends here if a test asked for it.
#[cfg(feature = "sandbox")]
pub fn reach(place: &'static str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicUsize, Ordering};

    static WANTED: OnceLock<Option<Wanted>> = OnceLock::new();
    static REACHED: AtomicUsize = AtomicUsize::new(0);
    let listed = [&PLACES[..], &OTHER_PLACES, &PULL_PLACES, &REHEARSAL].concat();
    debug_assert!(listed.contains(&place), "{place} is not listed");
    let wanted = WANTED.get_or_init(|| std::env::var(VARIABLE).ok().map(|text| parse(&text)));
    if let Some(wanted) = wanted.as_ref().filter(|wanted| wanted.place == place)
        && REACHED.fetch_add(1, Ordering::SeqCst) + 1 == wanted.time
    {
        assert!(!wanted.panics, "a test asked for this panic");
        std::process::abort();
    }
}

#[cfg(not(feature = "sandbox"))]
#[inline(always)]
pub fn reach(_: &'static str) {}

#[cfg(feature = "sandbox")]
struct Wanted {
    place: String,
    time: usize,
    panics: bool,
}

#[cfg(feature = "sandbox")]
fn parse(text: &str) -> Wanted {
    let mut parts = text.split(':');
    let place = parts.next().unwrap_or_default().to_owned();
    let time = parts.next().and_then(|time| time.parse().ok()).unwrap_or(1);
    Wanted { place, time, panics: parts.next() == Some("panic") }
}
