//! As much of XML as the Route53 API needs: elements and text, no attributes.

use quick_xml::Reader;
use quick_xml::escape::escape;
use quick_xml::events::Event;

/// An element.
#[derive(Debug, Default)]
pub struct Element {
    pub name: String,
    pub text: String,
    pub children: Vec<Element>,
}

impl Element {
    /// The root element of a document.
    pub fn parse(document: &[u8]) -> Result<Element, String> {
        let document = std::str::from_utf8(document).map_err(|e| e.to_string())?;
        let mut reader = Reader::from_str(document);
        let mut open = vec![Element::default()];
        loop {
            match reader.read_event().map_err(|e| e.to_string())? {
                Event::Start(tag) => {
                    let name = String::from_utf8_lossy(tag.local_name().as_ref()).into_owned();
                    open.push(Element { name, ..Element::default() });
                }
                Event::Empty(tag) => {
                    let name = String::from_utf8_lossy(tag.local_name().as_ref()).into_owned();
                    innermost(&mut open).children.push(Element { name, ..Element::default() });
                }
                Event::Text(text) => innermost(&mut open).text += &text.decode().map_err(|e| e.to_string())?,
                Event::GeneralRef(reference) => innermost(&mut open).text.push(character(&reference)?),
                Event::End(_) => {
                    let element = open.pop().expect("quick-xml checks that tags match");
                    innermost(&mut open).children.push(element);
                }
                Event::Eof => break,
                _ => {}
            }
        }
        let top = open.pop().filter(|_| open.is_empty()).ok_or("the document ends inside an element")?;
        top.children.into_iter().next().ok_or_else(|| "the document has no element".to_owned())
    }

    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the child called `name`.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.trim())
    }

    /// The children of the child called `name`: how Route53 writes lists.
    pub fn list(&self, name: &str) -> &[Element] {
        self.child(name).map_or(&[], |child| &child.children)
    }
}

/// An element with text, escaped.
pub fn tag(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", escape(text))
}

fn innermost(open: &mut [Element]) -> &mut Element {
    open.last_mut().expect("the document itself is never closed")
}

fn character(reference: &quick_xml::events::BytesRef) -> Result<char, String> {
    if let Some(character) = reference.resolve_char_ref().map_err(|e| e.to_string())? {
        return Ok(character);
    }
    match reference.decode().map_err(|e| e.to_string())?.as_ref() {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        other => Err(format!("unknown entity {other}")),
    }
}
