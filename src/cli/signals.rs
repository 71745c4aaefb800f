//! SIGINT and SIGTERM: the first asks for an orderly end, the second ends at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::apply::Stop;
use crate::cli::exit::Exit;
use crate::fault::Fault;

/// Listens from now on.
pub fn listen() -> Result<Stop, Fault> {
    let cannot = |error: std::io::Error| Fault::new("run:signals", "failed to listen for signals").caused_by(&error);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    let (sender, stop) = Stop::new();
    tokio::spawn(async move {
        wait(&mut interrupt, &mut terminate).await;
        ask(&sender);
        wait(&mut interrupt, &mut terminate).await;
        leave();
    });
    Ok(stop)
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

#[expect(clippy::disallowed_methods, reason = "a second signal means now; the journal is consistent at any time")]
fn leave() {
    std::process::exit(Exit::Interrupted as i32);
}
