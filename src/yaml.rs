//! Strict YAML with positions, for files that people sign or that a runner trusts.
//!
//! The subset has no anchors, aliases, tags, merge keys, directives or second documents, and scalars are text.
//! All faults of a file are found in one reading; only a syntax error ends it.

pub mod characters;
pub mod duration;
pub mod fields;
mod tree;

pub use fields::Fields;
pub use tree::{Node, Value};

use crate::diag::{self, Code, Diagnostic, Place, SourceFile};

/// The most bytes that a file may have.
const LARGEST: usize = 16 * 1024 * 1024;

/// A range of a file. Lines and columns count from 1, columns in characters; `start..end` are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    /// Index of the file among the files that are read together.
    pub file: usize,
    pub line: usize,
    pub column: usize,
    pub start: usize,
    pub end: usize,
}

impl Spot {
    fn touches(self, other: Self) -> bool {
        self.file == other.file && self.start < other.end && other.start < self.end
    }
}

/// What was found in some files, in the order of finding.
pub struct Findings<'a> {
    paths: Vec<&'a str>,
    found: Vec<(Spot, Diagnostic)>,
    /// Characters that no file may contain, in file order.
    strange: Vec<Spot>,
}

impl<'a> Findings<'a> {
    pub fn new(paths: impl IntoIterator<Item = &'a str>) -> Self {
        Self { paths: paths.into_iter().collect(), found: Vec::new(), strange: Vec::new() }
    }

    /// The place of a spot, with the path of its file.
    pub fn place(&self, at: Spot) -> Place {
        Place { file: self.paths[at.file].to_owned(), line: at.line, column: at.column, span: at.start..at.end }
    }

    /// Notes a finding; label and hint are set on what is returned.
    pub fn report(&mut self, code: Code, at: Spot, message: impl Into<String>) -> &mut Diagnostic {
        let diagnostic = Diagnostic::new(code, self.place(at), message);
        &mut self.found.push_mut((at, diagnostic)).1
    }

    /// Notes a finding about two places, each with a word about it.
    pub fn report_pair(
        &mut self,
        code: Code,
        message: impl Into<String>,
        (at, text): (Spot, &str),
        (other, other_text): (Spot, &str),
    ) -> &mut Diagnostic {
        let other = self.place(other);
        self.report(code, at, message).label(text).also(other, other_text)
    }

    /// All findings in file order, each once, without those that only echo a strange character.
    pub fn into_sorted(self) -> Vec<Diagnostic> {
        let echo = |at: Spot| {
            let next = self.strange.partition_point(|s| (s.file, s.end) <= (at.file, at.start));
            self.strange.get(next).is_some_and(|s| s.touches(at) && *s != at)
        };
        let mut found: Vec<_> = self.found.into_iter().filter(|(at, _)| !echo(*at)).map(|(_, d)| d).collect();
        diag::sort(&mut found);
        found.dedup();
        found
    }

    fn has_strange(&self, file: usize) -> bool {
        self.strange.last().is_some_and(|at| at.file == file)
    }
}

/// Where a private key in PEM begins. Found before anything else is read, since every other finding quotes the file.
fn private_key(bytes: &[u8], file: usize) -> Option<Spot> {
    let text = String::from_utf8_lossy(bytes);
    let (line, found) = text.lines().enumerate().find(|(_, line)| is_private(line))?;
    let column = found.find(BEGIN).map_or(1, |at| found[..at].chars().count() + 1);
    let start = bytes.split(|byte| *byte == b'\n').take(line).map(|line| line.len() + 1).sum();
    Some(Spot { file, line: line + 1, column, start, end: start })
}

const BEGIN: &str = "-----BEGIN ";

fn is_private(line: &str) -> bool {
    line.split(BEGIN).skip(1).any(|rest| rest.contains("PRIVATE KEY-----"))
}

/// The tree of a file, if it has one; what is wrong with its characters and its YAML goes to `findings`.
///
/// `index` is the index of the file in `findings`. Files are read in that order.
pub fn read(file: &SourceFile, index: usize, findings: &mut Findings<'_>) -> Option<Node> {
    if file.bytes.len() > LARGEST {
        let message = format!("the file has {} bytes, the limit is {LARGEST}", file.bytes.len());
        let top = Spot { file: index, line: 1, column: 1, start: 0, end: 0 };
        findings.report(Code::FileTooLarge, top, message).hint("split it: a list may be a folder of files");
        return None;
    }
    if let Some(at) = private_key(&file.bytes, index) {
        findings.report(Code::PrivateKey, at, "a private key stands in this file").hint(
            "take it out and make another one: whoever can read the file, or an earlier version of it, has this key",
        );
        return None;
    }
    let text = characters::check(&file.bytes, index, findings)?;
    tree::parse(&characters::neutral(text), index, findings)
}
