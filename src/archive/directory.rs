//! The entries of a zip that Holdall wrote, read from its central directory and compared, byte for byte,
//! with what the format fixes. Any other zip is refused, with the reason.
//!
//! Knows nothing of manifests and indexes. Nothing that a file claims is believed before it is bounded by
//! the file's own length.

use std::collections::HashSet;
use std::path::Path;

use rayon::prelude::*;

use super::ArchiveError;
use super::positioned::Positioned;
use super::records::{self, End, EntryFlaw, Flaw, Record};
use crate::manifest::MANIFEST;

/// More than four million entries: what no bundle has.
const DIRECTORY_LIMIT: u64 = 512 << 20;

/// A zip comment is not longer.
const COMMENT_LIMIT: u64 = 65_535;

/// No deflated byte stands for more than this many.
const DEFLATE_RATIO: u64 = 1032;

/// All entries in the order of their places, which follow each other without a gap from the file's first
/// byte to the central directory.
pub fn read(file: &Positioned) -> Result<Vec<Record>, ArchiveError> {
    let end = find_end(file)?;
    let path = file.path();
    let damaged = |what| ArchiveError::Directory { file: path.to_owned(), what };
    if end.directory_size > DIRECTORY_LIMIT {
        return Err(ArchiveError::TooLarge {
            file: path.to_owned(),
            what: "the central directory",
            size: end.directory_size,
            limit: DIRECTORY_LIMIT,
        });
    }
    let bytes = file
        .bytes_at(end.directory_offset, end.directory_size as usize)
        .map_err(ArchiveError::unreadable(path))?;
    let mut records: Vec<Record> = Vec::new();
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let (record, length) = Record::parse_central(rest).map_err(|flaw| match flaw {
            // A zip of somebody else: what is odd about its entries is beside the point.
            Flaw::Entry { name, .. } if records.is_empty() && name != MANIFEST => {
                ArchiveError::not_a_bundle(path)
            }
            flaw => refuse(path, flaw),
        })?;
        records.push(record);
        rest = &rest[length..];
    }
    if records.len() as u64 != end.entries {
        return Err(damaged("it has another number of entries than it says"));
    }
    check_names(path, &records)?;
    check_places(path, &records, end.directory_offset)?;
    // Of several that are wrong, the first is told of, whichever thread is faster.
    match records.par_iter().find_map_first(|record| check_entry(file, record).err()) {
        Some(error) => Err(error),
        None => Ok(records),
    }
}

fn find_end(file: &Positioned) -> Result<End, ArchiveError> {
    let path = file.path();
    let tail = |length: u64| {
        let length = length.min(file.length());
        file.bytes_at(file.length() - length, length as usize).map_err(ArchiveError::unreadable(path))
    };
    let begins_like_a_zip = {
        let head = file.bytes_at(0, file.length().min(4) as usize).map_err(ArchiveError::unreadable(path))?;
        records::begins_like_a_zip(&head)
    };
    let longest = records::END64_LENGTH + records::LOCATOR64_LENGTH + records::END_LENGTH;
    let Some(end) = End::parse(&tail(longest as u64)?) else {
        let last = tail(records::END_LENGTH as u64)?;
        return Err(if records::begins_like_an_end(&last) {
            ArchiveError::Directory { file: path.to_owned(), what: "its end records contradict each other" }
        } else if begins_like_a_zip && records::has_an_end(&last) {
            // The record that ends a zip has begun, but there is not enough room for it.
            ArchiveError::Truncated { file: path.to_owned() }
        } else if records::has_an_end(&tail(longest as u64 + COMMENT_LIMIT)?) {
            ArchiveError::TrailingJunk { file: path.to_owned() }
        } else if begins_like_a_zip {
            ArchiveError::Truncated { file: path.to_owned() }
        } else {
            ArchiveError::NotAZip { file: path.to_owned() }
        });
    };
    let described = end
        .directory_offset
        .checked_add(end.directory_size)
        .and_then(|length| length.checked_add(end.to_bytes().len() as u64));
    match described.map(|described| file.length().checked_sub(described)) {
        Some(Some(0)) => Ok(end),
        Some(Some(bytes)) if !begins_like_a_zip => {
            Err(ArchiveError::LeadingJunk { file: path.to_owned(), bytes })
        }
        _ => Err(ArchiveError::Directory {
            file: path.to_owned(),
            what: "it does not lie where the end of the file says",
        }),
    }
}

fn check_names(path: &Path, records: &[Record]) -> Result<(), ArchiveError> {
    let mut names = HashSet::with_capacity(records.len());
    match records.iter().find(|record| !names.insert(record.name.as_str())) {
        Some(twice) => Err(ArchiveError::Duplicate { file: path.to_owned(), entry: twice.name.clone() }),
        None => Ok(()),
    }
}

/// Each entry must begin where the one before it ends, and the directory after the last.
fn check_places(path: &Path, records: &[Record], directory: u64) -> Result<(), ArchiveError> {
    let begins = records.iter().map(|record| (record.offset, record.name.as_str()));
    let mut expected = 0;
    for (at, (begin, name)) in begins.chain([(directory, "the central directory")]).enumerate() {
        let (file, entry) = (path.to_owned(), name.to_owned());
        if begin < expected {
            return Err(ArchiveError::Overlap { file, entry });
        }
        if begin > expected {
            return Err(ArchiveError::Gap { file, entry });
        }
        expected = records.get(at).map_or(expected, Record::end);
    }
    Ok(())
}

fn check_entry(file: &Positioned, record: &Record) -> Result<(), ArchiveError> {
    let path = file.path();
    if record.size > record.packed.saturating_mul(DEFLATE_RATIO) {
        return Err(ArchiveError::Bomb {
            file: path.to_owned(),
            entry: record.name.clone(),
            size: record.size,
            packed: record.packed,
        });
    }
    let expected = record.local();
    let found = file.bytes_at(record.offset, expected.len()).map_err(ArchiveError::unreadable(path))?;
    if found != expected {
        return Err(ArchiveError::HeadersDiffer { file: path.to_owned(), entry: record.name.clone() });
    }
    Ok(())
}

fn refuse(path: &Path, flaw: Flaw) -> ArchiveError {
    let file = path.to_owned();
    let (entry, what) = match flaw {
        Flaw::NoRecord => return ArchiveError::Directory { file, what: "a record in it is cut off" },
        Flaw::Entry { name, what } => (name, what),
    };
    match what {
        EntryFlaw::Encrypted => ArchiveError::Encrypted { file, entry },
        EntryFlaw::DataDescriptor => ArchiveError::DataDescriptor { file, entry },
        EntryFlaw::Method(method) => ArchiveError::Method { file, entry, method },
        EntryFlaw::Link => ArchiveError::Link { file, entry },
        EntryFlaw::NotUnicode => ArchiveError::NotUnicode { file, entry },
        EntryFlaw::NotByRule => ArchiveError::NotByRule { file, entry },
    }
}
