//! Places where a test can end the process, as a crash would. Compiled out without the feature `sandbox`.

/// The variable that names the place, and with `:n` the n-th time that it is reached.
#[cfg(feature = "sandbox")]
pub const VARIABLE: &str = "COUNTERSIGN_CRASH";

/// Every place, in the order in which a run passes them.
pub const PLACES: [&str; 22] = [
    "after-account-key",
    "after-new-account",
    "after-key",
    "after-intent",
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

/// The process ends here if a test asked for it.
#[cfg(feature = "sandbox")]
pub fn reach(place: &'static str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicUsize, Ordering};

    static WANTED: OnceLock<Option<(String, usize)>> = OnceLock::new();
    static REACHED: AtomicUsize = AtomicUsize::new(0);
    debug_assert!(PLACES.contains(&place), "{place} is not listed");
    let wanted = WANTED.get_or_init(|| std::env::var(VARIABLE).ok().map(|text| parse(&text)));
    if let Some((_, time)) = wanted.as_ref().filter(|(wanted, _)| wanted == place)
        && REACHED.fetch_add(1, Ordering::SeqCst) + 1 == *time
    {
        std::process::abort();
    }
}

#[cfg(not(feature = "sandbox"))]
#[inline(always)]
pub fn reach(_: &'static str) {}

#[cfg(feature = "sandbox")]
fn parse(text: &str) -> (String, usize) {
    let (place, time) = text.split_once(':').unwrap_or((text, "1"));
    (place.to_owned(), time.parse().unwrap_or(1))
}
