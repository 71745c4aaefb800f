//! How this host shows control over names: hooks for other DNS providers, and the folder for http-01.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use time::Duration;

use super::parse::{all, named, path};
use super::{Dns, Exec, Http, Route53, value};
use crate::diag::Code;
use crate::yaml::{Fields, Findings, Node};

const TIMEOUT: Duration = Duration::minutes(2);

pub(super) fn dns(
    node: &Node,
    route53: fn(&Node, &mut Findings<'_>) -> Option<Route53>,
    f: &mut Findings<'_>,
) -> Option<Dns> {
    let fields = Fields::of(node, "`dns`", &["route53", "exec"], f)?;
    let route53 = fields.get("route53").map_or_else(|| Some(Route53::default()), |node| route53(node, f));
    let hooks = fields.get("exec").map(|node| named(node, "`exec`", value::word, exec, f)).unwrap_or_default();
    if let Some(node) = fields.get("exec") {
        told_apart(node, &hooks, f);
    }
    Some(Dns { route53: route53?, exec: hooks })
}

fn exec(node: &Node, f: &mut Findings<'_>) -> Option<Exec> {
    let fields = Fields::of(node, "a hook", &["command", "zones", "env", "timeout", "parallel"], f)?;
    let command = fields.require("command", f).and_then(|node| path(node, f));
    let zones = all(&fields, "zones", value::zone_name, f);
    let env = all(&fields, "env", value::variable, f);
    let timeout = fields.get("timeout").map_or(Some(TIMEOUT), |node| node.duration(f));
    let parallel = fields.get("parallel").map_or(Some(1), |node| node.number(1, 64, f));
    Some(Exec { command: command?, zones, env, timeout: timeout?, parallel: parallel? })
}

/// A name must have one hook at most.
fn told_apart(node: &Node, hooks: &BTreeMap<String, Exec>, f: &mut Findings<'_>) {
    let mut taken = BTreeSet::new();
    for zone in hooks.values().flat_map(|hook| &hook.zones).filter(|zone| !taken.insert(*zone)) {
        f.report(Code::BadValue, node.at, format!("the zone {zone} has two hooks")).hint("leave it to one of them");
    }
    let mut others = hooks.iter().filter(|(_, hook)| hook.takes_the_rest()).map(|(word, _)| word);
    if let (Some(first), Some(second)) = (others.next(), others.next()) {
        let text = format!("the hooks `{first}` and `{second}` both take all zones that no other takes");
        f.report(Code::BadValue, node.at, text).hint("give one of them its `zones:`");
    }
}

pub(super) fn http(node: &Node, f: &mut Findings<'_>) -> Option<Http> {
    let fields = Fields::of(node, "`http`", &["folder", "mode", "port", "preflight"], f)?;
    let folder: Option<PathBuf> = fields.require("folder", f).and_then(|node| path(node, f));
    let mode = fields.get("mode").map_or(Some(0o644), |node| node.parsed(value::file_mode, f));
    let port = fields.get("port").map_or(Some(80), |node| node.number(1, u16::MAX.into(), f));
    let preflight = fields.get("preflight").map_or(Some(true), |node| node.flag(f));
    let port = port.and_then(|port| u16::try_from(port).ok());
    Some(Http { folder: folder?, mode: mode?, port: port?, preflight: preflight? })
}
