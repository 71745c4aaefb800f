//! Accounts, and what only their holder may ask for.

use countersign::sandbox::Mishap;
use serde_json::json;

use super::super::rig::Lab;
use super::Page;

const WWW: [(&str, &str); 1] = [("www", "www.example.com")];

/// The directory of a CA that offers as little as RFC 8555 lets it.
fn little(lab: &Lab) -> Mishap {
    let url = |name: &str| lab.sandbox.directory_url().replace("/dir", name);
    let directory =
        json!({"newNonce": url("/new-nonce"), "newAccount": url("/new-account"), "newOrder": url("/new-order")});
    Mishap::Garbled(directory.to_string())
}

#[test]
fn what_is_wrong_with_an_account_is_told_with_what_to_do() {
    let lab = Lab::new();
    let mut page = Page::default();
    let account = |verb, more: &[&'static str]| [&["account", verb, "--authority", "sandbox"], more].concat();
    page.run(&lab, &["account", "show", "--authority", "nobody"]);
    page.run(&lab, &account("key-change", &[]));
    page.run(&lab, &account("deactivate", &["--auto-approve"]));
    page.run(&lab, &account("import", &["gone.pem"]));
    page.run(&lab, &account("import", &["s3://pki-certs"]));
    page.run(&lab, &account("import", &["s3://pki-certs/gone"]));
    lab.write("odd.pem", "hello\n");
    page.run(&lab, &account("import", &["odd.pem"]));
    lab.write("key.pem", &rcgen::KeyPair::generate().unwrap().serialize_pem());
    page.run(&lab, &account("import", &["key.pem"]));
    assert_eq!(lab.run(&account("register", &[])).code, Some(0));
    page.run(&lab, &account("register", &[]));
    lab.sandbox.faults().script("directory", 1, little(&lab));
    page.run(&lab, &account("key-change", &[]));
    lab.sandbox.faults().script("account", 1, Mishap::refused(403, "unauthorized"));
    page.run(&lab, &account("show", &[]));
    page.is("acme-account");
}

#[test]
fn what_keeps_a_certificate_from_being_revoked_is_told_with_what_to_do() {
    let lab = Lab::new();
    lab.list(&WWW);
    lab.done();
    let mut page = Page::default();
    let revoke = ["revoke", "www", "--reason", "superseded", "--auto-approve"];
    lab.sandbox.faults().script("directory", 1, little(&lab));
    page.run(&lab, &revoke);
    lab.sandbox.faults().script("revokeCert", 2, Mishap::refused(403, "unauthorized"));
    page.run(&lab, &[&revoke[..], &["--by", "account-key"]].concat());
    lab.write("odd.pem", "hello\n");
    lab.reconfigure("root: ca-root.pem", "root: odd.pem");
    page.run(&lab, &["plan"]);
    page.is("acme-revoke");
}
