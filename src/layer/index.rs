//! A layer's index: its files with size, SHA-256, exec flag and place, sorted by path.
//!
//! It stands in the layer as JSON, a line a file. Its bytes are pinned by the manifest's digest of it.

use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::entry::{EntryPath, EntryPathError};
use crate::target::Target;

/// Where the indexes lie inside a bundle and a release.
pub const FOLDER: &str = ".holdall";

/// The files of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    pub files: Vec<IndexedFile>,
}

/// What is known of one file before any of it is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IndexedFile {
    pub path: EntryPath,
    pub size: u64,
    pub sha256: Sha256,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub executable: bool,
    /// Where its zip entry begins, in bytes after the end of the index's own entry.
    pub offset: u64,
}

/// Why the bytes of an index cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum IndexError {
    #[error("it is not the JSON of an index")]
    Malformed(#[source] serde_json::Error),
    #[error("it holds a bad name")]
    Path(
        #[from]
        #[diagnostic_source]
        EntryPathError,
    ),
    #[error("its files are not sorted by path at `{0}`")]
    NotSorted(EntryPath),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawIndex {
    files: Vec<RawFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    path: String,
    size: u64,
    sha256: Sha256,
    #[serde(default)]
    executable: bool,
    offset: u64,
}

impl Index {
    /// The name of the index of the layer with this digest.
    pub fn name(layer: &Sha256) -> String {
        format!("{FOLDER}/{layer}.json")
    }

    /// The exact bytes that stand in a layer.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = b"{\"files\":[".to_vec();
        for (place, file) in self.files.iter().enumerate() {
            bytes.extend_from_slice(if place == 0 { b"\n" } else { b",\n" });
            serde_json::to_writer(&mut bytes, file).expect("an indexed file is plain data");
        }
        bytes.extend_from_slice(b"\n]}\n");
        bytes
    }

    pub fn parse(bytes: &[u8], target: Target) -> Result<Index, IndexError> {
        let raw: RawIndex = serde_json::from_slice(bytes).map_err(IndexError::Malformed)?;
        let mut files: Vec<IndexedFile> = Vec::with_capacity(raw.files.len());
        for file in raw.files {
            let path = EntryPath::parse(&file.path, target)?;
            if files.last().is_some_and(|last| last.path >= path) {
                return Err(IndexError::NotSorted(path));
            }
            files.push(IndexedFile {
                path,
                size: file.size,
                sha256: file.sha256,
                executable: file.executable,
                offset: file.offset,
            });
        }
        Ok(Index { files })
    }

    /// Sum of the files' sizes; saturates for sizes that no disk holds.
    pub fn size(&self) -> u64 {
        self.files.iter().fold(0, |sum: u64, file| sum.saturating_add(file.size))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TARGET: Target = Target::WindowsX86_64;

    fn file(path: &str, executable: bool) -> IndexedFile {
        let path = EntryPath::parse(path, TARGET).unwrap();
        IndexedFile { path, size: 3, sha256: Sha256::of("abc"), executable, offset: 0 }
    }

    #[test]
    fn an_index_is_one_line_a_file_and_read_back() {
        let index =
            Index { files: vec![file("app/a\"b.py".replace('"', "ä").as_str(), false), file("b", true)] };
        let bytes = index.to_bytes();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert_eq!(text.lines().count(), 4);
        assert_eq!(text.matches("\"executable\":true").count(), 1);
        assert!(!text.contains("false"));
        assert_eq!(Index::parse(&bytes, TARGET).unwrap(), index);
        let empty = Index { files: Vec::new() };
        assert_eq!(Index::parse(&empty.to_bytes(), TARGET).unwrap(), empty);
    }

    #[test]
    fn an_index_out_of_order_or_with_a_file_twice_is_refused() {
        for files in [vec![file("b", false), file("a", false)], vec![file("a", false), file("a", false)]] {
            let error = Index::parse(&Index { files }.to_bytes(), TARGET).unwrap_err();
            assert!(matches!(error, IndexError::NotSorted(_)));
        }
    }

    #[test]
    fn a_bad_name_in_an_index_is_refused() {
        let text = String::from_utf8(Index { files: vec![file("a", false)] }.to_bytes()).unwrap();
        let error = Index::parse(text.replace("\"a\"", "\"../a\"").as_bytes(), TARGET).unwrap_err();
        assert!(matches!(error, IndexError::Path(EntryPathError::Outside(_))));
    }
}
