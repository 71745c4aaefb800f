//! The texts that `init` writes.

use std::path::Path;

use crate::cli::init::answers::Answered;
use crate::cli::output::word;

const README: &str = "\
# Certificates

`domains.yaml` is the list of the certificates that we want; `domains.example.yaml` explains every key. Whoever changes
it signs the commit with an SSH key that the runner knows. What nobody signed is never issued.

Check a change before you push it: `countersign validate`, and where the runner's configuration is at hand
`countersign validate --base origin/main --config PATH`.

`hooks/` holds programs to run after an issue or a renewal, if the runner allows it. `Jenkinsfile` judges a branch before
it is merged.
";

const HOOKS: &str = "\
# Hooks

`after-issue`, `after-renew` and `on-failure` in this folder are programs. They run only on a runner with
`hooks: {from_repo: true}`, and only from a verified commit. Changes here need a signature, like changes of the list.
";

/// What the introduction holds: nothing that asks for a certificate.
pub fn first_commit() -> [(&'static str, String); 3] {
    [
        ("README.md", README.to_owned()),
        ("hooks/README.md", HOOKS.to_owned()),
        ("Jenkinsfile", include_str!("../../../ci/Jenkinsfile.validate").to_owned()),
    ]
}

/// What the first signed commit adds.
pub fn second_commit(answers: &Answered) -> [(&'static str, String); 2] {
    [
        ("domains.yaml", list(answers)),
        ("domains.example.yaml", include_str!("../../../domains.example.yaml").to_owned()),
    ]
}

pub fn runner(answers: &Answered, introduction: &str) -> [(&'static str, String); 3] {
    [
        ("countersign.yaml", config(answers, introduction)),
        ("allowed_signers", allowed_signers(answers)),
        ("policy.yaml", policy(answers)),
    ]
}

pub fn list(answers: &Answered) -> String {
    let publish = if answers.bucket.is_some() { "[certs]" } else { "[]" };
    format!(
        "\
version: 1
defaults:
  # Certificates of the staging CA are for trying out. Then: letsencrypt.
  authority: letsencrypt-staging
  publish: {publish}
certificates:
  - name: first
    domains: [{domain}]
",
        domain = quoted(&answers.domain),
    )
}

fn config(answers: &Answered, introduction: &str) -> String {
    let contact = quoted(&format!("mailto:{}", answers.contact));
    let buckets = answers.bucket.as_ref().map_or(String::new(), |(bucket, region)| {
        let (bucket, region) = (quoted(bucket), quoted(region));
        format!("buckets:\n  certs: {{bucket: {bucket}, prefix: certs/, region: {region}}}\n")
    });
    format!(
        "\
# Every key is explained in policy/countersign.example.yaml.
version: 1
state: state
every: 24h
repository:
  url: {url}
  ref: refs/heads/main
  list: domains.yaml
  # The deploy key: ssh-keygen -t ed25519 -N '' -f id_ed25519
  ssh_key: id_ed25519
  host_keys: [{host_key}]
trust:
  introduction: \"{introduction}\"
  allowed_signers: allowed_signers
  policy: policy.yaml
authorities:
  letsencrypt: {{contact: [{contact}]}}
  letsencrypt-staging: {{contact: [{contact}]}}
{buckets}",
        url = quoted(&answers.url),
        host_key = quoted(&answers.host_key),
    )
}

pub fn allowed_signers(answers: &Answered) -> String {
    format!("{} namespaces=\"git\" {}\n", answers.signer, answers.public_key.trim())
}

fn policy(answers: &Answered) -> String {
    let (signer, domain) = (quoted(&answers.signer), answers.domain.trim_start_matches("*."));
    let (domain, below) = (quoted(domain), quoted(&format!("*.{domain}")));
    format!(
        "\
# Who may change what in the list. Everything that no rule matches is refused.
version: 1
people:
  first: {{signs: [{signer}]}}
rules:
  - {{id: names, names: [{domain}, {below}], by: [first]}}
  - {{id: wildcards, names: [{domain}, {below}], wildcard: true, by: [first]}}
  - {{id: hooks, hooks: true, by: [first]}}
"
    )
}

/// The next three commands.
pub fn next(repo: &Path, runner: &Path) -> String {
    let config = word(&runner.join("countersign.yaml").to_string_lossy());
    let (at, repo, runner) = (word(&repo.to_string_lossy()), repo.display(), runner.display());
    format!(
        "\
Made the config repo {repo}, with its first commit, and the runner's files in {runner}.

Next:

  git -C {at} add domains.yaml domains.example.yaml && git -C {at} commit -m 'Ask for the first certificate'
  git -C {at} push -u origin main
  countersign --config {config} doctor
"
    )
}

/// A YAML scalar that is nothing but this text.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
