//! `countersign apply`

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::apply::{self, Applied, Ports, Pruned};
use crate::audit::{self, Head};
use crate::cli::args::{Apply as Args, Global, Report};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::hooks;
use crate::cli::observe::{self, Looked};
use crate::cli::output::Output;
use crate::cli::progress::{Lines, Spinner};
use crate::cli::record;
use crate::cli::reports::{Ended, Reports, reported};
use crate::cli::session::Session;
use crate::cli::{ask, plan as plan_command, served, source, term, wire};
use crate::event::Listener;
use crate::fault::Fault;
use crate::outcome::Outcome;
use crate::plan::limits::LimitsMode;
use crate::plan::{self, ApprovedPlan, Plan, saved};
use crate::port::{Inventory, Store};
use crate::report::{self, Check, stamp, terminal};
use crate::store::write;

pub fn run(global: &Global, args: &Args, output: &Output) -> Exit {
    reported("apply", &args.report, output, |reports| body(global, args, output, reports))
}

fn body(global: &Global, args: &Args, output: &Output, reports: &mut Reports) -> Result<Ended, Failure> {
    let asks = args.plan.is_none() && !args.auto_approve;
    if asks && !ask::can_ask(output) {
        let hint = "give a file that `countersign plan --out FILE` saved, or --auto-approve";
        return Err(ask::nobody("there is neither a plan nor a terminal to ask at", hint));
    }
    let session = open(global, reports)?;
    let saved = args.plan.as_deref().map(read_saved).transpose()?;
    let source = source::fetch(&session, reports)?;
    let looked = session.block_on(observe::observe(&session, &source.list, false))?;
    let choices = session.choices(&args.selection, &source, &looked.observed.inventory)?;
    let mut plan = plan::plan(&source.list, source.mode, &looked.observed, &choices, reports.now());
    plan_command::refuse_compromised(&choices, &plan)?;
    reports.run.inventory = looked.observed.inventory.clone();
    reports.run.unreachable = looked.unreachable.clone();
    if let Some(saved) = &saved {
        plan = plan.select(saved, reports.now())?;
    }
    reports.run.plan = Some(plan.clone());
    plan_command::show(&plan, &source, &[], &session, reports, output);
    let approved = approve(plan, args, &session)?;
    reports.run.made.insert(Check::Limits);
    if asks && approved.plan().has_changes() {
        ask::for_yes("\nApply?", output)?;
    }
    let buckets = record::buckets(&looked.targets);
    session.block_on(record::before(&session, approved.plan(), args.force_limits, &buckets))?;
    let hooks = hooks::prepare(&session, &source, &looked.observed.inventory)?;
    let refused = source.refused.or_else(|| looked.refused());
    let applied = noted(carry_out(&session, &approved, looked, output)?, &session, reports)?;
    show(&applied, reports, output);
    let told = hooks.map_or(Ok(()), |hooks| hooks.tell(&session, &applied.outcomes, reports, output));
    let looked = served::look(&session, reports, output);
    let audited = session.block_on(record::after(&session, &applied, &buckets, reports));
    let audited = told.and(looked).map_err(Failure::from).and(audited);
    let exit = exit(&session, &applied, reports);
    let summary = sum_up(&applied, exit, audited.as_ref().ok().and_then(Option::as_ref), reports, output);
    end(exit, summary, audited.err(), refused, reports)
}

/// Every apply leaves its reports in the state directory too.
fn open(global: &Global, reports: &mut Reports) -> Result<Session, Failure> {
    let session = Session::open(global, "apply", reports)?;
    reports.metrics = session.config.metrics.clone();
    let folder = session.config.state.join("report");
    write::own_folder(&folder)?;
    write::own_folder(&folder.join("html"))?;
    reports.also(&Report { junit: Some(folder.join("junit.xml")), html: Some(folder.join("html")) })?;
    Ok(session)
}

fn read_saved(file: &Path) -> Result<Plan, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Fault::new("plan:missing", format!("failed to read the plan {}", file.display()))
            .caused_by(&error)
            .hint("make one: `countersign plan --out FILE`")
    })?;
    Ok(saved::from_json(&text)?)
}

fn approve(plan: Plan, args: &Args, session: &Session) -> Result<ApprovedPlan, Failure> {
    let mode = if args.force_limits { LimitsMode::Force } else { LimitsMode::Enforce };
    plan.approve(session.limits(), mode).map_err(|(_, over)| {
        let fault = Fault::new("limits:changed", over.message())
            .hint("look at the plan; if it is right, apply it with --force-limits, or raise `limits:` in the config");
        Failure::new(Exit::Refused, Check::Limits, fault)
    })
}

fn carry_out(session: &Session, plan: &ApprovedPlan, looked: Looked, output: &Output) -> Result<Applied, Failure> {
    let Looked { observed, targets, unreachable, provided, given } = looked;
    let stop = session.signals.orderly();
    session.block_on(async {
        let ports = Ports {
            cas: wire::cas(session)?,
            solvers: wire::solvers(&session.config).await?,
            caa: Arc::new(wire::caa(&session.config)?),
            store: session.store.clone(),
            targets,
            unreachable,
            provided,
            given,
            placeholders: session.config.placeholders,
            keep: session.config.keep,
            terms: session.config.terms(),
            ledger: observed.ledger,
            anchors: wire::anchors(&session.config)?,
            clock: session.clock.clone(),
        };
        let spinner = term::shows_progress(output.around) && !output.quiet;
        let listener: Box<dyn Listener> = if spinner { Box::new(Spinner::start()) } else { Box::new(Lines) };
        Ok(apply::apply(plan, &observed.inventory, &ports, listener.as_ref(), &stop).await)
    })
}

fn noted(applied: Applied, session: &Session, reports: &mut Reports) -> Result<report::Applied, Failure> {
    let pruned = |one: &Pruned| audit::record::pruned(&one.lineage, one.bucket.as_deref(), &one.versions);
    session.note(&applied.pruned.iter().map(pruned).collect::<Vec<_>>())?;
    let applied =
        report::Applied { outcomes: applied.outcomes, left_behind: applied.left_behind, revoked: applied.revoked };
    reports.run.applied = Some(applied.clone());
    reports.run.inventory = session.store.observe()?;
    Ok(applied)
}

fn show(applied: &report::Applied, reports: &Reports, output: &Output) {
    for outcome in &applied.outcomes {
        output.json("outcome", json!({ "outcome": outcome }));
    }
    output.text(&terminal::applied(&reports.run, applied, output.paint));
}

/// The summary line; the same as the last object in JSON.
fn sum_up(applied: &report::Applied, exit: Exit, audit: Option<&Head>, reports: &Reports, output: &Output) -> String {
    let inventory = &reports.run.inventory;
    output.text(&terminal::first_to_expire(inventory, reports.now()).unwrap_or_default());
    let failed = reports.run.failed_lineages();
    let done = applied.outcomes.iter().filter(|outcome| !outcome.failed() && !outcome.interrupted).count();
    output.json(
        "summary",
        json!({"exit": exit as u8, "done": done, "failed": failed, "left_behind": applied.left_behind,
            "revoked": applied.revoked, "audit": audit, "first_to_expire": first_to_expire(inventory)}),
    );
    let stopped = applied.outcomes.iter().filter(|outcome| outcome.interrupted).count();
    let stopped = if stopped > 0 { format!(", {stopped} stopped") } else { String::new() };
    let left = applied.left_behind.len();
    let left = if left > 0 { format!(", {left} left behind") } else { String::new() };
    format!("{done} done{}, {failed} failed{stopped}{left}", counts(&applied.outcomes))
}

/// A refusal says more than a failure that came after it, and a run that was told to end says only that.
fn end(
    exit: Exit,
    summary: String,
    failure: Option<Failure>,
    refused: Option<Failure>,
    reports: &mut Reports,
) -> Result<Ended, Failure> {
    let refused = refused.filter(|_| exit != Exit::Interrupted);
    match failure {
        Some(failure) if refused.is_none() && exit == Exit::Done => return Err(failure),
        failure => reports.run.failed.extend(failure.map(|failure| (failure.check, failure.fault))),
    }
    refused.map_or(Ok(Ended::new(exit, summary)), Err)
}

fn first_to_expire(inventory: &Inventory) -> Option<Value> {
    let (name, stored) = inventory.first_to_expire()?;
    Some(json!({"lineage": name, "not_after": stamp(stored.facts().not_after)}))
}

fn exit(session: &Session, applied: &report::Applied, reports: &Reports) -> Exit {
    let failed = reports.run.failed_lineages() > 0 || applied.is_unfinished();
    match (session.signals.orderly().is_asked(), failed) {
        (true, _) => Exit::Interrupted,
        (false, true) => Exit::Partial,
        (false, false) => Exit::Done,
    }
}

fn counts(outcomes: &[Outcome]) -> String {
    let done = |outcome: &&Outcome| !outcome.failed() && !outcome.interrupted;
    let count = |action| outcomes.iter().filter(done).filter(|outcome| outcome.action == action).count();
    let actions = plan::Action::ALL.into_iter().filter(|action| count(*action) > 0);
    let counts: Vec<String> = actions.map(|action| format!("{} {}", count(action), action.past())).collect();
    if counts.is_empty() { String::new() } else { format!(" ({})", counts.join(", ")) }
}
