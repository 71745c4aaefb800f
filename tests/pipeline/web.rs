//! http-01: token files in a folder that a web server serves.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use countersign::failpoint::VARIABLE;
use countersign::sandbox::{CaOptions, RecordSet};

use super::rig::{Lab, Ran, until};

const WWW: (&str, &str) = ("www", "domains: [www.example.com, example.com], challenge: http-01");
const APPLY: [&str; 2] = ["apply", "--auto-approve"];

/// A web server that serves one folder, as far as it is in order.
struct WebServer {
    port: u16,
    /// Path and host of each request, with the mode of the file.
    asked: Arc<Mutex<Vec<String>>>,
    /// Instead of the files. Who holds it holds every answer back.
    answer: Arc<Mutex<Option<&'static str>>>,
}

impl WebServer {
    fn start(folder: Arc<Mutex<PathBuf>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (asked, answer) = (Arc::default(), Arc::default());
        let server = Self { port, asked: Arc::clone(&asked), answer: Arc::clone(&answer) };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let folder = folder.lock().unwrap().clone();
                let _ = reply(stream, &folder, &answer, &asked);
            }
        });
        server
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn reply(
    mut stream: TcpStream,
    folder: &Path,
    answer: &Mutex<Option<&str>>,
    asked: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let head: Vec<String> =
        BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let path = head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    let host = head.iter().find_map(|line| line.to_ascii_lowercase().strip_prefix("host: ").map(str::to_owned));
    let file = folder.join(path.strip_prefix("/.well-known/acme-challenge/").unwrap_or("none"));
    let mode = file.metadata().map(|about| about.permissions().mode() & 0o777).unwrap_or_default();
    asked.lock().unwrap().push(format!("{path} {} {mode:o}", host.unwrap_or_default()));
    let answer = *answer.lock().unwrap();
    let (status, body) = match (answer, fs::read_to_string(&file)) {
        (Some(answer), _) => return stream.write_all(answer.as_bytes()),
        (None, Ok(body)) => ("200 OK", body),
        (None, Err(_)) => ("404 Not Found", String::new()),
    };
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

/// A lab whose names lead to a web server, and the folder that it serves.
fn lab() -> (Lab, WebServer) {
    let folder = Arc::new(Mutex::new(PathBuf::new()));
    let server = WebServer::start(Arc::clone(&folder));
    let lab = Lab::with(CaOptions { http_port: server.port, ..CaOptions::default() });
    *folder.lock().unwrap() = lab.path("challenge");
    fs::create_dir(lab.path("challenge")).unwrap();
    for name in ["example.com", "www.example.com"] {
        let (name, values) = (name.to_owned(), vec!["127.0.0.1".to_owned()]);
        lab.sandbox.seed_record("ZONE1", RecordSet { name, kind: "A".into(), ttl: 60, values, routing: None }).unwrap();
    }
    configure(&lab, &format!("http: {{folder: challenge, port: {}}}\n", server.port));
    lab.list(&[WWW]);
    (lab, server)
}

fn configure(lab: &Lab, more: &str) {
    lab.write("countersign.yaml", &(lab.read("countersign.yaml") + more));
}

fn files(lab: &Lab) -> usize {
    fs::read_dir(lab.path("challenge")).unwrap().count()
}

/// The run ends with this failure before the CA has heard of the order.
fn assert_stopped(lab: &Lab, ran: &Ran, code: &str) {
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.bad().iter().any(|line| line.contains(&format!("[{code}]"))), "{ran:?}");
    assert_eq!((lab.count("newOrder"), files(lab)), (0, 0));
}

#[test]
fn a_certificate_is_validated_over_http_and_nothing_is_left_in_folder_or_dns() {
    let (lab, server) = lab();
    lab.done();
    assert_eq!((lab.published("www"), lab.sandbox.issued().len()), (Some(1), 1));
    assert_eq!((files(&lab), lab.count("ChangeResourceRecordSets")), (0, 0));
    // Each name is tried before the order, looked at before the challenge is answered, and looked at by the CA.
    for host in ["example.com", "www.example.com"] {
        let host = format!(" {host}:{} 644", server.port);
        assert_eq!(server.asked().iter().filter(|asked| asked.ends_with(&host)).count(), 3, "{:?}", server.asked());
    }
}

#[test]
fn names_by_dns_and_names_by_http_are_one_wave() {
    let (lab, _server) = lab();
    lab.list(&[WWW, ("all", "\"*.example.net\"")]);
    lab.done();
    assert_eq!((lab.published("www"), lab.published("all")), (Some(1), Some(1)));
    assert_eq!((files(&lab), lab.txt().len()), (0, 0));
}

#[test]
fn files_have_the_configured_mode_whatever_the_umask() {
    for (umask, mode) in [("0077", "0644"), ("0000", "0600")] {
        let (lab, server) = lab();
        let text = lab
            .read("countersign.yaml")
            .replace("folder: challenge,", &format!("folder: challenge, mode: \"{mode}\","));
        lab.write("countersign.yaml", &text);
        let line = format!("umask {umask}; exec \"$@\"");
        let ran = lab.run_under(&["sh", "-c", &line, "sh"], &APPLY, &[]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(server.asked().iter().all(|asked| asked.ends_with(&mode[1..])), "{umask}: {:?}", server.asked());
    }
}

#[test]
fn a_web_server_that_does_not_show_the_file_costs_no_order() {
    let (lab, server) = lab();
    *server.answer.lock().unwrap() = Some("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let ran = lab.apply();
    assert_stopped(&lab, &ran, "http:not-found");
    assert!(ran.out.contains("docs/http-01.md shows how"), "{ran:?}");
}

#[test]
fn one_name_that_leads_nowhere_does_not_hold_the_other_lineages() {
    let (lab, _server) = lab();
    lab.list(&[WWW, ("lost", "domains: [lost.example.com], challenge: http-01")]);
    let ran = lab.apply();
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.bad().iter().any(|line| line.contains("[http:no-address]")), "{ran:?}");
    assert_eq!((lab.published("www"), lab.count("newOrder"), files(&lab)), (Some(1), 1, 0));
}

#[test]
fn without_preflight_only_the_ca_looks() {
    let (lab, server) = lab();
    lab.write(
        "countersign.yaml",
        &lab.read("countersign.yaml").replace("folder: challenge,", "folder: challenge, preflight: false,"),
    );
    lab.done();
    assert_eq!(server.asked().len(), 2);
}

#[test]
fn a_symbolic_link_in_place_of_the_folder_is_refused_before_the_order() {
    let (lab, _server) = lab();
    fs::rename(lab.path("challenge"), lab.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink(lab.path("elsewhere"), lab.path("challenge")).unwrap();
    let ran = lab.apply();
    assert_stopped(&lab, &ran, "http:folder");
    assert!(ran.out.contains("symbolic link"), "{ran:?}");
}

#[test]
#[ignore = "needs strace: ci/install"]
fn a_folder_that_takes_no_file_costs_no_order_and_does_not_hold_names_by_dns() {
    for harm in ["openat:error=EROFS:when=2+", "openat:error=EACCES:when=2+", "renameat,renameat2:error=ENOSPC"] {
        let (lab, _server) = lab();
        lab.list(&[WWW, ("net", "www.example.net")]);
        let (path, inject) = (lab.path("challenge"), format!("inject={harm}"));
        let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", path.to_str().unwrap(), "-e", &inject];
        let ran = lab.run_under(&strace, &APPLY, &[]);
        assert!(ran.code == Some(3) && ran.bad()[0].starts_with("certs.issue/www [http:folder] "), "{harm}: {ran:?}");
        assert_eq!((lab.count("newOrder"), lab.live("net")), (1, Some(1)), "{harm}");
        lab.forget_back_off();
        lab.done();
        assert_eq!((lab.live("www"), files(&lab)), (Some(1), 0), "{harm}");
    }
}

#[test]
fn what_others_keep_in_the_folder_stays_whatever_it_is() {
    let (lab, _server) = lab();
    let theirs = lab.path("challenge/theirs");
    fs::write(&theirs, "a token of another client").unwrap();
    fs::create_dir(lab.path("challenge/folder")).unwrap();
    std::os::unix::fs::symlink(lab.path("ca-root.pem"), lab.path("challenge/link")).unwrap();
    lab.done();
    assert_eq!((files(&lab), fs::read_to_string(theirs).unwrap()), (3, "a token of another client".to_owned()));
}

#[test]
fn doctor_names_a_folder_that_others_may_write() {
    let (lab, _server) = lab();
    fs::set_permissions(lab.path("challenge"), fs::Permissions::from_mode(0o775)).unwrap();
    let ran = lab.run(&["doctor"]);
    assert!(ran.out.contains("FAIL  http") && ran.out.contains("[http:writable]"), "{ran:?}");
}

#[test]
fn a_list_that_asks_for_http_01_without_a_folder_is_refused() {
    let lab = Lab::new();
    lab.list(&[WWW]);
    let ran = lab.apply();
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(ran.err.contains("unanswered-challenge"), "{ran:?}");
}

#[test]
fn a_web_server_that_hangs_does_not_hold_a_run_that_was_told_to_stop_and_no_file_is_left() {
    let (lab, server) = lab();
    let held = server.answer.lock().unwrap();
    let run = lab.start(&APPLY);
    until("the look at the file", || !server.asked().is_empty());
    assert!(files(&lab) > 0);
    run.signal("TERM");
    let ran = run.end();
    assert_eq!((ran.code, lab.count("newOrder"), files(&lab)), (Some(130), 0, 0), "{ran:?}");
    drop(held);
    lab.done();
    assert_eq!((files(&lab), lab.sandbox.issued().len()), (0, 1));
}

#[test]
fn a_crash_at_each_place_leaves_no_file_to_the_next_run() {
    let places = [
        "after-rehearsal-journaled",
        "after-present",
        "after-rehearsal",
        "after-records-journaled",
        "after-present:2",
        "after-validated",
        "before-clean-up",
    ];
    for place in places {
        let (lab, _server) = lab();
        let ran = lab.run_with(&APPLY, &[(VARIABLE, place)]);
        assert_eq!(ran.code, None, "{place} is not reached: {ran:?}");
        lab.done();
        assert_eq!((files(&lab), lab.sandbox.issued().len()), (0, 1), "{place}");
        assert!(lab.inventory().journal.is_empty(), "{place}");
    }
}

#[test]
fn files_are_swept_also_when_the_lineage_has_left_the_list_and_the_folder_the_config() {
    let (lab, _server) = lab();
    let ran = lab.run_with(&APPLY, &[(VARIABLE, "after-present:2")]);
    assert_eq!(ran.code, None, "{ran:?}");
    assert!(files(&lab) > 0);
    lab.list(&[]);
    let config = lab.read("countersign.yaml");
    lab.write("countersign.yaml", &(config.split("\nhttp:").next().unwrap().to_owned() + "\n"));
    lab.done();
    assert_eq!(files(&lab), 0);
}
