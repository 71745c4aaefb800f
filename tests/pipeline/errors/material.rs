//! What the runner brings along for a list: certificates of others, keys, programs.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use countersign::sandbox::repo::Signer;
use rcgen::{KeyPair, PKCS_ECDSA_P384_SHA384};

use super::super::rig::csr;
use super::Errors;
use crate::issuer::{Issuer, Made};

fn provide(errors: &Errors, made: &Made) {
    errors.lab.write("shop.crt", &made.fullchain());
    errors.lab.write("shop.key", &made.key);
}

#[test]
fn of_certificates_that_are_provided() {
    let mut errors = Errors::new();
    let issuer = Issuer::new();
    let shop = ["shop.example.com"];
    errors.lab.list(&[("shop", "domains: [shop.example.com], provided: shop")]);
    errors.apply("the runner knows no such word");
    errors.also("provided: {shop: {cert: shop.crt, key: shop.key}}");
    errors.apply("the files are not there");
    provide(&errors, &issuer.issue(&["www.example.com"]));
    errors.apply("the certificate is for another name");
    provide(&errors, &issuer.issue_for(&KeyPair::generate().unwrap(), &shop, -100));
    errors.apply("the certificate has ended");
    provide(&errors, &issuer.issue(&shop));
    errors.lab.write("shop.key", &issuer.issue(&shop).key);
    errors.apply("the key is of another certificate");
    let mut placeholder = rcgen::CertificateParams::new(vec!["shop.example.com".to_owned()]).unwrap();
    placeholder.distinguished_name = rcgen::DistinguishedName::new();
    placeholder.distinguished_name.push(rcgen::DnType::CommonName, countersign::lineage::foreign::PLACEHOLDER);
    let key = KeyPair::generate().unwrap();
    let cert = placeholder.self_signed(&key).unwrap().pem().replace("\r\n", "\n");
    provide(&errors, &Made { key: key.serialize_pem(), cert, chain: String::new() });
    errors.apply("it is a placeholder");
    errors.hold("provided");
}

#[test]
fn of_keys_that_are_given() {
    let mut errors = Errors::new();
    errors.lab.list(&[("www", "domains: [www.example.com], given_key: nginx")]);
    errors.apply("the runner knows no such word");
    errors.also("given_keys: {nginx: nginx.key}");
    errors.apply("the file is not there");
    errors.lab.write("nginx.key", &KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap().serialize_pem());
    errors.apply("the key is of another type");
    fs::set_permissions(errors.lab.path("nginx.key"), fs::Permissions::from_mode(0o644)).unwrap();
    errors.apply("others may read it");
    fs::set_permissions(errors.lab.path("nginx.key"), fs::Permissions::from_mode(0o666)).unwrap();
    errors.apply("others may write it");
    errors.lab.write("nginx.key", &KeyPair::generate().unwrap().serialize_pem());
    errors.lab.done();
    errors.ask("it is compromised", &["apply", "--auto-approve", "--force", "www", "--reason", "keyCompromise"]);
    let (_, listed, _) = csr(&["www.example.com"]);
    errors.lab.list(&[("www", &listed)]);
    errors.lab.done();
    errors.ask("it is not here", &["revoke", "www", "--auto-approve", "--by", "certificate-key"]);
    errors.hold("given");
}

/// Puts a script below `hooks/`, signed by somebody.
fn script(errors: &Errors, text: &str, mode: i32, signer: &Signer) {
    let head = errors.lab.repo.head().unwrap();
    let tree = errors.lab.repo.tree_with(&head, "hooks/after-issue", Some((text, mode))).unwrap();
    let commit = errors.lab.repo.commit_tree(tree, &[head], "Change a hook", Some(signer)).unwrap();
    errors.lab.repo.set_head(&commit).unwrap();
}

#[test]
fn of_programs() {
    let mut errors = Errors::new();
    errors.lab.list(&[("api", "api.example.com"), ("www", "www.example.com")]);
    errors.also("hooks: {after_issue: [[/bin/sleep, \"60\"], [/bin/false], [/nowhere/reload]], timeout: 1s}");
    errors.apply("a command hangs, one fails, one is not there");
    errors.lab.write("state/hooks.json", "{");
    errors.apply("what was told is forgotten");
    errors.as_before();
    errors.lab.write("hook", "https://");
    errors.also("notify: {webhook_file: hook, command: [/bin/false]}\nlimits: {min_lineages: 1}");
    errors.lab.list(&[]);
    errors.apply("nobody can be told");
    errors.hold("programs");
}

#[test]
fn of_scripts_of_the_repository() {
    let mut errors = Errors::new();
    let bob = Signer::generate("bob@example.com");
    errors.lab.write("allowed_signers", &(errors.lab.signer.allowed_signers_line() + &bob.allowed_signers_line()));
    errors.lab.list(&[("www", "www.example.com")]);
    errors.also("hooks: {from_repo: true}");
    script(&errors, "#!/bin/sh\n", 0o100644, &bob);
    errors.apply("the script may not be executed");
    script(&errors, &format!("#!/bin/sh\n{}", "#".repeat(1 << 20)), 0o100755, &bob);
    errors.apply("the script is too large");
    script(&errors, "#!/nowhere/sh\n", 0o100755, &bob);
    errors.apply("the script has no interpreter");
    let inside = errors.lab.path("state").display().to_string();
    errors.ask_with("scripts would be unpacked into the store", &["apply", "--auto-approve"], &[("TMPDIR", &inside)]);
    let revoked = format!("revoked: [\"{}\"], allowed_signers", bob.fingerprint());
    let config = errors.lab.read("countersign.yaml").replacen("allowed_signers", &revoked, 1);
    errors.lab.write("countersign.yaml", &config);
    errors.apply("who signed the script is revoked");
    errors.hold("scripts");
}
