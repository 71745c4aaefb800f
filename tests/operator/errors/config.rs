//! What the runner is told about itself: configuration, signers, policy, state.

use super::Errors;
use crate::golden::{LOCAL, SIGNERS, local};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2SQLYBbFQZYEZTbMGTNFXNvF1Ld1bF6TqoFOTP0sVq";

#[test]
fn of_the_configuration() {
    let place = local();
    let mut errors = Errors::of(&place);

    place.write("countersign.yaml", &LOCAL.replace("allow_local", "list: ../domains.yaml, allow_local"));
    errors.ask("the list is outside of the repository", &["verify"]);
    place.write("countersign.yaml", LOCAL);
    errors.ask("no configuration comes", &["status", "--config", "-"]);
    errors.ask_with("the variable holds another thing", &["status"], &[("COUNTERSIGN_CONFIG_TEXT", "hello")]);
    std::fs::create_dir(place.path("letters")).unwrap();
    place.write("letters/to-ann.txt", "");
    place.write("strange.yaml", &LOCAL.replace("state: state", "state: letters"));
    errors.ask("somebody else's folder is the state", &["verify", "--config", "strange.yaml"]);
    place.write("file", "");
    place.write("strange.yaml", &LOCAL.replace("state: state", "state: file"));
    errors.ask("the state is a file", &["verify", "--config", "strange.yaml"]);
    place.write("strange.yaml", &LOCAL.replace("state: state", "state: file/state"));
    errors.ask("the state is below a file", &["verify", "--config", "strange.yaml"]);
    errors.ask("a report has no place", &["verify", "--junit", "file/report.xml"]);
    errors.ask("a flag is misspelt", &["verify", "--jsn", "--junit", "report.xml"]);
    let report = std::fs::read_to_string(place.path("report.xml")).unwrap();
    let fault = report.split("<error ").nth(1).and_then(|rest| rest.split("</error>").next());
    errors.answers.add("the report of that", &format!("<error {}</error>\n", fault.unwrap()));
    errors.ask("a page has no place", &["verify", "--html", "file/page"]);
    errors.ask("a log has no place", &["verify", "--log-file", "file/log"]);
    errors.hold("config");
}

#[test]
fn of_signers_and_policy() {
    let place = local();
    let mut errors = Errors::of(&place);
    let lines = [
        "ann".to_owned(),
        format!("*@example.com {KEY}"),
        format!("ann@example.com zone=\"x\" {KEY}"),
        format!("ann@example.com namespaces=\"*\" {KEY}"),
        format!("ann@example.com valid-before=\"20270101\" {KEY}"),
        format!("ann@example.com valid-after=\"20270101Z\",valid-before=\"20260101Z\" {KEY}"),
        "ann@example.com ssh-ed25519 AAAA".to_owned(),
        "ann@example.com ssh-dss AAAAB3NzaC1kc3MAAAAA".to_owned(),
        format!("ann@example.com cert-authority {KEY}"),
        format!("ann@example.com {KEY}"),
        format!("bob@example.com {KEY}"),
    ];
    place.write("allowed_signers", &lines.join("\n"));
    errors.ask("no line of the signers is right", &["verify"]);
    place.write("allowed_signers", "# nobody\n");
    errors.ask("nobody may sign", &["verify"]);
    place.write("allowed_signers", SIGNERS);
    place.write("countersign.yaml", &LOCAL.replace("introduction:", "policy: policy.yaml, introduction:"));
    errors.ask("the policy is not there", &["verify"]);
    let people = "people:\n  ann: {signs: [ann@example.com, eve@example.com], approves: [RWQ]}\n  bob: {}\n";
    let rules = "rules:\n  - {id: a, names: [\"*\"], by: [ann, carl], threshold: 3}\n  - {id: a, hooks: yes, by: []}\n";
    place.write("policy.yaml", &format!("version: 1\n{people}{rules}mergers: [ann@example.com]\n"));
    errors.ask("the policy has every fault", &["verify"]);
    place.write("policy.yaml", "version: 1\npeople: {ann: {signs: [ann@example.com]}}\nrules: []\n");
    errors.ask("the policy lets nobody do anything", &["approve"]);
    let locked = "rules: [{id: two, names: [\"*.example.com\"], by: [ann], threshold: 2}]\n";
    place.write("policy.yaml", &format!("version: 1\npeople: {{ann: {{signs: [ann@example.com]}}}}\n{locked}"));
    errors.ask("nobody can satisfy a rule of the policy", &["verify"]);
    errors.hold("trust");
}
