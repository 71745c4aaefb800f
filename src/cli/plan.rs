//! `countersign plan`

use serde_json::json;

use crate::cli::args::{Global, Plan as Args};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, counted};
use crate::cli::probe::{self, Probe};
use crate::cli::reports::{Ended, Reports, reported};
use crate::cli::session::Session;
use crate::cli::source::Source;
use crate::cli::{observe, source, wire};
use crate::list::Certificate;
use crate::plan::{self, Choices, Plan, Reason, given, saved};
use crate::report::Check;
use crate::report::terminal::{self, Paint};
use crate::store::write;

pub fn run(global: &Global, args: &Args, output: &Output) -> Exit {
    reported("plan", &args.report, output, |reports| {
        let session = Session::open(global, "plan", reports)?;
        let source = if args.offline { source::last(&session, reports)? } else { source::fetch(&session, reports)? };
        let looked = session.block_on(observe::observe(&session, &source.list, args.offline))?;
        let choices = session.choices(&args.selection, &source, &looked.observed.inventory)?;
        let plan = plan::plan(&source.list, source.mode, &looked.observed, &choices, reports.now());
        refuse_compromised(&choices, &plan)?;
        let probes = if args.probe { session.block_on(probe(&session, &plan))? } else { Vec::new() };
        reports.run.inventory = looked.observed.inventory;
        reports.run.plan = Some(plan.clone());
        reports.run.unreachable = looked.unreachable.clone();
        show(&plan, &source, &probes, &session, reports, output);
        if let Some(file) = &args.out {
            let file = std::path::absolute(file).unwrap_or_else(|_| file.clone());
            write::report(&file, &saved::to_json(&plan), "{")?;
            output.text(&format!("Saved to {0}. Apply with `countersign apply {0}`\n", file.display()));
        }
        if let Some(refused) = source.refused {
            return Err(refused);
        }
        if let Some(fault) = looked.unreachable.into_values().next() {
            return Err(fault.into());
        }
        let exit = if args.detailed_exitcode && plan.has_changes() { Exit::Changes } else { Exit::Done };
        Ok(Ended::new(exit, summary(&plan)))
    })
}

/// Refuses what cannot be done: a key of the runner's that is compromised is replaced by whoever gives it.
pub fn refuse_compromised(choices: &Choices, plan: &Plan) -> Result<(), Failure> {
    let forced = plan.steps.iter().filter(|step| choices.force.contains_key(&step.lineage));
    let fault = forced.flat_map(|step| &step.reasons).find_map(|reason| match reason {
        Reason::Broken { fault } if fault.code == given::COMPROMISED => Some(fault.clone()),
        _ => None,
    });
    fault.map_or(Ok(()), |fault| Err(Failure::new(Exit::Refused, Check::Completed, fault)))
}

/// What stands in the way of the orders that are due.
async fn probe(session: &Session, plan: &Plan) -> Result<Vec<Probe>, Failure> {
    let due = plan.steps.iter().filter(|step| step.action.orders());
    let due: Vec<&Certificate> = due.filter_map(|step| step.certificate.as_ref()).collect();
    let applicants = probe::applicants(&session.config, &session.store, &session.clock, &due).await?;
    let mut probes = probe::caa(&wire::caa(&session.config)?, &applicants, &due).await;
    probes.extend(probe::zones(&wire::dns(&session.config).await?, &due).await);
    Ok(probes)
}

/// Shows a plan on standard output. In JSON the plan of a refused head says so itself.
pub fn show(plan: &Plan, source: &Source, probes: &[Probe], session: &Session, reports: &Reports, output: &Output) {
    let lineages = counted(reports.run.inventory.live.len(), "lineage");
    let store = format!("{}  {lineages}", session.config.state.display());
    let head = if source.refused.is_some() { source::line_of_before } else { source::line };
    let line = head(&session.config, &source.list);
    output.text(&terminal::plan(plan, &line, &store, reports.now(), output.paint));
    probes.iter().for_each(|probe| output.text(&probe.text(output.paint)));
    let mut answer = source.refused.as_ref().map_or_else(|| json!({"exit": 0}), Failure::to_json);
    answer["digest"] = json!(plan.digest());
    answer["changes"] = plan.has_changes().into();
    if !probes.is_empty() {
        answer["probes"] = json!(probes);
    }
    answer["plan"] = json!(plan);
    output.json("plan", answer);
}

/// The plan in one line.
pub fn summary(plan: &Plan) -> String {
    let text = terminal::plan_summary(plan, Paint::Plain);
    text.trim_end().trim_end_matches('.').trim_start_matches("Plan: ").to_owned()
}
