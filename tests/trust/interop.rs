//! Commits made by git and ssh-keygen themselves.

use super::*;

fn run(dir: &Path, command: &str, args: &[&str]) {
    let output = Command::new(command)
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap_or_else(|error| panic!("`{command}` does not run ({error}): apt-get install git openssh-client"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command} {args:?}: {errors}");
}

#[test]
fn commits_that_git_signs_with_real_keys_get_the_verdict_their_key_deserves() {
    let table = [
        (["ed25519", "256"], None),
        (["ecdsa", "256"], None),
        (["ecdsa", "384"], None),
        (["rsa", "3072"], None),
        (["ecdsa", "521"], Some("S06-weak-key")),
        (["rsa", "2048"], Some("S06-weak-key")),
    ];
    assert_eq!(table.map(|(kind, _)| (kind, verdict_on(kind))), table);
}

fn verdict_on([kind, bits]: [&str; 2]) -> Option<&'static str> {
    let dir = TempDir::new().unwrap();
    let path = dir.path();
    let git = |args: &[&str]| {
        let identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "gpg.format=ssh"];
        run(path, "git", &[&identity, args].concat());
    };
    run(path, "ssh-keygen", &["-q", "-t", kind, "-b", bits, "-N", "", "-C", "", "-f", "key"]);
    git(&["init", "-q", "-b", "main", "."]);
    std::fs::write(path.join("domains.yaml"), EMPTY).unwrap();
    git(&["add", "domains.yaml"]);
    git(&["commit", "-q", "-m", "introduction"]);
    std::fs::write(path.join("domains.yaml"), list(&["www"])).unwrap();
    git(&["-c", "user.signingkey=key.pub", "commit", "-q", "-a", "-S", "-m", "change"]);

    let opened = git2::Repository::open(path).unwrap();
    let head = opened.head().unwrap().peel_to_commit().unwrap();
    let id = |commit: &git2::Commit<'_>| CommitId::parse(&commit.id().to_string()).unwrap();
    let key = std::fs::read_to_string(path.join("key.pub")).unwrap();
    let house = House::new();
    let signers = AllowedSigners::parse(&format!("ann@example.com {key}"), "allowed_signers")
        .unwrap_or_else(|_| house.root().signers);
    let root = TrustRoot { introduction: id(&head.parent(0).unwrap()), signers, ..house.root() };
    let store = BareStore::open(&path.join(".git")).unwrap();
    rules(&trust::verify(&root, None, &id(&head), &store, NOW, None).unwrap()).first().copied()
}

#[test]
fn git_itself_finds_the_signatures_of_the_sandbox_good() {
    let house = House::new();
    let head = house.commit(&[("domains.yaml", &list(&["www"]))], &house.ann);
    let path = house.dir.path();
    std::fs::write(path.join("signers"), house.ann.allowed_signers_line()).unwrap();
    run(path, "git", &["-c", "gpg.ssh.allowedSignersFile=signers", "verify-commit", head.as_str()]);
}
