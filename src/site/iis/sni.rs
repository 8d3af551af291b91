//! Whether IIS tells certificates apart by the host that a visitor names (SNI). It does since IIS 8: servers before know no
//! flags of a binding. The schema of its configuration, which lies beside appcmd, says which attributes there are.

use std::path::Path;

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};

/// What the schema beside this appcmd says; none where there is none, or it says nothing of bindings.
pub fn known(appcmd: &Path) -> Option<bool> {
    let folder = appcmd.parent().unwrap_or(Path::new("")).join("config").join("schema");
    let text = std::fs::read(folder.join("IIS_schema.xml")).ok()?;
    in_schema(&String::from_utf8_lossy(&text))
}

fn in_schema(text: &str) -> Option<bool> {
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    // How many elements are open since that of bindings was.
    let mut depth = 0_usize;
    let mut found = None;
    loop {
        match reader.read_event().ok()? {
            Event::Eof => return found,
            Event::Start(tag) if depth > 0 || is_bindings(&tag) => {
                found = Some(found == Some(true) || is_flags(&tag));
                depth += 1;
            }
            Event::Empty(tag) if depth > 0 && is_flags(&tag) => found = Some(true),
            Event::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
}

fn is_bindings(tag: &BytesStart<'_>) -> bool {
    tag.name().as_ref() == "collection" && says(tag, "addElement", "binding")
}

/// There is an attribute of that name in the section `access`, too, and older servers know that one.
fn is_flags(tag: &BytesStart<'_>) -> bool {
    tag.name().as_ref() == "attribute" && says(tag, "name", "sslFlags")
}

fn says(tag: &BytesStart<'_>, name: &str, value: &str) -> bool {
    let found = tag.attributes().flatten().find(|attribute| attribute.key.as_ref() == name);
    let found = found.and_then(|found| found.normalized_value(XmlVersion::Implicit1_0).ok());
    found.is_some_and(|found| found == value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(flags: &str) -> String {
        format!(
            "\u{feff}<configSchema><sectionSchema name=\"system.webServer/security/access\">\
             <attribute name=\"sslFlags\" type=\"flags\"><flag name=\"Ssl\" value=\"8\" /></attribute></sectionSchema>\r\n\
             <sectionSchema name=\"system.applicationHost/sites\"><collection addElement=\"site\"><element name=\"bindings\">\
             <collection addElement=\"binding\" clearElement=\"clear\"><attribute name=\"protocol\" type=\"string\">\
             </attribute>{flags}</collection></element></collection></sectionSchema></configSchema>"
        )
    }

    #[test]
    fn a_server_knows_hosts_with_certificates_if_its_bindings_have_flags() {
        assert_eq!(in_schema(&schema("")), Some(false));
        assert_eq!(in_schema(&schema("<attribute name=\"sslFlags\" type=\"uint\" />")), Some(true));
        let long = "<attribute name=\"sslFlags\" type=\"uint\"></attribute><attribute name=\"x\" />";
        assert_eq!(in_schema(&schema(long)), Some(true));
        assert_eq!(in_schema("<configSchema></configSchema>"), None);
        assert_eq!(in_schema("<configSchema"), None);
        assert_eq!(known(Path::new("/nowhere/appcmd")), None);
    }
}
