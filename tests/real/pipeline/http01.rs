//! http-01 with nginx as docs/http-01.md shows it, validated by Pebble.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::junit::Junit;
use super::scene::{Scene, said};
use crate::canary::Scratch;
use crate::lab::nginx::Nginx;
use crate::lab::pebble::Options;

const LIST: &str = "\
version: 1
defaults: {authority: lab, publish: [certs], challenge: http-01}
certificates:
  - name: www
    domains: [www.lab.test, lab.test]
";

/// The server of another tutorial, with an alias and without a type.
const SEED: &str = "\
server {
  listen 80;
  listen [::]:80;
  server_name yourdomain.com;

  location /.well-known/acme-challenge/ {
    alias /var/www/.well-known/acme-challenge/;
    try_files $uri =404;
    }

  location / {
    return 301 https://yourdomain.com$request_uri;
  }
}
";

/// A web server with its folder for token files. Its workers are another user than the runner, if the tests run as root.
struct Site {
    nginx: Nginx,
    /// Everybody may pass through it.
    dir: Scratch,
}

impl Site {
    fn start(site: impl Fn(SocketAddr, &Path) -> String) -> Site {
        let everybody = || PermissionsExt::from_mode(0o755);
        let dir: Scratch = tempfile::Builder::new().permissions(everybody()).tempdir().unwrap().into();
        let folder = dir.path().join("challenge");
        std::fs::create_dir(&folder).unwrap();
        std::fs::set_permissions(&folder, everybody()).unwrap();
        Site { nginx: Nginx::with(dir.path(), |address| site(address, &folder)), dir }
    }

    fn port(&self) -> u16 {
        self.nginx.address.port()
    }

    fn folder(&self) -> PathBuf {
        self.dir.path().join("challenge")
    }
}

/// The only nginx block of the document.
fn documented() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/http-01.md");
    let text = std::fs::read_to_string(path).unwrap();
    let blocks: Vec<&str> = text.split("```nginx\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(blocks.len(), 1);
    blocks[0].to_owned()
}

/// The same for this machine: names, folder and port are the only things that change.
fn placed(site: &str, names: &str, path: &str, address: SocketAddr, folder: &Path) -> String {
    let changes = [
        ("listen 80;", format!("listen {address};")),
        ("listen [::]:80;", String::new()),
        (&*format!("server_name {names};"), "server_name www.lab.test lab.test;".to_owned()),
        (&*format!("alias {path};"), format!("alias {}/;", folder.display())),
    ]
    .map(|(from, to)| (from.to_owned(), to));
    changes.iter().fold(site.to_owned(), |site, (from, to)| {
        assert_eq!(site.matches(from.as_str()).count(), 1, "{from}");
        site.replace(from, to)
    })
}

fn scene(site: &Site) -> Scene {
    let mut scene = Scene::with_pebble(LIST, Options { http_port: site.port(), ..Options::default() });
    for name in ["www.lab.test", "lab.test"] {
        scene.lab.judge.seed(&scene.lab.zone_id, name, "A", &["127.0.0.1"]);
    }
    let http = format!("http: {{folder: {}, port: {}}}\n", site.folder().display(), site.port());
    scene.runner.config.push_str(&http);
    scene
}

fn is_validated(site: &Site) {
    let scene = scene(site);

    let run = scene.runner.apply();

    assert_eq!(run.code, Some(0), "{}", said(&run));
    assert_eq!(Junit::of(&run).bad(), Vec::<String>::new());
    assert_eq!((scene.requests().new_order, scene.requests().challenge), (1, 2));
    assert!(scene.live("www").join("fullchain.pem").exists());
    assert_eq!(scene.lab.judge.count("ChangeResourceRecordSets"), 0);
    assert_eq!(std::fs::read_dir(site.folder()).unwrap().count(), 0);
    let requests = site.nginx.requests();
    assert!(requests.iter().all(|request| request.ends_with(" 200")), "{requests:#?}");
    // The try before the order, the look before the challenge, and the CA's.
    assert!(requests.len() >= 3 * 2, "{requests:#?}");
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn nginx_as_the_document_shows_it_passes_the_preflight_and_pebble() {
    let (names, path) = ("www.example.com example.com", "/var/www/acme-challenge/");
    is_validated(&Site::start(|address, folder| placed(&documented(), names, path, address, folder)));
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn nginx_as_the_guide_for_acme_tiny_has_it_passes_too() {
    let (names, path) = ("yourdomain.com", "/var/www/.well-known/acme-challenge/");
    is_validated(&Site::start(|address, folder| placed(SEED, names, path, address, folder)));
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn a_site_that_sends_everything_to_https_is_told_and_pebble_is_not_asked() {
    let site =
        Site::start(|address, _| format!("server {{ listen {address}; return 301 https://$host:8443$request_uri; }}"));
    let scene = scene(&site);

    let run = scene.runner.apply();

    assert_eq!(run.code, Some(3), "{}", said(&run));
    assert!(run.stdout.contains("[http:redirect]"), "{}", said(&run));
    assert_eq!((scene.requests().new_order, std::fs::read_dir(site.folder()).unwrap().count()), (0, 0));
}
