//! `pull.yaml`: what a machine takes from a bucket, and what it does with it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use super::parse::{all, optional, path, place};
use super::{Bucket, value};
use crate::diag::{Code, Diagnostic, SourceFile};
use crate::lineage::naming::Naming;
use crate::name::{Identifier, LineageName};
use crate::pull::{Consumer, Reload, Served};
use crate::yaml::{self, Fields, Findings, Node};

/// If nothing else is said.
const RELOAD: Duration = Duration::from_secs(30);
const SERVED: Duration = Duration::from_secs(10);
const KEEP: usize = 3;

/// A whole file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pull {
    pub bucket: Bucket,
    /// At least one. No two share a folder.
    pub certificates: Vec<Consumer>,
}

impl Pull {
    /// Reads a file. `path` names it in diagnostics, all of which are errors.
    pub fn parse(text: &str, path: &str) -> Result<Self, Vec<Diagnostic>> {
        let file = SourceFile { path: path.to_owned(), bytes: text.as_bytes().to_vec() };
        let mut findings = Findings::new([path]);
        let pull = yaml::read(&file, 0, &mut findings).and_then(|root| pull(&root, &mut findings));
        match (pull, findings.into_sorted()) {
            (Some(pull), found) if found.is_empty() => Ok(pull),
            (_, found) => Err(found),
        }
    }

    /// The same with every relative path taken from `base`, the folder of the file.
    pub fn resolved(mut self, base: &Path) -> Self {
        for consumer in &mut self.certificates {
            consumer.into = base.join(&consumer.into);
            consumer.key = consumer.key.take().map(|key| base.join(key));
        }
        self
    }
}

fn pull(root: &Node, f: &mut Findings<'_>) -> Option<Pull> {
    let file = Fields::read(root, "the file", f)?;
    if !file.is_version_1(f) {
        return None;
    }
    file.only(&["version", "bucket", "certificates"], f);
    let bucket = file.require("bucket", f).and_then(|node| bucket(node, f));
    let list = file.require("certificates", f);
    let mut certificates: Vec<Consumer> = Vec::new();
    for node in list.and_then(|node| node.items(f)).unwrap_or_default() {
        let Some(consumer) = consumer(node, f) else { continue };
        if certificates.iter().any(|other| other.into == consumer.into) {
            let text = format!("two certificates have the folder `{}`", consumer.into.display());
            f.report(Code::BadValue, node.at, text).hint("give each a folder of its own");
        }
        certificates.push(consumer);
    }
    if let Some(list) = list.filter(|list| list.is_empty_sequence()) {
        f.report(Code::BadValue, list.at, "there is nothing to pull");
    }
    Some(Pull { bucket: bucket?, certificates })
}

fn bucket(node: &Node, f: &mut Findings<'_>) -> Option<Bucket> {
    let keys = ["bucket", "prefix", "region", "profile", "endpoint", "expected_owner"];
    place(&Fields::of(node, "`bucket`", &keys, f)?, f)
}

fn consumer(node: &Node, f: &mut Findings<'_>) -> Option<Consumer> {
    let keys = ["name", "into", "domains", "layouts", "key", "reload", "reload_timeout", "served", "keep"];
    let fields = Fields::of(node, "a certificate", &keys, f)?;
    let lineage = fields.require("name", f).and_then(|node| node.parsed(LineageName::parse, f));
    let into = fields.require("into", f).and_then(|node| path(node, f));
    let domains: BTreeSet<Identifier> = all(&fields, "domains", domain, f);
    let also = all(&fields, "layouts", Naming::parse, f);
    let key = fields.get("key").and_then(|node| path(node, f));
    let timeout = fields.get("reload_timeout").map_or(Some(RELOAD), |node| node.parsed(value::seconds, f));
    let reload = fields.get("reload").and_then(|node| command(node, f));
    let served = fields.get("served").and_then(|node| served(node, f));
    let keep = fields.get("keep").map_or(Some(KEEP), |node| node.number(1, 1_000, f).map(|keep| keep as usize));
    let timeout = timeout?;
    let reload = reload.map(|argv| Reload { argv, timeout });
    Some(Consumer { lineage: lineage?, into: into?, domains, also, key, reload, served, keep: keep? })
}

/// A program by its whole path, and its arguments. There is no shell.
fn command(node: &Node, f: &mut Findings<'_>) -> Option<Vec<String>> {
    let words = node.texts(f)?;
    if words.first().is_none_or(|(program, _)| !program.starts_with('/')) {
        let at = words.first().map_or(node.at, |(_, at)| *at);
        f.report(Code::BadValue, at, "a command begins with the whole path of a program")
            .hint("write a list such as `[/usr/bin/systemctl, reload, nginx]`: no shell looks for it or reads it");
        return None;
    }
    Some(words.into_iter().map(|(word, _)| word.to_owned()).collect())
}

fn served(node: &Node, f: &mut Findings<'_>) -> Option<Served> {
    let fields = Fields::of(node, "`served`", &["at", "name", "timeout"], f)?;
    let at = fields.require("at", f).and_then(|node| node.parsed(value::host_and_port, f));
    let name = optional(&fields, "name", server_name, f);
    let timeout = fields.get("timeout").map_or(Some(SERVED), |node| node.parsed(value::seconds, f));
    Some(Served { at: at?, name, timeout: timeout? })
}

fn domain(text: &str) -> Result<Identifier, String> {
    Identifier::parse(text).map_err(|error| error.to_string())
}

/// A name that clients ask for.
pub fn server_name(text: &str) -> Result<String, String> {
    match Identifier::parse(text) {
        Ok(name) if !name.is_wildcard() => Ok(name.as_str().to_owned()),
        Ok(_) => Err(format!("`{text}` is a wildcard, a client asks for one name")),
        Err(error) => Err(error.to_string()),
    }
}
