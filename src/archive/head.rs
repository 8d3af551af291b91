//! What stands before the layers: the manifest, and the signature if there is one.

use std::io;

use super::positioned::Positioned;
use super::records::{self, LOCAL_LENGTH, Method, Record};
use super::{ArchiveError, SIGNATURE};
use crate::manifest::MANIFEST;

/// What a manifest may take. One of a hundred layers has 50 kB.
pub const MANIFEST_LIMIT: u64 = 16 << 20;
pub const SIGNATURE_LIMIT: u64 = 16 << 10;

/// The first entries of a bundle.
pub struct Head<'a> {
    pub manifest: &'a [u8],
    pub signature: Option<Vec<u8>>,
}

impl Head<'_> {
    /// The records, and the bytes that the bundle begins with.
    pub fn entries(&self) -> (Vec<Record>, Vec<u8>) {
        let mut bytes = Vec::new();
        let mut records = Vec::new();
        let signature = self.signature.as_deref().map(|signature| (SIGNATURE, signature));
        for (name, content) in [(MANIFEST, self.manifest)].into_iter().chain(signature) {
            let record = record(name, content).at(bytes.len() as u64);
            bytes.extend(record.local());
            bytes.extend(content);
            records.push(record);
        }
        (records, bytes)
    }
}

/// Manifest and signature as the beginning of the file has them. That it is a bundle is not known yet, only that it
/// begins as one does: what they say can be checked before the rest, which may be of any size, is looked at.
pub fn read(file: &Positioned) -> Result<(Vec<u8>, Option<Vec<u8>>), ArchiveError> {
    let path = file.path();
    let unreadable = ArchiveError::unreadable(path);
    let begin = file.bytes_at(0, file.length().min(4) as usize).map_err(&unreadable)?;
    if !records::begins_like_a_zip(&begin) {
        return Err(ArchiveError::NotAZip { file: path.to_owned() });
    }
    let manifest = record_at(file, 0, MANIFEST).map_err(&unreadable)?;
    let manifest = manifest.ok_or_else(|| ArchiveError::not_a_bundle(path))?;
    let signature = record_at(file, manifest.end(), SIGNATURE).map_err(&unreadable)?;
    let manifest = stored(file, &manifest, "the manifest", MANIFEST_LIMIT)?;
    let signature = signature.map(|record| stored(file, &record, "the signature", SIGNATURE_LIMIT));
    Ok((manifest, signature.transpose()?))
}

/// The entry that begins at `offset`, if it has this name and is as the format fixes it.
fn record_at(file: &Positioned, offset: u64, name: &str) -> io::Result<Option<Record>> {
    let length = LOCAL_LENGTH + name.len();
    if file.length() < offset.saturating_add(length as u64) {
        return Ok(None);
    }
    let bytes = file.bytes_at(offset, length)?;
    let field = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let record = Record {
        name: name.to_owned(),
        method: Method::Stored,
        crc: field(14),
        packed: field(18).into(),
        size: field(22).into(),
        executable: false,
        offset,
    };
    Ok((record.local() == bytes).then_some(record))
}

/// The bytes of an entry that is never compressed.
pub fn stored(
    file: &Positioned,
    record: &Record,
    what: &'static str,
    limit: u64,
) -> Result<Vec<u8>, ArchiveError> {
    let path = file.path();
    if record.method != Method::Stored || record.executable || record.size != record.packed {
        return Err(ArchiveError::NotByRule { file: path.to_owned(), entry: record.name.clone() });
    }
    if record.size > limit {
        return Err(ArchiveError::TooLarge { file: path.to_owned(), what, size: record.size, limit });
    }
    let bytes =
        file.bytes_at(record.data_offset(), record.size as usize).map_err(ArchiveError::unreadable(path))?;
    if crc32fast::hash(&bytes) != record.crc {
        return Err(ArchiveError::Content { file: path.to_owned(), entry: record.name.clone() });
    }
    Ok(bytes)
}

fn record(name: &str, bytes: &[u8]) -> Record {
    Record {
        name: name.to_owned(),
        // Readable in any hex viewer, and readable with one range request.
        method: Method::Stored,
        crc: crc32fast::hash(bytes),
        size: bytes.len() as u64,
        packed: bytes.len() as u64,
        executable: false,
        offset: 0,
    }
}
