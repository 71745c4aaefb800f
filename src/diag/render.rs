//! Diagnostics for people: the lines of the file, marks under them, a hint, and one last line that sums up.

use std::borrow::Cow;
use std::collections::HashMap;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::{Diagnostic, Label, Severity, SourceFile};
use crate::yaml::characters::is_strange;

/// Lines with more bytes are not shown.
const WIDEST: usize = 4096;

/// So many characters of base64 in a row, as PEM has them in a line, could be a key: they are not shown.
const KEY: usize = 64;

/// Labels that are this many lines apart share a snippet.
const NEAR: usize = 6;

/// All diagnostics with the lines they speak of, then the summary; nothing for none.
///
/// A line that is not among `sources`, too long to read or perhaps part of a key is named but not shown. Nothing of a file reaches a terminal unescaped.
pub fn render(diagnostics: &[Diagnostic], sources: &[SourceFile], color: bool) -> String {
    if diagnostics.is_empty() {
        return String::new();
    }
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    let files: HashMap<&str, Lines<'_>> = sources.iter().map(|s| (s.path.as_str(), Lines::of(&s.bytes))).collect();
    let mut text = String::new();
    for diagnostic in diagnostics {
        text.push_str(&render_one(diagnostic, &files, &renderer));
        text.push_str("\n\n");
    }
    text.push_str(&summary(diagnostics));
    text.push('\n');
    text
}

/// The last line, such as `3 errors, 1 warning in domains.yaml`; `no problems` for none.
pub fn summary(diagnostics: &[Diagnostic]) -> String {
    if diagnostics.is_empty() {
        return "no problems".to_owned();
    }
    let count = |severity, word: &str| {
        let n = diagnostics.iter().filter(|d| d.severity == severity).count();
        (n > 0).then(|| format!("{n} {word}{}", if n == 1 { "" } else { "s" }))
    };
    let counts: Vec<_> =
        [count(Severity::Error, "error"), count(Severity::Warning, "warning")].into_iter().flatten().collect();
    let mut files: Vec<&str> =
        diagnostics.iter().filter_map(|d| d.labels.first()).map(|l| l.place.file.as_str()).collect();
    files.sort_unstable();
    files.dedup();
    match files.as_slice() {
        [] => counts.join(", "),
        [file] => format!("{} in {}", counts.join(", "), visible(file)),
        files => format!("{} in {} files", counts.join(", "), files.len()),
    }
}

/// The first few errors of a file with their places, for reports: there the details are not shown.
pub fn lines(diagnostics: &[Diagnostic]) -> Vec<String> {
    const MANY: usize = 5;
    let line = |diagnostic: &Diagnostic| {
        let place = diagnostic.labels.first().map(|label| &label.place);
        let place = place.map(|place| format!("{}:{}:{}: ", visible(&place.file), place.line, place.column));
        format!("{}{} [{}]", place.unwrap_or_default(), visible(&diagnostic.message), diagnostic.code)
    };
    diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).take(MANY).map(line).collect()
}

/// Text in which control characters, bidi controls and invisible characters are written out as `\u{..}`.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(|c| is_strange(c) || matches!(c, '\n' | '\t')) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => shown.push(' '),
            '\n' => shown.push_str("\\n"),
            c if is_strange(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

fn render_one(diagnostic: &Diagnostic, files: &HashMap<&str, Lines<'_>>, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let message = visible(&diagnostic.message);
    let mut group = Group::with_title(level.primary_title(message).id(diagnostic.code));
    for (nth, labels) in neighbours(&diagnostic.labels).into_iter().enumerate() {
        let place = &labels[0].place;
        let lines = files.get(place.file.as_str()).filter(|lines| lines.shows(&labels));
        group = match lines {
            Some(lines) => group.element(snippet(&labels, lines, nth == 0)),
            None => group.element(Origin::path(visible(&place.file)).line(place.line).char_column(place.column)),
        };
    }
    if let Some(hint) = &diagnostic.hint {
        group = group.element(Level::HELP.message(visible(hint)));
    }
    renderer.render(&[group])
}

/// Labels in groups that fit one snippet each, the first label's group first.
fn neighbours(labels: &[Label]) -> Vec<Vec<&Label>> {
    let mut groups: Vec<Vec<&Label>> = Vec::new();
    for label in labels {
        let near = |other: &&Label| {
            other.place.file == label.place.file && other.place.line.abs_diff(label.place.line) <= NEAR
        };
        match groups.iter_mut().find(|group| group.iter().all(near)) {
            Some(group) => group.push(label),
            None => groups.push(vec![label]),
        }
    }
    groups
}

/// The lines of some labels, escaped. `first` says whether the first label is the fault itself.
fn snippet<'a>(labels: &[&'a Label], lines: &Lines<'_>, first: bool) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let top = labels.iter().map(|l| l.place.line).min().unwrap_or(1);
    let bottom = labels.iter().map(|l| l.place.line).max().unwrap_or(1);
    let mut text = String::new();
    let mut marks = Vec::new();
    for number in top..=bottom {
        let line = lines.get(number);
        let base = lines.start(number);
        for (nth, label) in labels.iter().enumerate().filter(|(_, l)| l.place.line == number) {
            let cut = |at: usize| text.len() + escaped(&line[..at.saturating_sub(base).min(line.len())]).len();
            let kind = if first && nth == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
            let mark = kind.span(cut(label.place.span.start)..cut(label.place.span.end));
            marks.push(if label.text.is_empty() { mark } else { mark.label(visible(&label.text)) });
        }
        text.push_str(&escaped(line));
        text.push('\n');
    }
    Snippet::source(text).line_start(top).path(visible(&labels[0].place.file)).annotations(marks)
}

/// A line with one character shown for each that is there, so that columns stay right.
fn escaped(bytes: &[u8]) -> String {
    let shown = |c| match c {
        '\t' => ' ',
        c if is_strange(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    String::from_utf8_lossy(bytes).chars().map(shown).collect()
}

fn could_be_key(line: &[u8]) -> bool {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    line.split(|byte| !is_base64(byte)).any(|run| run.len() >= KEY)
}

/// The lines of a file, without their ends.
struct Lines<'b> {
    bytes: &'b [u8],
    starts: Vec<usize>,
}

impl<'b> Lines<'b> {
    fn of(bytes: &'b [u8]) -> Self {
        let after = bytes.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1);
        Self { bytes, starts: std::iter::once(0).chain(after).collect() }
    }

    /// Where a line begins. Lines count from 1.
    fn start(&self, line: usize) -> usize {
        self.starts.get(line - 1).copied().unwrap_or(self.bytes.len())
    }

    /// Whether the lines of some labels are there and fit to be shown, with those between them.
    fn shows(&self, labels: &[&Label]) -> bool {
        let numbers = || labels.iter().map(|label| label.place.line);
        let (Some(top), Some(bottom)) = (numbers().min(), numbers().max()) else { return false };
        let fit = |line: &[u8]| line.len() <= WIDEST && !could_be_key(line);
        bottom <= self.starts.len() && (top..=bottom).all(|line| fit(self.get(line)))
    }

    fn get(&self, line: usize) -> &'b [u8] {
        let end = self.starts.get(line).map_or(self.bytes.len(), |next| next - 1);
        let line = &self.bytes[self.start(line).min(end)..end];
        line.strip_suffix(b"\r").unwrap_or(line)
    }
}
