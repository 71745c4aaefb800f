//! SIGINT and SIGTERM. While something may have to be taken back the first one asks for an orderly end; otherwise, and
//! at the second or when it takes too long, the process ends at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::apply::Stop;
use crate::cli::exit::Exit;
use crate::fault::Fault;

/// An orderly end takes 9 s at most. One that takes longer waits for somebody who does not read what it prints.
const LATEST: Duration = Duration::from_secs(20);

/// Listens for as long as the runtime lives.
pub struct Signals {
    stop: Stop,
    orderly: Arc<AtomicBool>,
}

impl Signals {
    /// Must be called inside the runtime.
    pub fn listen() -> Result<Self, Fault> {
        let cannot =
            |error: std::io::Error| Fault::new("run:signals", "failed to listen for signals").caused_by(&error);
        let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
        let (sender, stop) = Stop::new();
        let orderly = Arc::new(AtomicBool::new(false));
        let first = Arc::clone(&orderly);
        tokio::spawn(async move {
            either(&mut interrupt, &mut terminate).await;
            if first.load(Ordering::SeqCst) {
                // Whoever waits for output to be read holds this runtime up too.
                let _ = std::thread::Builder::new().spawn(|| {
                    std::thread::sleep(LATEST);
                    leave();
                });
                sender.send_replace(true);
                tracing::warn!("stopping; what is under way is brought to an orderly end");
                either(&mut interrupt, &mut terminate).await;
            }
            leave();
        });
        Ok(Self { stop, orderly })
    }

    /// From now on the first signal is for the holder of the [`Stop`].
    pub fn orderly(&self) -> Stop {
        self.orderly.store(true, Ordering::SeqCst);
        self.stop.clone()
    }
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// The reports on disk say already that the run did not complete, and the journal is consistent at any time.
#[expect(clippy::disallowed_methods, reason = "nothing is left to be done")]
fn leave() {
    std::process::exit(Exit::Interrupted as i32);
}
