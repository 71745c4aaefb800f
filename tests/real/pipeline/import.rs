//! State directories of other tools, made by the tools themselves, and taken over.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::scene::{Scene, said};
use crate::lab::daemon::output;
use crate::lab::pebble::Options;

const EMPTY: &str = "version: 1\ncertificates: []\n";

fn scene() -> Scene {
    Scene::with_pebble(EMPTY, Options { validates: false, ..Options::default() })
}

/// A command that trusts Pebble's API, in a folder of its own.
pub(super) fn tool(scene: &Scene, name: &str) -> (Command, PathBuf) {
    let dir = scene.lab.dir().join(name);
    fs::create_dir_all(&dir).unwrap();
    let mut command = Command::new(name);
    let root = scene.lab.pebble.tls_root();
    command.env("SSL_CERT_FILE", root).env("REQUESTS_CA_BUNDLE", root).env("HOME", &dir).current_dir(&dir);
    (command, dir)
}

fn certbot(scene: &Scene, name: &str, arguments: &[&str]) -> PathBuf {
    let (mut command, dir) = tool(scene, "certbot");
    command.args(["certonly", "--non-interactive", "--agree-tos", "-m", "ops@example.com", "--manual"]);
    command.args(["--preferred-challenges", "dns", "--manual-auth-hook", "/bin/true", "--config-dir", "etc"]);
    command.args(["--work-dir", "work", "--logs-dir", "logs", "--cert-name", name]);
    output(command.args(["--server", &scene.lab.pebble.directory()]).args(arguments));
    dir.join("etc")
}

/// The response file of the notes on acmetool, with our CA.
fn responses(scene: &Scene) -> String {
    format!(
        "\
\"acme-enter-email\": \"youremail@yourdomain.com\"
\"acme-agreement:data:text/plain,Do%20what%20thou%20wilt\": true
\"acmetool-quickstart-choose-server\": {}
\"acmetool-quickstart-choose-method\": hooks
\"acmetool-quickstart-webroot-path\": \"/var/run/acme/acme-challenge\"
\"acmetool-quickstart-complete\": true
\"acmetool-quickstart-install-cronjob\": false
\"acmetool-quickstart-install-haproxy-script\": false
\"acmetool-quickstart-install-redirector-systemd\": false
\"acmetool-quickstart-key-type\": ecdsa
\"acmetool-quickstart-ecdsa-curve\": nistp256
",
        scene.lab.pebble.directory()
    )
}

fn acmetool(scene: &Scene) -> PathBuf {
    let run = |arguments: &[&str]| {
        let (mut command, dir) = tool(scene, "acmetool");
        let file = |name: &str| dir.join(name).display().to_string();
        command.args(["--state", &file("state"), "--hooks", &file("hooks"), "--batch"]);
        output(command.args(["--response-file", &file("state/conf/responses")]).args(arguments));
        dir
    };
    let dir = scene.lab.dir().join("acmetool");
    fs::create_dir_all(dir.join("state/conf")).unwrap();
    fs::create_dir_all(dir.join("hooks")).unwrap();
    fs::write(dir.join("state/conf/responses"), responses(scene)).unwrap();
    fs::write(dir.join("hooks/dns"), "#!/bin/sh\ncase $1 in challenge-dns-*) exit 0;; esac\nexit 42\n").unwrap();
    fs::set_permissions(dir.join("hooks/dns"), PermissionsExt::from_mode(0o755)).unwrap();
    run(&["quickstart", "--expert"]);
    run(&["want", "tool.lab.test", "tool2.lab.test"]).join("state")
}

/// As the notes on the container have it: a folder for the domain, keys of openssl.
fn acme_tiny(scene: &Scene) -> PathBuf {
    let (mut command, dir) = tool(scene, "acme-tiny");
    fs::create_dir_all(dir.join("certificates/tiny.lab.test")).unwrap();
    fs::create_dir_all(dir.join("challenge")).unwrap();
    let file = |name: &str| dir.join("certificates/tiny.lab.test").join(name).display().to_string();
    for key in ["account.key", "domain.key"] {
        output(Command::new("openssl").args(["genrsa", "-out", &file(key), "2048"]));
    }
    let names = "subjectAltName=DNS:tiny.lab.test,DNS:www.tiny.lab.test";
    let request = ["req", "-new", "-sha256", "-subj", "/", "-addext", names, "-key", &file("domain.key"), "-out"];
    output(Command::new("openssl").args(request).arg(file("domain.csr")));
    command.args(["--account-key", &file("account.key"), "--csr", &file("domain.csr"), "--acme-dir", "challenge"]);
    let chain = output(command.args(["--disable-check", "--directory-url", &scene.lab.pebble.directory()]));
    fs::write(file("domain.crt"), chain).unwrap();
    dir.join("certificates")
}

fn import(scene: &Scene, arguments: &[&str]) -> String {
    let (code, out, err) = scene.runner.ask(&[&["import"], arguments].concat());
    assert_eq!(code, Some(0), "{out}{err}");
    out
}

/// What stands below `certificates:` of the answer.
fn entries(answer: &str) -> String {
    let lines = answer.lines().skip_while(|line| !line.starts_with("  - name:"));
    lines.take_while(|line| line.starts_with("  ")).map(|line| format!("{line}\n")).collect()
}

fn serial(pem: &Path) -> String {
    let text = output(Command::new("openssl").args(["x509", "-noout", "-serial", "-in"]).arg(pem));
    text.trim().trim_start_matches("serial=").to_lowercase()
}

fn public(key: &Path) -> String {
    output(Command::new("openssl").args(["pkey", "-pubout", "-in"]).arg(key))
}

/// The only key below acmetool's `accounts/<directory>/<id>/`.
fn account_of(state: &Path) -> PathBuf {
    let only = |dir: PathBuf| fs::read_dir(dir).unwrap().next().unwrap().unwrap().path();
    only(only(state.join("accounts"))).join("privkey")
}

fn live(scene: &Scene, name: &str) -> String {
    serial(&scene.live(name).join("cert.pem"))
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn what_certbot_acmetool_and_acme_tiny_have_is_served_with_the_same_serial_and_renews() {
    let scene = scene();
    let certbot_dir = certbot(&scene, "WWW.lab.test", &["-d", "www.lab.test", "-d", "lab.test"]);
    certbot(&scene, "star", &["-d", "*.star.lab.test", "--key-type", "rsa", "--rsa-key-size", "2048"]);
    let (acmetool_dir, tiny_dir) = (acmetool(&scene), acme_tiny(&scene));
    let text = |path: &Path| path.display().to_string();
    let answers = [
        import(&scene, &["certbot", &text(&certbot_dir)]),
        import(&scene, &["acmetool", &text(&acmetool_dir)]),
        import(&scene, &["acme-tiny", &text(&tiny_dir)]),
    ];
    // The same again does nothing.
    let again = import(&scene, &["certbot", &text(&certbot_dir)]);
    assert!(again.contains("0 certificates imported, 2 already there, 0 refused"), "{again}");
    assert!(
        answers[1].contains("acmetool-quickstart-choose-method = hooks\n      list: challenge: dns-01"),
        "{}",
        answers[1]
    );
    let before = scene.requests().new_order;

    let entries: String = answers.iter().map(|answer| entries(answer)).collect();
    scene.push(&format!("version: 1\ndefaults: {{authority: lab, publish: [certs]}}\ncertificates:\n{entries}"));
    let run = scene.runner.apply();

    assert_eq!(run.summary(), "countersign apply: done (exit 0): 4 done (4 adopted), 0 failed", "{}", said(&run));
    assert_eq!(scene.requests().new_order, before);
    assert_eq!(live(&scene, "www.lab.test"), serial(&certbot_dir.join("live/WWW.lab.test/cert.pem")));
    assert_eq!(live(&scene, "star"), serial(&certbot_dir.join("live/star/cert.pem")));
    assert_eq!(live(&scene, "tool.lab.test"), serial(&acmetool_dir.join("live/tool.lab.test/cert")));
    assert_eq!(live(&scene, "tiny.lab.test"), serial(&tiny_dir.join("tiny.lab.test/domain.crt")));
    assert_eq!(fs::read_dir(scene.runner.state().join("imported")).unwrap().count(), 0);
    let (code, out, err) = scene.runner.ask(&["audit", "--online"]);
    assert_eq!(code, Some(0), "{out}{err}");

    let force = ["apply", "--auto-approve", "--force", "tool.lab.test", "--force", "tiny.lab.test", "--reason", "test"];
    let run = scene.runner.run(&force);
    assert_eq!(run.code, Some(0), "{}", said(&run));
    assert_eq!(scene.requests().new_order, before + 2);
    assert_ne!(live(&scene, "tool.lab.test"), serial(&acmetool_dir.join("live/tool.lab.test/cert")));
    // Renewed by acmetool's account, whose key is of the kind that can be taken as it is.
    assert_eq!(public(&scene.runner.state().join("accounts/lab/key.pem")), public(&account_of(&acmetool_dir)));
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn an_import_never_replaces_a_lineage_that_is_there() {
    let scene = Scene::applied(super::scene::WWW);
    let dir = scene.lab.dir().join("pem");
    fs::create_dir_all(&dir).unwrap();
    let live = scene.live("www");
    for file in ["privkey.pem", "fullchain.pem"] {
        fs::copy(live.join(file), dir.join(file)).unwrap();
    }
    let run = scene.runner.run(&["apply", "--auto-approve", "--force", "www", "--reason", "test"]);
    assert_eq!(run.code, Some(0), "{}", said(&run));
    let before = scene.possessions();
    let key = dir.join("privkey.pem").display().to_string();
    let chain = dir.join("fullchain.pem").display().to_string();
    let (code, out, _) = scene.runner.ask(&["import", "pem", "--name", "www", "--key", &key, "--chain", &chain]);
    assert_eq!(code, Some(3), "{out}");
    assert!(out.contains("import:exists"), "{out}");
    assert_eq!(scene.possessions(), before);
}
