//! Long lines at a terminal: broken between words, and gone on with below the last column.

/// Breaks every line that is wider than `width`, but leaves whole what somebody may want to copy: words, what stands
/// between back quotes, and lines that are a command.
pub fn fold(text: &str, width: usize) -> String {
    let folds = |line: &str| columns(line.trim_end()) > width && !is_command(line);
    text.split_inclusive('\n').map(|line| if folds(line) { broken(line, width) } else { line.into() }).collect()
}

fn is_command(line: &str) -> bool {
    ["countersign", "git", "minisign"].contains(&line.split_whitespace().next().unwrap_or_default())
}

/// The pieces between which a line may be broken.
fn pieces(line: &str) -> impl Iterator<Item = &str> {
    let closed = line.matches('`').count().is_multiple_of(2);
    let mut quoted = false;
    line.split_inclusive(move |c| {
        quoted ^= closed && c == '`';
        c == ' ' && !quoted
    })
}

fn broken(line: &str, width: usize) -> String {
    let (body, end) = line.strip_suffix('\n').map_or((line, ""), |body| (body, "\n"));
    let indent = last_column(body, width);
    let mut out = String::new();
    let mut used = 0;
    for word in pieces(body) {
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
        if c != ' ' && blanks >= 2 && column <= width / 3 {
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
    fn a_command_in_back_quotes_stays_whole() {
        assert_eq!(fold("then type `git commit -S` again\n", 20), "then type\n`git commit -S`\nagain\n");
    }

    #[test]
    fn a_line_that_is_a_command_stays_whole() {
        let line = "  git rebase --exec 'git commit --amend' 0123456789\n";
        assert_eq!(fold(line, 20), line);
    }

    #[test]
    fn what_fits_is_left_as_it_is() {
        let text = "  one   two\n\nthree\n";
        assert_eq!(fold(text, 20), text);
    }
}
