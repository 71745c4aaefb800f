//! Certificate chains as PEM: `application/pem-certificate-chain` of RFC 8555 section 9.1, strict.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::fault::Fault;

/// A chain of more certificates than this is not read.
const MAX_CERTIFICATES: usize = 10;
/// A chain of more bytes than this is not read.
pub const MAX_BYTES: usize = 100 * 1024;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// The certificates of a PEM text as DER, in their order.
///
/// Only CERTIFICATE blocks and blank lines are taken (RFC 7468 section 3, without explanatory text).
///
/// # Errors
/// `check:malformed` for everything else, for no certificate at all, and beyond the limits.
pub fn certificates(text: &str) -> Result<Vec<Vec<u8>>, Fault> {
    if text.len() > MAX_BYTES {
        return Err(malformed(format!("the chain has {} bytes, the limit is {MAX_BYTES}", text.len())));
    }
    let mut found = Vec::new();
    let mut body: Option<String> = None;
    for (at, line) in text.lines().enumerate() {
        body = match (body, line) {
            (None, BEGIN) if found.len() == MAX_CERTIFICATES => {
                return Err(malformed(format!("the chain has more than {MAX_CERTIFICATES} certificates")));
            }
            (None, BEGIN) => Some(String::new()),
            (None, "") => None,
            (Some(base64), END) => {
                found.push(decode(&base64).ok_or_else(|| bad_line(at))?);
                None
            }
            (Some(base64), line) if is_base64(line) => Some(base64 + line),
            _ => return Err(bad_line(at)),
        };
    }
    match (body, found.is_empty()) {
        (Some(_), _) => Err(malformed("the chain ends inside a certificate")),
        (None, true) => Err(malformed("the chain holds no certificate")),
        (None, false) => Ok(found),
    }
}

/// One certificate as PEM: lines of 64 characters, each ended by a newline (RFC 7468 section 3).
pub fn encode(der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let mut text = format!("{BEGIN}\n");
    for line in base64.as_bytes().chunks(64) {
        text.extend(line.iter().copied().map(char::from));
        text.push('\n');
    }
    text + END + "\n"
}

fn decode(base64: &str) -> Option<Vec<u8>> {
    STANDARD.decode(base64).ok().filter(|der| !der.is_empty())
}

fn is_base64(line: &str) -> bool {
    !line.is_empty() && line.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b))
}

fn bad_line(at: usize) -> Fault {
    malformed(format!("line {} of the chain is not part of a PEM certificate", at + 1))
}

pub(super) fn malformed(message: impl Into<String>) -> Fault {
    Fault::new("check:malformed", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_reads_back() {
        let ders = vec![vec![1; 100], vec![2; 48], vec![3]];
        let text: String = ders.iter().map(|der| encode(der)).collect();
        assert_eq!(certificates(&text), Ok(ders));
    }

    #[test]
    fn blank_lines_and_carriage_returns_between_blocks_are_taken() {
        let text = format!("{}\n{}", encode(b"a"), encode(b"b")).replace('\n', "\r\n");
        assert_eq!(certificates(&text), Ok(vec![b"a".to_vec(), b"b".to_vec()]));
    }

    #[test]
    fn anything_but_certificates_is_refused() {
        let cert = encode(b"leaf");
        let refused = [
            String::new(),
            "\n\n".to_owned(),
            format!("subject=CN = a\n{cert}"),
            format!("{cert}-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
            cert.replace("CERTIFICATE", "X509 CERTIFICATE"),
            cert.replace(END, ""),
            cert.replace(END, BEGIN),
            format!("{BEGIN}\n{END}\n"),
            format!("{BEGIN}\nA=AA\n{END}\n"),
            format!("{BEGIN}\nAAAA AAAA\n{END}\n"),
            format!(" {cert}"),
            cert.repeat(MAX_CERTIFICATES + 1),
            encode(&vec![0; MAX_BYTES]),
        ];
        let taken: Vec<_> = refused.iter().filter(|text| certificates(text).is_ok()).collect();
        assert!(taken.is_empty(), "{taken:?}");
    }

    #[test]
    fn ten_certificates_are_taken() {
        assert_eq!(certificates(&encode(b"a").repeat(MAX_CERTIFICATES)).map(|all| all.len()), Ok(MAX_CERTIFICATES));
    }
}
