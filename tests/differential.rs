//! What the commit grammar accepts is read alike by git, libgit2 and gitoxide: tree, parents, signature and payload
//! (T3, T19).
#![cfg(feature = "sandbox")]

#[allow(dead_code)]
#[path = "../fuzz/targets.rs"]
mod targets;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use countersign::sandbox::repo::Signer;
use countersign::trust::commit::{Commit, parse};
use countersign::trust::sshsig::SshSignature;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tempfile::TempDir;

const SIGNATURE: &str = "-----BEGIN SSH SIGNATURE-----\n U1NIU0lHAAAAAQ==\n -----END SSH SIGNATURE-----";

/// A line of the header, mostly where and how git would write it.
fn header() -> impl Strategy<Value = Vec<String>> {
    // Few parents, so that some stand twice; git remembers what is a tree, so that none of them is one.
    let id = |kinds: &'static [&'static str]| {
        prop_oneof![
            9 => prop::sample::select(kinds).prop_map(|kind| kind.repeat(20)),
            1 => "[0-9A-Fa-f]{38,42}",
        ]
    };
    let person = prop_oneof![
        6 => "[A-Za-zäß .]{0,9} <[a-z@.]{0,9}> [0-9]{1,10} [+-][0-9]{4}",
        1 => "[A-Z<> ]{0,6}<[a-z<>@ ]{0,6}> ?-?[0-9]{0,20} ?[+-]?[0-9]{0,5}",
    ];
    let extra = prop_oneof![
        12 => Just(String::new()),
        8 => Just(format!("gpgsig {SIGNATURE}\n")),
        1 => Just(format!("gpgsig {SIGNATURE}\n \n")),
        1 => Just(format!("gpgsig-sha256 {SIGNATURE}\n")),
        1 => Just("encoding ISO-8859-1\n".to_owned()),
        1 => Just("mergetag object 1\n type commit\n".to_owned()),
        1 => "[a-z]{1,7} [a-z \n]{0,9}\n",
    ];
    let parents = prop::collection::vec(id(&["a1", "b2", "c3"]).prop_map(|id| format!("parent {id}\n")), 0..4);
    let ids = (id(&["d4", "e5"]).prop_map(|id| format!("tree {id}\n")), parents);
    let people = (person.clone(), person, any::<bool>());
    (ids, people, extra.clone(), extra).prop_map(|((tree, parents), (author, committer, twice), one, other)| {
        let committer = format!("committer {committer}\n");
        let again = if twice && one.is_empty() { String::new() } else { other };
        [vec![tree], parents, vec![format!("author {author}\n"), committer, one, again]].concat()
    })
}

/// Bytes that are a commit, or nearly one.
fn object() -> impl Strategy<Value = Vec<u8>> {
    let message = prop_oneof![
        4 => "[a-zäß\n ]{0,40}".prop_map(String::into_bytes),
        1 => Just(format!("words\n\ngpgsig {SIGNATURE}\n").into_bytes()),
        1 => Just(format!("words\n{SIGNATURE}\n").into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ];
    let swap = prop::option::weighted(0.1, (any::<prop::sample::Index>(), any::<prop::sample::Index>()));
    let damage = prop::option::weighted(0.1, (any::<prop::sample::Index>(), any::<u8>()));
    let blank = prop::bool::weighted(0.95);
    (header(), message, swap, damage, blank).prop_map(|(mut lines, message, swap, damage, blank)| {
        if let Some((one, other)) = swap {
            let len = lines.len();
            lines.swap(one.index(len), other.index(len));
        }
        let blank: &[u8] = if blank { b"\n" } else { b"" };
        let mut bytes = [lines.concat().as_bytes(), blank, &message].concat();
        if let Some((at, byte)) = damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

/// Some objects of which the grammar accepts a fair part, always the same.
fn sample() -> Vec<(Vec<u8>, Commit)> {
    let mut runner = TestRunner::deterministic();
    let objects: Vec<_> = (0..1500).map(|_| object().new_tree(&mut runner).unwrap().current()).collect();
    let accepted: Vec<_> = objects.into_iter().filter_map(|raw| Some((raw.clone(), parse(&raw).ok()?))).collect();
    let signed = accepted.iter().filter(|(_, commit)| commit.signature.is_some()).count();
    assert!(accepted.len() > 150 && signed > 50, "{} accepted, {signed} signed", accepted.len());
    accepted
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_the_grammar_accepts_gitoxide_reads_alike(raw in object()) {
        targets::commit(&raw);
    }
}

#[test]
fn what_the_grammar_accepts_git_libgit2_and_gitoxide_read_alike() {
    let dir = TempDir::new().unwrap();
    let repo = git2::Repository::init_bare(dir.path()).unwrap();
    let mut expected = String::new();
    let mut ids = String::new();
    for (raw, commit) in sample() {
        targets::commit(&raw);
        let id = repo.odb().unwrap().write(git2::ObjectType::Commit, &raw).unwrap();
        let read = repo.find_commit(id).unwrap_or_else(|error| panic!("libgit2: {error}: {}", shown(&raw)));
        let parents: Vec<_> = commit.reading.parents.iter().map(ToString::to_string).collect();
        assert_eq!(read.tree_id().to_string(), commit.reading.tree.to_string(), "{}", shown(&raw));
        assert_eq!(read.parent_ids().map(|id| id.to_string()).collect::<Vec<_>>(), parents, "{}", shown(&raw));
        // Without the header libgit2 takes a signature out of the message: nobody asks it then.
        if let Some(signature) = &commit.signature {
            let (theirs, payload) = repo.extract_signature(&id, None).unwrap();
            assert_eq!(String::from_utf8_lossy(&theirs).trim_end(), signature.trim_end(), "{}", shown(&raw));
            assert_eq!(&payload[..], &commit.payload[..], "{}", shown(&raw));
        }
        ids += &format!("{id}\n");
        expected += &format!("{id} {} {}\n", commit.reading.tree, parents.join(" "));
    }
    let read = git(dir.path(), &["log", "--no-walk=unsorted", "--stdin", "--format=%H %T %P"], &ids);
    assert_eq!(read, expected);
}

#[test]
fn git_finds_a_signature_over_the_payload_good() {
    let dir = TempDir::new().unwrap();
    let repo = git2::Repository::init_bare(dir.path()).unwrap();
    let ann = Signer::generate("ann@example.com");
    std::fs::write(dir.path().join("signers"), ann.allowed_signers_line()).unwrap();
    let text = |commit: &Commit| String::from_utf8(commit.payload.clone()).ok();
    let accepted = sample().into_iter().filter(|(_, commit)| commit.signature.is_some() && text(commit).is_some());
    let ids: Vec<_> = accepted
        .take(40)
        .map(|(_, commit)| {
            let armor = ann.sign("git", &commit.payload);
            let payload = text(&commit).unwrap();
            let (headers, message) = payload.split_once("\n\n").unwrap();
            let raw = format!("{headers}\ngpgsig {}\n\n{message}", armor.replace('\n', "\n "));
            assert_eq!(parse(raw.as_bytes()).unwrap().payload, commit.payload);
            repo.odb().unwrap().write(git2::ObjectType::Commit, raw.as_bytes()).unwrap().to_string()
        })
        .collect();
    let args = ["-c", "gpg.ssh.allowedSignersFile=signers", "verify-commit"];
    git(dir.path(), &[&args[..], &ids.iter().map(String::as_str).collect::<Vec<_>>()].concat(), "");
}

fn shown(raw: &[u8]) -> String {
    String::from_utf8_lossy(raw).into_owned()
}

fn git(dir: &Path, args: &[&str], input: &str) -> String {
    let mut git = Command::new("git")
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("git runs: apt-get install git");
    let mut stdin = git.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = git.wait_with_output().unwrap();
    let _ = writer.join();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A commit that ann has signed.
fn signed(ann: &Signer) -> Vec<u8> {
    let payload = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nparent 1111111111111111111111111111111111111111\n\
                   author Ann <ann@example.com> 1700000000 +0000\ncommitter Ann <ann@example.com> 1700000000 +0000\n\n\
                   Add www\n";
    let (headers, message) = payload.split_once("\n\n").unwrap();
    let armor = ann.sign("git", payload.as_bytes()).replace('\n', "\n ");
    format!("{headers}\ngpgsig {armor}\n\n{message}").into_bytes()
}

/// Whether these bytes are a commit with a signature of ann's that holds.
fn holds(raw: &[u8], ann: &Signer) -> bool {
    let Some(commit) = parse(raw).ok() else {
        return false;
    };
    let signature = commit.signature.as_deref().and_then(|text| SshSignature::parse(text).ok());
    signature.is_some_and(|signature| {
        let is_anns = signature.key.fingerprint() == ann.fingerprint() && signature.namespace == b"git";
        is_anns && signature.verify(&commit.payload).is_ok()
    })
}

#[test]
fn no_bit_of_a_signed_commit_can_be_flipped() {
    let ann = Signer::generate("ann@example.com");
    let raw = signed(&ann);
    assert!(holds(&raw, &ann));
    let flipped = |bit: &usize| {
        let mut flipped = raw.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        holds(&flipped, &ann)
    };
    assert_eq!((0..raw.len() * 8).filter(flipped).collect::<Vec<_>>(), [0; 0]);
}

#[test]
fn a_shortened_or_lengthened_commit_is_not_accepted() {
    let ann = Signer::generate("ann@example.com");
    let raw = signed(&ann);
    let cut = (0..raw.len()).filter(|len| holds(&raw[..*len], &ann));
    assert_eq!(cut.collect::<Vec<_>>(), [0; 0]);
    let without = (0..raw.len()).filter(|at| holds(&[&raw[..*at], &raw[at + 1..]].concat(), &ann));
    assert_eq!(without.collect::<Vec<_>>(), [0; 0]);
    for added in [b"\n".as_slice(), b" ", b"\0", b"\r\n", b"x", b"\n \n"] {
        let with = (0..=raw.len()).filter(|at| holds(&[&raw[..*at], added, &raw[*at..]].concat(), &ann));
        assert_eq!(with.collect::<Vec<_>>(), [0; 0], "{added:?}");
    }
}
