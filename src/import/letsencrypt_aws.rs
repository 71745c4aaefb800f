//! The JSON configuration of letsencrypt-aws (`LETSENCRYPT_AWS_CONFIG`). It keeps no certificates on disk.

use std::collections::BTreeSet;

use serde_json::Value;

use super::settings::{self, Setting, ignored};
use super::{Found, Wish};
use crate::fault::{Fault, Retry};

const PRODUCTION: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// Reads `resources` as the README has them, and `domains` as later releases do.
pub fn read(text: &str) -> Result<Found, Fault> {
    let broken = |message: &str| {
        Fault::new("import:unreadable", message)
            .hint("it is the JSON that stands in LETSENCRYPT_AWS_CONFIG")
            .retry(Retry::Never)
    };
    let value: Value = serde_json::from_str(text)
        .map_err(|error| broken("the configuration of letsencrypt-aws is not JSON").caused_by(&error))?;
    let map = value.as_object().ok_or_else(|| broken("the configuration of letsencrypt-aws is no object"))?;
    let directory = map.get("acme_directory_url").and_then(Value::as_str).unwrap_or(PRODUCTION);
    let mut found = Found::default();
    for (key, value) in map {
        match (key.as_str(), value.as_array()) {
            ("resources" | "domains", Some(resources)) => {
                for (at, resource) in resources.iter().enumerate() {
                    read_resource(&format!("{key}[{at}]"), resource, directory, &mut found);
                }
            }
            ("resources" | "domains", None) => return Err(broken(&format!("`{key}` is not a list"))),
            ("acme_account_key", _) => found.settings.push(Setting::new(key, shown(value), account(&shown(value)))),
            ("acme_directory_url", _) => {
                found.settings.push(Setting::new(key, shown(value), settings::server(directory)));
            }
            _ => found.settings.push(Setting::new(key, shown(value), ignored("it is not known"))),
        }
    }
    if !map.contains_key("acme_directory_url") {
        found.settings.push(Setting::new("acme_directory_url", "(not set)", settings::server(directory)));
    }
    found.or_nothing("letsencrypt-aws", "it needs `resources`")
}

fn account(location: &str) -> super::Becomes {
    super::Becomes::Command(format!("countersign account import {location} --authority NAME"))
}

fn read_resource(place: &str, resource: &Value, directory: &str, found: &mut Found) {
    let listed = ["fqdns", "hosts"].iter().filter_map(|key| resource[key].as_array()).flatten();
    let domains: BTreeSet<String> = listed.filter_map(Value::as_str).map(str::to_owned).collect();
    let kind = resource["key_type"].as_str().or_else(|| resource["cloudfront"]["key_type"].as_str()).unwrap_or("rsa");
    for (key, value) in leaves(resource) {
        let becomes = match key.as_str() {
            "fqdns" | "hosts" => settings::list("domains: (see the entry)"),
            "key_type" | "cloudfront.key_type" => settings::key(kind, None, None),
            "elb.name" if !domains.is_empty() => {
                settings::list("name: (see the entry); the load balancer takes it from S3")
            }
            "elb.name" | "elb.port" | "cloudfront.id" => {
                ignored("resources of AWS are not set: certificates are published to S3")
            }
            _ => ignored("it is not known"),
        };
        found.settings.push(Setting::new(format!("{place}.{key}"), value, becomes));
    }
    if domains.is_empty() {
        return;
    }
    found.wishes.push(Wish {
        name: name(resource).or_else(|| domains.iter().next().cloned()).unwrap_or_default(),
        directory: Some(directory.to_owned()),
        key: settings::key_type(kind, None, None).map(str::to_owned),
        domains,
    });
}

/// The name of the load balancer, with its port unless that is 443.
fn name(resource: &Value) -> Option<String> {
    let name = resource["elb"]["name"].as_str()?;
    let port = resource["elb"].get("port").map(shown).filter(|port| port != "443");
    Some(port.map_or_else(|| name.to_owned(), |port| format!("{name}-{port}")))
}

fn leaves(resource: &Value) -> Vec<(String, String)> {
    let mut leaves = Vec::new();
    for (key, value) in resource.as_object().into_iter().flatten() {
        match value.as_object() {
            Some(inner) => leaves.extend(inner.iter().map(|(below, value)| (format!("{key}.{below}"), shown(value)))),
            None => leaves.push((key.clone(), shown(value))),
        }
    }
    leaves
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::yaml::{Entry, entries};

    /// The schema of the README, filled in.
    const CONFIG: &str = r#"{
        "resources": [
            {"elb": {"name": "Web LB", "port": 8443}, "fqdns": ["example.com", "*.example.com"], "key_type": "ecdsa"},
            {"elb": {"name": "api"}, "fqdns": ["api.example.com"]},
            {"cloudfront": {"id": "E2QWRUHAPOMQZL", "key_type": "rsa"}}
        ],
        "acme_account_key": "s3://bucket-name/object-name"
    }"#;

    #[test]
    fn every_key_becomes_something_or_is_ignored_with_a_reason() {
        let found = read(CONFIG).unwrap();
        let text: Vec<String> =
            found.settings.iter().map(|one| format!("{} -> {}", one.key, one.becomes.text())).collect();
        assert_eq!(
            text,
            [
                "acme_account_key -> command: countersign account import s3://bucket-name/object-name --authority NAME",
                "resources[0].elb.name -> list: name: (see the entry); the load balancer takes it from S3",
                "resources[0].elb.port -> ignored: resources of AWS are not set: certificates are published to S3",
                "resources[0].fqdns -> list: domains: (see the entry)",
                "resources[0].key_type -> list: key: ecdsa-p256",
                "resources[1].elb.name -> list: name: (see the entry); the load balancer takes it from S3",
                "resources[1].fqdns -> list: domains: (see the entry)",
                "resources[2].cloudfront.id -> ignored: resources of AWS are not set: certificates are published to S3",
                "resources[2].cloudfront.key_type -> list: key: rsa-2048",
                "acme_directory_url -> runner's config: authorities: {NAME: {directory: \
                 \"https://acme-v02.api.letsencrypt.org/directory\"}}",
            ]
        );
    }

    #[test]
    fn its_domains_are_entries_of_a_list() {
        let wishes = read(CONFIG).unwrap().wishes;
        let entry = |wish: &Wish| Entry {
            csr: None,
            name: wish.name.clone(),
            domains: wish.domains.clone(),
            authority: None,
            key: wish.key.clone(),
            note: None,
        };
        let text = entries(&wishes.iter().map(entry).collect::<Vec<_>>());
        let expected = "  - name: \"Web LB-8443\"\n    domains: [\"*.example.com\", example.com]\n    key: ecdsa-p256\n  \
                        - name: api\n    domains: [api.example.com]\n    key: rsa-2048\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn the_later_form_with_hosts_is_read_and_nonsense_is_refused() {
        let later = r#"{"domains": [{"elb": {"name": "lb"}, "hosts": ["a.example.com"], "key_type": "rsa"}]}"#;
        assert_eq!(read(later).unwrap().wishes[0].domains.len(), 1);
        for text in ["", "[]", "{\"resources\": 1}", "{"] {
            assert_eq!(read(text).unwrap_err().code, "import:unreadable", "{text}");
        }
    }
}
