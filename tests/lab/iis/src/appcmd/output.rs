//! What appcmd prints: lines, XML, and the tree of `/text:*`; in the encoding of a pipe.

use crate::schema;
use crate::switches::Encoding;
use crate::xml::{Element, escaped};

/// In which form objects are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    Lines,
    /// `/text:*`
    Tree,
    /// `/text:NAME`
    Value(String),
    /// `/config`: the configuration alone.
    Config {
        defaults: bool,
    },
    /// `/xml`, with `/config` around the configuration.
    Xml {
        config: Option<bool>,
    },
}

/// The bytes of a text. What a console's code page lacks becomes a question mark.
pub fn encoded(text: &str, encoding: Encoding) -> Vec<u8> {
    let limit = match encoding {
        Encoding::Utf8 => return text.as_bytes().to_vec(),
        Encoding::CodePage => 0xff,
        Encoding::Lost => 0x7f,
    };
    text.chars()
        .map(|character| {
            u8::try_from(u32::from(character)).ok().filter(|byte| *byte <= limit).unwrap_or(b'?')
        })
        .collect()
}

/// The head of an XML output.
pub const XML_HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<appcmd>\r\n";
pub const XML_TAIL: &str = "</appcmd>\r\n";

/// One object: `<SITE SITE.NAME="x" ...>` with its configuration inside, when that is asked for.
pub fn xml_object(object: &str, attributes: &[(&str, String)], inside: Option<&Element>) -> String {
    let mut text = format!("    <{object}");
    for (name, value) in attributes {
        text.push_str(&format!(" {name}=\"{}\"", escaped(value)));
    }
    match inside {
        Some(element) => format!("{text}>\r\n{}    </{object}>\r\n", pretty(element, 8)),
        None => text + " />\r\n",
    }
}

/// An element without comments, a tag a line.
pub fn pretty(element: &Element, indent: usize) -> String {
    let blanks = " ".repeat(indent);
    let mut text = format!("{blanks}<{}", element.name());
    for (name, value) in element.attributes() {
        text.push_str(&format!(" {name}=\"{}\"", escaped(value)));
    }
    if element.children().next().is_none() {
        return text + " />\r\n";
    }
    text.push_str(">\r\n");
    for child in element.children() {
        text.push_str(&pretty(child, indent + 2));
    }
    text + &format!("{blanks}</{}>\r\n", element.name())
}

/// An element as `/text:*` shows it.
pub fn tree(element: &Element, indent: usize) -> String {
    let blanks = " ".repeat(indent);
    let mut text = format!("{blanks}[{}]\r\n", element.name());
    for (name, value) in element.attributes() {
        text.push_str(&format!("{blanks}  {name}:\"{value}\"\r\n"));
    }
    for child in element.children() {
        text.push_str(&tree(child, indent + 2));
    }
    text
}

/// An element with what the schema says where nothing is written: `/config:*`.
pub fn with_defaults(element: &Element, schema: &schema::Element) -> Element {
    let mut full = Element::new(element.name());
    for attribute in &schema.attributes {
        if let Some(value) = element.attribute(attribute.name).or(attribute.default) {
            full.set(attribute.name, value);
        }
    }
    for inner in &schema.elements {
        let written = element.child(inner.name).cloned().unwrap_or_else(|| Element::new(inner.name));
        full.push(with_defaults(&written, inner));
    }
    if let Some(items) = &schema.items {
        for item in element.children().filter(|child| child.name() == items.item.name) {
            full.push(with_defaults(item, &items.item));
        }
    }
    full
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_encoding_lacks_is_lost() {
        assert_eq!(encoded("grün 日", Encoding::Utf8), "grün 日".as_bytes());
        assert_eq!(encoded("grün 日", Encoding::CodePage), b"gr\xfcn ?");
        assert_eq!(encoded("grün 日", Encoding::Lost), b"gr?n ?");
    }
}
