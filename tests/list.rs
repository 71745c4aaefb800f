//! The list as its reader sees it. `UPDATE_CASES=1` writes down what the cases give; look at the difference.

#[path = "shared/snapshot.rs"]
mod snapshot;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use countersign::diag::render::render;
use countersign::diag::{Code, Diagnostic, SourceFile};
use countersign::list::parse::{Known, Parsed, parse};
use countersign::list::{Certificate, ChallengeType, KeySource, KeyType};
use countersign::name::{Identifier, LineageName};
use proptest::prelude::*;
use time::Duration;

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/list")
}

fn known() -> Known {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Known {
        authorities: set(&["letsencrypt", "letsencrypt-staging"]),
        buckets: set(&["certs"]),
        provided: set(&["shop"]),
        given_keys: set(&["mail", "nginx"]),
        challenges: [ChallengeType::Dns01].into(),
    }
}

fn file(path: &str, text: impl Into<Vec<u8>>) -> SourceFile {
    SourceFile { path: path.to_owned(), bytes: text.into() }
}

fn read(text: &str) -> Parsed {
    parse(&[file("domains.yaml", text)], Some(&known()))
}

/// One line a label: `line:column code`, further labels of the same diagnostic indented.
fn places(diagnostics: &[Diagnostic]) -> String {
    let mut text = String::new();
    for diagnostic in diagnostics {
        for (nth, label) in diagnostic.labels.iter().enumerate() {
            let (line, column) = (label.place.line, label.place.column);
            let what = if nth == 0 { diagnostic.code } else { &format!("  {}", label.text) };
            writeln!(text, "{line}:{column} {what}").unwrap();
        }
    }
    text
}

#[test]
fn every_case_gives_exactly_the_diagnostics_beside_it() {
    let mut wrong = String::new();
    for entry in std::fs::read_dir(cases()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let parsed = parse(&[file("domains.yaml", std::fs::read(&path).unwrap())], Some(&known()));
        let beside = path.with_extension("expected");
        let found = places(&parsed.diagnostics);
        if std::env::var_os("UPDATE_CASES").is_some() {
            std::fs::write(&beside, &found).unwrap();
        }
        let expected = std::fs::read_to_string(&beside).unwrap_or_default();
        if found != expected {
            write!(wrong, "{}\n--- expected\n{expected}--- found\n{found}", path.display()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_case_reads_as_it_did() {
    let entries = std::fs::read_dir(cases()).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = entries.filter(|path| path.extension().is_some_and(|name| name == "yaml")).collect();
    paths.sort();
    let case =
        |path: &PathBuf| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap());
    let large = ("file-too-large".to_owned(), vec![b'#'; 16 * 1024 * 1024 + 1]);
    let mut text = format!("## no-list\n{}", render(&parse(&[], None).diagnostics, &[], false));
    for (name, bytes) in paths.iter().map(case).chain([large]) {
        let files = [file("domains.yaml", bytes)];
        write!(text, "\n## {name}\n{}", render(&parse(&files, Some(&known())).diagnostics, &files, false)).unwrap();
    }
    snapshot::golden("cases", "list", &text);
}

#[test]
fn every_code_has_a_case() {
    let mut shown: BTreeSet<String> = BTreeSet::new();
    for entry in std::fs::read_dir(cases()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "expected") {
            let text = std::fs::read_to_string(path).unwrap();
            shown.extend(text.lines().filter_map(|line| Some(line.split_once(' ')?.1.to_owned())));
        }
    }
    // These two have tests of their own below: a file cannot show them.
    shown.extend([Code::NoList, Code::FileTooLarge].map(|code| code.name().to_owned()));
    let missing: Vec<_> = Code::ALL.iter().map(|code| code.name()).filter(|name| !shown.contains(*name)).collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn no_files_are_not_an_empty_list() {
    let parsed = parse(&[], None);
    assert_eq!(parsed.list, None);
    insta::assert_snapshot!(render(&parsed.diagnostics, &[], false));
}

#[test]
fn a_file_over_the_limit_is_refused_unread() {
    let parsed = parse(&[file("domains.yaml", vec![b'#'; 16 * 1024 * 1024 + 1])], None);
    assert_eq!((parsed.list, places(&parsed.diagnostics)), (None, "1:1 file-too-large\n".to_owned()));
}

#[test]
fn an_empty_list_of_certificates_is_a_list() {
    let parsed = read("version: 1\ncertificates: []\n");
    assert!(parsed.diagnostics.is_empty());
    assert!(parsed.list.unwrap().certificates().next().is_none());
}

fn only(text: &str) -> Certificate {
    let parsed = read(text);
    assert_eq!(places(&parsed.diagnostics), "");
    parsed.list.unwrap().certificates().next().unwrap().clone()
}

#[test]
fn what_is_not_said_has_a_default() {
    let certificate = only("{version: 1, certificates: [{name: www, domains: [WWW.example.com]}]}");
    let expected = Certificate {
        name: LineageName::parse("www").unwrap(),
        identifiers: BTreeSet::from([Identifier::parse("www.example.com").unwrap()]),
        authority: "letsencrypt-staging".to_owned(),
        key: KeyType::EcdsaP256,
        key_source: KeySource::New,
        challenge: ChallengeType::Dns01,
        profile: None,
        preferred_profile: None,
        preferred_chain: None,
        provided: None,
        publish: BTreeSet::new(),
        served: BTreeSet::new(),
        renew_before: None,
    };
    assert_eq!(certificate, expected);
}

#[test]
fn a_certificate_overrides_the_defaults_of_its_file() {
    let certificate = only(
        "version: 1
defaults: {authority: letsencrypt, key: rsa-4096, publish: [certs], profile: tlsserver, renew: {before: 12h}}
certificates:
  - {name: www, domains: [www.example.com], key: ecdsa-p384, publish: []}
",
    );
    assert_eq!((certificate.authority.as_str(), certificate.key), ("letsencrypt", KeyType::EcdsaP384));
    assert_eq!((certificate.publish.len(), certificate.profile.as_deref()), (0, Some("tlsserver")));
    assert_eq!(certificate.renew_before, Some(Duration::hours(12)));
}

#[test]
fn defaults_end_with_their_file_and_names_are_unique_over_all() {
    let files = [
        file(
            "domains/a.yaml",
            "{version: 1, defaults: {key: rsa-2048}, certificates: [{name: a, domains: [a.example.com]}]}",
        ),
        file("domains/b.yaml", "{version: 1, certificates: [{name: b, domains: [b.example.com]}]}"),
    ];
    let list = parse(&files, None).list.unwrap();
    let keys: Vec<_> = list.certificates().map(|certificate| certificate.key).collect();
    assert_eq!(keys, [KeyType::Rsa2048, KeyType::EcdsaP256]);
    let twice = [files[0].clone(), file("domains/c.yaml", files[0].bytes.clone())];
    let found = parse(&twice, None).diagnostics;
    let codes: Vec<_> = found.iter().map(|d| (d.code, d.labels[0].place.file.as_str())).collect();
    assert_eq!(codes, [("duplicate-identifier-set", "domains/c.yaml"), ("duplicate-name", "domains/c.yaml")]);
}

#[test]
fn a_fault_in_one_file_does_not_hide_those_of_the_next() {
    let files = [file("a.yaml", "version: ["), file("b.yaml", b"\xff".as_slice()), file("c.yaml", "version: 1\n")];
    let codes: Vec<_> = parse(&files, None).diagnostics.iter().map(|d| d.code).collect();
    assert_eq!(codes, ["yaml-syntax", "not-utf8", "missing-key"]);
}

#[test]
fn a_list_remembers_where_each_name_stands() {
    let list = read("version: 1\ncertificates:\n  - domains: [www.example.com]\n    name: www\n").list.unwrap();
    let place = list.place(&LineageName::parse("www").unwrap()).unwrap();
    assert_eq!((place.file.as_str(), place.line, place.column, place.span.clone()), ("domains.yaml", 4, 11, 66..69));
}

#[test]
fn without_a_config_authorities_and_buckets_are_not_looked_up() {
    let text = "{version: 1, certificates: [{name: a, domains: [a.example.com], authority: lab, publish: [x]}]}";
    assert!(parse(&[file("domains.yaml", text)], None).list.is_some());
    assert!(read(text).list.is_none());
}

#[test]
fn the_example_has_no_faults_and_shows_every_key() {
    let text = include_str!("../domains.example.yaml");
    let parsed = read(text);
    assert_eq!(places(&parsed.diagnostics), "");
    let keys = ["version", "defaults", "certificates", "name", "domains", "authority", "key", "challenge", "profile"];
    let shown =
        |key: &&str| text.lines().any(|line| line.trim_start_matches([' ', '-']).starts_with(&format!("{key}:")));
    let more = ["csr", "preferred_profile", "preferred_chain", "publish", "renew", "provided", "served"];
    assert_eq!(keys.iter().chain(&more).find(|key| !shown(key)), None);
}

fn case(name: &str) -> String {
    std::fs::read_to_string(cases().join(name)).unwrap()
}

#[test]
fn what_is_wrong_with_a_csr_is_said() {
    let parsed = read(&case("csr.yaml"));
    let said = |one: &Diagnostic| {
        format!("{} {}\n    {}\n", one.labels[0].place.line, one.message, one.hint.as_deref().unwrap_or_default())
    };
    insta::assert_snapshot!(parsed.diagnostics.iter().map(said).collect::<String>());
}

#[test]
fn a_csr_brings_the_type_of_its_key_along() {
    let whole = case("csr.yaml");
    let first: String = whole.split_inclusive("  # ").take(2).collect();
    let certificate = only(first.trim_end_matches("  # "));
    let KeySource::Csr(csr) = &certificate.key_source else { panic!("{certificate:?}") };
    assert_eq!((certificate.key, csr.key()), (KeyType::EcdsaP256, KeyType::EcdsaP256));
    // As it goes into plans, journals and manifests.
    let json = serde_json::to_string(&certificate).unwrap();
    assert_eq!(serde_json::from_str::<Certificate>(&json).unwrap(), certificate);
    assert!(serde_json::from_str::<Certificate>(&json.replace("\"csr\":\"MI", "\"csr\":\"AA")).is_err());
}

#[test]
fn a_private_key_in_a_list_is_refused_and_nothing_of_it_is_shown() {
    let body = "bm90IGEga2V5LCBvbmx5IHRoZSBzaGFwZSBvZiBvbmUsIGFzIGxvbmcgYXMgYSBs";
    let pem = |label: &str| format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----");
    let folded = |text: &str| text.replace('\n', "\\n");
    let [ec, plain] = [pem("EC PRIVATE KEY"), pem("PRIVATE KEY")];
    let places = [
        case("private-key.yaml"),
        format!("version: 1\ncertificates:\n  - {{name: a, domains: [a.example.com], csr: \"{}\"}}\n", folded(&ec)),
        format!(
            "version: 1\ncertificates:\n  - {{name: a, domains: [a.example.com], given_key: \"{}\"}}\n",
            folded(&plain)
        ),
        format!("version: 1\ncertificates:\n  - name: a\n    csr: |\n{ec}\n"),
        format!("# {}\nversion: 1\ncertificates: []\n", folded(&plain)),
    ];
    for text in places {
        let shown = shown(&text);
        assert!(shown.contains("private-key") && !shown.contains(&body[..8]), "{shown}");
        assert!(shown.contains("1 error in domains.yaml"), "{shown}");
    }
    // Without its first line nobody can know, so no line as long as those of a key is shown.
    for csr in [body.to_owned(), format!("|\n      {body}")] {
        let shown =
            shown(&format!("version: 1\ncertificates:\n  - name: a\n    domains: [a.example.com]\n    csr: {csr}\n"));
        assert!(shown.contains("error") && !shown.contains(&body[..8]), "{shown}");
    }
}

#[test]
fn a_server_has_a_name_of_its_certificate() {
    let certificate = |served: &str| {
        format!(
            "{{version: 1, certificates: [{{name: a, domains: [a.example.com, \"*.b.example.com\"], served: [{served}]}}]}}"
        )
    };
    let served = only(&certificate("a.example.com, \"x.b.example.com:8443\", a.example.com")).served;
    let served: Vec<String> = served.iter().map(ToString::to_string).collect();
    assert_eq!(served, ["a.example.com:443", "x.b.example.com:8443"]);
    for other in [
        "c.example.com",
        "b.example.com",
        "x.y.b.example.com",
        "\"*.b.example.com\"",
        "10.0.0.7",
        "\"a.example.com:0\"",
    ] {
        let diagnostics = read(&certificate(other)).diagnostics;
        assert_eq!(diagnostics.iter().map(|one| one.code).collect::<Vec<_>>(), ["bad-value"], "{other}");
    }
}

#[test]
fn the_defaults_of_the_example_are_the_defaults() {
    let text = include_str!("../domains.example.yaml");
    let www = read(text).list.unwrap().get(&LineageName::parse("www").unwrap()).unwrap().clone();
    assert_eq!(www, only("{version: 1, certificates: [{name: www, domains: [www.example.com, example.com]}]}"));
}

#[test]
fn a_profile_is_required_or_preferred_and_takes_the_place_of_the_default() {
    let profiles = |defaults: &str, own: &str| {
        let list = format!(
            "{{version: 1, defaults: {{{defaults}}}, certificates: [{{name: a, domains: [a.example.com]{own}}}]}}"
        );
        let certificate = only(&list);
        (certificate.profile, certificate.preferred_profile)
    };
    let shortlived = Some("shortlived".to_owned());
    assert_eq!(profiles("profile: classic", ", preferred_profile: shortlived"), (None, shortlived.clone()));
    assert_eq!(profiles("preferred_profile: classic", ", profile: shortlived"), (shortlived.clone(), None));
    assert_eq!(profiles("preferred_profile: shortlived", ""), (None, shortlived));
}

#[test]
fn what_is_no_profile_or_no_issuer_is_shown() {
    let faults = |own: &str| {
        let list = format!("{{version: 1, certificates: [{{name: a, domains: [a.example.com], {own}}}]}}");
        places(&read(&list).diagnostics)
    };
    assert!(faults("profile: classic, preferred_profile: classic").contains("bad-value"));
    assert!(faults("preferred_chain: \" ISRG Root X1\"").contains("bad-value"));
    assert!(faults("preferred_chain: \"\"").contains("bad-value"));
}

#[test]
fn fifty_thousand_domains_are_a_list() {
    let mut text = "version: 1\ncertificates:\n".to_owned();
    for n in 0..10_000 {
        let names: Vec<_> = (0..5).map(|m| format!("host-{m}.site-{n}.example.com")).collect();
        writeln!(text, "  - name: site-{n}\n    domains: [{}]", names.join(", ")).unwrap();
    }
    assert_eq!(read(&text).list.map(|list| list.certificates().count()), Some(10_000));
}

/// Rendered as the reader of `validate` sees it.
fn shown(text: &str) -> String {
    let sources = [file("domains.yaml", text)];
    render(&parse(&sources, Some(&known())).diagnostics, &sources, false)
}

#[test]
fn a_slip_of_the_pen_is_shown_with_what_was_meant() {
    insta::assert_snapshot!(shown(
        "version: 1
certificates:
  - name: www
    domain: [www.example.com]
    key: rsa2048
    publish: [cert]
    authority: letsencript
"
    ));
}

#[test]
fn a_wildcard_without_quotes_is_shown_with_quotes() {
    insta::assert_snapshot!(shown(
        "version: 1
certificates:
  - name: wild
    domains:
      - *.example.com
      - example.com
"
    ));
}

#[test]
fn a_name_claimed_twice_is_shown_at_both_places() {
    let far = "# far\n".repeat(20);
    insta::assert_snapshot!(shown(&format!(
        "version: 1
certificates:
  - name: api
    domains: [api.example.com, example.com]
{far}  - name: edge
    domains:
      - edge.example.com
      - api.example.com
"
    )));
}

#[test]
fn what_would_play_tricks_on_a_terminal_is_not_printed() {
    insta::assert_snapshot!(shown(
        "version: 1
certificates:
  - name: www # \u{1b}[2K\u{202e}moc.live\u{200b}
    domains: [\"a\\e[31m.example.com\"]
"
    ));
}

#[test]
fn a_mapping_that_is_not_indented_is_shown_where_the_reader_gave_up() {
    insta::assert_snapshot!(shown(
        "version: 1
certificates:
  - name: www
   domains: [www.example.com]
"
    ));
}

#[test]
fn a_diagnostic_without_its_file_still_names_the_place() {
    let parsed = read("version: 2\n");
    insta::assert_snapshot!(render(&parsed.diagnostics, &[], false));
}

#[test]
fn a_line_that_nobody_could_read_is_not_shown() {
    let certificates: Vec<_> = (0..200).map(|n| format!("{{name: n{n}, domains: [n{n}.example.com]}}")).collect();
    let text = shown(&format!(
        "{{version: 1, certificates: [{}, {{name: A, domains: [a.example.com]}}]}}",
        certificates.join(", ")
    ));
    insta::assert_snapshot!(text);
}

#[test]
fn a_message_does_not_quote_a_megabyte() {
    let parsed = read(&format!("version: 1\ncertificates:\n  - {{? {} : 1}}\n", "k".repeat(1_000_000)));
    assert!(parsed.diagnostics.iter().all(|diagnostic| diagnostic.message.len() < 1000));
}

#[test]
fn warnings_alone_leave_a_list() {
    let text = "version: 1
certificates:
  - {name: wild, domains: [\"*.example.com\"]}
  - {name: www, domains: [www.example.com, bücher.example]}
";
    assert!(read(text).list.is_some());
    insta::assert_snapshot!(shown(text));
}

#[test]
fn colour_adds_nothing_but_colour() {
    let sources = [file("domains.yaml", "version: 2\n")];
    let diagnostics = parse(&sources, None).diagnostics;
    let colored = render(&diagnostics, &sources, true);
    let stripped = colored.split('\u{1b}').enumerate().map(|(n, part)| match n {
        0 => part,
        _ => part.split_once('m').unwrap().1,
    });
    assert_ne!(colored, render(&diagnostics, &sources, false));
    assert_eq!(stripped.collect::<String>(), render(&diagnostics, &sources, false));
}

/// Pieces that make YAML more likely than bytes do.
fn yaml_like() -> impl Strategy<Value = String> {
    let pieces = [
        "version: 1\n",
        "certificates:\n",
        "  - ",
        "name: a\n",
        "name: www\n",
        "    domains: ",
        "[a.b, ",
        "\"*.b\"",
        "]\n",
        "{",
        "}",
        ": ",
        "&x ",
        "*x",
        "!t ",
        "<<: ",
        "\n",
        "  ",
        "\t",
        "\u{85}",
        "\u{feff}",
        "\r",
        "---\n",
        "# c\n",
        "|\n",
        "'",
        "\"",
        "renew: {before: 20d}\n",
        "defaults: {}\n",
        "? ",
        "- ",
        "ü",
        "%YAML 1.2\n",
        "null",
        ",",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..40).prop_map(|parts| parts.concat())
}

fn reads_and_renders(bytes: Vec<u8>) {
    let sources = [file("domains.yaml", bytes)];
    let parsed = parse(&sources, Some(&known()));
    assert_eq!(parsed.list.is_some(), !parsed.diagnostics.iter().any(Diagnostic::is_error));
    let text = render(&parsed.diagnostics, &sources, false);
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_or_the_renderer_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        reads_and_renders(bytes);
    }

    #[test]
    fn no_text_makes_the_reader_or_the_renderer_panic(text in "\\PC{0,80}|(?s).{0,80}") {
        reads_and_renders(text.into_bytes());
    }

    #[test]
    fn nothing_like_a_list_makes_the_reader_or_the_renderer_panic(text in yaml_like()) {
        reads_and_renders(text.into_bytes());
    }

    #[test]
    fn no_damage_to_a_list_makes_the_reader_or_the_renderer_panic(at in 0usize..2000, byte in any::<u8>()) {
        let mut bytes = include_bytes!("../domains.example.yaml").to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        reads_and_renders(bytes);
    }
}
