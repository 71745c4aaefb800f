//! Figures of a run for Prometheus, in its text format, to be read by a node exporter's textfile collector.

use std::fmt::Write;

use crate::report::Run;

/// All figures. `exit` is the exit code of the run.
pub fn render(run: &Run, exit: u8) -> String {
    let mut text = String::new();
    let single = |value: i64| vec![(String::new(), value)];
    let live = run
        .inventory
        .live
        .iter()
        .map(|(name, stored)| (format!("{{lineage=\"{name}\"}}"), stored.facts().not_after.unix_timestamp()));
    let failed = i64::try_from(run.failed_lineages()).unwrap_or(i64::MAX);
    let stashed = i64::try_from(run.inventory.stash.len()).unwrap_or(i64::MAX);
    for (name, help, values) in [
        ("run_end_timestamp_seconds", "When the last run ended", single(run.ended.unix_timestamp())),
        ("run_exit_code", "How the last run ended: 0 well, 3 with failed lineages, 4 refused", single(exit.into())),
        ("run_failed_lineages", "Lineages that the last run could not issue, renew or publish", single(failed)),
        ("stashed_lineages", "Lineages that are kept and not renewed", single(stashed)),
        ("certificate_not_after_timestamp_seconds", "When a live certificate ends", live.collect()),
    ] {
        let _ = writeln!(text, "# HELP countersign_{name} {help}.\n# TYPE countersign_{name} gauge");
        for (labels, value) in values {
            let _ = writeln!(text, "countersign_{name}{labels} {value}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_has_its_help_and_type() {
        let text = render(&Run::begun(time::macros::datetime!(2026-11-25 02:00 UTC), Vec::new()), 4);
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("run_exit_code")).collect();
        assert_eq!(
            lines,
            [
                "# HELP countersign_run_exit_code How the last run ended: 0 well, 3 with failed lineages, 4 refused.",
                "# TYPE countersign_run_exit_code gauge",
                "countersign_run_exit_code 4",
            ]
        );
    }
}
