//! Maintenance: while a file is there, visitors are answered by status 503 and a page that says so, and the application is
//! not asked. The file may let some addresses through.
//!
//! It is looked for with every request, so that making it is one switch for all processes at once, and so is removing it.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::Deserialize;

use crate::head::Head;
use crate::log;

/// Where the file is, if it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maintenance {
    pub file: PathBuf,
}

/// What visitors are told.
#[derive(Debug, PartialEq, Eq)]
pub struct Closed {
    /// In seconds.
    retry_after: u32,
    message: String,
}

/// What the bridge reads of the file; whoever wrote it may say more.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct File {
    retry_after: u32,
    message: String,
    /// These visitors see the application.
    allow: Vec<IpNet>,
}

impl Default for File {
    fn default() -> File {
        let message = "This site is being worked on, and will be back soon.".to_owned();
        File { retry_after: 300, message, allow: Vec::new() }
    }
}

impl Maintenance {
    /// What a visitor is told instead of being answered by the application; nothing, if the site is open to them.
    ///
    /// `visitor` is the address that the application would be told.
    pub fn closed(&self, visitor: &str) -> Option<Closed> {
        let file = read(&self.file)?;
        let visitor = visitor.trim().parse::<IpAddr>().ok();
        let allowed = |visitor: &IpAddr| {
            // IIS that listens at `[::]` may write an IPv4 address as one of IPv6.
            let visitor = visitor.to_canonical();
            file.allow.iter().any(|net| net.contains(&visitor))
        };
        if visitor.as_ref().is_some_and(allowed) {
            return None;
        }
        Some(Closed { retry_after: file.retry_after, message: file.message })
    }
}

/// The file, unless there is none. One that cannot be read was meant to close the site all the same.
fn read(path: &Path) -> Option<File> {
    let text = match fs_err::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            log::line(&format!("the site is closed, and nobody is let through: {error}"));
            return Some(File::default());
        }
    };
    let file = toml::from_str(text.trim_start_matches('\u{feff}'));
    Some(file.unwrap_or_else(|error: toml::de::Error| {
        let message = error.message();
        log::line(&format!("the site is closed, and nobody is let through: `{}`: {message}", path.display()));
        File::default()
    }))
}

impl Closed {
    /// Status and headers of the answer.
    pub fn head(&self) -> Head {
        let mut head = Head::new("503 Service Unavailable").expect("a fit status");
        for (name, value) in [
            ("Content-Type", "text/html; charset=utf-8"),
            ("Retry-After", &self.retry_after.to_string()),
            ("Cache-Control", "no-store"),
        ] {
            head.push(name, value).expect("a fit header");
        }
        head
    }

    /// The page.
    pub fn page(&self) -> String {
        let mut message = String::with_capacity(self.message.len());
        for c in self.message.chars() {
            match c {
                '&' => message.push_str("&amp;"),
                '<' => message.push_str("&lt;"),
                '>' => message.push_str("&gt;"),
                '"' => message.push_str("&quot;"),
                c => message.push(c),
            }
        }
        format!(
            "<!doctype html>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>503</title>\n<style>body {{ font: 1.1rem/1.5 sans-serif; max-width: 36rem; margin: 20vh auto; \
             padding: 0 1rem; text-align: center }}</style>\n<p>{message}</p>\n"
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_site_is_closed_as_long_as_the_file_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let maintenance = Maintenance { file: folder.path().join("maintenance.toml") };
        assert_eq!(maintenance.closed("192.0.2.1"), None);
        let text = "by = 'ann'\nretry-after = 60\nmessage = 'Back at <5>'\nallow = ['198.51.100.0/24', '2001:db8::/32']\n";
        fs_err::write(&maintenance.file, text).unwrap();
        let closed = maintenance.closed("192.0.2.1").unwrap();
        assert!(closed.page().contains("<p>Back at &lt;5&gt;</p>"));
        let head = String::from_utf8(closed.head().bytes).unwrap();
        assert!(head.starts_with("Status: 503 ") && head.contains("Retry-After: 60\r\n"), "{head}");
        for allowed in ["198.51.100.7", "::ffff:198.51.100.7", "2001:db8::5"] {
            assert_eq!(maintenance.closed(allowed), None, "{allowed}");
        }
        for other in ["198.51.101.7", "::1", "", "nobody"] {
            assert!(maintenance.closed(other).is_some(), "{other}");
        }
        fs_err::remove_file(&maintenance.file).unwrap();
        assert_eq!(maintenance.closed("192.0.2.1"), None);
    }

    #[test]
    fn a_file_that_cannot_be_read_lets_nobody_through() {
        let folder = tempfile::tempdir().unwrap();
        let maintenance = Maintenance { file: folder.path().join("maintenance.toml") };
        for wrong in ["allow = ['everybody']", "retry-after = 'soon'\nallow = ['0.0.0.0/0']", "[["] {
            fs_err::write(&maintenance.file, wrong).unwrap();
            assert_eq!(maintenance.closed("192.0.2.1").unwrap().retry_after, 300, "{wrong}");
        }
        fs_err::write(&maintenance.file, "").unwrap();
        assert!(maintenance.closed("192.0.2.1").is_some());
    }
}
