//! What operators read, word for word.

use super::Place;
use super::answers::answer;

fn golden(name: &str, text: &str) {
    super::snapshot::golden("operator", name, text);
}

/// The words after which `--help` is asked: each command, and each command of a command.
fn commands(place: &Place, before: &[&str]) -> Vec<Vec<String>> {
    let help = place.printed(&[before, &["--help"]].concat());
    let Some(listed) = help.split("\nCommands:\n").nth(1) else { return Vec::new() };
    let lines = listed.lines().take_while(|line| !line.is_empty());
    let names = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    let words = |name| before.iter().copied().chain([name]).collect::<Vec<&str>>();
    names
        .map(words)
        .flat_map(|words| {
            let below = commands(place, &words);
            [words.iter().map(|word| (*word).to_owned()).collect()].into_iter().chain(below)
        })
        .collect()
}

#[test]
fn every_help_reads_as_it_did() {
    let place = Place::configured();
    golden("help", &place.printed(&["--help"]));
    for command in commands(&place, &[]) {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        golden(&format!("help-{}", words.join("-")), &place.printed(&[&words[..], &["--help"]].concat()));
    }
}

#[test]
fn no_line_of_help_is_wider_than_100_columns() {
    let place = Place::configured();
    for command in commands(&place, &[]) {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let help = place.printed(&[&words[..], &["--help"]].concat());
        let wide: Vec<&str> = help.lines().filter(|line| line.chars().count() > 100).collect();
        assert_eq!(wide, Vec::<&str>::new(), "{words:?}");
    }
}

pub const LOCAL: &str = "\
version: 1
state: state
repository: {url: ./domains.git, allow_local: true}
trust: {introduction: 0123456789abcdef0123456789abcdef01234567, allowed_signers: allowed_signers}
";

pub const SIGNERS: &str = "ann@example.com namespaces=\"git\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2SQLYBbFQZYEZTbMGTNFXNvF1Ld1bF6TqoFOTP0sVq\n";

/// A configuration that is right, with nothing behind it.
pub fn local() -> Place {
    let place = Place::configured();
    place.write("countersign.yaml", LOCAL);
    place.write("allowed_signers", SIGNERS);
    place
}

/// How each command answers to what it cannot do.
fn errors(name: &str, place: &Place, args: &[&str]) {
    let ran = place.run(args);
    golden(&format!("error-{name}"), &answer(args, ran.code, &ran.out, &ran.err));
}

#[test]
fn every_error_says_what_where_why_and_what_next() {
    let empty = Place::configured();
    std::fs::remove_file(empty.path("countersign.yaml")).unwrap();
    errors("no-config", &empty, &["plan"]);
    errors("no-list", &empty, &["validate"]);
    errors("no-pull-config", &empty, &["pull"]);
    errors("no-such-flag", &empty, &["apply", "--auto-aprove"]);
    errors("no-such-command", &empty, &["aply"]);
    errors("no-such-rule", &empty, &["explain", "S99"]);
    errors("no-clone", &empty, &["validate", "--base", "main"]);

    let place = local();
    errors("no-repository", &place, &["plan"]);
    errors("no-terminal", &place, &["apply"]);
    errors("no-plan", &place, &["apply", "plan.json"]);
    errors("no-reason", &place, &["apply", "--auto-approve", "--force", "www"]);
    errors("no-lineage", &place, &["show", "www"]);
    errors("no-certificate-to-revoke", &place, &["revoke", "www", "--auto-approve"]);
    errors("no-export", &place, &["restore", "store.export"]);
    errors("no-imports", &place, &["import", "certbot", "letsencrypt"]);
    errors("no-bucket", &place, &["restore", "--from-bucket"]);
    place.write("plan.json", "{}");
    errors("no-plan-in-it", &place, &["apply", "plan.json"]);
    place.write("allowed_signers", "ann ssh-ed25519 AAAA\n");
    errors("no-signers", &place, &["verify"]);

    let place = local();
    place.write("countersign.yaml", &LOCAL.replace("repository:", "repositry:"));
    errors("misspelt-config", &place, &["status"]);
    place.write("countersign.yaml", "version: 1\n\tstate: x\n");
    errors("config-that-is-no-yaml", &place, &["status"]);
    place.write("countersign.yaml", LOCAL);
    std::fs::set_permissions(place.path("countersign.yaml"), std::os::unix::fs::PermissionsExt::from_mode(0o666))
        .unwrap();
    errors("config-open-to-others", &place, &["plan"]);
}
