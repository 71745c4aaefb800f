//! Who signed (T1 to T9, T19).

use super::*;

#[test]
fn a_signed_change_is_verified_with_its_list_and_signer() {
    let house = House::new();
    let head = house.commit(&[("domains.yaml", &list(&["www"]))], &house.ann);
    let verified = house.verified(&house.root(), None, &head);
    assert_eq!(names(&verified), ["www"]);
    assert_eq!(verified.head_signer(), Some(format!("ann@example.com {}", house.ann.fingerprint()).as_str()));
    assert_eq!(verified.list_digest(), &Digest::of(list(&["www"]).as_bytes()));
    assert_eq!((verified.commit(), verified.commits_walked()), (&head, 1));
}

#[test]
fn the_introduction_itself_needs_no_signature() {
    let house = House::new();
    assert_eq!(house.rules(&house.introduction), [""; 0]);
}

#[test]
fn one_unsigned_commit_is_found_at_each_of_five_positions() {
    for position in 0..5 {
        let house = House::new();
        let commits: Vec<_> = (0..5)
            .map(|at| {
                let signer = (at != position).then_some(&house.ann);
                house.repo.commit(&[("domains.yaml", &list(&[&format!("n{at}")]))], "change", signer).unwrap()
            })
            .collect();
        let refused = house.refused(&house.root(), None, &commits[4]);
        let found: Vec<_> =
            refused.refusals.iter().map(|r| (r.rule.as_str(), r.commit.clone(), r.path.clone())).collect();
        assert_eq!(found, [("S01-unsigned", Some(commits[position].clone()), Some("domains.yaml".to_owned()))]);
    }
}

#[test]
fn an_unsigned_commit_is_refused_with_the_commands_that_sign_it() {
    let house = House::new();
    let head = house.repo.commit(&[("domains.yaml", &list(&["www"]))], "change", None).unwrap();
    let hint = house.refused(&house.root(), None, &head).refusals[0].hint.clone();
    let expected = format!(
        "sign with an SSH key:\ngit config gpg.format ssh\ngit config user.signingkey ~/.ssh/id_ed25519.pub\n\
         git config commit.gpgsign true\nlook at all that would be signed: git log -p {base}..\n\
         if you wrote every line of it, sign it and push it:\n\
         git rebase --exec 'git commit --amend --no-edit -S' {base}",
        base = house.introduction
    );
    assert_eq!(hint, expected);
}

#[test]
fn a_signed_readme_does_not_cover_the_unsigned_list_below_it() {
    let house = House::new();
    house.repo.commit(&[("domains.yaml", &list(&["evil"]))], "change", None).unwrap();
    let head = house.commit(&[("README", "hello")], &house.ann);
    let protected = TrustRoot { require: Require::Protected, ..house.root() };
    assert_eq!(house.rules(&head), ["S01-unsigned"]);
    assert_eq!(rules(&house.judge(&protected, None, &head)), ["S01-unsigned"]);
}

#[test]
fn an_unknown_key_is_shown_with_its_fingerprint_and_the_line_that_would_allow_it() {
    let house = House::new();
    let head = house.commit(&[("domains.yaml", &list(&["www"]))], &house.mallory);
    let refused = house.refused(&house.root(), None, &head);
    let refusal = &refused.refusals[0];
    assert_eq!((refusal.rule.as_str(), &refusal.key), ("S02-unknown-key", &Some(house.mallory.fingerprint())));
    let line = house.mallory.allowed_signers_line().replace("mallory@", "name@");
    assert!(refusal.hint.contains(line.trim()), "{}", refusal.hint);
}

#[test]
fn a_signature_by_a_stranger_who_claims_to_be_ann_is_refused() {
    let house = House::new();
    let head = house.commit(&[("domains.yaml", &list(&["www"]))], &Signer::generate("ann@example.com"));
    assert_eq!(house.rules(&head), ["S02-unknown-key"]);
}

#[test]
fn no_flipped_byte_of_a_signed_commit_is_accepted() {
    let house = House::new();
    let head = house.commit(&[("domains.yaml", &list(&["www"]))], &house.ann);
    assert_eq!(house.flips(&house.root(), &head), [0; 0]);
}

#[test]
fn a_key_allowed_for_other_namespaces_only_may_not_sign_commits() {
    let house = House::new();
    let head = house.commit(&[("domains.yaml", &list(&["www"]))], &house.ann);
    let text = house.ann.allowed_signers_line().replace("\"git\"", "\"file\"");
    let root = TrustRoot { signers: AllowedSigners::parse(&text, "allowed_signers").unwrap(), ..house.root() };
    assert_eq!(rules(&house.judge(&root, None, &head)), ["S05-namespace"]);
}

#[test]
fn an_expired_key_is_refused_by_the_clock_of_the_runner_whatever_the_commit_says() {
    let mut house = House::new();
    house.repo.set_time(datetime!(2020-01-01 00:00 UTC));
    let head = house.commit(&[("domains.yaml", &list(&["www"]))], &house.ann);
    let line = house.ann.allowed_signers_line();
    let with = |option: &str| {
        let text = line.replace("\"git\"", &format!("\"git\",{option}"));
        TrustRoot { signers: AllowedSigners::parse(&text, "allowed_signers").unwrap(), ..house.root() }
    };
    let verdict = |option| rules(&house.judge(&with(option), None, &head));
    assert_eq!(verdict("valid-before=\"20260531Z\""), ["S09-expired"]);
    assert_eq!(verdict("valid-after=\"20260602Z\""), ["S09-expired"]);
    assert_eq!(verdict("valid-after=\"20260531Z\",valid-before=\"20260602Z\""), [""; 0]);
}

#[test]
fn a_security_key_that_was_not_touched_is_refused() {
    let house = House::new();
    let (untouched, line) = sign_with_security_key(&house, 0);
    let (touched, touched_line) = sign_with_security_key(&house, 1);
    let root =
        |line: &str| TrustRoot { signers: AllowedSigners::parse(line, "allowed_signers").unwrap(), ..house.root() };
    assert_eq!(rules(&house.judge(&root(&line), None, &untouched)), ["S06-weak-key"]);
    assert_eq!(rules(&house.judge(&root(&touched_line), None, &touched)), [""; 0]);
}

/// A commit signed as a FIDO key would, with these flags, and the signer's line.
pub fn sign_with_security_key(house: &House, flags: u8) -> (CommitId, String) {
    use aws_lc_rs::digest::{SHA256, SHA512, digest};
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
    let string = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
    let kind = b"sk-ssh-ed25519@openssh.com";
    let pair = Ed25519KeyPair::generate().unwrap();
    let blob = [string(kind), string(pair.public_key().as_ref()), string(b"ssh:")].concat();

    let parent = &house.introduction;
    let unsigned = house.repo.commit_on(std::slice::from_ref(parent), &[], "touch", None).unwrap();
    let payload = house.repo.read_raw(&unsigned).unwrap();
    let message = digest(&SHA512, &payload);
    let signed =
        [b"SSHSIG".to_vec(), string(b"git"), string(b""), string(b"sha512"), string(message.as_ref())].concat();
    let trailer = [flags, 0, 0, 0, 7];
    let over = [digest(&SHA256, b"ssh:").as_ref(), &trailer, digest(&SHA256, &signed).as_ref()].concat();
    let signature = [string(kind), string(pair.sign(&over).as_ref()), trailer.to_vec()].concat();
    let envelope = [
        b"SSHSIG\0\0\0\x01".to_vec(),
        string(&blob),
        string(b"git"),
        string(b""),
        string(b"sha512"),
        string(&signature),
    ];
    let base64 = STANDARD.encode(envelope.concat());
    let lines: Vec<_> = base64.as_bytes().chunks(70).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let armored = format!("-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----", lines.join("\n"));
    let line = format!("ann@example.com sk-ssh-ed25519@openssh.com {}\n", STANDARD.encode(&blob));
    (house.seal(&unsigned, &armored), line)
}

#[test]
fn commits_on_which_implementations_of_git_disagree_are_refused() {
    let house = House::new();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/commits");
    let text = std::fs::read_to_string(fixtures.join("allowed_signers")).unwrap();
    let root = TrustRoot { signers: AllowedSigners::parse(&text, "allowed_signers").unwrap(), ..house.root() };
    let table = [
        ("v00-normal", None),
        ("v01-two-gpgsig-first-covers", Some("G12-two-signatures")),
        ("v02-two-gpgsig-second-covers", Some("G12-two-signatures")),
        ("v03-two-gpgsig-one-covers-the-other", Some("G12-two-signatures")),
        ("v04-gpgsig-sha256-not-covered", Some("G13-gpgsig-sha256")),
        ("v05-gpgsig-sha256-covered", Some("G13-gpgsig-sha256")),
        ("v06-two-trees", Some("G14-header-other")),
        ("v07-header-after-gpgsig", Some("G14-header-other")),
        ("v08-namespace-file", Some("S05-namespace")),
        ("v09-signature-text-in-body", Some("S01-unsigned")),
        ("v10-junk-after-signature", Some("G07-armor")),
        ("v11-signature-moved-to-body", Some("S01-unsigned")),
        ("v12-nul-in-message", Some("G02-nul")),
    ];
    let verdict = |name: &str| {
        let raw = std::fs::read(fixtures.join(format!("{name}.raw"))).unwrap();
        let commit = house.repo.write_raw(&raw).unwrap();
        rules(&house.judge(&root, None, &commit)).first().copied()
    };
    assert_eq!(table.map(|(name, _)| (name, verdict(name))), table);
}
