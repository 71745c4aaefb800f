//! What the pre-flight says of web servers that a CA would not be content with.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::Mutex;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

const HOST: &str = "www.example.com";

/// A name server with one answer.
struct At(Vec<IpAddr>);

#[async_trait]
impl Addresses for At {
    async fn of(&self, host: &str) -> Result<Vec<IpAddr>, Fault> {
        Ok(if host == HOST { self.0.clone() } else { vec![Ipv4Addr::LOCALHOST.into()] })
    }
}

/// A web server that gives its answers one after the other, the last for ever, and keeps what it was asked.
async fn serve(answers: &'static [&'static str]) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = asked.clone();
    tokio::spawn(async move {
        for at in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap();
            log.lock().unwrap().push(String::from_utf8_lossy(&request[..length]).into_owned());
            let answer = answers[at.min(answers.len() - 1)].replace("{port}", &port.to_string());
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (port, asked)
}

fn file(folder: &Path) -> TokenFile {
    let (host, token, content) = (HOST.into(), "tok-EN_1".into(), "tok-EN_1.thumb".into());
    TokenFile { folder: folder.to_owned(), host, token, content }
}

fn solver(port: u16, addresses: &[IpAddr]) -> WebSolver {
    let settings = Settings { folder: "/srv/challenge".into(), mode: 0o644, port, preflight: true };
    WebSolver::new(Some(settings), Arc::new(At(addresses.to_vec())))
}

async fn look(port: u16, addresses: &[IpAddr]) -> Result<(), Fault> {
    solver(port, addresses).look(&file(Path::new("/srv/challenge"))).await
}

/// How a look at a server ends that gives these answers.
async fn seen(answers: &'static [&'static str]) -> Result<(), Fault> {
    look(serve(answers).await.0, &[Ipv4Addr::LOCALHOST.into()]).await
}

const RIGHT: &str = "HTTP/1.1 200 OK\r\nContent-Length: 15\r\nConnection: close\r\n\r\ntok-EN_1.thumb\n";

#[tokio::test]
async fn a_file_is_asked_for_as_a_ca_asks() {
    let (port, asked) = serve(&[RIGHT]).await;
    assert_eq!(look(port, &[Ipv4Addr::LOCALHOST.into()]).await, Ok(()));
    let request = asked.lock().unwrap()[0].to_ascii_lowercase();
    assert!(request.starts_with("get /.well-known/acme-challenge/tok-en_1 http/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("\r\nhost: {HOST}:{port}\r\n")), "{request}");
}

#[tokio::test]
async fn a_redirect_to_the_same_server_is_followed() {
    let (port, asked) = serve(&[
        "HTTP/1.1 301 Moved\r\nLocation: http://www.example.com/elsewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        RIGHT,
    ])
    .await;
    assert_eq!(look(port, &[Ipv4Addr::LOCALHOST.into()]).await, Ok(()));
    assert!(asked.lock().unwrap()[1].starts_with("GET /elsewhere "));
}

#[tokio::test]
async fn a_redirect_that_ends_badly_is_told_with_the_way() {
    let fault = seen(&[
        "HTTP/1.1 301 Moved\r\nLocation: /login\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    ])
    .await
    .unwrap_err();
    assert_eq!(fault.code, "http:not-found");
    assert!(fault.message.contains("/login"), "{fault:?}");
    assert!(
        fault.causes[0].contains("/.well-known/acme-challenge/tok-EN_1") && fault.causes[0].contains("redirects to")
    );
}

#[tokio::test]
async fn a_loop_of_redirects_is_left() {
    let fault =
        seen(&["HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"]).await;
    let fault = fault.unwrap_err();
    assert_eq!(fault.code, "http:redirect");
    assert!(fault.message.contains("more than 10 times"), "{fault:?}");
}

#[tokio::test]
async fn a_redirect_to_another_port_is_told() {
    let fault =
        seen(&["HTTP/1.1 302 Found\r\nLocation: http://www.example.com:8080/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"])
            .await;
    assert!(fault.unwrap_err().message.contains("port 8080: CAs follow to ports 80 and 443 only"));
}

#[tokio::test]
async fn a_missing_file_names_the_folder_to_serve() {
    let fault = seen(&["HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"]).await.unwrap_err();
    assert_eq!(fault.code, "http:not-found");
    assert!(fault.hint.unwrap().contains("serve /srv/challenge at /.well-known/acme-challenge/"));
}

#[tokio::test]
async fn another_content_is_shown_but_not_its_control_characters() {
    let fault = seen(&["HTTP/1.1 200 OK\r\nContent-Length: 15\r\nConnection: close\r\n\r\n<h1>\x1b[31mHi</h1>"]).await;
    let fault = fault.unwrap_err();
    assert_eq!(fault.code, "http:other-content");
    assert!(fault.message.ends_with("`<h1> [31mHi</h1`"), "{fault:?}");
}

#[tokio::test]
async fn a_server_that_may_not_read_the_file_is_told_apart() {
    let fault = seen(&["HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"]).await.unwrap_err();
    assert_eq!(fault.code, "http:forbidden");
}

#[tokio::test]
async fn nobody_at_the_port_is_told_with_address_and_port() {
    // Bound and not listening: connections are refused, and nobody else takes the port.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let port = socket.local_addr().unwrap().port();
    let fault = look(port, &[Ipv4Addr::LOCALHOST.into()]).await.unwrap_err();
    assert_eq!(fault.code, "http:unreachable");
    assert!(fault.message.ends_with(&format!("127.0.0.1 refuses connections to port {port}")), "{fault:?}");
}

#[tokio::test]
async fn an_ipv6_address_that_is_silent_is_forgiven_and_one_that_answers_wrongly_is_not() {
    let (port, _) = serve(&[RIGHT]).await;
    assert_eq!(look(port, &[Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()]).await, Ok(()));
    let alone = look(port, &[Ipv6Addr::LOCALHOST.into()]).await.unwrap_err();
    assert_eq!(alone.code, "http:unreachable");
}

#[tokio::test]
async fn a_name_without_an_address_is_told() {
    assert_eq!(look(80, &[]).await.unwrap_err().code, "http:no-address");
}

#[tokio::test]
async fn a_token_that_leads_out_of_the_folder_is_refused() {
    let solver = solver(80, &[]);
    for token in ["../../etc/cron.d/x", "a/b", ".", "", "a b", "a\0b"] {
        let answer = Answer::File { token: token.into(), content: "x.y".into() };
        let located = solver.locate(&[(HOST.into(), answer)]).await;
        assert_eq!(located[0].as_ref().unwrap_err().code, "http:bad-token", "{token:?}");
    }
}

#[tokio::test]
async fn without_a_folder_nothing_is_placed_and_everything_can_be_taken_away() {
    let solver = WebSolver::new(None, Arc::new(At(Vec::new())));
    assert_eq!(solver.rehearsal(&[HOST.into()])[0].as_ref().unwrap_err().code, "http:no-folder");
    let dir = tempfile::tempdir().unwrap();
    let file = file(dir.path());
    folder::put(&file, 0o644).unwrap();
    assert!(solver.clean_up(&[Proof::File(file)]).await[0].result.is_ok());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
