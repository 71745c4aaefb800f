//! acmetool's state directory (`/var/lib/acme`): `live/`, `desired/`, `conf/target`, `conf/responses`, `accounts/`.
//!
//! <https://hlandau.github.io/acmetool/userguide#the-state-storage-schema>

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::settings::{self, Becomes, Setting, ignored, list};
use super::{AccountKey, Candidate, Folder, Found, Wish};
use crate::fault::{Fault, Retry};
use crate::secret::Secret;

/// Reads the folder. `responses` is the text of a response file outside of it, with its name.
pub fn read(folder: &Folder, responses: Option<(&str, &str)>) -> Result<Found, Fault> {
    let mut found = Found::default();
    let target = match folder.text("conf/target")? {
        Some(text) => flat(&parse("conf/target", &text)?),
        None => BTreeMap::new(),
    };
    found.settings.extend(target.iter().map(|(key, value)| target_setting(key, value, &target)));
    certificates(folder, &target, &mut found)?;
    wishes(folder, &target, &mut found)?;
    accounts(folder, &mut found)?;
    for (name, text) in response_files(folder, responses)? {
        found.settings.extend(read_responses(&name, &text)?);
    }
    found.or_nothing("acmetool", "name acmetool's state directory, which has `live/` and `conf/` inside")
}

/// The answers of a response file, which is YAML or JSON (its subset).
fn read_responses(name: &str, text: &str) -> Result<Vec<Setting>, Fault> {
    let answers = flat_top(&parse(name, text)?);
    Ok(answers.iter().map(|(key, value)| response(key, value, &answers)).collect())
}

/// One certificate for each of `certs/` that `live/` names; it is called as the first name that leads to it.
fn certificates(folder: &Folder, target: &BTreeMap<String, String>, found: &mut Found) -> Result<(), Fault> {
    let mut seen = BTreeSet::new();
    for name in folder.names("live")? {
        let real = match folder.real(&format!("live/{name}")) {
            Ok(Some(real)) => real,
            Ok(None) => continue,
            Err(fault) => {
                found.broken.push((name, fault));
                continue;
            }
        };
        if !seen.insert(real.clone()) {
            continue;
        }
        let read = || {
            Ok(Candidate {
                name: name.clone(),
                privkey: Some(folder.secret(&format!("{real}/privkey"))?),
                csr: None,
                chain: folder.need(&format!("{real}/fullchain"))?,
                directory: directory(folder, &real)?.or_else(|| target.get("request.provider").cloned()),
                url: folder.text(&format!("{real}/url"))?.map(|url| url.trim().to_owned()),
            })
        };
        match read() {
            Ok(candidate) => found.candidates.push(candidate),
            Err(fault) => found.broken.push((name, fault)),
        }
    }
    Ok(())
}

/// Which account got a certificate tells the CA: `accounts/<directory, percent-encoded>/<id>`.
fn directory(folder: &Folder, certificate: &str) -> Result<Option<String>, Fault> {
    let account = folder.real(&format!("{certificate}/account"))?;
    let encoded = account.as_deref().and_then(|path| path.split('/').nth(1));
    Ok(encoded.and_then(decoded))
}

fn decoded(name: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = name.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                u8::from_str_radix(&format!("{}{}", char::from(rest.next()?), char::from(rest.next()?)), 16).ok()?
            }
            byte => byte,
        });
    }
    Some(format!("https://{}", String::from_utf8(bytes).ok()?))
}

/// Targets of `desired/`, for those that have no certificate.
fn wishes(folder: &Folder, target: &BTreeMap<String, String>, found: &mut Found) -> Result<(), Fault> {
    for file in folder.names("desired")? {
        let place = format!("desired/{file}");
        let parsed = folder.need(&place).and_then(|text| parse(&place, &text));
        let value = match parsed {
            Ok(value) => value,
            Err(fault) => {
                found.broken.push((file, fault));
                continue;
            }
        };
        let names = value["satisfy"]["names"].as_array().cloned().unwrap_or_default();
        let listed = names.iter().filter_map(Value::as_str).map(str::to_owned);
        // An empty file is a target for the name of the file.
        let mut domains: BTreeSet<String> = listed.collect();
        if domains.is_empty() {
            domains.insert(file.clone());
        }
        let own = flat(&value);
        let said = |key: &str| own.get(key).or_else(|| target.get(key)).cloned();
        found.wishes.push(Wish {
            name: domains.iter().next().cloned().unwrap_or(file),
            directory: said("request.provider"),
            key: key_of(&said).map(str::to_owned),
            domains,
        });
    }
    Ok(())
}

fn key_of(said: &impl Fn(&str) -> Option<String>) -> Option<&'static str> {
    let size = said("request.key.rsa-size").and_then(|size| size.parse().ok());
    settings::key_type(&said("request.key.type")?, size, said("request.key.ecdsa-curve").as_deref())
}

fn accounts(folder: &Folder, found: &mut Found) -> Result<(), Fault> {
    for directory in folder.names("accounts")? {
        for id in folder.names(&format!("accounts/{directory}"))? {
            let place = format!("accounts/{directory}/{id}/privkey");
            match folder.text(&place) {
                Ok(Some(key)) => found.accounts.push(AccountKey {
                    place,
                    directory: decoded(&directory),
                    key: Secret::new(key),
                    url: None,
                }),
                Ok(None) => {}
                Err(fault) => found.broken.push((place, fault)),
            }
        }
    }
    Ok(())
}

/// `conf/responses` is a file, or a folder of them. A file that was named wins.
fn response_files(folder: &Folder, named: Option<(&str, &str)>) -> Result<Vec<(String, String)>, Fault> {
    if let Some((name, text)) = named {
        return Ok(vec![(name.to_owned(), text.to_owned())]);
    }
    let inside = folder.names("conf/responses")?.into_iter().map(|name| format!("conf/responses/{name}"));
    let mut files: Vec<String> = inside.collect();
    if files.is_empty() {
        files.push("conf/responses".into());
    }
    let read = |name: String| Ok(folder.text(&name)?.map(|text| (name, text)));
    files.into_iter().filter_map(|name| read(name).transpose()).collect()
}

fn response(key: &str, value: &str, all: &BTreeMap<String, String>) -> Setting {
    let of = |name: &str| all.get(&format!("acmetool-quickstart-{name}")).cloned();
    let chosen_key = || {
        let size = of("rsa-key-size").and_then(|size| size.parse().ok());
        settings::key(&of("key-type").unwrap_or("rsa".into()), size, of("ecdsa-curve").as_deref())
    };
    let is_rsa = of("key-type").is_none_or(|kind| kind == "rsa");
    let becomes = match key {
        "acme-enter-email" if value.is_empty() => ignored("no address was given"),
        "acme-enter-email" => settings::contact(value),
        "acmetool-quickstart-choose-server" => settings::server(value),
        "acmetool-quickstart-choose-method" if value == "hooks" => list("challenge: dns-01"),
        "acmetool-quickstart-choose-method" => {
            list("challenge: dns-01 (records are written to the DNS; no web server is asked)")
        }
        "acmetool-quickstart-webroot-path" => ignored("no web server is asked"),
        "acmetool-quickstart-complete" => ignored("an acknowledgement"),
        "acmetool-quickstart-install-cronjob" => Becomes::Command("countersign schedule".into()),
        "acmetool-quickstart-install-haproxy-script" => ignored("haproxy reads what is published or in live/"),
        "acmetool-quickstart-install-redirector-systemd" => ignored("nothing listens"),
        "acmetool-quickstart-key-type" => chosen_key(),
        "acmetool-quickstart-rsa-key-size" if is_rsa => chosen_key(),
        "acmetool-quickstart-rsa-key-size" => ignored("the key type is not rsa"),
        "acmetool-quickstart-ecdsa-curve" if !is_rsa => chosen_key(),
        "acmetool-quickstart-ecdsa-curve" => ignored("the key type is not ecdsa"),
        _ if key.starts_with("acme-agreement:") => ignored("the CA's terms are agreed to when an account is made"),
        _ if value == "true" => ignored("an acknowledgement"),
        _ => ignored("it is not known"),
    };
    Setting::new(key, value, becomes)
}

fn target_setting(key: &str, value: &str, all: &BTreeMap<String, String>) -> Setting {
    let said = |key: &str| all.get(key).cloned();
    let becomes = match key {
        "request.provider" => settings::server(value),
        _ if key.starts_with("request.key.") => match key_of(&said) {
            Some(key) => list(format!("key: {key}")),
            None => ignored("no such key type can be had; the list's default is ecdsa-p256"),
        },
        "satisfy.margin" => list(format!("renew: {{before: {value}d}}")),
        "request.ocsp-must-staple" => ignored("public CAs no longer issue such certificates"),
        _ if key.starts_with("request.challenge.") => ignored("the challenge is dns-01, and no web server is asked"),
        _ => ignored("it means nothing here"),
    };
    Setting::new(format!("conf/target: {key}"), value, becomes)
}

/// Both files are plain YAML; what is not a mapping counts as empty, as acmetool has it.
fn parse(name: &str, text: &str) -> Result<Value, Fault> {
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    serde_saphyr::from_str::<Value>(text).map_err(|error| {
        // The first line says where and what; the rest shows the file.
        let error = error.to_string();
        let why = error.lines().next().unwrap_or_default().trim_start_matches("error: ");
        Fault::new("import:unreadable", format!("{name} is not valid YAML")).because(why).retry(Retry::Never)
    })
}

/// Leaves by their path: `request.key.type`.
fn flat(value: &Value) -> BTreeMap<String, String> {
    let mut leaves = BTreeMap::new();
    let mut open = vec![(String::new(), value)];
    while let Some((path, value)) = open.pop() {
        let Some(map) = value.as_object() else {
            if !path.is_empty() {
                leaves.insert(path, shown(value));
            }
            continue;
        };
        let below = |key: &String| if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        open.extend(map.iter().map(|(key, value)| (below(key), value)));
    }
    leaves
}

fn flat_top(value: &Value) -> BTreeMap<String, String> {
    let map = value.as_object().into_iter().flatten();
    map.map(|(key, value)| (key.clone(), shown(value))).collect()
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The response file of the notes on acmetool with Route53, as published.
    const RESPONSES: &str = r#"
# For dialogs not requiring a response, but merely acknowledgement, specify true.
"acme-enter-email": "youremail@yourdomain.com"
"acme-agreement:https://letsencrypt.org/documents/LE-SA-v1.2-November-15-2017.pdf": true
"acmetool-quickstart-choose-server": https://acme-v01.api.letsencrypt.org/directory
"acmetool-quickstart-choose-method": hooks
"acmetool-quickstart-webroot-path": "/var/run/acme/acme-challenge"
"acmetool-quickstart-complete": true
"acmetool-quickstart-install-cronjob": true
"acmetool-quickstart-install-haproxy-script": false
"acmetool-quickstart-install-redirector-systemd": false
"acmetool-quickstart-key-type": rsa
"acmetool-quickstart-rsa-key-size": 4096
"acmetool-quickstart-ecdsa-curve": nistp256
"#;

    #[test]
    fn every_answer_becomes_something_or_is_ignored_with_a_reason() {
        let settings = read_responses("acme-conf.yml", RESPONSES).unwrap();
        let text: Vec<String> = settings.iter().map(|one| format!("{} -> {}", one.key, one.becomes.text())).collect();
        assert_eq!(
            text,
            [
                "acme-agreement:https://letsencrypt.org/documents/LE-SA-v1.2-November-15-2017.pdf -> ignored: the \
                 CA's terms are agreed to when an account is made",
                "acme-enter-email -> runner's config: contact: [\"mailto:youremail@yourdomain.com\"] of the authority",
                "acmetool-quickstart-choose-method -> list: challenge: dns-01",
                "acmetool-quickstart-choose-server -> runner's config: authorities: {NAME: {directory: \
                 \"https://acme-v02.api.letsencrypt.org/directory\"}}",
                "acmetool-quickstart-complete -> ignored: an acknowledgement",
                "acmetool-quickstart-ecdsa-curve -> ignored: the key type is not ecdsa",
                "acmetool-quickstart-install-cronjob -> command: countersign schedule",
                "acmetool-quickstart-install-haproxy-script -> ignored: haproxy reads what is published or in live/",
                "acmetool-quickstart-install-redirector-systemd -> ignored: nothing listens",
                "acmetool-quickstart-key-type -> list: key: rsa-4096",
                "acmetool-quickstart-rsa-key-size -> list: key: rsa-4096",
                "acmetool-quickstart-webroot-path -> ignored: no web server is asked",
            ]
        );
    }

    #[test]
    fn json_is_a_response_file_too_and_what_is_neither_is_refused() {
        assert_eq!(read_responses("r", "{\"acme-enter-email\": \"a@example.com\"}").unwrap().len(), 1);
        assert_eq!(read_responses("r", "\"a\": [").unwrap_err().code, "import:unreadable");
    }

    #[test]
    fn a_target_says_key_and_server_for_what_has_no_certificate() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("conf")).unwrap();
        std::fs::create_dir_all(dir.path().join("desired")).unwrap();
        let target = "request:\n  provider: https://acme-v01.api.letsencrypt.org/directory\n  key:\n    type: rsa\n";
        std::fs::write(dir.path().join("conf/target"), target).unwrap();
        std::fs::write(dir.path().join("desired/a.example.com"), "").unwrap();
        let own = "satisfy:\n  names: [b.example.com, c.example.com]\nrequest:\n  key: {type: ecdsa}\n";
        std::fs::write(dir.path().join("desired/b"), own).unwrap();
        let found = read(&Folder::open(dir.path()).unwrap(), None).unwrap();
        let wishes: Vec<_> = found.wishes.iter().map(|wish| (wish.name.as_str(), wish.key.as_deref())).collect();
        assert_eq!(wishes, [("a.example.com", Some("rsa-2048")), ("b.example.com", Some("ecdsa-p256"))]);
        assert!(found.wishes.iter().all(|wish| wish.directory.as_deref().is_some_and(|url| url.contains("v01"))));
    }

    #[test]
    fn a_wrong_folder_is_told() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(&Folder::open(dir.path()).unwrap(), None).unwrap_err().code, "import:nothing");
    }
}
