//! The async runtime of commands that ask the network.

use crate::fault::Fault;

/// Two threads: the work waits for others most of the time.
pub fn runtime() -> Result<tokio::runtime::Runtime, Fault> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Fault::new("run:runtime", "failed to start the async runtime").caused_by(&error))
}
