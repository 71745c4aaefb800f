//! A hand-made ACME client that can also do what no good client does.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use countersign::sandbox::Sandbox;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};

use crate::Https;

pub enum Key {
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Rsa(Box<RsaKeyPair>),
}

impl Key {
    pub fn p256() -> Self {
        Self::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub fn p384() -> Self {
        Self::P384(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap())
    }

    pub fn rsa() -> Self {
        Self::Rsa(Box::new(RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap()))
    }

    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::P256(_) => "ES256",
            Self::P384(_) => "ES384",
            Self::Rsa(_) => "RS256",
        }
    }

    pub fn jwk(&self) -> Value {
        let point = |curve: &str, key: &EcdsaKeyPair| {
            let (x, y) = key.public_key().as_ref()[1..].split_at(key.public_key().as_ref().len() / 2);
            json!({"kty": "EC", "crv": curve, "x": b64(x), "y": b64(y)})
        };
        match self {
            Self::P256(key) => point("P-256", key),
            Self::P384(key) => point("P-384", key),
            Self::Rsa(key) => {
                let public = key.public_key();
                let (n, e) = (public.modulus(), public.exponent());
                json!({"kty": "RSA", "n": b64(n.big_endian_without_leading_zero()), "e": b64(e.big_endian_without_leading_zero())})
            }
        }
    }

    /// PKCS#8.
    pub fn pem(&self) -> String {
        let der = match self {
            Self::P256(key) | Self::P384(key) => key.to_pkcs8v1().unwrap().as_ref().to_vec(),
            Self::Rsa(key) => {
                let der: Pkcs8V1Der<'static> = key.as_der().unwrap();
                der.as_ref().to_vec()
            }
        };
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64_STANDARD.encode(der))
    }

    fn sign(&self, text: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::P256(key) | Self::P384(key) => key.sign(&random, text).unwrap().as_ref().to_vec(),
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, text, &mut signature).unwrap();
                signature
            }
        }
    }

    /// A flattened JWS over any header.
    pub fn jws(&self, header: &Value, payload: &str) -> Value {
        let (protected, payload) = (b64(header.to_string().as_bytes()), b64(payload.as_bytes()));
        let signature = b64(&self.sign(format!("{protected}.{payload}").as_bytes()));
        json!({"protected": protected, "payload": payload, "signature": signature})
    }
}

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// Status and type of the problem, without its prefix.
    pub fn problem(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), "application/problem+json", "{:?}", self.body);
        let kind = self.json()["type"].as_str().unwrap().to_owned();
        (self.status, kind.strip_prefix("urn:ietf:params:acme:error:").unwrap().to_owned())
    }
}

pub struct Raw {
    pub https: Https,
    pub base: String,
    pub key: Key,
    pub kid: Option<String>,
}

impl Raw {
    pub fn new(sandbox: &Sandbox, key: Key) -> Self {
        let base = sandbox.directory_url().strip_suffix("/dir").unwrap().to_owned();
        Self { https: crate::https(sandbox), base, key, kid: None }
    }

    /// With an account.
    pub async fn registered(sandbox: &Sandbox, key: Key) -> Self {
        let mut raw = Self::new(sandbox, key);
        let answer = raw.post("/new-account", r#"{"termsOfServiceAgreed":true}"#).await;
        assert_eq!(answer.status, 201, "{:?}", answer.body);
        raw.kid = Some(answer.header("location").to_owned());
        raw
    }

    pub async fn nonce(&self) -> String {
        let request = Request::head(format!("{}/new-nonce", self.base)).body(Full::default()).unwrap();
        self.https.request(request).await.unwrap().headers()["replay-nonce"].to_str().unwrap().to_owned()
    }

    /// What a good client puts into the protected header.
    pub async fn header(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.base);
        let mut header = json!({"alg": self.key.algorithm(), "url": url, "nonce": self.nonce().await});
        match &self.kid {
            Some(kid) => header["kid"] = json!(kid),
            None => header["jwk"] = self.key.jwk(),
        }
        header
    }

    pub async fn post(&self, path: &str, payload: &str) -> Answer {
        let body = self.key.jws(&self.header(path).await, payload);
        self.send(path, &body).await
    }

    pub async fn send(&self, path: &str, body: &Value) -> Answer {
        let request = Request::post(format!("{}{path}", self.base))
            .header("content-type", "application/jose+json")
            .header("user-agent", "sandbox-test");
        self.request(request.body(Full::from(body.to_string())).unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.request(Request::get(format!("{}{path}", self.base)).body(Full::default()).unwrap()).await
    }

    pub async fn request(&self, request: Request<Full<Bytes>>) -> Answer {
        let (parts, body) = self.https.request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub async fn order(&self, names: &[&str]) -> Answer {
        self.post("/new-order", &order(names).to_string()).await
    }
}

/// The payload of newOrder.
pub fn order(names: &[&str]) -> Value {
    let identifiers: Vec<Value> = names.iter().map(|name| json!({"type": "dns", "value": name})).collect();
    json!({"identifiers": identifiers})
}

pub fn b64(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}
