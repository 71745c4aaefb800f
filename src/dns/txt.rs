//! The text form of TXT values: quoted strings of at most 255 bytes, as Route53 writes them.
//!
//! Source: Amazon Route 53 Developer Guide, "Supported DNS record types", TXT record type.

/// The longest character string (RFC 1035 section 3.3).
const MAX_STRING: usize = 255;

/// `value` as one or more quoted strings. Bytes outside of printable ASCII become `\ooo`.
pub fn quote(value: &[u8]) -> String {
    if value.is_empty() {
        return "\"\"".to_owned();
    }
    value.chunks(MAX_STRING).map(quote_string).collect::<Vec<_>>().join(" ")
}

fn quote_string(bytes: &[u8]) -> String {
    let mut text = String::from('"');
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(byte)]),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\{byte:03o}")),
        }
    }
    text.push('"');
    text
}

/// The bytes of quoted strings, put together. `None` if the text is no such form.
pub fn unquote(text: &str) -> Option<Vec<u8>> {
    let mut value = Vec::new();
    let mut rest = text.as_bytes().trim_ascii();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        rest = read_string(rest.strip_prefix(b"\"")?, &mut value)?;
        let after = rest.trim_ascii_start();
        // Strings stand apart.
        if !after.is_empty() && after.len() == rest.len() {
            return None;
        }
        rest = after;
    }
    Some(value)
}

/// Reads behind an opening quote, gives what stands behind the closing one.
fn read_string<'a>(mut rest: &'a [u8], value: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match rest {
            [b'"', after @ ..] => return Some(after),
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] => {
                value.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                after
            }
            [b'\\', byte @ (b'"' | b'\\'), after @ ..] => {
                value.push(*byte);
                after
            }
            [b'\\', ..] | [] => return None,
            [byte, after @ ..] => {
                value.push(*byte);
                after
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_challenge_value_is_one_quoted_string() {
        assert_eq!(quote(b"LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0").len(), 45);
        assert_eq!(quote(b"abc"), "\"abc\"");
    }

    #[test]
    fn quotes_backslashes_and_other_bytes_are_escaped() {
        assert_eq!(quote(b"a\"b\\c\n\xff"), r#""a\"b\\c\012\377""#);
    }

    #[test]
    fn a_long_value_becomes_several_strings() {
        let strings: Vec<usize> = quote(&[b'x'; 600]).split(' ').map(str::len).collect();
        assert_eq!(strings, [257, 257, 92]);
    }

    #[test]
    fn several_strings_are_one_value() {
        assert_eq!(unquote(r#" "one " "two" "#).as_deref(), Some(&b"one two"[..]));
    }

    #[test]
    fn what_is_not_quoted_strings_has_no_value() {
        let refused = ["", " ", "plain", "\"open", r#""a"b"#, r#""a""b""#, r#""\9""#, r#""\400""#, r#""\04""#];
        assert_eq!(refused.iter().filter(|text| unquote(text).is_some()).count(), 0);
    }

    proptest! {
        #[test]
        fn every_value_survives_quoting(value in proptest::collection::vec(any::<u8>(), 0..700)) {
            let text = quote(&value);
            prop_assert!(text.is_ascii());
            prop_assert_eq!(unquote(&text), Some(value));
        }

        #[test]
        fn no_text_is_read_with_a_panic(text in "[\"\\\\ 0-9a\u{e9}]{0,20}") {
            let _ = unquote(&text);
        }
    }
}
