//! From the files of the list to a `List`, or to everything that is wrong with them.

use std::collections::BTreeSet;

use super::draft::{self, Draft};
use super::{Certificate, ChallengeType, List, rules};
use crate::diag::{Code, Diagnostic, Severity, SourceFile};
use crate::yaml::{self, Findings};

/// What a reading of the list gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The list, if no diagnostic is an error.
    pub list: Option<List>,
    /// All findings in file order.
    pub diagnostics: Vec<Diagnostic>,
}

/// What the runner's config defines and the list may refer to.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Known {
    /// With those that are built in.
    pub authorities: BTreeSet<String>,
    pub buckets: BTreeSet<String>,
    /// Words for somebody else's certificates.
    pub provided: BTreeSet<String>,
    /// Words for keys that the runner has.
    pub given_keys: BTreeSet<String>,
    /// Those that the runner can answer.
    pub challenges: BTreeSet<ChallengeType>,
}

/// Reads the files of the list together. Without `known`, names of authorities and buckets are not looked up.
pub fn parse(files: &[SourceFile], known: Option<&Known>) -> Parsed {
    let mut findings = Findings::new(files.iter().map(|file| file.path.as_str()));
    let roots: Vec<_> = files.iter().enumerate().map(|(index, file)| yaml::read(file, index, &mut findings)).collect();
    let mut drafts = Vec::new();
    for root in roots.iter().flatten() {
        drafts.extend(draft::read(root, known, &mut findings));
    }
    for draft in &drafts {
        rules::within(draft, &mut findings);
    }
    rules::across(&drafts, &mut findings);
    let places: Vec<_> = drafts.iter().map(|draft| findings.place(draft.at)).collect();
    let mut diagnostics = findings.into_sorted();
    if files.is_empty() {
        diagnostics.push(no_files());
    }
    let valid = !diagnostics.iter().any(Diagnostic::is_error);
    let certificates = drafts.into_iter().zip(places).map(|(draft, place)| (certificate(draft), place));
    let list = valid.then(|| List::new(certificates));
    Parsed { list, diagnostics }
}

/// A draft without faults as a certificate.
fn certificate(draft: Draft) -> Certificate {
    let identifiers: BTreeSet<_> = draft.identifiers.into_iter().map(|(identifier, _)| identifier).collect();
    assert!(!identifiers.is_empty(), "a certificate without domains has been reported");
    Certificate {
        name: draft.name.expect("a certificate without a name has been reported"),
        identifiers,
        authority: draft.settings.authority,
        key: draft.settings.key,
        key_source: draft.key_source,
        challenge: draft.settings.challenge,
        profile: draft.settings.profile,
        preferred_profile: draft.settings.preferred_profile,
        preferred_chain: draft.settings.preferred_chain,
        provided: draft.provided,
        publish: draft.settings.publish,
        served: draft.served,
        renew_before: draft.settings.renew_before.map(|(before, _)| before),
    }
}

/// An empty folder is not an empty list: nothing in it was written by anybody.
fn no_files() -> Diagnostic {
    Diagnostic {
        code: Code::NoList.name(),
        severity: Severity::Error,
        message: "there is no file to read the list from".to_owned(),
        labels: Vec::new(),
        hint: Some("a list without certificates is a file with `version: 1` and `certificates: []`".to_owned()),
    }
}
