//! Approvals by minisign itself (T25, T33 to T37).

use countersign::trust::approval::Statement;
use time::Duration;

use super::*;

/// A person with a minisign key without a password.
pub struct Approver {
    dir: TempDir,
    public: String,
}

impl Approver {
    pub fn new() -> Self {
        let dir = TempDir::new().unwrap();
        minisign(dir.path(), &["-G", "-W", "-p", "key.pub", "-s", "key"]);
        let public = std::fs::read_to_string(dir.path().join("key.pub")).unwrap();
        Self { public: public.lines().nth(1).unwrap().to_owned(), dir }
    }

    /// The text of a signature over a statement.
    pub fn sign(&self, statement: &str, more: &[&str]) -> String {
        std::fs::write(self.dir.path().join("statement"), statement).unwrap();
        minisign(self.dir.path(), &[&["-S", "-s", "key", "-m", "statement", "-x", "signature"], more].concat());
        std::fs::read_to_string(self.dir.path().join("signature")).unwrap()
    }
}

fn minisign(dir: &Path, args: &[&str]) {
    let output = Command::new("minisign").args(args).current_dir(dir).output();
    let output = output.unwrap_or_else(|error| panic!("minisign does not run ({error}): apt-get install minisign"));
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Ann adds `www`, which needs two of ann, bob and eve. Bob and eve approve.
pub struct Case {
    pub house: House,
    pub root: TrustRoot,
    pub bob: Approver,
    eve: Approver,
    pub statement: Statement,
}

impl Case {
    pub fn new() -> Self {
        let (house, bob, eve) = (House::new(), Approver::new(), Approver::new());
        let root = house.with_policy(&format!(
            "version: 1\n\
             people:\n  ann: {{signs: [ann@example.com]}}\n  bob: {{signs: [bob@example.com], approves: [{}]}}\n  \
             eve: {{approves: [{}]}}\n\
             rules: [{{id: all, names: [\"*.example.com\"], by: [ann, bob, eve], threshold: 2}}]\n",
            bob.public, eve.public
        ));
        house.commit(&[("domains.yaml", &list(&["www"]))], &house.ann);
        let statement = Statement {
            url: URL.to_owned(),
            ref_name: "refs/heads/main".to_owned(),
            list: Digest::of(list(&["www"]).as_bytes()),
            previous: Digest::of(EMPTY.as_bytes()),
            policy: root.policy.as_ref().unwrap().digest().clone(),
            expires: NOW + Duration::days(7),
        };
        Self { house, root, bob, eve, statement }
    }

    /// Rules that are broken with these files beside the list.
    fn with(&self, files: &[(&str, &str)]) -> Vec<&'static str> {
        rules(&self.judged(files))
    }

    pub fn judged(&self, files: &[(&str, &str)]) -> Verdict {
        let folder = Statement::folder(&self.statement.list);
        let files: Vec<_> = files.iter().map(|(name, text)| (format!("{folder}/{name}"), (*text).to_owned())).collect();
        let head = self.house.on(&[&self.house.repo.head().unwrap()], &borrowed(&files), &self.house.ann);
        self.house.judge(&self.root, None, &head)
    }

    /// The statement of a change of the list, and bob's signature over it.
    fn approval(&self, from: &str, to: &str, comments: &[&str]) -> [(String, String); 2] {
        let [list, previous] = [to, from].map(|text| Digest::of(text.as_bytes()));
        let statement = Statement { list, previous, ..self.statement.clone() };
        signed(&statement, "bob", &self.bob, comments)
    }

    /// Ann commits a list with approvals beside it.
    fn commit(&self, list: &str, approvals: &[[(String, String); 2]]) -> CommitId {
        let files = [&[("domains.yaml", list)], &borrowed(approvals.as_flattened())[..]].concat();
        self.house.commit(&files, &self.house.ann)
    }

    /// Ann changes the list, and bob approves of it.
    pub fn changed(&self, from: &str, to: &str, comments: &[&str]) -> CommitId {
        self.commit(to, &[self.approval(from, to, comments)])
    }

    /// The same with a statement that bob signs as it is.
    fn stated(&self, statement: &Statement) -> Vec<&'static str> {
        let text = statement.to_text();
        self.with(&[("statement", &text), ("bob.minisig", &self.bob.sign(&text, &[]))])
    }
}

fn signed(statement: &Statement, name: &str, by: &Approver, comments: &[&str]) -> [(String, String); 2] {
    let (folder, text) = (Statement::folder(&statement.list), statement.to_text());
    let signature = by.sign(&text, comments);
    [(format!("{folder}/statement"), text), (format!("{folder}/{name}.minisig"), signature)]
}

fn borrowed(files: &[(String, String)]) -> Vec<(&str, &str)> {
    files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect()
}

#[test]
fn an_approval_of_a_second_person_satisfies_a_threshold_of_two() {
    let case = Case::new();
    assert_eq!(case.stated(&case.statement), [""; 0]);
}

#[test]
fn without_it_only_approvals_are_missing() {
    let case = Case::new();
    let head = case.house.repo.head().unwrap();
    let refused = case.house.refused(&case.root, None, &head);
    assert_eq!((refused.refusals[0].rule.as_str(), refused.missing_approvals_only), ("P04-threshold", true));
    assert_eq!(refused.refusals[0].hint, "have it approved by 1 of bob, eve: `countersign approve --person NAME`");
}

#[test]
fn provenance_and_state_carry_who_approved() {
    let case = Case::new();
    let approval = signed(&case.statement, "bob", &case.bob, &[]);
    let head = case.house.commit(&borrowed(&approval), &case.house.ann);
    let verified = case.house.verified(&case.root, None, &head);
    let www = LineageName::parse("www").unwrap();
    let approvals = vec![format!("bob {}", case.bob.public)];
    assert_eq!(verified.provenance(&www).approvals, approvals);
    assert_eq!(verified.provenance(&www).policy.as_ref(), case.root.policy.as_ref().map(|policy| policy.digest()));

    let later = case.house.commit(&[("README", "x")], &case.house.bob);
    let again = case.house.verified(&case.root, Some(verified.state()), &later);
    assert_eq!(again.provenance(&www).approvals, approvals);
}

#[test]
fn every_field_of_a_statement_is_rebuilt_and_compared() {
    let case = Case::new();
    let good = &case.statement;
    let other = Digest::of(b"other");
    let foreign = [
        Statement { url: "ssh://git@git.example.com/other.git".into(), ..good.clone() },
        Statement { ref_name: "refs/heads/next".into(), ..good.clone() },
        Statement { list: other.clone(), ..good.clone() },
        Statement { previous: other.clone(), ..good.clone() },
        Statement { previous: good.list.clone(), ..good.clone() },
        Statement { policy: other, ..good.clone() },
    ];
    // The list's folder stays where the verifier looks.
    for statement in &foreign {
        let text = statement.to_text();
        let found = case.with(&[("statement", &text), ("bob.minisig", &case.bob.sign(&text, &[]))]);
        assert_eq!(found, ["P04-threshold", "A01-replay"], "{text}");
    }
}

#[test]
fn a_statement_has_one_text_only() {
    let case = Case::new();
    let good = case.statement.to_text();
    let texts = [
        format!("{good}\n"),
        good.trim_end().to_owned(),
        good.replace('\n', "\r\n"),
        good.replace("approval 1", "approval 2"),
        good.replace("00:00Z", "00:00+00:00"),
        good.replace("list sha256", "list  sha256"),
        format!("note x\n{good}"),
        String::new(),
    ];
    for text in texts {
        let found = case.with(&[("statement", &text), ("bob.minisig", &case.bob.sign(&text, &[]))]);
        assert_eq!(found, ["P04-threshold", "A01-replay"], "{text}");
    }
}

#[test]
fn an_expired_approval_is_named_and_may_be_renewed() {
    let case = Case::new();
    let expired = Statement { expires: NOW, ..case.statement.clone() };
    assert_eq!(case.stated(&expired), ["P04-threshold", "A05-expired"]);
}

#[test]
fn a_legacy_signature_is_refused() {
    let case = Case::new();
    let text = case.statement.to_text();
    let found = case.with(&[("statement", &text), ("bob.minisig", &case.bob.sign(&text, &["-l"]))]);
    assert_eq!(found, ["P04-threshold", "A03-legacy"]);
}

#[test]
fn a_key_counts_for_the_person_it_belongs_to() {
    let case = Case::new();
    let text = case.statement.to_text();
    let by_bob = case.bob.sign(&text, &[]);
    let stranger = Approver::new().sign(&text, &[]);
    assert_eq!(case.with(&[("statement", &text), ("eve.minisig", &by_bob)]), ["P04-threshold", "A04-count"]);
    assert_eq!(case.with(&[("statement", &text), ("bob.minisig", &stranger)]), ["P04-threshold", "A02-untrusted"]);
    assert_eq!(case.with(&[("statement", &text), ("ann.minisig", &stranger)]), ["P04-threshold", "A02-untrusted"]);
    assert_eq!(case.with(&[("statement", &text), ("eve.minisig", &case.eve.sign(&text, &[]))]), [""; 0]);
}

#[test]
fn a_person_counts_once_for_commit_and_approval() {
    let case = Case::new();
    let house = House::new();
    house.commit(&[("domains.yaml", &list(&["www"]))], &house.bob);
    let head = house.commit(&borrowed(&signed(&case.statement, "bob", &case.bob, &[])), &house.bob);
    let root = TrustRoot { policy: case.root.policy, ..house.root() };
    assert_eq!(rules(&house.judge(&root, None, &head)), ["P04-threshold"]);
}

#[test]
fn an_approval_is_exactly_four_lines() {
    let case = Case::new();
    let text = case.statement.to_text();
    let good = case.bob.sign(&text, &[]);
    let fifth = format!("{good}more\n");
    let comment = good.replace("trusted comment: t", "trusted comment: T");
    let short = good.lines().take(2).collect::<Vec<_>>().join("\n");
    let long = good.replacen("untrusted comment: ", &format!("untrusted comment: {}", "x".repeat(1024)), 1);
    for bad in [fifth, comment, short, long, String::new()] {
        let found = case.with(&[("statement", &text), ("bob.minisig", &bad)]);
        assert_eq!(found, ["P04-threshold", "A02-untrusted"], "{bad}");
    }
}

#[test]
fn no_flipped_byte_of_an_approval_is_accepted_but_in_its_free_comment() {
    let case = Case::new();
    let text = case.statement.to_text();
    let good = case.bob.sign(&text, &[]);
    let policy = case.root.policy.as_ref().unwrap();
    let start = good.find('\n').unwrap();
    let accepted = |bytes: Vec<u8>| {
        let text_ok = String::from_utf8(bytes);
        text_ok.is_ok_and(|flipped| {
            trust::approval::check_signature(policy, "bob.minisig", &flipped, text.as_bytes()).is_ok()
        })
    };
    let flips = (start..good.len()).map(|at| {
        let mut bytes = good.clone().into_bytes();
        bytes[at] ^= 1;
        (at, bytes)
    });
    let taken: Vec<_> = flips.filter(|(_, bytes)| accepted(bytes.clone())).map(|(at, _)| at).collect();
    assert_eq!(taken, [0usize; 0]);
    assert!(accepted(good.into_bytes()));
}

#[test]
fn a_tampered_statement_loses_its_approvals() {
    let case = Case::new();
    let signed = case.statement.to_text();
    let longer = Statement { expires: NOW + Duration::days(70), ..case.statement.clone() }.to_text();
    let found = case.with(&[("statement", &longer), ("bob.minisig", &case.bob.sign(&signed, &[]))]);
    assert_eq!(found, ["P04-threshold", "A02-untrusted"]);
}

#[test]
fn an_approval_without_its_statement_is_refused() {
    let case = Case::new();
    let signature = case.bob.sign(&case.statement.to_text(), &[]);
    assert_eq!(case.with(&[("bob.minisig", &signature)]), ["P04-threshold", "A01-replay"]);
}

#[test]
fn an_approval_of_an_earlier_list_does_not_cover_what_came_after() {
    let case = Case::new();
    case.house.commit(&[("domains.yaml", &list(&["www", "more"]))], &case.house.ann);
    let head = || case.stated(&case.statement);
    // `www` is covered by the approval of the list it came with, `more` is not.
    assert_eq!(head(), ["P04-threshold"]);
}

#[test]
fn an_approval_of_the_whole_change_covers_every_commit_of_it() {
    let case = Case::new();
    let both = list(&["www", "more"]);
    case.house.commit(&[("domains.yaml", &both)], &case.house.ann);
    let whole = Case { statement: Statement { list: Digest::of(both.as_bytes()), ..case.statement.clone() }, ..case };
    assert_eq!(whole.stated(&whole.statement), [""; 0]);
}

#[test]
fn an_approval_from_before_a_removal_does_not_bring_a_name_back() {
    let case = Case::new();
    case.house.commit(&[("domains.yaml", EMPTY)], &case.house.ann);
    let again = list(&["www"]).replace("version", "# again\nversion");
    case.house.commit(&[("domains.yaml", &again)], &case.house.ann);
    assert_eq!(case.stated(&case.statement), ["P04-threshold"]);
}

#[test]
fn an_approval_that_was_used_does_not_count_when_the_same_change_is_made_again() {
    let case = Case::new();
    let www = list(&["www"]);
    // The same key and comments make the same signature, so this is the file that stands in the history.
    let added = case.changed(EMPTY, &www, &["-t", "first"]);
    let state = case.house.verified(&case.root, None, &added).state().clone();
    let removed = case.changed(&www, EMPTY, &["-t", "first"]);
    let state = case.house.verified(&case.root, Some(&state), &removed).state().clone();
    for disguise in [vec!["-t", "first"], vec!["-t", "first", "-c", "another first line"]] {
        let again = case.changed(EMPTY, &www, &disguise);
        let refused = case.house.refused(&case.root, Some(&state), &again);
        assert_eq!(rules(&Verdict::Refused(refused.clone().into())), ["P04-threshold", "A01-replay"]);
        assert!(refused.missing_approvals_only);
    }
    let approved = case.changed(EMPTY, &www, &["-t", "second"]);
    assert_eq!(names(&case.house.verified(&case.root, Some(&state), &approved)), ["www"]);
}

#[test]
fn an_approval_that_was_used_beside_a_later_list_does_not_count_again_either() {
    let case = Case::new();
    let (www, both) = (list(&["www"]), list(&["www", "more"]));
    let first = case.approval(EMPTY, &www, &["-t", "first"]);
    let added = case.commit(&both, &[first.clone(), case.approval(&www, &both, &[])]);
    let state = case.house.verified(&case.root, None, &added).state().clone();
    let removed = case.changed(&both, EMPTY, &[]);
    let state = case.house.verified(&case.root, Some(&state), &removed).state().clone();
    let again = case.commit(&www, &[first]);
    assert_eq!(rules(&case.house.judge(&case.root, Some(&state), &again)), ["P04-threshold", "A01-replay"]);
}

#[test]
fn an_approval_may_be_merged_before_its_change() {
    let case = Case::new();
    let house = &case.house;
    let early = case.approval(EMPTY, &list(&["www"]), &[]);
    let merged = house.on(&[&house.introduction], &borrowed(&early), &house.ann);
    let state = house.verified(&case.root, None, &merged).state().clone();
    let head = house.on(&[&merged], &[("domains.yaml", &list(&["www"]))], &house.ann);
    assert_eq!(names(&house.verified(&case.root, Some(&state), &head)), ["www"]);
}

#[test]
fn an_approval_of_the_list_as_it_was_is_no_mistake_of_a_later_change() {
    let case = Case::new();
    let approved = case.changed(EMPTY, &list(&["www"]), &[]);
    let state = case.house.verified(&case.root, None, &approved).state().clone();
    let head = case.house.commit(&[("hooks/after-issue", "#!/bin/sh\n")], &case.house.ann);
    assert_eq!(rules(&case.house.judge(&case.root, Some(&state), &head)), ["P05-scope"]);
}

#[test]
fn a_name_of_a_revoked_key_is_good_again_when_it_is_approved() {
    let case = Case::new();
    let head = case.house.repo.head().unwrap();
    let state = case.house.verified(&case.house.root(), None, &head).state().clone();
    let root = TrustRoot { revoked: [case.house.ann.fingerprint()].into(), ..case.root.clone() };
    assert_eq!(rules(&case.house.judge(&root, Some(&state), &head)), ["S08-revoked"]);

    let approval = signed(&case.statement, "eve", &case.eve, &[]);
    let head = case.house.commit(&borrowed(&approval), &case.house.bob);
    assert_eq!(names(&case.house.verified(&root, Some(&state), &head)), ["www"]);
}
