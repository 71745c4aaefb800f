//! Fetches a token file over HTTP as a CA does (RFC 8555 section 8.3), and says what stood in the way.

use std::error::Error;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, LOCATION, USER_AGENT};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::{FixedServerNameResolver, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rustls_pki_types::ServerName;
use tracing::debug;

use crate::fault::Fault;
use crate::journal::TokenFile;
use crate::port::Addresses;
use crate::tls::of_any_certificate;

const TIMEOUT: Duration = Duration::from_secs(10);
/// As many as Boulder and Pebble follow.
const MAX_REDIRECTS: usize = 10;
/// A key authorization has under 100 bytes. A page that is served instead is cut.
const MAX_BODY: usize = 64 * 1024;
/// Characters of a wrong answer that are shown.
const SHOWN: usize = 60;

/// What a web server answered in the end.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    /// The URLs that were asked, the first one first, each with the address.
    hops: Vec<String>,
    status: StatusCode,
    body: Vec<u8>,
}

impl Seen {
    /// Whether a CA would be content.
    pub fn judge(&self, file: &TokenFile) -> Result<(), Fault> {
        let last = self.hops.last().map(String::as_str).unwrap_or_default();
        let folder = file.folder.display();
        let serves =
            format!("let the web server serve {folder} at /.well-known/acme-challenge/; docs/http-01.md shows how");
        let fault = match self.status {
            StatusCode::OK if self.body.trim_ascii_end() == file.content.as_bytes() => return Ok(()),
            StatusCode::OK => {
                let text = String::from_utf8_lossy(&self.body);
                let start: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect();
                Fault::new("http:other-content", format!("{last} answers with something else: `{}`", start.trim()))
                    .hint(format!("another web server or virtual host answers for this name, or it serves another folder; {serves}"))
            }
            StatusCode::NOT_FOUND => Fault::new("http:not-found", format!("{last} answers 404 Not Found")).hint(serves),
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => {
                Fault::new("http:forbidden", format!("{last} answers {}", self.status)).hint(format!(
                    "let the web server's user read {folder} and its files, and ask for no password there"
                ))
            }
            status => Fault::new("http:status", format!("{last} answers {status}")).hint(serves),
        };
        Err(told(fault, &self.hops))
    }
}

/// Fetches a file from one address of its host. Redirects are followed wherever they lead.
pub async fn fetch(addresses: &dyn Addresses, address: IpAddr, port: u16, file: &TokenFile) -> Result<Seen, Fault> {
    let start = if port == 80 { file.host.clone() } else { format!("{}:{port}", file.host) };
    let mut target = Target {
        https: false,
        host: file.host.clone(),
        port,
        address,
        path: format!("/.well-known/acme-challenge/{}", file.token),
        shown: format!("http://{start}/.well-known/acme-challenge/{}", file.token),
    };
    let mut hops = Vec::new();
    loop {
        hops.push(format!("{} ({address})", target.shown, address = target.address));
        let answer = target.get().await.map_err(|fault| told(fault, &hops))?;
        debug!(url = target.shown, address = %target.address, status = answer.status.as_u16(), "http-01");
        let Some(location) = answer.location.filter(|_| answer.status.is_redirection()) else {
            return Ok(Seen { hops, status: answer.status, body: answer.body });
        };
        if hops.len() > MAX_REDIRECTS {
            return Err(told(astray(format!("{} is redirected more than {MAX_REDIRECTS} times", hops[0])), &hops));
        }
        target = target.follow(&location, port, addresses).await.map_err(|fault| told(fault, &hops))?;
    }
}

/// One request to one server.
struct Target {
    https: bool,
    host: String,
    port: u16,
    address: IpAddr,
    /// With the query.
    path: String,
    shown: String,
}

struct Answer {
    status: StatusCode,
    location: Option<String>,
    body: Vec<u8>,
}

impl Target {
    async fn get(&self) -> Result<Answer, Fault> {
        let read = async {
            let response = self.client()?.request(self.request()?).await.map_err(|error| self.silent(&error))?;
            let (head, body) = response.into_parts();
            let body = match Limited::new(body, MAX_BODY).collect().await {
                Ok(body) => body.to_bytes().to_vec(),
                Err(error) => {
                    debug!(url = self.shown, %error, "a body is too long or was cut");
                    Vec::new()
                }
            };
            let location =
                head.headers.get(LOCATION).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
            Ok(Answer { status: head.status, location, body })
        };
        tokio::time::timeout(TIMEOUT, read).await.unwrap_or_else(|_| Err(self.late()))
    }

    fn request(&self) -> Result<Request<Empty<Bytes>>, Fault> {
        let scheme = if self.https { "https" } else { "http" };
        let default = if self.https { 443 } else { 80 };
        let host = if self.port == default { self.host.clone() } else { format!("{}:{}", self.host, self.port) };
        let request = Request::get(format!("{scheme}://{}{}", SocketAddr::new(self.address, self.port), self.path))
            .header(HOST, host)
            .header(USER_AGENT, concat!("countersign/", env!("CARGO_PKG_VERSION")));
        request.body(Empty::new()).map_err(|error| strange(&self.shown).caused_by(&error))
    }

    fn client(
        &self,
    ) -> Result<Client<impl hyper_util::client::legacy::connect::Connect + Clone + use<>, Empty<Bytes>>, Fault> {
        let name = ServerName::try_from(self.host.clone()).map_err(|error| strange(&self.shown).caused_by(&error))?;
        // CAs do not look at the certificate where a redirect leads to HTTPS: it may be the one that is to be replaced.
        let tls =
            of_any_certificate().map_err(|error| Fault::new("http:tls", "TLS cannot be set up").caused_by(&error))?;
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .with_server_name_resolver(FixedServerNameResolver::new(name))
            .enable_http1()
            .build();
        Ok(Client::builder(TokioExecutor::new()).build(connector))
    }

    /// Where a redirect leads. CAs follow to ports 80 and 443 only, and never to an address.
    async fn follow(&self, location: &str, port: u16, addresses: &dyn Addresses) -> Result<Self, Fault> {
        let uri: Uri = location.parse().map_err(|_| strange(location))?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let Some(host) = uri.host() else {
            let shown = self.shown.split_inclusive('/').take(3).collect::<String>();
            let shown = format!("{}{path}", shown.trim_end_matches('/'));
            return Ok(Self { path, shown, host: self.host.clone(), ..*self });
        };
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(strange(location)),
        };
        let wanted = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        let reached = match (https, wanted) {
            (false, 80) => port,
            (_, wanted) if wanted == 443 || wanted == port || wanted == 80 => wanted,
            (_, wanted) => {
                let text = format!("{} leads to port {wanted}: CAs follow to ports 80 and 443 only", self.shown);
                return Err(astray(text));
            }
        };
        let address = match host == self.host {
            true => self.address,
            false => addresses
                .of(host)
                .await?
                .into_iter()
                .next()
                .ok_or_else(|| astray(format!("{} leads to {host}, which has no address", self.shown)))?,
        };
        Ok(Self { https, host: host.to_owned(), port: reached, address, path, shown: location.to_owned() })
    }

    fn late(&self) -> Fault {
        let text = format!("{} ({}) did not answer within {} s", self.shown, self.address, TIMEOUT.as_secs());
        Fault::new("http:unreachable", text).hint(self.ways_in())
    }

    fn silent(&self, error: &hyper_util::client::legacy::Error) -> Fault {
        let mut cause: Option<&(dyn Error + 'static)> = Some(error);
        let mut kind = None;
        while let Some(here) = cause {
            kind = here.downcast_ref::<std::io::Error>().map(std::io::Error::kind).or(kind);
            cause = here.source();
        }
        let (address, port) = (self.address, self.port);
        let what = match kind {
            Some(ErrorKind::ConnectionRefused) => format!("{address} refuses connections to port {port}"),
            Some(ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable) => format!("{address} cannot be reached"),
            _ => format!("{address}, port {port}, gives no answer over {}", if self.https { "HTTPS" } else { "HTTP" }),
        };
        Fault::new("http:unreachable", format!("{}: {what}", self.shown)).caused_by(error).hint(self.ways_in())
    }

    fn ways_in(&self) -> String {
        let host = &self.host;
        format!(
            "a web server must run for {host} and be open to the world at port {}; if only this host cannot reach it, set `preflight: false` under `http:`",
            self.port
        )
    }
}

fn strange(url: &str) -> Fault {
    astray(format!("`{url}` is not a URL that a CA would follow"))
}

fn astray(text: String) -> Fault {
    let hint = "exempt /.well-known/acme-challenge/ from the rule that redirects; docs/http-01.md shows how";
    Fault::new("http:redirect", text).hint(hint)
}

/// The way that was gone, for those who look for the place where it goes wrong.
fn told(mut fault: Fault, hops: &[String]) -> Fault {
    if let [first, .., last] = hops {
        let between = if hops.len() > 2 { format!(" after {} redirects", hops.len() - 1) } else { String::new() };
        fault.causes.insert(0, format!("{first} redirects to {last}{between}"));
    }
    fault
}
