//! certbot's config directory (`/etc/letsencrypt`): `renewal/*.conf`, `live/`, `archive/`, `accounts/`.
//!
//! <https://eff-certbot.readthedocs.io/en/stable/using.html#where-are-my-certificates>. Paths in the `.conf` files are
//! of the machine that wrote them; what counts is `live/<name>/` below the folder that was named.

use super::settings::{self, Setting, ignored, list, runner};
use super::{AccountKey, Candidate, Folder, Found};
use crate::fault::Fault;
use crate::lineage::key;
use crate::secret::Secret;

pub fn read(folder: &Folder) -> Result<Found, Fault> {
    let mut found = Found::default();
    for file in folder.names("renewal")? {
        let Some(name) = file.strip_suffix(".conf") else { continue };
        let text = match folder.need(&format!("renewal/{file}")) {
            Ok(text) => text,
            Err(fault) => {
                found.broken.push((name.to_owned(), fault));
                continue;
            }
        };
        let pairs = pairs(&text);
        match candidate(folder, name, &pairs) {
            Ok(candidate) => found.candidates.push(candidate),
            Err(fault) => found.broken.push((name.to_owned(), fault)),
        }
        // Most say the same for each lineage.
        for setting in pairs.iter().filter_map(|(key, value)| setting(key, value)) {
            if !found.settings.contains(&setting) {
                found.settings.push(setting);
            }
        }
    }
    accounts(folder, &mut found)?;
    found.or_nothing("certbot", "name certbot's config directory, which has `renewal/` and `live/` inside")
}

fn candidate(folder: &Folder, name: &str, pairs: &[(String, String)]) -> Result<Candidate, Fault> {
    let server = pairs.iter().find(|(key, _)| key == "server").map(|(_, value)| value.clone());
    Ok(Candidate {
        name: name.to_owned(),
        privkey: Some(folder.secret(&format!("live/{name}/privkey.pem"))?),
        csr: None,
        chain: folder.need(&format!("live/{name}/fullchain.pem"))?,
        directory: server,
        url: None,
    })
}

/// `key = value` of all sections: ConfigObj, which quotes seldom and nests only for webroots.
fn pairs(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', '[']));
    let pair = |line: &str| {
        let (key, value) = line.split_once('=')?;
        Some((key.trim().to_owned(), value.trim().trim_matches('"').trim_end_matches(',').to_owned()))
    };
    lines.filter_map(pair).collect()
}

/// What becomes of one setting. `None` for what only says where certbot keeps its files.
fn setting(key: &str, value: &str) -> Option<Setting> {
    let becomes = match key {
        "version" | "archive_dir" | "cert" | "privkey" | "chain" | "fullchain" | "config_dir" | "work_dir"
        | "logs_dir" => return None,
        "server" => settings::server(value),
        "account" => ignored("the account's key is looked at below"),
        "key_type" => settings::key(value, None, None),
        "rsa_key_size" => settings::key("rsa", value.parse().ok(), None),
        "elliptic_curve" => settings::key("ecdsa", None, Some(value)),
        "renew_before_expiry" => match value.strip_suffix("days").and_then(|days| days.trim().parse::<u32>().ok()) {
            Some(days) => list(format!("renew: {{before: {days}d}}")),
            None => ignored("without `renew` the CA says when"),
        },
        "authenticator" if value.contains("dns") => list("challenge: dns-01"),
        "authenticator" => list("challenge: dns-01 (records are written to the DNS; no web server is asked)"),
        "pref_challs" => list("challenge: dns-01"),
        "preferred_profile" | "required_profile" => list(format!("profile: {value}")),
        "must_staple" => ignored("public CAs no longer issue such certificates"),
        "reuse_key" => list(format!("reuse_key: {}", value.eq_ignore_ascii_case("true"))),
        "preferred_chain" => ignored("see `preferred_chain` of the authority, if the runner has it"),
        "pre_hook" | "post_hook" | "renew_hook" | "deploy_hook" | "manual_auth_hook" | "manual_cleanup_hook" => {
            ignored("a command; hooks stand in the config repo or in the runner's config")
        }
        "dns_route53_propagation_seconds" => ignored("Route53 says when a change is in sync"),
        "email" => settings::contact(value),
        "autorenew" if value == "False" => ignored("what is in the list is renewed"),
        _ if key.starts_with("webroot") || key.starts_with("http01") => ignored("no web server is asked"),
        _ if key.starts_with("dns_") => runner("dns: (the credentials of your DNS provider)"),
        _ => ignored("it means nothing here"),
    };
    Some(Setting::new(key, value, becomes))
}

/// `accounts/<host>/<path>/<id>/{private_key.json,regr.json}`. The path of the directory makes the depth.
fn accounts(folder: &Folder, found: &mut Found) -> Result<(), Fault> {
    let mut open: Vec<(String, usize)> = vec![("accounts".to_owned(), 0)];
    while let Some((path, depth)) = open.pop() {
        let names = folder.names(&path)?;
        if names.iter().any(|name| name == "private_key.json") {
            match account(folder, &path) {
                Ok(account) => found.accounts.push(account),
                Err(fault) => found.broken.push((path, fault)),
            }
        } else if depth < 6 {
            open.extend(names.iter().rev().map(|name| (format!("{path}/{name}"), depth + 1)));
        }
    }
    Ok(())
}

fn account(folder: &Folder, path: &str) -> Result<AccountKey, Fault> {
    let jwk = Secret::new(folder.need(&format!("{path}/private_key.json"))?);
    let registration: serde_json::Value = folder
        .text(&format!("{path}/regr.json"))?
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    let middle = path.strip_prefix("accounts/").and_then(|path| path.rsplit_once('/')).map(|(middle, _)| middle);
    Ok(AccountKey {
        place: format!("{path}/private_key.json"),
        directory: middle.map(|middle| format!("https://{middle}")),
        key: key::from_jwk(&jwk)?,
        url: registration["uri"].as_str().map(str::to_owned),
    })
}
