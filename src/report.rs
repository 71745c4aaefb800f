//! The report of a run: one list of cases, from which every format is rendered.
//!
//! Suites and case names are permanent, so that Jenkins can show the history of each. Every lineage has its cases at
//! every run; *not due* is passed.

pub mod finding;
pub mod html;
pub mod junit;
pub mod metrics;
pub mod refused;
pub mod sarif;
pub mod served;
pub mod terminal;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use time::OffsetDateTime;

use crate::explain::{self, Rule};
use crate::fault::Fault;
use crate::hook;
use crate::lineage::Stored;
use crate::name::LineageName;
use crate::outcome::{Outcome, Revoking};
use crate::plan::{Action, Plan, Reason, Step, days};
use crate::port::Inventory;
use crate::report::finding::Finding;

/// A lineage with less than this part of its lifetime left is in danger, whatever this run did.
const EXPIRY_FLOOR: i32 = 6;

/// The fixed checks of a run, in the order in which they happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// The config repo and its host answered.
    Contact,
    Signature,
    SignerAllowed,
    NoRollback,
    ListValid,
    PolicyValid,
    Limits,
    /// The run came to its end.
    Completed,
}

impl Check {
    pub const ALL: [Self; 8] = [
        Self::Contact,
        Self::Signature,
        Self::SignerAllowed,
        Self::NoRollback,
        Self::ListValid,
        Self::PolicyValid,
        Self::Limits,
        Self::Completed,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Contact => "contact",
            Self::Signature => "signature",
            Self::SignerAllowed => "signer-allowed",
            Self::NoRollback => "no-rollback",
            Self::ListValid => "list-valid",
            Self::PolicyValid => "policy-valid",
            Self::Limits => "limits",
            Self::Completed => "completed",
        }
    }
}

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Passed,
    /// The certificate or the input is not as it must be.
    Failed(Fault),
    /// It could not be found out or acted upon.
    Error(Fault),
    /// A deferral that people should see.
    Skipped(String),
}

impl Verdict {
    /// A fault of the CA's judgement, of a rule or of a certificate is a failure, anything else an error.
    pub fn of(fault: Fault) -> Self {
        let origin = fault.code.split(':').next().unwrap_or_default();
        let act = ["acme:timeout", "acme:unreachable", "acme:serverInternal", "served:unreachable"]
            .contains(&fault.code.as_str())
            || fault.code.starts_with("acme:http-");
        let infrastructure = ["git", "store", "s3", "route53", "dns", "aws", "run", "config", "journal", "key"];
        if act || infrastructure.contains(&origin) { Self::Error(fault) } else { Self::Failed(fault) }
    }

    pub fn is_bad(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Error(_))
    }
}

/// One case of one suite.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Case {
    pub suite: &'static str,
    pub name: String,
    pub verdict: Verdict,
    /// Shown in this order. The first 500 characters are kept for passed cases.
    pub facts: Vec<(&'static str, String)>,
    pub seconds: f64,
}

impl Case {
    fn new(suite: &'static str, name: impl Into<String>, verdict: Verdict) -> Self {
        Self { suite, name: name.into(), verdict, facts: Vec::new(), seconds: 0.0 }
    }
}

/// What an apply did, as far as the report shows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Applied {
    pub outcomes: Vec<Outcome>,
    pub left_behind: Vec<Fault>,
    pub revoked: Vec<Revoking>,
}

impl Applied {
    /// Whether something is left to the next run that no lineage's outcome tells of.
    pub fn is_unfinished(&self) -> bool {
        !self.left_behind.is_empty() || self.revoked.iter().any(|revoking| revoking.fault.is_some())
    }
}

/// Everything a run found out and did.
#[derive(Clone, Debug)]
pub struct Run {
    pub started: OffsetDateTime,
    pub ended: OffsetDateTime,
    /// Facts about the run: version, commit, signer, trust root.
    pub facts: Vec<(&'static str, String)>,
    /// The checks that were made. A run that ended early, or has no need of one, leaves it out.
    pub made: BTreeSet<Check>,
    /// The checks that did not pass.
    pub failed: BTreeMap<Check, Fault>,
    pub plan: Option<Plan>,
    pub applied: Option<Applied>,
    /// What became of each hook. `None` if there are none.
    pub hooks: Option<Vec<hook::Ran>>,
    /// What servers show. `None` if nobody looked.
    pub served: Option<served::Looks>,
    /// The store after the run.
    pub inventory: Inventory,
    /// Buckets that could not be listed, so that nobody knows what they hold.
    pub unreachable: BTreeMap<String, Fault>,
    /// What `validate` found. No other command looks at rules one by one.
    pub findings: Option<Vec<Finding>>,
}

impl Run {
    /// A run that has only begun. Its report says that it did not complete: it is replaced when it did.
    pub fn begun(started: OffsetDateTime, facts: Vec<(&'static str, String)>) -> Self {
        let fault = Fault::new("run:incomplete", "the run did not come to its end")
            .hint("look at the log: the process was killed, or the machine went down");
        Self {
            started,
            ended: started,
            facts,
            made: BTreeSet::new(),
            failed: BTreeMap::from([(Check::Completed, fault)]),
            plan: None,
            applied: None,
            hooks: None,
            served: None,
            inventory: Inventory::default(),
            unreachable: BTreeMap::new(),
            findings: None,
        }
    }

    /// Notes that every check up to this one was made.
    pub fn made_up_to(&mut self, last: Check) {
        self.made.extend(Check::ALL.into_iter().filter(|check| *check <= last));
    }

    /// All cases, suite by suite, sorted by name.
    pub fn cases(&self) -> Vec<Case> {
        let mut cases = self.source();
        if let Some(findings) = &self.findings {
            cases.extend(explain::all().map(|rule| self.rule(&rule, findings)));
            return cases;
        }
        if let Some(plan) = &self.plan {
            cases.extend(plan.steps.iter().filter(|step| step.certificate.is_some()).map(|step| self.issue(step)));
            cases.extend(plan.steps.iter().filter_map(|step| self.publish(step)));
        }
        cases.extend(self.revoke());
        if let Some(hooks) = &self.hooks {
            cases.extend(self.hooked().into_iter().map(|name| hooks_case(name, hooks)));
        }
        cases.extend(self.served.iter().flatten().map(|(name, looks)| served::case(name, looks)));
        cases.extend(self.inventory.live.iter().map(|(name, stored)| self.expiry(name, stored)));
        cases.extend(self.cleanup());
        cases
    }

    /// How many lineages have a failed case of issue, publish, revoke, hooks or served. Being told to stop is no
    /// failure of a lineage.
    pub fn failed_lineages(&self) -> usize {
        let stopped = |case: &Case| matches!(&case.verdict, Verdict::Error(fault) if fault.code == "run:interrupted");
        let cases = self.cases().into_iter().filter(|case| !stopped(case));
        let of_lineages = ["certs.issue", "certs.publish", "certs.revoke", "certs.hooks", "certs.served"];
        let bad = cases.filter(|case| of_lineages.contains(&case.suite) && case.verdict.is_bad());
        bad.map(|case| case.name).collect::<BTreeSet<_>>().len()
    }

    pub fn outcome(&self, lineage: &LineageName) -> Option<&Outcome> {
        self.applied.as_ref()?.outcomes.iter().find(|outcome| outcome.lineage == *lineage)
    }

    fn source(&self) -> Vec<Case> {
        let case = |check: &Check| {
            let verdict = self.failed.get(check).cloned().map_or(Verdict::Passed, Verdict::of);
            let mut case = Case::new("certs.source", check.as_str(), verdict);
            case.facts = self.facts.clone();
            // Skipped is not the word: Jenkins would take it for a change that people must see.
            let is_made = *check == Check::Completed || self.made.contains(check) || case.verdict.is_bad();
            if !is_made {
                case.facts.push(("note", "this run did not look at it".into()));
            }
            if *check == Check::Completed {
                case.seconds = (self.ended - self.started).as_seconds_f64();
            }
            case
        };
        Check::ALL.iter().map(case).collect()
    }

    /// Whether the input keeps a rule. Warnings are told and do not count.
    fn rule(&self, rule: &Rule, findings: &[Finding]) -> Case {
        let (errors, warnings): (Vec<_>, Vec<_>) =
            findings.iter().filter(|finding| finding.rule == rule.id).partition(|finding| finding.is_error());
        let verdict = errors.first().map_or(Verdict::Passed, |first| {
            let mut fault = Fault::new(rule.id, first.line());
            fault.causes = errors.iter().skip(1).map(|finding| finding.line()).collect();
            fault.hint = first.hint.clone();
            Verdict::Failed(fault)
        });
        let mut case = Case::new("config.rules", rule.id, verdict);
        case.facts = vec![("rule", rule.description.to_owned())];
        case.facts.extend(warnings.iter().map(|finding| ("warning", finding.line())));
        case
    }

    fn issue(&self, step: &Step) -> Case {
        let outcome = self.outcome(&step.lineage);
        let mut case = Case::new("certs.issue", step.lineage.as_str(), issue_verdict(step, outcome));
        case.seconds = outcome.map_or(0.0, |outcome| outcome.seconds);
        case.facts = step_facts(step, outcome, self.inventory.live.get(&step.lineage));
        case
    }

    /// Whether the buckets hold the live version after the run.
    fn publish(&self, step: &Step) -> Option<Case> {
        let certificate = step.certificate.as_ref().filter(|certificate| !certificate.publish.is_empty())?;
        let stored = self.inventory.live.get(&step.lineage)?;
        let outcome = self.outcome(&step.lineage);
        let uploaded = outcome.and_then(|outcome| outcome.published.values().flatten().next());
        let failed = uploaded.or_else(|| certificate.publish.iter().find_map(|name| self.unreachable.get(name)));
        let verdict = failed.cloned().map_or(Verdict::Passed, Verdict::of);
        let mut case = Case::new("certs.publish", step.lineage.as_str(), verdict);
        let buckets: Vec<&str> = certificate.publish.iter().map(String::as_str).collect();
        case.facts.push(("buckets", buckets.join(", ")));
        case.facts.push(("version", stored.meta.version.to_string()));
        case.facts.push(("serial", stored.facts().serial.clone()));
        case.facts.extend(outcome.into_iter().flat_map(Outcome::warnings).map(|warning| ("warning", warning)));
        Some(case)
    }

    /// Every lineage that a hook could tell of.
    fn hooked(&self) -> BTreeSet<&LineageName> {
        let listed = self.plan.iter().flat_map(|plan| &plan.steps).filter(|step| step.certificate.is_some());
        let told = self.hooks.iter().flatten().map(|ran| &ran.lineage);
        listed.map(|step| &step.lineage).chain(told).collect()
    }

    /// Whether the CA revoked what it was to revoke. A suite that is there only when something was.
    fn revoke(&self) -> Vec<Case> {
        let mut told: BTreeMap<&LineageName, Vec<&Revoking>> = BTreeMap::new();
        for revoking in self.applied.iter().flat_map(|applied| &applied.revoked) {
            told.entry(&revoking.lineage).or_default().push(revoking);
        }
        let case = |(lineage, all): (&LineageName, Vec<&Revoking>)| {
            let failed = all.iter().find_map(|revoking| Some((revoking, revoking.fault.as_ref()?)));
            let verdict = failed.map_or(Verdict::Passed, |(revoking, fault)| {
                let message = format!("version {} is not revoked: {}", revoking.revocation.version, fault.message);
                Verdict::of(Fault { message, ..fault.clone() })
            });
            let mut case = Case::new("certs.revoke", lineage.as_str(), verdict);
            for Revoking { revocation, .. } in all {
                let text = format!("version {}, serial {}", revocation.version, revocation.serial);
                case.facts.push((revocation.reason.as_str(), text));
            }
            case
        };
        told.into_iter().map(case).collect()
    }

    fn expiry(&self, name: &LineageName, stored: &Stored) -> Case {
        let facts = stored.facts();
        let left = facts.not_after - self.ended;
        let floor = facts.lifetime() / EXPIRY_FLOOR;
        let verdict = if let Some(revoked) = &stored.revoked {
            let text = format!("revoked on {}: {}", revoked.at.date(), revoked.reason);
            Verdict::Failed(Fault::new("expiry:revoked", text).hint("see the `certs.issue` case of the same name"))
        } else if left >= floor {
            Verdict::Passed
        } else if left.is_positive() {
            let text = format!("{} left, the floor is {}", days(left), days(floor));
            Verdict::Failed(Fault::new("expiry:floor", text).hint("see the `certs.issue` case of the same name"))
        } else {
            Verdict::Failed(Fault::new("expiry:expired", format!("expired on {}", facts.not_after.date())))
        };
        let mut case = Case::new("certs.expiry", name.as_str(), verdict);
        case.facts.push(("days_left", left.whole_days().to_string()));
        case.facts.push(("not_after", stamp(facts.not_after)));
        case.facts.push(("issuer", facts.issuer.clone()));
        case
    }

    fn cleanup(&self) -> Vec<Case> {
        let left = self.applied.as_ref().and_then(|applied| applied.left_behind.first());
        let records = left.cloned().map_or(Verdict::Passed, Verdict::of);
        let mut cases = vec![
            Case::new("certs.cleanup", "challenge-records", records),
            Case::new("certs.cleanup", "lock", Verdict::Passed),
            Case::new("certs.cleanup", "temporary-files", Verdict::Passed),
        ];
        if self.failed.get(&Check::Completed).is_some_and(|fault| fault.code == "run:incomplete") {
            cases.iter_mut().for_each(|case| case.facts.push(("note", "this run did not look at it".into())));
        }
        cases
    }
}

/// Whether all hooks of a lineage ended well in this run. The first that did not speaks for all.
fn hooks_case(name: &LineageName, hooks: &[hook::Ran]) -> Case {
    let ran: Vec<&hook::Ran> = hooks.iter().filter(|ran| ran.lineage == *name).collect();
    let failed = ran.iter().find_map(|ran| Some((ran, ran.fault.as_ref()?)));
    let verdict = failed.map_or(Verdict::Passed, |(ran, fault)| {
        Verdict::of(Fault { message: format!("{}: {}", ran.event.as_str(), fault.message), ..fault.clone() })
    });
    let mut case = Case::new("certs.hooks", name.as_str(), verdict);
    case.seconds = ran.iter().map(|ran| ran.seconds).sum();
    let word = |ran: &hook::Ran| if ran.fault.is_some() { "failed" } else { "done" };
    case.facts =
        ran.iter().map(|ran| ("hook", format!("{} `{}` {}", ran.event.as_str(), ran.command, word(ran)))).collect();
    if case.facts.is_empty() {
        case.facts.push(("hook", "nothing to tell".to_owned()));
    }
    case
}

fn issue_verdict(step: &Step, outcome: Option<&Outcome>) -> Verdict {
    if let Some(outcome) = outcome {
        if let Some(fault) = &outcome.fault {
            return Verdict::of(named(step.action, fault));
        }
        if outcome.interrupted {
            let fault =
                Fault::new("run:interrupted", "the run was told to stop").hint("the next run goes on from here");
            return Verdict::Error(named(step.action, &fault));
        }
    }
    for reason in &step.reasons {
        match reason {
            Reason::Broken { fault } => return Verdict::Error(fault.clone()),
            Reason::BacksOff { last, .. } => {
                let was = if step.live.is_some() { Action::Renew } else { Action::Issue };
                return Verdict::of(named(was, last));
            }
            Reason::LimitSaid { said } if step.due.is_none() => return Verdict::of(named(step.action, said)),
            Reason::LimitReached { .. } | Reason::LimitSaid { .. } if step.action == Action::Defer => {
                let until = step.due.map(|due| format!("; next try {}", terminal::minute(due))).unwrap_or_default();
                return Verdict::Skipped(reason.text() + &until);
            }
            Reason::HeadRefused | Reason::BucketUnsafe { .. } if step.action == Action::Defer => {
                return Verdict::Skipped(reason.text());
            }
            _ => {}
        }
    }
    Verdict::Passed
}

/// `issue:` and `renew:` stand in the message, because Jenkins shows it in mails and summaries.
fn named(action: Action, fault: &Fault) -> Fault {
    Fault { message: format!("{action}: {}", fault.message), ..fault.clone() }
}

fn step_facts(step: &Step, outcome: Option<&Outcome>, live: Option<&Stored>) -> Vec<(&'static str, String)> {
    let mut facts = vec![("action", step.action.to_string())];
    let reasons: Vec<String> = step.reasons.iter().map(Reason::text).collect();
    facts.push(("reasons", reasons.join("; ")));
    if let Some(live) = live {
        facts.push(("serial", live.facts().serial.clone()));
        facts.push(("not_after", stamp(live.facts().not_after)));
        facts.push(("issuer", live.facts().issuer.clone()));
    }
    if let Some(certificate) = &step.certificate {
        let names: Vec<&str> = certificate.identifiers.iter().map(|name| name.as_str()).collect();
        facts.push(("identifiers", names.join(", ")));
        facts.push(("authority", certificate.authority.clone()));
    }
    if let Some(url) = outcome.and_then(|outcome| outcome.order_url.clone()) {
        facts.push(("order_url", url));
    }
    if let Some(due) = step.due {
        facts.push(("due", stamp(due)));
    }
    facts
}

/// UTC to the second, ISO 8601.
pub fn stamp(time: OffsetDateTime) -> String {
    let format = time::macros::format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    time.to_offset(time::UtcOffset::UTC).format(format).unwrap_or_default()
}
