//! The report on ways out that are none of the usual ones, and with texts that were made to break it.

use countersign::fault::Fault;
use countersign::plan::Action;
use countersign::report::{Check, Run, junit};
use countersign::sandbox::Mishap;
use time::OffsetDateTime;

use super::junit::Junit;
use super::rig::Lab;

const ONE: [(&str, &str); 1] = [("www", "www.example.com")];

const HOSTILE: &str = "\u{1b}[31mred\u{1b}[0m \0 ]]> <![CDATA[ & < > \" ' \u{fffe} \u{85} \r\n second line \u{202e}";

#[test]
fn a_report_takes_the_place_of_an_older_one_and_of_nothing_else() {
    let lab = Lab::new();
    lab.list(&[("www", "www.example.com")]);
    lab.done();
    let key = std::fs::read(lab.path("state/live/www/privkey.pem")).unwrap();
    let args = ["verify", "--junit", "state/live/www/privkey.pem"];
    let (code, _, err) = lab.ask(&args);
    assert!(code == Some(1) && err.contains("no earlier report of this kind [store:foreign]"), "{err}");
    assert_eq!(std::fs::read(lab.path("state/live/www/privkey.pem")).unwrap(), key);
    std::os::unix::fs::symlink("/proc/self/fd/1", lab.path("out")).unwrap();
    assert_eq!(lab.ask(&["verify", "--junit", "out"]).0, Some(1));
    assert_eq!(lab.ask(&["verify", "--junit", "new.xml"]).0, Some(0));
    assert_eq!(lab.ask(&["verify", "--junit", "new.xml"]).0, Some(0));
}

#[test]
fn a_hostile_text_does_not_break_the_report() {
    let mut run = Run::begun(OffsetDateTime::UNIX_EPOCH, vec![("signer", HOSTILE.to_owned())]);
    let mut fault = Fault::new("acme:unauthorized", HOSTILE.repeat(50)).hint(HOSTILE);
    fault.causes = vec![HOSTILE.repeat(500), HOSTILE.to_owned()];
    run.failed.insert(Check::Signature, fault);
    let report = Junit::parse(&junit::render(&run));
    let verdict = report.case("certs.source", "signature").verdict.as_ref().unwrap();
    assert!(verdict.message.starts_with("[acme:unauthorized] "), "{verdict:?}");
    assert!(verdict.text.contains("]]> <![CDATA[ & < > \" '"), "{verdict:?}");
}

#[test]
fn a_hostile_code_does_not_break_the_report() {
    let mut run = Run::begun(OffsetDateTime::UNIX_EPOCH, vec![("command", "apply".to_owned())]);
    run.failed.insert(Check::Limits, Fault::new(format!("acme:{HOSTILE}"), "text"));
    Junit::parse(&junit::render(&run));
}

#[test]
fn a_hostile_problem_of_the_ca_does_not_break_the_report() {
    let lab = Lab::new();
    lab.list(&ONE);
    lab.sandbox.faults().script("newOrder", 1, Mishap::refused(400, HOSTILE));
    let ran = lab.apply();
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.junit().case("certs.issue", "www").verdict.is_some());
    assert!(!ran.out.contains('\u{1b}') && !ran.err.contains('\u{1b}'), "{ran:?}");
}

#[test]
fn a_garbled_answer_does_not_break_the_report() {
    let lab = Lab::new();
    lab.list(&ONE);
    lab.sandbox.faults().script("certificate", 1, Mishap::Garbled(HOSTILE.to_owned()));
    let ran = lab.apply();
    assert_eq!(ran.code, Some(3), "{ran:?}");
}

#[test]
fn a_configuration_that_nobody_can_read_is_reported() {
    let lab = Lab::new();
    lab.write("countersign.yaml", "version: 1\nstaet: state\n");
    let ran = lab.apply();
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.bad()[0].starts_with("certs.source/completed [config:invalid] "), "{ran:?}");
}

#[test]
fn a_ca_that_is_not_there_is_reported_as_an_error() {
    let lab = Lab::new();
    lab.list(&ONE);
    let config = lab.read("countersign.yaml").replace(&lab.sandbox.directory_url(), "https://127.0.0.1:1/dir");
    lab.write("countersign.yaml", &config);
    let ran = lab.apply();
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let verdict = ran.junit().case("certs.issue", "www").verdict.as_ref().unwrap();
    assert_eq!((verdict.element.as_str(), verdict.code.as_str()), ("error", "acme:unreachable"));
}

#[test]
fn a_list_that_is_not_valid_is_reported() {
    let lab = Lab::new();
    lab.list(&[("www", "www.example.com, www..example.com")]);
    let ran = lab.apply();
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(ran.bad()[0].starts_with("certs.source/list-valid ["), "{ran:?}");
}

#[test]
fn a_bucket_that_is_closed_is_reported() {
    let lab = Lab::new();
    lab.list(&ONE);
    lab.sandbox.faults().script("ListObjectsV2", 20, Mishap::refused(403, "AccessDenied"));
    let ran = lab.apply();
    assert_eq!((ran.code, lab.count("newOrder")), (Some(1), 0), "{ran:?}");
    assert!(ran.bad()[0].starts_with("certs.source/completed [s3:AccessDenied] "), "{ran:?}");
}

#[test]
fn a_report_that_cannot_be_written_is_an_error_of_its_own() {
    let lab = Lab::new();
    lab.list(&ONE);
    lab.write("file", "");
    let ran = lab.run(&["apply", "--auto-approve", "--color", "never", "--config", "file/countersign.yaml"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
}

#[test]
fn the_first_500_characters_of_a_case_hold_the_facts() {
    let lab = Lab::new();
    lab.list(&ONE);
    let ran = lab.done();
    let facts: String = ran.junit().case("certs.issue", "www").system_out.chars().take(500).collect();
    for key in ["action: issue", "reasons: new", "serial: ", "not_after: ", "issuer: ", "identifiers: www.example.com"]
    {
        assert!(facts.contains(key), "{facts}");
    }
    assert!(Action::ALL.iter().any(|action| facts.contains(&format!("action: {action}"))));
}

#[test]
fn figures_for_prometheus_say_how_the_run_ended_and_when_certificates_do() {
    let lab = Lab::new();
    lab.write("countersign.yaml", &format!("{}metrics: countersign.prom\n", lab.read("countersign.yaml")));
    lab.list(&[("www", "www.example.com")]);
    lab.done();
    lab.unsigned_list(&[("evil", "evil.example.com")]);

    assert_eq!(lab.apply().code, Some(4));

    let figures = lab.read("countersign.prom");
    let ends = lab.inventory().live.values().next().unwrap().facts().not_after.unix_timestamp();
    let line = format!("countersign_certificate_not_after_timestamp_seconds{{lineage=\"www\"}} {ends}");
    assert!(figures.lines().any(|found| found == line), "{figures}");
    assert!(figures.contains("\ncountersign_run_exit_code 4\n"), "{figures}");
}

/// Takes one POST and gives its body.
fn webhook() -> (String, std::thread::JoinHandle<serde_json::Value>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/secret-path", listener.local_addr().unwrap());
    let posted = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut text = Vec::new();
        let body = loop {
            let mut chunk = [0; 4096];
            let read = std::io::Read::read(&mut stream, &mut chunk).unwrap();
            text.extend_from_slice(&chunk[..read]);
            let text = String::from_utf8_lossy(&text);
            if let Some(body) = text.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str(body).ok()) {
                break body;
            }
        };
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        body
    });
    (url, posted)
}

#[test]
fn people_are_told_once_of_a_run_that_was_refused() {
    let lab = Lab::new();
    lab.list(&ONE);
    lab.done();
    let (url, posted) = webhook();
    lab.write("webhook", &format!("{url}\n"));
    lab.write("countersign.yaml", &format!("{}notify: {{webhook_file: webhook}}\n", lab.read("countersign.yaml")));
    lab.done();
    lab.unsigned_list(&[("evil", "evil.example.com")]);

    let ran = lab.apply();

    assert_eq!(ran.code, Some(4));
    let news = posted.join().unwrap();
    assert_eq!((news["exit"].as_u64(), news["failed"][0]["code"].as_str()), (Some(4), Some("S01-unsigned")), "{news}");
    assert!(news["text"].as_str().unwrap().starts_with("countersign apply: refused (exit 4): "), "{news}");
    assert!(!format!("{ran:?}").contains("secret-path"));
}

#[test]
fn a_webhook_that_is_gone_changes_nothing_but_the_log() {
    let lab = Lab::new();
    lab.write("webhook", "http://127.0.0.1:1/secret-path");
    lab.write("countersign.yaml", &format!("{}notify: {{webhook_file: webhook}}\n", lab.read("countersign.yaml")));
    lab.unsigned_list(&[("evil", "evil.example.com")]);
    let ran = lab.apply();
    assert_eq!(ran.code, Some(4));
    assert!(ran.err.contains("notify:webhook") && !ran.err.contains("secret-path"), "{}", ran.err);
}

#[test]
fn the_address_of_a_webhook_that_others_may_read_is_not_used() {
    let lab = Lab::new();
    lab.write("address", "http://127.0.0.1:1/");
    std::fs::set_permissions(lab.path("address"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    lab.write("countersign.yaml", &format!("{}notify: {{webhook_file: address}}\n", lab.read("countersign.yaml")));
    lab.unsigned_list(&[("evil", "evil.example.com")]);
    assert!(lab.apply().err.contains("[config:readable]"));
}

#[test]
fn a_program_is_told_the_same() {
    let lab = Lab::new();
    let notify = format!("notify: {{command: [/usr/bin/tee, {}]}}\n", lab.path("news").display());
    lab.write("countersign.yaml", &format!("{}{notify}", lab.read("countersign.yaml")));
    lab.unsigned_list(&[("evil", "evil.example.com")]);
    assert_eq!(lab.apply().code, Some(4));
    let news: serde_json::Value = serde_json::from_str(&lab.read("news")).unwrap();
    assert_eq!(news["failed"][0]["code"], "S01-unsigned", "{news}");
}
