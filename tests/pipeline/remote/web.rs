//! http-01: web servers and the folder that they serve.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use countersign::sandbox::{CaOptions, Mishap, RecordSet};
use serde_json::json;

use super::super::rig::Lab;
use super::{APPLY, Page};

/// What the web server of a name answers instead of its file.
const ANSWERS: [(&str, &str); 6] = [
    ("astray", "302 Found\r\nLocation: https://astray.example.com:8443/"),
    ("circle", "302 Found\r\nLocation: /again"),
    ("closed", "403 Forbidden"),
    ("lost", "404 Not Found"),
    ("other", "200 OK"),
    ("sick", "500 Internal Server Error"),
];

/// A web server of all names. Gives its port.
fn serve(folder: PathBuf) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || listener.incoming().flatten().for_each(|stream| drop(reply(stream, &folder))));
    port
}

fn reply(mut stream: TcpStream, folder: &Path) -> std::io::Result<()> {
    let head: Vec<String> =
        BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let token = head.first().and_then(|line| line.split([' ', '/']).nth(4)).unwrap_or_default();
    let host = head.iter().find_map(|line| line.to_ascii_lowercase().strip_prefix("host: ").map(str::to_owned));
    let host = host.unwrap_or_default();
    let answer = ANSWERS.iter().find(|(name, _)| host.starts_with(name)).map(|(_, answer)| *answer);
    let body = answer.map_or_else(|| fs::read_to_string(folder.join(token)), |_| Ok("Welcome to nginx!".into()));
    let body = body.unwrap_or_default();
    let (answer, length) = (answer.unwrap_or("200 OK"), body.len());
    write!(stream, "HTTP/1.1 {answer}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

/// A lab in which http-01 works for names that lead to `127.0.0.1`.
fn lab(names: &[&str]) -> Lab {
    let lab = Lab::new();
    fs::create_dir(lab.path("challenge")).unwrap();
    let port = serve(lab.path("challenge"));
    lab.reconfigure("buckets:", &format!("http: {{folder: challenge, port: {port}}}\nbuckets:"));
    for name in names {
        let address = if *name == "down" { "127.0.0.9" } else { "127.0.0.1" };
        let (name, values) = (format!("{name}.example.com"), vec![address.to_owned()]);
        lab.sandbox.seed_record("ZONE1", RecordSet { name, kind: "A".into(), ttl: 60, values, routing: None }).unwrap();
    }
    lab
}

fn list(lab: &Lab, names: &[&str]) {
    let keys = names.iter().map(|name| format!("domains: [{name}.example.com], challenge: http-01"));
    let keys: Vec<String> = keys.collect();
    lab.list(&names.iter().zip(&keys).map(|(name, keys)| (*name, keys.as_str())).collect::<Vec<_>>());
}

#[test]
fn what_a_web_server_does_wrong_is_told_with_what_to_do() {
    let mut names: Vec<&str> = ANSWERS.iter().map(|(name, _)| *name).chain(["down"]).collect();
    let lab = lab(&names);
    names.push("unknown");
    list(&lab, &names);
    let mut page = Page::default();
    page.run(&lab, &APPLY);
    page.is("http");
}

#[test]
fn what_is_wrong_with_the_folder_is_told_with_what_to_do() {
    let lab = lab(&["www"]);
    list(&lab, &["www"]);
    let mut page = Page::default();
    fs::set_permissions(lab.path("challenge"), fs::Permissions::from_mode(0o777)).unwrap();
    page.run(&lab, &["doctor"]);
    fs::remove_dir(lab.path("challenge")).unwrap();
    page.run(&lab, &APPLY);
    page.is("http-folder");
}

#[test]
fn what_a_ca_asks_to_be_put_there_and_cannot_is_told_with_what_to_do() {
    let names = ["odd", "taken"];
    let lab = lab(&names);
    let mut cas = Vec::new();
    for (name, token) in names.into_iter().zip(["../etc", "taken"]) {
        let ca = lab.authority(name, CaOptions::default(), "");
        let challenge = json!({"type": "http-01", "url": ca.directory_url(), "status": "pending", "token": token});
        let identifier = json!({"type": "dns", "value": format!("{name}.example.com")});
        let authorization = json!({"identifier": identifier, "status": "pending", "challenges": [challenge]});
        ca.faults().script("authz", 9, Mishap::Garbled(authorization.to_string()));
        cas.push(ca);
    }
    fs::write(lab.path("challenge/taken"), "somebody else's").unwrap();
    let keys = names.map(|name| format!("domains: [{name}.example.com], challenge: http-01, authority: {name}"));
    lab.list(&[("odd", &keys[0]), ("taken", &keys[1])]);
    let mut page = Page::default();
    page.run(&lab, &APPLY);
    page.is("http-token");
}
