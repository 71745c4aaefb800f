//! Verification over real git objects: threats T1 to T22 and T38 to T41, and the commit fixtures.
#![cfg(feature = "sandbox")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign::name::{CommitId, Digest, LineageName};
use countersign::sandbox::repo::{ConfigRepo, Signer};
use countersign::source::BareStore;
use countersign::trust::{
    self, AllowedSigners, ListPath, Refused, Require, TrustRoot, TrustState, Verdict, VerifiedList,
};
use tempfile::TempDir;
use time::OffsetDateTime;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-06-01 00:00 UTC);
const MADE: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);
const EMPTY: &str = "version: 1\ncertificates: []\n";

fn list(names: &[&str]) -> String {
    let entry = |name: &&str| format!("  - {{name: {name}, domains: [{name}.example.com]}}\n");
    format!("version: 1\ncertificates:\n{}", names.iter().map(entry).collect::<String>())
}

/// A config repo with an introduction, and people of whom ann and bob may sign.
struct House {
    repo: ConfigRepo,
    ann: Signer,
    bob: Signer,
    mallory: Signer,
    introduction: CommitId,
    dir: TempDir,
}

impl House {
    fn new() -> Self {
        Self::with(&[("domains.yaml", EMPTY)])
    }

    fn with(files: &[(&str, &str)]) -> Self {
        let dir = TempDir::new().unwrap();
        let mut repo = ConfigRepo::init(dir.path()).unwrap();
        repo.set_time(MADE);
        let introduction = repo.commit(files, "introduction", None).unwrap();
        let [ann, bob, mallory] = ["ann@example.com", "bob@example.com", "mallory@example.com"].map(Signer::generate);
        Self { repo, ann, bob, mallory, introduction, dir }
    }

    fn root(&self) -> TrustRoot {
        TrustRoot {
            introduction: self.introduction.clone(),
            signers: signers(&[&self.ann, &self.bob]),
            revoked: BTreeSet::new(),
            require: Require::All,
            ref_name: "refs/heads/main".to_owned(),
            list: ListPath::parse("domains.yaml").unwrap(),
        }
    }

    fn commit(&self, files: &[(&str, &str)], signer: &Signer) -> CommitId {
        self.repo.commit(files, "change", Some(signer)).unwrap()
    }

    fn on(&self, parents: &[&CommitId], files: &[(&str, &str)], signer: &Signer) -> CommitId {
        let parents: Vec<_> = parents.iter().copied().cloned().collect();
        self.repo.commit_on(&parents, files, "change", Some(signer)).unwrap()
    }

    fn judge(&self, root: &TrustRoot, state: Option<&TrustState>, head: &CommitId) -> Verdict {
        trust::verify(root, state, head, &self.store(), NOW, None).unwrap()
    }

    fn verified(&self, root: &TrustRoot, state: Option<&TrustState>, head: &CommitId) -> VerifiedList {
        match self.judge(root, state, head) {
            Verdict::Verified(list) => *list,
            Verdict::Refused(refused) => panic!("refused: {refused:#?}"),
        }
    }

    fn refused(&self, root: &TrustRoot, state: Option<&TrustState>, head: &CommitId) -> Refused {
        match self.judge(root, state, head) {
            Verdict::Verified(_) => panic!("verified"),
            Verdict::Refused(refused) => *refused,
        }
    }

    /// The rules that a new runner sees broken at `head`.
    fn rules(&self, head: &CommitId) -> Vec<&'static str> {
        rules(&self.judge(&self.root(), None, head))
    }

    fn store(&self) -> BareStore {
        BareStore::open(self.dir.path()).unwrap()
    }
}

fn signers(people: &[&Signer]) -> AllowedSigners {
    let text: String = people.iter().map(|signer| signer.allowed_signers_line()).collect();
    AllowedSigners::parse(&text, "allowed_signers").unwrap()
}

fn rules(verdict: &Verdict) -> Vec<&'static str> {
    match verdict {
        Verdict::Verified(_) => Vec::new(),
        Verdict::Refused(refused) => refused.refusals.iter().map(|refusal| refusal.rule.as_str()).collect(),
    }
}

fn names(verified: &VerifiedList) -> Vec<String> {
    verified.list().certificates().map(|certificate| certificate.name.to_string()).collect()
}

mod signatures {
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
             git config commit.gpgsign true\nand sign again what is there, then push it:\n\
             git rebase --exec 'git commit --amend --no-edit -S' {}",
            house.introduction
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
        let raw = house.repo.read_raw(&head).unwrap();
        let (root, store) = (house.root(), house.store());
        let accepted: Vec<_> = (0..raw.len())
            .filter(|at| {
                let mut flipped = raw.clone();
                flipped[*at] ^= 1 << (at % 8);
                let flipped = house.repo.write_raw(&flipped).unwrap();
                matches!(trust::verify(&root, None, &flipped, &store, NOW, None), Ok(Verdict::Verified(_)))
            })
            .collect();
        assert_eq!(accepted, [0; 0]);
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
    fn sign_with_security_key(house: &House, flags: u8) -> (CommitId, String) {
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
        let header =
            format!("gpgsig -----BEGIN SSH SIGNATURE-----\n {}\n -----END SSH SIGNATURE-----\n", lines.join("\n "));
        let text = String::from_utf8(payload).unwrap();
        let (headers, message) = text.split_once("\n\n").unwrap();
        let raw = format!("{headers}\n{header}\n{message}");
        let line = format!("ann@example.com sk-ssh-ed25519@openssh.com {}\n", STANDARD.encode(&blob));
        (house.repo.write_raw(raw.as_bytes()).unwrap(), line)
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
}

mod revocation {
    use super::*;

    #[test]
    fn a_revoked_key_is_refused_although_it_stands_in_allowed_signers() {
        let house = House::new();
        let head = house.commit(&[("domains.yaml", &list(&["www"]))], &house.ann);
        let root = TrustRoot { revoked: [house.ann.fingerprint()].into(), ..house.root() };
        let refused = house.refused(&root, None, &head);
        let refusal = &refused.refusals[0];
        assert_eq!((refusal.rule.as_str(), refusal.principal.as_deref()), ("S08-revoked", Some("ann@example.com")));
    }

    #[test]
    fn a_backdated_commit_of_a_revoked_key_is_refused() {
        let mut house = House::new();
        house.repo.set_time(datetime!(2001-01-01 00:00 UTC));
        let head = house.commit(&[("domains.yaml", &list(&["www"]))], &house.ann);
        let root = TrustRoot { revoked: [house.ann.fingerprint()].into(), ..house.root() };
        assert_eq!(rules(&house.judge(&root, None, &head)), ["S08-revoked"]);
    }

    #[test]
    fn a_revocation_takes_effect_although_the_head_has_not_moved() {
        let house = House::new();
        let head = house.commit(&[("domains.yaml", &list(&["www"]))], &house.ann);
        let state = house.verified(&house.root(), None, &head).state().clone();
        let root = TrustRoot { revoked: [house.ann.fingerprint()].into(), ..house.root() };
        assert_eq!(rules(&house.judge(&root, Some(&state), &head)), ["S08-revoked"]);
    }

    #[test]
    fn a_revoked_commit_stays_refused_when_a_merge_drops_what_it_did() {
        let house = House::new();
        let bad = house.on(&[&house.introduction], &[("domains.yaml", &list(&["evil"]))], &house.ann);
        let good = house.on(&[&house.introduction], &[("README", "x")], &house.bob);
        let merge = house.on(&[&good, &bad], &[], &house.bob);
        let root = TrustRoot { revoked: [house.ann.fingerprint()].into(), ..house.root() };
        assert_eq!(rules(&house.judge(&root, None, &merge)), ["S08-revoked", "H04-evil-merge"]);
    }

    #[test]
    fn what_a_signer_made_before_it_was_taken_out_stays() {
        let house = House::new();
        let before = house.commit(&[("domains.yaml", &list(&["www"]))], &house.ann);
        let state = house.verified(&house.root(), None, &before).state().clone();
        let root = TrustRoot { signers: signers(&[&house.bob]), ..house.root() };
        let verified = house.verified(&root, Some(&state), &before);
        assert_eq!((names(&verified), verified.commits_walked()), (vec!["www".to_owned()], 1));
    }

    #[test]
    fn what_a_signer_makes_after_it_was_taken_out_is_refused() {
        let house = House::new();
        let before = house.commit(&[("domains.yaml", &list(&["www"]))], &house.ann);
        let state = house.verified(&house.root(), None, &before).state().clone();
        let after = house.commit(&[("domains.yaml", &list(&["more"]))], &house.ann);
        let root = TrustRoot { signers: signers(&[&house.bob]), ..house.root() };
        let refused = house.refused(&root, Some(&state), &after);
        let found: Vec<_> = refused.refusals.iter().map(|r| (r.rule.as_str(), r.commit.as_ref())).collect();
        assert_eq!(found, [("S02-unknown-key", Some(&after))]);
    }

    #[test]
    fn a_moved_introduction_leaves_revoked_commits_behind() {
        let house = House::new();
        let bad = house.commit(&[("domains.yaml", &list(&["www"]))], &house.ann);
        let state = house.verified(&house.root(), None, &bad).state().clone();
        let head = house.commit(&[("README", "x")], &house.bob);
        let root = TrustRoot { revoked: [house.ann.fingerprint()].into(), introduction: bad, ..house.root() };
        assert_eq!(house.verified(&root, Some(&state), &head).commits_walked(), 1);
    }
}

mod history {
    use super::*;

    #[test]
    fn an_unchanged_head_is_verified_without_a_walk() {
        let house = House::new();
        let head = house.commit(&[("domains.yaml", &list(&["www"]))], &house.ann);
        let first = house.verified(&house.root(), None, &head);
        let again = house.verified(&house.root(), Some(first.state()), &head);
        assert_eq!(again.commits_walked(), 0);
        assert_eq!(again.state(), first.state());
    }

    #[test]
    fn only_commits_after_the_last_verified_one_are_walked() {
        let house = House::new();
        let first = house.commit(&[("domains.yaml", &list(&["www"]))], &house.ann);
        let state = house.verified(&house.root(), None, &first).state().clone();
        let head = house.commit(&[("README", "x")], &house.bob);
        assert_eq!(house.verified(&house.root(), Some(&state), &head).commits_walked(), 1);
    }

    #[test]
    fn a_head_that_does_not_descend_from_the_last_verified_commit_is_refused() {
        let house = House::new();
        let older = house.commit(&[("domains.yaml", &list(&["one"]))], &house.ann);
        let last = house.commit(&[("domains.yaml", &list(&["two"]))], &house.ann);
        let state = house.verified(&house.root(), None, &last).state().clone();
        let sibling = house.on(&[&older], &[("domains.yaml", &list(&["three"]))], &house.ann);
        let unrelated = house.on(&[], &[("domains.yaml", &list(&["www"]))], &house.ann);
        for head in [&older, &house.introduction, &sibling, &unrelated] {
            assert_eq!(rules(&house.judge(&house.root(), Some(&state), head)), ["H01-rollback"]);
        }
    }

    #[test]
    fn a_rollback_is_refused_when_the_trust_root_changed_as_well() {
        let house = House::new();
        let older = house.commit(&[("domains.yaml", &list(&["one"]))], &house.ann);
        let last = house.commit(&[("domains.yaml", &list(&["two"]))], &house.ann);
        let state = house.verified(&house.root(), None, &last).state().clone();
        let root = TrustRoot { signers: signers(&[&house.ann]), ..house.root() };
        assert_eq!(rules(&house.judge(&root, Some(&state), &older)), ["H01-rollback"]);
    }

    #[test]
    fn a_head_that_does_not_descend_from_the_introduction_is_refused() {
        let house = House::new();
        let unrelated = house.on(&[], &[("domains.yaml", &list(&["www"]))], &house.ann);
        assert_eq!(house.rules(&unrelated), ["H01-rollback"]);
    }

    #[test]
    fn a_side_branch_from_before_the_introduction_is_walked() {
        let mut house = House::new();
        let old = house.introduction.clone();
        house.introduction = house.repo.commit(&[("README", "reviewed")], "introduction", None).unwrap();
        let side = house.repo.commit_on(&[old], &[("NEWS", "x")], "side", None).unwrap();
        let head = house.on(&[&house.introduction, &side], &[("NEWS", "x")], &house.ann);
        let refused = house.refused(&house.root(), None, &head);
        let found: Vec<_> = refused.refusals.iter().map(|r| (r.rule.as_str(), r.commit.as_ref())).collect();
        assert_eq!(found, [("S01-unsigned", Some(&side))]);
    }

    #[test]
    fn a_signed_merge_does_not_cover_the_unsigned_branch_it_merges() {
        let house = House::new();
        let parents = [house.introduction.clone()];
        let side = house.repo.commit_on(&parents, &[("domains.yaml", &list(&["evil"]))], "side", None).unwrap();
        let merge = house.on(&[&side, &house.introduction], &[], &house.ann);
        assert_eq!(house.rules(&merge), ["S01-unsigned"]);
    }

    #[test]
    fn a_store_that_can_show_another_history_is_refused() {
        for (file, rule) in [
            ("shallow", "H06-shallow"),
            ("info/grafts", "H05-replace"),
            ("objects/info/alternates", "H05-replace"),
            ("refs/replace/1111111111111111111111111111111111111111", "H05-replace"),
        ] {
            let house = House::new();
            let path = house.dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, format!("{}\n", house.introduction)).unwrap();
            assert_eq!(house.rules(&house.introduction), [rule], "{file}");
        }
    }

    #[test]
    fn a_sha_256_commit_id_is_refused() {
        let house = House::new();
        assert_eq!(house.rules(&CommitId::parse(&"a".repeat(64)).unwrap()), ["H07-object-format"]);
    }

    #[test]
    fn a_missing_object_is_a_failure_and_not_a_verdict() {
        let house = House::new();
        let missing = CommitId::parse(&"a".repeat(40)).unwrap();
        let fault = trust::verify(&house.root(), None, &missing, &house.store(), NOW, None).unwrap_err();
        assert_eq!(fault.code, "git:object");
    }

    #[test]
    fn a_commit_larger_than_64_kib_is_refused() {
        let house = House::new();
        let head = house.repo.commit(&[], &"m".repeat(64 * 1024), Some(&house.ann)).unwrap();
        assert_eq!(house.rules(&head), ["H08-limits"]);
    }

    #[test]
    fn outsiders_may_leave_commits_unsigned_that_touch_nothing_protected() {
        let house = House::new();
        house.repo.commit(&[("README", "typo")], "change", None).unwrap();
        let head = house.commit(&[("domains.yaml", &list(&["www"]))], &house.ann);
        let protected = TrustRoot { require: Require::Protected, ..house.root() };
        assert_eq!(rules(&house.judge(&protected, None, &head)), [""; 0]);
        assert_eq!(house.rules(&head), ["S01-unsigned"]);
    }

    #[test]
    fn an_unsigned_hook_is_refused_when_only_protected_paths_count() {
        let house = House::new();
        let head = house.repo.commit(&[("hooks/after-issue", "#!/bin/sh\n")], "change", None).unwrap();
        let protected = TrustRoot { require: Require::Protected, ..house.root() };
        assert_eq!(rules(&house.judge(&protected, None, &head)), ["S01-unsigned"]);
    }
}

mod merges {
    use super::*;

    /// Ann changes the list on one line, bob something else on the other.
    fn two_lines(house: &House) -> [CommitId; 2] {
        let base = &house.introduction;
        [
            house.on(&[base], &[("domains.yaml", &list(&["www"]))], &house.ann),
            house.on(&[base], &[("README", "x")], &house.bob),
        ]
    }

    #[test]
    fn a_merge_that_takes_the_changed_side_is_verified() {
        let house = House::new();
        let [listed, other] = two_lines(&house);
        for parents in [[&listed, &other], [&other, &listed]] {
            let head = house.on(&parents, &[("domains.yaml", &list(&["www"])), ("README", "x")], &house.bob);
            let verified = house.verified(&house.root(), None, &head);
            let www = LineageName::parse("www").unwrap();
            let [ann, bob] = [&house.ann, &house.bob].map(|who| format!("{} {}", who.principal(), who.fingerprint()));
            assert_eq!(verified.provenance(&www).signers, [ann, bob]);
        }
    }

    #[test]
    fn a_merge_that_adds_a_name_of_its_own_is_refused() {
        let house = House::new();
        let [listed, other] = two_lines(&house);
        let head = house.on(&[&listed, &other], &[("domains.yaml", &list(&["www", "evil"]))], &house.bob);
        assert_eq!(house.rules(&head), ["H04-evil-merge"]);
    }

    #[test]
    fn a_merge_that_drops_a_change_is_refused() {
        let house = House::new();
        let [listed, other] = two_lines(&house);
        let ours = house.on(&[&other, &listed], &[], &house.bob);
        assert_eq!(house.rules(&ours), ["H04-evil-merge"]);
    }

    #[test]
    fn a_merge_of_two_lines_that_both_changed_the_list_is_refused() {
        let house = House::new();
        let base = &house.introduction;
        let one = house.on(&[base], &[("domains.yaml", &list(&["one"]))], &house.ann);
        let other = house.on(&[base], &[("domains.yaml", &list(&["other"]))], &house.bob);
        let head = house.on(&[&one, &other], &[("domains.yaml", &list(&["one", "other"]))], &house.ann);
        assert_eq!(house.rules(&head), ["H04-evil-merge"]);
    }

    #[test]
    fn an_evil_merge_is_refused_although_nobody_had_to_sign_it() {
        let house = House::new();
        let [listed, other] = two_lines(&house);
        let head =
            house.repo.commit_on(&[other, listed], &[("hooks/on-failure", "#!/bin/sh\n")], "merge", None).unwrap();
        let protected = TrustRoot { require: Require::Protected, ..house.root() };
        assert_eq!(rules(&house.judge(&protected, None, &head)), ["H04-evil-merge", "H04-evil-merge"]);
    }

    #[test]
    fn lines_that_were_merged_crosswise_are_refused() {
        let house = House::new();
        let [listed, other] = two_lines(&house);
        let both = [("domains.yaml", list(&["www"])), ("README", "x".to_owned())];
        let both: Vec<_> = both.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let one = house.on(&[&listed, &other], &both, &house.bob);
        let cross = house.on(&[&other, &listed], &both, &house.bob);
        let changed = house.on(&[&cross], &[("domains.yaml", &list(&["new"]))], &house.ann);
        let head = house.on(&[&one, &changed], &[("domains.yaml", &list(&["new"]))], &house.bob);
        assert_eq!(house.rules(&head), ["H04-evil-merge"]);
    }

    #[test]
    fn a_merge_of_three_lines_is_refused() {
        let house = House::new();
        let [listed, other] = two_lines(&house);
        let third = house.on(&[&house.introduction], &[("NEWS", "x")], &house.bob);
        let head = house.on(&[&listed, &other, &third], &[], &house.bob);
        assert_eq!(house.rules(&head), ["G10-octopus"]);
    }

    #[test]
    fn two_lines_may_change_different_files_of_a_list_directory() {
        let house = House::with(&[("domains/a.yaml", &list(&["a"])), ("domains/b.yaml", &list(&["b"]))]);
        let base = &house.introduction;
        let (a, b) = (list(&["a", "a2"]), list(&["b", "b2"]));
        let one = house.on(&[base], &[("domains/a.yaml", &a)], &house.ann);
        let other = house.on(&[base], &[("domains/b.yaml", &b)], &house.bob);
        let good = house.on(&[&one, &other], &[("domains/b.yaml", &b)], &house.bob);
        let evil = house.on(&[&one, &other], &[("domains/b.yaml", &b), ("domains/c.yaml", &list(&["c"]))], &house.bob);
        let root = TrustRoot { list: ListPath::parse("domains/").unwrap(), ..house.root() };
        assert_eq!(names(&house.verified(&root, None, &good)), ["a", "a2", "b", "b2"]);
        let refused = house.refused(&root, None, &evil);
        let found: Vec<_> = refused.refusals.iter().map(|r| (r.rule.as_str(), r.path.as_deref())).collect();
        assert_eq!(found, [("H04-evil-merge", Some("domains/c.yaml"))]);
    }
}

mod content {
    use super::*;

    fn rules_with(path: &str, content: Option<(&str, i32)>) -> Vec<&'static str> {
        let house = House::new();
        let tree = house.repo.tree_with(&house.introduction, path, content).unwrap();
        let parents = [house.introduction.clone()];
        let head = house.repo.commit_tree(tree, &parents, "change", Some(&house.ann)).unwrap();
        house.rules(&head)
    }

    #[test]
    fn the_list_is_a_plain_file() {
        assert_eq!(rules_with("domains.yaml", Some(("/etc/passwd", 0o120000))), ["C02-mode"]);
        assert_eq!(rules_with("domains.yaml", Some((EMPTY, 0o100755))), ["C02-mode"]);
        assert_eq!(rules_with("domains.yaml", Some((&"1".repeat(40), 0o160000))), ["C02-mode"]);
        assert_eq!(rules_with("domains.yaml", Some((EMPTY, 0o100644))), [""; 0]);
        assert_eq!(rules_with("domains.yaml", None), ["C13-no-list"]);
    }

    #[test]
    fn hooks_are_plain_or_executable_files() {
        assert_eq!(rules_with("hooks/after-issue", Some(("#!/bin/sh\n", 0o100755))), [""; 0]);
        assert_eq!(rules_with("hooks/after-issue", Some(("#!/bin/sh\n", 0o100644))), [""; 0]);
        assert_eq!(rules_with("hooks/after-issue", Some(("/bin/sh", 0o120000))), ["C02-mode"]);
        assert_eq!(rules_with("hooks/more/after-issue", Some(("#!/bin/sh\n", 0o100755))), ["C02-mode"]);
        assert_eq!(rules_with("hooks", Some(("text", 0o100644))), ["C02-mode"]);
    }

    #[test]
    fn an_entry_that_looks_like_a_protected_one_is_refused() {
        for twin in ["Domains.yaml", "DOMAINS.YAML", "domains.yaml ", "doma\u{200d}ins.yaml", "Hooks", "hoo\u{212a}s"] {
            assert_eq!(rules_with(twin, Some((EMPTY, 0o100644))), ["C04-path"], "{twin:?}");
        }
        assert_eq!(rules_with("domains.yml", Some((EMPTY, 0o100644))), [""; 0]);
    }

    #[test]
    fn a_pointer_to_large_file_storage_is_not_a_list() {
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
        assert_eq!(rules_with("domains.yaml", Some((pointer, 0o100644))), ["C03-filters"]);
    }

    #[test]
    fn a_list_larger_than_16_mib_is_refused() {
        let huge = format!("{EMPTY}#{}\n", "x".repeat(16 * 1024 * 1024));
        assert_eq!(rules_with("domains.yaml", Some((&huge, 0o100644))), ["H08-limits"]);
    }

    #[test]
    fn a_list_with_errors_is_refused_with_its_diagnostics_and_files() {
        let house = House::new();
        let head = house.commit(&[("domains.yaml", "version: 1\ncertificates: [{name: www}]\n")], &house.ann);
        let refused = house.refused(&house.root(), None, &head);
        assert_eq!(refused.refusals[0].rule.as_str(), "C14-invalid-list");
        assert_eq!(refused.diagnostics[0].labels[0].place.file, "domains.yaml");
        assert_eq!(refused.files[0].path, "domains.yaml");
    }

    #[test]
    fn a_list_directory_counts_the_yaml_files_directly_inside() {
        let files = [
            ("domains/a.yaml", list(&["a"])),
            ("domains/b.yaml", list(&["b"])),
            ("domains/README", "x".to_owned()),
            ("domains/old/c.yaml", list(&["c"])),
        ];
        let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let house = House::with(&files);
        let root = TrustRoot { list: ListPath::parse("domains/").unwrap(), ..house.root() };
        assert_eq!(names(&house.verified(&root, None, &house.introduction)), ["a", "b"]);
    }
}

mod state {
    use super::*;

    #[test]
    fn the_last_verified_list_is_there_while_the_head_is_refused() {
        let house = House::new();
        let good = house.commit(&[("domains.yaml", &list(&["www"]))], &house.ann);
        let state = house.verified(&house.root(), None, &good).state().clone();
        let bad = house.repo.commit(&[("domains.yaml", &list(&["evil"]))], "change", None).unwrap();
        assert_eq!(rules(&house.judge(&house.root(), Some(&state), &bad)), ["S01-unsigned"]);
        let Verdict::Verified(last) = trust::last_verified(&house.root(), &state, &house.store(), None).unwrap() else {
            panic!("refused");
        };
        assert_eq!((names(&last), last.commit()), (vec!["www".to_owned()], &good));
    }

    #[test]
    fn a_state_that_does_not_belong_to_the_store_is_refused() {
        let house = House::new();
        let state = house.verified(&house.root(), None, &house.introduction).state().clone();
        let edited = TrustState { list: Digest::of(b"other"), ..state };
        let verdict = trust::last_verified(&house.root(), &edited, &house.store(), None).unwrap();
        assert_eq!(rules(&verdict), ["X01-state"]);
    }

    #[test]
    fn the_state_survives_json() {
        let house = House::new();
        let head = house.commit(&[("domains.yaml", &list(&["www"]))], &house.ann);
        let state = house.verified(&house.root(), None, &head).state().clone();
        let json = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<TrustState>(&json).unwrap(), state);
    }

    #[test]
    fn the_authors_of_the_list_are_remembered_over_runs() {
        let house = House::new();
        let first = house.commit(&[("domains.yaml", &list(&["www"]))], &house.ann);
        let state = house.verified(&house.root(), None, &first).state().clone();
        let head = house.commit(&[("README", "x")], &house.bob);
        let verified = house.verified(&house.root(), Some(&state), &head);
        let [ann, bob] = [&house.ann, &house.bob].map(|who| format!("{} {}", who.principal(), who.fingerprint()));
        assert_eq!(verified.provenance(&LineageName::parse("www").unwrap()).signers, [ann, bob]);
    }

    #[test]
    fn everything_that_changes_a_verdict_changes_the_digest_of_the_trust_root() {
        let house = House::new();
        let root = house.root();
        let narrower = house.ann.allowed_signers_line().replace("\"git\"", "\"git\",valid-before=\"20270101Z\"");
        let roots = [
            root.clone(),
            TrustRoot { introduction: CommitId::parse(&"a".repeat(40)).unwrap(), ..root.clone() },
            TrustRoot { signers: signers(&[&house.ann]), ..root.clone() },
            TrustRoot { signers: AllowedSigners::parse(&narrower, "").unwrap(), ..root.clone() },
            TrustRoot { revoked: [house.mallory.fingerprint()].into(), ..root.clone() },
            TrustRoot { require: Require::Protected, ..root.clone() },
            TrustRoot { ref_name: "refs/heads/other".to_owned(), ..root.clone() },
            TrustRoot { list: ListPath::parse("domains/").unwrap(), ..root.clone() },
            TrustRoot { list: ListPath::parse("domains.yml").unwrap(), ..root },
        ];
        assert_eq!(roots.iter().map(TrustRoot::digest).collect::<BTreeSet<_>>().len(), roots.len());
    }
}

mod interop {
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
}
