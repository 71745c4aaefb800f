//! Rules about certificates as wholes: each in itself, then all together.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use time::Duration;

use super::draft::Draft;
use super::{ChallengeType, KeyType};
use crate::diag::Code;
use crate::name::Identifier;
use crate::yaml::{Findings, Spot, duration};

/// The rules for one certificate.
pub(super) fn within(draft: &Draft, findings: &mut Findings<'_>) {
    duplicate_identifiers(draft, findings);
    covered_siblings(draft, findings);
    wildcards_by_http(draft, findings);
    too_many_identifiers(draft, findings);
    renew_before(draft, findings);
}

/// The rules between certificates, over all files.
pub(super) fn across(drafts: &[Draft], findings: &mut Findings<'_>) {
    duplicate_names(drafts, findings);
    colliding_names(drafts, findings);
    let twins = duplicate_sets(drafts, findings);
    claimed_twice(drafts, &twins, findings);
    covered_others(drafts, findings);
}

fn duplicate_identifiers(draft: &Draft, findings: &mut Findings<'_>) {
    let mut seen: HashMap<&Identifier, Spot> = HashMap::new();
    for (identifier, at) in &draft.identifiers {
        if let Some(first) = seen.get(identifier) {
            let message = format!("`{identifier}` stands twice in one certificate");
            findings.report_pair(Code::DuplicateIdentifier, message, (*at, "again"), (*first, "first"));
        } else {
            seen.insert(identifier, *at);
        }
    }
}

fn covered_siblings(draft: &Draft, findings: &mut Findings<'_>) {
    let wildcards = wildcards(draft.identifiers.iter().map(|(identifier, at)| (identifier, *at)));
    for (identifier, at) in &draft.identifiers {
        if let Some((wildcard, over)) = covering(identifier, &wildcards) {
            let message = format!("`{wildcard}` already covers `{identifier}`");
            findings
                .report_pair(Code::WildcardCoversSibling, message, (*at, "covered"), (*over, "the wildcard"))
                .hint(format!("delete `{identifier}`; CAs refuse orders with both"));
        }
    }
}

/// Only control of the zone shows control of all names in it (CA/Browser Forum Baseline Requirements, 3.2.2.4.19).
fn wildcards_by_http(draft: &Draft, findings: &mut Findings<'_>) {
    if draft.settings.challenge != ChallengeType::Http01 {
        return;
    }
    for (wildcard, at) in draft.identifiers.iter().filter(|(identifier, _)| identifier.is_wildcard()) {
        findings
            .report(Code::WildcardHttp01, *at, format!("`{wildcard}` cannot be validated by http-01"))
            .hint("write `challenge: dns-01` for this certificate, or list the names one by one");
    }
}

fn too_many_identifiers(draft: &Draft, findings: &mut Findings<'_>) {
    let limit = match draft.settings.profile.as_deref().or(draft.settings.preferred_profile.as_deref()) {
        Some("tlsserver" | "shortlived") => 25,
        _ => 100,
    };
    if let Some((_, at)) = draft.identifiers.get(limit) {
        let message = format!("a certificate has {} domains, its profile allows {limit}", draft.identifiers.len());
        findings.report(Code::TooManyIdentifiers, *at, message).label("one too many").hint("split the certificate");
    }
}

/// Lifetimes of Let's Encrypt's profiles; another profile is not judged.
fn renew_before(draft: &Draft, findings: &mut Findings<'_>) {
    let lifetime = match draft.settings.profile.as_deref().or(draft.settings.preferred_profile.as_deref()) {
        None | Some("classic") => Duration::days(90),
        Some("tlsserver") => Duration::days(45),
        Some("shortlived") => Duration::hours(160),
        Some(_) => return,
    };
    if let Some((before, at)) = draft.settings.renew_before.filter(|(before, _)| *before * 2 >= lifetime) {
        let (before, half) = (duration::format(before), duration::format(lifetime / 2));
        findings
            .report(
                Code::RenewBeforeTooLong,
                at,
                format!("`{before}` is not under half the lifetime of {}", duration::format(lifetime)),
            )
            .hint(format!("write less than {half}, or leave `renew` out: the CA then says when"));
    }
}

fn duplicate_names(drafts: &[Draft], findings: &mut Findings<'_>) {
    let mut seen = HashMap::new();
    for draft in drafts {
        let Some(name) = &draft.name else { continue };
        if let Some(first) = seen.get(name) {
            let message = format!("two certificates have the name `{name}`");
            findings.report_pair(Code::DuplicateName, message, (draft.at, "second"), (*first, "first"));
        } else {
            seen.insert(name, draft.at);
        }
    }
}

fn colliding_names(drafts: &[Draft], findings: &mut Findings<'_>) {
    let mut seen: HashMap<String, &Draft> = HashMap::new();
    for draft in drafts {
        let Some(name) = &draft.name else { continue };
        let folded = name.as_str().replace(['.', '-'], "_");
        let first = seen.entry(folded).or_insert(draft);
        if first.name != draft.name {
            let other = first.name.as_ref().map_or("", |name| name.as_str());
            let message = format!("`{name}` and `{other}` are one name to Jenkins, which turns `.` and `-` into `_`");
            findings.report_pair(Code::LineageNamesCollide, message, (draft.at, "second"), (first.at, "first"));
        }
    }
}

/// Reports certificates with the same names and key type; gives each such draft with its first twin.
fn duplicate_sets(drafts: &[Draft], findings: &mut Findings<'_>) -> BTreeSet<(usize, usize)> {
    let mut seen: HashMap<(BTreeSet<&Identifier>, KeyType), usize> = HashMap::new();
    let mut twins = BTreeSet::new();
    for (index, draft) in ordered(drafts).filter(|(_, draft)| !draft.identifiers.is_empty()) {
        let set = draft.identifiers.iter().map(|(identifier, _)| identifier).collect();
        let first = *seen.entry((set, draft.settings.key)).or_insert(index);
        if first != index {
            let message = format!("{} has the same domains and key type as {}", title(draft), title(&drafts[first]));
            findings
                .report_pair(Code::DuplicateIdentifierSet, message, (draft.at, "second"), (drafts[first].at, "first"))
                .hint("delete one of the two; CAs limit how often the same set is issued");
            twins.insert((first, index));
        }
    }
    twins
}

/// Somebody else's may stand beside one of ours, and its key type is not known.
fn ordered(drafts: &[Draft]) -> impl Iterator<Item = (usize, &Draft)> {
    drafts.iter().enumerate().filter(|(_, draft)| draft.provided.is_none())
}

fn claimed_twice(drafts: &[Draft], twins: &BTreeSet<(usize, usize)>, findings: &mut Findings<'_>) {
    let mut claims: HashMap<(&Identifier, KeyType), (usize, Spot)> = HashMap::new();
    for (index, draft) in ordered(drafts) {
        for (identifier, at) in &draft.identifiers {
            let (first, first_at) = *claims.entry((identifier, draft.settings.key)).or_insert((index, *at));
            if first == index || twins.contains(&(first, index)) {
                continue;
            }
            let message = format!("`{identifier}` is claimed by two certificates of the same key type");
            let second = format!("second claim, in {}", title(draft));
            let other = format!("first claim, in {}", title(&drafts[first]));
            findings
                .report_pair(Code::IdentifierClaimedTwice, message, (*at, &second), (first_at, &other))
                .hint("keep one claim, or give the two different key types");
        }
    }
}

fn covered_others(drafts: &[Draft], findings: &mut Findings<'_>) {
    let all = drafts.iter().enumerate().flat_map(|(index, draft)| draft.identifiers.iter().map(move |id| (index, id)));
    let owned = wildcards(all.map(|(index, (identifier, at))| (identifier, (index, *at))));
    for (index, draft) in drafts.iter().enumerate() {
        for (identifier, at) in &draft.identifiers {
            let Some((wildcard, (owner, over))) =
                covering(identifier, &owned).filter(|(_, (owner, _))| *owner != index)
            else {
                continue;
            };
            let message = format!("`{wildcard}` in {} covers `{identifier}`", title(&drafts[*owner]));
            findings
                .report_pair(Code::WildcardCoversOther, message, (*at, "covered"), (*over, "the wildcard"))
                .hint("if the wildcard is served for this name too, it needs no certificate of its own");
        }
    }
}

/// Wildcards by the name under which they stand.
fn wildcards<'d, T>(identifiers: impl Iterator<Item = (&'d Identifier, T)>) -> BTreeMap<&'d str, (&'d Identifier, T)> {
    let mut found = BTreeMap::new();
    for (identifier, data) in identifiers.filter(|(identifier, _)| identifier.is_wildcard()) {
        found.entry(identifier.base()).or_insert((identifier, data));
    }
    found
}

/// The wildcard that covers a name.
fn covering<'w, 'd, T>(
    identifier: &Identifier,
    wildcards: &'w BTreeMap<&'d str, (&'d Identifier, T)>,
) -> Option<(&'d Identifier, &'w T)> {
    let (_, parent) = identifier.as_str().split_once('.')?;
    let (wildcard, data) = wildcards.get(parent)?;
    wildcard.covers(identifier).then_some((*wildcard, data))
}

fn title(draft: &Draft) -> String {
    draft.name.as_ref().map_or_else(|| "a certificate without name".to_owned(), |name| format!("`{name}`"))
}
