//! What nobody with an allowed key signed is not done: the CA does not hear of it.

use super::junit::Junit;
use super::scene::{Scene, WWW, said};
use crate::lab::git::Persona;
use crate::run::Run;

/// Asks for a certificate that Ann never asked for.
const EVIL: &str = "\
version: 1
defaults: {authority: lab, publish: [certs]}
certificates:
  - name: www
    domains: [www.lab.test]
  - name: evil
    domains: [evil.lab.test]
";

#[test]
#[ignore = "needs the lab: ci/install"]
fn an_unsigned_tip_is_refused_with_the_commit_and_what_signs_it() {
    let scene = Scene::applied(WWW);
    let commit = scene.lab.repo.commit_unsigned(&[("domains.yaml", EVIL)], "Add evil");

    let run = refused(&scene, "S01-unsigned", "signature");

    let text = Junit::of(&run).text("certs.source", "signature");
    for place in [&run.stderr, &text] {
        assert!(place.contains(&commit[..10]), "{place}");
        assert!(place.contains("git config gpg.format ssh"), "{place}");
        assert!(place.contains("git config user.signingkey"), "{place}");
    }
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn an_unsigned_list_is_refused_before_anything_was_ever_issued() {
    let scene = Scene::of(WWW);
    scene.lab.repo.commit_unsigned(&[("domains.yaml", EVIL)], "Add evil");

    refused(&scene, "S01-unsigned", "signature");

    assert_eq!(scene.requests().new_account, 0);
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn every_head_that_ann_did_not_authorise_is_refused() {
    let scene = Scene::applied(WWW);
    let repo = &scene.lab.repo;
    let verified = repo.tip();

    let mallory = Persona::generate(scene.lab.dir(), "mallory@example.com");
    repo.commit_signed(&[("domains.yaml", EVIL)], "Add evil", &mallory);
    let run = refused(&scene, "S02-unknown-key", "signer-allowed");
    assert!(run.stderr.contains(&mallory.fingerprint()), "{}", run.stderr);

    repo.force_push(&verified);
    let evil = repo.commit_unsigned(&[("domains.yaml", EVIL)], "Add evil");
    repo.commit_signed(&[("README.md", "Read me.\n")], "Read me", &scene.lab.ann);
    let run = refused(&scene, "S01-unsigned", "signature");
    assert!(run.stderr.contains(&evil[..10]), "{}", run.stderr);

    repo.force_push(&repo.introduction());
    refused(&scene, "H01-rollback", "no-rollback");

    repo.force_push(&verified);
    assert_eq!(scene.runner.apply().code, Some(0), "the head is the verified one again");
}

/// Runs the job and asserts that nothing of the head was done.
fn refused(scene: &Scene, rule: &str, check: &str) -> Run {
    let (asked, possessions) = (scene.asked(), scene.possessions());

    let run = scene.runner.apply();

    assert_eq!(run.code, Some(4), "{}", said(&run));
    assert!(run.stderr.contains(rule), "{}", run.stderr);
    assert!(run.summary().starts_with("countersign apply: refused (exit 4): "), "{}", run.stdout);
    let report = Junit::of(&run);
    assert_eq!(report.bad(), [format!("certs.source/{check}")]);
    assert!(report.message("certs.source", check).starts_with(&format!("[{rule}] ")), "{}", run.stderr);
    assert_eq!((scene.asked(), scene.possessions()), (asked, possessions));
    run
}
