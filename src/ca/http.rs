//! The wire to the CA: TLS, deadlines, nonces, and a directory that is asked for once.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ::http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LINK, USER_AGENT};
use ::http::{Method, Request, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;
use tokio::sync::{Notify, OnceCell, Semaphore};
use tracing::debug;

use super::Settings;
use super::refusal::{Refusal, Tries};
use super::reply::Reply;
use super::skew;
use crate::fault::{Fault, Retry};
use crate::port::Clock;

const REPLAY_NONCE: &str = "replay-nonce";
/// Chains and orders stay far below this.
const MAX_BODY: usize = 1 << 20;
/// More nonces than requests are ever in flight would only grow stale.
const MAX_NONCES: usize = 64;
/// newNonce requests in flight. Let's Encrypt allows 20 a second, and a wave soon lives on what replies bring.
const ASKING: usize = 4;

/// What of the directory this adapter needs itself (RFC 8555 section 7.1.1, RFC 9773 section 4.1).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Directory {
    new_nonce: String,
    pub new_account: String,
    pub revoke_cert: Option<String>,
    pub key_change: Option<String>,
    pub renewal_info: Option<String>,
    #[serde(default)]
    pub meta: Meta,
}

/// RFC 8555 section 9.7.6, and draft-ietf-acme-profiles.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Meta {
    #[serde(default)]
    pub caa_identities: Vec<String>,
    pub terms_of_service: Option<String>,
    /// With what the CA says about each.
    #[serde(default)]
    pub profiles: BTreeMap<String, serde_json::Value>,
}

/// Cheap to clone; clones share connections, directory and nonces.
#[derive(Clone)]
pub(super) struct Client(Arc<Wire>);

type Https = HyperClient<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>>;

struct Wire {
    directory_url: String,
    extra_roots: Vec<CertificateDer<'static>>,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    https: OnceCell<Https>,
    directory: OnceCell<(Directory, Reply)>,
    /// From replies, the freshest last. instant-acme never sees them: it asks for one each time it signs.
    nonces: Mutex<Vec<HeaderValue>>,
    /// A nonce was put there.
    brought: Notify,
    asking: Semaphore,
}

impl Client {
    pub fn new(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, Fault> {
        Ok(Self(Arc::new(Wire {
            directory_url: settings.directory.clone(),
            extra_roots: settings.root_pem.as_deref().map_or(Ok(Vec::new()), read_roots)?,
            timeout: settings.timeout,
            clock,
            https: OnceCell::new(),
            directory: OnceCell::new(),
            nonces: Mutex::default(),
            brought: Notify::new(),
            asking: Semaphore::new(ASKING),
        })))
    }

    pub async fn directory(&self) -> Result<&Directory, Fault> {
        Ok(&self.0.directory().await?.0)
    }

    /// A plain GET, without a signature.
    pub async fn get(&self, url: &str) -> Result<Reply, Fault> {
        self.0.bare(Method::GET, url).await
    }

    /// A nonce for one request (RFC 8555 section 6.5).
    pub async fn nonce(&self) -> Result<String, Fault> {
        let mut tries = Tries::default();
        loop {
            let reply = self.0.nonce().await?;
            let nonce = reply.headers.get(REPLAY_NONCE).and_then(|nonce| nonce.to_str().ok());
            match nonce.filter(|_| reply.status.is_success()) {
                Some(nonce) => return Ok(nonce.to_owned()),
                None if reply.status.is_success() => {
                    return Err(Fault::new("acme:malformed-reply", "the CA's newNonce brings no nonce"));
                }
                None => tries.again(Refusal::of_reply(&reply)).await?,
            }
        }
    }

    /// Sends a body that is signed already.
    pub async fn post(&self, url: &str, body: String) -> Result<Reply, Fault> {
        let request = Request::builder().method(Method::POST).uri(url).header(CONTENT_TYPE, "application/jose+json");
        let request = request.body(BodyWrapper::from(body.into_bytes())).map_err(|error| bad_url(url, &error))?;
        self.0.post(request).await
    }
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let wire = self.0.clone();
        Box::pin(async move {
            let reply = match *request.method() {
                // instant-acme sends HEAD only to newNonce and GET only to the directory.
                Method::HEAD => wire.nonce().await,
                Method::GET => wire.directory().await.map(|(_, reply)| reply.clone()),
                _ => wire.post(request).await,
            };
            reply.map(BytesResponse::from).map_err(|fault| Error::Other(Box::new(fault)))
        })
    }
}

impl Wire {
    async fn directory(&self) -> Result<&(Directory, Reply), Fault> {
        self.directory.get_or_try_init(|| self.fetch_directory()).await
    }

    async fn fetch_directory(&self) -> Result<(Directory, Reply), Fault> {
        let mut tries = Tries::default();
        loop {
            let reply = self.bare(Method::GET, &self.directory_url).await?;
            if !reply.status.is_success() {
                let named =
                    |fault: Fault| Fault { message: format!("{}: {}", self.directory_url, fault.message), ..fault };
                tries.again(Refusal::of_reply(&reply)).await.map_err(named)?;
                continue;
            }
            let directory = serde_json::from_slice(&reply.body).map_err(|error| {
                Fault::new("acme:no-directory", format!("{} is not an ACME directory", self.directory_url))
                    .caused_by(&error)
            })?;
            skew::check(&reply, self.clock.now())?;
            return Ok((directory, reply));
        }
    }

    /// A nonce that a reply brought, else one from newNonce (RFC 8555 section 7.2), whichever comes first.
    async fn nonce(&self) -> Result<Reply, Fault> {
        loop {
            let kept = self.nonces().pop();
            if let Some(nonce) = kept {
                let headers = HeaderMap::from_iter([(HeaderName::from_static(REPLAY_NONCE), nonce)]);
                return Ok(Reply::new(StatusCode::OK, headers, Bytes::new(), self.clock.now()));
            }
            let _asking = tokio::select! {
                asking = self.asking.acquire() => asking,
                () = self.brought.notified() => continue,
            };
            if self.nonces().is_empty() {
                let mut reply = self.bare(Method::HEAD, &self.directory().await?.0.new_nonce).await?;
                if reply.status.is_success() {
                    // RFC 8555 allows 204 too, instant-acme only 200.
                    reply.status = StatusCode::OK;
                }
                return Ok(reply);
            }
        }
    }

    async fn post(&self, request: Request<BodyWrapper<Bytes>>) -> Result<Reply, Fault> {
        let mut reply = self.exchange(request).await?;
        if let Some(nonce) = reply.headers.remove(REPLAY_NONCE) {
            let mut nonces = self.nonces();
            nonces.push(nonce);
            let surplus = nonces.len().saturating_sub(MAX_NONCES);
            nonces.drain(..surplus);
            self.brought.notify_one();
        }
        Ok(reply)
    }

    fn nonces(&self) -> MutexGuard<'_, Vec<HeaderValue>> {
        self.nonces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn bare(&self, method: Method, url: &str) -> Result<Reply, Fault> {
        let request = Request::builder().method(method).uri(url).body(BodyWrapper::default());
        self.exchange(request.map_err(|error| bad_url(url, &error))?).await
    }

    /// Sends a request and reads the whole answer before the deadline.
    async fn exchange(&self, mut request: Request<BodyWrapper<Bytes>>) -> Result<Reply, Fault> {
        let agent = HeaderValue::from_static(concat!("countersign/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().insert(USER_AGENT, agent);
        let (method, uri, begun) = (request.method().clone(), request.uri().clone(), Instant::now());
        let https = self.https.get_or_try_init(|| async { connect(&self.extra_roots) }).await?;
        let read = async {
            let (head, body) = https.request(request).await.map_err(|error| self.unanswered(&error))?.into_parts();
            let body = Limited::new(body, MAX_BODY).collect().await;
            Ok((head, body.map_err(|error| self.broken_off(&*error))?.to_bytes()))
        };
        let (head, body) = tokio::time::timeout(self.timeout, read).await.map_err(|_| self.late())??;
        debug!(%method, %uri, status = head.status.as_u16(), ms = begun.elapsed().as_millis(), "acme");
        for link in head.headers.get_all(LINK).iter().filter_map(|link| link.to_str().ok()) {
            debug!(link, "acme");
        }
        let reply = Reply::new(head.status, head.headers, body, self.clock.now());
        reply.note();
        Ok(reply)
    }

    fn late(&self) -> Fault {
        let message = format!("the CA at {} did not answer within {} s", self.directory_url, self.timeout.as_secs());
        Fault::new("acme:timeout", message)
    }

    fn unanswered(&self, error: &hyper_util::client::legacy::Error) -> Fault {
        if !error.is_connect() {
            return self.broken_off(error);
        }
        Fault::new("acme:unreachable", format!("the CA at {} cannot be reached", self.directory_url))
            .caused_by(error)
            .hint(format!(
                "see that this host can open {}, and that its certificate is trusted (`root` of the authority)",
                self.directory_url
            ))
    }

    /// Whether the request was heard is open. The journal makes that harmless.
    fn broken_off(&self, error: &(dyn std::error::Error + 'static)) -> Fault {
        Fault::new("acme:unreachable", format!("the CA at {} broke off the connection", self.directory_url))
            .caused_by(error)
            .hint("the CA or a proxy before it is in trouble; the next run goes on where this one stopped")
    }
}

fn bad_url(url: &str, error: &::http::Error) -> Fault {
    Fault::new("acme:bad-url", format!("`{url}`, which the CA names, is not a URL"))
        .caused_by(error)
        .retry(Retry::Never)
}

fn read_roots(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let refused = || Fault::new("acme:bad-root", "the `root` of the authority is not a PEM certificate");
    match roots {
        Ok(roots) if !roots.is_empty() => Ok(roots),
        Ok(_) => Err(refused().retry(Retry::Never)),
        Err(error) => Err(refused().caused_by(&error).retry(Retry::Never)),
    }
}

/// Without TCP_NODELAY each small frame of HTTP/2 waits for a delayed acknowledgement.
fn connect(extra_roots: &[CertificateDer<'static>]) -> Result<Https, Fault> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for root in extra_roots {
        roots
            .add(root.clone())
            .map_err(|error| Fault::new("acme:bad-root", "a TLS root is unusable").caused_by(&error))?;
    }
    let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Fault::new("acme:no-tls", "TLS cannot be set up").caused_by(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    tcp.enforce_http(false);
    let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_http1().enable_http2();
    Ok(HyperClient::builder(TokioExecutor::new()).build(https.wrap_connector(tcp)))
}
