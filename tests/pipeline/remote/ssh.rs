//! A config repo behind a real sshd.

use super::super::rig::Lab;
use super::Page;
use crate::sshd::{Server, free_port};

const STRANGE: &str = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[test]
fn what_keeps_a_list_from_being_fetched_over_ssh_is_told_with_what_to_do() {
    let server = Server::start();
    let lab = Lab::new();
    let config = lab.read("countersign.yaml");
    let local = format!("{{url: {}, ref: refs/heads/main, allow_local: true}}", lab.repo.path().display());
    let url =
        |port: u16, path: &str| format!("ssh://{}@127.0.0.1:{port}{}{path}", server.user, server.repo.path().display());
    let key = |name: &str| server.dir.path().join(name).display().to_string();
    let cases = [
        (url(server.port, ""), key("client"), STRANGE),
        (url(server.port, ""), key("stranger"), &server.host_key),
        (url(free_port(), ""), key("client"), &server.host_key),
        (url(server.port, "-not"), key("client"), &server.host_key),
        (url(server.port, ""), key("gone"), &server.host_key),
    ];
    let mut page = Page::default();
    for (url, key, pin) in cases {
        let remote = format!("{{url: \"{url}\", ssh_key: {key}, host_keys: [\"{pin}\"]}}");
        lab.write("countersign.yaml", &config.replace(&local, &remote));
        page.run(&lab, &["verify"]);
    }
    page.0 = page.0.replace(&format!("ssh://{}@", server.user), "ssh://USER@");
    page.is("ssh");
}
