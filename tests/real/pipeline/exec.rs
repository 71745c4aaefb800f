//! A Route53 hook that was written for acmetool, unchanged, with boto3 and moto.

use super::junit::Junit;
use super::scene::{Scene, WWW, said};
use crate::lab::REGION;
use crate::lab::moto::venv;

const HOOK: &str = include_str!("../../fixtures/acmetool-hook-route53.py");

/// The hook sleeps half a minute for DNS. The lab's needs no wait.
const WITHOUT_SLEEP: &str = "import time\ntime.sleep = lambda seconds: None\n";

#[test]
#[ignore = "needs the lab: ci/install"]
fn acmetools_route53_hook_runs_unchanged() {
    let mut scene = Scene::of(WWW);
    let hooks = scene.runner.dir().join("hooks");
    std::fs::create_dir_all(&hooks).unwrap();
    std::fs::write(hooks.join("sitecustomize.py"), WITHOUT_SLEEP).unwrap();
    install(&hooks.join("route53"), HOOK);
    let aws = "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL, AWS_DEFAULT_REGION";
    let env = format!("[PATH, PYTHONPATH, ACME_HOSTED_ZONE, {aws}]");
    let exec = format!("dns:\n  exec: {{route53: {{command: route53, env: {env}}}}}\n");
    scene.runner.config = scene.runner.config.replace("dns:\n", &exec);
    let path = format!("{}:/usr/bin:/bin", venv().join("bin").display());
    scene.runner.env.extend([
        ("PATH", path),
        ("PYTHONPATH", hooks.display().to_string()),
        ("ACME_HOOKS_DIR", hooks.display().to_string()),
        ("ACME_HOSTED_ZONE", scene.lab.zone_id.clone()),
        // A stand-in has no region of its own.
        ("AWS_ENDPOINT_URL", scene.lab.judge.url()),
        ("AWS_DEFAULT_REGION", REGION.to_owned()),
    ]);

    let run = scene.runner.apply();

    assert_eq!(run.code, Some(0), "{}", said(&run));
    assert_eq!(Junit::of(&run).bad(), Vec::<String>::new());
    // The hook's own UPSERT and DELETE, which Pebble's validation came between.
    assert_eq!((scene.lab.judge.count("ChangeResourceRecordSets"), scene.challenge_values()), (2, vec![]));
    assert_eq!((scene.requests().new_order, scene.requests().challenge), (1, 1));
}

/// By a shell: what this process has open for writing could not be run.
fn install(path: &std::path::Path, script: &str) {
    let mut write = std::process::Command::new("sh");
    write.args(["-c", "printf %s \"$2\" > \"$1\" && chmod 755 \"$1\"", "sh"]).arg(path).arg(script);
    assert!(write.status().unwrap().success());
}
