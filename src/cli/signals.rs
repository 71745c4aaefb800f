//! SIGINT and SIGTERM: while something is carried out the first asks for an orderly end and the second ends at once.
//! Before that there is nothing to bring to an end, and the first is enough.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::apply::Stop;
use crate::cli::exit::Exit;
use crate::fault::Fault;

/// Somebody who listens for signals.
pub struct Signals {
    stop: Stop,
    orderly: Arc<AtomicBool>,
}

impl Signals {
    /// From now on the first signal asks for an orderly end.
    pub fn orderly(&self) -> Stop {
        self.orderly.store(true, Ordering::SeqCst);
        self.stop.clone()
    }
}

/// Listens from now on.
pub fn listen() -> Result<Signals, Fault> {
    let cannot = |error: std::io::Error| Fault::new("run:signals", "failed to listen for signals").caused_by(&error);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    let (sender, stop) = Stop::new();
    let signals = Signals { stop, orderly: Arc::default() };
    let orderly = signals.orderly.clone();
    tokio::spawn(async move {
        wait(&mut interrupt, &mut terminate).await;
        if !orderly.load(Ordering::SeqCst) {
            leave();
        }
        ask(&sender);
        wait(&mut interrupt, &mut terminate).await;
        leave();
    });
    Ok(signals)
}

async fn wait(interrupt: &mut tokio::signal::unix::Signal, terminate: &mut tokio::signal::unix::Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

fn ask(sender: &watch::Sender<bool>) {
    tracing::warn!("stopping: TXT records are taken away, open orders are left for the next run");
    sender.send_replace(true);
}

#[expect(clippy::disallowed_methods, reason = "the signal means now; the journal is consistent at any time")]
fn leave() {
    std::process::exit(Exit::Interrupted as i32);
}
