//! What `init` has to know: from flags, from a file, or asked for at a terminal.

use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};

use crate::cli::args::{Init as Args, InitAnswers};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::diag::{SourceFile, render};
use crate::fault::Fault;
use crate::report::Check;
use crate::yaml::{self, Fields, Findings};

/// All answers.
#[derive(Debug)]
pub struct Answered {
    pub url: String,
    pub host_key: String,
    pub signer: String,
    pub signing_key: PathBuf,
    /// The text of `signing_key`.
    pub public_key: String,
    pub contact: String,
    pub domain: String,
    /// Name and region.
    pub bucket: Option<(String, String)>,
}

type Answer = fn(&mut InitAnswers) -> &mut Option<String>;

/// Keys of the file of answers and names of the flags, with what is asked at a terminal.
const QUESTIONS: [(&str, &str, Answer); 8] = [
    ("url", "Where will the config repo be fetched from? (ssh://git@host/path)", |a| &mut a.url),
    (
        "host-key",
        "Fingerprint of that server's host key? (SHA256:…, from ssh-keyscan HOST | ssh-keygen -lf -)",
        |a| &mut a.host_key,
    ),
    ("signer", "Who signs changes of the list? (an e-mail address)", |a| &mut a.signer),
    ("signing-key", "Public key file of that person? (~/.ssh/id_ed25519.pub)", |a| &mut a.signing_key),
    ("contact", "Whom may the CA write to? (an e-mail address)", |a| &mut a.contact),
    ("domain", "The first domain to get a certificate for?", |a| &mut a.domain),
    ("bucket", "The S3 bucket to publish to? (empty for none)", |a| &mut a.bucket),
    ("region", "The region of that bucket? (empty for eu-west-1)", |a| &mut a.region),
];

/// Without a bucket nothing is published.
const OPTIONAL: [&str; 2] = ["bucket", "region"];

pub fn collect(args: &Args, output: &Output) -> Result<Answered, Failure> {
    let mut answers = args.given.clone();
    if let Some(file) = &args.answers {
        from_file(&mut answers, file)?;
    }
    let asks = std::io::stdin().is_terminal() && output.around.is_terminal;
    let mut missing = Vec::new();
    for (key, question, answer) in QUESTIONS {
        let needless = key == "region" && answers.bucket.as_deref().is_none_or(str::is_empty);
        let answer = answer(&mut answers);
        if answer.is_none() && asks && !needless {
            *answer = ask(question, output);
        }
        if answer.as_deref().is_none_or(str::is_empty) && !OPTIONAL.contains(&key) {
            missing.push(key);
        }
    }
    if missing.is_empty() { complete(answers) } else { Err(unanswered(&missing)) }
}

fn ask(question: &str, output: &Output) -> Option<String> {
    output.error(&format!("{question}\n> "));
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).ok()?;
    Some(line.trim().to_owned())
}

/// A mapping of the same keys. A flag beats it.
fn from_file(answers: &mut InitAnswers, path: &Path) -> Result<(), Failure> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| {
        Fault::new("init:answers", format!("failed to read the answers in {name}"))
            .caused_by(&error)
            .hint("name a YAML file that this user may read; the flags answer as well")
    })?;
    let file = SourceFile { path: name.clone(), bytes };
    let mut findings = Findings::new([name.as_str()]);
    let keys = QUESTIONS.map(|(key, ..)| key);
    if let Some(root) = yaml::read(&file, 0, &mut findings)
        && let Some(fields) = Fields::of(&root, "the answers", &keys, &mut findings)
    {
        for (key, _, answer) in QUESTIONS {
            if let Some(text) = fields.get(key).and_then(|node| node.text(&mut findings)) {
                answer(answers).get_or_insert_with(|| text.to_owned());
            }
        }
    }
    let found = findings.into_sorted();
    if found.is_empty() {
        return Ok(());
    }
    let mut fault = Fault::new("init:answers", format!("the answers in {name} cannot be read"));
    fault.causes = render::lines(&found);
    let fault =
        fault.hint("a line is `key: value`; the keys are the flags of `countersign init --help`, without the dashes");
    Err(Failure::new(Exit::Usage, Check::Completed, fault))
}

fn unanswered(missing: &[&str]) -> Failure {
    let flags: Vec<String> = missing.iter().map(|key| format!("--{key}")).collect();
    let text = format!("there is no terminal to ask at, and no answer to {}", flags.join(", "));
    let fault = Fault::new("init:unanswered", text)
        .hint("give the flags, or --answers FILE with a line `key: value` for each, without the dashes");
    Failure::new(Exit::Usage, Check::Completed, fault)
}

fn complete(answers: InitAnswers) -> Result<Answered, Failure> {
    let said = |answer: Option<String>| answer.unwrap_or_default();
    let signing_key = PathBuf::from(said(answers.signing_key));
    let signing_key = std::fs::canonicalize(&signing_key).unwrap_or(signing_key);
    let public_key = std::fs::read_to_string(&signing_key).map_err(|error| {
        let text = format!("failed to read the public key {}", signing_key.display());
        Fault::new("init:signing-key", text)
            .caused_by(&error)
            .hint("`ssh-keygen -t ed25519` makes a pair; the file ends in .pub")
    })?;
    if public_key.contains("PRIVATE KEY-----") {
        let text = format!("{} is a private key, and nothing of it was used", signing_key.display());
        let fault = Fault::new("init:signing-key", text).hint("give its public half: the file ends in .pub");
        return Err(Failure::new(Exit::Usage, Check::Completed, fault));
    }
    let region = Some(said(answers.region)).filter(|region| !region.is_empty());
    let bucket = Some(said(answers.bucket)).filter(|bucket| !bucket.is_empty());
    Ok(Answered {
        url: said(answers.url),
        host_key: said(answers.host_key),
        signer: said(answers.signer),
        signing_key,
        public_key,
        contact: said(answers.contact),
        domain: said(answers.domain),
        bucket: bucket.map(|bucket| (bucket, region.unwrap_or_else(|| "eu-west-1".into()))),
    })
}
