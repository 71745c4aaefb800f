//! Long lines at a terminal: broken between words, and gone on with below the last column.

/// Breaks every line that is wider than `width`. A word that is wider alone stays whole: somebody may want to copy it.
pub fn fold(text: &str, width: usize) -> String {
    text.split_inclusive('\n')
        .map(|line| if columns(line.trim_end()) > width { broken(line, width) } else { line.into() })
        .collect()
}

fn broken(line: &str, width: usize) -> String {
    let (body, end) = line.strip_suffix('\n').map_or((line, ""), |body| (body, "\n"));
    let indent = last_column(body, width);
    let mut out = String::new();
    let mut used = 0;
    for word in body.split_inclusive(' ') {
        if used > indent && used + columns(word.trim_end()) > width {
            out.truncate(out.trim_end().len());
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            used = indent;
        }
        out.push_str(word);
        used += columns(word);
    }
    out + end
}

/// Where the last of the columns begins, which two blanks set apart; not too far to the right.
fn last_column(line: &str, width: usize) -> usize {
    let mut found = 0;
    let mut blanks = 2;
    for (column, c) in visible(line).enumerate() {
        if c != ' ' && blanks >= 2 && column <= width / 2 {
            found = column;
        }
        blanks = if c == ' ' { blanks + 1 } else { 0 };
    }
    found
}

fn columns(text: &str) -> usize {
    visible(text).count()
}

/// The characters that take room: not those of colours (ECMA-48, `ESC [ … m`).
fn visible(text: &str) -> impl Iterator<Item = char> {
    let mut escaped = false;
    text.chars().filter(move |c| {
        let hidden = escaped || *c == '\u{1b}';
        escaped = hidden && *c != 'm';
        !hidden
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_on_below_its_last_column() {
        let line = "ok    repo  the branch is where it was last night and the night before\n";
        let folded =
            "ok    repo  the branch is where it was\n            last night and the night\n            before\n";
        assert_eq!(fold(line, 40), folded);
    }

    #[test]
    fn colours_take_no_room() {
        let line = "\u{1b}[32mok  \u{1b}[0m  1234567890\n";
        assert_eq!(fold(line, 16), line);
    }

    #[test]
    fn a_word_that_is_too_long_stays_whole() {
        let url = format!("order  https://example.com/{}\n", "x".repeat(60));
        assert_eq!(fold(&url, 40), url);
    }

    #[test]
    fn what_fits_is_left_as_it_is() {
        let text = "  one   two\n\nthree\n";
        assert_eq!(fold(text, 20), text);
    }
}
