//! Characters that no file may contain, because people and programs would read them differently.

use super::{Findings, Spot};
use crate::diag::Code;

/// The text of a file in UTF-8 without byte order mark; reports every character that may not stand in it.
pub(super) fn check<'t>(bytes: &'t [u8], file: usize, findings: &mut Findings<'_>) -> Option<&'t str> {
    let (text, whole) = match std::str::from_utf8(bytes) {
        Ok(text) => (text, true),
        Err(error) => (std::str::from_utf8(&bytes[..error.valid_up_to()]).expect("valid up to there"), false),
    };
    let end = scan(text, file, findings);
    if !whole {
        let at = Spot { end: end.start + 1, ..end };
        let message = format!("byte 0x{:02x} is not UTF-8", bytes[at.start]);
        findings.report(Code::NotUtf8, at, message).hint("save the file as UTF-8");
        return None;
    }
    Some(text)
}

/// Whether a character could hide something from a reader of a terminal or of a review page.
pub fn is_strange(c: char) -> bool {
    judge(c).is_some()
}

/// Reports strange characters and returns the end of the text.
fn scan(text: &str, file: usize, findings: &mut Findings<'_>) -> Spot {
    let (mut line, mut column) = (1, 1);
    let mut characters = text.char_indices().peekable();
    while let Some((start, c)) = characters.next() {
        let at = Spot { file, line, column, start, end: start + c.len_utf8() };
        let line_end = c == '\r' && matches!(characters.peek(), Some((_, '\n')));
        if start == 0 && c == '\u{feff}' {
            findings.strange.push(at);
            let message = "the file starts with a byte order mark (U+FEFF)";
            findings.report(Code::ByteOrderMark, at, message).hint("save the file as UTF-8 without BOM");
        } else if let Some((code, what)) = judge(c).filter(|_| !line_end) {
            findings.strange.push(at);
            let message = format!("the file contains U+{:04X}, {what}", u32::from(c));
            findings.report(code, at, message).hint("delete the character");
        }
        (line, column) = if c == '\n' { (line + 1, 1) } else { (line, column + 1) };
    }
    Spot { file, line, column, start: text.len(), end: text.len() }
}

fn judge(c: char) -> Option<(Code, &'static str)> {
    match c {
        '\n' | '\t' | ' '..='~' => None,
        '\u{85}' | '\u{2028}' | '\u{2029}' => Some((Code::LineSeparator, "a line break to some readers only")),
        c if c.is_control() => Some((Code::ControlCharacter, "a control character")),
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            Some((Code::BidiControl, "which changes the direction of the text"))
        }
        '\u{ad}'
        | '\u{34f}'
        | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200d}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}' => Some((Code::InvisibleCharacter, "which cannot be seen")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(bytes: &[u8]) -> Vec<(usize, usize, &'static str)> {
        let mut findings = Findings::new(["f"]);
        check(bytes, 0, &mut findings);
        let places = findings.into_sorted().into_iter();
        places.map(|d| (d.labels[0].place.line, d.labels[0].place.column, d.code)).collect()
    }

    #[test]
    fn plain_text_in_any_language_is_accepted() {
        assert_eq!(codes("a: b # Grüße, 你好\r\n\tc\n".as_bytes()), []);
    }

    #[test]
    fn each_strange_character_is_reported_where_it_stands() {
        let text = "\u{feff}ü\u{85}\n\u{202e}\u{200b}\u{1b}\r\u{9c}\n";
        let expected = [
            (1, 1, "byte-order-mark"),
            (1, 3, "line-separator"),
            (2, 1, "bidi-control"),
            (2, 2, "invisible-character"),
            (2, 3, "control-character"),
            (2, 4, "control-character"),
            (2, 5, "control-character"),
        ];
        assert_eq!(codes(text.as_bytes()), expected);
    }

    #[test]
    fn the_first_byte_that_is_not_utf8_is_reported() {
        assert_eq!(codes(b"a: b\nc: \xff\xfe"), [(2, 4, "not-utf8")]);
    }
}
