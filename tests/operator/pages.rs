//! The README and the pages of the book: each command that they tell to type is typed, in the order of the page.
//!
//! Every page has stand-ins of its own, and a clone of the list on a branch of one signed commit. What a page shows and
//! a stand-in cannot have (a host, a path, a name that stands for others) is exchanged by `INSTEAD`.

use std::process::{Command, Stdio};

use super::{Place, read};
use crate::documents::documents;

struct Page {
    path: &'static str,
    /// What is there before the first command.
    stage: &'static [&'static str],
    /// What is typed in place of what is written.
    instead: &'static [(&'static str, &'static str)],
    /// Commands that do not end with 0, by how they begin.
    ends: &'static [(&'static str, i32)],
}

const PLAIN: Page = Page { path: "", stage: &[], instead: &[], ends: &[] };

/// Two people have to agree, and bob has not approved.
const APPROVALS: &str = "\
mkdir -p ~/.minisign
minisign -G -W -p ~/bob.pub -s ~/.minisign/minisign.key > /dev/null
bob=$(sed -n 2p ~/bob.pub)
cat > ~/lab/policy.yaml <<END
version: 1
people:
  ann: {signs: [ann@example.com]}
  bob: {signs: [bob@example.com], approves: [$bob]}
rules: [{id: two, names: ['*.example.com'], by: [ann, bob], threshold: 2}]
END
chmod 600 ~/lab/policy.yaml
sed -i \"s/introduction: .*/introduction: $(git rev-parse origin/main)\\n  policy: policy.yaml/\" ~/lab/countersign.yaml
";

/// Two versions of `www` are live, one after the other, and `pull.yaml` brings it.
const PUBLISHED: &str = "\
countersign apply -q --auto-approve
countersign apply -q --auto-approve --force www --reason test
s3=$(sed -n 's/.*endpoint: \"\\(http[^\"]*\\)\"}$/\\1/p' ~/lab/countersign.yaml)
cat > ~/lab/pull.yaml <<END
version: 1
bucket: {bucket: sandbox-certs, prefix: certs/, region: us-east-1, endpoint: \"$s3\"}
certificates: [{name: www, into: $HOME/www}]
END
";

const PULL: (&str, &str) = ("countersign pull", "COUNTERSIGN_CONFIG=~/lab/pull.yaml countersign pull");

/// What other tools and other machines left here.
const OTHERS: &str = "\
cp ~/lab/state/live/internal/privkey.pem www.key
cp ~/lab/state/live/internal/fullchain.pem www.pem
echo '{\"domains\": [{\"elb\": {\"name\": \"web\"}, \"hosts\": [\"www.example.com\"]}]}' > config.json
";

/// Stores that have no account, but for the one whose key is in `key.pem`.
const KEY: &str = "\
for store in other new empty; do sed \"s/^state:.*/state: $store/\" ~/lab/countersign.yaml > ~/lab/$store.yaml; done
countersign --config ~/lab/other.yaml account register --authority sandbox --out ~/key.pem
";

const PAGES: [Page; 22] = [
    Page { path: "README.md", ..PLAIN },
    Page {
        path: "policy/README.md",
        stage: &[APPROVALS],
        instead: &[("--config countersign.yaml", "--config ~/lab/countersign.yaml")],
        ends: &[],
    },
    Page { path: "docs/approvals.md", stage: &[APPROVALS], ends: &[("countersign validate --base", 6)], ..PLAIN },
    Page {
        path: "docs/bucket.md",
        stage: &[PUBLISHED],
        instead: &[PULL, ("rollback", "rollback www --reason test")],
        ..PLAIN
    },
    Page { path: "docs/jenkins.md", stage: &["mkdir ~/.ssh && cp ~/lab/ann.pub jenkins.pub\n"], ..PLAIN },
    Page { path: "docs/keys.md", stage: &[PUBLISHED], instead: &[PULL], ..PLAIN },
    Page { path: "docs/limits.md", ..PLAIN },
    Page { path: "docs/list.md", ..PLAIN },
    Page { path: "docs/looking.md", stage: &[PUBLISHED], ..PLAIN },
    Page {
        path: "docs/migrating.md",
        stage: &[PUBLISHED, OTHERS],
        instead: &[("www api", "www internal"), ("--name www", "--name other")],
        ..PLAIN
    },
    Page { path: "docs/network.md", stage: &[PUBLISHED], instead: &[PULL], ..PLAIN },
    Page { path: "docs/performance.md", ..PLAIN },
    Page { path: "docs/plan.md", ..PLAIN },
    Page { path: "docs/rotate.md", stage: &[KEY], ..PLAIN },
    Page { path: "docs/store.md", stage: &[PUBLISHED], ..PLAIN },
    Page { path: "docs/threat-model.md", ..PLAIN },
    Page { path: "docs/validate.md", ..PLAIN },
    Page {
        path: "docs/pull.md",
        stage: &[PUBLISHED],
        instead: &[
            ("--config /etc/countersign/pull.yaml", ""),
            PULL,
            ("--bucket example-certs", "--endpoint $s3 --bucket sandbox-certs"),
            ("/etc/ssl/countersign-www", "~/other"),
            // A server is asked in tests/real/pipeline/pull.rs, where it is nginx.
            ("--served 127.0.0.1:443 -- nginx -s reload", "-- true"),
        ],
        ends: &[],
    },
    Page { path: "docs/http-01.md", instead: &[("-o countersign -g countersign ", ""), ("/var/www/", "")], ..PLAIN },
    Page {
        path: "docs/route53.md",
        instead: &[("countersign iam-policy", "countersign --config ~/countersign.yaml iam-policy")],
        ..PLAIN
    },
    Page { path: "docs/rules.md", stage: &[APPROVALS], ..PLAIN },
    Page {
        path: "docs/commands.md",
        stage: &[KEY, PUBLISHED, APPROVALS],
        instead: &[
            PULL,
            ("account register", "--config ~/lab/new.yaml account register"),
            ("account import", "--config ~/lab/empty.yaml account import"),
            ("demo --dir DIR", "demo --dir ~/demo"),
            (
                "init DIR",
                "init pki --url ssh://git@git.example.com/d.git --host-key SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA --signer ann@example.com --signing-key ~/lab/ann.pub --contact ops@example.com --domain www.example.com",
            ),
        ],
        ends: &[],
    },
];

/// What is typed in place of what any page writes.
const INSTEAD: [(&str, &str); 9] = [
    ("import KEY", "import ~/key.pem"),
    ("--authority NAME", "--authority sandbox"),
    ("NAME", "www"),
    ("TEXT", "test"),
    ("RULE", "S01-unsigned"),
    ("CODE", "duplicate-name"),
    ("FILE", "file"),
    ("DIR", "folder"),
    ("/etc/countersign/", "~/lab/"),
];

/// What cannot be run here, and what runs it.
const ELSEWHERE: [(&str, &str); 10] = [
    ("countersign sandbox", "it runs below every page"),
    ("countersign ssh-gate", "tests/real/pipeline/jenkins.rs, through a real sshd"),
    ("countersign pull --key", "tests/real/pipeline/import.rs, with a certificate of that key"),
    ("countersign import acmetool", "tests/real/pipeline/import.rs"),
    ("countersign import acme-tiny", "tests/real/pipeline/import.rs"),
    ("countersign import --dry-run certbot", "tests/real/pipeline/import.rs"),
    ("countersign import certbot", "tests/real/pipeline/import.rs, with certificates of a real certbot"),
    ("ci/demo", "ci/test is what runs this"),
    ("pointer=$(aws", "needs AWS' own command line; tests/real/lab/read_bucket.py reads in the same way"),
    ("#!/bin/sh", "tests/validate/hook.rs, as a hook of git"),
];

/// The commands of a page in their order: those of shell blocks, and those between back quotes.
fn commands(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fence = None;
    let (mut prose, mut typed) = (String::new(), String::new());
    for line in text.lines() {
        if let Some(kind) = line.trim_start().strip_prefix("```") {
            found.extend(quoted(&std::mem::take(&mut prose)));
            fence = if fence.is_none() { Some(kind) } else { None };
        } else if fence == Some("sh elsewhere") {
            found.push(line.to_owned());
            fence = Some("told elsewhere");
        } else if fence == Some("sh") {
            typed += line.trim();
            match typed.strip_suffix('\\').map(str::to_owned) {
                Some(first) => typed = first,
                None => found.push(std::mem::take(&mut typed)),
            }
        } else if fence.is_none() {
            prose += &format!("{line}\n");
        } else {
            assert!(fence.is_some_and(|kind| kind.contains(' ')) || !line.starts_with("countersign "), "{line}");
        }
    }
    found.extend(quoted(&prose));
    found
}

fn quoted(prose: &str) -> Vec<String> {
    let pieces = prose.split('`').skip(1).step_by(2).map(|piece| piece.replace('\n', " "));
    pieces.filter(|piece| piece.starts_with("countersign ") && !piece.contains("placeholder")).collect()
}

/// Who is not at a terminal says yes beforehand.
fn as_typed(page: &Page, written: &str) -> String {
    let exchanged =
        page.instead.iter().chain(&INSTEAD).fold(written.to_owned(), |text, (what, by)| text.replace(what, by));
    let asks = ["apply", "revoke", "rollback", "deactivate"].into_iter();
    let mut asks = asks.filter(|word| exchanged.split(' ').any(|typed| typed == *word));
    match asks.next() {
        Some(word) if !exchanged.contains("--auto-approve") && !exchanged.contains(".json") => {
            exchanged.replacen(word, &format!("{word} --auto-approve"), 1)
        }
        _ => exchanged,
    }
}

const BEFORE: &str = "\
countersign sandbox --dir lab > sandbox.log 2>&1 & sandbox=$!
trap 'kill $sandbox' EXIT
until grep -q 'Change the list' sandbox.log; do kill -0 $sandbox; done
export COUNTERSIGN_CONFIG=$HOME/lab/countersign.yaml
export AWS_ACCESS_KEY_ID=AKIASANDBOXSANDBOX00 AWS_EC2_METADATA_DISABLED=true
export AWS_SECRET_ACCESS_KEY=sandbox/sandbox/sandbox/sandbox/sandbox0
git config --global user.name Ann
git config --global user.email ann@example.com
git config --global gpg.format ssh
git config --global user.signingkey ~/lab/ann_ed25519
git config --global commit.gpgsign true
ssh-keygen -yf lab/ann_ed25519 > lab/ann.pub
git clone -q lab/domains.git repo
cd repo
git checkout -qb change
printf '  - name: shop\\n    domains: [shop.example.com]\\n' >> domains.yaml
git commit -qam 'Ask for shop'
";

/// Types the commands of a page, and holds how each ended against what the page has it end with.
fn follow(path: &str) {
    let page = PAGES.iter().find(|page| page.path == path).unwrap();
    let here = |command: &String| !ELSEWHERE.iter().any(|(other, _)| command.starts_with(other));
    let commands: Vec<String> = commands(&read(path)).into_iter().filter(here).collect();
    let typed = commands.iter().map(|command| as_typed(page, command));
    let steps: String =
        typed.map(|typed| format!("echo '$ {}'\n{typed}\necho \"exit $?\"\n", typed.replace('\'', "'\\''"))).collect();
    let place = Place::configured();
    place.write("page.sh", &format!("set -e\n{BEFORE}{}\nset +e\n{steps}", page.stage.concat()));
    let bin = std::path::Path::new(env!("CARGO_BIN_EXE_countersign")).parent().unwrap();
    let output = Command::new("sh")
        .args(["-c", "exec sh page.sh 2>&1"])
        .current_dir(place.path(""))
        .env_clear()
        .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display()))
        .env("HOME", place.path(""))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let ended: Vec<String> = said.lines().filter_map(|line| line.strip_prefix("exit ")).map(str::to_owned).collect();
    let due = |command: &String| {
        let end = page.ends.iter().find(|(other, _)| command.starts_with(other)).map_or(0, |(_, code)| *code);
        end.to_string()
    };
    assert_eq!(ended, commands.iter().map(due).collect::<Vec<_>>(), "{said}");
    place.forget_the_sandbox("page.sh");
}

#[test]
fn every_page_with_commands_is_followed() {
    let own = read("tests/operator/pages.rs");
    let written: Vec<String> = documents().iter().flat_map(|(_, text)| commands(text)).collect();
    for (command, what) in ELSEWHERE {
        assert!(written.iter().any(|found| found.starts_with(command)), "no page has {command}");
        let file = what.split([' ', ',', ';']).find(|word| word.ends_with(".rs"));
        assert!(file.is_none_or(|file| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file).exists()), "{what}");
    }
    for (path, text) in documents() {
        // The tutorial has a test of its own, who works on the project has ci/test, and `advice` looks at the page of errors.
        let is_for_users = path.starts_with("docs/") || path.ends_with("README.md");
        let is_followed = || !is_for_users || own.contains(&format!("follow(\"{path}\")"));
        assert!(
            commands(&text).is_empty()
                || ["docs/tutorial.md", "docs/errors.md"].contains(&path.as_str())
                || is_followed(),
            "{path}"
        );
    }
}

#[test]
fn the_readme_can_be_followed() {
    follow("README.md");
}

#[test]
fn the_page_on_who_may_change_what_can_be_followed() {
    follow("policy/README.md");
}

#[test]
fn the_page_on_approvals_can_be_followed() {
    follow("docs/approvals.md");
}

#[test]
fn the_page_on_bucket_can_be_followed() {
    follow("docs/bucket.md");
}

#[test]
fn the_page_on_jenkins_can_be_followed() {
    follow("docs/jenkins.md");
}

#[test]
fn the_page_on_keys_can_be_followed() {
    follow("docs/keys.md");
}

#[test]
fn the_page_on_limits_can_be_followed() {
    follow("docs/limits.md");
}

#[test]
fn the_page_on_list_can_be_followed() {
    follow("docs/list.md");
}

#[test]
fn the_page_on_looking_can_be_followed() {
    follow("docs/looking.md");
}

#[test]
fn the_page_on_migrating_can_be_followed() {
    follow("docs/migrating.md");
}

#[test]
fn the_page_on_network_can_be_followed() {
    follow("docs/network.md");
}

#[test]
fn the_page_on_performance_can_be_followed() {
    follow("docs/performance.md");
}

#[test]
fn the_page_on_plan_can_be_followed() {
    follow("docs/plan.md");
}

#[test]
fn the_page_on_rotate_can_be_followed() {
    follow("docs/rotate.md");
}

#[test]
fn the_page_on_store_can_be_followed() {
    follow("docs/store.md");
}

#[test]
fn the_page_on_threat_model_can_be_followed() {
    follow("docs/threat-model.md");
}

#[test]
fn the_page_on_validate_can_be_followed() {
    follow("docs/validate.md");
}

#[test]
fn the_page_on_pull_can_be_followed() {
    follow("docs/pull.md");
}

#[test]
fn the_page_on_http_01_can_be_followed() {
    follow("docs/http-01.md");
}

#[test]
fn the_page_on_route53_can_be_followed() {
    follow("docs/route53.md");
}

#[test]
fn the_page_on_rules_can_be_followed() {
    follow("docs/rules.md");
}

#[test]
fn the_page_on_commands_can_be_followed() {
    follow("docs/commands.md");
}
