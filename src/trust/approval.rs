//! Approvals: detached minisign signatures over a statement that says what exactly is approved.
//!
//! They stand in `approvals/<digest of the list>/`: the file `statement`, and `<person>.minisig` for each who approves.
//! Nobody has to protect that folder: everything in it is rebuilt or proven here, and what is not needed is not read.

use std::collections::BTreeSet;

use minisign_verify::Signature;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::fault::Fault;
use crate::name::Digest;
use crate::trust::object::{Mode, NamedEntry, ObjectId, Objects, TreeEntry};
use crate::trust::policy::{ApprovalKey, Policy};
use crate::trust::refusal::{Refusal, RuleId, Stop};
use crate::trust::root::TrustRoot;

const STATEMENT: &[u8] = b"statement";
const MAX_STATEMENT: usize = 4096;
const MAX_SIGNATURE: usize = 1024;
const MAX_ENTRIES: usize = 64;

/// What is approved: that the list becomes `list` from `previous`, in one repository, under one policy, for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    pub url: String,
    pub ref_name: String,
    pub list: Digest,
    pub previous: Digest,
    pub policy: Digest,
    /// Whole seconds, UTC.
    pub expires: OffsetDateTime,
}

impl Statement {
    /// The only text of the statement. A line feed ends each line.
    pub fn to_text(&self) -> String {
        let Self { url, ref_name, list, previous, policy, expires } = self;
        let expires = expires.replace_nanosecond(0).expect("0 is a nanosecond").format(&Rfc3339);
        let expires = expires.expect("a year of four digits");
        format!(
            "countersign approval 1\nrepository {url}\nref {ref_name}\nlist {list}\nprevious {previous}\npolicy {policy}\n\
             expires {expires}\n"
        )
    }

    /// What a text says that only its author can know: the previous list and the expiry.
    pub fn claims(text: &str) -> Option<(Digest, OffsetDateTime)> {
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let expires = OffsetDateTime::parse(field("expires")?, &Rfc3339).ok()?;
        Some((Digest::parse(field("previous")?).ok()?, expires))
    }

    /// The folder of the statement about a list, and of its signatures.
    pub fn folder(list: &Digest) -> String {
        format!("approvals/{}", list.to_hex())
    }
}

/// An approval that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    pub person: String,
    pub key: ApprovalKey,
    pub list: Digest,
    pub previous: Digest,
    /// See [`signed_part`].
    pub signature: String,
}

impl Approval {
    /// Person and key.
    pub fn signer(&self) -> String {
        format!("{} {}", self.person, self.key)
    }
}

/// Approvals that hold, and why others do not.
#[derive(Debug, Default)]
pub struct Approvals {
    pub good: Vec<Approval>,
    pub bad: Vec<Refusal>,
}

/// The lists that the folder `approvals/` of a tree speaks about.
pub fn lists(objects: &dyn Objects, tree: ObjectId) -> Result<BTreeSet<Digest>, Fault> {
    let Some(TreeEntry { mode: Mode::Tree, id }) = objects.entry(tree, "approvals")? else {
        return Ok(BTreeSet::new());
    };
    let digest = |entry: &NamedEntry| Digest::parse(&format!("sha256:{}", std::str::from_utf8(&entry.name).ok()?)).ok();
    Ok(objects.tree(id)?.iter().filter_map(digest).collect())
}

/// Judges the approvals of `list`. `previous` are the lists from which it may have been changed.
pub fn read(
    root: &TrustRoot,
    policy: &Policy,
    objects: &dyn Objects,
    tree: ObjectId,
    list: &Digest,
    previous: &BTreeSet<Digest>,
    now: OffsetDateTime,
) -> Result<Approvals, Fault> {
    let mut approvals = Approvals::default();
    let folder = Folder { objects, path: Statement::folder(list) };
    let stated = folder.entries(tree).and_then(|entries| {
        let text = folder.statement(&entries)?;
        let statement = check_statement(&text, root, policy, list, previous, now);
        Ok((entries, statement.map_err(|refusal| refusal.path(&folder.file("statement")))?, text))
    });
    let (entries, statement, text) = match stated {
        Ok(stated) => stated,
        Err(stop) => {
            approvals.bad = stop.refusals()?;
            return Ok(approvals);
        }
    };
    for entry in entries.iter().filter(|entry| entry.name != STATEMENT) {
        match folder.approval(entry, policy, &statement, &text) {
            Ok(approval) => approvals.good.push(approval),
            Err(stop) => approvals.bad.extend(stop.refusals()?),
        }
    }
    Ok(approvals)
}

/// Where the approvals of one list stand.
struct Folder<'a> {
    objects: &'a dyn Objects,
    path: String,
}

impl Folder<'_> {
    fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.path)
    }

    fn entries(&self, tree: ObjectId) -> Result<Vec<NamedEntry>, Stop> {
        let refuse = |rule, message: String| Refusal::new(rule, message).path(&self.path);
        let Some(TreeEntry { mode: Mode::Tree, id }) = self.objects.entry(tree, &self.path)? else {
            return Err(refuse(RuleId::Mode, "the approvals are not a directory".into()).hint("make it one").into());
        };
        let entries = self.objects.tree(id)?;
        if entries.len() > MAX_ENTRIES {
            let message = format!("there are more than {MAX_ENTRIES} files with approvals of one list");
            return Err(refuse(RuleId::Limits, message).hint("keep the statement and one file a person").into());
        }
        Ok(entries)
    }

    fn statement(&self, entries: &[NamedEntry]) -> Result<String, Stop> {
        let path = self.file("statement");
        let entry = entries.iter().find(|entry| entry.name == STATEMENT).ok_or_else(|| {
            Refusal::new(RuleId::Replay, "there are approvals without the statement that they sign")
                .path(&path)
                .hint("commit the file `statement` beside them")
        })?;
        text(self.objects, entry.entry, &path, MAX_STATEMENT)
    }

    fn approval(
        &self,
        entry: &NamedEntry,
        policy: &Policy,
        statement: &Statement,
        stated: &str,
    ) -> Result<Approval, Stop> {
        let name = String::from_utf8_lossy(&entry.name).escape_debug().to_string();
        let path = self.file(&name);
        let text = text(self.objects, entry.entry, &path, MAX_SIGNATURE)?;
        let (person, key) =
            check_signature(policy, &name, &text, stated.as_bytes()).map_err(|refusal| refusal.path(&path))?;
        let Statement { list, previous, .. } = statement.clone();
        Ok(Approval { person, key, list, previous, signature: signed_part(&text).to_owned() })
    }
}

/// Signatures that stand in the folder of a list, good or not.
pub fn signatures(objects: &dyn Objects, folder: ObjectId) -> Result<Vec<String>, Fault> {
    let mut signatures = Vec::new();
    for entry in objects.tree(folder)?.iter().filter(|entry| entry.name.ends_with(b".minisig")).take(MAX_ENTRIES) {
        match text(objects, entry.entry, "", MAX_SIGNATURE) {
            Ok(text) => signatures.push(signed_part(&text).to_owned()),
            Err(stop) => drop(stop.refusals()?),
        }
    }
    Ok(signatures)
}

/// What nobody else can change in a minisign file: all but the first line, which is not signed. The same key makes
/// another one each time, since minisign signs the time as well.
fn signed_part(text: &str) -> &str {
    text.split_once('\n').map_or(text, |(_, rest)| rest).trim_end_matches('\n')
}

/// The text of a plain file below a size.
fn text(objects: &dyn Objects, entry: TreeEntry, path: &str, cap: usize) -> Result<String, Stop> {
    let refuse = |rule, message: String, hint: &str| Refusal::new(rule, message).path(path).hint(hint).into();
    if entry.mode != Mode::File {
        let message = format!("`{path}` is {}, not a plain file", entry.mode);
        return Err(refuse(RuleId::Mode, message, "commit it as a regular file with mode 100644"));
    }
    let Some(bytes) = objects.blob(entry.id, cap)? else {
        return Err(refuse(RuleId::Untrusted, format!("the file has more than {cap} bytes"), AGAIN));
    };
    String::from_utf8(bytes).map_err(|_| refuse(RuleId::Untrusted, "the file is not UTF-8".into(), AGAIN))
}

pub(super) const AGAIN: &str = "make the approval again with `countersign approve`";

/// Rebuilds the statement and compares it byte by byte.
fn check_statement(
    text: &str,
    root: &TrustRoot,
    policy: &Policy,
    list: &Digest,
    previous: &BTreeSet<Digest>,
    now: OffsetDateTime,
) -> Result<Statement, Refusal> {
    let Some((from, expires)) = Statement::claims(text) else {
        return Err(Refusal::new(RuleId::Replay, "the file is not a statement").hint(AGAIN));
    };
    let statement = Statement {
        url: root.url.clone(),
        ref_name: root.ref_name.clone(),
        list: list.clone(),
        previous: from,
        policy: policy.digest().clone(),
        expires,
    };
    let expected = statement.to_text();
    if text != expected {
        let odd = text.split('\n').zip(expected.split('\n')).find(|(found, wanted)| found != wanted);
        let message = match odd {
            Some((found, wanted)) => {
                let found: String = found.escape_debug().take(200).collect();
                format!("the statement says `{found}` where it should say `{wanted}`")
            }
            None => "the statement is not the text that it should be".to_owned(),
        };
        return Err(Refusal::new(RuleId::Replay, message).hint(AGAIN));
    }
    if !previous.contains(&statement.previous) {
        let message = format!(
            "the statement is about a change from the list {}, which is not the one before",
            statement.previous
        );
        return Err(Refusal::new(RuleId::Replay, message).hint(AGAIN));
    }
    if statement.expires <= now {
        let message = format!("the approvals expired at {}", statement.expires.format(&Rfc3339).unwrap_or_default());
        return Err(Refusal::new(RuleId::ApprovalExpired, message).approvable(true).hint(AGAIN));
    }
    Ok(statement)
}

/// Whose key made a signature over the statement, if it is the person after whom the file is named.
///
/// # Errors
/// The rule that the approval breaks: `A02-untrusted`, `A03-legacy` or `A04-count`.
pub fn check_signature(
    policy: &Policy,
    file: &str,
    text: &str,
    statement: &[u8],
) -> Result<(String, ApprovalKey), Refusal> {
    let refuse = |rule, message: String| Err(Refusal::new(rule, message).hint(AGAIN));
    let Some(name) = file.strip_suffix(".minisig") else {
        return refuse(RuleId::Untrusted, format!("`{file}` is neither the statement nor an approval"));
    };
    // minisign ignores the first line and whatever follows the fourth.
    let lines: Vec<_> = text.strip_suffix('\n').unwrap_or(text).split('\n').collect();
    let comments = [(0, "untrusted comment: "), (2, "trusted comment: ")];
    let framed = lines.len() == 4 && comments.iter().all(|(line, start)| lines[*line].starts_with(start));
    let Some(signature) = Some(text).filter(|_| framed).and_then(|text| Signature::decode(text).ok()) else {
        return refuse(RuleId::Untrusted, "the approval is not exactly the four lines that minisign writes".to_owned());
    };
    let holds = |key: &ApprovalKey, legacy| key.key().verify(statement, &signature, legacy).is_ok();
    let made = |legacy| {
        let keys = policy.people().flat_map(|(name, person)| person.approves.iter().map(move |key| (name, key)));
        keys.into_iter().find(|(_, key)| holds(key, legacy))
    };
    match made(false) {
        Some((person, key)) if person == name => Ok((person.to_owned(), key.clone())),
        Some((person, _)) => {
            let message = format!("the approval of `{name}` is made with a key of `{person}`, who counts once");
            refuse(RuleId::Count, message)
        }
        None if made(true).is_some() => refuse(
            RuleId::Legacy,
            "the approval signs the statement itself, not its hash: minisign's legacy format".into(),
        ),
        None if policy.person(name).is_none_or(|person| person.approves.is_empty()) => {
            refuse(RuleId::Untrusted, format!("`{name}` has no key for approvals in the policy"))
        }
        None => {
            refuse(RuleId::Untrusted, format!("the approval does not hold over the statement by a key of `{name}`"))
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn statement() -> Statement {
        Statement {
            url: "ssh://git@git.example.com/pki/domains.git".into(),
            ref_name: "refs/heads/main".into(),
            list: Digest::of(b"new"),
            previous: Digest::of(b"old"),
            policy: Digest::of(b"policy"),
            expires: datetime!(2026-06-08 12:00 UTC),
        }
    }

    #[test]
    fn a_statement_is_seven_lines() {
        let text = "countersign approval 1\n\
            repository ssh://git@git.example.com/pki/domains.git\n\
            ref refs/heads/main\n\
            list sha256:11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437\n\
            previous sha256:c8ccb99d4e8aa8e9c8f3e4e8e9b0b0b0\n";
        let written = statement().to_text();
        assert_eq!(written.lines().count(), 7);
        assert_eq!(written.lines().take(4).collect::<Vec<_>>(), text.lines().take(4).collect::<Vec<_>>());
        assert!(written.ends_with("expires 2026-06-08T12:00:00Z\n"));
    }

    #[test]
    fn what_a_statement_claims_is_read_back() {
        let claims = Statement::claims(&statement().to_text());
        assert_eq!(claims, Some((Digest::of(b"old"), datetime!(2026-06-08 12:00 UTC))));
    }
}
