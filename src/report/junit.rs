//! JUnit XML as Jenkins reads it, within the rules of the xunit plugin's `junit-10.xsd`.

use junit_report::{Duration, Report, TestCase, TestCaseBuilder as Builder, TestSuiteBuilder};

use crate::fault::Fault;
use crate::report::{Case, Run, Verdict};

/// Longest `message` attribute, in characters: what mails and summaries show.
const MESSAGE: usize = 200;

/// Longest code, in characters.
const CODE: usize = 60;

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
    three_decimals(&String::from_utf8(xml).expect("the report is made of text")) + "\n"
}

/// The library writes 1.277 s as 1.2770000000000001, which the schema does not allow. Texts are left as they are.
fn three_decimals(xml: &str) -> String {
    let mut out = String::with_capacity(xml.len());
    for part in xml.split_inclusive("]]>") {
        let (tags, text) = part.split_at(part.find("<![CDATA[").unwrap_or(part.len()));
        let mut pieces = tags.split(" time=\"");
        out += pieces.next().unwrap_or_default();
        for piece in pieces {
            let (seconds, rest) = piece.split_once('"').unwrap_or((piece, ""));
            let seconds: f64 = seconds.parse().unwrap_or_default();
            out += &format!(" time=\"{seconds:.3}\"{rest}");
        }
        out += text;
    }
    out
}

fn test_case(case: &Case) -> TestCase {
    // Three decimals are what the schema allows.
    let time = Duration::milliseconds((case.seconds * 1000.0).round() as i64);
    let mut out = match &case.verdict {
        Verdict::Passed => Builder::success(&case.name, time),
        Verdict::Failed(fault) => Builder::failure(&case.name, time, &code(fault), &message(fault)),
        Verdict::Error(fault) => Builder::error(&case.name, time, &code(fault), &message(fault)),
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

/// A server's word may stand in it.
fn code(fault: &Fault) -> String {
    clean(&fault.code).replace(['\n', '\t'], " ").chars().take(CODE).collect()
}

fn message(fault: &Fault) -> String {
    let line = format!("[{}] {}", code(fault), fault.message);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_decimals_and_texts_are_left_alone() {
        let xml = r#"<a time="1.2770000000000001" b="x"/><![CDATA[ time="1.23456" ]]><c time="0"/>"#;
        let expected = r#"<a time="1.277" b="x"/><![CDATA[ time="1.23456" ]]><c time="0.000"/>"#;
        assert_eq!(three_decimals(xml), expected);
    }
}
