//! Whether the configuration of IIS is shared by several servers: `redirection.config`, beside `applicationHost.config`,
//! says where it is then.

use std::io;
use std::path::{Path, PathBuf};

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::events::Event;

/// Where it lies for an appcmd at this path: in the folder `config` beside it.
pub fn beside(appcmd: &Path) -> PathBuf {
    appcmd.parent().unwrap_or(Path::new("")).join("config").join("redirection.config")
}

/// The folder of the configuration that is shared, if it is. One that has no such file shares nothing.
pub fn shared(file: &Path) -> io::Result<Option<String>> {
    match fs_err::read(file) {
        Ok(text) => Ok(redirected(&String::from_utf8_lossy(&text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn redirected(text: &str) -> Option<String> {
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    loop {
        let tag = match reader.read_event().ok()? {
            Event::Eof => return None,
            Event::Start(tag) | Event::Empty(tag) if tag.name().as_ref() == "configurationRedirection" => tag,
            _ => continue,
        };
        let value = |name: &str| {
            let found = tag.attributes().flatten().find(|attribute| attribute.key.as_ref() == name)?;
            found.normalized_value(XmlVersion::Implicit1_0).ok().map(|value| value.into_owned())
        };
        let is_on = value("enabled").is_some_and(|enabled| enabled.eq_ignore_ascii_case("true"));
        return is_on.then(|| value("path").unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_shared_only_where_that_is_on() {
        let file = |attributes: &str| {
            format!(
                "\u{feff}<?xml version=\"1.0\"?>\r\n<configuration>\r\n<configSections>\
                 <section name=\"configurationRedirection\" /></configSections>\r\n\
                 <configurationRedirection {attributes} />\r\n</configuration>"
            )
        };
        assert_eq!(redirected(&file("")), None);
        assert_eq!(redirected(&file("enabled=\"false\" path=\"\\\\files\\iis\"")), None);
        let on = file("enabled=\"True\" path=\"\\\\files\\iis &amp; co\" userName=\"x\"");
        assert_eq!(redirected(&on).unwrap(), "\\\\files\\iis & co");
        assert_eq!(redirected("no XML <"), None);
        assert_eq!(shared(Path::new("none/redirection.config")).unwrap(), None);
        assert!(beside(Path::new("/inetsrv/appcmd")).ends_with("inetsrv/config/redirection.config"));
    }
}
