//! HTTP and HTTPS to the parts of the lab, with a deadline on every request.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

const DEADLINE: Duration = Duration::from_secs(20);

/// A client that trusts one root, or none if it speaks plain HTTP only.
#[derive(Clone)]
pub struct Web(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Web {
    pub fn plain() -> Web {
        Web::trusting(rustls::RootCertStore::empty())
    }

    pub fn with_root(root: &Path) -> Web {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(root).expect("a PEM file")).expect("a usable root");
        Web::trusting(roots)
    }

    fn trusting(roots: rustls::RootCertStore) -> Web {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let versions = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let tls = versions.expect("the provider has them").with_root_certificates(roots).with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
        Web(Client::builder(TokioExecutor::new()).build(connector.wrap_connector(tcp)))
    }

    /// The answer with its whole body, or why there is none.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, String> {
        let exchange = async {
            let response = self.0.request(request.map(Full::new)).await.map_err(|e| format!("{e:?}"))?;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.map_err(|e| e.to_string())?.to_bytes();
            Ok(Response::from_parts(parts, body))
        };
        tokio::time::timeout(DEADLINE, exchange).await.unwrap_or_else(|_| Err(format!("no answer in {DEADLINE:?}")))
    }

    /// GET from a place that may have a runtime or not.
    pub fn get(&self, url: &str) -> Result<Response<Bytes>, String> {
        wait(self.send(Request::get(url).body(Bytes::new()).expect("a request")))
    }
}

/// Runs a future to its end on a thread of its own, so that it does not matter whether the caller is in a runtime.
pub fn wait<T: Send>(future: impl Future<Output = T> + Send) -> T {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(future)
    };
    on_a_thread(run)
}

/// A runtime for a server of the lab. It ends with its value, without waiting for open connections.
pub struct Background(Option<tokio::runtime::Runtime>);

impl Background {
    pub fn start() -> Background {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        Background(Some(builder.worker_threads(1).enable_all().build().expect("a runtime")))
    }

    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.0.as_ref().expect("it runs until dropped").spawn(future);
    }

    pub fn block_on<T: Send>(&self, future: impl Future<Output = T> + Send) -> T {
        let runtime = self.0.as_ref().expect("it runs until dropped");
        let run = || runtime.block_on(future);
        on_a_thread(run)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

fn on_a_thread<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(run).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
