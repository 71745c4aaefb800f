//! The runner's config as its reader sees it.

#[path = "shared/snapshot.rs"]
mod snapshot;

use std::path::Path;

use countersign::config::pull::Pull;
use countersign::config::{Config, Eab, Hmac};
use countersign::diag::SourceFile;
use countersign::diag::render::render;
use countersign::ledger::Limits;
use countersign::ledger::limit::Limit;
use countersign::list::ChallengeType;
use countersign::trust::Require;
use time::Duration;

const SMALLEST: &str = "version: 1
state: state
repository:
  url: ssh://git@git.example.com/pki/domains.git
  host_keys: [\"SHA256:uNiVztksCsDhcc0u9e8BrHdc94Cw8LIBNXDKKsUFHBM\"]
trust:
  introduction: 0123456789abcdef0123456789abcdef01234567
  allowed_signers: allowed_signers
";

#[track_caller]
fn read(text: &str) -> Config {
    Config::parse(text, "countersign.yaml").unwrap_or_else(|_| panic!("{}", shown(text)))
}

/// Each diagnostic as `line:column code`.
fn places(text: &str) -> Vec<String> {
    let found = Config::parse(text, "countersign.yaml").expect_err("it has faults");
    let place = |d: &countersign::diag::Diagnostic| (d.labels[0].place.line, d.labels[0].place.column);
    found.iter().map(|d| format!("{}:{} {}", place(d).0, place(d).1, d.code)).collect()
}

fn shown(text: &str) -> String {
    let sources = [SourceFile { path: "countersign.yaml".to_owned(), bytes: text.as_bytes().to_vec() }];
    render(&Config::parse(text, "countersign.yaml").unwrap_err(), &sources, false)
}

#[test]
fn what_is_not_said_has_a_default() {
    let config = read(SMALLEST);
    assert_eq!((config.every, config.trust.max_stale), (Duration::DAY, Duration::days(30)));
    assert_eq!(
        (config.repository.ref_name.as_str(), config.repository.list.as_str()),
        ("refs/heads/main", "domains.yaml")
    );
    assert_eq!(config.trust.require, Require::All);
    assert_eq!((config.dns.route53.ttl, config.buckets.len(), config.hooks.from_repo), (60, 0, false));
    assert_eq!((config.limits.max_changed_percent, config.limits.min_lineages), (30, 10));
}

#[test]
fn an_authority_has_a_binding_a_timeout_and_a_chain() {
    let text = format!(
        "{SMALLEST}authorities: {{zero: {{directory: \"https://ca.test/dir\", timeout: 5, preferred_chain: Root X, eab: {{kid: k, hmac_file: k.pem}}}}}}\n"
    );
    let config = read(&text).resolved(Path::new("/etc/countersign"));
    let (zero, built_in) = (&config.authorities["zero"], &config.authorities["letsencrypt"]);
    assert_eq!((zero.timeout, built_in.timeout, zero.preferred_chain.as_deref()), (5, 30, Some("Root X")));
    let hmac = Hmac::File("/etc/countersign/k.pem".into());
    assert_eq!(zero.eab, Some(Eab { kid: "k".into(), hmac }));
}

#[test]
fn the_example_has_no_faults() {
    read(include_str!("../policy/countersign.example.yaml"));
}

#[test]
fn the_example_of_a_pull_has_no_faults_and_a_command_has_a_whole_path() {
    let example = include_str!("../policy/pull.example.yaml");
    let read = |text: &str| {
        Pull::parse(text, "pull.yaml").map_err(|found| format!("{} {:?}", found[0].message, found[0].hint))
    };
    assert_eq!(read(example).map(|pull| pull.certificates.len()), Ok(1));
    let refused = |from: &str, to: &str| read(&example.replace(from, to)).unwrap_err();
    assert!(refused("[/usr/sbin/nginx,", "[nginx,").contains("whole path"));
    assert!(refused("layouts: []", "layouts: [pkcs12]").contains("haproxy"));
    assert!(refused("at: \"127.0.0.1:443\"", "at: localhost").contains("a host and a port"));
    assert!(refused("keep: 3", "keep: 0").contains("1 to 1000"));
}

#[test]
fn built_in_authorities_take_a_contact_and_keep_their_directory() {
    let text = format!("{SMALLEST}authorities: {{letsencrypt: {{contact: [\"mailto:ops@example.com\"]}}}}\n");
    let authority = &read(&text).authorities["letsencrypt"];
    assert_eq!(authority.directory, "https://acme-v02.api.letsencrypt.org/directory");
    assert_eq!(authority.contact, ["mailto:ops@example.com"]);
    let text = format!("{SMALLEST}authorities: {{letsencrypt: {{directory: \"https://evil.example.com/\"}}}}\n");
    assert_eq!(places(&text), ["9:40 bad-value"]);
}

#[test]
fn the_limits_of_lets_encrypt_are_known_and_may_have_been_raised() {
    let text = format!(
        "{SMALLEST}authorities:
  letsencrypt: {{limits: {{certificates_per_domain: 500/7d}}}}
  second: {{directory: \"https://acme-v02.api.letsencrypt.org/directory\"}}
  lab: {{directory: \"https://127.0.0.1:14000/dir\"}}
"
    );
    let limits = |name: &str| read(&text).authorities[name].limits;
    let week = Duration::days(7);
    assert_eq!(limits("letsencrypt").certificates_per_domain, Some(Limit::new(500, week)));
    assert_eq!(limits("letsencrypt").orders_per_account, Some(Limit::new(300, Duration::hours(3))));
    assert_eq!(limits("second").certificates_per_domain, Some(Limit::new(50, week)));
    assert_eq!(limits("letsencrypt-staging").orders_per_account, Some(Limit::new(1_500, Duration::hours(3))));
    assert_eq!(limits("lab"), Limits::default());
}

#[test]
fn a_limit_that_is_none_is_refused() {
    let text = format!("{SMALLEST}authorities: {{letsencrypt: {{limits: {{orders_per_account: 300}}}}}}\n");
    assert_eq!(places(&text), ["9:58 bad-value"]);
    let text = format!("{SMALLEST}authorities: {{letsencrypt: {{limits: {{orders: 300/3h}}}}}}\n");
    assert_eq!(places(&text), ["9:38 unknown-key"]);
}

#[test]
fn a_list_may_name_what_is_built_in_and_what_is_defined() {
    let text = format!(
        "{SMALLEST}authorities: {{lab: {{directory: \"https://127.0.0.1:14000/dir\"}}}}\nbuckets: {{certs: {{bucket: example-certs}}}}\n"
    );
    let known = read(&text).known();
    assert_eq!(known.authorities.into_iter().collect::<Vec<_>>(), ["lab", "letsencrypt", "letsencrypt-staging"]);
    assert_eq!(known.buckets.into_iter().collect::<Vec<_>>(), ["certs"]);
}

#[test]
fn relative_paths_are_taken_from_the_folder_of_the_config() {
    let text = format!("{SMALLEST}authorities: {{lab: {{directory: \"https://a.b/\", root: /root.pem}}}}\n");
    let config = read(&text).resolved(Path::new("/etc/countersign"));
    assert_eq!(config.state, Path::new("/etc/countersign/state"));
    assert_eq!(config.trust.allowed_signers, Path::new("/etc/countersign/allowed_signers"));
    assert_eq!(config.authorities["lab"].root.as_deref(), Some(Path::new("/root.pem")));
}

#[test]
fn a_zone_is_an_id_or_an_id_with_a_role() {
    let text = format!(
        "{SMALLEST}dns: {{route53: {{zones: {{Example.com: Z123, example.net: {{id: Z456, assume_role: \"arn:aws:iam::123456789012:role/x\"}}}}}}}}\n"
    );
    let zones = read(&text).dns.route53.zones;
    assert_eq!((zones["example.com"].id.as_str(), &zones["example.com"].assume_role), ("Z123", &None));
    assert_eq!(zones["example.net"].assume_role.as_deref(), Some("arn:aws:iam::123456789012:role/x"));
}

#[test]
fn a_folder_for_web_servers_lets_lists_ask_for_http_01() {
    let config = read(&format!("{SMALLEST}http: {{folder: challenge, mode: \"0640\"}}\n"));
    assert_eq!(
        config.known().challenges.into_iter().collect::<Vec<_>>(),
        [ChallengeType::Dns01, ChallengeType::Http01]
    );
    let http = config.resolved(Path::new("/srv")).http.unwrap();
    assert_eq!(
        (http.folder.as_path(), http.mode, http.port, http.preflight),
        (Path::new("/srv/challenge"), 0o640, 80, true)
    );
    assert_eq!(read(SMALLEST).known().challenges.into_iter().collect::<Vec<_>>(), [ChallengeType::Dns01]);
}

#[test]
fn a_hook_without_a_folder_is_left_to_the_folder_of_hooks() {
    let text =
        format!("{SMALLEST}dns: {{exec: {{lab: {{command: route53}}, own: {{command: hooks/own, zones: [b.c]}}}}}}\n");
    let exec = read(&text).resolved(Path::new("/srv")).dns.exec;
    assert_eq!(exec["lab"].command, Path::new("route53"));
    assert_eq!(exec["own"].command, Path::new("/srv/hooks/own"));
}

#[test]
fn a_path_is_no_repository_unless_that_is_said() {
    let text = SMALLEST.replace("ssh://git@git.example.com/pki/domains.git", "/srv/domains.git");
    assert_eq!(places(&text), ["4:8 bad-value"]);
    let said = text.replace("repository:\n", "repository:\n  allow_local: true\n");
    assert!(read(&said).repository.allow_local);
}

#[test]
fn a_server_without_a_pinned_key_is_refused() {
    let lines: Vec<_> = SMALLEST.lines().filter(|line| !line.contains("host_keys")).collect();
    assert_eq!(places(&lines.join("\n")), ["4:8 missing-key"]);
    let empty = SMALLEST.replace("\"SHA256:uNiVztksCsDhcc0u9e8BrHdc94Cw8LIBNXDKKsUFHBM\"", "");
    assert_eq!(places(&empty), ["4:8 missing-key"]);
}

/// A line that is wrong, and where.
const WRONG: [(&str, &str); 35] = [
    ("every: 24", "9:8 bad-duration"),
    ("limits: {max_changed_percent: 101}", "9:31 bad-value"),
    ("limits: {min_lineages: 010}", "9:24 bad-value"),
    ("dns: {route53: {ttl: 0}}", "9:22 bad-value"),
    ("dns: {route53: {ttl: 86401}}", "9:22 bad-value"),
    ("dns: {route53: {nameservers: [localhost]}}", "9:31 bad-value"),
    ("dns: {route53: {zones: {example.com: z1}}}", "9:38 bad-value"),
    ("dns: {route53: {zones: {example.com: Z1, EXAMPLE.com: Z2}}}", "9:42 duplicate-key"),
    ("dns: {route53: {endpoint: 127.0.0.1}}", "9:27 bad-value"),
    ("buckets: {certs: {bucket: b}}", "9:27 bad-value"),
    ("buckets: {../x: {bucket: certs}}", "9:11 bad-value"),
    ("buckets: {certs: {bucket: certs, prefix: x}}", "9:42 bad-value"),
    ("authorities: {lab: {directory: \"http://a.b/\"}}", "9:32 bad-value"),
    ("authorities: {lab: {}}", "9:20 missing-key"),
    ("authorities: {letsencrypt: {contact: [ops@example.com]}}", "9:39 bad-value"),
    ("authorities: {letsencrypt: {timeout: 0}}", "9:38 bad-value"),
    ("authorities: {letsencrypt: {preferred_chain: \"\"}}", "9:46 bad-value"),
    ("authorities: {letsencrypt: {eab: {kid: k}}}", "9:34 missing-key"),
    ("authorities: {letsencrypt: {eab: {kid: k, hmac_file: a, hmac_env: B}}}", "9:34 missing-key"),
    ("hooks: {from_repo: yes}", "9:20 wrong-type"),
    ("hooks: true", "9:8 wrong-type"),
    ("hooks: {after_issue: [[systemctl, reload]]}", "9:24 bad-value"),
    ("hooks: {after_issue: [[]]}", "9:23 bad-value"),
    ("hooks: {after_issue: [/bin/true]}", "9:23 wrong-type"),
    ("hooks: {timeout: 0s}", "9:18 bad-value"),
    ("hooks: {timeout: 61m}", "9:18 bad-value"),
    ("hooks: {timeout: 1h}", "9:18 bad-value"),
    ("http: {}", "9:7 missing-key"),
    ("http: {folder: f, mode: \"0666\"}", "9:25 bad-value"),
    ("http: {folder: f, port: 0}", "9:25 bad-value"),
    ("dns: {exec: {lab: {zones: [example.com]}}}", "9:20 missing-key"),
    ("dns: {exec: {lab: {command: h, env: [A-B]}}}", "9:38 bad-value"),
    ("dns: {exec: {lab: {command: h, parallel: 0}}}", "9:42 bad-value"),
    ("dns: {exec: {a: {command: h}, b: {command: h}}}", "9:13 bad-value"),
    ("dns: {exec: {a: {command: h, zones: [b.c]}, b: {command: h, zones: [B.c]}}}", "9:13 bad-value"),
];

#[test]
fn a_value_out_of_its_form_is_reported_where_it_stands() {
    for (line, expected) in WRONG {
        assert_eq!(places(&format!("{SMALLEST}{line}\n")), [expected], "{line}");
    }
}

#[test]
fn every_wrong_value_reads_as_it_did() {
    let one = |(line, _)| format!("## {line}\n{}", shown(&format!("{SMALLEST}{line}\n")));
    snapshot::golden("cases", "config", &WRONG.map(one).join("\n"));
}

#[test]
fn trust_is_read_strictly() {
    let add = |line: &str| places(&format!("{SMALLEST}{line}\n"));
    assert_eq!(add("  require: none"), ["9:12 bad-value"]);
    assert_eq!(add("  revoked: [\"SHA256:short\"]"), ["9:13 bad-value"]);
    assert_eq!(add("  max_stale: forever"), ["9:14 bad-duration"]);
    assert_eq!(places(&SMALLEST.replace("0123456789abcdef0", "")), ["7:17 bad-value"]);
}

#[test]
fn all_faults_are_shown_at_once() {
    insta::assert_snapshot!(shown(
        "version: 1
stat: /var/lib/countersign
every: daily
repository:
  url: git@git.example.com:pki/domains.git
  host_key: [SHA256:x]
trust:
  introduction: 3f2a
  allowed_signers: /etc/countersign/allowed_signers
  require: al
authorities:
  lab: {dir: https://127.0.0.1:14000/dir}
"
    ));
}
