//! A long signed history, and the walk over it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Instant;

use countersign::name::CommitId;
use countersign::sandbox::repo::{ConfigRepo, Signer};
use countersign::source::BareStore;
use countersign::trust::{self, AllowedSigners, ListPath, Require, TrustRoot, TrustState, Verdict};
use git2::{Oid, Repository, Signature, Time};
use serde_json::json;
use time::OffsetDateTime;

use crate::Outcome;

/// Commits that each change the list, half of them by another signer, in one pack as a fetch leaves it.
pub fn make(dir: &Path, commits: usize) -> Outcome {
    fs::create_dir_all(dir)?;
    let signers = ["ann@example.com", "bob@example.com"].map(Signer::generate);
    let introduction = ConfigRepo::init(dir)?.commit(&[("domains.yaml", &list(0))], "introduction", None)?;
    let repo = Repository::open_bare(dir)?;
    let odb = repo.odb()?;
    let pack = odb.add_new_mempack_backend(1000)?;
    let mut head = Oid::from_str(introduction.as_str())?;
    for at in 1..=commits {
        head = commit(&repo, head, &list(at), &signers[at % 2], 1_700_000_000 + i64::try_from(at)?)?;
    }
    let mut bytes = git2::Buf::new();
    pack.dump(&repo, &mut bytes)?;
    let mut writer = odb.packwriter()?;
    std::io::Write::write_all(&mut writer, &bytes)?;
    writer.commit()?;
    repo.reference("refs/heads/main", head, true, "")?;
    fs::write(dir.join("introduction"), introduction.as_str())?;
    fs::write(dir.join("allowed_signers"), signers.map(|signer| signer.allowed_signers_line()).concat())?;
    Ok(())
}

fn list(at: usize) -> String {
    let entry =
        |name: usize| format!("  - {{name: n{name}, domains: [n{name}.example.com, v{at}.n{name}.example.com]}}\n");
    format!("version: 1\ncertificates:\n{}", (0..10).map(entry).collect::<String>())
}

fn commit(repo: &Repository, parent: Oid, list: &str, signer: &Signer, seconds: i64) -> Result<Oid, git2::Error> {
    let blob = repo.blob(list.as_bytes())?;
    let mut builder = repo.treebuilder(None)?;
    builder.insert("domains.yaml", blob, 0o100644)?;
    let tree = repo.find_tree(builder.write()?)?;
    let person = Signature::new(signer.principal(), signer.principal(), &Time::new(seconds, 0))?;
    let parent = repo.find_commit(parent)?;
    let buffer = repo.commit_create_buffer(&person, &person, "Change the list", &tree, &[&parent])?;
    let signature = signer.sign("git", &buffer);
    let text = buffer.as_str()?;
    repo.commit_signed(text, &signature, Some("gpgsig"))
}

/// Verifies the whole history, then the same head once more with what the first time left.
pub fn walk(dir: &Path) -> Outcome {
    let signers = fs::read_to_string(dir.join("allowed_signers"))?;
    let root = TrustRoot {
        introduction: CommitId::parse(&fs::read_to_string(dir.join("introduction"))?)?,
        signers: AllowedSigners::parse(&signers, "allowed_signers").map_err(|_| "allowed_signers cannot be read")?,
        revoked: BTreeSet::new(),
        require: Require::All,
        ref_name: "refs/heads/main".to_owned(),
        list: ListPath::parse("domains.yaml")?,
        policy: None,
        url: "ssh://git@git.example.com/pki/domains.git".to_owned(),
    };
    let head = fs::read_to_string(dir.join("refs/heads/main"))?;
    let head = CommitId::parse(head.trim())?;
    let (first, state) = once(dir, &root, None, &head)?;
    let (again, _) = once(dir, &root, Some(&state), &head)?;
    println!("{}", json!({"all": first, "nothing_new": again}));
    Ok(())
}

fn once(
    dir: &Path,
    root: &TrustRoot,
    state: Option<&TrustState>,
    head: &CommitId,
) -> Result<(serde_json::Value, TrustState), Box<dyn std::error::Error + Send + Sync>> {
    let begun = Instant::now();
    let objects = BareStore::open(dir)?;
    match trust::verify(root, state, head, &objects, OffsetDateTime::now_utc(), None)? {
        Verdict::Verified(list) => {
            let took = json!({"commits": list.commits_walked(), "seconds": begun.elapsed().as_secs_f64()});
            Ok((took, list.state().clone()))
        }
        Verdict::Refused(refused) => Err(format!("refused: {:?}", refused.refusals.first()).into()),
    }
}
