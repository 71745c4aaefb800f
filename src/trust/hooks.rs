//! Who made each script below `hooks/` what it is, and whether they may.

use std::collections::{BTreeMap, BTreeSet};

use crate::fault::Fault;
use crate::name::CommitId;
use crate::trust::authors::Change;
use crate::trust::object::{Mode, ObjectId, Objects, TreeEntry};
use crate::trust::policy::Policy;
use crate::trust::refusal::{Refusal, RuleId, Stop};
use crate::trust::root::TrustRoot;
use crate::trust::trace::{self, Maker, Versions};
use crate::trust::walk::Walked;

/// More than any script needs.
const MAX_SCRIPT: usize = 1024 * 1024;

/// A program below `hooks/` of a verified commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    pub executable: bool,
    pub bytes: Vec<u8>,
}

/// The script of this name. `None` if the commit has none.
///
/// # Errors
/// It cannot be read, or is larger than 1 MiB.
pub fn script(objects: &dyn Objects, commit: &CommitId, name: &str) -> Result<Option<Script>, Fault> {
    let path = format!("hooks/{name}");
    let unusable = |why: &str| {
        Fault::new("hooks:unusable", format!("`{path}` of the commit {} {why}", commit.short()))
            .hint("a script is a plain file of at most 1 MiB: let it call what is larger, and commit and sign it")
    };
    let id = ObjectId::parse(commit.as_str().as_bytes()).ok_or_else(|| unusable("cannot be read"))?;
    let reading = objects.commit(id)?.and_then(|raw| raw.gix);
    let tree = reading.ok_or_else(|| unusable("cannot be read"))?.tree;
    let Some(entry) = objects.entry(tree, &path)? else { return Ok(None) };
    let executable = match entry.mode {
        Mode::Executable => true,
        Mode::File => false,
        mode => return Err(unusable(&format!("is {mode}"))),
    };
    let bytes = objects.blob(entry.id, MAX_SCRIPT)?.ok_or_else(|| unusable("has more than 1 MiB"))?;
    Ok(Some(Script { executable, bytes }))
}

type Scripts = BTreeMap<Vec<u8>, TreeEntry>;

/// The scripts that are others at `head` than at `base`, and whose signers no rule lets change them.
pub fn not_covered(
    root: &TrustRoot,
    policy: &Policy,
    objects: &dyn Objects,
    base: ObjectId,
    head: ObjectId,
    walked: &Walked,
) -> Result<Vec<Refusal>, Stop> {
    let (base, head) = (scripts(objects, Some(base))?, scripts(objects, Some(head))?);
    let names: BTreeSet<_> = base.keys().chain(head.keys()).cloned().collect();
    let changed: BTreeSet<_> = names.into_iter().filter(|name| base.get(name) != head.get(name)).collect();
    let mut refusals = Vec::new();
    for (name, change) in makers(objects, head, changed, walked, true)? {
        let person = change.and_then(|change| root.person(&change.by.key, &change.by.principal));
        let rules = policy.rules_for_hooks();
        let by = change.map(|change| format!(" by {}", change.by.principal)).unwrap_or_default();
        let path = path(&name);
        if rules.is_empty() {
            let message = format!("`{path}` is changed{by}: no rule of the policy lets anybody change hooks");
            let hint = "take it back, or have those who keep the runner's policy add a rule with `hooks: true`";
            refusals.push(refusal(RuleId::Scope, message, &path, change).hint(hint));
        }
        for rule in rules.iter().filter(|rule| person.is_none_or(|person| !rule.by.contains(person))) {
            let who = rule.by.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            let message = format!("`{path}` is changed{by}: the rule `{}` needs one of {who}", rule.id);
            let hint = format!("have the change made and signed by one of {who}; approvals do not count for hooks");
            refusals.push(refusal(RuleId::Scope, message, &path, change).hint(hint));
        }
    }
    Ok(refusals)
}

/// The scripts at `head` that a revoked key made what they are.
pub fn withdrawn(
    root: &TrustRoot,
    objects: &dyn Objects,
    head: ObjectId,
    walked: &Walked,
) -> Result<Vec<Refusal>, Stop> {
    let head: Scripts = scripts(objects, Some(head))?;
    let names = head.keys().cloned().collect();
    let makers = makers(objects, head, names, walked, false)?;
    let revoked = makers.into_iter().filter_map(|(name, change)| {
        let change = change.filter(|change| change.by.keys().any(|key| root.revoked.contains(key)))?;
        let path = path(&name);
        let message = format!("`{path}` was made by the revoked key of {}", change.by);
        let hint = "have another signer remove it, or remove it and add it again after a review";
        Some(refusal(RuleId::Revoked, message, &path, Some(change)).hint(hint))
    });
    Ok(revoked.collect())
}

/// For each script the change that made it what it is at the head.
fn makers<'w>(
    objects: &dyn Objects,
    head: Scripts,
    names: BTreeSet<Vec<u8>>,
    walked: &'w Walked,
    new_only: bool,
) -> Result<BTreeMap<Vec<u8>, Option<&'w Change>>, Stop> {
    let mut folders = Folders { objects, head };
    let traced = trace::trace(&walked.way, &walked.changes, names, new_only, |_| false, &mut folders)?;
    let change = |maker| match maker {
        Maker::One(index) => Some(&walked.changes[index]),
        Maker::Several(_) | Maker::Nobody => None,
    };
    Ok(traced.into_iter().map(|traced| (traced.thing, change(traced.maker))).collect())
}

/// Entries of `hooks/`.
struct Folders<'a> {
    objects: &'a dyn Objects,
    head: Scripts,
}

impl Versions for Folders<'_> {
    type Thing = Vec<u8>;
    type Version = Scripts;

    fn entry(&self, tree: ObjectId) -> Result<Option<TreeEntry>, Stop> {
        Ok(self.objects.entry(tree, "hooks")?)
    }

    fn at(&mut self, tree: ObjectId) -> Result<Option<Scripts>, Stop> {
        Ok(Some(scripts(self.objects, Some(tree))?))
    }

    fn has(&self, scripts: &Scripts, name: &Vec<u8>) -> bool {
        scripts.get(name) == self.head.get(name)
    }
}

fn scripts(objects: &dyn Objects, tree: Option<ObjectId>) -> Result<Scripts, Fault> {
    let Some(tree) = tree else { return Ok(Scripts::new()) };
    Ok(match objects.entry(tree, "hooks")? {
        None => Scripts::new(),
        Some(TreeEntry { mode: Mode::Tree, id }) => {
            objects.tree(id)?.into_iter().map(|named| (named.name, named.entry)).collect()
        }
        // Not a directory: `content` refuses that at the head.
        Some(entry) => Scripts::from([(Vec::new(), entry)]),
    })
}

fn path(name: &[u8]) -> String {
    format!("hooks/{}", String::from_utf8_lossy(name).escape_debug())
}

fn refusal(rule: RuleId, message: String, path: &str, change: Option<&Change>) -> Refusal {
    let refusal = Refusal::new(rule, message).path(path).name(path);
    change.into_iter().fold(refusal, |refusal, change| {
        refusal.commit(&change.commit.to_commit()).key(change.by.key.clone()).principal(&change.by.principal)
    })
}
