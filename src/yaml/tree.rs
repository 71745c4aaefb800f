//! From YAML events to a tree of scalars, sequences and mappings with positions.

use serde_saphyr::granit_parser::{Event, Marker, Options, Parser, ScalarStyle, ScanError, Span};

use super::{Findings, Spot};
use crate::diag::Code;

/// Deep enough for every file that means something here.
const DEEPEST: usize = 32;

/// A value with its position. The spot of a sequence or mapping reaches to the end of its last child.
#[derive(Debug)]
pub struct Node {
    pub at: Spot,
    pub value: Value,
}

#[derive(Debug)]
pub enum Value {
    /// Text; `plain` if without quotes.
    Scalar {
        text: String,
        plain: bool,
    },
    Sequence(Vec<Node>),
    /// Entries in document order; equal keys are all there.
    Mapping(Vec<(Node, Node)>),
    /// Something that has been reported, such as an alias.
    Refused,
}

/// The root of the first document, unless the text is not YAML.
pub(super) fn parse(text: &str, file: usize, findings: &mut Findings<'_>) -> Option<Node> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.disallow_directives = true;
    options.emit_anchor_events = true;
    options.emit_unresolved_aliases = true;
    options.flow_nesting_limit = DEEPEST;
    options.block_nesting_limit = DEEPEST;
    let mut builder = Builder { text, file, open: Vec::new(), root: None, documents: 0 };
    for next in Parser::new_from_str_with_options(text, options) {
        match next {
            Ok((event, span)) => builder.take(event, span, findings),
            Err(error) => {
                builder.report_syntax(&error, findings);
                return None;
            }
        }
    }
    Some(builder.root.unwrap_or_else(|| {
        let at = Spot { file, line: 1, column: 1, start: 0, end: 0 };
        Node { at, value: Value::Scalar { text: String::new(), plain: true } }
    }))
}

struct Builder<'t> {
    text: &'t str,
    file: usize,
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
}

/// A sequence or mapping that has begun. A mapping's children are keys and values in turn.
struct Open {
    at: Spot,
    mapping: bool,
    children: Vec<Node>,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: Span, findings: &mut Findings<'_>) {
        let at = self.spot(span.start, span.end);
        if let Some(tag) = span.tag_span() {
            let message = "tags have no meaning here";
            findings
                .report(Code::YamlTag, self.spot(tag.start, tag.end), message)
                .hint("delete the tag, or quote the text");
        }
        match event {
            Event::DocumentStart(..) => self.begin_document(at, findings),
            Event::Scalar(text, style, ..) => {
                let plain = style == ScalarStyle::Plain;
                self.close(Node { at, value: Value::Scalar { text: text.into_owned(), plain } });
            }
            Event::SequenceStart(..) => self.open.push(Open { at, mapping: false, children: Vec::new() }),
            Event::MappingStart(..) => self.open.push(Open { at, mapping: true, children: Vec::new() }),
            Event::SequenceEnd | Event::MappingEnd => self.end(findings),
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                self.report_alias(at, findings);
                self.close(Node { at, value: Value::Refused });
            }
            Event::Anchor(..) => {
                let message = "anchors are not allowed";
                findings
                    .report(Code::YamlAnchor, at, message)
                    .hint("write every entry out; what is signed must be what is read");
            }
            _ => {}
        }
    }

    fn begin_document(&mut self, at: Spot, findings: &mut Findings<'_>) {
        self.documents += 1;
        if self.documents == 2 {
            let message = "a second YAML document starts here";
            findings.report(Code::SeveralDocuments, at, message).hint("keep one document in a file");
        }
    }

    fn end(&mut self, findings: &mut Findings<'_>) {
        let Some(Open { at, mapping, children }) = self.open.pop() else { return };
        let end = children.last().map_or(at.end, |child| child.at.end.max(at.end));
        let value = if mapping { Value::Mapping(pairs(children, findings)) } else { Value::Sequence(children) };
        self.close(Node { at: Spot { end, ..at }, value });
    }

    /// Puts a finished node where it belongs.
    fn close(&mut self, node: Node) {
        match self.open.last_mut() {
            Some(parent) => parent.children.push(node),
            None if self.documents <= 1 => self.root = Some(node),
            None => {}
        }
    }

    fn report_alias(&self, at: Spot, findings: &mut Findings<'_>) {
        let written = &self.text[at.start..at.end];
        let hint = match written.strip_prefix("*.") {
            Some(_) => format!("quote it: `\"{written}\"`"),
            None => "write every entry out; what is signed must be what is read".to_owned(),
        };
        findings.report(Code::YamlAlias, at, format!("`{written}` without quotes is a YAML alias")).hint(hint);
    }

    fn report_syntax(&self, error: &ScanError, findings: &mut Findings<'_>) {
        if findings.has_strange(self.file) {
            return;
        }
        let at = self.spot(*error.marker(), *error.marker());
        let width = self.text[at.start..].chars().next().filter(|c| *c != '\n').map_or(0, char::len_utf8);
        findings.report(
            Code::YamlSyntax,
            Spot { end: at.start + width, ..at },
            format!("not valid YAML: {}", error.info()),
        );
    }

    fn spot(&self, start: Marker, end: Marker) -> Spot {
        let byte = |marker: Marker| marker.byte_offset().unwrap_or(0).min(self.text.len());
        let start_byte = byte(start);
        Spot {
            file: self.file,
            line: start.line().max(1),
            column: start.col() + 1,
            start: start_byte,
            end: byte(end).max(start_byte),
        }
    }
}

/// Keys and values in pairs; merge keys are reported and dropped.
fn pairs(children: Vec<Node>, findings: &mut Findings<'_>) -> Vec<(Node, Node)> {
    let mut pairs = Vec::with_capacity(children.len() / 2);
    let mut children = children.into_iter();
    while let (Some(key), Some(value)) = (children.next(), children.next()) {
        if matches!(&key.value, Value::Scalar { text, plain: true } if text == "<<") {
            let hint = "write every entry out; what is signed must be what is read";
            findings.report(Code::YamlMergeKey, key.at, "merge keys are not allowed").hint(hint);
            continue;
        }
        pairs.push((key, value));
    }
    pairs
}
