//! SSH certificates that ssh-keygen made (T7).

use std::process::Stdio;

use countersign::trust::{Fingerprint, FirstSeen, When};
use time::Duration;

use super::*;

/// For 12 hours around `NOW`.
const VALID: &str = "20260531180000Z:20260601060000Z";
const LATER: OffsetDateTime = datetime!(2026-07-01 00:00 UTC);

/// An authority, and people whose keys it certifies.
pub struct Authority {
    pub house: House,
    dir: TempDir,
}

impl Authority {
    pub fn new() -> Self {
        Self::of_type(&["ed25519"])
    }

    fn of_type(kind: &[&str]) -> Self {
        let authority = Self { house: House::new(), dir: TempDir::new().unwrap() };
        authority.key("ca", kind);
        authority.key("key", &["ed25519"]);
        authority
    }

    fn key(&self, name: &str, kind: &[&str]) {
        self.keygen(&[&["-q", "-N", "", "-C", "", "-f", name, "-t"], kind].concat());
    }

    fn keygen(&self, args: &[&str]) {
        let output = Command::new("ssh-keygen").args(args).current_dir(&self.dir).stdin(Stdio::null()).output();
        let output =
            output.unwrap_or_else(|error| panic!("ssh-keygen does not run ({error}): apt-get install openssh-client"));
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn public(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(format!("{name}.pub"))).unwrap().trim_end().to_owned()
    }

    fn fingerprint(&self, name: &str) -> Fingerprint {
        let public = self.public(name);
        Fingerprint::of(&STANDARD.decode(public.split(' ').nth(1).unwrap()).unwrap())
    }

    /// Has `ca` certify `key`, with these options of `ssh-keygen -s`.
    fn certify(&self, options: &[&str]) {
        self.keygen(&[&["-q", "-s", "ca", "-I", "a certificate"], options, &["key.pub"]].concat());
    }

    /// Gives the unsigned commit the signature of `key`, which may be `key-cert`.
    fn sign(&self, unsigned: &CommitId, key: &str) -> CommitId {
        std::fs::write(self.dir.path().join("payload"), self.house.repo.read_raw(unsigned).unwrap()).unwrap();
        let _ = std::fs::remove_file(self.dir.path().join("payload.sig"));
        self.keygen(&["-Y", "sign", "-n", "git", "-f", &format!("{key}.pub"), "payload"]);
        let armored = std::fs::read_to_string(self.dir.path().join("payload.sig")).unwrap();
        self.house.seal(unsigned, &armored)
    }

    /// A change of the list on `parent`, signed with a certificate.
    fn change(&self, parent: &CommitId, options: &[&str]) -> CommitId {
        self.certify(options);
        let parents = std::slice::from_ref(parent);
        let unsigned =
            self.house.repo.commit_on(parents, &[("domains.yaml", &list(&["www"]))], "change", None).unwrap();
        self.sign(&unsigned, "key-cert")
    }

    pub fn good(&self) -> CommitId {
        self.change(&self.house.introduction, &["-n", "ann@example.com", "-V", VALID])
    }

    fn signers(&self, text: &str) -> AllowedSigners {
        AllowedSigners::with_authorities(text, "allowed_signers", &[self.fingerprint("ca")].into())
            .unwrap_or_else(|found| panic!("{found:#?}"))
    }

    /// Of `cert-authority`, with further options.
    fn line(&self, principals: &str, options: &str) -> String {
        format!("{principals} cert-authority,namespaces=\"git\"{options} {}\n", self.public("ca"))
    }

    fn root(&self) -> TrustRoot {
        let text = self.line("ann@example.com,bob@example.com", "") + &self.house.bob.allowed_signers_line();
        TrustRoot { signers: self.signers(&text), ..self.house.root() }
    }

    fn rules(&self, head: &CommitId) -> Vec<&'static str> {
        rules(&self.house.judge(&self.root(), None, head))
    }

    /// What is wrong with the certificate, if that is all.
    fn verdict(&self, head: &CommitId) -> String {
        match self.house.judge(&self.root(), None, head) {
            Verdict::Verified(_) => String::new(),
            Verdict::Refused(refused) => {
                assert_eq!((refused.refusals.len(), refused.refusals[0].rule.as_str()), (1, "S07-ca-cert"));
                refused.refusals[0].message.clone()
            }
        }
    }

    fn at(
        &self,
        state: Option<&TrustState>,
        head: &CommitId,
        now: OffsetDateTime,
        seen: Option<&FirstSeen>,
    ) -> Verdict {
        let when = When { now, first_seen: seen };
        trust::verify(&self.root(), state, head, &self.house.store(), when, None).unwrap()
    }
}

#[test]
fn a_certificate_of_a_pinned_authority_stands_for_its_principal() {
    let authority = Authority::new();
    let head = authority.good();
    let verified = authority.house.verified(&authority.root(), None, &head);
    let (key, ca) = (authority.fingerprint("key"), authority.fingerprint("ca"));
    assert_eq!(verified.head_signer(), Some(format!("ann@example.com {key} certified-by {ca}").as_str()));
}

#[test]
fn certificates_of_every_kind_of_authority_that_may_sign_are_read() {
    for kind in [&["ecdsa", "-b", "256"], &["ecdsa", "-b", "384"], &["rsa", "-b", "3072"]] {
        let authority = Authority::of_type(kind);
        assert_eq!(authority.rules(&authority.good()), [""; 0], "{kind:?}");
    }
}

#[test]
fn certificates_about_every_kind_of_key_that_may_sign_are_read() {
    for kind in [&["ecdsa", "-b", "256"], &["ecdsa", "-b", "384"], &["rsa", "-b", "3072"]] {
        let authority = Authority::new();
        std::fs::remove_file(authority.dir.path().join("key")).unwrap();
        authority.key("key", kind);
        assert_eq!(authority.rules(&authority.good()), [""; 0], "{kind:?}");
    }
}

#[test]
fn certificates_are_off_until_an_authority_is_pinned() {
    let authority = Authority::new();
    let refused = authority.house.refused(&authority.house.root(), None, &authority.good());
    let refusal = &refused.refusals[0];
    assert_eq!((refusal.rule.as_str(), &refusal.key), ("S07-ca-cert", &Some(authority.fingerprint("key"))));
    assert!(refusal.hint.contains(&format!("cert-authority,namespaces=\"git\" {}", authority.public("ca"))));
}

#[test]
fn a_line_of_an_authority_counts_only_if_the_runner_pins_it() {
    let authority = Authority::new();
    let codes = |text: &str, pinned: &[Fingerprint]| -> Vec<&str> {
        let found = AllowedSigners::with_authorities(text, "allowed_signers", &pinned.iter().cloned().collect());
        found.err().unwrap_or_default().iter().map(|found| found.code).collect()
    };
    let (line, ca) = (authority.line("ann@example.com", ""), authority.fingerprint("ca"));
    assert_eq!(codes(&line, &[]), ["signers-cert-authority"]);
    assert_eq!(codes(&line, &[authority.fingerprint("key")]), ["signers-cert-authority"; 2]);
    assert_eq!(
        codes(&authority.house.bob.allowed_signers_line(), std::slice::from_ref(&ca)),
        ["signers-cert-authority"]
    );
    assert_eq!(codes(&line, &[ca]), [""; 0]);
}

#[test]
fn a_certificate_that_says_too_much_or_too_little_is_refused() {
    let authority = Authority::new();
    let ann = ["-n", "ann@example.com"];
    let table: [(&[&str], &str); 10] = [
        (
            &["-V", "20260530000000Z:20260531000000Z"],
            "the certificate of ann@example.com was not valid when the commit was seen first",
        ),
        (
            &["-V", "20260601000001Z:20260601060000Z"],
            "the certificate of ann@example.com was not valid when the commit was seen first",
        ),
        (
            &["-V", "20260531000000Z:20260601000000Z"],
            "the certificate of ann@example.com was not valid when the commit was seen first",
        ),
        (&["-V", "20260531235959Z:20260602000000Z"], "the certificate is valid for 25 h; up to 24 h are accepted"),
        (&["-V", "always:forever"], "the certificate is valid forever; 24 h are accepted"),
        (&["-V", VALID, "-h"], "the certificate is not one for a user"),
        (
            &["-V", VALID, "-O", "force-command=true"],
            "the certificate has critical options, which nobody enforces for a commit",
        ),
        (
            &["-V", VALID, "-O", "source-address=10.0.0.0/8"],
            "the certificate has critical options, which nobody enforces for a commit",
        ),
        (&["-V", VALID, "-O", "clear"], ""),
        (&["-V", "20260601000000Z:20260602000000Z"], ""),
    ];
    for (options, expected) in table {
        let head = authority.change(&authority.house.introduction, &[&ann, options].concat());
        assert_eq!(authority.verdict(&head), expected, "{options:?}");
    }
}

#[test]
fn a_certificate_is_for_one_person_of_the_line_of_its_authority() {
    let authority = Authority::new();
    let table: [(&[&str], &str); 5] = [
        (&["-n", "ann@example.com,ann"], ""),
        (
            &["-n", "mallory@example.com"],
            "the certificate is for `mallory@example.com`, none of whom its authority may vouch for",
        ),
        (
            &["-n", "ann@example.com.evil.net,ANN@example.com"],
            "the certificate is for `ann@example.com.evil.net`, `ANN@example.com`, none of whom its authority may vouch for",
        ),
        (
            &["-n", "ann@example.com,bob@example.com"],
            "the certificate is for `ann@example.com`, `bob@example.com`: it has to be for one person",
        ),
        (&[], "the certificate names no principal"),
    ];
    for (options, expected) in table {
        let head = authority.change(&authority.house.introduction, &[options, &["-V", VALID]].concat());
        assert_eq!(authority.verdict(&head), expected, "{options:?}");
    }
}

#[test]
fn a_certificate_of_another_authority_is_refused() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let head = theirs.good();
    let root = TrustRoot { signers: ours.root().signers, ..theirs.house.root() };
    assert_eq!(rules(&theirs.house.judge(&root, None, &head)), ["S07-ca-cert"]);
}

#[test]
fn the_key_of_an_authority_signs_no_commit() {
    let authority = Authority::new();
    let parents = std::slice::from_ref(&authority.house.introduction);
    let unsigned = authority.house.repo.commit_on(parents, &[], "change", None).unwrap();
    assert_eq!(authority.rules(&authority.sign(&unsigned, "ca")), ["S07-ca-cert"]);
}

#[test]
fn a_certified_key_alone_is_unknown() {
    let authority = Authority::new();
    let parents = std::slice::from_ref(&authority.house.introduction);
    let unsigned = authority.house.repo.commit_on(parents, &[], "change", None).unwrap();
    assert_eq!(authority.rules(&authority.sign(&unsigned, "key")), ["S02-unknown-key"]);
}

#[test]
fn the_line_of_the_authority_limits_its_certificates() {
    let authority = Authority::new();
    let head = authority.good();
    let with = |line: &str| {
        let root = TrustRoot { signers: authority.signers(line), ..authority.house.root() };
        rules(&authority.house.judge(&root, None, &head))
    };
    assert_eq!(with(&authority.line("ann@example.com", ",valid-before=\"20260601Z\"")), ["S09-expired"]);
    assert_eq!(with(&authority.line("ann@example.com", "").replace("\"git\"", "\"file\"")), ["S05-namespace"]);
}

#[test]
fn no_flipped_byte_of_a_certificate_is_accepted() {
    let authority = Authority::new();
    let head = authority.good();
    assert_eq!(authority.house.flips(&authority.root(), &head), [0; 0]);
}

#[test]
fn one_key_is_one_person_whatever_its_certificates_say() {
    let authority = Authority::new();
    let first = authority.good();
    let second = authority.change(&first, &["-n", "bob@example.com", "-V", VALID]);
    assert_eq!(authority.rules(&second), ["S07-ca-cert"]);
    let text = format!("bob@example.com {}\n{}", authority.public("key"), authority.line("ann@example.com", ""));
    let listed = TrustRoot { signers: authority.signers(&text), ..authority.root() };
    assert_eq!(rules(&authority.house.judge(&listed, None, &first)), ["S07-ca-cert"]);
}

#[test]
fn what_was_verified_stays_verified_after_the_certificate_has_ended() {
    let authority = Authority::new();
    let head = authority.good();
    let state = authority.house.verified(&authority.root(), None, &head).state().clone();
    assert_eq!(rules(&authority.at(Some(&state), &head, LATER, None)), [""; 0]);
    let other = TrustRoot { require: Require::Protected, ..authority.root() };
    let again = trust::verify(&other, Some(&state), &head, &authority.house.store(), LATER, None).unwrap();
    assert_eq!(rules(&again), [""; 0], "the trust root changed, and everything was judged again");
    let next = authority.change(&head, &["-n", "ann@example.com", "-V", VALID]);
    assert_eq!(rules(&authority.at(Some(&state), &next, LATER, None)), ["S07-ca-cert"]);
}

#[test]
fn a_commit_that_waits_for_another_is_judged_by_the_time_when_it_was_seen_first() {
    let authority = Authority::new();
    let certified = authority.good();
    let house = &authority.house;
    let unsigned = house.repo.commit_on(std::slice::from_ref(&certified), &[("README", "x")], "x", None).unwrap();
    let signed = house.on(&[&certified], &[("README", "x")], &house.bob);

    let refused = house.refused(&authority.root(), None, &unsigned);
    let seen = &refused.first_seen;
    assert_eq!(rules(&authority.at(None, &signed, LATER, Some(seen))), [""; 0]);
    assert_eq!(rules(&authority.at(None, &signed, LATER, None)), ["S07-ca-cert"]);
    let Verdict::Refused(later) = authority.at(None, &unsigned, LATER, Some(seen)) else { panic!("verified") };
    assert_eq!(later.first_seen, *seen, "it stays known as long as its head is refused");
}

#[test]
fn a_commit_whose_certificate_was_not_valid_when_it_was_seen_is_not_remembered() {
    let authority = Authority::new();
    let head = authority.good();
    let early = authority.at(None, &head, NOW - Duration::days(2), None);
    let Verdict::Refused(refused) = early else { panic!("verified") };
    assert_eq!(refused.first_seen, FirstSeen::default());
}

#[test]
fn a_time_that_is_yet_to_come_does_not_make_a_certificate_valid() {
    let authority = Authority::new();
    let head = authority.good();
    let at = |time: &str| serde_json::from_str::<FirstSeen>(&format!("{{\"{head}\": \"{time}\"}}")).unwrap();
    let early = NOW - Duration::days(2);
    assert_eq!(rules(&authority.at(None, &head, early, Some(&at("2026-06-01T00:00:00Z")))), ["S07-ca-cert"]);
    assert_eq!(rules(&authority.at(None, &head, LATER, Some(&at("2026-06-01T00:00:00Z")))), [""; 0]);
}

#[test]
fn a_revoked_authority_or_key_withdraws_what_its_certificates_authorised() {
    let authority = Authority::new();
    let head = authority.good();
    let state = authority.house.verified(&authority.root(), None, &head).state().clone();
    for revoked in ["ca", "key"] {
        let root = TrustRoot { revoked: [authority.fingerprint(revoked)].into(), ..authority.root() };
        assert_eq!(rules(&authority.house.judge(&root, None, &head)), ["S08-revoked"], "new, {revoked}");
        let refused = authority.house.refused(&root, Some(&state), &head);
        assert_eq!(
            (refused.refusals[0].rule.as_str(), refused.refusals[0].name.as_deref()),
            ("S08-revoked", Some("www"))
        );
    }
}

#[test]
fn an_authority_that_is_not_pinned_any_more_leaves_what_was_verified() {
    let authority = Authority::new();
    let head = authority.good();
    let state = authority.house.verified(&authority.root(), None, &head).state().clone();
    let root = authority.house.root();
    assert_eq!(names(&authority.house.verified(&root, Some(&state), &head)), ["www"]);
    let next = authority.change(&head, &["-n", "ann@example.com", "-V", VALID]);
    assert_eq!(rules(&authority.house.judge(&root, Some(&state), &next)), ["S07-ca-cert"]);
}

#[test]
fn a_policy_knows_a_certified_person_by_the_principal() {
    let authority = Authority::new();
    let head = authority.good();
    let judge = |people: &str, mergers: &str, by: &str| {
        let text = format!(
            "version: 1\npeople: {people}\nmergers: {mergers}\nrules: [{{id: all, names: [\"*.example.com\"], by: [{by}]}}]\n"
        );
        let policy =
            Policy::parse(&text, "policy.yaml", &authority.root().signers).unwrap_or_else(|found| panic!("{found:#?}"));
        rules(&authority.house.judge(&TrustRoot { policy: Some(policy), ..authority.root() }, None, &head))
    };
    let both = "{ann: {signs: [ann@example.com]}, bob: {signs: [bob@example.com]}}";
    assert_eq!(judge(both, "[]", "ann"), [""; 0]);
    assert_eq!(judge(both, "[]", "bob"), ["P05-scope"]);
    assert_eq!(judge("{bob: {signs: [bob@example.com]}}", "[ann@example.com]", "bob"), ["S11-forge-key"]);
}
