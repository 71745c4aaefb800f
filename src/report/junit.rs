//! JUnit XML as Jenkins reads it, within the rules of the xunit plugin's `junit-10.xsd`.

use junit_report::{Duration, Report, TestCase, TestCaseBuilder as Builder, TestSuiteBuilder};

use crate::fault::Fault;
use crate::report::{Case, Run, Verdict};

/// Longest `message` attribute, in characters: what mails and summaries show.
const MESSAGE: usize = 200;

/// Longest text of a failure, in characters.
const TEXT: usize = 16 * 1024;

/// The whole report as XML. Suites without cases are left out: Jenkins drops them anyway.
pub fn render(run: &Run) -> String {
    let cases = run.cases();
    let mut suites: Vec<&'static str> = cases.iter().map(|case| case.suite).collect();
    suites.dedup();
    let mut report = Report::new();
    for suite in suites {
        let cases = cases.iter().filter(|case| case.suite == suite).map(test_case);
        let started = run.started.replace_nanosecond(0).unwrap_or(run.started);
        let mut suite = TestSuiteBuilder::new(suite).set_timestamp(started).add_testcases(cases).build();
        // Jenkins would put the package before the name, and lose the history.
        suite.package.clear();
        report.add_testsuite(suite);
    }
    let mut xml = Vec::new();
    report.write_xml(&mut xml).expect("writing to memory does not fail");
    String::from_utf8(xml).expect("the report is made of text") + "\n"
}

fn test_case(case: &Case) -> TestCase {
    // Three decimals are what the schema allows.
    let time = Duration::milliseconds((case.seconds * 1000.0).round() as i64);
    let mut out = match &case.verdict {
        Verdict::Passed => Builder::success(&case.name, time),
        Verdict::Failed(fault) => Builder::failure(&case.name, time, &fault.code, &message(fault)),
        Verdict::Error(fault) => Builder::error(&case.name, time, &fault.code, &message(fault)),
        Verdict::Skipped(why) => Builder::skipped_with_cause(&case.name, "deferred", &clean(why)),
    };
    out.set_classname(case.suite);
    if let Verdict::Failed(fault) | Verdict::Error(fault) = &case.verdict {
        out.set_trace(&text(fault));
    }
    let facts: String = case.facts.iter().map(|(key, value)| format!("{key}: {value}\n")).collect();
    if !facts.is_empty() {
        out.set_system_out(&cdata(&facts));
    }
    out.build()
}

fn message(fault: &Fault) -> String {
    let line = format!("[{}] {}", fault.code, fault.message);
    clean(&line).replace('\n', " ").chars().take(MESSAGE).collect()
}

fn text(fault: &Fault) -> String {
    let mut text = fault.message.clone();
    for cause in &fault.causes {
        text += &format!("\ncaused by: {cause}");
    }
    if let Some(hint) = &fault.hint {
        text += &format!("\n\nhint: {hint}");
    }
    cdata(&text.chars().take(TEXT).collect::<String>())
}

/// Without the characters that XML 1.0 forbids and without terminal escapes.
fn clean(text: &str) -> String {
    text.chars().filter(|c| matches!(c, '\t' | '\n' | ' '..='\u{7e}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..)).collect()
}

/// `]]>` would end the section: it is split over two.
fn cdata(text: &str) -> String {
    clean(text).replace("]]>", "]]]]><![CDATA[>")
}
