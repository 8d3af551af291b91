//! One layer's block inside a zip: its index and its entries must say the same.

use std::path::Path;

use libdeflater::Decompressor;

use super::ArchiveError;
use super::positioned::Positioned;
use super::records::{Method, Record};
use crate::layer::{Index, index, inflate};

/// What the indexes of a bundle may take in memory, each and all together. A hundred thousand files need a tenth of it.
pub const INDEX_LIMIT: u64 = 256 << 20;

/// Compares the index with the records of its block: the index's own first, then its files, in order.
/// Records of other blocks may follow.
pub fn check(path: &Path, index: &Index, records: &[Record]) -> Result<(), ArchiveError> {
    let Some((index_record, records)) = records.split_first() else {
        return Err(ArchiveError::not_a_bundle(path));
    };
    let base = index_record.end();
    for (place, indexed) in index.files.iter().enumerate() {
        let (file, entry) = (path.to_owned(), indexed.path.to_string());
        let record = match records.get(place) {
            Some(record) if record.name == entry => record,
            Some(record) if !is_of(index, &record.name) => {
                return Err(ArchiveError::NotIndexed { file, entry: record.name.clone() });
            }
            _ => return Err(ArchiveError::Missing { file, entry }),
        };
        if record.size != indexed.size {
            return Err(ArchiveError::SizeDiffers {
                file,
                entry,
                found: record.size,
                expected: indexed.size,
            });
        }
        let what = if record.executable != indexed.executable {
            "one says that it is a program, the other not"
        } else if record.offset.checked_sub(base) != Some(indexed.offset) {
            "it lies elsewhere"
        } else {
            continue;
        };
        return Err(ArchiveError::EntryDiffers { file, entry, what });
    }
    Ok(())
}

/// Whether a name is one of the index, or begins the next block.
fn is_of(index: &Index, name: &str) -> bool {
    name.strip_prefix(index::FOLDER).is_some_and(|rest| rest.starts_with('/'))
        || index.files.binary_search_by(|file| file.path.as_str().cmp(name)).is_ok()
}

/// The bytes of an index's entry.
pub fn index_bytes(file: &Positioned, record: &Record) -> Result<Vec<u8>, ArchiveError> {
    let path = file.path();
    if record.executable {
        return Err(ArchiveError::NotByRule { file: path.to_owned(), entry: record.name.clone() });
    }
    if record.size.max(record.packed) > INDEX_LIMIT {
        return Err(ArchiveError::TooLarge {
            file: path.to_owned(),
            what: "the index of a layer",
            size: record.size.max(record.packed),
            limit: INDEX_LIMIT,
        });
    }
    let packed = file
        .bytes_at(record.data_offset(), record.packed as usize)
        .map_err(ArchiveError::unreadable(path))?;
    let content = match record.method {
        Method::Stored => Some(packed),
        Method::Deflate => inflate(&packed, record.size as usize, &mut Decompressor::new()),
    };
    content
        .filter(|content| crc32fast::hash(content) == record.crc)
        .ok_or_else(|| ArchiveError::Content { file: path.to_owned(), entry: record.name.clone() })
}
