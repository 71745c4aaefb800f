//! The JSON Schemas say the same as the readers of the files.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use countersign::config::Config;
use countersign::config::pull::Pull;
use countersign::diag::{Diagnostic, SourceFile};
use countersign::list::parse::parse as parse_list;
use countersign::trust::AllowedSigners;
use countersign::trust::policy::Policy;
use serde_json::{Value, json};

use super::{Place, read};

/// A file that people write: the word for it, its example, its reader.
struct Kind {
    word: &'static str,
    example: &'static str,
    faults: fn(&str) -> Vec<Diagnostic>,
}

const KINDS: [Kind; 4] = [
    Kind { word: "list", example: "domains.example.yaml", faults: of_list },
    Kind { word: "policy", example: "policy/policy.example.yaml", faults: of_policy },
    Kind { word: "config", example: "policy/countersign.example.yaml", faults: of_config },
    Kind { word: "pull", example: "policy/pull.example.yaml", faults: of_pull },
];

fn of_list(text: &str) -> Vec<Diagnostic> {
    let file = SourceFile { path: "domains.yaml".into(), bytes: text.as_bytes().to_vec() };
    parse_list(&[file], None).diagnostics
}

fn of_policy(text: &str) -> Vec<Diagnostic> {
    let signers = AllowedSigners::parse(&read("policy/allowed_signers.example"), "allowed_signers").unwrap();
    Policy::parse(text, "policy.yaml", &signers).err().unwrap_or_default()
}

fn of_config(text: &str) -> Vec<Diagnostic> {
    Config::parse(text, "countersign.yaml").err().unwrap_or_default()
}

fn of_pull(text: &str) -> Vec<Diagnostic> {
    Pull::parse(text, "pull.yaml").err().unwrap_or_default()
}

impl Kind {
    fn schema(&self) -> Value {
        serde_json::from_str(&Place::configured().printed(&["schema", self.word])).unwrap()
    }

    fn example(&self) -> Value {
        serde_saphyr::from_str(&read(self.example)).unwrap()
    }

    /// The keys that the reader knows at a place: those it names when one is wrong. JSON is YAML.
    fn keys_at(&self, place: &str) -> BTreeSet<String> {
        let text = with_unknown_key(&self.example(), place).to_string();
        let hints = (self.faults)(&text).into_iter().filter_map(|fault| fault.hint);
        let hint = hints.filter_map(|hint| Some(hint.strip_prefix("known keys: ")?.to_owned())).next();
        let hint = hint.unwrap_or_else(|| panic!("{}: an unknown key at `{place}` is taken", self.word));
        hint.split(", ").map(|key| key.trim_matches('`').to_owned()).collect()
    }
}

const UNKNOWN: &str = "qqqqqqqqqqqqqqqq";

fn with_unknown_key(document: &Value, place: &str) -> Value {
    let mut document = document.clone();
    let at = document.pointer_mut(place).unwrap().as_object_mut().unwrap();
    at.insert(UNKNOWN.to_owned(), json!(1));
    document
}

/// A mapping of fixed keys that a document has.
struct Mapping {
    /// JSON pointer into the document.
    place: String,
    /// Where the schema describes it.
    described: String,
    keys: BTreeSet<String>,
}

/// Every mapping of fixed keys below a place of the document, as the schema describes it.
fn mappings(schema: &Value, described: &str, document: &Value, place: &str) -> Vec<Mapping> {
    let here = schema.pointer(described).unwrap();
    if let Some(reference) = here["$ref"].as_str() {
        return mappings(schema, reference.trim_start_matches('#'), document, place);
    }
    let mut found = Vec::new();
    for (nth, _) in here["oneOf"].as_array().into_iter().flatten().enumerate() {
        found.extend(mappings(schema, &format!("{described}/oneOf/{nth}"), document, place));
    }
    if let Value::Array(items) = document {
        for (nth, item) in items.iter().enumerate().filter(|_| here.get("items").is_some()) {
            found.extend(mappings(schema, &format!("{described}/items"), item, &format!("{place}/{nth}")));
        }
    }
    let Value::Object(entries) = document else { return found };
    let fixed = here["additionalProperties"] == json!(false);
    if fixed {
        let keys = here["properties"].as_object().unwrap().keys().cloned().collect();
        found.push(Mapping { place: place.to_owned(), described: described.to_owned(), keys });
    }
    for (key, value) in entries {
        let child = if fixed { format!("properties/{key}") } else { "additionalProperties".to_owned() };
        let described = format!("{described}/{child}");
        if schema.pointer(&described).is_some_and(Value::is_object) {
            found.extend(mappings(schema, &described, value, &format!("{place}/{key}")));
        }
    }
    found
}

fn mappings_of(kind: &Kind) -> Vec<Mapping> {
    mappings(&kind.schema(), "", &kind.example(), "")
}

#[test]
fn a_schema_knows_the_keys_that_the_reader_knows() {
    for kind in &KINDS {
        for mapping in mappings_of(kind) {
            assert_eq!(mapping.keys, kind.keys_at(&mapping.place), "{} at `{}`", kind.word, mapping.place);
        }
    }
}

#[test]
fn the_examples_show_every_mapping_of_the_schemas() {
    for kind in &KINDS {
        let schema = kind.schema();
        let fixed = schema.to_string().matches("\"additionalProperties\":false").count();
        let shown: BTreeSet<String> = mappings_of(kind).into_iter().map(|mapping| mapping.described).collect();
        assert_eq!(shown.len(), fixed, "{}: {shown:?}", kind.word);
    }
}

#[test]
fn every_key_has_a_description() {
    fn without(schema: &Value, path: &str, found: &mut Vec<String>) {
        for (key, property) in schema["properties"].as_object().into_iter().flatten() {
            let told = property.get("description").or_else(|| property.get("$ref")).is_some();
            found.extend((!told).then(|| format!("{path}/{key}")));
        }
        for (key, child) in schema.as_object().into_iter().flatten() {
            without(child, &format!("{path}/{key}"), found);
        }
    }
    for kind in &KINDS {
        let mut found = Vec::new();
        without(&kind.schema(), kind.word, &mut found);
        assert_eq!(found, Vec::<String>::new());
    }
}

/// What Python's jsonschema says of each document.
fn judged(kind: &Kind, documents: &[Value]) -> Vec<bool> {
    const SCRIPT: &str = "\
import json, sys, jsonschema
schema, documents = json.load(sys.stdin)
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
print(json.dumps([validator.is_valid(document) for document in documents]))
";
    let python = std::env::var_os("COUNTERSIGN_VENV")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/venv"), PathBuf::from)
        .join("bin/python");
    let mut command = Command::new(python);
    command.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let input = json!([kind.schema(), documents]).to_string();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
#[ignore = "needs jsonschema: ci/install"]
fn a_validator_takes_the_examples_and_no_unknown_key() {
    for kind in &KINDS {
        let mut documents = vec![kind.example()];
        let unknown = mappings_of(kind).into_iter().map(|mapping| with_unknown_key(&kind.example(), &mapping.place));
        documents.extend(unknown);
        let expected: Vec<bool> = (0..documents.len()).map(|nth| nth == 0).collect();
        assert_eq!(judged(kind, &documents), expected, "{}", kind.word);
    }
}

#[test]
#[ignore = "needs jsonschema: ci/install"]
fn a_validator_refuses_what_the_reader_refuses() {
    let list = |certificate: Value| json!({"version": 1, "certificates": [certificate]});
    let certificates = [
        json!({"name": "www"}),
        json!({"name": "www", "domains": []}),
        json!({"name": "WWW", "domains": ["www.example.com"]}),
        json!({"name": "www", "domains": ["www.example.com"], "key": "rsa-1024"}),
        json!({"name": "www", "domains": ["www.example.com"], "renew": {"before": "20"}}),
        json!({"name": "www", "domains": ["www.example.com"], "profile": "a", "preferred_profile": "b"}),
        json!({"name": "www", "domains": ["www.example.com"], "provided": "shop", "authority": "lab"}),
    ];
    let documents: Vec<Value> = certificates.into_iter().map(list).chain([json!({"version": 2})]).collect();
    let ours: Vec<bool> = documents.iter().map(|document| of_list(&document.to_string()).is_empty()).collect();
    assert_eq!((judged(&KINDS[0], &documents), ours), (vec![false; 8], vec![false; 8]));
}
