//! Labels that mix scripts whose letters look alike. UTS 39 knows more cases; this finds the common trick.

/// The first label of a name in Unicode that mixes Latin, Greek, Cyrillic, Armenian or Cherokee letters.
pub(super) fn mixed_label(name: &str) -> Option<&str> {
    name.split('.').find(|label| {
        let mut scripts = label.chars().filter_map(script);
        scripts.next().is_some_and(|first| scripts.any(|other| other != first))
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Script {
    Latin,
    Greek,
    Cyrillic,
    Armenian,
    Cherokee,
}

/// The script of a letter, if it is one of those that can be taken for each other.
fn script(c: char) -> Option<Script> {
    match c {
        'a'..='z' | 'A'..='Z' | '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' => Some(Script::Latin),
        '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => Some(Script::Greek),
        '\u{400}'..='\u{52f}' | '\u{1c80}'..='\u{1c8f}' | '\u{2de0}'..='\u{2dff}' | '\u{a640}'..='\u{a69f}' => {
            Some(Script::Cyrillic)
        }
        '\u{531}'..='\u{58f}' => Some(Script::Armenian),
        '\u{13a0}'..='\u{13ff}' | '\u{ab70}'..='\u{abbf}' => Some(Script::Cherokee),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cyrillic_letter_among_latin_ones_is_found() {
        assert_eq!(mixed_label("www.ex\u{430}mple.com"), Some("ex\u{430}mple"));
    }

    #[test]
    fn a_label_of_one_script_is_fine_whatever_the_others_are() {
        assert!(
            ["пример.com", "bücher.example", "a-1.com", "日本go.example"]
                .iter()
                .all(|name| mixed_label(name).is_none())
        );
    }
}
