//! The project's own files as discovery reads them, and how people are told of them.

use std::io;
use std::path::{Path, PathBuf};

use super::error::ProjectError;

/// A path as it stands in messages: relative to the root where it lies below it, with `/`.
pub fn shown(root: &Path, path: &Path) -> String {
    let relative = path.strip_prefix(root).unwrap_or(path);
    let text = relative.to_string_lossy();
    match text.as_ref() {
        "" => ".".to_owned(),
        text if cfg!(windows) => text.replace('\\', "/"),
        text => text.to_owned(),
    }
}

/// Reads a text file. The byte order mark that Windows editors write is dropped.
pub fn text(root: &Path, path: &Path) -> Result<String, ProjectError> {
    let bytes = fs_err::read(path).map_err(|source| unreadable(path, source))?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    match std::str::from_utf8(bytes) {
        // A zero byte in valid UTF-8 is half of a UTF-16 letter, not text.
        Ok(text) if !text.contains('\0') => Ok(text.to_owned()),
        _ => Err(ProjectError::NotUtf8 { file: shown(root, path) }),
    }
}

/// Reads a TOML file; `None` if there is none.
pub fn toml(root: &Path, path: &Path) -> Result<Option<toml::Table>, ProjectError> {
    if !path.is_file() {
        return Ok(None);
    }
    let parsed = text(root, path)?.parse::<toml::Table>();
    let error = |source| ProjectError::NotToml { file: shown(root, path), source: Box::new(source) };
    parsed.map(Some).map_err(error)
}

/// What lies in a folder, in the order of names.
pub fn listing(folder: &Path) -> Result<Vec<PathBuf>, ProjectError> {
    let entries = fs_err::read_dir(folder).and_then(|entries| {
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()
    });
    let mut entries = entries.map_err(|source| unreadable(folder, source))?;
    entries.sort();
    Ok(entries)
}

pub fn unreadable(path: &Path, source: io::Error) -> ProjectError {
    ProjectError::Unreadable { path: path.to_owned(), source }
}

/// Looks a dotted key up. Python's project files nest tables three deep.
pub fn lookup<'a>(table: &'a toml::Table, key: &str) -> Option<&'a toml::Value> {
    let (first, rest) = match key.split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (key, None),
    };
    let value = table.get(first)?;
    match rest {
        Some(rest) => lookup(value.as_table()?, rest),
        None => Some(value),
    }
}
