//! What each fuzz target does with its bytes. `tests/fuzz.rs` replays the corpus through the same functions.
//!
//! A target fails by a panic: in the program, or because something that must hold for all input does not.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign::diag::{SourceFile, render};
use countersign::list::parse::parse;
use countersign::trust::approval::Statement;
use countersign::trust::sshsig::SshSignature;
use countersign::trust::{AllowedSigners, Policy, commit};
use gix::objs::{CommitRef, CommitRefIter};

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
