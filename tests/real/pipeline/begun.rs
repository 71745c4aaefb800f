//! A first run: what `init` makes and prints leads to a first certificate.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::lab::daemon::output;
use crate::lab::sshd::{generate_key, public_half};
use crate::lab::{BUCKET, Lab, REGION, bucket};

/// A shell of the new user, with a key that may push.
fn shell(lab: &Lab, home: &Path) -> Command {
    let mut shell = Command::new("sh");
    let ssh = format!(
        "ssh -i {} -o IdentitiesOnly=yes -o UserKnownHostsFile={} -F none",
        lab.sshd.client_key().display(),
        lab.dir().join("known_hosts").display()
    );
    let path = Path::new(env!("CARGO_BIN_EXE_countersign")).parent().unwrap().display();
    shell.current_dir(home).env_clear();
    shell
        .env("HOME", home)
        .env("PATH", format!("{path}:{}", std::env::var("PATH").unwrap()))
        .env("GIT_SSH_COMMAND", ssh);
    shell
        .env("AWS_ACCESS_KEY_ID", "lab")
        .env("AWS_SECRET_ACCESS_KEY", "lab-secret")
        .env("AWS_EC2_METADATA_DISABLED", "true");
    shell
}

/// What `init` made, with the deploy key that it asks for and with stand-ins for whatever is out in the world.
fn on_stand_ins(lab: &Lab, made: &Path) {
    let runner = made.join("runner");
    let key = runner.join("id_ed25519");
    fs::copy(lab.sshd.client_key(), &key).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    fs::copy(lab.pebble.tls_root(), runner.join("root.pem")).unwrap();
    let (ca, aws, servers) = (lab.pebble.directory(), lab.judge.url(), lab.dns.address());
    let region = format!("region: \"{REGION}\"");
    replace(&made.join("config-repo/domains.yaml"), "authority: letsencrypt-staging", "authority: lab");
    let config = runner.join("countersign.yaml");
    replace(&config, "authorities:\n", &format!("authorities:\n  lab: {{directory: \"{ca}\", root: root.pem}}\n"));
    replace(&config, &region, &format!("{region}, endpoint: \"{aws}\""));
    let dns = format!("dns: {{route53: {{endpoint: \"{aws}\", nameservers: [\"{servers}\"]}}}}\nbuckets:\n");
    replace(&config, "buckets:\n", &dns);
}

fn replace(file: &Path, what: &str, with: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(what), "{text}");
    fs::write(file, text.replace(what, with)).unwrap();
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn the_commands_that_init_prints_lead_to_a_first_certificate() {
    let lab = Lab::start();
    let home = lab.dir().join("home of a new user");
    fs::create_dir(&home).unwrap();
    fs::write(lab.dir().join("known_hosts"), lab.sshd.known_hosts_line()).unwrap();
    let origin = lab.dir().join("empty.git");
    output(Command::new("git").args(["init", "-q", "--bare", "-b", "main"]).arg(&origin));
    let ann = generate_key(&home, "ann", "ann");

    let said = output(
        Command::new(env!("CARGO_BIN_EXE_countersign"))
            .args(["init", "new", "--signer", "ann@example.com", "--contact", "ops@example.com"])
            .args(["--domain", "www.lab.test", "--bucket", BUCKET, "--region", REGION])
            .args(["--url", &lab.sshd.url(&origin), "--host-key", &lab.sshd.host_key_fingerprint(), "--signing-key"])
            .arg(public_half(&ann))
            .current_dir(&home),
    );
    let typed: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    assert_eq!(typed.len(), 3, "{said}");
    on_stand_ins(&lab, &home.join("new"));
    for line in typed {
        output(shell(&lab, &home).args(["-c", line]));
    }

    output(shell(&lab, &home.join("new/runner")).args(["-c", "countersign apply --auto-approve"]));
    assert!(bucket::read(&lab.judge, BUCKET, REGION).contains_key("certs/first/current.json"));
}
