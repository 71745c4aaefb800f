//! The config repo for a command: fetched, verified, and what to do when it is not.

use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::record;
use crate::cli::reports::Reports;
use crate::cli::session::Session;
use crate::config::{Config, read};
use crate::diag::{Diagnostic, SourceFile, render};
use crate::fault::{Fault, Retry};
use crate::plan::{Mode, days};
use crate::report::terminal::plain;
use crate::report::{Check, refused, stamp};
use crate::source::{BareStore, MAX_RECEIVED, Remote};
use crate::store::{Document, FileStore};
use crate::trust::{
    self, AllowedSigners, FirstSeen, ListPath, Policy, Refused, RuleId, TrustRoot, TrustState, Verdict, VerifiedList,
    When,
};

/// A list to plan for, and how far the plan may go.
pub struct Source {
    pub list: VerifiedList,
    pub mode: Mode,
    /// Whether it was judged by the trust root of today. Only then do its scripts run.
    pub current: bool,
    /// Why the head is not planned for. The list is then the last verified one.
    pub refused: Option<Failure>,
}

/// Fetches the head and verifies it. When that fails, the last verified list still serves for renewals.
pub fn fetch(session: &Session, reports: &mut Reports) -> Result<Source, Failure> {
    let root = trust_root(&session.config)?;
    let state = state(session, &root)?;
    let seen = first_seen(&session.store);
    let head = remote(session).fetch().map_err(Failure::from);
    let judged = head.and_then(|head| {
        reports.run.made_up_to(Check::Contact);
        let objects = BareStore::open(&session.config.state.join("git"))?;
        let known = session.config.known();
        let when = When { now: reports.now(), first_seen: Some(&seen) };
        match trust::verify(&root, state.as_ref(), &head, &objects, when, Some(&known))? {
            Verdict::Verified(list) => Ok(*list),
            Verdict::Refused(refused) => {
                let refusal = refusal(&refused);
                reports.run.made_up_to(refusal.check);
                keep(session, &seen, &refused.first_seen)?;
                record::refused(session, &refused, reports);
                Err(refusal)
            }
        }
    });
    match judged {
        Ok(list) => {
            reports.run.made_up_to(Check::PolicyValid);
            session.store.write_json(Document::TrustState, list.state())?;
            keep(session, &seen, &FirstSeen::default())?;
            record::verified(session, state.as_ref(), &list, reports)?;
            tell(reports, &list);
            let Some(quiet) = quiet(session, &list, reports.now()) else {
                return Ok(Source { list, mode: Mode::Full, current: true, refused: None });
            };
            reports.run.failed.insert(quiet.check, quiet.fault.clone());
            Ok(Source { list, mode: Mode::RenewOnly, current: true, refused: Some(quiet) })
        }
        Err(failure) => match state {
            Some(state) => renew_only(session, reports, &root, &state, failure),
            None => Err(failure),
        },
    }
}

/// The last verified list, without asking anybody: for `plan --offline`.
pub fn last(session: &Session, reports: &mut Reports) -> Result<Source, Failure> {
    let root = trust_root(&session.config)?;
    let Some(state) = state(session, &root)? else {
        let fault = Fault::new("git:nothing-verified", "nothing was verified yet, so there is nothing to plan offline")
            .hint("run `countersign verify` first");
        return Err(fault.into());
    };
    let list = last_verified(session, &root, &state)?;
    tell(reports, &list);
    let current = *list.trust_root() == root.digest();
    Ok(Source { list, mode: Mode::Full, current, refused: None })
}

/// `main @ 9f2c1d0e44  3 new commits`, and who signed it on a line of its own.
pub fn line(config: &Config, list: &VerifiedList) -> String {
    let new = match list.commits_walked() {
        0 => "no new commits".into(),
        1 => "1 new commit".into(),
        count => format!("{count} new commits"),
    };
    named(config, list, &new)
}

/// The same of the list that is gone back to, since the head is refused or out of reach.
pub fn line_of_before(config: &Config, list: &VerifiedList) -> String {
    named(config, list, "verified last; the head is not used")
}

fn named(config: &Config, list: &VerifiedList, what: &str) -> String {
    let branch = config.repository.ref_name.trim_start_matches("refs/heads/");
    let signer = list.head_signer().map_or("the introduction".into(), |signer| format!("signed by {}", plain(signer)));
    format!("{branch} @ {}  {what}\n       {signer}", list.commit().short())
}

fn tell(reports: &mut Reports, list: &VerifiedList) {
    reports.fact("commit", list.commit().as_str());
    reports.fact("signer", list.head_signer().unwrap_or("-"));
    reports.fact("list", list.list_digest().to_string());
    reports.fact("trust_root", list.trust_root().to_string());
}

fn remote(session: &Session) -> Remote {
    remote_into(&session.config, session.config.state.join("git"))
}

/// The config repo, to be fetched into a bare store of one's own.
pub fn remote_into(config: &Config, store: PathBuf) -> Remote {
    let repository = &config.repository;
    Remote {
        url: repository.url.clone(),
        ref_name: repository.ref_name.clone(),
        ssh_key: repository.ssh_key.clone(),
        host_keys: repository.host_keys.iter().map(ToString::to_string).collect(),
        allow_local: repository.allow_local,
        max_received: MAX_RECEIVED,
        store,
    }
}

/// The runner's side of trust, from the files that the configuration names.
pub fn trust_root(config: &Config) -> Result<TrustRoot, Failure> {
    let path = &config.trust.allowed_signers;
    let hint = "one key a line: `<principal> namespaces=\"git\" ssh-ed25519 AAAA…`";
    let pinned = &config.trust.certificate_authorities;
    let parse = |text: &str, path: &str| AllowedSigners::with_authorities(text, path, pinned);
    let signers = trust_file(path, "trust:allowed-signers", hint, parse)?;
    let hint = "every key is explained in policy/policy.example.yaml";
    let parse = |text: &str, path: &str| Policy::parse(text, path, &signers);
    let policy =
        config.trust.policy.as_deref().map(|path| trust_file(path, "trust:policy", hint, parse)).transpose()?;
    let list = ListPath::parse(&config.repository.list).map_err(|error| {
        Fault::new("config:invalid", "`repository.list` is not the path of a list").caused_by(&error)
    })?;
    Ok(TrustRoot {
        introduction: config.trust.introduction.clone(),
        signers,
        revoked: config.trust.revoked.clone(),
        require: config.trust.require,
        policy,
        url: config.repository.url.clone(),
        ref_name: config.repository.ref_name.clone(),
        list,
    })
}

/// Reads a file that the runner trusts. A malformed one is not a refusal: nothing can be judged with it.
fn trust_file<T>(
    path: &Path,
    code: &str,
    hint: &str,
    parse: impl FnOnce(&str, &str) -> Result<T, Vec<Diagnostic>>,
) -> Result<T, Failure> {
    let text = read::read(path).map_err(|fault| Failure { check: Check::PolicyValid, ..fault.into() })?;
    let name = path.display().to_string();
    parse(&text, &name).map_err(|diagnostics| {
        let fault = Fault::new(code, format!("{name} is not valid")).hint(hint);
        let mut failure = Failure::new(Exit::Failed, Check::PolicyValid, fault);
        let source = SourceFile { path: name.clone(), bytes: text.clone().into_bytes() };
        failure.details = render::render(&diagnostics, &[source], false);
        failure
    })
}

/// What earlier runs verified, and what a run that was cut short did not write down is in the log now.
fn state(session: &Session, root: &TrustRoot) -> Result<Option<TrustState>, Failure> {
    let (state, is_known) = look_up_state(&session.store, root)?;
    if let Some(state) = state.as_ref().filter(|_| !is_known) {
        record::catch_up(session, state)?;
    }
    Ok(state)
}

/// What earlier runs verified, and whether the log knows it. A store with lineages but without this memory is refused:
/// it could be rolled back.
pub fn look_up_state(store: &FileStore, root: &TrustRoot) -> Result<(Option<TrustState>, bool), Failure> {
    use crate::port::Store;
    let state: Option<TrustState> = store.read_json(Document::TrustState)?;
    if state.is_none() {
        let inventory = store.observe()?;
        if !inventory.live.is_empty() || !inventory.stash.is_empty() {
            let fault = Fault::new(record::ROLLBACK, "the store holds lineages, but its trust-state.json is gone")
                .hint(format!(
                    "restore trust-state.json from the backup of the store; the introduction is {}",
                    root.introduction
                ))
                .retry(Retry::Never);
            return Err(Failure::new(Exit::Refused, Check::NoRollback, fault));
        }
    }
    let is_known = record::refuse_rollback(store, state.as_ref())?;
    Ok((state, is_known))
}

/// What earlier runs saw of heads that they refused. If that is damaged only times are lost, and certificates that have
/// ended since count for nothing.
pub fn first_seen(store: &FileStore) -> FirstSeen {
    store
        .read_json(Document::FirstSeen)
        .unwrap_or_else(|fault| {
            tracing::warn!("commits with certificates are judged as if seen for the first time: {fault}");
            None
        })
        .unwrap_or_default()
}

/// Keeps when commits were seen first, until their head is verified.
fn keep(session: &Session, before: &FirstSeen, now: &FirstSeen) -> Result<(), Fault> {
    if before == now { Ok(()) } else { session.store.write_json(Document::FirstSeen, now) }
}

fn last_verified(session: &Session, root: &TrustRoot, state: &TrustState) -> Result<VerifiedList, Failure> {
    let objects = BareStore::open(&session.config.state.join("git"))?;
    match trust::last_verified(root, state, &objects, Some(&session.config.known()))? {
        Verdict::Verified(list) => Ok(*list),
        Verdict::Refused(refused) => Err(refusal(&refused)),
    }
}

/// A head that has not moved for longer than this runner finds likely. It is verified, and nothing is stale.
fn quiet(session: &Session, list: &VerifiedList, now: OffsetDateTime) -> Option<Failure> {
    let since = list.moved_at();
    let max = session.config.trust.max_quiet.filter(|max| now - since > *max)?;
    let text = format!("the head has not moved since {}, for more than {}", stamp(since), days(max));
    let fault = Fault::new(RuleId::Freeze.as_str(), text).retry(Retry::Never).hint(
        "see that the server shows the newest commit; if it does, push a signed one: \
         `git commit --allow-empty -S -m 'Nothing new'`",
    );
    Some(Failure::new(Exit::Refused, Check::NoRollback, fault))
}

/// Renewals of what was verified go on for a while, so that a bad push cannot cause an outage.
fn renew_only(
    session: &Session,
    reports: &mut Reports,
    root: &TrustRoot,
    state: &TrustState,
    mut failure: Failure,
) -> Result<Source, Failure> {
    let stale = reports.now() - state.verified_at;
    if stale > session.config.trust.max_stale {
        let text = format!("the last verified list is {} old, so nothing is renewed either", days(stale));
        failure.fault.causes.push(text);
        return Err(failure);
    }
    match last_verified(session, root, state) {
        Ok(list) => {
            tell(reports, &list);
            reports.run.failed.insert(failure.check, failure.fault.clone());
            let current = *list.trust_root() == root.digest();
            Ok(Source { list, mode: Mode::RenewOnly, current, refused: Some(failure) })
        }
        Err(other) => {
            failure.fault.causes.push(format!("the last verified list cannot be used: {}", other.fault));
            Err(failure)
        }
    }
}

/// A refusal by rule as a failure: the first broken rule speaks for all, the rest stand in the details.
pub fn refusal(refused: &Refused) -> Failure {
    let check = refused.refusals.first().map_or(Check::Signature, |first| check(first.rule));
    Failure { details: refused::details(refused), ..Failure::new(Exit::Refused, check, refused::fault(refused)) }
}

fn check(rule: RuleId) -> Check {
    match rule {
        RuleId::UnknownKey
        | RuleId::WeakKey
        | RuleId::Certificate
        | RuleId::Revoked
        | RuleId::Expired
        | RuleId::ForgeKey
        | RuleId::Threshold
        | RuleId::Scope
        | RuleId::EveryRule
        | RuleId::Replay
        | RuleId::Untrusted
        | RuleId::Legacy
        | RuleId::Count
        | RuleId::ApprovalExpired => Check::SignerAllowed,
        RuleId::Rollback | RuleId::Freeze => Check::NoRollback,
        RuleId::InvalidList | RuleId::NoList => Check::ListValid,
        _ => Check::Signature,
    }
}
