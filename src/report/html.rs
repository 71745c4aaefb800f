//! The report as a page: for the archive of a build, a browser without a network, a printer.
//!
//! Jenkins serves such pages with `default-src 'none'; style-src 'self'`: no script, no style inside the page. So the
//! style is a file beside it, and everything can be read without it.

mod timeline;

use maud::{DOCTYPE, Markup, html};
use time::OffsetDateTime;

use crate::fault::Fault;
use crate::lineage::Stored;
use crate::name::LineageName;
use crate::plan::{Action, Plan, Reason, Step, days};
use crate::report::finding::shown;
use crate::report::terminal::minute;
use crate::report::{Case, Run, Verdict, stamp};

/// The file that the page asks for, in its own folder.
pub const STYLE: &str = include_str!("html/report.css");

/// The page. `ending` is the summary line of the run, or what is known before it ended.
pub fn render(run: &Run, ending: &str) -> String {
    let cases = run.cases();
    let bad: Vec<&Case> = cases.iter().filter(|case| case.verdict.is_bad()).collect();
    let command = fact(run, "command").unwrap_or("run");
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "countersign " (command) " " (minute(run.started)) }
                link rel="stylesheet" href="report.css";
            }
            body {
                header {
                    h1 { "countersign " (command) }
                    p class={ "ending " (if bad.is_empty() { "good" } else { "bad" }) } { (shown(ending)) }
                    (facts(run))
                }
                (counts(run, &cases))
                (timeline::figure(run))
                (failures(&bad))
                (certificates(run))
                @if let Some(plan) = &run.plan { (steps(plan)) }
                (checks(&cases))
            }
        }
    };
    page.into_string() + "\n"
}

fn fact<'a>(run: &'a Run, name: &str) -> Option<&'a str> {
    run.facts.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_str())
}

fn facts(run: &Run) -> Markup {
    let seconds = (run.ended - run.started).as_seconds_f64();
    html! {
        dl {
            dt { "started" } dd { time datetime=(stamp(run.started)) { (minute(run.started)) } }
            dt { "took" } dd { (format!("{seconds:.1} s")) }
            @for (name, value) in run.facts.iter().filter(|(name, _)| *name != "command") {
                dt { (name.replace('_', " ")) } dd { (shown(value)) }
            }
        }
    }
}

/// How many of each: lineages, what was done with them, what went wrong.
fn counts(run: &Run, cases: &[Case]) -> Markup {
    let verdicts = |is: fn(&Verdict) -> bool| cases.iter().filter(|case| is(&case.verdict)).count();
    let mut counts = vec![
        ("live", run.inventory.live.len(), "plain"),
        ("stashed", run.inventory.stash.len(), "plain"),
        ("checks passed", verdicts(|verdict| *verdict == Verdict::Passed), "good"),
        ("deferred", verdicts(|verdict| matches!(verdict, Verdict::Skipped(_))), "warn"),
        ("failed", verdicts(Verdict::is_bad), "bad"),
    ];
    let done = |action| {
        let outcomes = run.applied.iter().flat_map(|applied| &applied.outcomes);
        outcomes.filter(|outcome| outcome.action == action && !outcome.failed() && !outcome.interrupted).count()
    };
    counts.extend(
        Action::ALL.into_iter().filter(|action| action.changes()).map(|action| (did(action), done(action), "good")),
    );
    html! {
        ul class="counts" {
            @for (word, count, class) in counts.into_iter().filter(|(word, count, _)| *count > 0 || *word == "live") {
                li class=(class) { strong { (count) } " " (word) }
            }
        }
    }
}

/// Beside how many are in the stash now.
fn did(action: Action) -> &'static str {
    match action {
        Action::Publish => "published again",
        Action::Stash => "put into the stash",
        Action::Unstash => "taken out of the stash",
        action => action.past(),
    }
}

fn failures(bad: &[&Case]) -> Markup {
    html! {
        @if !bad.is_empty() {
            section {
                h2 { "What went wrong" }
                @for case in bad {
                    @if let Verdict::Failed(fault) | Verdict::Error(fault) = &case.verdict { (failure(case, fault)) }
                }
            }
        }
    }
}

fn failure(case: &Case, fault: &Fault) -> Markup {
    html! {
        article {
            h3 { (shown(&case.name)) " " small { (case.suite) " · " (shown(&fault.code)) } }
            p { (shown(&fault.message)) }
            @if !fault.causes.is_empty() {
                ul { @for cause in &fault.causes { li { (shown(cause)) } } }
            }
            @if let Some(hint) = &fault.hint { p class="hint" { "What to do: " (shown(hint)) } }
        }
    }
}

/// All lineages of the store, what ends first on top.
fn certificates(run: &Run) -> Markup {
    let live = run.inventory.live.iter().map(|(name, stored)| (name, stored, "live"));
    let stash = run.inventory.stash.iter().map(|(name, stored)| (name, stored, "stashed"));
    let mut rows: Vec<_> = live.chain(stash).collect();
    rows.sort_by_key(|(name, stored, _)| (stored.facts().not_after, *name));
    html! {
        @if !rows.is_empty() {
            section {
                h2 { "Certificates" }
                table {
                    thead { tr { th { "lineage" } th { "state" } th { "ends" } th { "left" } th { "version" } th { "issuer" } th { "names" } } }
                    tbody { @for (name, stored, state) in rows { (certificate(name, stored, state, run.ended)) } }
                }
            }
        }
    }
}

fn certificate(name: &LineageName, stored: &Stored, state: &str, now: OffsetDateTime) -> Markup {
    let facts = stored.facts();
    let names: Vec<&str> = facts.identifiers.iter().map(|name| name.as_str()).collect();
    let left = facts.not_after - now;
    html! {
        tr {
            th scope="row" { (name) }
            td { (if stored.revoked.is_some() { "revoked" } else { state }) }
            td { time datetime=(stamp(facts.not_after)) { (minute(facts.not_after)) } }
            td { (if left.is_positive() { days(left) } else { "expired".into() }) }
            td { (stored.meta.version) }
            td { (shown(&facts.issuer)) }
            td { (names.join(", ")) }
        }
    }
}

/// What was to be done. What is left as it is can be unfolded.
fn steps(plan: &Plan) -> Markup {
    let (kept, shown): (Vec<&Step>, Vec<&Step>) = plan.steps.iter().partition(|step| step.action == Action::Keep);
    html! {
        section {
            h2 { "Plan" }
            @if shown.is_empty() { p { "No changes." } } @else { (step_table(&shown)) }
            @if !kept.is_empty() {
                details { summary { (kept.len()) " unchanged" } (step_table(&kept)) }
            }
        }
    }
}

fn step_table(steps: &[&Step]) -> Markup {
    html! {
        table {
            thead { tr { th { "lineage" } th { "action" } th { "why" } th { "due" } } }
            tbody {
                @for step in steps {
                    @let reasons: Vec<String> = step.reasons.iter().map(Reason::text).collect();
                    tr {
                        th scope="row" { (step.lineage) }
                        td { (step.action) }
                        td { (shown(&reasons.join("; "))) }
                        td { @if let Some(due) = step.due { (minute(due)) } }
                    }
                }
            }
        }
    }
}

/// Every case of the JUnit report by the same name.
fn checks(cases: &[Case]) -> Markup {
    html! {
        section {
            details {
                summary { "All " (cases.len()) " checks" }
                table {
                    thead { tr { th { "suite" } th { "case" } th { "result" } } }
                    tbody {
                        @for case in cases {
                            @let (word, class) = verdict(&case.verdict);
                            tr { td { (case.suite) } th scope="row" { (shown(&case.name)) } td class=(class) { (word) } }
                        }
                    }
                }
            }
        }
    }
}

fn verdict(verdict: &Verdict) -> (&'static str, &'static str) {
    match verdict {
        Verdict::Passed => ("passed", "good"),
        Verdict::Skipped(_) => ("deferred", "warn"),
        Verdict::Failed(_) => ("failed", "bad"),
        Verdict::Error(_) => ("error", "bad"),
    }
}
