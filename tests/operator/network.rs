//! In a network of its own: which sockets a run opens, as the kernel was asked for them.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use super::Place;

/// The stand-ins and a run against them, in a network namespace that has nothing but loopback.
const SCRIPT: &str = r#"
set -eu
ip link set lo up
countersign sandbox --dir lab > sandbox.log 2>&1 &
sandbox=$!
trap 'kill $sandbox' EXIT
until grep -q 'Change the list' sandbox.log; do kill -0 $sandbox; done
cd lab
export AWS_ACCESS_KEY_ID=AKIASANDBOXSANDBOX00
export AWS_SECRET_ACCESS_KEY=sandbox/sandbox/sandbox/sandbox/sandbox0
export AWS_EC2_METADATA_DISABLED=true
strace -f -qq -e trace=bind,connect,listen,sendto,sendmsg,sendmmsg -o ../trace countersign apply --auto-approve
"#;

fn run_in_a_namespace(place: &Place) -> String {
    place.write("run.sh", SCRIPT);
    let bin = std::path::Path::new(env!("CARGO_BIN_EXE_countersign")).parent().unwrap();
    let output = Command::new("unshare")
        .args(["--net", "sh", "run.sh"])
        .current_dir(place.path(""))
        .env_clear()
        .env("PATH", format!("{}:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", bin.display()))
        .env("HOME", place.path(""))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    place.forget_the_sandbox("run.sh");
    std::fs::read_to_string(place.path("trace")).unwrap()
}

/// What stands behind a word of the trace, up to the next bracket.
fn after<'t>(line: &'t str, word: &str) -> Option<&'t str> {
    line.split_once(word).and_then(|(_, rest)| rest.split(')').next())
}

#[test]
#[ignore = "needs root, strace and ip: ci/install"]
fn a_run_opens_no_port_and_reaches_only_what_its_configuration_names() {
    let place = Place::configured();
    let trace = run_in_a_namespace(&place);
    let config = std::fs::read_to_string(place.path("lab/countersign.yaml")).unwrap();

    assert!(!trace.lines().any(|line| line.contains(" listen(")), "nothing listens");
    let internet = trace.lines().filter(|line| line.contains("AF_INET") && !line.contains(" bind("));
    let reached: BTreeSet<(&str, &str)> = internet
        .filter_map(|line| Some((after(line, "inet_addr(")?.trim_matches('"'), after(line, "htons(")?)))
        .collect();
    assert!(reached.iter().all(|(address, _)| *address == "127.0.0.1"), "{reached:?}");
    let ports: BTreeSet<&str> = reached.iter().map(|(_, port)| *port).collect();
    let named: BTreeSet<&str> = config
        .split("127.0.0.1:")
        .skip(1)
        .map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap())
        .collect();
    assert_eq!(ports, named, "the CA, Route53, S3 and the name server");
}
