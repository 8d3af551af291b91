//! A new server for the lab, as setup leaves it: what is locked and what isn't, modules, handlers, one site.

use std::path::Path;

use crate::config::{Config, ConfigError, write_whole};
use crate::xml::Element;

/// Which role services the server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// CGI alone: `handlers` and `modules` are locked.
    Cgi,
    /// With ASP.NET, whose setup opens `handlers` and `modules` in a `<location path="" overrideMode="Allow">`.
    AspNet,
}

/// Makes `applicationHost.config` in a folder. One that is there is replaced, and with it what ran.
pub fn init(folder: &Path, kind: Kind) -> Result<(), ConfigError> {
    fs_err::create_dir_all(folder).map_err(ConfigError::Unreadable)?;
    // The real file has Windows' line ends.
    let text = include_str!("applicationHost.config").replace("\r\n", "\n").replace('\n', "\r\n");
    let path = folder.join("applicationHost.config");
    write_whole(&path, text.as_bytes()).map_err(ConfigError::Unreadable)?;
    write_whole(&folder.join("redirection.config"), REDIRECTION).map_err(ConfigError::Unreadable)?;
    for file in ["runtime.json", "commands.jsonl"] {
        match fs_err::remove_file(folder.join(file)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(ConfigError::Unreadable(error));
            }
            _ => {}
        }
    }
    if kind == Kind::AspNet {
        let mut config = Config::load(&path)?;
        for section in ["system.webServer/handlers", "system.webServer/modules"] {
            config.set_mode("", section, "Allow");
        }
        config.save()?;
    }
    Ok(())
}

/// Adds what the WebDAV role service brings: a module for all requests, and a handler that takes PUT and DELETE away
/// from whatever handles the rest. Neither is locked, so a site can remove both.
pub fn install_webdav(folder: &Path) -> Result<(), ConfigError> {
    let mut config = Config::load(&folder.join("applicationHost.config"))?;
    let module = Element::new("add").with("name", "WebDAVModule");
    let image = module.clone().with("image", r"%windir%\System32\inetsrv\webdav.dll");
    let handler = Element::new("add")
        .with("name", "WebDAV")
        .with("path", "*")
        .with("verb", "PROPFIND,PROPPATCH,MKCOL,PUT,COPY,DELETE,MOVE,LOCK,UNLOCK")
        .with("modules", "WebDAVModule")
        .with("resourceType", "Unspecified")
        .with("requireAccess", "None");
    config.section_mut("", "system.webServer/globalModules").push(image);
    config.section_mut("", "system.webServer/modules").push(module);
    config.section_mut("", "system.webServer/handlers").insert(0, handler);
    config.save()
}

/// A server whose configuration nobody shares.
const REDIRECTION: &[u8] = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<configuration>\r\n    <configSections>\r\n        \
    <section name=\"configurationRedirection\" />\r\n    </configSections>\r\n    <configurationRedirection />\r\n\
    </configuration>\r\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Definition, Mode, RemoveAbsent};
    use crate::schema;

    fn config(kind: Kind) -> (tempfile::TempDir, Config) {
        let folder = tempfile::tempdir().unwrap();
        init(folder.path(), kind).unwrap();
        let config = Config::load(&folder.path().join("applicationHost.config")).unwrap();
        (folder, config)
    }

    #[test]
    fn every_section_is_declared_and_keeps_to_the_schema() {
        for kind in [Kind::Cgi, Kind::AspNet] {
            let (_folder, config) = config(kind);
            let mut declared: Vec<String> = config.declarations().into_iter().map(|own| own.path).collect();
            let mut known: Vec<&str> = schema::sections().iter().map(|section| section.path).collect();
            declared.sort();
            known.sort_unstable();
            assert_eq!(declared, known);
            for section in known {
                config.effective(section, "", &[], RemoveAbsent::Error).unwrap();
            }
        }
    }

    #[test]
    fn webdav_comes_before_all_other_handlers_wherever_they_stand() {
        for kind in [Kind::Cgi, Kind::AspNet] {
            let (folder, _) = config(kind);
            install_webdav(folder.path()).unwrap();
            let config = Config::load(&folder.path().join("applicationHost.config")).unwrap();
            let items = |section: &str| {
                let effective = config.effective(section, "", &[], RemoveAbsent::Error).unwrap();
                effective.items().iter().map(|item| item.text("name").to_owned()).collect::<Vec<_>>()
            };
            assert_eq!(items("system.webServer/handlers")[0], "WebDAV");
            for section in ["system.webServer/modules", "system.webServer/globalModules"] {
                assert_eq!(items(section).last().unwrap(), "WebDAVModule");
            }
        }
    }

    #[test]
    fn handlers_are_open_only_where_asp_net_is() {
        let cases = [(Kind::Cgi, Mode::Deny), (Kind::AspNet, Mode::Allow)];
        for (kind, expected) in cases {
            let (_folder, config) = config(kind);
            assert_eq!(config.mode("system.webServer/handlers", "Default Web Site"), expected, "{kind:?}");
            assert_eq!(config.mode("system.webServer/modules", "Default Web Site"), expected, "{kind:?}");
            assert_eq!(config.mode("system.webServer/staticContent", "Default Web Site"), Mode::Allow);
            let fastcgi = config.declaration("system.webServer/fastCgi").unwrap();
            assert_eq!((fastcgi.definition, fastcgi.mode), (Definition::AppHostOnly, Mode::Deny));
            let handlers =
                config.effective("system.webServer/handlers", "Default Web Site", &[], RemoveAbsent::Error);
            assert_eq!(handlers.unwrap().items().last().unwrap().text("name"), "StaticFile");
        }
    }
}
