//! What every command with the lock begins with: configuration, store, lock, runtime.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use crate::cli::args::{Global, Selection};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::reports::Reports;
use crate::cli::runtime::runtime;
use crate::cli::settings;
use crate::cli::signals::Signals;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::fault::Fault;
use crate::name::LineageName;
use crate::plan::{Choices, Limits, Plan};
use crate::port::Clock;
use crate::report::Check;
use crate::store::FileStore;
use crate::store::lock::Lock;

/// One run that holds the lock.
pub struct Session {
    pub config: Config,
    pub store: Arc<FileStore>,
    pub clock: Arc<dyn Clock>,
    pub signals: Signals,
    runtime: tokio::runtime::Runtime,
    _lock: Lock,
}

impl Session {
    pub fn open(global: &Global, operation: &str, reports: &mut Reports) -> Result<Self, Failure> {
        let config = settings::load(global)?;
        reports.notify = (operation == "apply").then(|| config.notify.clone());
        let store = Arc::new(FileStore::open(&config.state)?);
        let lock = Lock::acquire(&config.state, operation, reports.now())?;
        reports.store = Some(store.clone());
        let runtime = runtime()?;
        let signals = runtime.block_on(async { Signals::listen() })?;
        Ok(Self { config, store, clock: Arc::new(SystemClock), signals, runtime, _lock: lock })
    }

    /// Runs async work to its end.
    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    pub fn limits(&self) -> Limits {
        let limits = &self.config.limits;
        Limits { max_changed_percent: limits.max_changed_percent, min_lineages: limits.min_lineages as usize }
    }

    /// The choices of the command line.
    pub fn choices(&self, selection: &Selection) -> Result<Choices, Failure> {
        let reason = selection.reason.clone().unwrap_or_default();
        let names = |names: &[String]| names.iter().map(|name| parse_name(name)).collect::<Result<Vec<_>, _>>();
        let force: BTreeMap<_, _> = names(&selection.force)?.into_iter().map(|name| (name, reason.clone())).collect();
        let only = names(&selection.only)?.into_iter().collect();
        Ok(Choices { every: self.config.every, only, force, terms: self.config.terms() })
    }
}

/// Refuses a plan that leaves out what the command line names: a slip of the pen must not pass for nothing to do.
pub fn refuse_unknown(choices: &Choices, plan: &Plan) -> Result<(), Failure> {
    let step = |name: &LineageName| plan.steps.iter().find(|step| step.lineage == *name);
    let unknown = choices.only.iter().chain(choices.force.keys()).find(|name| step(name).is_none());
    let gone = choices.force.keys().find(|name| step(name).is_some_and(|step| step.certificate.is_none()));
    let (name, hint) = match (unknown, gone) {
        (Some(name), _) => (name, "`countersign status` lists the names".to_owned()),
        (None, Some(name)) => {
            (name, format!("`countersign revoke {name}` has the CA revoke what the store holds of it"))
        }
        (None, None) => return Ok(()),
    };
    let fault = Fault::new("run:name", format!("the list has no lineage `{name}`")).hint(hint);
    Err(Failure::new(Exit::Usage, Check::Completed, fault))
}

pub fn parse_name(text: &str) -> Result<LineageName, Failure> {
    LineageName::parse(text).map_err(|error| {
        let fault = Fault::new("run:name", format!("`{text}` is not the name of a lineage")).caused_by(&error);
        Failure::new(Exit::Usage, Check::Completed, fault.hint("`countersign status` lists the names"))
    })
}
