//! Where a certificate is served.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::name::Identifier;

/// The port of `https` (RFC 9110 section 4.2.2).
const HTTPS: u16 = 443;

/// A TLS server, by a name that its certificate has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Endpoint {
    pub host: Identifier,
    pub port: u16,
}

impl Endpoint {
    /// `www.example.com` or `www.example.com:8443`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, number(port)?),
            None => (text, HTTPS),
        };
        let host = Identifier::parse(host).map_err(|error| error.to_string())?;
        if host.is_wildcard() {
            return Err(format!("`{text}` is no server: write a name that `{host}` covers"));
        }
        Ok(Self { host, port })
    }
}

fn number(port: &str) -> Result<u16, String> {
    let digits = port.bytes().all(|byte| byte.is_ascii_digit()) && !port.starts_with('0');
    let number = port.parse().ok().filter(|_| digits);
    number.ok_or_else(|| format!("`{port}` is not a port: write a number from 1 to 65535"))
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl TryFrom<String> for Endpoint {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> Self {
        endpoint.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_name_and_perhaps_a_port() {
        let read = |text: &str| Endpoint::parse(text).map(|endpoint| endpoint.to_string()).ok();
        assert_eq!(read("www.example.com").as_deref(), Some("www.example.com:443"));
        assert_eq!(read("www.example.com:8443").as_deref(), Some("www.example.com:8443"));
        for text in ["*.example.com", "10.0.0.7", "www.example.com:0", "www.example.com:99999", "www.example.com:", ""]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
