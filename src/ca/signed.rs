//! Requests that instant-acme does not make: a flattened JWS (RFC 8555 section 6.2), signed and sent.

use ::http::StatusCode;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::http::Client;
use super::key::SigningKey;
use super::refusal::{Refusal, Tries};
use super::reply::Reply;
use crate::fault::{Fault, Retry};
use crate::secret::Secret;

/// Who signs (RFC 8555 section 6.2).
#[derive(Clone, Copy)]
pub(super) enum Signer<'a> {
    /// An account by its URL.
    Account(&'a SigningKey, &'a str),
    /// A key that the request brings along.
    Key(&'a SigningKey),
}

impl Signer<'_> {
    /// The protected header without a nonce.
    fn header(&self, url: &str) -> (&SigningKey, Value) {
        match self {
            Self::Account(key, kid) => (key, json!({"alg": key.algorithm(), "kid": kid, "url": url})),
            Self::Key(key) => (key, json!({"alg": key.algorithm(), "jwk": key.jwk(), "url": url})),
        }
    }
}

/// Sends `payload`, or a POST-as-GET without one. Gives the good answer.
///
/// # Errors
/// The CA's refusal after badNonce and 5xx were repeated as ever.
pub(super) async fn post(
    client: &Client,
    signer: Signer<'_>,
    url: &str,
    payload: Option<&Value>,
) -> Result<Reply, Fault> {
    let payload = payload.map(Value::to_string).unwrap_or_default();
    let mut tries = Tries::default();
    loop {
        let (key, mut header) = signer.header(url);
        header["nonce"] = json!(client.nonce().await?);
        let body = jws(&header, &payload, |text| key.sign(text))?;
        let reply = client.post(url, body.to_string()).await?;
        if reply.status.is_success() {
            return Ok(reply);
        }
        tries.again(Refusal::of_reply(&reply)).await?;
    }
}

/// A request inside of a request, signed by the new key (RFC 8555 section 7.3.5).
pub(super) fn inner(key: &SigningKey, url: &str, payload: &Value) -> Result<Value, Fault> {
    let signer = Signer::Key(key);
    jws(&signer.header(url).1, &payload.to_string(), |text| key.sign(text))
}

/// An account's key, signed with the MAC key of an account elsewhere (RFC 8555 section 7.3.4).
pub(super) fn binding(external: &ExternalAccount, url: &str, key: &SigningKey) -> Result<Value, Fault> {
    use aws_lc_rs::hmac;
    let mac = hmac::Key::new(hmac::HMAC_SHA256, &external.mac_key()?);
    let header = json!({"alg": "HS256", "kid": external.kid, "url": url});
    jws(&header, &key.jwk().to_string(), |text| Ok(hmac::sign(&mac, text).as_ref().to_vec()))
}

fn jws(header: &Value, payload: &str, sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, Fault>) -> Result<Value, Fault> {
    let b64 = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let (protected, payload) = (b64(header.to_string().as_bytes()), b64(payload.as_bytes()));
    let signature = sign(format!("{protected}.{payload}").as_bytes())?;
    Ok(json!({"protected": protected, "payload": payload, "signature": b64(&signature)}))
}

/// What a CA gave out of band to whoever may register (RFC 8555 section 7.3.4).
#[derive(Clone, Debug)]
pub struct ExternalAccount {
    pub kid: String,
    /// The MAC key as CAs show it, base64url, or why it is not to be had.
    pub hmac: Result<Secret, Fault>,
}

impl ExternalAccount {
    fn mac_key(&self) -> Result<zeroize::Zeroizing<Vec<u8>>, Fault> {
        // Some CAs pad, and some show the other alphabet.
        let hmac = self.hmac.as_ref().map_err(Clone::clone)?;
        let text: String = hmac.reveal().trim().trim_end_matches('=').replace('+', "-").replace('/', "_");
        match BASE64_URL_SAFE_NO_PAD.decode(zeroize::Zeroizing::new(text).as_bytes()) {
            Ok(bytes) if bytes.len() >= 16 => Ok(zeroize::Zeroizing::new(bytes)),
            _ => {
                Err(Fault::new("acme:eab", "the HMAC key of the external account is not base64url of 16 bytes or more")
                    .hint("copy it anew from the CA's account page into the file that `hmac_file` names")
                    .retry(Retry::Never))
            }
        }
    }
}

/// Whether the CA made something new, rather than found it.
pub(super) fn is_created(reply: &Reply) -> bool {
    reply.status == StatusCode::CREATED
}
