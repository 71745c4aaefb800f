//! Signature version 4 of requests, verified (AWS General Reference, "Signing AWS API requests").

use aws_lc_rs::{constant_time, hmac};
use bytes::Bytes;
use http::{Request, header};

use super::super::{ACCESS_KEY, OTHER_ACCESS_KEY, OTHER_SECRET_KEY, SECRET_KEY};
use crate::name::{Digest, hex};

/// The access key id in the `Authorization` header.
pub(super) fn access_key(request: &Request<Bytes>) -> Option<&str> {
    let credential = part(authorization(request)?, "Credential")?;
    credential.split('/').next()
}

/// Whose request it is: the access key. Else the code and the message of the refusal.
pub(super) fn verify(request: &Request<Bytes>, service: &str) -> Result<&'static str, (&'static str, &'static str)> {
    const MISSING: (&str, &str) = ("MissingAuthenticationToken", "Missing Authentication Token");
    const INCOMPLETE: (&str, &str) = ("IncompleteSignature", "The Authorization header is not complete");
    const WRONG: (&str, &str) = ("SignatureDoesNotMatch", "The request signature we calculated does not match");

    let authorization = authorization(request).ok_or(MISSING)?;
    let credential = part(authorization, "Credential").ok_or(INCOMPLETE)?;
    let signed = part(authorization, "SignedHeaders").ok_or(INCOMPLETE)?;
    let signature = part(authorization, "Signature").ok_or(INCOMPLETE)?;
    let [access_key, date, region, of, "aws4_request"] = credential.split('/').collect::<Vec<_>>()[..] else {
        return Err(INCOMPLETE);
    };
    let (access_key, secret) = [(ACCESS_KEY, SECRET_KEY), (OTHER_ACCESS_KEY, OTHER_SECRET_KEY)]
        .into_iter()
        .find(|(known, _)| *known == access_key)
        .ok_or(("InvalidClientTokenId", "The security token included in the request is invalid"))?;
    if (region, of) != ("us-east-1", service) {
        return Err(("SignatureDoesNotMatch", "Credential should be scoped to us-east-1 and to this service"));
    }
    if !signed.split(';').any(|name| name == "host") {
        return Err(INCOMPLETE);
    }
    let stamp = request.headers().get("x-amz-date").and_then(|value| value.to_str().ok()).ok_or(INCOMPLETE)?;
    let canonical = Digest::of(canonical_request(request, signed).as_bytes()).to_hex();
    let scope = format!("{date}/{region}/{service}/aws4_request");
    let text = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{canonical}");
    let first = format!("AWS4{secret}").into_bytes();
    let steps = [date, region, service, "aws4_request", text.as_str()];
    let expected = hex(&steps.into_iter().fold(first, |key, step| mac(&key, step)));
    constant_time::verify_slices_are_equal(expected.as_bytes(), signature.as_bytes()).map_err(|_| WRONG)?;
    Ok(access_key)
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn authorization(request: &Request<Bytes>) -> Option<&str> {
    request.headers().get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("AWS4-HMAC-SHA256 ")
}

fn part<'a>(authorization: &'a str, name: &str) -> Option<&'a str> {
    authorization.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
}

fn canonical_request(request: &Request<Bytes>, signed: &str) -> String {
    let mut query: Vec<(String, String)> = request
        .uri()
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (percent_encode(&percent_decode(name)), percent_encode(&percent_decode(value)))
        })
        .collect();
    query.sort();
    let query: Vec<String> = query.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let headers: String = signed.split(';').map(|name| format!("{name}:{}\n", header_value(request, name))).collect();
    let body = Digest::of(request.body()).to_hex();
    let (method, path) = (request.method(), request.uri().path());
    // No path of this API has a character that needs encoding.
    format!("{method}\n{path}\n{}\n{headers}\n{signed}\n{body}", query.join("&"))
}

fn header_value(request: &Request<Bytes>, name: &str) -> String {
    let values = request.headers().get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.map(|value| value.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join(",")
}

fn percent_encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

pub(super) fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
