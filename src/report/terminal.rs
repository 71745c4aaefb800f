//! What people read: the plan, the result of an apply, faults.

mod fold;

use std::fmt::Write;

use time::OffsetDateTime;

use crate::fault::Fault;
use crate::hook::Ran;
use crate::name::LineageName;
use crate::outcome::{Outcome, Revoking};
use crate::plan::{Action, Mode, Plan, Priced, Reason, Step, days};
use crate::port::Inventory;
use crate::report::served::Look;
use crate::report::{Applied, Run};

pub use fold::fold;

/// Paints or does not. Words are complete without colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    Plain,
    Color,
}

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Color => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }

    pub fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    pub fn warn(self, text: &str) -> String {
        self.with("33", text)
    }

    pub fn bad(self, text: &str) -> String {
        self.with("31", text)
    }

    pub fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    pub fn bold(self, text: &str) -> String {
        self.with("1", text)
    }
}

/// Text without control characters: what comes from a repository or a server must not steer the terminal.
pub fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || *c == '\n').collect()
}

fn symbol(action: Action) -> &'static str {
    match action {
        Action::Issue => "+",
        Action::Renew => "⟳",
        Action::Reissue => "±",
        Action::Publish => "↑",
        Action::Stash => "-",
        Action::Unstash => "<",
        Action::Adopt => "«",
        Action::Keep => "=",
        Action::Defer => "…",
    }
}

fn paint_action(paint: Paint, action: Action, text: &str) -> String {
    match action {
        Action::Issue | Action::Unstash | Action::Adopt => paint.good(text),
        Action::Renew | Action::Publish => paint.with("36", text),
        Action::Reissue | Action::Defer => paint.warn(text),
        Action::Stash => paint.bad(text),
        Action::Keep => paint.dim(text),
    }
}

/// The plan, one line for each step that is not *keep*, and what follows from it.
pub fn plan(plan: &Plan, source: &str, store: &str, now: OffsetDateTime, paint: Paint) -> String {
    let mut out = format!("{} {source}\n{} {store}\n", paint.bold("Source"), paint.bold("Store "));
    if plan.mode == Mode::RenewOnly {
        out += &paint.warn("Renew only: the head was refused or out of reach, so nothing new is done.\n");
    }
    let shows = |step: &&Step| step.action != Action::Keep || step.revokes.is_some();
    let shown: Vec<&Step> = plan.steps.iter().filter(shows).collect();
    if !shown.is_empty() {
        out.push('\n');
    }
    let width = shown.iter().map(|step| step.lineage.as_str().len()).max().unwrap_or(0);
    for step in shown {
        out += &line(step, width, now, paint);
    }
    out.push('\n');
    for account in &plan.accounts {
        let _ = writeln!(out, "{} {}: {}", paint.bold("Limits"), account.authority, account.share.text());
    }
    out + &plan_summary(plan, paint)
}

fn line(step: &Step, width: usize, now: OffsetDateTime, paint: Paint) -> String {
    let action = format!("{} {:<8}", symbol(step.action), step.action);
    let mut reasons: Vec<String> = step.reasons.iter().map(|reason| plain(&reason.text())).collect();
    if let (Action::Issue, Some(certificate)) = (step.action, &step.certificate) {
        let count = certificate.identifiers.len();
        reasons.push(format!("{count} identifier{}", if count == 1 { "" } else { "s" }));
    }
    if let (Action::Renew, Some(live)) = (step.action, &step.live) {
        let left = live.not_after - now;
        if left.is_positive() && !reasons.iter().any(|reason| reason.contains(" left")) {
            reasons.push(format!("{} left", days(left)));
        }
    }
    if let Some(revocation) = &step.revokes {
        reasons.push(format!("then v{} is revoked", revocation.version));
    }
    reasons.extend(step.price.as_ref().and_then(Priced::text));
    if let (Action::Defer, Some(due)) = (step.action, step.due) {
        reasons.push(format!("next try {}", minute(due)));
    }
    let line =
        format!("  {} {:<width$}  {}\n", paint_action(paint, step.action, &action), step.lineage, reasons.join("; "));
    let broken = step.reasons.iter().filter(|reason| matches!(reason, Reason::Broken { .. }));
    line + &broken.filter_map(Reason::fault).map(|fault| details(fault, "      ")).collect::<String>()
}

/// `2026-11-24 02:00 UTC`.
pub fn minute(time: OffsetDateTime) -> String {
    let format = time::macros::format_description!("[year]-[month]-[day] [hour]:[minute] UTC");
    time.to_offset(time::UtcOffset::UTC).format(format).unwrap_or_default()
}

/// The stable last lines of a plan.
pub fn plan_summary(plan: &Plan, paint: Paint) -> String {
    let kept = plan.count(Action::Keep);
    let deferred = plan.count(Action::Defer);
    if !plan.has_changes() && deferred == 0 {
        let certificates =
            if kept == 1 { "1 certificate matches".into() } else { format!("{kept} certificates match") };
        let next = plan.next_renewal();
        let next =
            next.map(|(name, due)| format!("; the next renewal is {name} on {}", due.date())).unwrap_or_default();
        return format!("{} {certificates} the list{next}.\n", paint.bold("No changes."));
    }
    let counted = Action::ALL.into_iter().filter(|action| action.changes() && plan.count(*action) > 0);
    let counted: Vec<String> = counted.map(|action| format!("{} to {action}", plan.count(action))).collect();
    let mut out = paint.bold("Plan:");
    let _ = match counted.is_empty() {
        true => write!(out, " nothing to do in this run"),
        false => write!(out, " {}", counted.join(", ")),
    };
    let _ = write!(out, "; {kept} unchanged");
    if deferred > 0 {
        let _ = write!(out, ", {deferred} deferred");
    }
    out + ".\n"
}

/// What became of the steps, grouped, with one line for each failure.
pub fn applied(run: &Run, applied: &Applied, paint: Paint) -> String {
    let mut out = String::new();
    let finished = || applied.outcomes.iter().filter(|outcome| !outcome.failed() && !outcome.interrupted);
    let width = finished().map(|outcome| outcome.lineage.as_str().len()).max().unwrap_or_default();
    for outcome in finished() {
        out += &done(outcome, width, paint);
    }
    for outcome in applied.outcomes.iter().filter(|outcome| outcome.interrupted) {
        let _ = writeln!(out, "  {} {}", paint.warn("stopped  "), outcome.lineage);
    }
    if applied.outcomes.iter().any(|outcome| outcome.interrupted) {
        out += &hint("the next run goes on from here: `countersign apply`", "            ");
    }
    for outcome in applied.outcomes.iter().filter(|outcome| outcome.failed()) {
        out += &failed(outcome, paint);
    }
    if let Some(plan) = &run.plan {
        for step in plan.steps.iter().filter(|step| step.action == Action::Defer) {
            let reasons: Vec<String> = step.reasons.iter().map(|reason| plain(&Reason::text(reason))).collect();
            let _ = writeln!(out, "  {} {}: {}", paint.warn("deferred "), step.lineage, reasons.join("; "));
            let faults = step.reasons.iter().filter_map(Reason::fault);
            out.extend(faults.map(|fault| details(fault, "            ")));
        }
        if plan.steps.iter().flat_map(|step| &step.reasons).any(Reason::passes) {
            let force = "countersign apply --force NAME --reason TEXT";
            let _ = writeln!(out, "            a later run tries again by itself, `{force}` at once");
        }
    }
    for (bucket, fault) in &run.unreachable {
        let _ = writeln!(out, "  {} bucket {bucket}: {}", paint.bad("FAILED   "), plain(&fault.to_string()));
        out += &details(fault, "            ");
    }
    for revoking in &applied.revoked {
        out += &revoked(revoking, paint);
    }
    for fault in &applied.left_behind {
        let _ = writeln!(out, "  {} {}", paint.bad("LEFT     "), plain(&fault.to_string()));
        out += &details(fault, "            ");
    }
    out
}

/// One line for a revocation, with its cause if it is still to be asked for.
pub fn revoked(revoking: &Revoking, paint: Paint) -> String {
    let (lineage, revocation) = (&revoking.lineage, &revoking.revocation);
    let what = format!("{lineage} v{} ({}), serial {}", revocation.version, revocation.reason, revocation.serial);
    match &revoking.fault {
        None => format!("  {} {what}\n", paint.good("revoked  ")),
        Some(fault) => {
            let line = format!("  {} not revoked: {what}: {}\n", paint.bad("FAILED   "), plain(&fault.to_string()));
            line + &details(fault, "            ")
        }
    }
}

/// What a server shows.
pub fn served(lineage: &LineageName, look: &Look, paint: Paint) -> String {
    let text = plain(&look.to_string());
    let Some(fault) = &look.fault else {
        return format!("  {} {lineage}  {text}\n", paint.good("served   "));
    };
    format!("  {} {lineage}: not served: {text}\n", paint.bad("FAILED   ")) + &details(fault, "            ")
}

/// What became of a hook.
pub fn hook(ran: &Ran, paint: Paint) -> String {
    let (lineage, event) = (&ran.lineage, ran.event.as_str());
    let Some(fault) = &ran.fault else {
        let took = paint.dim(&format!("  {:.1}s", ran.seconds));
        return format!("  {} {lineage}  {event} `{}`{took}\n", paint.good("hook     "), plain(&ran.command));
    };
    let line = format!("  {} {lineage}: {event}: {}\n", paint.bad("FAILED   "), plain(&fault.to_string()));
    line + &details(fault, "            ")
}

/// A line for each fault. What was issued before an upload failed is said, since it is not lost.
fn failed(outcome: &Outcome, paint: Paint) -> String {
    let mut out = String::new();
    let uploads =
        outcome.published.iter().filter_map(|(bucket, fault)| Some((format!(" to {bucket}"), fault.as_ref()?)));
    for (place, fault) in outcome.fault.iter().map(|fault| (String::new(), fault)).chain(uploads) {
        let lineage = &outcome.lineage;
        let _ = writeln!(out, "  {} {lineage}{place}: {}", paint.bad("FAILED   "), plain(&fault.to_string()));
        out += &details(fault, "            ");
    }
    if let (None, true, Some(version)) = (&outcome.fault, outcome.action.orders(), outcome.version) {
        let _ = writeln!(out, "            version {version} is in the store; the next run uploads it");
    }
    out
}

fn done(outcome: &Outcome, width: usize, paint: Paint) -> String {
    let word = outcome.action.past();
    let until = outcome.not_after.map(|end| format!("  until {}", end.date())).unwrap_or_default();
    let took = format!("  {:.1}s", outcome.seconds);
    let end = format!("{until}{}", paint.dim(&took));
    let line = format!("  {} {:<width$}{end}\n", paint.good(&format!("{word:<9}")), outcome.lineage);
    let warning = |warning: String| format!("            {} {}\n", paint.warn("warning:"), plain(&warning));
    line + &outcome.warnings().map(warning).collect::<String>()
}

/// Causes and hint of a fault, indented.
pub fn details(fault: &Fault, indent: &str) -> String {
    let mut out = String::new();
    for cause in &fault.causes {
        let _ = writeln!(out, "{indent}caused by: {}", plain(cause).replace('\n', &format!("\n{indent}  ")));
    }
    out + &fault.hint.as_ref().map(|text| hint(text, indent)).unwrap_or_default()
}

fn hint(text: &str, indent: &str) -> String {
    format!("{indent}hint: {}\n", plain(text).replace('\n', &format!("\n{indent}  ")))
}

/// A fault that ended the run.
pub fn fault(fault: &Fault, paint: Paint) -> String {
    let mut out = format!("{} {}\n", paint.bad("error:"), plain(&fault.to_string()));
    for cause in &fault.causes {
        let _ = writeln!(out, "  caused by: {}", plain(cause));
    }
    if let Some(hint) = &fault.hint {
        let _ = writeln!(out, "\nhint: {}", plain(hint));
    }
    out
}

/// The live lineage that ends first.
pub fn first_to_expire(inventory: &Inventory, now: OffsetDateTime) -> Option<String> {
    let (name, stored) = inventory.first_to_expire()?;
    let end = stored.facts().not_after;
    Some(match end <= now {
        true => format!("First to expire: {name} expired on {}.\n", end.date()),
        false => format!("First to expire: {name} in {} ({}).\n", days(end - now), end.date()),
    })
}
