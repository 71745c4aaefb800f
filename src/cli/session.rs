//! What every command with the lock begins with: configuration, store, lock, runtime.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use crate::audit::{Head, Record};
use crate::cli::args::{Global, Selection};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::reports::Reports;
use crate::cli::runtime::runtime;
use crate::cli::settings;
use crate::cli::signals::Signals;
use crate::cli::source::Source;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::fault::{Fault, Retry};
use crate::name::LineageName;
use crate::plan::{Choices, Limits};
use crate::port::{Clock, Inventory};
use crate::report::Check;
use crate::report::terminal::plain;
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

    /// Writes into the audit log.
    pub fn note(&self, records: &[Record]) -> Result<Option<Head>, Fault> {
        self.store.append_audit(records, self.clock.now())
    }

    pub fn limits(&self) -> Limits {
        let limits = &self.config.limits;
        Limits { max_changed_percent: limits.max_changed_percent, min_lineages: limits.min_lineages as usize }
    }

    /// The choices of the command line, for this list. While the head is refused a name of that head is no mistake.
    pub fn choices(&self, selection: &Selection, source: &Source, inventory: &Inventory) -> Result<Choices, Failure> {
        let reason = selection.reason.clone().unwrap_or_default();
        let names = |names: &[String]| names.iter().map(|name| parse_name(name)).collect::<Result<Vec<_>, _>>();
        let force: BTreeMap<_, _> = names(&selection.force)?.into_iter().map(|name| (name, reason.clone())).collect();
        let only = names(&selection.only)?.into_iter().collect();
        let choices = Choices { every: self.config.every, only, force, terms: self.config.terms() };
        if source.refused.is_none() {
            let known = choices.check(source.list.list(), inventory);
            known.map_err(|fault| Failure::new(Exit::Usage, Check::Completed, fault))?;
        }
        Ok(choices)
    }
}

/// The store has nothing by this name.
pub fn no_lineage(text: &str) -> Fault {
    Fault::new("store:no-lineage", format!("the store holds no lineage `{}`", plain(text)))
        .hint("`countersign status` lists the names")
        .retry(Retry::Never)
}

/// The name of a lineage, from the command line.
pub fn parse_name(text: &str) -> Result<LineageName, Failure> {
    LineageName::parse(text).map_err(|error| {
        let fault = Fault::new("run:name", format!("`{}` is not the name of a lineage", plain(text))).caused_by(&error);
        Failure::new(Exit::Usage, Check::Completed, fault.hint("`countersign status` lists the names"))
    })
}
