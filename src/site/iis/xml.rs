//! What `appcmd list … /xml` prints, as a tree of elements. Attributes are all that counts; text is passed over.

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// An element of the configuration, or of appcmd's own list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Element {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    pub children: Vec<Element>,
}

/// What was printed is no list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("what appcmd printed is no XML that can be read: {0}")]
pub struct NotAList(String);

/// The objects of a list: what stands inside of `<appcmd>`. No output at all is an empty list.
pub fn objects(printed: &[u8]) -> Result<Vec<Element>, NotAList> {
    let text = decoded(printed);
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let mut reader = Reader::from_str(text);
    // The element that holds those that are not closed yet.
    let mut open = vec![Element::default()];
    loop {
        match reader.read_event().map_err(|error| NotAList(error.to_string()))? {
            Event::Start(tag) => open.push(element(&tag)?),
            Event::Empty(tag) => {
                let element = element(&tag)?;
                innermost(&mut open).children.push(element);
            }
            Event::End(_) => {
                // The reader has made sure that it belongs to the last one opened.
                if let Some(element) = open.pop() {
                    innermost(&mut open).children.push(element);
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    match (open.len(), open.pop().and_then(|mut all| all.children.pop())) {
        (1, Some(root)) if root.name == "appcmd" => Ok(root.children),
        (1, _) => Err(NotAList("it has no <appcmd>".to_owned())),
        _ => Err(NotAList("it breaks off".to_owned())),
    }
}

fn innermost(open: &mut [Element]) -> &mut Element {
    open.last_mut().expect("the reader refuses an end without a start, so the outermost stays")
}

fn element(tag: &BytesStart<'_>) -> Result<Element, NotAList> {
    let wrong = |error: &dyn std::fmt::Display| NotAList(error.to_string());
    let name = tag.name().as_ref().to_owned();
    let mut attributes = Vec::new();
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|error| wrong(&error))?;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| wrong(&error))?;
        attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
    }
    Ok(Element { name, attributes, children: Vec::new() })
}

impl Element {
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    pub fn children_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// An attribute of this element, or of one below it: `processModel.idleTimeout`.
    pub fn at(&self, path: &str) -> Option<&str> {
        match path.split_once('.') {
            Some((child, rest)) => self.child(child)?.at(rest),
            None => self.attribute(path),
        }
    }
}

/// What a program printed, as text. The first line of a list claims UTF-8 whatever follows, and what appcmd writes into a
/// pipe may be in the code page of the console.
pub fn decoded(printed: &[u8]) -> String {
    let units = |bytes: &[u8], unit: fn([u8; 2]) -> u16| -> String {
        let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
        String::from_utf16_lossy(&units)
    };
    match printed {
        [0xFF, 0xFE, rest @ ..] => units(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => units(rest, u16::from_be_bytes),
        // No list begins with a letter and a zero byte in any other encoding.
        [first, 0, ..] if *first != 0 => units(printed, u16::from_le_bytes),
        _ => match str::from_utf8(printed) {
            Ok(text) => text.to_owned(),
            Err(_) => of_console(printed),
        },
    }
}

#[cfg(windows)]
use super::win32::of_console;

/// Elsewhere there is no such code page: what is not UTF-8 is lost, one mark a byte at most.
#[cfg(not(windows))]
fn of_console(printed: &[u8]) -> String {
    String::from_utf8_lossy(printed).into_owned()
}

/// The letters that stand for one that the encoding could not hold. No name of a file or folder has one.
const LOST: [char; 2] = ['?', '\u{fffd}'];

/// What was printed, with the letters of a folder that were lost on the way put back wherever it can be nothing but that
/// folder: what is named to appcmd again has to be named as it is.
pub fn restored(printed: &str, folder: &str) -> String {
    let folder: Vec<char> = folder.replace('&', "&amp;").chars().collect();
    let is_folder = |found: &[char]| {
        found.len() == folder.len()
            && found.iter().zip(&folder).all(|(a, b)| a == b || LOST.contains(a) && !b.is_ascii())
    };
    let printed: Vec<char> = printed.chars().collect();
    let (mut text, mut at) = (String::with_capacity(printed.len()), 0);
    while at < printed.len() {
        let found = printed.get(at..at + folder.len()).filter(|found| !found.is_empty() && is_folder(found));
        text.extend(found.map_or(&printed[at..=at], |_| &folder[..]));
        at += found.map_or(1, <[char]>::len);
    }
    text
}

/// Whether IIS takes two paths for one: case, the kind of slash and a slash at the end don't count. A letter that was lost
/// on its way out of appcmd is taken for any.
pub fn same_path(printed: &str, other: &str) -> bool {
    let normal = |path: &str| -> Vec<char> {
        let path = path.replace('/', "\\").to_lowercase();
        path.trim_end_matches('\\').chars().collect()
    };
    let (printed, other) = (normal(printed), normal(other));
    printed.len() == other.len()
        && printed.iter().zip(&other).all(|(a, b)| a == b || LOST.contains(a) && !b.is_ascii())
}

/// Whether a path lies below a folder, compared in the same way.
pub fn is_below(printed: &str, folder: &str) -> bool {
    let parts = |path: &str| path.replace('/', "\\").trim_end_matches('\\').matches('\\').count();
    let folders = parts(folder);
    let printed = printed.replace('/', "\\");
    let above: Vec<&str> = printed.trim_end_matches('\\').split('\\').take(folders + 1).collect();
    parts(&printed) > folders && same_path(&above.join("\\"), folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_lost_letters_is_named_as_it_is() {
        let folder = "C:\\größe & co";
        for printed in ["C:\\größe &amp; co", "C:\\gr??e &amp; co", "C:\\gr\u{fffd}?e &amp; co"] {
            let list = format!("<a b=\"{printed}\\run|{printed}\" c=\"C:\\gr??en\"/>");
            let full = "C:\\größe &amp; co";
            assert_eq!(restored(&list, folder), format!("<a b=\"{full}\\run|{full}\" c=\"C:\\gr??en\"/>"));
        }
        assert_eq!(restored("", folder), "");
        assert_eq!(restored("C:\\a", "C:\\a"), "C:\\a");
    }

    #[test]
    fn a_list_is_read_with_all_that_is_nested() {
        let printed = br#"<?xml version="1.0" encoding="UTF-8"?>
<appcmd>
    <SITE SITE.NAME="a &amp; &quot;b&quot;" SITE.ID="1" bindings="http/*:80:" state="Started">
        <site name="a" id="1"><bindings><binding protocol="http" /></bindings></site>
    </SITE>
    <APPPOOL APPPOOL.NAME="p"><add name="p"><processModel idleTimeout="00:00:00"/></add></APPPOOL>
</appcmd>
"#;
        let objects = objects(printed).unwrap();
        assert_eq!(objects[0].attribute("SITE.NAME"), Some("a & \"b\""));
        let site = objects[0].child("site").unwrap();
        assert_eq!(site.child("bindings").unwrap().children_named("binding").count(), 1);
        assert_eq!(objects[1].at("add.processModel.idleTimeout"), Some("00:00:00"));
        assert_eq!(objects[1].at("add.recycling.x"), None);
    }

    #[test]
    fn no_output_is_an_empty_list_and_other_words_are_none() {
        assert_eq!(objects(b"").unwrap(), []);
        assert_eq!(objects(b"\r\n").unwrap(), []);
        assert_eq!(objects(b"<appcmd />").unwrap(), []);
        for wrong in ["ERROR ( message:x )", "<other/>", "<appcmd><SITE>", "<appcmd></SITE>", "<a b=c/>"] {
            assert!(objects(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_list_is_read_whatever_encoding_it_comes_in() {
        let text = "<appcmd><VDIR physicalPath=\"C:\\gr\u{fc}n\" /></appcmd>";
        let path =
            |printed: &[u8]| objects(printed).unwrap()[0].attribute("physicalPath").unwrap().to_owned();
        let wide = |unit: fn(u16) -> [u8; 2]| -> Vec<u8> { text.encode_utf16().flat_map(unit).collect() };
        let expected = "C:\\gr\u{fc}n";
        assert_eq!(path(text.as_bytes()), expected);
        assert_eq!(path(&[b"\xEF\xBB\xBF", text.as_bytes()].concat()), expected);
        assert_eq!(path(&wide(u16::to_le_bytes)), expected);
        assert_eq!(path(&[vec![0xFF, 0xFE], wide(u16::to_le_bytes)].concat()), expected);
        assert_eq!(path(&[vec![0xFE, 0xFF], wide(u16::to_be_bytes)].concat()), expected);
        // Code page 437; which one a server has only that server knows.
        let oem: Vec<u8> = text.chars().map(|c| if c == '\u{fc}' { 0x81 } else { c as u8 }).collect();
        assert!(same_path(&path(&oem), expected));
    }

    #[test]
    fn paths_are_compared_as_windows_does() {
        for (printed, other, same) in [
            ("C:\\Holdall\\x\\", "c:/holdall/X", true),
            ("C:\\gr?n", "C:\\grün", true),
            ("C:\\gr?n", "C:\\gran", false),
            ("C:\\a", "C:\\ab", false),
            ("%SystemDrive%\\a", "C:\\a", false),
        ] {
            assert_eq!(same_path(printed, other), same, "{printed} {other}");
        }
        for (printed, below) in
            [("c:\\holdall\\SHOP\\x", true), ("C:/holdall/shop/", false), ("C:\\holdall\\shopx\\y", false)]
        {
            assert_eq!(is_below(printed, "C:\\holdall\\shop\\"), below, "{printed}");
        }
    }
}
