//! Progress of an apply on standard error: a moving line for people, one line for each event otherwise.

use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use crate::event::{Event, Listener, Phase};
use crate::outcome::Outcome;
use crate::report::terminal::plain;

/// The line that moves at this moment.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

fn shown() -> MutexGuard<'static, Option<ProgressBar>> {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Standard error for the log: the moving line makes way for it.
pub struct BesideProgress;

impl Write for BesideProgress {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let write = || io::stderr().write(bytes);
        match shown().as_ref() {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// A spinner with the phase of the wave, how many lineages are done with, and how long the phase has taken, or what is
/// left of its limit.
pub struct Spinner {
    bar: ProgressBar,
    done: AtomicUsize,
}

impl Spinner {
    pub fn start() -> Self {
        let bar = ProgressBar::new_spinner();
        bar.set_style(style(None));
        bar.set_message("preparing");
        bar.enable_steady_tick(Duration::from_millis(120));
        *shown() = Some(bar.clone());
        Self { bar, done: AtomicUsize::new(0) }
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        *shown() = None;
        self.bar.finish_and_clear();
    }
}

impl Listener for Spinner {
    fn on(&self, event: Event<'_>) {
        match event {
            Event::Began(phase, count) => {
                self.bar.reset_elapsed();
                self.bar.set_style(style(phase.limit()));
                self.bar.set_message(phase_line(phase, count));
            }
            Event::Finished(_) => {
                let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
                self.bar.set_prefix(format!(", {done} done"));
            }
        }
    }
}

/// Log lines, without carriage returns.
pub struct Lines;

impl Listener for Lines {
    fn on(&self, event: Event<'_>) {
        match event {
            Event::Began(phase, count) => tracing::info!("{}", phase_line(phase, count)),
            Event::Finished(outcome) => tracing::info!("{}", outcome_line(outcome)),
        }
    }
}

/// Counts up, or down to a limit.
fn style(limit: Option<Duration>) -> ProgressStyle {
    let time = move |state: &ProgressState, to: &mut dyn fmt::Write| {
        let _ = match limit {
            Some(limit) => write!(to, "at most {} s", limit.saturating_sub(state.elapsed()).as_secs()),
            None => write!(to, "{} s", state.elapsed().as_secs()),
        };
    };
    let plain = ProgressStyle::default_spinner();
    plain.clone().template("{spinner} {msg}, {time}{prefix}").unwrap_or(plain).with_key("time", time)
}

fn phase_line(phase: Phase, count: usize) -> String {
    format!("{} ({count})", phase.text())
}

fn outcome_line(outcome: &Outcome) -> String {
    let faults = outcome.fault.iter().chain(outcome.published.values().flatten());
    let faults: Vec<String> = faults.map(|fault| plain(&fault.to_string())).collect();
    let end = match (faults.is_empty(), outcome.interrupted) {
        (false, _) => format!("FAILED {}", faults.join("; ")),
        (true, true) => "stopped".to_owned(),
        (true, false) => "ok".to_owned(),
    };
    format!("{} {} {:.1}s {end}", outcome.action, outcome.lineage, outcome.seconds)
}
