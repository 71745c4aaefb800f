//! The log: on standard error, and in a file if somebody wants to keep it.

use std::sync::Arc;

use tracing::Subscriber;
use tracing_subscriber::fmt::{MakeWriter, layer};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, registry};

use crate::cli::args::{Global, LogFormat};
use crate::cli::progress::BesideProgress;
use crate::cli::term::{self, ColorChoice, Surroundings};
use crate::fault::Fault;
use crate::report::terminal::Paint;
use crate::store::write;

/// Starts it. `around` is what is known of standard error.
///
/// # Errors
/// The file cannot be written.
pub fn start(global: &Global, around: Surroundings) -> Result<(), Fault> {
    let file = global.log_file.as_deref().map(write::open_to_append).transpose()?;
    let color = term::paint(ColorChoice::Auto, around) == Paint::Color;
    let file = file.map(|file| lines(global.log_format, Arc::new(file), false));
    let all = registry().with(filter(global)).with(lines(global.log_format, || BesideProgress, color)).with(file);
    // A second call in one process keeps the first.
    let _ = all.try_init();
    Ok(())
}

fn filter(global: &Global) -> EnvFilter {
    EnvFilter::new(match (global.quiet, global.verbose) {
        (true, _) => "error,countersign=warn",
        (false, 0) => "error,countersign=info",
        (false, 1) => "warn,countersign=debug",
        (false, _) => "info,countersign=trace",
    })
}

fn lines<S, W>(format: LogFormat, writer: W, color: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'l> LookupSpan<'l>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = layer().with_target(false).with_ansi(color).with_writer(writer);
    match format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    }
}
