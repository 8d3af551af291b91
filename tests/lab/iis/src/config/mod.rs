//! `applicationHost.config`: read, changed in place, and written back as IIS does it.
//!
//! The file stays as it is but for what is changed. What is unknown is kept; only [`Config::effective`] judges it.

use std::path::{Path, PathBuf};

use crate::xml::{Document, Element, NotXml};

mod disk;
mod effective;
mod locks;
mod merge;
mod modes;
pub(crate) mod place;
mod view;

pub(crate) use disk::write_whole;
pub use effective::{RemoveAbsent, WebConfig};
pub use locks::{Declaration, Definition, Mode};
pub use merge::{Effective, Violation};
pub(crate) use modes::remove_section;
pub use place::{canonical, levels};
pub use view::{Application, Binding, FastCgiApplication, Pool, Site, VirtualDirectory};

/// HRESULTs that IIS answers or appcmd prints.
pub mod hresult {
    /// ERROR_INVALID_DATA: unknown elements and attributes, values that don't fit.
    pub const INVALID_DATA: u32 = 0x8007_000d;
    /// ERROR_SHARING_VIOLATION: the file is in use.
    pub const IN_USE: u32 = 0x8007_0020;
    /// ERROR_LOCK_VIOLATION: a section, element or attribute is locked.
    pub const LOCKED: u32 = 0x8007_0021;
    /// ERROR_ALREADY_EXISTS: a duplicate entry or section.
    pub const DUPLICATE: u32 = 0x8007_00b7;
    /// ERROR_NOT_FOUND: nothing there that could be removed.
    pub const NOT_FOUND: u32 = 0x8007_0490;
}

/// The whole file, as it was when it was loaded and with what has been changed since.
#[derive(Debug, Clone)]
pub struct Config {
    path: PathBuf,
    document: Document,
    /// What was on the disk: a file that holds something else now was changed by somebody.
    loaded: Vec<u8>,
}

/// Why the file can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("`{}` is not well-formed XML: {source}", path.display())]
    NotXml { path: PathBuf, source: NotXml },
    #[error(transparent)]
    Unreadable(std::io::Error),
    /// Somebody else has the file open: `0x80070020`, exit code 32 of appcmd.
    #[error("`{}` is being used by another process", path.display())]
    InUse { path: PathBuf },
    /// Somebody has written the file since it was loaded.
    #[error("cannot commit configuration changes because the file `{}` has changed on disk", path.display())]
    ChangedOnDisk { path: PathBuf },
}

impl Config {
    /// Reads the file. One that is just being replaced is read whole, before or after.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let loaded = fs_err::read(path).map_err(ConfigError::Unreadable)?;
        let document = Document::parse(&loaded)
            .map_err(|source| ConfigError::NotXml { path: path.to_owned(), source })?;
        Ok(Config { path: path.to_owned(), document, loaded })
    }

    /// Writes the file whole. It is refused while another writer holds it, and when it isn't the one that was loaded:
    /// IIS says "file has changed on disk" then, and nothing of either writer is lost.
    pub fn save(&mut self) -> Result<(), ConfigError> {
        let bytes = self.document.to_bytes();
        disk::replace(&self.path, &self.loaded, &bytes)?;
        self.loaded = bytes;
        Ok(())
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The element `configuration`.
    pub fn root(&self) -> &Element {
        self.document.root()
    }

    pub fn root_mut(&mut self) -> &mut Element {
        self.document.root_mut()
    }

    /// Whether it holds anything else than was loaded.
    pub fn is_changed(&self) -> bool {
        self.document.to_bytes() != self.loaded
    }

    /// A section as it is written for the whole server: at the top, or in a `<location path="">`, where `unlock`
    /// and the ASP.NET role service put it.
    pub fn section(&self, path: &str) -> Option<&Element> {
        self.section_at("", path)
    }

    /// A section as it is written for one configuration path (`Site/app`), not inherited.
    pub fn section_at(&self, location: &str, path: &str) -> Option<&Element> {
        place::scopes(self.root(), location).find_map(|scope| scope.descendant(path))
    }

    /// The same to be changed, made where it is missing.
    pub fn section_mut(&mut self, location: &str, path: &str) -> &mut Element {
        place::section_mut(self.document.root_mut(), location, path)
    }
}
