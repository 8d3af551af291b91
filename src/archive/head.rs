//! What stands before the layers: the manifest, and the signature if there is one.

use super::SIGNATURE;
use super::records::{Method, Record};
use crate::manifest::MANIFEST;

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
