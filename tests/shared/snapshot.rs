//! What people read, word for word, beside each binary in `golden/`. A change of any text shows in review.
//! `INSTA_UPDATE=always` writes the files anew.

/// What differs from run to run, and what stands for it.
const FILTERS: [(&str, &str); 25] = [
    (r"(/[\w.-]+)*/\.tmp\w{6}", "DIR"),
    (r"127\.0\.0\.1:\d+", "HOST"),
    (r"(\.example\.com):\d{5}\b", "$1:PORT"),
    (r"\bport \d{5}\b", "port PORT"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
    (r"\d{4}-\d\d-\d\d \d\d?:\d\d(:\d\d)?(\.\d+)?( UTC| \+00:00:00)", "TIME"),
    (r"20[2-9]\d-\d\d-\d\d", "DAY"),
    (r"SHA256:[A-Za-z0-9+/]{43}", "SHA256:KEY"),
    (r"sha256[:/-][0-9a-f]{64}", "sha256:DIGEST"),
    (r"\b[0-9a-f]{64}:\d", "FINGERPRINT"),
    (r"\b[0-9a-f]{40}\b", "COMMIT"),
    (r"\b[0-9a-f]{30,39}\b", "SERIAL"),
    (r"(commit|@|at) [0-9a-f]{10}\b", "$1 COMMIT"),
    (r"AAAA[A-Za-z0-9+/]{40,}=*", "KEY"),
    (r#"time="\d+\.\d{3}""#, r#"time="0.000""#),
    (r"\b\d+\.\d ?s\b", "0.0s"),
    (r"/(order|acct|account)/[\w/-]+", "/$1/ID"),
    (r"countersign \d+\.\d+\.\d+", "countersign VERSION"),
    (r#"\bversion(: |": ")\d+\.\d+\.\d+"#, "version${1}VERSION"),
    // How the work goes on is not what went wrong.
    (r"(?m)^TIME  INFO .*\n", ""),
    (r"(?m)^TIME  WARN the config repo is a local path: .*\n", ""),
    (r"process \d+ on [\w.-]+", "process PID on HOST"),
    (r"\b(was|is) [0-9a-f]{10}\b", "$1 COMMIT"),
    // Certificates of one second and the next.
    (r"First to expire: [\w.-]+ in", "First to expire: NAME in"),
    (r"\b[0-9a-f]{10} verifies\b", "COMMIT verifies"),
];

/// Holds a text against `tests/FOLDER/golden/NAME.snap`.
pub fn golden(folder: &str, name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(format!("../{folder}/golden"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    FILTERS.into_iter().for_each(|(what, instead)| settings.add_filter(what, instead));
    settings.bind(|| insta::assert_snapshot!(name, text));
}
