//! Every rule of trust as `verify` shows that it is broken, word for word.

use countersign::report::refused;
use countersign::report::terminal::{self, Paint};
use countersign::trust::RuleId;
use countersign::trust::approval::Statement;

use super::approvals::{Approver, Case};
use super::certificates::Authority;
use super::policy::{ONE, TEAMS, TWO, entries};
use super::*;

/// What `verify` says of refused heads, each below its cause.
#[derive(Default)]
struct Told {
    text: String,
    rules: BTreeSet<&'static str>,
}

impl Told {
    fn add(&mut self, cause: &str, rule: &str, verdict: &Verdict) {
        assert!(rules(verdict).contains(&rule), "{cause}: {:?}", rules(verdict));
        self.rules.extend(rules(verdict));
        let Verdict::Refused(refused) = verdict else { unreachable!("a rule is broken") };
        let fault = terminal::fault(&refused::fault(refused), Paint::Plain);
        self.text += &format!("## {cause}\n{}{fault}\n", refused::details(refused));
    }

    fn hold(self, name: &str, those: &[RuleId]) {
        let missing: Vec<_> =
            those.iter().map(|rule| rule.as_str()).filter(|rule| !self.rules.contains(rule)).collect();
        assert_eq!(missing, [""; 0]);
        snapshot::golden("trust", name, &self.text);
    }
}

fn www() -> [(&'static str, String); 1] {
    [("domains.yaml", list(&["www"]))]
}

/// A change of ann's with one thing in its bytes exchanged.
fn spoilt(house: &House, from: &str, to: &str) -> Verdict {
    let head = house.on(&[&house.introduction], &[("domains.yaml", &www()[0].1)], &house.ann);
    let raw = String::from_utf8(house.repo.read_raw(&head).unwrap()).unwrap();
    assert!(raw.contains(from), "{from}: {raw}");
    let head = house.repo.write_raw(raw.replacen(from, to, 1).as_bytes()).unwrap();
    house.judge(&house.root(), None, &head)
}

#[test]
fn rules_of_signatures() {
    let (house, mut told) = (House::new(), Told::default());
    let list = www()[0].1.clone();
    let by = |signer: Option<&Signer>| {
        let parents = std::slice::from_ref(&house.introduction);
        house.repo.commit_on(parents, &[("domains.yaml", &list)], "change", signer).unwrap()
    };
    let signed = by(Some(&house.ann));
    let judge = |root: &TrustRoot, head: &CommitId| house.judge(root, None, head);
    let lines = |text: &str| {
        let signers = AllowedSigners::parse(text, "allowed_signers").unwrap();
        TrustRoot { signers, ..house.root() }
    };
    let ann = house.ann.allowed_signers_line();
    told.add("nobody signed", "S01-unsigned", &judge(&house.root(), &by(None)));
    told.add("a stranger signed", "S02-unknown-key", &judge(&house.root(), &by(Some(&house.mallory))));
    told.add("the commit was changed", "S03-bad-signature", &spoilt(&house, "\nchange", "\nchanged"));
    let files = lines(&ann.replace("\"git\"", "\"file\""));
    told.add("the key signs files", "S05-namespace", &judge(&files, &signed));
    let revoked = TrustRoot { revoked: [house.ann.fingerprint()].into(), ..house.root() };
    told.add("the key is revoked", "S08-revoked", &judge(&revoked, &signed));
    let expired = lines(&ann.replace("\"git\"", "\"git\",valid-before=\"20260531Z\""));
    told.add("the key has expired", "S09-expired", &judge(&expired, &signed));
    let (untouched, line) = signatures::sign_with_security_key(&house, 0);
    told.add("nobody touched the security key", "S06-weak-key", &judge(&lines(&line), &untouched));
    let authority = Authority::new();
    let certified = authority.house.judge(&authority.house.root(), None, &authority.good());
    told.add("a certificate of nobody's authority", "S07-ca-cert", &certified);
    use RuleId as R;
    let those =
        [R::Unsigned, R::UnknownKey, R::BadSignature, R::Namespace, R::Revoked, R::Expired, R::WeakKey, R::Certificate];
    told.hold("signatures", &those);
}

#[test]
fn rules_of_commits() {
    let (house, mut told) = (House::new(), Told::default());
    let parent = format!("parent {}\n", house.introduction);
    let signature = "gpgsig -----BEGIN SSH SIGNATURE-----\n";
    let spoil = [
        ("the tree is not first", "G01-tree", "tree ", "Tree ".to_owned()),
        ("a NUL is in the message", "G02-nul", "\nchange", "\nch\0ange".to_owned()),
        ("a carriage return is in the message", "G03-cr", "\nchange", "\nchange\r".to_owned()),
        ("a header goes on", "G04-header", "\ncommitter", "\n more\ncommitter".to_owned()),
        ("the author has no time", "G05-identity", "author ann", "author <ann".to_owned()),
        ("a parent stands twice", "G06-parent", &parent, parent.repeat(2)),
        ("something stands before the signature", "G07-armor", signature, format!("gpgsig x\n {}", &signature[7..])),
        ("there are two signatures", "G12-two-signatures", signature, format!("gpgsig x\n{signature}")),
        ("there is another kind of signature", "G13-gpgsig-sha256", signature, format!("gpgsig-sha256 x\n{signature}")),
        ("there is a strange header", "G14-header-other", signature, format!("note x\n{signature}")),
    ];
    for (cause, rule, from, to) in &spoil {
        told.add(cause, rule, &spoilt(&house, from, to));
    }
    let line = |name: &str| house.on(&[&house.introduction], &[(name, "x")], &house.ann);
    let (one, two, three) = (line("README"), line("NEWS"), line("FACTS"));
    let octopus = house.on(&[&one, &two, &three], &[], &house.ann);
    told.add("a merge has three parents", "G10-octopus", &house.judge(&house.root(), None, &octopus));
    use RuleId as R;
    let those = [R::Tree, R::Nul, R::CarriageReturn, R::Header, R::Identity, R::Parent, R::Armor, R::Octopus];
    told.hold("commits", &[&those[..], &[R::TwoSignatures, R::SignatureSha256, R::OtherHeader]].concat());
}

#[test]
fn rules_of_history() {
    let (house, mut told) = (House::new(), Told::default());
    let older = house.commit(&[("domains.yaml", &list(&["one"]))], &house.ann);
    let last = house.commit(&[("domains.yaml", &list(&["two"]))], &house.ann);
    let state = house.verified(&house.root(), None, &last).state().clone();
    told.add("the head went back", "H01-rollback", &house.judge(&house.root(), Some(&state), &older));
    let sides = ["ours", "theirs"].map(|name| house.on(&[&last], &[("domains.yaml", &list(&[name]))], &house.ann));
    let merge = house.on(&[&sides[0], &sides[1]], &[("domains.yaml", &list(&["evil"]))], &house.ann);
    told.add("a merge adds something", "H04-evil-merge", &house.judge(&house.root(), None, &merge));
    let large = house.repo.commit(&[], &"m".repeat(64 * 1024), Some(&house.ann)).unwrap();
    told.add("a commit is too large", "H08-limits", &house.judge(&house.root(), None, &large));
    let sha256 = CommitId::parse(&"a".repeat(64)).unwrap();
    told.add("the ids are of another kind", "H07-object-format", &house.judge(&house.root(), None, &sha256));
    let edited = TrustState { list: Digest::of(b"other"), ..state };
    let edited = trust::last_verified(&house.root(), &edited, &house.store(), None).unwrap();
    told.add("the state is of another store", "X01-state", &edited);
    for (cause, rule, file) in [
        ("the history is cut", "H06-shallow", "shallow"),
        ("a graft shows another history", "H05-replace", "info/grafts"),
    ] {
        let house = House::new();
        std::fs::create_dir_all(house.dir.path().join("info")).unwrap();
        std::fs::write(house.dir.path().join(file), format!("{}\n", house.introduction)).unwrap();
        told.add(cause, rule, &house.judge(&house.root(), None, &house.introduction));
    }
    use RuleId as R;
    let those = [R::Rollback, R::EvilMerge, R::Limits, R::ObjectFormat, R::ListChanged, R::Shallow, R::Replace];
    told.hold("history", &those);
}

#[test]
fn rules_of_content() {
    let mut told = Told::default();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
    for (cause, rule, path, content) in [
        ("the list is a link", "C02-mode", "domains.yaml", Some(("/etc/passwd", 0o120000))),
        ("the list stands elsewhere", "C03-filters", "domains.yaml", Some((pointer, 0o100644))),
        ("a twin of the list is there", "C04-path", "Domains.yaml", Some((EMPTY, 0o100644))),
        ("the list is gone", "C13-no-list", "domains.yaml", None),
        (
            "the list has an error",
            "C14-invalid-list",
            "domains.yaml",
            Some(("version: 1\ncertificates: [{name: www}]\n", 0o100644)),
        ),
    ] {
        let house = House::new();
        let tree = house.repo.tree_with(&house.introduction, path, content).unwrap();
        let parents = [house.introduction.clone()];
        let head = house.repo.commit_tree(tree, &parents, "change", Some(&house.ann)).unwrap();
        told.add(cause, rule, &house.judge(&house.root(), None, &head));
    }
    use RuleId as R;
    told.hold("content", &[R::Mode, R::Filters, R::Path, R::NoList, R::InvalidList]);
}

#[test]
fn rules_of_the_policy() {
    let mut told = Told::default();
    let house = policy::house();
    let head = house.commit(&[("domains.yaml", &entries(&[ONE]))], &house.ann);
    told.add("the name is another team's", "P05-scope", &house.judge(&house.ruled(TEAMS), None, &head));
    let both = format!("{TEAMS}- {{id: extra, names: [x.a.example.com], by: [bob]}}\n");
    let changed = entries(&[&format!("{ONE}, key: rsa-2048"), TWO]);
    let head = house.on(&[&house.introduction], &[("domains.yaml", &changed)], &house.ann);
    told.add("another rule matches too", "P06-and-not-or", &house.judge(&house.ruled(&both), None, &head));
    let merger = "rules: []\nmergers: [forge@example.com]";
    let forge = Signer::generate("forge@example.com");
    let root = TrustRoot { signers: signers(&[&house.ann, &house.bob, &forge]), ..house.root() };
    let people = "{ann: {signs: [ann@example.com]}}";
    let policy =
        Policy::parse(&format!("version: 1\npeople: {people}\n{merger}\n"), "policy.yaml", &root.signers).unwrap();
    let head = house.on(&[&house.introduction], &[("README", "x")], &forge);
    let root = TrustRoot { policy: Some(policy), ..root };
    told.add("a merger commits", "S11-forge-key", &house.judge(&root, None, &head));
    use RuleId as R;
    told.hold("policy", &[R::Scope, R::EveryRule, R::ForgeKey]);
}

#[test]
fn rules_of_approvals() {
    let (case, mut told) = (Case::new(), Told::default());
    let good = &case.statement;
    let text = good.to_text();
    let sign = |statement: &str| case.bob.sign(statement, &[]);
    told.add("nobody approved", "P04-threshold", &case.judged(&[]));
    let other = Statement { url: "ssh://git@git.example.com/other.git".into(), ..good.clone() }.to_text();
    told.add(
        "another repository was approved",
        "A01-replay",
        &case.judged(&[("statement", &other), ("bob.minisig", &sign(&other))]),
    );
    let stranger = Approver::new().sign(&text, &[]);
    told.add("a stranger approved", "A02-untrusted", &case.judged(&[("statement", &text), ("bob.minisig", &stranger)]));
    let legacy = case.bob.sign(&text, &["-l"]);
    told.add(
        "it was signed in the old way",
        "A03-legacy",
        &case.judged(&[("statement", &text), ("bob.minisig", &legacy)]),
    );
    told.add(
        "it stands under another name",
        "A04-count",
        &case.judged(&[("statement", &text), ("eve.minisig", &sign(&text))]),
    );
    let late = Statement { expires: NOW, ..good.clone() }.to_text();
    told.add("it has expired", "A05-expired", &case.judged(&[("statement", &late), ("bob.minisig", &sign(&late))]));
    use RuleId as R;
    told.hold("approvals", &[R::Threshold, R::Replay, R::Untrusted, R::Legacy, R::Count, R::ApprovalExpired]);
}
