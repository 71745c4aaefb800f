//! One loopback HTTP server around one API: it logs each call, plays its script and adds the latency.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::faults::{Faults, Mishap};
use super::log::Log;

/// Requests above this are refused; nothing the product sends comes near it.
const BODY_LIMIT: usize = 16 << 20;

/// What makes one server different from the others.
#[async_trait]
pub(super) trait Api: Send + Sync + 'static {
    /// The name of the operation, for the log and for scripts.
    fn operation(&self, request: &Request<Bytes>) -> &'static str;
    /// Who asks, as far as the request says so.
    fn principal(&self, request: &Request<Bytes>) -> Option<String>;
    async fn answer(&self, request: Request<Bytes>) -> Response<Bytes>;
    /// A refusal in the dialect of the API.
    fn refuse(&self, status: u16, code: &str) -> Response<Bytes>;
}

/// What all servers share.
#[derive(Clone)]
pub(super) struct Stage {
    pub(super) log: Log,
    pub(super) faults: Faults,
    pub(super) latency: Duration,
}

/// A listener on the loopback; port 0 takes any free one.
pub(super) async fn bind(port: u16) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Serves until the task is dropped. Connections end with it.
pub(super) async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, api: Arc<dyn Api>, stage: Stage) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        // Out of file descriptors: whoever holds them lets go some time.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        connections.spawn(connection(stream, tls.clone(), api.clone(), stage.clone()));
    }
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, api: Arc<dyn Api>, stage: Stage) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let Some(tls) = tls else {
        return speak(stream, false, api, stage).await;
    };
    if let Ok(stream) = tls.accept(stream).await {
        let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        speak(stream, h2, api, stage).await;
    }
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    h2: bool,
    api: Arc<dyn Api>,
    stage: Stage,
) {
    let service = service_fn(move |request: Request<Incoming>| call(request, api.clone(), stage.clone()));
    let io = TokioIo::new(stream);
    // A client that goes away is its own business.
    let _ = if h2 {
        hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await
    } else {
        hyper::server::conn::http1::Builder::new().timer(TokioTimer::new()).serve_connection(io, service).await
    };
}

/// An error ends the connection without an answer.
async fn call(request: Request<Incoming>, api: Arc<dyn Api>, stage: Stage) -> io::Result<Response<Body>> {
    let (parts, body) = request.into_parts();
    let body = http_body_util::Limited::new(body, BODY_LIMIT).collect().await.map_err(io::Error::other)?;
    let request = Request::from_parts(parts, body.to_bytes());

    let operation = api.operation(&request);
    let ticket = stage.log.begin(operation, request.uri().path(), api.principal(&request));
    let mishap = stage.faults.take_for(operation, request.uri().path());
    let answer = play(request, mishap, api.as_ref()).await;
    tokio::time::sleep(stage.latency).await;
    ticket.end(answer.as_ref().map(|answer| answer.status().as_u16()));
    answer.ok_or_else(|| io::Error::other("the script ends the connection here"))
}

async fn play(request: Request<Bytes>, mishap: Mishap, api: &dyn Api) -> Option<Response<Body>> {
    let answer = match mishap {
        Mishap::Nothing => api.answer(request).await,
        Mishap::Refused { status, code, retry_after } => with_retry_after(api.refuse(status, &code), retry_after),
        Mishap::Html { status, retry_after } => with_retry_after(html(status), retry_after),
        Mishap::Unreached => return None,
        Mishap::Lost => {
            api.answer(request).await;
            return None;
        }
        Mishap::Stalled(pause) => return Some(api.answer(request).await.map(|body| stalled(body, pause))),
        Mishap::Garbled(text) => {
            let mut answer = api.answer(request).await.map(|_| Bytes::from(text));
            answer.headers_mut().remove(header::CONTENT_LENGTH);
            answer
        }
    };
    Some(answer.map(|body| Full::new(body).map_err(|never: Infallible| match never {}).boxed_unsync()))
}

type Body = UnsyncBoxBody<Bytes, io::Error>;

fn html(status: u16) -> Response<Bytes> {
    let page = "<html><head><title>Service Unavailable</title></head><body>The upstream is busy.</body></html>\n";
    let mut response = Response::new(Bytes::from_static(page.as_bytes()));
    *response.status_mut() = http::StatusCode::from_u16(status).expect("scripts name real statuses");
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
    response
}

fn with_retry_after(mut response: Response<Bytes>, value: Option<String>) -> Response<Bytes> {
    if let Some(value) = value {
        let value = HeaderValue::try_from(value).expect("scripts hold header values");
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}

fn stalled(body: Bytes, pause: Duration) -> Body {
    let (first, second) = (body.slice(..body.len() / 2), body.slice(body.len() / 2..));
    let rest = async move {
        tokio::time::sleep(pause).await;
        Ok(Frame::data(second))
    };
    let halves = stream::once(async { Ok(Frame::data(first)) }).chain(stream::once(rest));
    StreamBody::new(halves).boxed_unsync()
}
