//! Reading a bundle's files: what comes out has the size and the SHA-256 that its index names, or an error.

use std::io::{self, BufReader, Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use libdeflater::Decompressor;

use super::open::{Bundle, BundleFile};
use super::positioned::Positioned;
use super::records::{Method, Record};
use super::{ArchiveError, BundleLayer};
use crate::digest::{Hasher, Sha256};

/// Files above this size pass in pieces, so that a reader a thread does not fill the memory.
const WHOLE_UP_TO: u64 = 32 << 20;

/// What one thread takes at once when all files are read: neighbours, so that the disk and the folders they go to
/// are met in order, and enough of them that taking costs nothing.
const SHARE: u64 = 1 << 20;
const SHARE_FILES: usize = 64;

/// Reads the files of a bundle, one after the other. Each thread has its own.
pub struct Reader {
    file: Positioned,
    decompressor: Decompressor,
    /// Kept from file to file: fresh memory would cost as much as what is done in it.
    packed: Vec<u8>,
    content: Vec<u8>,
}

/// Why a file could not be copied out of a bundle.
#[derive(Debug)]
pub enum CopyError {
    Archive(ArchiveError),
    /// The other side did not take it.
    Write(io::Error),
}

impl Bundle {
    pub fn reader(&self) -> Result<Reader, ArchiveError> {
        let file = self.file.another().map_err(ArchiveError::unreadable(self.path()))?;
        Ok(Reader { file, decompressor: Decompressor::new(), packed: Vec::new(), content: Vec::new() })
    }

    /// Calls `read` for every file, on all threads, each with a reader of its own. After a failure no more are begun.
    ///
    /// The largest come first, or the last thread would be left alone with one of them.
    pub(crate) fn read_all<E: From<ArchiveError> + Send>(
        &self,
        read: impl Fn(&mut Reader, BundleFile<'_>) -> Result<(), E> + Sync,
    ) -> Result<(), E> {
        let files: Vec<_> = self.files().collect();
        let (mut large, small): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| file.cost() > SHARE);
        large.sort_by_key(|file| std::cmp::Reverse(file.cost()));
        let mut shares: Vec<&[BundleFile<'_>]> = large.chunks(1).collect();
        let mut sum = 0;
        shares.extend(small.chunk_by(|file, _| {
            sum += file.cost() + SHARE / SHARE_FILES as u64;
            let more = sum < SHARE;
            sum = if more { sum } else { 0 };
            more
        }));

        let next = AtomicUsize::new(0);
        let work = |_: rayon::BroadcastContext<'_>| {
            let take = || shares.get(next.fetch_add(1, Ordering::Relaxed));
            let done = self.reader().map_err(E::from).and_then(|mut reader| {
                std::iter::from_fn(take)
                    .flat_map(|share| *share)
                    .try_for_each(|file| read(&mut reader, *file))
            });
            if done.is_err() {
                next.store(shares.len(), Ordering::Relaxed);
            }
            done
        };
        rayon::broadcast(work).into_iter().collect()
    }

    /// The bytes of the file of this name, checked; `None` if there is no such file.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>, ArchiveError> {
        self.find(path).map(|file| self.reader()?.read(file)).transpose()
    }

    /// The bytes of a layer's index, as they stand in the bundle.
    pub fn index_bytes(&self, layer: &BundleLayer) -> Result<Vec<u8>, ArchiveError> {
        super::block::index_bytes(&self.file, &layer.index_record)
    }
}

impl Reader {
    /// The bytes of a file, checked.
    pub fn read(&mut self, file: BundleFile<'_>) -> Result<Vec<u8>, ArchiveError> {
        let mut bytes = Vec::new();
        match self.copy(file, &mut bytes) {
            Ok(()) => Ok(bytes),
            Err(CopyError::Archive(error)) => Err(error),
            Err(CopyError::Write(_)) => unreachable!("a vector takes what it is given"),
        }
    }

    /// Writes the bytes of a file to `to`. Only when this returns `Ok` are they what the index names; a small
    /// file is checked before any of it is written.
    pub fn copy(&mut self, file: BundleFile<'_>, to: &mut dyn Write) -> Result<(), CopyError> {
        let record = file.record;
        let damaged = || {
            let entry = record.name.clone();
            CopyError::Archive(ArchiveError::Content { file: self.file.path().to_owned(), entry })
        };
        let unreadable = |error| CopyError::Archive(ArchiveError::unreadable(self.file.path())(error));
        if record.size.max(record.packed) > WHOLE_UP_TO {
            let seen = stream(&self.file, record, to)?;
            let expected = (record.size, record.crc, file.indexed.sha256);
            return if seen == Some(expected) { Ok(()) } else { Err(damaged()) };
        }
        let packed = first(&mut self.packed, record.packed as usize);
        self.file.read_exact_at(packed, record.data_offset()).map_err(unreadable)?;
        let content = match record.method {
            Method::Stored => packed,
            Method::Deflate => {
                let content = first(&mut self.content, record.size as usize);
                match self.decompressor.deflate_decompress(packed, content) {
                    Ok(length) if length == content.len() => content,
                    _ => return Err(damaged()),
                }
            }
        };
        if Sha256::of(&content) != file.indexed.sha256 || crc32fast::hash(content) != record.crc {
            return Err(damaged());
        }
        to.write_all(content).map_err(CopyError::Write)
    }

    /// The digest of a layer, taken over its files' entries and then the index's data.
    pub fn layer_digest(&self, layer: &BundleLayer) -> Result<Sha256, ArchiveError> {
        let index = &layer.index_record;
        let entries = self.file.range(index.end(), layer.entry.length - layer.entry.index.length);
        let index = self.file.range(index.data_offset(), index.packed);
        Sha256::of_reader(entries.chain(index))
            .map(|(digest, _)| digest)
            .map_err(ArchiveError::unreadable(self.file.path()))
    }
}

/// The first bytes of a buffer that only grows.
fn first(buffer: &mut Vec<u8>, length: usize) -> &mut [u8] {
    if buffer.len() < length {
        buffer.resize(length, 0);
    }
    &mut buffer[..length]
}

/// Passes a file on in pieces; returns size, CRC and digest of what passed, or `None` if it is not deflated
/// data or longer than it may be.
pub(crate) fn stream(
    file: &Positioned,
    record: &Record,
    to: &mut dyn Write,
) -> Result<Option<(u64, u32, Sha256)>, CopyError> {
    let packed = BufReader::with_capacity(1 << 20, file.range(record.data_offset(), record.packed));
    let mut content: Box<dyn Read> = match record.method {
        Method::Stored => Box::new(packed),
        Method::Deflate => Box::new(flate2::bufread::DeflateDecoder::new(packed)),
    };
    let (mut size, mut crc, mut hasher) = (0, crc32fast::Hasher::new(), Hasher::default());
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = match content.read(&mut buffer) {
            Ok(0) => return Ok(Some((size, crc.finalize(), hasher.finish()))),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // What the decoder does not understand comes as one of these; anything else is the disk.
            Err(error) => match error.kind() {
                io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                    return Ok(None);
                }
                _ => return Err(CopyError::Archive(ArchiveError::unreadable(file.path())(error))),
            },
        };
        size += read as u64;
        if size > record.size {
            return Ok(None);
        }
        crc.update(&buffer[..read]);
        hasher.update(&buffer[..read]);
        to.write_all(&buffer[..read]).map_err(CopyError::Write)?;
    }
}
