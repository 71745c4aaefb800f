//! `countersign approve`: what has to be signed, and minisign's command. It never sees a secret key.

use std::path::{Path, PathBuf};
use std::process::Command;

use git2::Repository;
use serde_json::json;
use time::OffsetDateTime;

use crate::cli::args::{Approve as Args, Global, Report};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, word};
use crate::cli::reports::{Ended, Reports, reported};
use crate::cli::validate::refuse_files_of_the_branch;
use crate::cli::{settings, source};
use crate::fault::{Fault, Retry};
use crate::list::List;
use crate::name::{CommitId, Digest};
use crate::report::Check;
use crate::report::terminal::plain;
use crate::source::BareStore;
use crate::store::write;
use crate::trust::approval::{self, Statement};
use crate::trust::{self, Policy, RuleId, TrustRoot};
use crate::yaml::duration;

pub fn run(global: &Global, args: &Args, output: &Output) -> Exit {
    reported("approve", &Report::default(), output, |reports| body(global, args, output, reports))
}

fn body(global: &Global, args: &Args, output: &Output, reports: &Reports) -> Result<Ended, Failure> {
    let config = settings::load(global)?;
    refuse_files_of_the_branch(global, &config, Path::new("."))?;
    let root = source::trust_root(&config)?;
    let Some(policy) = &root.policy else {
        return Err(Fault::new("trust:policy", "there is no policy, so no approval counts")
            .hint("name a policy under `trust.policy` in the configuration")
            .into());
    };
    let person = person(policy, args.person.as_deref())?;
    let checkout = Checkout::open()?;
    let asked = checkout.asked(&root, args)?;
    let folder = Statement::folder(&asked.list);
    let file = format!("{folder}/statement");
    let signature = format!("{folder}/{person}.minisig");
    refuse_links(&checkout.folder, &[&folder, &file, &signature])?;
    let statement = statement(&checkout.folder.join(&file), &root, policy, &asked, args, reports.now())?;
    save(&checkout.folder.join(&folder), &statement)?;
    let command = command(args.key.as_deref(), &file, &signature);
    output.text(&shown(&asked, &file, &statement));
    output.json(
        "approve",
        json!({"exit": 0, "person": person, "path": file, "statement": statement, "signature": signature,
            "command": command, "changes": asked.changes}),
    );
    if args.run {
        sign(&checkout.folder, &command)?;
        check(policy, &checkout.folder.join(&signature), &statement)?;
        return Ok(Ended::new(Exit::Done, format!("{person} approved in {signature}; commit it")));
    }
    output.text(&format!("\nSign it, then commit {folder}/:\n\n"));
    output.exactly(&format!("  {}\n\n", typed(&command)));
    Ok(Ended::new(Exit::Done, format!("{file} is there for {person} to sign")))
}

/// Who approves: a person of the policy with a key for approvals.
fn person(policy: &Policy, named: Option<&str>) -> Result<String, Failure> {
    let can: Vec<_> = policy.people().filter(|(_, person)| !person.approves.is_empty()).map(|(name, _)| name).collect();
    let text = match (named, &can[..]) {
        (Some(name), _) if can.contains(&name) => return Ok(name.to_owned()),
        (None, [name]) => return Ok((*name).to_owned()),
        (Some(name), _) => format!("`{name}` has no key for approvals in the policy"),
        (None, _) => "it is open who approves".to_owned(),
    };
    let hint = match can.is_empty() {
        true => "nobody has one yet: put a minisign key under `approves` of a person of the policy".to_owned(),
        false => format!("--person takes one of: {}", can.join(", ")),
    };
    let fault = Fault::new("trust:person", text).hint(hint);
    Err(Failure::new(Exit::Usage, Check::Completed, fault))
}

/// The repository around the current folder.
struct Checkout {
    repo: Repository,
    objects: BareStore,
    folder: PathBuf,
}

/// What is asked of the person: a change from one list to another.
struct Asked {
    list: Digest,
    previous: Digest,
    changes: Vec<String>,
}

impl Checkout {
    fn open() -> Result<Self, Failure> {
        crate::source::isolate();
        crate::source::Checkout::discover(Path::new("."))?;
        let broken = |error: git2::Error| {
            Failure::from(
                Fault::new("git:checkout", "the current folder is not in a checkout of the config repo")
                    .because(error.message())
                    .hint("run it in a clone that has the commit to approve"),
            )
        };
        let repo = Repository::discover(".").map_err(broken)?;
        let folder = repo.workdir().map(Path::to_owned);
        let folder = folder.ok_or_else(|| broken(git2::Error::from_str("the repository has no work tree")))?;
        let objects = BareStore::open(repo.commondir())?;
        Ok(Self { repo, objects, folder })
    }

    fn asked(&self, root: &TrustRoot, args: &Args) -> Result<Asked, Failure> {
        let head = self.commit(&args.head)?;
        let (list, after) = self.list(root, head)?.ok_or_else(|| {
            Fault::new("list:missing", format!("`{}` has no {}", args.head, root.list))
                .hint(
                    "name the commit that has it: `--head REF`; `repository.list` of the configuration names the file",
                )
                .retry(Retry::Never)
        })?;
        let before = match &args.base {
            Some(base) => self.list(root, self.commit(base)?)?,
            None => self.before(root, head, &list)?,
        };
        let Some((previous, before)) = before.filter(|(previous, _)| *previous != list) else {
            return Err(Fault::new("list:unchanged", "the list is the same as before, so there is nothing to approve")
                .hint("name the commit to compare with: `--base REF`")
                .into());
        };
        let (before, after) = (before.unwrap_or_default(), after.ok_or_else(invalid)?);
        Ok(Asked { list, previous, changes: trust::changes(&before, &after) })
    }

    /// The list where the head left the runner's branch, or else the one that the head's own line had before.
    fn before(&self, root: &TrustRoot, head: git2::Oid, list: &Digest) -> Result<Option<Listed>, Failure> {
        let branch = root.ref_name.strip_prefix("refs/heads/").unwrap_or(&root.ref_name);
        let upstream = self.repo.refname_to_id(&format!("refs/remotes/origin/{branch}"));
        let fork = upstream.and_then(|upstream| self.repo.merge_base(head, upstream));
        let mut next = Some(fork.unwrap_or(head));
        while let Some(commit) = next {
            match self.list(root, commit)? {
                Some(found) if found.0 == *list => {}
                other => return Ok(other),
            }
            next = self.repo.find_commit(commit).and_then(|commit| commit.parent_id(0)).ok();
        }
        Ok(None)
    }

    fn commit(&self, name: &str) -> Result<git2::Oid, Failure> {
        let found = self.repo.revparse_single(name).and_then(|object| object.peel_to_commit());
        found.map(|commit| commit.id()).map_err(|error| {
            let fault =
                Fault::new("git:ref", format!("`{name}` is not a commit of this checkout")).because(error.message());
            Failure::new(Exit::Usage, Check::Completed, fault.hint("give a branch, a tag or a commit id"))
        })
    }

    fn list(&self, root: &TrustRoot, commit: git2::Oid) -> Result<Option<Listed>, Failure> {
        let commit = CommitId::parse(&commit.to_string()).expect("git writes full ids");
        Ok(trust::list_at(&self.objects, &commit, &root.list)?)
    }
}

/// Digest, and the list itself if it has no errors.
type Listed = (Digest, Option<List>);

fn invalid() -> Failure {
    let fault = Fault::new("list:invalid", "the list has errors, so it cannot be approved");
    Failure::new(Exit::Refused, Check::ListValid, fault.hint("`countersign validate` shows them"))
}

/// The statement that others signed already if it still holds, or a new one.
fn statement(
    file: &Path,
    root: &TrustRoot,
    policy: &Policy,
    asked: &Asked,
    args: &Args,
    now: OffsetDateTime,
) -> Result<String, Failure> {
    let lasts = duration::parse(&args.expires).ok_or_else(|| {
        let fault = Fault::new("run:duration", format!("`{}` is not a duration", args.expires));
        Failure::new(Exit::Usage, Check::Completed, fault.hint("write a whole number and `m`, `h` or `d`"))
    })?;
    let with = |expires| Statement {
        url: root.url.clone(),
        ref_name: root.ref_name.clone(),
        list: asked.list.clone(),
        previous: asked.previous.clone(),
        policy: policy.digest().clone(),
        expires,
    };
    let there = std::fs::read_to_string(file).ok();
    let holds = |text: &String| {
        Statement::claims(text).is_some_and(|(_, expires)| expires > now && with(expires).to_text() == *text)
    };
    Ok(there.filter(holds).unwrap_or_else(|| with(now + lasts).to_text()))
}

/// A link that the branch brought along would have a file of the person overwritten, wherever it points.
fn refuse_links(checkout: &Path, paths: &[&str]) -> Result<(), Failure> {
    let is_link = |path: &&&str| checkout.join(path).is_symlink();
    let Some(link) = ["approvals"].iter().chain(paths).find(is_link) else {
        return Ok(());
    };
    let message = format!("`{link}` is a symbolic link, so an approval would be written to another place");
    let fault = Fault::new(RuleId::Mode.as_str(), message).retry(Retry::Never);
    let hint = "nobody needs such a link: ask who committed it, and do not approve before it is gone";
    Err(Failure::new(Exit::Refused, Check::ListValid, fault.hint(hint)))
}

fn save(folder: &Path, statement: &str) -> Result<(), Fault> {
    std::fs::create_dir_all(folder).map_err(|error| write::failed("make", folder, &error))?;
    write::file(&folder.join("statement"), statement.as_bytes(), 0o644)
}

fn command(key: Option<&Path>, file: &str, signature: &str) -> Vec<String> {
    let key = key.map(|key| key.display().to_string());
    let key = key.into_iter().flat_map(|key| ["-s".to_owned(), key]);
    let words = ["-m", file, "-x", signature].map(str::to_owned);
    ["minisign", "-S"].map(str::to_owned).into_iter().chain(key).chain(words).collect()
}

/// The command as it is typed: digests make it long, so each flag has a line of its own.
fn typed(command: &[String]) -> String {
    let words: Vec<String> = command.iter().map(|text| word(text)).collect();
    let (sign, flags) = words.split_at(2);
    flags.chunks(2).fold(sign.join(" "), |line, flag| format!("{line} \\\n    {}", flag.join(" ")))
}

fn shown(asked: &Asked, file: &str, statement: &str) -> String {
    const MOST: usize = 100;
    let mut text = String::from("This change:\n\n");
    for line in asked.changes.iter().take(MOST) {
        text += &format!("  {}\n", plain(line));
    }
    if asked.changes.len() > MOST {
        text += &format!("  and {} more\n", asked.changes.len() - MOST);
    }
    text + &format!("\n{file}:\n\n{}", statement.lines().map(|line| format!("  {line}\n")).collect::<String>())
}

/// minisign asks for the password itself.
fn sign(folder: &Path, command: &[String]) -> Result<(), Fault> {
    let failed = |why: String| {
        let fault = Fault::new("minisign:failed", "minisign did not sign").because(why).retry(Retry::Never);
        fault.hint("minisign has to be there with a key: `minisign -G` makes one, --key names it; or leave out --run and sign elsewhere")
    };
    let (program, words) = command.split_first().expect("a command has a program");
    let status = Command::new(program).args(words).current_dir(folder).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(failed(status.to_string())),
        Err(error) => Err(failed(error.to_string())),
    }
}

/// Whether what minisign wrote will count.
fn check(policy: &Policy, file: &Path, statement: &str) -> Result<(), Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| write::failed("read", file, &error))?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    approval::check_signature(policy, &name, &text, statement.as_bytes()).map(drop).map_err(|refusal| {
        let fault = Fault::new(refusal.rule.as_str(), refusal.message.clone()).retry(Retry::Never);
        let hint = "sign with the key whose public half stands under `approves` of that person: `--key PATH`";
        Failure::new(Exit::Refused, Check::SignerAllowed, fault.hint(hint))
    })
}
