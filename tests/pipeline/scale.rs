//! A thousand certificates in one run. Takes minutes.

use countersign::sandbox::Options;

use super::rig::{Lab, until};

const NAMES: usize = 1_000;

/// A list of a thousand names, spread over so many zones.
fn lab(zones: usize) -> (Lab, Vec<String>) {
    let zone = |at: usize| format!("zone{}.test", at % zones);
    let listed = (0..zones).map(|at| (format!("ZS{at}"), zone(at))).collect();
    let insync_delay = std::time::Duration::from_secs(5);
    let lab = Lab::with_options(Options { zones: listed, insync_delay, ..Options::default() });
    let names: Vec<(String, String)> = (0..NAMES).map(|at| (format!("n{at}"), format!("n{at}.{}", zone(at)))).collect();
    lab.list(&names.iter().map(|(name, domain)| (name.as_str(), domain.as_str())).collect::<Vec<_>>());
    (lab, names.into_iter().map(|(name, _)| name).collect())
}

/// What it would say of a thousand names is more than a pipe holds that nobody reads.
fn apply(lab: &Lab) {
    let ran = lab.run(&["apply", "--auto-approve", "--quiet"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

/// A first run, and one in which nothing is due.
#[expect(clippy::print_stdout, reason = "docs/soak.md keeps the figures")]
fn a_thousand(zones: usize) {
    let (lab, names) = lab(zones);
    let begun = std::time::Instant::now();
    apply(&lab);
    let seconds = begun.elapsed().as_secs();
    assert_eq!(lab.sandbox.issued().len(), NAMES);
    assert!(names.iter().all(|name| lab.published(name) == Some(1)));
    assert!((0..zones).all(|at| lab.sandbox.records(&format!("ZS{at}")).is_empty()));
    let (mut acme, mut route53) = (0, 0);
    for (operation, count) in lab.sandbox.log().counts() {
        let route53s = ["ListHostedZones", "ListResourceRecordSets", "ChangeResourceRecordSets"];
        let of_acme = operation.starts_with(char::is_lowercase) && operation != "newNonce";
        route53 += if route53s.contains(&operation.as_str()) { count } else { 0 };
        acme += if of_acme { count } else { 0 };
    }
    println!(
        "{zones} zones: {seconds} s, {acme} ACME requests, {route53} Route53 calls, {:?}",
        lab.sandbox.log().counts()
    );
    assert!(acme <= 7 * NAMES + 12, "{acme} ACME requests");
    assert!(lab.count("newNonce") <= 40);
    assert!(route53 <= 12 + 4 * zones * (NAMES / zones).div_ceil(355), "{route53} Route53 calls");
    lab.sandbox.log().clear();
    apply(&lab);
    assert_eq!((lab.count("newOrder"), lab.count("PutObject")), (0, 0));
}

#[test]
fn a_thousand_certificates_of_one_zone_are_one_wave() {
    a_thousand(1);
}

#[test]
fn a_thousand_certificates_of_twenty_zones_are_one_wave() {
    a_thousand(20);
}

#[test]
fn a_run_whose_output_nobody_reads_ends_when_it_is_told_to() {
    let (lab, names) = lab(1);
    let run = lab.start(&["apply", "--auto-approve"]);
    until("a full pipe", || run.writes_to_a_full_pipe());
    run.signal("TERM");
    assert_eq!(run.end().code, Some(130));
    apply(&lab);
    assert!(lab.sandbox.issued().len() == NAMES && names.iter().all(|name| lab.published(name) == Some(1)));
}
