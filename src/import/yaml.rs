//! Entries of a list as text, to be added by whoever signs it.

use std::collections::BTreeSet;
use std::fmt::Write;

/// One entry of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    pub domains: BTreeSet<String>,
    pub authority: Option<String>,
    pub key: Option<String>,
    /// The request for its key, PEM.
    pub csr: Option<String>,
    /// Said above the entry.
    pub note: Option<String>,
}

/// The entries as they stand below `certificates:`.
pub fn entries(entries: &[Entry]) -> String {
    let mut out = String::new();
    for entry in entries {
        if let Some(note) = &entry.note {
            let _ = writeln!(out, "  # {}", note.replace('\n', " "));
        }
        let domains: Vec<String> = entry.domains.iter().map(|domain| quoted(domain)).collect();
        let _ = writeln!(out, "  - name: {}\n    domains: [{}]", quoted(&entry.name), domains.join(", "));
        for (key, value) in [("authority", &entry.authority), ("key", &entry.key)] {
            if let Some(value) = value {
                let _ = writeln!(out, "    {key}: {}", quoted(value));
            }
        }
        if let Some(csr) = &entry.csr {
            out.push_str("    csr: |\n");
            csr.trim().lines().for_each(|line| out.push_str(&format!("      {}\n", line.trim())));
        }
    }
    out
}

/// Quoted where YAML would take it for something else than a text.
fn quoted(text: &str) -> String {
    let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b));
    let word = text.bytes().any(|b| b.is_ascii_lowercase()) && !["null", "true", "false", "yes", "no"].contains(&text);
    let first = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    if plain && word && first { text.to_owned() } else { serde_json::to_string(text).unwrap_or_default() }
}
