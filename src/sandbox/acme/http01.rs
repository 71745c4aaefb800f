//! http-01 as Boulder validates it (RFC 8555 section 8.3): IPv6 first and IPv4 if nobody answers there, up to ten
//! redirects, no more than 128 bytes. Redirects to HTTPS are not followed: the sandbox is stricter there.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use super::Ca;
use super::problem::Problem;
use crate::sandbox::lookup;

const PATIENCE: Duration = Duration::from_secs(5);
const MAX_REDIRECTS: usize = 10;
const MAX_BODY: usize = 128;

/// What one server answered.
struct Reply {
    status: StatusCode,
    location: Option<String>,
    body: Vec<u8>,
}

pub(super) async fn check(ca: &Ca, name: &str, token: &str, key_authorization: &str) -> Result<(), Problem> {
    let (mut host, mut path) = (name.to_owned(), format!("/.well-known/acme-challenge/{token}"));
    for _ in 0..=MAX_REDIRECTS {
        let url = format!("http://{host}{path}");
        let reply = fetch(ca, &host, &path).await?;
        let Some(location) = reply.location.filter(|_| reply.status.is_redirection()) else {
            return judge(&url, reply.status, &reply.body, key_authorization);
        };
        (host, path) = follow(&url, &host, &location, ca.options.http_port)?;
    }
    Err(connection(&format!("http://{name}"), "Too many redirects"))
}

fn judge(url: &str, status: StatusCode, body: &[u8], expected: &str) -> Result<(), Problem> {
    let got = String::from_utf8_lossy(body);
    match (status, got.trim_end()) {
        (StatusCode::OK, got) if got == expected => Ok(()),
        (StatusCode::OK, got) => Err(Problem::unauthorized(format!(
            "The key authorization file from the server did not match this challenge. Expected {expected:?} (got {got:?})"
        ))),
        (status, _) => Err(Problem::unauthorized(format!("Invalid response from {url}: {}", status.as_u16()))),
    }
}

fn follow(url: &str, host: &str, location: &str, http_port: u16) -> Result<(String, String), Problem> {
    let uri: Uri = location.parse().map_err(|_| connection(url, "Invalid redirect"))?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let Some(next) = uri.host() else { return Ok((host.to_owned(), path)) };
    if uri.scheme_str() != Some("http") || next.parse::<IpAddr>().is_ok() {
        return Err(connection(url, "Invalid protocol scheme or host in redirect target"));
    }
    match uri.port_u16() {
        Some(port) if port != 80 && port != http_port => Err(connection(url, "Invalid port in redirect target")),
        _ => Ok((next.to_owned(), path)),
    }
}

async fn fetch(ca: &Ca, host: &str, path: &str) -> Result<Reply, Problem> {
    let url = format!("http://{host}{path}");
    let found = lookup::addresses(ca.resolver, host).await.unwrap_or_default();
    let first_v4 = found.iter().position(IpAddr::is_ipv4);
    let tried = found.first().into_iter().chain(first_v4.filter(|at| *at > 0).map(|at| &found[at]));
    let mut last = Problem::new(400, "dns", format!("No valid IP addresses found for {host}"));
    for address in tried {
        let asked = get(SocketAddr::new(*address, ca.options.http_port), host, path);
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(reply)) => return Ok(reply),
            Ok(Err(error)) => last = connection(&url, &format!("{address}: {error}")),
            Err(_) => last = connection(&url, &format!("{address}: Timeout during connect (likely firewall problem)")),
        }
    }
    Err(last)
}

async fn get(server: SocketAddr, host: &str, path: &str) -> Result<Reply, Box<dyn std::error::Error + Send + Sync>> {
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let host = if server.port() == 80 { host.to_owned() } else { format!("{host}:{}", server.port()) };
    let request = Request::get(format!("http://{server}{path}")).header(header::HOST, host).body(Empty::new())?;
    let (head, body) = client.request(request).await?.into_parts();
    let location =
        head.headers.get(header::LOCATION).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    // Too long: what is cut is not what was expected.
    let body =
        Limited::new(body, MAX_BODY).collect().await.map_or_else(|_| Vec::new(), |body| body.to_bytes().to_vec());
    Ok(Reply { status: head.status, location, body })
}

fn connection(url: &str, why: &str) -> Problem {
    Problem::new(400, "connection", format!("Fetching {url}: {why}"))
}
