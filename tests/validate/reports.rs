//! JUnit and SARIF of a validation, as Jenkins reads them.

use countersign::explain::all;
use serde_json::Value;

use super::*;

/// A clone with an unsigned commit and a list with two errors of one rule, and the report of its validation.
fn report(kind: &str) -> (House, String) {
    let house = House::new();
    house.commit(&[("domains.yaml", &list(&["www", "www", "www"]))], Some("ann"));
    let file = house.path("report/out");
    assert_eq!(house.validate(&[kind, file.to_str().unwrap()]).code, 4);
    let text = std::fs::read_to_string(file).unwrap();
    (house, text)
}

/// The names of the cases of a suite, in order.
fn cases<'a>(xml: &'a str, suite: &str) -> Vec<&'a str> {
    let (_, rest) = xml.split_once(&format!(" name=\"{suite}\" ")).unwrap_or_default();
    let suite = rest.split("</testsuite>").next().unwrap_or_default();
    suite.split("<testcase name=\"").skip(1).filter_map(|case| case.split('"').next()).collect()
}

#[test]
fn the_suite_of_rules_has_one_case_for_every_rule_whatever_was_found() {
    let ids: Vec<_> = all().map(|rule| rule.id).collect();
    let (house, broken) = report("--junit");
    house.git(&["reset", "-q", "--hard", "origin/main"]);
    let file = house.path("report/out");
    assert_eq!(house.validate(&["--junit", file.to_str().unwrap()]).code, 0);
    let valid = std::fs::read_to_string(file).unwrap();
    assert_eq!((cases(&broken, "config.rules"), cases(&valid, "config.rules")), (ids.clone(), ids));
}

#[test]
fn the_text_of_a_broken_rule_lists_file_line_and_column() {
    let (_, xml) = report("--junit");
    let case = xml.split("<testcase name=\"duplicate-name\"").nth(1).unwrap().split("</testcase>").next().unwrap();
    assert!(case.contains("classname=\"config.rules\""), "{case}");
    assert!(case.contains("domains.yaml:5:11: ") && case.contains("domains.yaml:7:11: "), "{case}");
}

#[test]
fn a_validation_that_cannot_begin_leaves_a_failing_report() {
    let (house, _) = report("--junit");
    let (junit, sarif) = (house.path("report/out"), house.path("report/sarif"));
    let ran = house.run(&[
        "validate",
        "--base",
        "no-such",
        "--junit",
        junit.to_str().unwrap(),
        "--sarif",
        sarif.to_str().unwrap(),
    ]);
    let xml = std::fs::read_to_string(junit).unwrap();
    let sarif: Value = serde_json::from_str(&std::fs::read_to_string(sarif).unwrap()).unwrap();
    assert_eq!(ran.code, 1);
    assert!(xml.contains("git:no-such-revision") && !xml.contains("run:incomplete"), "{xml}");
    assert_eq!(sarif["runs"][0]["invocations"][0]["executionSuccessful"], false);
}

#[test]
fn what_a_reviewer_gets_reads_as_it_did() {
    let (house, sarif) = report("--sarif");
    let mut sarif: Value = serde_json::from_str(&sarif).unwrap();
    // The rules are those of `explain`.
    sarif["runs"][0]["tool"]["driver"]["rules"] = Value::Null;
    let (junit, page) = (house.path("junit"), house.path("page"));
    let args = ["--junit", junit.to_str().unwrap(), "--html", page.to_str().unwrap()];
    let ran = house.validate(&args);
    let whole_case = |case: &&str| case.contains("<failure") || case.contains("<error");
    let junit = std::fs::read_to_string(junit).unwrap();
    let bad: String = junit.split_inclusive("</testcase>").filter(whole_case).collect();
    let golden = |name: &str, text: &str| snapshot::golden("validate", name, text);
    golden("refused.junit.xml", &bad);
    golden("refused.sarif.json", &serde_json::to_string_pretty(&sarif).unwrap());
    golden("refused.html", &std::fs::read_to_string(page.join("index.html")).unwrap().replace("><", ">\n<"));
    house.git(&["reset", "-q", "--hard", "origin/main"]);
    let valid = house.validate(&[]);
    let mut answers = answers::Answers::default();
    for (cause, ran) in [("the same certificate three times", ran), ("nothing is new", valid)] {
        let said = answers::answer(&["validate", "--base", "origin/main"], Some(ran.code), &ran.stdout, &ran.stderr);
        answers.add(cause, &said);
    }
    answers.hold("validate", "answers");
}

#[test]
fn a_report_may_have_a_plain_name() {
    let house = House::new();
    let ran = house.validate(&["--sarif", "c.sarif", "--junit", "c.xml"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn sarif_is_what_warnings_ng_reads() {
    let (_, text) = report("--sarif");
    let sarif: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    let run = &sarif["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), all().count());
    assert!(rules.iter().all(|rule| rule["shortDescription"]["text"].as_str().is_some_and(|text| !text.is_empty())));
    let results = run["results"].as_array().unwrap();
    let found: Vec<_> = results.iter().map(|result| result["ruleId"].as_str().unwrap()).collect();
    assert_eq!(found.iter().filter(|id| **id == "duplicate-name").count(), 2, "{found:?}");
    for result in results {
        let place = &result["locations"][0]["physicalLocation"];
        let uri = place["artifactLocation"]["uri"].as_str().unwrap();
        assert!(!uri.starts_with('/') && !uri.contains(':') && !uri.contains(".."), "{uri}");
        assert!(place["region"]["startLine"].as_u64().unwrap() >= 1);
        assert!(place["region"]["startColumn"].as_u64().unwrap() >= 1);
        assert!(["error", "warning"].contains(&result["level"].as_str().unwrap()));
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        assert_eq!(result["partialFingerprints"].as_object().unwrap().len(), 1);
    }
}

#[test]
fn paths_are_those_of_the_repository_from_wherever_it_is_validated() {
    let house = House::new();
    house.commit(&[("pki/domains.yaml", "version: 1\ncertificates: [{name: www}]\n")], None);
    let file = house.path("report/out");
    for (folder, list) in [("clone/pki", "domains.yaml"), ("clone", "pki/domains.yaml"), ("", "clone/pki/domains.yaml")]
    {
        let ran = house.run_in(&house.path(folder), &["validate", list, "--sarif", file.to_str().unwrap()]);
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!((ran.code, text.contains("\"uri\": \"pki/domains.yaml\"")), (4, true), "{folder}: {text}");
    }
}

#[test]
fn hostile_text_neither_breaks_a_report_nor_steers_a_terminal() {
    let house = House::new();
    let hostile = "]]>\\u0000\\e[31m<&\\u202e";
    house.commit(&[("domains.yaml", &format!("version: 1\n\"{hostile}\": x\ncertificates: []\n"))], Some("ann"));
    let (junit, sarif) = (house.path("report/junit"), house.path("report/sarif"));
    let ran = house.validate(&["--junit", junit.to_str().unwrap(), "--sarif", sarif.to_str().unwrap()]);
    assert_eq!((ran.code, ran.stderr.contains("unknown-key")), (4, true), "{}", ran.stderr);
    let (junit, sarif) = (std::fs::read_to_string(junit).unwrap(), std::fs::read_to_string(sarif).unwrap());
    let strange = |text: &str| text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}');
    assert_eq!([&ran.stdout, &ran.stderr, &junit, &sarif].map(|text| strange(text)), [false; 4]);
    let mut reader = quick_xml::Reader::from_str(&junit);
    while !matches!(reader.read_event().expect("the report is XML"), quick_xml::events::Event::Eof) {}
    serde_json::from_str::<Value>(&sarif).expect("the report is JSON");
}
