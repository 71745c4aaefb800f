//! What each fuzz target does with its bytes. `tests/fuzz.rs` replays the corpus through the same functions.
//!
//! A target fails by a panic: in the program, or because something that must hold for all input does not.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign::diag::{SourceFile, render};
use countersign::list::parse::parse;
use countersign::list::{Csr, Request};
use countersign::name::Identifier;
use countersign::trust::approval::Statement;
use countersign::trust::sshsig::SshSignature;
use countersign::trust::{AllowedSigners, Policy, commit};
use gix::objs::{CommitRef, CommitRefIter};
use rcgen::{KeyPair, PublicKeyData, SigningKey};

/// What strangers can send before anybody is known: the raw bytes of a commit.
pub fn commit(data: &[u8]) {
    let Ok(commit) = commit::parse(data) else {
        return;
    };
    let gix = CommitRef::from_bytes(data, gix::hash::Kind::Sha1).expect("gitoxide reads what the grammar accepts");
    assert_eq!(gix.tree().as_bytes(), commit.reading.tree.as_bytes());
    let parents: Vec<_> = gix.parents().collect();
    let ours: Vec<_> = commit.reading.parents.iter().map(|id| gix::ObjectId::Sha1(*id.as_bytes())).collect();
    assert_eq!(parents, ours);
    let signed = CommitRefIter::signature(data, gix::hash::Kind::Sha1).expect("gitoxide finds the end of the headers");
    let (theirs, payload) = match signed {
        Some((signature, payload)) => (Some(signature.to_string()), Some(payload.to_bstring().to_vec())),
        None => (None, None),
    };
    assert_eq!(commit.signature.as_deref().map(str::trim_end), theirs.as_deref().map(str::trim_end));
    assert!(payload.is_none_or(|payload| payload == commit.payload));
}

/// The signature in it, and the certificate in that: as text, and as the bytes that the text stands for.
pub fn sshsig(data: &[u8]) {
    let armored = std::str::from_utf8(data).ok().map(str::to_owned);
    for text in armored.into_iter().chain([armor(data)]) {
        let Ok(signature) = SshSignature::parse(&text) else {
            continue;
        };
        assert!(signature.verify(b"what nobody has signed").is_err());
        if let Some(certificate) = signature.certificate {
            assert_eq!(certificate.key, signature.key);
            assert!(certificate.lifetime() > 0 || !certificate.is_valid_at(0));
        }
    }
}

fn armor(data: &[u8]) -> String {
    let base64 = STANDARD.encode(data);
    let lines: Vec<_> = base64.as_bytes().chunks(70).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----", lines.join("\n"))
}

/// The runner's file of signers.
pub fn allowed_signers(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match AllowedSigners::parse(&text, "allowed_signers") {
        Ok(signers) => assert!(signers.iter().all(|(key, signer)| *key == signer.key.fingerprint())),
        Err(diagnostics) => assert!(!diagnostics.is_empty()),
    }
}

/// The list.
pub fn list(data: &[u8]) {
    let file = SourceFile { path: "domains.yaml".to_owned(), bytes: data.to_vec() };
    let parsed = parse(std::slice::from_ref(&file), None);
    assert_eq!(parsed.list.is_none(), parsed.diagnostics.iter().any(|diagnostic| diagnostic.is_error()));
    let shown = render::render(&parsed.diagnostics, &[file], false);
    assert!(!shown.contains('\u{1b}') && !shown.contains('\0'));
}

/// A request that the list holds: as text, as DER, and as subject and attributes that its own key has signed.
pub fn csr(data: &[u8]) {
    for text in [String::from_utf8_lossy(data).into_owned(), request(data), request(&signed(data))] {
        match Request::parse(&text) {
            Ok(Request { csr, alternative, common }) => {
                assert_eq!(Csr::try_from(String::from(csr.clone())).as_ref(), Ok(&csr));
                assert!(alternative.union(&common).all(|name| Identifier::parse(name.as_str()).as_ref() == Ok(name)));
            }
            Err(flaw) => assert!(!flaw.message.is_empty() && !flaw.hint.is_empty()),
        }
    }
}

fn request(der: &[u8]) -> String {
    format!("-----BEGIN CERTIFICATE REQUEST-----\n{}\n-----END CERTIFICATE REQUEST-----", STANDARD.encode(der))
}

/// The first byte says how many more are the subject, the rest are attributes.
fn signed(data: &[u8]) -> Vec<u8> {
    static KEY: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate().expect("a key can be made"));
    const ECDSA_WITH_SHA256: [u8; 12] = *b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02";
    let (length, rest) = data.split_first().unwrap_or((&0, data));
    let (subject, attributes) = rest.split_at(rest.len().min((*length).into()));
    let (subject, attributes) = (tlv(0x30, &[subject]), tlv(0xa0, &[attributes]));
    let info = tlv(0x30, &[&[2, 1, 0], &subject, &KEY.subject_public_key_info(), &attributes]);
    let signature = KEY.sign(&info).expect("a key signs");
    tlv(0x30, &[&info, &ECDSA_WITH_SHA256, &tlv(3, &[&[0], &signature])])
}

/// A value of DER.
fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let value = parts.concat();
    let length = value.len().to_be_bytes();
    let start = length.iter().position(|byte| *byte != 0).unwrap_or(length.len() - 1);
    let mut encoded = vec![tag];
    if value.len() >= 0x80 {
        encoded.push(0x80 | (length.len() - start) as u8);
    }
    encoded.extend(&length[start..]);
    encoded.extend(value);
    encoded
}

/// The runner's policy.
pub fn policy(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Err(diagnostics) = Policy::parse(&text, "policy.yaml", &AllowedSigners::default()) {
        assert!(!diagnostics.is_empty());
    }
}

/// What somebody else wrote for a person to approve.
pub fn statement(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Some((previous, expires)) = Statement::claims(&text) {
        let (url, ref_name) = ("ssh://git@git.example.com/domains.git".to_owned(), "refs/heads/main".to_owned());
        let (list, policy) = (previous.clone(), previous.clone());
        let rebuilt = Statement { url, ref_name, list, previous: previous.clone(), policy, expires }.to_text();
        assert_eq!(Statement::claims(&rebuilt).map(|(previous, _)| previous), Some(previous));
    }
}
