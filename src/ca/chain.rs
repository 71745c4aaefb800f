//! Which of a certificate's chains to take (RFC 8555 section 7.4.2).

use ::http::header::LINK;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::reply::Reply;
use crate::lineage::pem;

/// More are not looked at.
const MAX_ALTERNATES: usize = 10;

/// The URLs of the other chains.
pub(super) fn alternates(reply: &Reply) -> Vec<String> {
    let links = reply.headers.get_all(LINK).iter().filter_map(|link| link.to_str().ok());
    let mut urls: Vec<String> = links.flat_map(split).filter_map(alternate).collect();
    urls.truncate(MAX_ALTERNATES);
    urls
}

/// Whether the topmost certificate of the chain was issued by, or is, this one, by common name.
pub(super) fn ends_at(chain: &str, issuer: &str) -> bool {
    let top = pem::certificates(chain).ok().and_then(|mut ders| ders.pop());
    let Some(top) = top else { return false };
    let Ok((_, certificate)) = X509Certificate::from_der(&top) else { return false };
    let mut names = certificate.issuer().iter_common_name().filter_map(|name| name.as_str().ok());
    names.any(|name| name == issuer)
}

/// The links of one header line (RFC 8288 section 3): commas inside of `<>` do not part them.
fn split(line: &str) -> Vec<&str> {
    let (mut links, mut start, mut inside) = (Vec::new(), 0, false);
    for (at, c) in line.char_indices() {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            ',' if !inside => {
                links.push(&line[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    links.push(&line[start..]);
    links
}

fn alternate(link: &str) -> Option<String> {
    let (url, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
    let is_alternate = |parameter: &str| {
        let (name, value) = parameter.trim().split_once('=')?;
        let value = value.trim().trim_matches('"');
        let relations = name.trim().eq_ignore_ascii_case("rel").then(|| value.split_ascii_whitespace());
        relations.map(|mut all| all.any(|relation| relation.eq_ignore_ascii_case("alternate")))
    };
    let found = parameters.split(';').filter_map(is_alternate).any(|found| found);
    (found && url.starts_with("https://")).then(|| url.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> Vec<String> {
        split(line).into_iter().filter_map(alternate).collect()
    }

    #[test]
    fn alternates_are_found_among_other_links() {
        let line = r#"<https://ca.test/dir>;rel="index", <https://ca.test/cert/1/1>; rel="alternate",<https://ca.test/a,b>;rel=alternate"#;
        assert_eq!(found(line), ["https://ca.test/cert/1/1", "https://ca.test/a,b"]);
    }

    #[test]
    fn what_is_no_alternate_by_https_is_passed_over() {
        for line in [
            "",
            "<>",
            "<https://ca.test/1>",
            r#"<http://ca.test/1>;rel="alternate""#,
            r#"<https://ca.test/1;rel="alternate""#,
        ] {
            assert_eq!(found(line), [""; 0], "{line}");
        }
    }
}
