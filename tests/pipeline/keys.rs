//! Where keys come from: new, reused, given by the runner.

use std::os::unix::fs::PermissionsExt;

use countersign::failpoint::VARIABLE;
use rcgen::{KeyPair, PKCS_ECDSA_P384_SHA384, PublicKeyData};

use super::rig::{Lab, Ran, csr, lineage};

const REUSED: [(&str, &str); 1] = [("www", "domains: [www.example.com], reuse_key: true")];
const GIVEN: [(&str, &str); 1] = [("www", "domains: [www.example.com], given_key: nginx")];
const COMPROMISED: [&str; 6] = ["apply", "--auto-approve", "--force", "www", "--reason", "keyCompromise"];

fn lab(list: &[(&str, &str)]) -> Lab {
    let lab = Lab::new();
    lab.write("countersign.yaml", &(lab.read("countersign.yaml") + "given_keys: {nginx: nginx.key}\n"));
    give(&lab);
    lab.list(list);
    lab
}

/// Puts a new key into the runner's file.
fn give(lab: &Lab) -> String {
    let key = KeyPair::generate().unwrap();
    lab.write("nginx.key", &key.serialize_pem());
    std::fs::set_permissions(lab.path("nginx.key"), PermissionsExt::from_mode(0o600)).unwrap();
    spki(&key)
}

fn spki(key: &KeyPair) -> String {
    countersign::name::Digest::of(&key.subject_public_key_info()).to_string()
}

/// The key of the live version, which is that of its certificate.
fn live_key(lab: &Lab) -> String {
    let key = spki(&KeyPair::from_pem(&lab.read("state/live/www/privkey.pem")).unwrap());
    let facts = lab.inventory().live.remove(&lineage("www")).unwrap().meta.facts;
    assert_eq!(facts.public_key.to_string(), key);
    key
}

fn renewed(lab: &Lab) -> Ran {
    lab.make_due("www");
    lab.done()
}

fn reasons(lab: &Lab) -> Vec<Option<u8>> {
    lab.sandbox.issued().into_iter().map(|one| one.revoked.map(|(_, reason)| reason)).collect()
}

#[test]
fn a_key_is_new_each_time_unless_the_list_says_that_it_is_reused() {
    let lab = lab(&[("www", "www.example.com")]);
    lab.done();
    let first = live_key(&lab);
    renewed(&lab);
    let second = live_key(&lab);
    assert_ne!(first, second);
    // From now on it stays, and that alone orders nothing.
    lab.list(&REUSED);
    lab.done();
    assert_eq!(lab.live("www"), Some(2));
    renewed(&lab);
    assert_eq!((lab.live("www"), live_key(&lab)), (Some(3), second));
}

#[test]
fn another_key_type_needs_another_key_also_if_it_is_reused() {
    let lab = lab(&REUSED);
    lab.done();
    lab.list(&[("www", "domains: [www.example.com], reuse_key: true, key: ecdsa-p384")]);
    lab.done();
    let first = live_key(&lab);
    renewed(&lab);
    assert_eq!((lab.live("www"), live_key(&lab)), (Some(3), first));
}

#[test]
fn a_compromised_key_is_not_reused_and_every_version_with_it_is_revoked() {
    let lab = lab(&REUSED);
    lab.done();
    renewed(&lab);
    let compromised = live_key(&lab);
    let ran = lab.run(&COMPROMISED);
    assert_eq!((ran.code, reasons(&lab)), (Some(0), vec![Some(1), Some(1), None]), "{ran:?}");
    let new = live_key(&lab);
    assert_ne!(new, compromised);
    assert_eq!(lab.published("www"), Some(3));
    renewed(&lab);
    assert_eq!(live_key(&lab), new);
}

#[test]
fn a_key_that_was_revoked_as_compromised_takes_its_other_versions_along_and_is_not_reused() {
    let lab = lab(&REUSED);
    lab.done();
    renewed(&lab);
    let compromised = live_key(&lab);
    // The live version has the key of the old one.
    let ran = lab.run(&["revoke", "www", "--version", "1", "--auto-approve", "--reason", "keyCompromise"]);
    assert_eq!((ran.code, reasons(&lab)), (Some(0), vec![Some(1), Some(1)]), "{ran:?}");
    lab.done();
    assert_ne!(live_key(&lab), compromised);
}

#[test]
fn a_crash_after_a_compromise_does_not_bring_the_key_back() {
    for place in ["after-intent", "after-order-journaled", "after-deploy", "before-revoke"] {
        let lab = lab(&REUSED);
        lab.done();
        let compromised = live_key(&lab);
        let ran = lab.run_with(&COMPROMISED, &[(VARIABLE, place)]);
        assert_eq!(ran.code, None, "{place} is not reached: {ran:?}");
        lab.done();
        assert_ne!(live_key(&lab), compromised, "{place}");
        assert_eq!(reasons(&lab), [Some(1), None], "{place}");
    }
}

#[test]
fn an_order_that_was_begun_with_a_reused_key_is_left_when_the_key_is_revoked() {
    let lab = lab(&REUSED);
    lab.done();
    let compromised = live_key(&lab);
    lab.make_due("www");
    let ran = lab.run_with(&["apply", "--auto-approve"], &[(VARIABLE, "after-order-journaled")]);
    assert_eq!(ran.code, None, "{ran:?}");
    lab.run(&["revoke", "www", "--auto-approve", "--reason", "keyCompromise"]);
    lab.done();
    assert_ne!(live_key(&lab), compromised);
}

#[test]
fn a_given_key_is_used_and_another_one_in_its_file_is_another_certificate() {
    let lab = lab(&GIVEN);
    let first = give(&lab);
    lab.done();
    assert_eq!((live_key(&lab), lab.published("www")), (first.clone(), Some(1)));
    renewed(&lab);
    assert_eq!(live_key(&lab), first);
    let second = give(&lab);
    let plan = lab.run(&["plan"]);
    assert!(plan.out.contains("another key is given as `nginx`"), "{plan:?}");
    lab.done();
    assert_eq!((lab.live("www"), live_key(&lab)), (Some(3), second));
    lab.done();
    assert_eq!(lab.live("www"), Some(3));
}

#[test]
fn an_order_for_a_key_that_was_replaced_meanwhile_is_not_gone_on_with() {
    let lab = lab(&GIVEN);
    let ran = lab.run_with(&["apply", "--auto-approve"], &[(VARIABLE, "after-order-journaled")]);
    assert_eq!(ran.code, None, "{ran:?}");
    let second = give(&lab);
    lab.done();
    assert_eq!((live_key(&lab), lab.sandbox.issued().len()), (second, 1));
}

#[test]
fn a_given_key_that_cannot_be_used_is_told_and_what_is_live_stays() {
    let lab = lab(&GIVEN);
    lab.done();
    let text = lab.read("nginx.key");
    let p384 = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap().serialize_pem();
    let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nhunter2\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let old = text.replace("KEY-----\n", "KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0A\n\n");
    let certificate = lab.read("state/live/www/cert.pem");
    let cases: [(&str, u32, &str); 8] = [
        (&text, 0o666, "may be written by others than its owner (mode 0666) [key:unusable]"),
        (&text, 0o640, "may be read by others than its owner (mode 0640) [key:unusable]"),
        ("-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n", 0o600, "[key:unusable]"),
        (&p384, 0o600, "is ecdsa-p384, the list says ecdsa-p256 [key:type]"),
        (locked, 0o600, "the private key has a passphrase [key:unusable]"),
        (&old, 0o600, "the private key has a passphrase [key:unusable]"),
        (&certificate, 0o600, "[key:unusable]"),
        ("", 0o600, "[key:unusable]"),
    ];
    for (text, mode, told) in cases {
        lab.write("nginx.key", text);
        std::fs::set_permissions(lab.path("nginx.key"), PermissionsExt::from_mode(mode)).unwrap();
        let ran = lab.apply();
        assert_eq!(ran.code, Some(3), "{ran:?}");
        assert!(ran.out.contains(told) && !format!("{ran:?}").contains("hunter2"), "{told}: {ran:?}");
        assert_eq!((lab.live("www"), lab.sandbox.issued().len()), (Some(1), 1));
    }
}

#[test]
fn a_given_key_may_stand_among_other_pem_and_behind_a_link_and_one_that_is_gone_is_told() {
    let lab = lab(&GIVEN);
    let key = give(&lab);
    let among = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n".to_owned();
    let among = among + &lab.read("ca-root.pem") + &lab.read("nginx.key");
    lab.write("nginx.key", &among);
    std::fs::rename(lab.path("nginx.key"), lab.path("elsewhere.key")).unwrap();
    std::os::unix::fs::symlink("elsewhere.key", lab.path("nginx.key")).unwrap();
    lab.done();
    assert_eq!(live_key(&lab), key);
    std::fs::remove_file(lab.path("elsewhere.key")).unwrap();
    let ran = lab.apply();
    assert!(ran.code == Some(3) && ran.out.contains("[key:unusable]"), "{ran:?}");
    assert_eq!((lab.live("www"), lab.count("newOrder")), (Some(1), 1));
}

#[test]
fn a_given_key_that_others_may_read_is_reported_with_how_to_close_it() {
    let lab = lab(&GIVEN);
    std::fs::set_permissions(lab.path("nginx.key"), PermissionsExt::from_mode(0o604)).unwrap();
    let ran = lab.apply();
    let verdict = ran.junit().case("certs.issue", "www").verdict.as_ref().unwrap();
    assert!(verdict.text.contains("chmod go-rwx") && lab.count("newOrder") == 0, "{ran:?}");
    std::fs::set_permissions(lab.path("nginx.key"), PermissionsExt::from_mode(0o600)).unwrap();
    lab.done();
}

#[test]
fn show_says_where_a_key_comes_from_that_is_not_a_new_one() {
    let cases = [
        ("www.example.com", "ecdsa-p256"),
        (REUSED[0].1, "ecdsa-p256, reused"),
        (GIVEN[0].1, "ecdsa-p256, given as `nginx`"),
    ];
    for (entry, told) in cases {
        let lab = lab(&[("www", entry)]);
        lab.done();
        let (_, said, _) = lab.ask(&["show", "www"]);
        let key = said.lines().find_map(|line| line.strip_prefix("  key ")).unwrap();
        assert_eq!(key.trim_start(), told);
    }
}

#[test]
fn a_given_key_that_is_compromised_is_refused_until_its_file_has_another() {
    let lab = lab(&GIVEN);
    lab.done();
    let ran = lab.run(&COMPROMISED);
    assert_eq!((ran.code, reasons(&lab)), (Some(4), vec![None]), "{ran:?}");
    assert!(ran.err.contains("key:compromised") && ran.err.contains("put a new key into the file"), "{ran:?}");
    let new = give(&lab);
    let ran = lab.run(&COMPROMISED);
    assert_eq!((ran.code, reasons(&lab), live_key(&lab)), (Some(0), vec![Some(1), None], new), "{ran:?}");
}

#[test]
fn a_given_key_that_was_revoked_as_compromised_is_not_ordered_again() {
    let lab = lab(&GIVEN);
    lab.done();
    lab.run(&["revoke", "www", "--auto-approve", "--reason", "keyCompromise"]);
    let ran = lab.apply();
    assert_eq!((ran.code, lab.sandbox.issued().len()), (Some(3), 1), "{ran:?}");
    assert!(ran.bad().iter().any(|bad| bad.contains("[key:compromised]")), "{ran:?}");
    give(&lab);
    lab.done();
    assert_eq!(reasons(&lab), [Some(1), None]);
}

/// The files of the live version that could hold a key.
fn key_files(lab: &Lab) -> bool {
    ["state/live/www/privkey.pem", "state/journal/www.key"].iter().any(|path| lab.path(path).exists())
}

fn facts(lab: &Lab) -> countersign::lineage::CertFacts {
    lab.inventory().live.remove(&lineage("www")).unwrap().meta.facts
}

#[test]
fn a_csr_is_sent_as_it_is_at_each_renewal_and_no_key_is_kept_or_published() {
    let lab = Lab::new();
    let (_, entry, key) = csr(&["www.example.com", "example.com"]);
    lab.list(&[("www", &entry)]);
    lab.done();
    renewed(&lab);
    assert_eq!(
        (lab.live("www"), lab.published("www"), facts(&lab).public_key.to_string()),
        (Some(2), Some(2), spki(&key))
    );
    assert!(!key_files(&lab));
    let published = lab.sandbox.keys(super::rig::BUCKET);
    assert!(published.iter().any(|key| key.ends_with("fullchain.pem")), "{published:?}");
    assert!(!published.iter().any(|key| key.ends_with("privkey.pem")), "{published:?}");
    assert_eq!(lab.run(&["plan", "--detailed-exitcode"]).code, Some(0));
    let (_, said, _) = lab.ask(&["show", "www"]);
    assert!(said.contains("ecdsa-p256, of the CSR "), "{said}");
    let (code, chain, _) = lab.ask(&["show", "www", "--chain"]);
    assert_eq!((code, chain), (Some(0), lab.read("state/live/www/fullchain.pem")));
}

#[test]
fn a_csr_for_another_key_is_another_certificate_and_the_same_key_again_is_not() {
    let lab = Lab::new();
    let [(_, one, _), (_, other, key)] = [(); 2].map(|()| csr(&["www.example.com"]));
    lab.list(&[("www", &one)]);
    lab.done();
    lab.list(&[("www", &other)]);
    let plan = lab.run(&["plan"]);
    assert!(plan.out.contains("the CSR has another key"), "{plan:?}");
    lab.done();
    assert_eq!((lab.live("www"), facts(&lab).public_key.to_string()), (Some(2), spki(&key)));
    // From now on the key is made here, and the bucket has it.
    lab.list(&[("www", "www.example.com")]);
    lab.done();
    assert_eq!((lab.live("www"), live_key(&lab) == spki(&key)), (Some(3), false));
    lab.done();
    assert_eq!(lab.live("www"), Some(3));
}

#[test]
fn an_order_for_a_csr_that_was_replaced_meanwhile_is_not_gone_on_with() {
    let lab = Lab::new();
    let [(_, one, _), (_, other, key)] = [(); 2].map(|()| csr(&["www.example.com"]));
    lab.list(&[("www", &one)]);
    let ran = lab.run_with(&["apply", "--auto-approve"], &[(VARIABLE, "after-order-journaled")]);
    assert_eq!(ran.code, None, "{ran:?}");
    lab.list(&[("www", &other)]);
    lab.done();
    assert_eq!((facts(&lab).public_key.to_string(), lab.sandbox.issued().len()), (spki(&key), 1));
}

#[test]
fn copies_of_an_earlier_key_do_not_stay_beside_the_certificate_for_a_csr() {
    let lab = Lab::new();
    let flat = "flat: true, layouts: [haproxy]";
    lab.write("countersign.yaml", &lab.read("countersign.yaml").replace("flat: true", flat));
    let mirrored = |entry: &str| format!("{entry}, publish: [mirror]");
    lab.list(&[("www", &mirrored("domains: [www.example.com]"))]);
    lab.done();
    let copy = |name: &str| lab.sandbox.object("mirror", &format!("m/www/{name}")).unwrap().body.len();
    assert!(copy("privkey.pem") > 0 && copy("combined.pem") > 0);
    lab.list(&[("www", &mirrored(&csr(&["www.example.com"]).1))]);
    lab.done();
    assert_eq!([copy("privkey.pem"), copy("combined.pem")], [0, 0]);
    assert_eq!(copy("fullchain.pem"), lab.read("state/live/www/fullchain.pem").len());
    assert_eq!(lab.run(&["plan", "--detailed-exitcode"]).code, Some(0));
}

#[test]
fn a_key_that_is_not_here_is_revoked_by_the_account_and_must_be_replaced_in_the_list() {
    let lab = Lab::new();
    lab.list(&[("www", &csr(&["www.example.com"]).1)]);
    lab.done();
    let ran = lab.run(&COMPROMISED);
    assert_eq!((ran.code, reasons(&lab)), (Some(4), vec![None]), "{ran:?}");
    assert!(ran.err.contains("key:compromised") && ran.err.contains("put its CSR into the list"), "{ran:?}");
    let revoke = ["revoke", "www", "--auto-approve", "--reason", "keyCompromise"];
    let ran = lab.run(&[&revoke[..], &["--by", "certificate-key"]].concat());
    assert_eq!((ran.code, reasons(&lab)), (Some(1), vec![None]), "{ran:?}");
    assert!(ran.err.contains("revoke:no-key") && ran.err.contains("--by account-key"), "{ran:?}");
    let ran = lab.run(&revoke);
    assert_eq!((ran.code, reasons(&lab)), (Some(0), vec![Some(1)]), "{ran:?}");
    assert_eq!(lab.apply().code, Some(3));
    lab.list(&[("www", &csr(&["www.example.com"]).1)]);
    lab.done();
    assert_eq!(reasons(&lab), [Some(1), None]);
}

#[test]
fn no_placeholder_stands_in_for_a_key_that_is_not_here() {
    let lab = Lab::new();
    lab.sandbox.faults().script("newOrder", 50, countersign::sandbox::Mishap::Unreached);
    lab.list(&[("www", "www.example.com")]);
    lab.apply();
    assert!(lab.path("state/live/www").exists());
    lab.list(&[("www", &csr(&["www.example.com"]).1)]);
    lab.apply();
    assert!(!lab.path("state/live/www").exists());
}
