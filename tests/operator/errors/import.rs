//! What other tools left, and what of it cannot be taken over.

use std::fs;
use std::os::unix::fs::symlink;

use rcgen::{KeyPair, PKCS_ECDSA_P521_SHA512};

use super::Errors;
use crate::Place;
use crate::golden::local;
use crate::issuer::{Issuer, Made};

const WWW: [&str; 1] = ["www.example.com"];

fn write(place: &Place, name: &str, made: &Made) {
    place.write(&format!("{name}.key"), &made.key);
    place.write(&format!("{name}.pem"), &made.fullchain());
}

#[test]
fn of_an_import_of_pem() {
    let (place, issuer) = (local(), Issuer::new());
    let mut errors = Errors::of(&place);
    let mut import = |cause: &str, name: &str, key: Option<&str>, chain: &str| {
        let key = key.map_or(vec![], |key| vec!["--key", key]);
        errors.ask(cause, &[&["import", "pem", "--name", name, "--chain", chain], &key[..]].concat());
    };
    write(&place, "good", &issuer.issue(&WWW));
    write(&place, "other", &issuer.issue(&WWW));
    let key = Some("good.key");
    import("there is no chain", "www", key, "none.pem");
    import("the name is none", "-", key, "good.pem");
    import("the key is of another certificate", "www", Some("other.key"), "good.pem");
    import("the key is none", "www", Some("good.pem"), "good.pem");
    place.write("locked.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n-----END ENCRYPTED PRIVATE KEY-----\n");
    import("the key has a passphrase", "www", Some("locked.key"), "good.pem");
    import("the chain is a key", "www", key, "good.key");
    place.write("cut.pem", &issuer.issue(&WWW).cert[..200]);
    import("the chain was cut", "www", None, "cut.pem");
    place.write("leaf.pem", &issuer.issue(&WWW).cert);
    import("the issuer is missing", "www", None, "leaf.pem");
    place.write("root.pem", &issuer.root());
    import("it is the certificate of a CA", "www", None, "root.pem");
    place.write("mixed.pem", &(issuer.issue(&WWW).cert + &Issuer::new().root()));
    import("the issuer is another one", "www", None, "mixed.pem");
    write(&place, "address", &issuer.issue(&["192.0.2.1"]));
    import("it is for an address", "www", None, "address.pem");
    write(&place, "ended", &issuer.issue_for(&KeyPair::generate().unwrap(), &WWW, -100));
    import("it has ended", "www", None, "ended.pem");
    let large = KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512).unwrap();
    place.write("large.pem", &issuer.issue_for(&large, &WWW, -1).fullchain());
    import("its key is of a rare kind", "www", None, "large.pem");
    let alone = rcgen::generate_simple_self_signed(["www.example.com".to_owned()]).unwrap();
    place.write("alone.pem", &alone.cert.pem().replace("\r\n", "\n"));
    import("it is self-signed", "www", None, "alone.pem");

    place.printed(&["import", "pem", "--name", "www", "--key", "good.key", "--chain", "good.pem"]);
    write(&place, "before", &issuer.issue_for(&KeyPair::generate().unwrap(), &WWW, -9));
    import("a later one was imported", "www", Some("before.key"), "before.pem");
    errors.hold("import-pem");
}

#[test]
fn of_an_import_of_a_tool() {
    let place = local();
    let mut errors = Errors::of(&place);
    fs::create_dir_all(place.path("tool/renewal")).unwrap();
    for kind in ["certbot", "acmetool", "acme-tiny"] {
        errors.ask("it is no folder", &["import", kind, "allowed_signers"]);
        errors.ask("there is nothing of the tool", &["import", kind, "tool"]);
    }
    place.write("tool/renewal/www.conf", "server = https://ca.example.com/\n");
    errors.ask("a lineage has no files", &["import", "certbot", "tool"]);
    fs::create_dir_all(place.path("tool/live/www")).unwrap();
    fs::create_dir_all(place.path("tool/conf")).unwrap();
    place.write("secret.pem", "elsewhere");
    symlink(place.path("secret.pem"), place.path("tool/live/www/privkey.pem")).unwrap();
    errors.ask("a link leads elsewhere", &["import", "certbot", "tool"]);
    place.write("tool/conf/target", "request: [\n");
    errors.ask("the settings of acmetool are broken", &["import", "acmetool", "tool"]);
    errors.ask("the response file is not there", &["import", "acmetool", "tool", "--response-file", "none"]);
    fs::remove_file(place.path("tool/conf/target")).unwrap();
    fs::write(place.path("tool/conf/target"), [0xff, 0xfe]).unwrap();
    errors.ask("the settings of acmetool are no text", &["import", "acmetool", "tool"]);
    errors.ask("the variable is not set", &["import", "letsencrypt-aws"]);
    place.write("aws.json", "{");
    errors.ask("the configuration is not JSON", &["import", "letsencrypt-aws", "aws.json"]);
    place.write("aws.json", "[]");
    errors.ask("the configuration is another JSON", &["import", "letsencrypt-aws", "aws.json"]);
    errors.hold("import-tool");
}
