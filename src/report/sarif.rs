//! SARIF 2.1.0 (OASIS), as Jenkins' warnings-ng and code hosts read it: one run, one-based lines, paths of the repo.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::diag::{Place, Severity};
use crate::explain;
use crate::fault::Fault;
use crate::name::Digest;
use crate::report::finding::Finding;
use crate::report::terminal::plain;

/// How the fingerprints are made. Raised when they would change for the same finding.
const FINGERPRINT: &str = "countersign/v1";

/// The findings of a validation, or why there are none. A finding without a place is put at the top of `list`.
pub fn render(findings: Result<&[Finding], &Fault>, list: &str) -> String {
    let rules: Vec<_> = explain::all().collect();
    let described = rules.iter().map(|rule| {
        json!({
            "id": rule.id,
            "shortDescription": {"text": rule.description},
            "fullDescription": {"text": format!("{} {}", rule.description, rule.why)},
            "help": {"text": format!("{}\n\nExample: {}", rule.fix, rule.example)},
            "defaultConfiguration": {"level": level(rule.severity)},
        })
    });
    let notifications: Vec<_> = findings.err().map(notification).into_iter().collect();
    let mut seen = BTreeMap::new();
    let results: Vec<_> = findings
        .unwrap_or_default()
        .iter()
        .map(|finding| {
            let index = rules.iter().position(|rule| rule.id == finding.rule);
            result(finding, index, list, &mut seen)
        })
        .collect();
    let run = json!({
        "tool": {"driver": {
            "name": "countersign",
            "version": env!("CARGO_PKG_VERSION"),
            "rules": described.collect::<Vec<_>>(),
        }},
        "columnKind": "unicodeCodePoints",
        "invocations": [{
            "executionSuccessful": findings.is_ok(),
            "toolExecutionNotifications": notifications,
        }],
        "results": results,
    });
    let schema = "https://json.schemastore.org/sarif-2.1.0.json";
    let report = json!({"$schema": schema, "version": "2.1.0", "runs": [run]});
    serde_json::to_string_pretty(&report).expect("a report is made of text and numbers") + "\n"
}

fn notification(fault: &Fault) -> Value {
    let hint = fault.hint.as_deref().map(|hint| format!("\n{hint}")).unwrap_or_default();
    json!({"level": "error", "descriptor": {"id": fault.code}, "message": {"text": plain(&format!("{}{hint}", fault.message))}})
}

fn result(finding: &Finding, index: Option<usize>, list: &str, seen: &mut BTreeMap<String, usize>) -> Value {
    let top = Place { file: finding.path.clone().unwrap_or_else(|| list.to_owned()), line: 1, column: 1, span: 0..0 };
    let (first, rest) = finding.places.split_first().unwrap_or((&top, &[]));
    let commit = finding.commit.as_ref().map(|commit| format!("\ncommit: {commit}"));
    let signer = finding.signer.as_ref().map(|signer| format!("\nsigner: {signer}"));
    let names =
        Some(finding.names.join(", ")).filter(|names| !names.is_empty()).map(|names| format!("\nnames: {names}"));
    let hint = finding.hint.as_ref().map(|hint| format!("\n{hint}"));
    let facts: String = [names, commit, signer, hint].into_iter().flatten().collect();
    let mut result = json!({
        "ruleId": finding.rule,
        "level": level(finding.severity),
        "message": {"text": plain(&format!("{}{facts}", finding.message))},
        "locations": [location(first)],
        "partialFingerprints": {FINGERPRINT: fingerprint(finding, &first.file, seen)},
    });
    if let Some(index) = index {
        result["ruleIndex"] = index.into();
    }
    if !rest.is_empty() {
        result["relatedLocations"] = rest.iter().map(location).collect();
    }
    result
}

fn location(place: &Place) -> Value {
    json!({"physicalLocation": {
        "artifactLocation": {"uri": uri(&place.file)},
        "region": {"startLine": place.line, "startColumn": place.column},
    }})
}

/// Does not depend on lines, so that a finding stays the same when something is put in above it.
fn fingerprint(finding: &Finding, file: &str, seen: &mut BTreeMap<String, usize>) -> String {
    let commit = finding.commit.as_ref().map(ToString::to_string).unwrap_or_default();
    let text = format!("{}\n{file}\n{}\n{commit}\n{}", finding.rule, finding.message, finding.names.join(" "));
    let digest = Digest::of(text.as_bytes()).to_hex();
    let nth = seen.entry(digest.clone()).and_modify(|nth| *nth += 1).or_insert(1);
    format!("{digest}:{nth}")
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// A path as a relative reference (RFC 3986 section 4.2).
fn uri(path: &str) -> String {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-._~/".contains(b);
    path.bytes().map(|b| if plain(&b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::{Code, Diagnostic};

    fn at(line: usize) -> Finding {
        let place = Place { file: "pki/domains 1.yaml".into(), line, column: 3, span: 0..1 };
        Finding::of_diagnostic(&Diagnostic::new(Code::DuplicateName, place, "two certificates are called `www`"))
    }

    fn read(findings: Result<&[Finding], &Fault>) -> Value {
        serde_json::from_str(&render(findings, "domains.yaml")).unwrap()
    }

    #[test]
    fn a_result_points_to_a_path_of_the_repo_and_a_line_from_one_on() {
        let report = read(Ok(&[at(12)]));
        let place = &report["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
        let expected =
            json!({"artifactLocation": {"uri": "pki/domains%201.yaml"}, "region": {"startLine": 12, "startColumn": 3}});
        assert_eq!(place, &expected);
    }

    #[test]
    fn a_result_names_its_rule_by_id_and_by_index() {
        let report = read(Ok(&[at(12)]));
        let run = &report["runs"][0];
        let index = run["results"][0]["ruleIndex"].as_u64().unwrap();
        assert_eq!(run["tool"]["driver"]["rules"][usize::try_from(index).unwrap()]["id"], "duplicate-name");
        assert_eq!(run["results"][0]["ruleId"], "duplicate-name");
    }

    #[test]
    fn a_fingerprint_stays_when_lines_move_and_tells_equals_apart() {
        let report = read(Ok(&[at(12), at(14)]));
        let moved = read(Ok(&[at(13), at(90)]));
        let prints = |report: &Value, nth: usize| report["runs"][0]["results"][nth]["partialFingerprints"].clone();
        assert_eq!([prints(&report, 0), prints(&report, 1)], [prints(&moved, 0), prints(&moved, 1)]);
        assert_ne!(prints(&report, 0), prints(&report, 1));
    }

    #[test]
    fn a_run_that_could_not_finish_says_so() {
        let report = read(Err(&Fault::new("config:unreadable", "failed to read `x`")));
        let run = &report["runs"][0];
        assert_eq!(run["invocations"][0]["executionSuccessful"], false);
        assert_eq!(run["invocations"][0]["toolExecutionNotifications"][0]["descriptor"]["id"], "config:unreadable");
        assert_eq!(run["results"], json!([]));
    }
}
