//! The commits of a branch, before they are merged. Offline, and nothing that stands in the branch is trusted.

use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use crate::cli::args::{Global, MergeMethod, Validate as Args};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::counted;
use crate::cli::validate::Checked;
use crate::cli::{settings, source};
use crate::config::Config;
use crate::fault::{Fault, Retry};
use crate::premerge::{self, Branch, Judged};
use crate::report::Check;
use crate::source::Checkout;
use crate::trust::{RuleId, TrustRoot};

pub fn check(global: &Global, base: &str, args: &Args, now: OffsetDateTime) -> Result<Checked, Failure> {
    let here = std::env::current_dir()
        .map_err(|error| Fault::new("git:no-checkout", "failed to find the current folder").caused_by(&error))?;
    let checkout = Checkout::discover(&here)?;
    let config = settings::load(global)?;
    refuse_files_of_the_branch(global, &config, &here)?;
    let root = source::trust_root(&config)?;
    let list = root.list.to_string();
    let (base_id, head_id) = (checkout.resolve(base)?, checkout.resolve(&args.head)?);
    if checkout.is_shallow {
        return Ok(checked(premerge::shallow(), list));
    }
    if !checkout.is_ancestor(&root.introduction, &base_id) {
        return Err(not_introduced(base, &root));
    }
    let branch = Branch {
        base_name: base,
        base: &base_id,
        head: &head_id,
        meets: &checkout.merge_bases(&base_id, &head_id)?,
        method: args.merge_method.map(method),
    };
    let judged = premerge::judge(&root, &branch, checkout.objects(), now, Some(&config.known()))?;
    let mut checked = checked(judged, list);
    if args.merge_method == Some(MergeMethod::Merge) {
        checked.notes.push(who_may_merge(&root, now));
    }
    Ok(checked)
}

fn method(method: MergeMethod) -> premerge::MergeMethod {
    match method {
        MergeMethod::Merge => premerge::MergeMethod::Merge,
        MergeMethod::Squash => premerge::MergeMethod::Squash,
        MergeMethod::Rebase => premerge::MergeMethod::Rebase,
    }
}

fn checked(judged: Judged, list: String) -> Checked {
    let about = match judged.counts {
        Some((commits, certificates)) => {
            format!("{}, {}", counted(commits, "new commit"), counted(certificates, "certificate"))
        }
        None => "not to be merged".to_owned(),
    };
    Checked {
        about,
        notes: Vec::new(),
        refused: judged.findings,
        more: judged.more,
        diagnostics: judged.diagnostics,
        files: judged.files,
        missing_approvals_only: judged.missing_approvals_only,
        list,
    }
}

fn who_may_merge(root: &TrustRoot, now: OffsetDateTime) -> String {
    let who = premerge::who_may_sign(root, now);
    format!("the merge commit is to be signed by one of these, and to add nothing of its own:\n  {}", who.join("\n  "))
}

fn not_introduced(base: &str, root: &TrustRoot) -> Failure {
    let message = format!("`{base}` does not descend from the introduction {}", root.introduction);
    let hint = "this is a clone of another repository, or `trust.introduction` is wrong";
    let fault = Fault::new(RuleId::Rollback.as_str(), message).hint(hint).retry(Retry::Never);
    Failure::new(Exit::Refused, Check::NoRollback, fault)
}

/// What decides who is trusted may not stand in the checkout: the branch could bring it along.
pub fn refuse_files_of_the_branch(global: &Global, config: &Config, here: &Path) -> Result<(), Failure> {
    let Some(root) = Checkout::root(here) else {
        return Ok(());
    };
    let trusted = [settings::file(global), Some(config.trust.allowed_signers.clone()), config.trust.policy.clone()];
    let inside = |path: &PathBuf| path.canonicalize().is_ok_and(|path| path.starts_with(&root));
    match trusted.into_iter().flatten().find(inside) {
        None => Ok(()),
        Some(path) => {
            let message =
                format!("`{}` stands in the checkout, so a branch could change who is trusted", path.display());
            let fault = Fault::new("config:in-checkout", message)
                .hint("keep it outside of the config repo and name the configuration: `--config PATH`")
                .retry(Retry::Never);
            Err(Failure { check: Check::PolicyValid, ..fault.into() })
        }
    }
}
