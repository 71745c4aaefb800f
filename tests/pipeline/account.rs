//! The verb `account`, as an operator uses it.

use std::os::unix::fs::PermissionsExt;

use countersign::audit::Kind;
use countersign::failpoint::VARIABLE;
use countersign::sandbox::Mishap;

use super::rig::{BUCKET, Lab, Ran};

const ONE: [(&str, &str); 1] = [("www", "www.example.com")];

fn account(lab: &Lab, verb: &str, more: &[&str]) -> Ran {
    lab.run(&[&["account", verb, "--authority", "sandbox"], more].concat())
}

fn lab() -> Lab {
    let lab = Lab::new();
    lab.list(&ONE);
    lab
}

fn mode(lab: &Lab, name: &str) -> u32 {
    lab.path(name).symlink_metadata().unwrap().permissions().mode() & 0o7777
}

#[test]
fn an_account_is_registered_once_and_its_key_written_for_its_owner_alone() {
    let lab = lab();
    let ran = account(&lab, "register", &["--out", "account.pem"]);
    assert_eq!((ran.code, mode(&lab, "account.pem")), (Some(0), 0o600), "{ran:?}");
    assert_eq!(lab.read("account.pem"), lab.read("state/accounts/sandbox/key.pem"));
    assert!(ran.err.contains("/terms") && !(ran.out + &ran.err).contains("PRIVATE"), "the key is shown");
    let ran = account(&lab, "register", &["--out", "second.pem"]);
    assert!(ran.code == Some(1) && ran.err.contains("acme:account-exists"), "{ran:?}");
    assert!(!lab.path("second.pem").exists());
    assert_eq!(lab.count("newAccount"), 1);
    lab.done();
    assert_eq!(lab.count("newAccount"), 1);
    let records = lab.store().audit().unwrap();
    assert_eq!(records.of_kind(Kind::Account).count(), 1);
}

#[test]
fn a_file_is_never_overwritten_by_a_key() {
    let lab = lab();
    lab.write("account.pem", "precious");
    let ran = account(&lab, "register", &["--out", "account.pem"]);
    assert!(ran.code == Some(1) && ran.err.contains("run:file-exists"), "{ran:?}");
    assert_eq!((lab.read("account.pem"), lab.count("newAccount")), ("precious".into(), 0));
    assert!(!lab.path("state/accounts/sandbox/key.pem").exists());
}

#[test]
fn a_registration_that_was_cut_short_goes_on_with_the_same_key() {
    for place in ["after-account-key", "after-new-account"] {
        let lab = lab();
        let args = ["account", "register", "--authority", "sandbox", "--out", "account.pem"];
        assert_eq!(lab.run_with(&args, &[(VARIABLE, place)]).code, None, "{place}");
        let ran = lab.run(&args);
        assert_eq!(ran.code, Some(0), "{place}: {ran:?}");
        assert_eq!(lab.read("account.pem"), lab.read("state/accounts/sandbox/key.pem"));
        lab.done();
        let accounts: std::collections::BTreeSet<_> = lab.sandbox.issued().into_iter().map(|one| one.account).collect();
        assert!(accounts.len() == 1 && ran.out.contains(accounts.first().unwrap()), "{place}: {ran:?}");
    }
}

#[test]
fn an_account_is_taken_over_from_a_file_a_url_and_an_object() {
    let owner = lab();
    owner.done();
    let key = owner.read("state/accounts/sandbox/key.pem");
    owner.write("old.pem", &key);
    owner.sandbox.seed_object(BUCKET, "keys/account.pem", key.clone()).unwrap();
    let url = format!("file://{}", owner.path("old.pem").display());
    for from in ["old.pem", &url, &format!("s3://{BUCKET}/keys/account.pem")] {
        std::fs::remove_dir_all(owner.path("state/accounts/sandbox")).unwrap();
        let ran = account(&owner, "import", &[from]);
        assert_eq!(ran.code, Some(0), "{from}: {ran:?}");
        assert_eq!(account(&owner, "show", &[]).code, Some(0));
    }
    assert_eq!(owner.count("newAccount"), 1 + 3);
}

#[test]
fn a_key_that_cannot_be_read_is_told_and_not_shown() {
    let lab = lab();
    lab.write("odd.pem", "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n");
    for (from, told) in
        [("gone.pem", "gone.pem"), ("odd.pem", "neither RSA"), ("s3://pki-certs/gone", "no such object")]
    {
        let ran = account(&lab, "import", &[from]);
        assert!(ran.code == Some(1) && ran.err.contains(told) && !ran.err.contains("c2VjcmV0"), "{ran:?}");
    }
}

#[test]
fn the_accounts_are_shown_as_the_ca_sees_them() {
    let lab = lab();
    let ran = account(&lab, "show", &[]);
    assert!(ran.code == Some(0) && ran.out.contains("0 accounts"), "{ran:?}");
    lab.done();
    let ran = account(&lab, "show", &[]);
    assert!(ran.code == Some(0) && ran.out.contains("valid") && ran.out.contains("/acct/"), "{ran:?}");
}

#[test]
fn a_crash_at_any_place_of_a_key_change_leaves_an_account_that_orders() {
    for place in ["after-next-key", "after-key-change"] {
        for finisher in [&["apply", "--auto-approve"][..], &["account", "key-change", "--authority", "sandbox"]] {
            let lab = lab();
            account(&lab, "register", &[]);
            let old = lab.read("state/accounts/sandbox/key.pem");
            let args = ["account", "key-change", "--authority", "sandbox"];
            let ran = lab.run_with(&args, &[(VARIABLE, place)]);
            assert_eq!(ran.code, None, "{place} is not reached: {ran:?}");
            let next = lab.read("state/accounts/sandbox/next.pem");
            let ran = lab.run(finisher);
            assert_eq!(ran.code, Some(0), "{place}: {ran:?}");
            assert_eq!(lab.read("state/accounts/sandbox/key.pem"), next, "{place}");
            assert!(next != old && !lab.path("state/accounts/sandbox/next.pem").exists());
            assert_eq!(mode(&lab, "state/accounts/sandbox/key.pem"), 0o600);
            lab.done();
        }
    }
}

#[test]
fn a_crash_while_an_account_is_taken_over_is_gone_on_with() {
    let lab = lab();
    lab.done();
    lab.write("old.pem", &lab.read("state/accounts/sandbox/key.pem"));
    std::fs::remove_dir_all(lab.path("state/accounts/sandbox")).unwrap();
    let args = ["account", "import", "old.pem", "--authority", "sandbox"];
    assert_eq!(lab.run_with(&args, &[(VARIABLE, "after-import")]).code, None);
    let ran = lab.run(&args);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    lab.make_due("www");
    lab.done();
    assert_eq!(lab.sandbox.issued()[0].account, lab.sandbox.issued()[1].account);
}

#[test]
fn a_deactivated_account_is_forgotten_and_the_next_one_is_another() {
    let lab = lab();
    lab.done();
    assert_eq!(account(&lab, "deactivate", &[]).code, Some(64));
    let args = ["account", "deactivate", "--authority", "sandbox", "--auto-approve"];
    assert_eq!(lab.run_with(&args, &[(VARIABLE, "after-deactivate")]).code, None);
    let ran = lab.run(&args);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(!lab.path("state/accounts/sandbox/key.pem").exists());
    lab.make_due("www");
    lab.done();
    assert_ne!(lab.sandbox.issued()[0].account, lab.sandbox.issued()[1].account);
}

#[test]
fn an_authority_that_is_not_configured_is_named() {
    let lab = lab();
    for verb in ["register", "key-change", "show"] {
        let ran = lab.run(&["account", verb, "--authority", "nobody"]);
        assert!(ran.code == Some(1) && ran.err.contains("`nobody`"), "{ran:?}");
    }
}

#[test]
fn an_account_that_the_ca_does_not_want_stops_each_order_with_the_way_out() {
    let lab = lab();
    lab.done();
    lab.list(&[("api", "api.example.com"), ("www", "www.example.com")]);
    lab.sandbox.faults().script("newOrder", 1, Mishap::refused(403, "unauthorized"));
    let ran = lab.apply();
    assert_eq!(ran.code, Some(3));
    assert!(ran.err.contains("account show") || ran.out.contains("account show"), "{ran:?}");
}
