//! What is asked in a clone of the config repo: `validate` and `approve`.

use std::fs;
use std::process::Command;

use super::Errors;
use crate::Place;
use crate::golden::{LOCAL, SIGNERS, local};

const EMPTY: &str = "version: 1\ncertificates: []\n";

/// git without the configuration of this machine.
fn git(place: &Place, args: &[&str]) -> String {
    let mut git = Command::new("git");
    git.arg("-C").arg(place.path("clone")).args(["-c", "user.name=Ann", "-c", "user.email=ann@example.com"]);
    let output = git.args(args).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null").output();
    let output = output.unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A clone with a list, beside the configuration of a runner.
fn cloned() -> Place {
    let place = local();
    fs::create_dir(place.path("clone")).unwrap();
    git(&place, &["init", "-qb", "main"]);
    commit(&place, EMPTY);
    place
}

fn commit(place: &Place, list: &str) {
    place.write("clone/domains.yaml", list);
    git(place, &["add", "domains.yaml"]);
    git(place, &["commit", "-qm", "change"]);
}

#[test]
fn of_validate() {
    let place = cloned();
    let mut errors = Errors::of(&place);
    let config = ["--config", "../countersign.yaml"];
    let mut validate = |cause: &str, folder: &str, args: &[&str]| {
        errors.ask_in(folder, cause, &[&["validate"], args].concat(), &[]);
    };
    let based = |base: &'static str| [&["--base", base][..], &config].concat();
    validate("there is no clone", "", &["--base", "main"]);
    validate("the base is not here", "clone", &based("origin/main"));
    git(&place, &["tag", "other"]);
    commit(&place, "version: 1\ncertificates: [ ]\n");
    git(&place, &["branch", "other"]);
    validate("the base means two commits", "clone", &based("other"));
    validate("the base has not the introduction", "clone", &based("main"));
    git(&place, &["init", "-q", "--bare", "trap"]);
    validate("the folder is a repository that a branch brought along", "clone/trap", &["--base", "main"]);
    let known = LOCAL.replace("0123456789abcdef0123456789abcdef01234567", &git(&place, &["rev-parse", "main~1"]));
    place.write("countersign.yaml", &known);
    let squash = ["--base", "main~1", "--merge-method", "squash"];
    validate("a squash drops the signatures", "clone", &[&squash[..], &config].concat());
    place.write("clone/countersign.yaml", LOCAL);
    place.write("clone/allowed_signers", SIGNERS);
    validate("the configuration is part of the branch", "clone", &["--base", "main"]);
    validate("the list is not there", "clone", &["other.yaml"]);
    fs::create_dir(place.path("clone/empty")).unwrap();
    validate("the folder has no list", "clone", &["empty"]);
    fs::File::create(place.path("clone/large.yaml")).unwrap().set_len((16 << 20) + 1).unwrap();
    validate("the list is too large", "clone", &["large.yaml"]);
    place.write("file", "");
    validate("SARIF has no place", "clone", &["domains.yaml", "--sarif", "../file/x.sarif"]);
    errors.hold("validate");
}

#[test]
fn of_approve() {
    let place = cloned();
    let mut errors = Errors::of(&place);
    let config = ["--config", "../countersign.yaml"];
    let mut approve = |cause: &str, folder: &str, args: &[&str]| {
        errors.ask_in(folder, cause, &[&["approve"], &config[..], args].concat(), &[]);
    };
    approve("there is no policy", "clone", &[]);
    place.write("countersign.yaml", &LOCAL.replace("introduction:", "policy: policy.yaml, introduction:"));
    let key = [
        "RWQ6JG0DJZKcAmgiCcAaS6VWQKAqyUJtFVKKDVE5RPe5wuGJHkxJBZGK",
        "RWRpFXDBDfhUJ0ymjqZ3B5tvvwZkGyOLz5I0iXOIbFQ4Vh9cLBQzCpPA",
    ];
    place.write(
        "policy.yaml",
        &format!(
            "version: 1\npeople:\n  ann: {{signs: [ann@example.com], approves: [{}]}}\n  bob: {{approves: [{}]}}\n\
             rules: [{{id: all, names: [\"*.example.com\"], by: [ann, bob], threshold: 2}}]\n",
            key[0], key[1]
        ),
    );
    approve("it is open who approves", "clone", &[]);
    approve("a stranger approves", "clone", &["--person", "carl"]);
    fs::create_dir(place.path("empty")).unwrap();
    let bob = ["--person", "bob"];
    approve("there is no clone", "empty", &bob);
    git(&place, &["init", "-q", "--bare", "../bare.git"]);
    approve("the clone has no files", "bare.git", &bob);
    let bobs = |more: &[&'static str]| [&bob[..], more].concat();
    approve("there is no such commit", "clone", &bobs(&["--head", "feature"]));
    approve("nothing has changed", "clone", &bob);
    commit(&place, "version: 1\ncertificates:\n  - {name: www, domains: [www.example.com]}\n");
    approve("the time is none", "clone", &bobs(&["--expires", "soon"]));
    approve("minisign has no key", "clone", &bobs(&["--run", "--key", "none"]));
    commit(&place, "version: 1\ncertificates:\n  - {name: www}\n");
    approve("the list has errors", "clone", &bob);
    git(&place, &["rm", "-qf", "domains.yaml"]);
    git(&place, &["commit", "-qm", "gone"]);
    approve("the commit has no list", "clone", &bob);
    errors.hold("approve");
}
