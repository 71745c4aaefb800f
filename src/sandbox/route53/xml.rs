//! As much XML as the Route53 API needs.

use quick_xml::Reader;
use quick_xml::escape::{escape, resolve_predefined_entity};
use quick_xml::events::Event;

/// An element without its attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

impl Element {
    /// Reads a document. `None` if it is not well formed.
    pub(super) fn parse(document: &str) -> Option<Self> {
        let mut reader = Reader::from_str(document);
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) => open.push(Self::named(start.local_name().as_ref())?),
                Event::Empty(start) => {
                    let element = Self::named(start.local_name().as_ref())?;
                    open.last_mut()?.children.push(element);
                }
                Event::End(_) => {
                    let element = open.pop()?;
                    open.last_mut()?.children.push(element);
                }
                Event::Text(text) => open.last_mut()?.text.push_str(&text.decode().ok()?),
                Event::CData(text) => open.last_mut()?.text.push_str(&text.decode().ok()?),
                Event::GeneralRef(reference) => {
                    let text = match reference.resolve_char_ref().ok()? {
                        Some(char) => char.to_string(),
                        None => resolve_predefined_entity(&reference.decode().ok()?)?.to_owned(),
                    };
                    open.last_mut()?.text.push_str(&text);
                }
                Event::Eof => break,
                _ => {}
            }
        }
        match open.as_mut_slice() {
            [document] if document.children.len() == 1 => document.children.pop(),
            _ => None,
        }
    }

    fn named(name: &[u8]) -> Option<Self> {
        Some(Self { name: String::from_utf8(name.to_vec()).ok()?, ..Self::default() })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    pub(super) fn children(&self) -> &[Self] {
        &self.children
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The text of a child, if there is one.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.child(name).map(Self::text)
    }
}

/// `<name>text</name>`
pub(super) fn leaf(name: &str, text: &str) -> String {
    node(name, &escape(text))
}

/// `<name>…</name>` around what is XML already.
pub(super) fn node(name: &str, inner: &str) -> String {
    format!("<{name}>{inner}</{name}>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_read_with_its_entities() {
        let root =
            Element::parse(r#"<?xml version="1.0"?><a xmlns="urn:x"><b>&quot;x&#32;&amp;&quot;</b><c/></a>"#).unwrap();
        assert_eq!(root.name(), "a");
        assert_eq!(root.field("b"), Some("\"x &\""));
        assert_eq!(root.field("c"), Some(""));
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        for wrong in ["", "text", "<a>", "<a></b>", "<a/><b/>"] {
            assert_eq!(Element::parse(wrong), None, "{wrong}");
        }
    }
}
