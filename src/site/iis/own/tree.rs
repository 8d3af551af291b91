//! A configuration as a tree that is read and written again. Comments are not kept.

use std::fmt::Write as _;

use quick_xml::escape::escape;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// An element with all that stands in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    /// What stands between its elements; blanks do not count. Settings of .NET have some.
    pub text: String,
    pub children: Vec<Node>,
}

/// A text that is no tree, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotXml {
    #[error("line {line}: {why}")]
    Malformed { line: usize, why: String },
    /// It could name other files, and stand for more than memory holds.
    #[error("line {line}: it has a DOCTYPE")]
    Doctype { line: usize },
    #[error("line {line}: `&{name};` stands for nothing that is known")]
    Entity { line: usize, name: String },
}

/// Reads a configuration.
pub fn parse(text: &str) -> Result<Node, NotXml> {
    let mut reader = Reader::from_str(text);
    // What is not closed yet; the first holds the root.
    let mut open = vec![Node::default()];
    loop {
        let event = reader.read_event();
        // What was read ends here, so an error stands in this line or before.
        let at = usize::try_from(reader.buffer_position()).unwrap_or(text.len()).min(text.len());
        let line = text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        let malformed = |why: String| NotXml::Malformed { line, why };
        match event.map_err(|error| malformed(error.to_string()))? {
            Event::Start(tag) => open.push(node(&tag).map_err(malformed)?),
            Event::Empty(tag) => {
                let node = node(&tag).map_err(malformed)?;
                innermost(&mut open).children.push(node);
            }
            Event::End(_) => {
                // The reader has made sure that it belongs to the last one opened.
                if let Some(mut node) = open.pop() {
                    if node.text.trim().is_empty() {
                        node.text.clear();
                    }
                    innermost(&mut open).children.push(node);
                }
            }
            Event::Text(words) => innermost(&mut open).text.push_str(&words.xml10_content()),
            Event::CData(words) => innermost(&mut open).text.push_str(&words.xml10_content()),
            Event::GeneralRef(name) => {
                let known = name.resolve_char_ref().map_err(|error| malformed(error.to_string()))?;
                let known = known
                    .map(String::from)
                    .or_else(|| quick_xml::escape::resolve_predefined_entity(&name).map(str::to_owned));
                let unknown = || NotXml::Entity { line, name: name.to_string() };
                innermost(&mut open).text.push_str(&known.ok_or_else(unknown)?);
            }
            Event::DocType(_) => return Err(NotXml::Doctype { line }),
            Event::Eof => {
                let outermost = open.pop().filter(|_| open.is_empty());
                let Some(Node { text, mut children, .. }) = outermost else {
                    return Err(malformed("it breaks off".to_owned()));
                };
                return match (children.pop(), children.is_empty() && text.trim().is_empty()) {
                    (Some(root), true) => Ok(root),
                    _ => Err(malformed("it is not one element".to_owned())),
                };
            }
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
        }
    }
}

fn innermost(open: &mut [Node]) -> &mut Node {
    open.last_mut().expect("the reader refuses an end without a start, so the outermost stays")
}

fn node(tag: &BytesStart<'_>) -> Result<Node, String> {
    let mut attributes = Vec::new();
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| error.to_string())?;
        attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
    }
    Ok(Node { name: tag.name().as_ref().to_owned(), attributes, ..Node::default() })
}

impl Node {
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub fn child(&self, name: &str) -> Option<&Node> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The whole file, with `about` above it.
    pub fn to_file(&self, about: &str) -> String {
        let mut text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- {about} -->\n");
        self.write(0, &mut text);
        text
    }

    fn write(&self, depth: usize, text: &mut String) {
        let Node { name, attributes, text: words, children } = self;
        let indent = "  ".repeat(depth);
        let _ = write!(text, "{indent}<{name}");
        for (name, value) in attributes {
            // As they are, these would be read as blanks.
            let value = escape(value).replace('\n', "&#10;").replace('\r', "&#13;").replace('\t', "&#9;");
            let _ = write!(text, " {name}=\"{value}\"");
        }
        match (words.trim(), children.is_empty()) {
            ("", true) => text.push_str(" />\n"),
            (_, true) => {
                let _ = writeln!(text, ">{}</{name}>", escape(words.as_str()));
            }
            (words, false) => {
                let _ = writeln!(text, ">{}", escape(words));
                children.iter().for_each(|child| child.write(depth + 1, text));
                let _ = writeln!(text, "{indent}</{name}>");
            }
        }
    }
}
