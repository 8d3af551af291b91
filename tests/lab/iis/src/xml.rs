//! A tree of an XML file that keeps what it doesn't know: comments, order, blanks, and each tag as it was written.
//!
//! Line ends are `\n` inside and what the file had outside. It knows nothing of IIS.

use std::fmt;

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// A whole file.
#[derive(Debug, Clone)]
pub struct Document {
    /// The root element and what stands around it.
    nodes: Vec<Node>,
    mark: bool,
    windows_lines: bool,
}

/// A part of a file.
#[derive(Debug, Clone)]
pub enum Node {
    Element(Element),
    /// Blanks, text, comments and instructions, as they are written.
    Raw(String),
}

/// An element with its attributes in their order.
#[derive(Debug, Clone, Default)]
pub struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    nodes: Vec<Node>,
    /// The start tag as it was written, as long as nobody has changed it.
    tag: Option<String>,
    /// The blanks before it.
    indent: String,
    line: usize,
}

/// Why a file is no XML.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct NotXml {
    pub line: usize,
    pub reason: String,
}

impl Document {
    /// Reads UTF-8, with or without a byte order mark.
    pub fn parse(bytes: &[u8]) -> Result<Document, NotXml> {
        let text = str::from_utf8(bytes).map_err(|error| NotXml { line: 1, reason: error.to_string() })?;
        let mark = text.starts_with('\u{feff}');
        let text = text.trim_start_matches('\u{feff}');
        let windows_lines = text.contains("\r\n");
        let nodes = parse(&text.replace("\r\n", "\n"))?;
        Ok(Document { nodes, mark, windows_lines })
    }

    /// The one element that holds all others.
    pub fn root(&self) -> &Element {
        let root = self.nodes.iter().find_map(Node::element);
        root.expect("a file without a root element is not parsed")
    }

    pub fn root_mut(&mut self) -> &mut Element {
        let root = self.nodes.iter_mut().find_map(Node::element_mut);
        root.expect("a file without a root element is not parsed")
    }

    /// What is written to the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = String::new();
        if self.mark {
            text.push('\u{feff}');
        }
        for node in &self.nodes {
            text.push_str(&node.to_string());
        }
        if self.windows_lines {
            text = text.replace('\n', "\r\n");
        }
        text.into_bytes()
    }
}

impl Node {
    pub fn element(&self) -> Option<&Element> {
        match self {
            Node::Element(element) => Some(element),
            Node::Raw(_) => None,
        }
    }

    fn element_mut(&mut self) -> Option<&mut Element> {
        match self {
            Node::Element(element) => Some(element),
            Node::Raw(_) => None,
        }
    }

    fn is_blank(&self) -> bool {
        matches!(self, Node::Raw(text) if text.trim().is_empty())
    }
}

impl Element {
    pub fn new(name: &str) -> Element {
        Element { name: name.to_owned(), ..Element::default() }
    }

    /// The same with an attribute.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Element {
        self.set(name, value);
        self
    }

    /// The same with a child.
    #[must_use]
    pub fn containing(mut self, child: Element) -> Element {
        self.push(child);
        self
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it starts; 0 for one that no file had.
    pub fn line(&self) -> usize {
        self.line
    }

    /// An attribute's value, unescaped. Names are case-sensitive, as in all XML.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    pub fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub fn set(&mut self, name: &str, value: &str) {
        match self.attributes.iter_mut().find(|(own, _)| own == name) {
            Some((_, own)) if own == value => return,
            Some((_, own)) => value.clone_into(own),
            None => self.attributes.push((name.to_owned(), value.to_owned())),
        }
        self.tag = None;
    }

    pub fn remove_attribute(&mut self, name: &str) {
        let before = self.attributes.len();
        self.attributes.retain(|(own, _)| own != name);
        if self.attributes.len() != before {
            self.tag = None;
        }
    }

    pub fn children(&self) -> impl DoubleEndedIterator<Item = &Element> {
        self.nodes.iter().filter_map(Node::element)
    }

    pub fn children_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut Element> {
        self.nodes.iter_mut().filter_map(Node::element_mut)
    }

    /// The first child of this name.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children().find(|child| child.name == name)
    }

    pub fn child_mut(&mut self, name: &str) -> Option<&mut Element> {
        self.children_mut().find(|child| child.name == name)
    }

    /// The child of this name, made at the end when there is none.
    pub fn child_or_new(&mut self, name: &str) -> &mut Element {
        if self.child(name).is_none() {
            self.push(Element::new(name));
        }
        self.child_mut(name).expect("it has just been made")
    }

    /// The element at a path like `system.webServer/handlers`.
    pub fn descendant(&self, path: &str) -> Option<&Element> {
        path.split('/').try_fold(self, |element, name| element.child(name))
    }

    pub fn descendant_mut(&mut self, path: &str) -> Option<&mut Element> {
        path.split('/').try_fold(self, |element, name| element.child_mut(name))
    }

    /// The same, made where it is missing.
    pub fn descendant_or_new(&mut self, path: &str) -> &mut Element {
        path.split('/').fold(self, |element, name| element.child_or_new(name))
    }

    /// Adds a child behind all others.
    pub fn push(&mut self, child: Element) {
        self.insert(self.children().count(), child);
    }

    /// Adds a child before the one that is now the `at`-th.
    pub fn insert(&mut self, at: usize, mut child: Element) {
        let indent = match self.children().next() {
            Some(sibling) => sibling.indent.clone(),
            None => format!("{}    ", self.indent),
        };
        child.settle(&indent);
        let places: Vec<usize> =
            (0..self.nodes.len()).filter(|place| self.nodes[*place].element().is_some()).collect();
        let blank = Node::Raw(format!("\n{indent}"));
        match (places.get(at), places.last()) {
            (Some(place), _) => {
                self.nodes.splice(*place..*place, [Node::Element(child), blank]);
            }
            (None, Some(last)) => {
                self.nodes.splice(last + 1..last + 1, [blank, Node::Element(child)]);
            }
            (None, None) => {
                // What stands here may be a comment; blanks at its end belong to the end tag.
                while self.nodes.last().is_some_and(Node::is_blank) {
                    self.nodes.pop();
                }
                let end = Node::Raw(format!("\n{}", self.indent));
                self.nodes.extend([blank, Node::Element(child), end]);
            }
        }
        self.tag_opens();
    }

    /// Takes the `at`-th child out, with the blanks before it.
    pub fn remove(&mut self, at: usize) -> Element {
        let place = (0..self.nodes.len())
            .filter(|place| self.nodes[*place].element().is_some())
            .nth(at)
            .expect("the caller counts the children");
        let Node::Element(removed) = self.nodes.remove(place) else {
            unreachable!("the place of an element")
        };
        if place > 0 && self.nodes[place - 1].is_blank() {
            self.nodes.remove(place - 1);
        }
        if self.nodes.iter().all(Node::is_blank) {
            self.nodes.clear();
            self.tag = None;
        }
        removed
    }

    /// Takes every child out for which this holds, and says how many these were.
    pub fn remove_all(&mut self, which: impl Fn(&Element) -> bool) -> usize {
        let places: Vec<usize> =
            self.children().enumerate().filter(|(_, child)| which(child)).map(|(at, _)| at).collect();
        for at in places.iter().rev() {
            self.remove(*at);
        }
        places.len()
    }

    /// Gives a new element and all below it their places in the file.
    fn settle(&mut self, indent: &str) {
        indent.clone_into(&mut self.indent);
        self.tag = None;
        let below = format!("{indent}    ");
        let children: Vec<Element> = self
            .nodes
            .drain(..)
            .filter_map(|node| match node {
                Node::Element(element) => Some(element),
                Node::Raw(_) => None,
            })
            .collect();
        if children.is_empty() {
            return;
        }
        for mut child in children {
            child.settle(&below);
            self.nodes.extend([Node::Raw(format!("\n{below}")), Node::Element(child)]);
        }
        self.nodes.push(Node::Raw(format!("\n{indent}")));
    }

    /// A tag that closed itself can't go on when something stands inside.
    fn tag_opens(&mut self) {
        if self.tag.as_ref().is_some_and(|tag| tag.ends_with("/>")) {
            self.tag = None;
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::Element(element) => element.fmt(f),
            Node::Raw(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let closed = self.nodes.is_empty();
        match &self.tag {
            Some(tag) => f.write_str(tag)?,
            None => {
                write!(f, "<{}", self.name)?;
                for (name, value) in &self.attributes {
                    write!(f, " {name}=\"{}\"", escaped(value))?;
                }
                f.write_str(if closed { " />" } else { ">" })?;
            }
        }
        if closed && self.tag.as_ref().is_none_or(|tag| tag.ends_with("/>")) {
            return Ok(());
        }
        for node in &self.nodes {
            node.fmt(f)?;
        }
        write!(f, "</{}>", self.name)
    }
}

/// A value between double quotes.
pub fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for character in value.chars() {
        match character {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            '\n' => text.push_str("&#xA;"),
            '\r' => text.push_str("&#xD;"),
            '\t' => text.push_str("&#x9;"),
            other => text.push(other),
        }
    }
    text
}

fn parse(text: &str) -> Result<Vec<Node>, NotXml> {
    let mut reader = Reader::from_str(text);
    let mut open = vec![Element::default()];
    let mut start = 0;
    let mut line = 1;
    loop {
        let event = reader.read_event();
        let end = usize::try_from(reader.buffer_position()).expect("a file in memory");
        let fault = |reason: String| NotXml { line, reason };
        let event = event.map_err(|error| fault(error.to_string()))?;
        let raw = &text[start..end];
        let parent = open.last_mut().expect("the first is never closed");
        match event {
            Event::Start(tag) => {
                let element = element(&tag, raw, parent, line).map_err(fault)?;
                open.push(element);
            }
            Event::Empty(tag) => {
                let element = element(&tag, raw, parent, line).map_err(fault)?;
                parent.nodes.push(Node::Element(element));
            }
            Event::End(_) => {
                let closed = open.pop().expect("the reader checks that tags match");
                let parent = open.last_mut().ok_or_else(|| fault("an end tag without a start".to_owned()))?;
                parent.nodes.push(Node::Element(closed));
            }
            Event::Eof => break,
            _ => match parent.nodes.last_mut() {
                // References inside a text come as events of their own.
                Some(Node::Raw(before)) if !raw.starts_with('<') && !before.ends_with('>') => {
                    before.push_str(raw)
                }
                _ => parent.nodes.push(Node::Raw(raw.to_owned())),
            },
        }
        line += raw.matches('\n').count();
        start = end;
    }
    let top = open.pop().expect("the first is never closed");
    if let Some(unclosed) = open.pop() {
        let name = if open.is_empty() { &top.name } else { &unclosed.name };
        return Err(NotXml { line, reason: format!("`{name}` is not closed") });
    }
    match top.nodes.iter().filter(|node| node.element().is_some()).count() {
        1 => Ok(top.nodes),
        _ => Err(NotXml { line, reason: "there is not one root element".to_owned() }),
    }
}

fn element(tag: &BytesStart<'_>, raw: &str, parent: &Element, line: usize) -> Result<Element, String> {
    let mut attributes: Vec<(String, String)> = Vec::new();
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| error.to_string())?;
        attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
    }
    let indent = match parent.nodes.last() {
        Some(Node::Raw(before)) => before.rsplit('\n').next().unwrap_or_default().to_owned(),
        _ => String::new(),
    };
    let indent = if indent.trim().is_empty() { indent } else { String::new() };
    let name = tag.name().as_ref().to_owned();
    Ok(Element { name, attributes, nodes: Vec::new(), tag: Some(raw.to_owned()), indent, line })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<!-- kept -->\r\n<configuration>\r\n  <a  x='1'   y=\"&lt;&#x41;\" />\r\n  <!-- <b/> -->\r\n  <b></b>\r\n  <unknown>text &amp; more</unknown>\r\n</configuration>\r\n";

    #[test]
    fn a_file_that_nobody_changes_stays_as_it_is_to_the_byte() {
        assert_eq!(String::from_utf8(Document::parse(FILE.as_bytes()).unwrap().to_bytes()).unwrap(), FILE);
    }

    #[test]
    fn a_change_touches_its_own_tag_only() {
        let mut document = Document::parse(FILE.as_bytes()).unwrap();
        let root = document.root_mut();
        assert_eq!(root.child("a").unwrap().attribute("y"), Some("<A"));
        root.child_mut("a").unwrap().set("x", "\"2\"");
        root.child_mut("b").unwrap().push(Element::new("c").containing(Element::new("d").with("e", "f")));
        let expected = FILE
            .replace("<a  x='1'   y=\"&lt;&#x41;\" />", "<a x=\"&quot;2&quot;\" y=\"&lt;A\" />")
            .replace("<b></b>", "<b>\r\n      <c>\r\n          <d e=\"f\" />\r\n      </c>\r\n  </b>");
        assert_eq!(String::from_utf8(document.to_bytes()).unwrap(), expected);
        document.root_mut().child_mut("b").unwrap().remove(0);
        let expected =
            expected.replace("<b>\r\n      <c>\r\n          <d e=\"f\" />\r\n      </c>\r\n  </b>", "<b />");
        assert_eq!(String::from_utf8(document.to_bytes()).unwrap(), expected);
    }

    #[test]
    fn children_come_where_they_are_put_and_go_with_their_line() {
        let mut document = Document::parse(b"<r>\n  <a />\n  <b />\n</r>").unwrap();
        let root = document.root_mut();
        root.insert(0, Element::new("first"));
        root.insert(2, Element::new("middle"));
        root.push(Element::new("last"));
        assert_eq!(root.remove(1).name(), "a");
        assert_eq!(root.to_string(), "<r>\n  <first />\n  <middle />\n  <b />\n  <last />\n</r>");
        assert_eq!(root.remove_all(|_| true), 4);
        assert_eq!(root.to_string(), "<r />");
    }

    #[test]
    fn what_is_no_xml_is_refused_with_its_line() {
        for text in
            ["", "<a>", "<a>\n</b>", "<a x=1/>", "<a/><b/>", "<a x='1' x='2'/>", "<a x='&no;'/>", "</a>"]
        {
            assert!(Document::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert_eq!(Document::parse(b"<a>\n\n</b>").unwrap_err().line, 3);
        assert_eq!(Document::parse(b"<a>\n<b/>\n<c/></a>").unwrap().root().child("c").unwrap().line(), 3);
    }
}
