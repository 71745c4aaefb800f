//! A JUnit report as Jenkins reads it. Reading holds it against the rules.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// Suites in their order.
const SUITES: [&str; 8] = [
    "certs.source",
    "certs.issue",
    "certs.publish",
    "certs.revoke",
    "certs.hooks",
    "certs.served",
    "certs.expiry",
    "certs.cleanup",
];
const SOURCE: [&str; 8] =
    ["contact", "signature", "signer-allowed", "no-rollback", "list-valid", "policy-valid", "limits", "completed"];
const CLEANUP: [&str; 3] = ["challenge-records", "lock", "temporary-files"];

#[derive(Debug, Default)]
pub struct Junit {
    pub suites: Vec<Suite>,
}

#[derive(Debug, Default)]
pub struct Suite {
    pub name: String,
    attributes: Vec<(String, String)>,
    pub cases: Vec<Case>,
}

#[derive(Debug, Default)]
pub struct Case {
    pub name: String,
    classname: String,
    time: String,
    pub verdict: Option<Verdict>,
    pub system_out: String,
}

/// What stands inside of a case that did not simply pass.
#[derive(Debug, Default)]
pub struct Verdict {
    /// `failure`, `error` or `skipped`.
    pub element: String,
    pub code: String,
    pub message: String,
    pub text: String,
}

impl Junit {
    /// # Panics
    /// The report breaks a rule.
    pub fn parse(xml: &str) -> Self {
        let forbidden = xml.chars().find(|c| !matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..));
        assert_eq!(forbidden, None, "XML 1.0 forbids the character");
        assert!(!xml.contains("PRIVATE KEY"), "key material");
        let junit = read(xml);
        junit.check();
        junit
    }

    pub fn suite(&self, name: &str) -> Option<&Suite> {
        self.suites.iter().find(|suite| suite.name == name)
    }

    pub fn names(&self, suite: &str) -> Vec<&str> {
        self.suite(suite).map(|suite| suite.cases.iter().map(|case| case.name.as_str()).collect()).unwrap_or_default()
    }

    pub fn case(&self, suite: &str, name: &str) -> &Case {
        let found = self.suite(suite).and_then(|suite| suite.cases.iter().find(|case| case.name == name));
        found.unwrap_or_else(|| panic!("{suite} has no case {name}"))
    }

    /// What failed, as `suite/case message`.
    pub fn bad(&self) -> Vec<String> {
        let bad = self.verdicts().filter(|(.., verdict)| verdict.element != "skipped");
        bad.map(|(suite, case, verdict)| format!("{suite}/{case} {}", verdict.message)).collect()
    }

    /// Suite and name of every case that did not simply pass, with what it says.
    pub fn verdicts(&self) -> impl Iterator<Item = (&str, &str, &Verdict)> {
        let cases = self.suites.iter().flat_map(|suite| suite.cases.iter().map(move |case| (suite, case)));
        cases.filter_map(|(suite, case)| Some((suite.name.as_str(), case.name.as_str(), case.verdict.as_ref()?)))
    }

    fn check(&self) {
        let names: Vec<&str> = self.suites.iter().map(|suite| suite.name.as_str()).collect();
        let known: Vec<&str> = SUITES.into_iter().filter(|suite| names.contains(suite)).collect();
        assert_eq!(names, known, "suites are fixed, and each is there once");
        assert_eq!(self.names("certs.source"), SOURCE);
        assert_eq!(self.names("certs.cleanup"), CLEANUP);
        self.suites.iter().for_each(Suite::check);
    }
}

impl Suite {
    fn check(&self) {
        assert!(!self.cases.is_empty(), "Jenkins drops an empty suite");
        assert_eq!(self.attribute("package").unwrap_or_default(), "", "Jenkins puts it before the name");
        let timestamp = self.attribute("timestamp").expect("a suite says when it began");
        assert!(timestamp.ends_with('Z') && timestamp.len() == 20, "{timestamp} is not UTC to the second");
        let count = |element: &str| self.cases.iter().filter(|case| case.element() == element).count().to_string();
        assert_eq!(self.attribute("tests"), Some(self.cases.len().to_string().as_str()));
        assert_eq!(self.attribute("failures"), Some(count("failure").as_str()));
        assert_eq!(self.attribute("errors"), Some(count("error").as_str()));
        check_time(self.attribute("time").unwrap_or_default());
        if !["certs.source", "certs.cleanup"].contains(&self.name.as_str()) {
            assert!(self.cases.is_sorted_by(|a, b| a.name < b.name), "{} is sorted, each name once", self.name);
        }
        self.cases.iter().for_each(|case| case.check(&self.name));
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

impl Case {
    fn element(&self) -> &str {
        self.verdict.as_ref().map_or("", |verdict| &verdict.element)
    }

    fn check(&self, suite: &str) {
        assert_eq!(self.classname, suite, "the class name is the suite's");
        check_time(&self.time);
        if suite != "certs.cleanup" {
            assert!(!self.system_out.is_empty(), "{suite}/{} has no facts", self.name);
        }
        let Some(verdict) = self.verdict.as_ref().filter(|verdict| verdict.element != "skipped") else { return };
        let Verdict { code, message, text, .. } = verdict;
        assert!(message.starts_with(&format!("[{code}] ")), "{message:?} does not begin with [{code}]");
        assert!(message.chars().count() <= 200 && !message.contains('\n'), "{message:?} is too long for a mail");
        assert!(text.chars().count() <= 16 * 1024 && !text.contains('\u{1b}'), "{text:?}");
    }
}

/// `junit-10.xsd`: at most three decimals.
fn check_time(time: &str) {
    let (whole, decimals) = time.split_once('.').unwrap_or((time, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    assert!(!whole.is_empty() && digits(whole) && digits(decimals) && decimals.len() <= 3, "time {time:?}");
}

fn read(xml: &str) -> Junit {
    let mut reader = Reader::from_str(xml);
    let (mut junit, mut inside) = (Junit::default(), Vec::new());
    loop {
        match reader.read_event().unwrap() {
            Event::Start(tag) => {
                open(&mut junit, &tag);
                inside.push(name(&tag));
            }
            Event::Empty(tag) => open(&mut junit, &tag),
            Event::End(_) => drop(inside.pop()),
            Event::Text(text) => add(&mut junit, &inside, &text.decode().unwrap()),
            Event::GeneralRef(reference) => {
                let text = format!("&{};", reference.decode().unwrap());
                add(&mut junit, &inside, &quick_xml::escape::unescape(&text).unwrap());
            }
            Event::CData(text) => add(&mut junit, &inside, &text.decode().unwrap()),
            Event::Eof => break,
            _ => {}
        }
    }
    assert!(inside.is_empty(), "{inside:?} are not closed");
    junit
}

/// What `junit-10.xsd` of Jenkins' xunit plugin allows of attributes, the first of them as required.
const ATTRIBUTES: [(&str, usize, &[&str]); 7] = [
    ("testsuites", 0, &["name", "time", "tests", "failures", "errors"]),
    (
        "testsuite",
        4,
        &["name", "tests", "failures", "errors", "time", "skipped", "timestamp", "hostname", "id", "package", "file"],
    ),
    ("testcase", 1, &["name", "time", "classname", "group"]),
    ("failure", 0, &["type", "message"]),
    ("error", 0, &["type", "message"]),
    ("skipped", 0, &["type", "message"]),
    ("system-out", 0, &[]),
];

fn check_attributes(element: &str, found: &[(String, String)]) {
    let (_, required, allowed) = ATTRIBUTES.iter().find(|(name, ..)| *name == element).expect(element);
    let found: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert!(found.iter().all(|name| allowed.contains(name)), "{element} has {found:?}");
    assert!(allowed[..*required].iter().all(|name| found.contains(name)), "{element} has only {found:?}");
}

fn open(junit: &mut Junit, tag: &BytesStart<'_>) {
    let attributes: Vec<(String, String)> = tag
        .attributes()
        .map(|attribute| {
            let attribute = attribute.unwrap();
            let key = String::from_utf8(attribute.key.as_ref().to_vec()).unwrap();
            (key, quick_xml::escape::unescape(std::str::from_utf8(&attribute.value).unwrap()).unwrap().into_owned())
        })
        .collect();
    check_attributes(&name(tag), &attributes);
    let value = |name: &str| attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let text = |name: &str| value(name).unwrap_or_default();
    match name(tag).as_str() {
        "testsuite" => junit.suites.push(Suite { name: text("name"), attributes, cases: Vec::new() }),
        "testcase" => {
            let case = Case { name: text("name"), classname: text("classname"), time: text("time"), ..Case::default() };
            junit.suites.last_mut().expect("cases are in suites").cases.push(case);
        }
        element @ ("failure" | "error" | "skipped") => {
            let verdict = Verdict {
                element: element.to_owned(),
                code: text("type"),
                message: text("message"),
                text: String::new(),
            };
            let verdict = case(junit).verdict.replace(verdict);
            assert!(verdict.is_none(), "one verdict a case");
        }
        "testsuites" | "system-out" => {}
        other => panic!("{other} does not belong in the report"),
    }
}

fn add(junit: &mut Junit, inside: &[String], text: &str) {
    let inside: Vec<&str> = inside.iter().map(String::as_str).collect();
    match inside.as_slice() {
        [.., "testcase", "failure" | "error" | "skipped"] => {
            case(junit).verdict.as_mut().expect("it was just opened").text.push_str(text);
        }
        [.., "testcase", "system-out"] => case(junit).system_out.push_str(text),
        _ => assert!(text.trim().is_empty(), "{text:?} inside of {inside:?}"),
    }
}

fn case(junit: &mut Junit) -> &mut Case {
    junit.suites.last_mut().and_then(|suite| suite.cases.last_mut()).expect("it stands in a case")
}

fn name(tag: &BytesStart<'_>) -> String {
    String::from_utf8(tag.name().as_ref().to_vec()).unwrap()
}
