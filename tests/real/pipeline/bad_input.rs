//! Wrong settings, wrong lists, wrong flags: one clear error with a next step, and nothing lost.

use std::os::unix::fs::PermissionsExt;

use super::junit::Junit;
use super::scene::{Scene, WWW, said};
use crate::lab::answer::Refusal;
use crate::lab::daemon::free_addresses;
use crate::lab::sshd::{fingerprint, generate_key};
use crate::run::Run;

/// What a run must end with.
struct Expected<'a> {
    code: i32,
    fault: &'a str,
    /// The error names what is wrong.
    says: &'a str,
    /// The case that fails.
    case: &'a str,
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn settings_that_are_wrong_end_the_run_with_one_error_and_a_next_step() {
    let mut scene = Scene::applied(WWW);
    let good = scene.runner.config.clone();
    let [nobody] = free_addresses();
    let keys = scene.lab.dir().join("keys");
    let other_key = generate_key(&keys, "other", "other");
    let other_host = fingerprint(&generate_key(&keys, "host", "host"));
    let sshd = &scene.lab.sshd;
    let address = sshd.url(scene.lab.repo.origin()).split(['@', '/']).nth(3).unwrap().to_owned();
    let in_the_way = scene.runner.dir().join("allowed_signers/state").display().to_string();
    let state = scene.runner.state().display().to_string();

    let rows = [
        (
            good.replace(&sshd.host_key_fingerprint(), &other_host),
            Expected { code: 4, fault: "git:host-key", says: "host key", case: "contact" },
        ),
        (
            good.replace(&address, &nobody.to_string()),
            Expected { code: 1, fault: "git:unreachable", says: &nobody.to_string(), case: "contact" },
        ),
        (
            good.replace(sshd.client_key().to_str().unwrap(), other_key.to_str().unwrap()),
            Expected { code: 1, fault: "git:auth", says: "refused the key", case: "contact" },
        ),
        (
            good.replace("route53:", "route35:"),
            Expected { code: 1, fault: "config:invalid", says: "countersign.yaml:13:3", case: "completed" },
        ),
        (
            good.replace(&format!("state: {state}"), &format!("state: {in_the_way}")),
            Expected { code: 1, fault: "store:", says: "allowed_signers/state", case: "completed" },
        ),
        (
            good.replace("/allowed_signers\n", "/signers\n"),
            Expected { code: 1, fault: "config:unreadable", says: "/signers", case: "policy-valid" },
        ),
    ];
    for (config, expected) in rows {
        assert_ne!(config, good, "{}", expected.fault);
        scene.runner.config = config;
        ends(&scene, expected);
    }

    scene.runner.config = good;
    assert_eq!(scene.runner.apply().code, Some(0));
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn a_signed_list_that_is_wrong_is_refused_with_the_place() {
    let scene = Scene::applied(WWW);
    let rows = [
        (WWW.replace("[www.lab.test]", "[www.lab.test"), "domains.yaml:5:"),
        (WWW.replace("authority: lab", "authority: leb"), "domains.yaml:2:23"),
        (WWW.replace("    domains:", "    domain:"), "domains.yaml:5:5"),
    ];
    for (list, place) in &rows {
        scene.push(list);
        let run = ends(&scene, Expected { code: 4, fault: "C14-invalid-list", says: place, case: "list-valid" });
        let text = Junit::of(&run).text("certs.source", "list-valid");
        assert!(text.contains(place), "{text}");
    }
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn an_empty_store_and_a_bucket_that_may_not_be_listed_lead_to_no_order() {
    let scene = Scene::of(WWW);
    scene.lab.judge.refuse("ListObjectsV2", usize::MAX, Refusal::Denied);

    ends(&scene, Expected { code: 1, fault: "s3:AccessDenied", says: "s3:ListBucket", case: "completed" });
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn trust_files_that_others_may_write_are_not_read() {
    let scene = Scene::applied(WWW);
    let signers = scene.runner.dir().join("allowed_signers");
    std::fs::set_permissions(&signers, std::fs::Permissions::from_mode(0o664)).unwrap();

    ends(&scene, Expected { code: 1, fault: "config:writable", says: "chmod go-w", case: "policy-valid" });
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn a_bad_flag_is_64_and_a_report_says_so() {
    let scene = Scene::of(WWW);

    let run = scene.runner.run(&["apply", "--auto-aprove"]);

    assert_eq!(run.code, Some(64), "{}", said(&run));
    assert!(run.stderr.contains("--auto-approve"), "{}", run.stderr);
    assert_eq!(Junit::of(&run).bad(), ["certs.source/completed"]);
    assert!(!scene.runner.state().exists());
}

/// Runs the job and asserts how it ends, that the report says the same, and that nothing was done or lost.
fn ends(scene: &Scene, expected: Expected<'_>) -> Run {
    let Expected { code, fault, says, case } = expected;
    let (asked, possessions) = (scene.asked(), scene.possessions());

    let run = scene.runner.apply();

    assert_eq!(run.code, Some(code), "{}", said(&run));
    assert!(run.stderr.contains(says), "`{says}` is missing\n{}", said(&run));
    assert_eq!(run.stderr.matches("error: ").count(), 1, "{}", said(&run));
    assert!(run.stderr.contains("hint: "), "{}", said(&run));
    let report = Junit::of(&run);
    assert_eq!(report.bad(), [format!("certs.source/{case}")], "{}", said(&run));
    let message = report.message("certs.source", case);
    assert!(message.starts_with(&format!("[{fault}")), "{message}");
    assert_eq!((scene.asked(), scene.possessions()), (asked, possessions));
    run
}
