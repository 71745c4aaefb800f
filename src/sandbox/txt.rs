//! TXT values as the Route53 API writes them: one or more quoted strings of at most 255 bytes, blank-separated.

/// The strings of one value. An error says what is wrong with it.
pub(super) fn parse(value: &str) -> Result<Vec<Vec<u8>>, &'static str> {
    let mut strings = Vec::new();
    let mut rest = value.trim().as_bytes();
    while !rest.is_empty() {
        let (string, tail) = quoted(rest)?;
        if string.len() > 255 {
            return Err("a string is longer than 255 characters");
        }
        strings.push(string);
        rest = tail.trim_ascii_start();
    }
    if strings.is_empty() { Err("it is empty") } else { Ok(strings) }
}

/// The value of one text, split where it is longer than 255 bytes.
pub(super) fn quote(text: &str) -> String {
    let strings = text.as_bytes().chunks(255).map(|chunk| {
        let escaped: String = chunk.iter().map(|byte| escape(*byte)).collect();
        format!("\"{escaped}\"")
    });
    strings.collect::<Vec<_>>().join(" ")
}

fn escape(byte: u8) -> String {
    match byte {
        b'"' | b'\\' => format!("\\{}", char::from(byte)),
        b' '..=b'~' => char::from(byte).to_string(),
        _ => format!("\\{byte:03o}"),
    }
}

/// One quoted string and what follows it.
fn quoted(text: &[u8]) -> Result<(Vec<u8>, &[u8]), &'static str> {
    let mut rest = text.strip_prefix(b"\"").ok_or("it is not enclosed in quotation marks")?;
    let mut string = Vec::new();
    loop {
        rest = match rest {
            [b'"', tail @ ..] => return Ok((string, tail)),
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..] => {
                string.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
                tail
            }
            [b'\\', byte @ (b'"' | b'\\'), tail @ ..] => {
                string.push(*byte);
                tail
            }
            [b'\\', ..] => return Err("it has an unknown escape"),
            [byte @ b' '..=b'~', tail @ ..] => {
                string.push(*byte);
                tail
            }
            [_, ..] => return Err("it has an unescaped character outside of ASCII"),
            [] => return Err("a quotation mark is not closed"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_one_or_more_quoted_strings() {
        assert_eq!(parse(r#""a" "b c""#), Ok(vec![b"a".to_vec(), b"b c".to_vec()]));
        assert_eq!(parse(r#""say \"\\\344""#), Ok(vec![b"say \"\\\xe4".to_vec()]));
    }

    #[test]
    fn what_route53_refuses_is_refused() {
        let long = format!("\"{}\"", "a".repeat(256));
        for wrong in ["", "abc", "\"abc", "abc\"", r#""a" b"#, r#""\9""#, "\"ä\"", long.as_str()] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_quoted_text_reads_back() {
        let text = format!("{}\"\\ä", "x".repeat(300));
        assert_eq!(parse(&quote(&text)).map(|strings| strings.concat()), Ok(text.into_bytes()));
    }
}
