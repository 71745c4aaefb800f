//! Tells people that a run went wrong: a POST to a webhook, a program of this host. Each is tried once.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Uri};
use http_body_util::Full;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;

use crate::fault::Fault;
use crate::secret::Secret;

/// Nobody waits longer for people to be told.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Sends JSON to a URL, which often is a secret itself and never stands in a fault.
///
/// # Errors
/// `notify:webhook` if there is no answer in time, or one that is not 2xx.
pub async fn webhook(url: &Secret, news: &Value) -> Result<(), Fault> {
    let failed = |text: String| {
        Fault::new("notify:webhook", text).hint("see the file of `notify.webhook_file`: one line, an http(s) URL")
    };
    let uri: Uri = url.reveal().trim().parse().map_err(|_| failed("the webhook is not a URL".into()))?;
    let request = Request::builder().method(Method::POST).uri(uri).header("content-type", "application/json");
    let request = request
        .body(Full::new(bytes::Bytes::from(news.to_string())))
        .map_err(|_| failed("the webhook is not a URL".into()))?;
    let https = HttpsConnectorBuilder::new().with_tls_config(tls()?).https_or_http().enable_http1().build();
    let client = Client::builder(TokioExecutor::new()).build(https);
    match tokio::time::timeout(TIMEOUT, client.request(request)).await {
        Ok(Ok(reply)) if reply.status().is_success() => Ok(()),
        Ok(Ok(reply)) => Err(failed(format!("the webhook answered {}", reply.status()))),
        // The error of the client names the URL.
        Ok(Err(_)) => Err(failed("the webhook cannot be reached".into())),
        Err(_) => Err(failed(format!("the webhook did not answer within {} s", TIMEOUT.as_secs()))),
    }
}

fn tls() -> Result<ClientConfig, Fault> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(|error| Fault::new("notify:webhook", "TLS cannot be set up").caused_by(&error))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
