//! When each live certificate began and ends, drawn as SVG with presentation attributes only.

use maud::{Markup, html};
use time::{Duration, OffsetDateTime};

use crate::name::LineageName;
use crate::plan::days;
use crate::report::{EXPIRY_FLOOR, Run};

/// Rows that a reader can take in. What ends later is in the table.
const ROWS: usize = 60;

/// Lengths in the units of the drawing.
const LABELS: i64 = 200;
const BARS: i64 = 640;
const WIDTH: i64 = LABELS + BARS + 80;
const TOP: i64 = 24;
const ROW: i64 = 20;
const FOOT: i64 = 20;

/// The longest name that fits beside the bars.
const LABEL: usize = 26;

struct Bar<'a> {
    name: &'a LineageName,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
    /// When it is renewed, if the plan knows.
    due: Option<OffsetDateTime>,
    revoked: bool,
}

impl Bar<'_> {
    /// Less than this left is a failure of the run.
    fn floor(&self) -> OffsetDateTime {
        self.not_after - (self.not_after - self.not_before) / EXPIRY_FLOOR
    }

    fn class(&self, now: OffsetDateTime) -> (&'static str, &'static str) {
        match () {
            () if self.revoked || now > self.floor() => ("bad", "#c62828"),
            () if self.due.is_some_and(|due| due <= now) => ("warn", "#b26a00"),
            () => ("good", "#2e7d32"),
        }
    }

    fn text(&self, now: OffsetDateTime) -> String {
        let left = self.not_after - now;
        match () {
            () if self.revoked => "revoked".into(),
            () if left.is_positive() => days(left),
            () => "expired".into(),
        }
    }
}

/// From the first beginning that is shown to the last end.
struct Scale {
    from: OffsetDateTime,
    span: Duration,
}

impl Scale {
    fn x(&self, time: OffsetDateTime) -> i64 {
        let part = (time - self.from).as_seconds_f64() / self.span.as_seconds_f64().max(1.0);
        LABELS + (part.clamp(0.0, 1.0) * BARS as f64).round() as i64
    }
}

/// The drawing, or nothing if no certificate is live.
pub fn figure(run: &Run) -> Markup {
    let mut bars = bars(run);
    bars.sort_by_key(|bar| (bar.not_after, bar.name));
    let more = bars.len().saturating_sub(ROWS);
    bars.truncate(ROWS);
    let (Some(from), Some(to)) =
        (bars.iter().map(|bar| bar.not_before).min(), bars.iter().map(|bar| bar.not_after).max())
    else {
        return html! {};
    };
    let to = to.max(run.ended);
    let scale = Scale { from, span: to - from };
    let height = TOP + ROW * i64::try_from(bars.len()).unwrap_or_default();
    html! {
        figure {
            figcaption {
                "When certificates begin and end. The line across all is this run. The first tick is when a certificate \
                is due, the last is the floor below which runs fail."
                @if more > 0 { " " (more) " more end later." }
            }
            svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="when certificates end" width="100%"
                viewBox={ "0 0 " (WIDTH) " " (height + FOOT) } font-family="sans-serif" font-size="12" {
                (ends(&scale, from, to))
                @for (row, bar) in (0..).zip(&bars) { (line(bar, TOP + row * ROW, &scale, run.ended)) }
                @let now = scale.x(run.ended);
                line class="now" x1=(now) x2=(now) y1=(TOP - 6) y2=(height) stroke="#202124" stroke-width="2" {}
                text class="now" x=(now) y=(height + 14) text-anchor="middle" fill="#202124" { (run.ended.date()) }
            }
        }
    }
}

fn bars(run: &Run) -> Vec<Bar<'_>> {
    let due = |name: &LineageName| run.plan.as_ref()?.steps.iter().find(|step| step.lineage == *name)?.due;
    let live = run.inventory.live.iter();
    live.map(|(name, stored)| Bar {
        name,
        not_before: stored.facts().not_before,
        not_after: stored.facts().not_after,
        due: due(name),
        revoked: stored.revoked.is_some(),
    })
    .collect()
}

fn ends(scale: &Scale, from: OffsetDateTime, to: OffsetDateTime) -> Markup {
    html! {
        text class="axis" x=(scale.x(from)) y=(TOP - 10) fill="#5f6368" { (from.date()) }
        text class="axis" x=(scale.x(to)) y=(TOP - 10) fill="#5f6368" text-anchor="end" { (to.date()) }
    }
}

fn line(bar: &Bar, y: i64, scale: &Scale, now: OffsetDateTime) -> Markup {
    let (from, to) = (scale.x(bar.not_before), scale.x(bar.not_after));
    let (class, fill) = bar.class(now);
    let tick = |x: i64, class: &str, color: &str| {
        html! { line class=(class) x1=(x) x2=(x) y1=(y) y2=(y + ROW - 6) stroke=(color) stroke-width="2" {} }
    };
    html! {
        g {
            title { (bar.name) ": " (bar.not_before.date()) " to " (bar.not_after.date()) }
            text class="label" x=(LABELS - 8) y=(y + 12) text-anchor="end" fill="#202124" { (label(bar.name)) }
            rect class=(class) x=(from) y=(y) width=((to - from).max(2)) height=(ROW - 6) fill=(fill) {}
            @if let Some(due) = bar.due.filter(|due| *due < bar.not_after) { (tick(scale.x(due), "due", "#ffffff")) }
            (tick(scale.x(bar.floor()), "floor", "#202124"))
            text class=(class) x=(LABELS + BARS + 8) y=(y + 12) fill=(fill) { (bar.text(now)) }
        }
    }
}

fn label(name: &LineageName) -> String {
    let name = name.as_str();
    match name.chars().count() > LABEL {
        true => name.chars().take(LABEL - 1).chain(['…']).collect(),
        false => name.to_owned(),
    }
}
