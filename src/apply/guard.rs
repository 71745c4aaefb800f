//! A bug in the work on one lineage is that lineage's failure, and does not end the run.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;

use crate::fault::Fault;

/// Runs the work; a panic becomes a fault. The journal knows how far it came, so the next run goes on from there.
pub async fn guarded<T, E: From<Fault>>(work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let done = AssertUnwindSafe(work).catch_unwind().await;
    done.unwrap_or_else(|_| {
        let hint = "the log shows where; please report it. The next run goes on with the same order";
        Err(Fault::new("run:bug", "countersign came upon a bug of its own").hint(hint).into())
    })
}
