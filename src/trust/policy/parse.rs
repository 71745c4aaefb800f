//! From the text of a policy file to a [`Policy`], or to everything that is wrong with it.

use std::collections::{BTreeMap, BTreeSet};

use super::{About, ApprovalKey, Op, Pattern, Person, Policy, Rule};
use crate::diag::{Code, Diagnostic, SourceFile};
use crate::name::{Digest, LineageName};
use crate::trust::refusal::RuleId;
use crate::trust::signers::AllowedSigners;
use crate::yaml::fields::suggest;
use crate::yaml::{self, Fields, Findings, Node, Spot};

impl Policy {
    /// Reads a policy file that the diagnostics call `path`. `signers` tells which people can sign.
    ///
    /// # Errors
    /// Everything that is wrong with the file; `P09-lockout` for a rule that nobody can satisfy.
    pub fn parse(text: &str, path: &str, signers: &AllowedSigners) -> Result<Self, Vec<Diagnostic>> {
        let file = SourceFile { path: path.to_owned(), bytes: text.as_bytes().to_vec() };
        let mut findings = Findings::new([path]);
        let root = yaml::read(&file, 0, &mut findings);
        let policy = root.and_then(|root| policy(&root, Digest::of(text.as_bytes()), signers, &mut findings));
        match (policy, findings.into_sorted()) {
            (Some(policy), found) if found.is_empty() => Ok(policy),
            (_, found) => Err(found),
        }
    }
}

fn policy(root: &Node, digest: Digest, signers: &AllowedSigners, f: &mut Findings<'_>) -> Option<Policy> {
    let file = Fields::read(root, "a policy", f)?;
    if !file.is_version_1(f) {
        return None;
    }
    file.only(&["version", "people", "mergers", "rules"], f);
    let people = file.require("people", f).and_then(|node| people(node, f));
    let mergers = match (&people, file.get("mergers")) {
        (Some(people), Some(node)) => mergers(node, people, f),
        _ => BTreeSet::new(),
    };
    let rules = file.require("rules", f).and_then(|node| rules(node, people.as_ref()?, signers, f));
    Some(Policy { digest, people: people?, mergers, rules: rules? })
}

fn people(node: &Node, f: &mut Findings<'_>) -> Option<BTreeMap<String, Person>> {
    let mut people = BTreeMap::new();
    let mut taken = BTreeMap::new();
    for (name, at, node) in Fields::read(node, "`people`", f)?.entries() {
        // The name is part of the file name of an approval.
        if LineageName::parse(name).is_err() {
            bad(f, at, format!("`{name}` is not the name of a person")).hint("names have a-z, 0-9, `.`, `_` and `-`");
        }
        if let Some(person) = person(node, name, &mut taken, f) {
            people.insert(name.to_owned(), person);
        }
    }
    Some(people)
}

/// `taken` holds principals and keys of those read before, each with its person.
fn person<'n>(
    node: &'n Node,
    name: &'n str,
    taken: &mut BTreeMap<&'n str, &'n str>,
    f: &mut Findings<'_>,
) -> Option<Person> {
    let fields = Fields::of(node, "a person", &["signs", "approves"], f)?;
    if fields.get("signs").is_none() && fields.get("approves").is_none() {
        bad(f, fields.at, format!("`{name}` can neither sign nor approve"))
            .hint("give `signs: [name@example.com]`, `approves: [RWQ…]`, or both");
    }
    let mut person = Person::default();
    for (text, at) in texts(&fields, "signs", f) {
        if let Some(other) = taken.insert(text, name) {
            bad(f, at, format!("`{text}` already stands for `{other}`")).hint("a person counts once: say who it is");
        }
        person.signs.insert(text.to_owned());
    }
    for (text, at) in texts(&fields, "approves", f) {
        if let Some(other) = taken.insert(text, name) {
            bad(f, at, format!("this key already stands for `{other}`")).hint("a person counts once: say whose it is");
        }
        match ApprovalKey::parse(text) {
            Some(key) => drop(person.approves.insert(key)),
            None => drop(
                bad(f, at, format!("`{text}` is not a minisign public key"))
                    .hint("take the second line of minisign.pub, which begins with `RW`"),
            ),
        }
    }
    Some(person)
}

fn mergers(node: &Node, people: &BTreeMap<String, Person>, f: &mut Findings<'_>) -> BTreeSet<String> {
    let mut mergers = BTreeSet::new();
    for (text, at) in node.texts(f).unwrap_or_default() {
        if let Some((name, _)) = people.iter().find(|(_, person)| person.signs.contains(text)) {
            bad(f, at, format!("`{text}` signs for `{name}`, so it cannot be a merger"))
                .hint("give the forge a key of its own; mergers never count as people");
        }
        mergers.insert(text.to_owned());
    }
    mergers
}

fn rules(
    node: &Node,
    people: &BTreeMap<String, Person>,
    signers: &AllowedSigners,
    f: &mut Findings<'_>,
) -> Option<Vec<Rule>> {
    let mut seen: BTreeMap<String, Spot> = BTreeMap::new();
    let mut rules = Vec::new();
    for node in node.items(f)? {
        let Some((rule, at)) = rule(node, people, f) else { continue };
        if let Some(first) = seen.insert(rule.id.clone(), at) {
            let message = format!("two rules have the id `{}`", rule.id);
            f.report_pair(Code::BadValue, message, (at, "second"), (first, "first"));
        }
        refuse_lockout(&rule, at, people, signers, f);
        rules.push(rule);
    }
    Some(rules)
}

fn rule(node: &Node, people: &BTreeMap<String, Person>, f: &mut Findings<'_>) -> Option<(Rule, Spot)> {
    let keys = ["id", "names", "wildcard", "hooks", "ops", "by", "threshold"];
    let fields = Fields::of(node, "a rule", &keys, f)?;
    let id = fields.require("id", f);
    let at = id.map_or(fields.at, |node| node.at);
    let id = id.and_then(|node| node.text(f)).filter(|id| {
        let plain = LineageName::parse(id).is_ok();
        if !plain {
            bad(f, at, format!("`{id}` is not the id of a rule")).hint("ids have a-z, 0-9, `.`, `_` and `-`");
        }
        plain
    });
    let about = about(&fields, f);
    let by = fields.require("by", f).and_then(|node| by(node, people, f));
    let threshold = fields.get("threshold").map_or(Some(1), |node| node.number(1, 100, f));
    Some((Rule { id: id?.to_owned(), about: about?, by: by?, threshold: threshold? as usize }, at))
}

fn about(fields: &Fields<'_>, f: &mut Findings<'_>) -> Option<About> {
    let patterns: Vec<_> = texts(fields, "names", f)
        .into_iter()
        .filter_map(|(text, at)| match Pattern::parse(text) {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                f.report(Code::BadIdentifier, at, error.to_string())
                    .hint("write a name, or `*.` and a name for everything below it");
                None
            }
        })
        .collect();
    let set = |key, f: &mut Findings<'_>| fields.get(key).is_some_and(|node| only_true(node, key, f));
    let (wildcard, hooks) = (set("wildcard", f), set("hooks", f));
    let names = fields.get("names");
    let all_ops: BTreeSet<_> = Op::ALL.into();
    let ops = fields.get("ops").map_or(all_ops, |node| ops(node, f));
    match (hooks, names.is_some() || wildcard) {
        (true, false) if fields.get("ops").is_none() => Some(About::Hooks),
        (true, _) => {
            bad(f, fields.at, "a rule about hooks is about nothing else").hint("make two rules of it");
            None
        }
        (false, true) if names.is_some_and(Node::is_empty_sequence) => {
            bad(f, fields.at, "a rule with no names matches nothing").hint("list names, or delete the rule");
            None
        }
        (false, true) => Some(About::Names { patterns, wildcard, ops }),
        (false, false) => {
            bad(f, fields.at, "the rule does not say what it is about")
                .hint("give `names: […]`, `wildcard: true` or `hooks: true`");
            None
        }
    }
}

/// `wildcard: false` could be taken for "no wildcards", which no rule can say.
fn only_true(node: &Node, key: &str, f: &mut Findings<'_>) -> bool {
    let flag = node.flag(f);
    if flag == Some(false) {
        bad(f, node.at, format!("`{key}: false` means nothing")).hint("leave it out");
    }
    flag == Some(true)
}

fn ops(node: &Node, f: &mut Findings<'_>) -> BTreeSet<Op> {
    let mut ops = BTreeSet::new();
    if node.is_empty_sequence() {
        bad(f, node.at, "a rule about no operation matches nothing").hint("leave `ops` out: it then means all");
    }
    for (text, at) in node.texts(f).unwrap_or_default() {
        match Op::ALL.into_iter().find(|op| op.as_str() == text) {
            Some(op) => drop(ops.insert(op)),
            None => {
                let known = suggest(text, Op::ALL.iter().map(|op| op.as_str()), "operations");
                bad(f, at, format!("`{text}` is not an operation")).hint(known);
            }
        }
    }
    ops
}

/// `None` if somebody is not known or named twice.
fn by(node: &Node, people: &BTreeMap<String, Person>, f: &mut Findings<'_>) -> Option<BTreeSet<String>> {
    let texts = node.texts(f)?;
    let mut by = BTreeSet::new();
    for (text, at) in &texts {
        if !people.contains_key(*text) {
            let known = suggest(text, people.keys().map(String::as_str), "people");
            bad(f, *at, format!("`{text}` is not one of the people")).hint(known);
        } else if !by.insert((*text).to_owned()) {
            bad(f, *at, format!("`{text}` stands twice")).hint("a person counts once");
        }
    }
    (by.len() == texts.len()).then_some(by)
}

/// A rule is satisfied by one commit and, for names, by approvals. An approval says nothing about hooks.
fn refuse_lockout(
    rule: &Rule,
    at: Spot,
    people: &BTreeMap<String, Person>,
    signers: &AllowedSigners,
    f: &mut Findings<'_>,
) {
    let signs = |name: &&String| {
        let person = people.get(*name);
        let mut lines = signers.iter().chain(signers.authorities()).filter(|(_, signer)| signer.may_sign_for_git());
        person.is_some_and(|person| {
            lines.any(|(_, line)| line.principals.iter().any(|principal| person.signs.contains(principal)))
        })
    };
    let approves = |name: &&String| people.get(*name).is_some_and(|person| !person.approves.is_empty());
    let sign = rule.by.iter().filter(signs).count();
    let approve = rule.by.iter().filter(approves).count();
    // One of them signs the change, the others approve it.
    let signs_only = rule.by.iter().any(|name| signs(&name) && !approves(&name));
    let (most, why) = match rule.about {
        About::Hooks => (sign.min(1), "who can sign; approvals do not count for hooks"),
        About::Names { .. } => (approve + usize::from(signs_only), "who can approve, and one more who can sign"),
    };
    if rule.threshold > most {
        let message = format!("nobody can satisfy the rule `{}`: it asks for {} people", rule.id, rule.threshold);
        let lockout = f.report(Code::BadValue, at, message);
        lockout.code = RuleId::Lockout.as_str();
        lockout.hint(format!("it can have {most} of those in `by` {why}: add keys or people, or lower `threshold`"));
    }
}

fn texts<'n>(fields: &Fields<'n>, key: &str, f: &mut Findings<'_>) -> Vec<(&'n str, Spot)> {
    fields.get(key).and_then(|node| node.texts(f)).unwrap_or_default()
}

fn bad<'f>(f: &'f mut Findings<'_>, at: Spot, message: impl Into<String>) -> &'f mut Diagnostic {
    f.report(Code::BadValue, at, message)
}
