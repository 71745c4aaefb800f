//! What a night reads like, word for word: one certificate is issued, one has no zone, one is not due.

use std::fs;

use std::time::Duration;

use serde_json::Value;

use super::rig::Lab;

/// There is no zone for the first.
const ALL: [(&str, &str); 3] =
    [("elsewhere", "www.elsewhere.test"), ("new", "new.example.com"), ("www", "www.example.com")];

fn golden(name: &str, text: &str) {
    crate::snapshot::golden("pipeline", name, text);
}

/// Each line of JSON spread over lines, in an order of their own; what was measured is left out.
fn spread(lines: &str) -> String {
    fn calm(value: &mut Value) {
        match value {
            Value::Object(fields) => fields.iter_mut().for_each(|(key, value)| match key.as_str() {
                "seconds" | "ari_id" => *value = Value::Null,
                _ => calm(value),
            }),
            Value::Array(all) => all.iter_mut().for_each(calm),
            _ => {}
        }
    }
    let mut lines: Vec<&str> = lines.lines().collect();
    lines.sort_unstable();
    let spread = lines.into_iter().map(|line| {
        let mut value = serde_json::from_str(line).unwrap();
        calm(&mut value);
        serde_json::to_string_pretty(&value).unwrap() + "\n"
    });
    spread.collect()
}

/// Of figures only their names, kinds and labels, and those that no clock made.
fn figures(text: &str) -> String {
    let line = |line: &str| match line.rsplit_once(' ') {
        Some((name, _)) if !line.starts_with('#') && (name.contains("seconds") || name.contains("time")) => {
            format!("{name} N\n")
        }
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

/// Nothing of this machine: who runs it, on what disk, with how much room.
fn of_the_world(doctor: &str) -> String {
    let own = ["  user  ", "  disk  ", "  space  "];
    let mut fixes = false;
    let kept = doctor.lines().filter(|line| {
        fixes = own.iter().any(|check| line.contains(check)) || fixes && line.starts_with(' ');
        !fixes
    });
    kept.map(|line| format!("{line}\n")).collect()
}

/// At 80 columns, with the colours as they are written, but for the path of the store: lines fold by its length.
fn at_terminal(lab: &Lab, command: &str) -> String {
    let shown = lab.at_terminal(&[command, "--color", "always"]).replace('\r', "").replace('\u{1b}', "ESC");
    let Some((before, store)) = shown.split_once("ESC[1mStore ") else { return shown };
    format!("{before}{}", store.split_once("\n\n").unwrap_or_default().1)
}

#[test]
fn a_night_is_told_to_programs_as_it_was() {
    let lab = Lab::new();
    let news = format!("metrics: night.prom\nnotify: {{command: [/usr/bin/tee, {}]}}\n", lab.path("news").display());
    lab.write("countersign.yaml", &(lab.read("countersign.yaml") + &news));
    lab.list(&ALL[..2]);
    golden("plan.json", &spread(&lab.ask(&["plan", "--json"]).1));
    golden("apply.json", &spread(&lab.ask(&["apply", "--auto-approve", "--json"]).1));
    golden("metrics", &figures(&lab.read("night.prom")));
    golden("notify.json", &spread(&lab.read("news")));
    golden("status.json", &spread(&lab.ask(&["status", "--json"]).1));
    golden("show.json", &spread(&lab.ask(&["show", "new", "--json"]).1));
    golden("verify", &lab.ask(&["verify"]).1);
    golden("doctor", &of_the_world(&lab.ask(&["doctor"]).1));
}

#[test]
fn a_night_reads_as_it_did() {
    let lab = Lab::new();
    lab.list(&ALL[2..]);
    lab.done();
    // So that one ends before the other.
    lab.sandbox.advance(Duration::from_secs(600));
    lab.list(&ALL);
    let page = lab.path("page").display().to_string();

    golden("plan", &lab.run(&["plan"]).out);
    golden("plan.terminal", &at_terminal(&lab, "plan"));
    let ran = lab.run(&["apply", "--auto-approve", "--html", &page]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    golden("apply", &ran.out);
    golden("junit.xml", &lab.read("junit.xml"));
    golden("index.html", &fs::read_to_string(lab.path("page/index.html")).unwrap().replace("><", ">\n<"));
    golden("status", &lab.ask(&["status"]).1);
    golden("status.terminal", &at_terminal(&lab, "status"));
    golden("show", &lab.ask(&["show", "www"]).1);
    golden("audit", &lab.ask(&["audit"]).1);
    lab.unsigned_list(&[("evil", "evil.example.com")]);
    let ran = lab.run(&["apply", "--auto-approve"]);
    golden("refused", &format!("{}--- stderr\n{}", ran.out, ran.err));
}
