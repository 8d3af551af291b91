//! Layers: content-addressed zips, compressed once.

use std::path::PathBuf;

use crate::entry::EntryPath;

/// One file that goes into a layer.
#[derive(Debug, Clone)]
pub struct Source {
    pub path: EntryPath,
    pub content: Content,
    /// Whether the file is a program: mode 0755 instead of 0644.
    pub executable: bool,
}

/// Where the bytes of a file come from.
#[derive(Debug, Clone)]
pub enum Content {
    Bytes(Vec<u8>),
    File(PathBuf),
}
