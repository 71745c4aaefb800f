//! Progress of an apply on standard error: a moving line for people, one line for each event otherwise.

use indicatif::{ProgressBar, ProgressStyle};

use crate::event::{Event, Listener, Phase};
use crate::outcome::Outcome;
use crate::report::terminal::plain;

/// A spinner with the phase of the wave.
pub struct Spinner(ProgressBar);

impl Spinner {
    pub fn start() -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(std::time::Duration::from_millis(120));
        Self(bar)
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

impl Listener for Spinner {
    fn on(&self, event: Event<'_>) {
        if let Event::Began(phase, count) = event {
            self.0.set_message(phase_line(phase, count));
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
