//! One file becomes one zip entry: read once, hashed, compressed when that makes it smaller.

use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;
use std::time::SystemTime;

use flate2::write::DeflateEncoder;
use libdeflater::{CompressionLvl, Compressor, Decompressor};
use object::read::ReadCache;

use super::{Content, Earlier, Kept, LayerError, Source};
use crate::archive::records::{Method, Record};
use crate::digest::{Hasher, Sha256};
use crate::elf::Glibc;
use crate::target::Target;

/// What compresses, as the keys of cached layers name it. A test compares it with the lock file.
pub(super) const DEFLATE: &str = "libdeflate-sys 1.26.1 level 6, zlib-rs 0.6.8 level 6 above 256 MiB";

const LEVEL: i32 = 6;

/// Files above this size are compressed as a stream, so that memory stays bounded.
pub(super) const STREAM_ABOVE: u64 = 256 << 20;

/// A source and what was seen of it before any was read.
pub(super) struct Surveyed<'a> {
    pub source: &'a Source,
    pub size: u64,
    pub modified: Option<SystemTime>,
}

impl Surveyed<'_> {
    /// How many bytes lie in memory when it was packed, at most.
    pub fn held(&self) -> u64 {
        match self.source.content {
            Content::Kept(_) => 0,
            _ => self.size,
        }
    }
}

/// A file as it will stand in the zip. The record's offset is still zero.
pub(super) struct Packed {
    pub record: Record,
    pub sha256: Sha256,
    /// The glibc it needs on the layer's target.
    pub glibc: Option<Glibc>,
    pub data: Data,
}

/// The data of an entry.
pub(super) enum Data {
    Memory(Vec<u8>),
    File(std::fs::File),
    Kept(Kept),
}

/// Sum of the sources' sizes, for a progress bar: what cannot be read counts nothing.
pub fn total_size(sources: &[Source]) -> u64 {
    sources
        .iter()
        .map(|source| match &source.content {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::File(path) => fs_err::metadata(path).map_or(0, |metadata| metadata.len()),
            Content::Kept(kept) => kept.size,
        })
        .sum()
}

pub(super) fn survey(source: &Source) -> Result<Surveyed<'_>, LayerError> {
    match &source.content {
        Content::Bytes(bytes) => Ok(Surveyed { source, size: bytes.len() as u64, modified: None }),
        Content::Kept(kept) => Ok(Surveyed { source, size: kept.size, modified: None }),
        Content::File(path) => {
            let metadata = fs_err::metadata(path).map_err(|error| LayerError::unreadable(path, error))?;
            if !metadata.is_file() {
                return Err(LayerError::NotAFile { path: path.clone() });
            }
            Ok(Surveyed { source, size: metadata.len(), modified: metadata.modified().ok() })
        }
    }
}

pub(super) fn compressor() -> Compressor {
    Compressor::new(CompressionLvl::new(LEVEL).expect("libdeflate has levels 0 to 12"))
}

/// Packs a file of moderate size in memory, or takes it as `earlier` has it packed.
pub(super) fn pack(
    surveyed: &Surveyed<'_>,
    target: Target,
    earlier: Option<&Earlier>,
    compressor: &mut Compressor,
) -> Result<Packed, LayerError> {
    let source = surveyed.source;
    let bytes = match &source.content {
        Content::Bytes(bytes) => bytes,
        Content::File(path) => &read_whole(path, surveyed)?,
        Content::Kept(kept) => return Ok(packed_already(kept, source)),
    };
    let sha256 = Sha256::of(bytes);
    let (method, data) = earlier
        .and_then(|earlier| earlier.packed(&sha256, bytes))
        .unwrap_or_else(|| deflated(bytes, compressor));
    let record = record(source.path.as_str(), method, bytes, data.len(), source.executable);
    let glibc = Glibc::needed_by(bytes.as_slice(), target);
    Ok(Packed { record, sha256, glibc, data: Data::Memory(data) })
}

/// What was deflated by somebody else stays as it is.
fn packed_already(kept: &Kept, source: &Source) -> Packed {
    Packed {
        record: kept.record(source.path.as_str(), source.executable),
        sha256: kept.sha256,
        glibc: kept.glibc,
        data: Data::Kept(kept.clone()),
    }
}

/// Packs bytes that are already in memory.
pub(super) fn pack_bytes(
    name: &str,
    bytes: &[u8],
    executable: bool,
    compressor: &mut Compressor,
) -> (Record, Vec<u8>) {
    let (method, data) = deflated(bytes, compressor);
    (record(name, method, bytes, data.len(), executable), data)
}

/// The data of an entry: compressed if that makes it smaller.
fn deflated(bytes: &[u8], compressor: &mut Compressor) -> (Method, Vec<u8>) {
    // One byte less than the content: what does not fit is no smaller, and is stored.
    let mut data = vec![0; bytes.len().saturating_sub(1)];
    match compressor.deflate_compress(bytes, &mut data) {
        Ok(length) if !data.is_empty() => {
            data.truncate(length);
            // Thousands of these wait to be written: none keeps room that it does not need.
            data.shrink_to_fit();
            (Method::Deflate, data)
        }
        _ => (Method::Stored, bytes.to_vec()),
    }
}

fn record(name: &str, method: Method, bytes: &[u8], packed: usize, executable: bool) -> Record {
    Record {
        name: name.to_owned(),
        method,
        crc: crc32fast::hash(bytes),
        size: bytes.len() as u64,
        packed: packed as u64,
        executable,
        offset: 0,
    }
}

/// Packs a large file through temporary files in `folder`, or takes it as `earlier` has it packed.
pub(super) fn pack_large(
    surveyed: &Surveyed<'_>,
    target: Target,
    earlier: Option<&Earlier>,
    folder: &Path,
) -> Result<Packed, LayerError> {
    let unwritable = |source| LayerError::Unwritable { layer: surveyed.source.path.to_string(), source };
    // Reading a file once more costs a tenth of compressing it, so it is worth a try only where its size is known.
    if let (Some(earlier), Content::File(path)) = (earlier, &surveyed.source.content)
        && earlier.has_size(surveyed.size)
    {
        let mut file = open_unchanged(path, surveyed)?;
        let (sha256, read) =
            Sha256::of_reader(&mut file).map_err(|error| LayerError::unreadable(path, error))?;
        if let Some((record, mut packed)) = earlier.packed_large(&sha256) {
            let glibc = Glibc::needed_by(&ReadCache::new(&mut file), target);
            still_unchanged(&file, path, surveyed, read)?;
            let mut data = tempfile::tempfile_in(folder).map_err(unwritable)?;
            io::copy(&mut packed, &mut data).and_then(|_| data.rewind()).map_err(unwritable)?;
            let (name, executable) = (surveyed.source.path.to_string(), surveyed.source.executable);
            let record = Record { name, executable, offset: 0, ..record.clone() };
            return Ok(Packed { record, sha256, glibc, data: Data::File(data) });
        }
    }
    let mut deflated =
        DeflateEncoder::new(tempfile::tempfile_in(folder).map_err(unwritable)?, flate2::Compression::new(6));
    let mut hasher = Hasher::default();
    let mut crc = crc32fast::Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    let mut take = |piece: &[u8]| {
        hasher.update(piece);
        crc.update(piece);
        deflated.write_all(piece).map_err(unwritable)
    };
    let glibc = match &surveyed.source.content {
        Content::Kept(kept) => return Ok(packed_already(kept, surveyed.source)),
        Content::Bytes(bytes) => {
            bytes.chunks(1 << 20).try_for_each(&mut take)?;
            Glibc::needed_by(bytes.as_slice(), target)
        }
        Content::File(path) => {
            let mut file = open_unchanged(path, surveyed)?;
            let mut size = 0;
            loop {
                match file.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(read) => {
                        size += read as u64;
                        take(&buffer[..read])?;
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(LayerError::unreadable(path, error)),
                }
            }
            // Of so large a file only a few pages are read again.
            let glibc = Glibc::needed_by(&ReadCache::new(&mut file), target);
            still_unchanged(&file, path, surveyed, size)?;
            glibc
        }
    };
    let mut data = deflated.finish().map_err(unwritable)?;
    let mut packed = data.stream_position().map_err(unwritable)?;
    let mut method = Method::Deflate;
    data.rewind().map_err(unwritable)?;
    if packed >= surveyed.size {
        // Unpacking what was packed spares a second look at the file, which might have changed.
        let mut stored = tempfile::tempfile_in(folder).map_err(unwritable)?;
        packed = io::copy(&mut flate2::read::DeflateDecoder::new(data), &mut stored).map_err(unwritable)?;
        method = Method::Stored;
        stored.rewind().map_err(unwritable)?;
        data = stored;
    }
    let record = Record {
        name: surveyed.source.path.to_string(),
        method,
        crc: crc.finalize(),
        size: surveyed.size,
        packed,
        executable: surveyed.source.executable,
        offset: 0,
    };
    Ok(Packed { record, sha256: hasher.finish(), glibc, data: Data::File(data) })
}

/// The content of deflated data whose size is known; `None` if it is anything else.
pub fn inflate(packed: &[u8], size: usize, decompressor: &mut Decompressor) -> Option<Vec<u8>> {
    let mut content = vec![0; size];
    match decompressor.deflate_decompress(packed, &mut content) {
        Ok(length) if length == size => Some(content),
        _ => None,
    }
}

fn read_whole(path: &Path, surveyed: &Surveyed<'_>) -> Result<Vec<u8>, LayerError> {
    let mut file = open_unchanged(path, surveyed)?;
    let mut bytes = Vec::with_capacity(usize::try_from(surveyed.size).unwrap_or(0) + 1);
    file.read_to_end(&mut bytes).map_err(|error| LayerError::unreadable(path, error))?;
    still_unchanged(&file, path, surveyed, bytes.len() as u64)?;
    Ok(bytes)
}

fn open_unchanged(path: &Path, surveyed: &Surveyed<'_>) -> Result<fs_err::File, LayerError> {
    let file = fs_err::File::open(path).map_err(|error| LayerError::unreadable(path, error))?;
    still_unchanged(&file, path, surveyed, surveyed.size)?;
    Ok(file)
}

/// Compares what was read, and what the system says now, with what was seen at first.
fn still_unchanged(
    file: &fs_err::File,
    path: &Path,
    surveyed: &Surveyed<'_>,
    read: u64,
) -> Result<(), LayerError> {
    let now = file.metadata().map_err(|error| LayerError::unreadable(path, error))?;
    if read != surveyed.size || now.len() != surveyed.size || now.modified().ok() != surveyed.modified {
        return Err(LayerError::Changed { path: path.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::entry::EntryPath;

    const TARGET: Target = Target::LinuxX86_64;

    fn source(content: Content) -> Source {
        let path = EntryPath::parse("app/data.bin", TARGET).unwrap();
        Source { path, content, executable: false }
    }

    /// Bytes that no compressor makes smaller.
    fn noise(length: usize) -> Vec<u8> {
        (0u32..).flat_map(|n| *Sha256::of(n.to_le_bytes()).as_bytes()).take(length).collect()
    }

    #[test]
    fn the_keys_of_layers_name_the_compressors_that_are_linked() {
        let lock = include_str!("../../Cargo.lock").replace("\r\n", "\n");
        for (library, version) in [("libdeflate-sys", "1.26.1"), ("zlib-rs", "0.6.8")] {
            assert!(DEFLATE.contains(&format!("{library} {version}")));
            assert!(
                lock.contains(&format!("name = \"{library}\"\nversion = \"{version}\"")),
                "Cargo.lock has another {library} than the one named in `DEFLATE`: put the new version there, \
                 so that layers compressed by the old one are not mixed with new ones"
            );
        }
    }

    #[test]
    fn what_does_not_become_smaller_is_stored() {
        for (bytes, method) in [
            (Vec::new(), Method::Stored),
            (b"a".to_vec(), Method::Stored),
            (noise(1000), Method::Stored),
            (vec![7; 1000], Method::Deflate),
        ] {
            let (record, data) = pack_bytes("x", &bytes, false, &mut compressor());
            assert_eq!((record.method, record.size), (method, bytes.len() as u64));
            assert_eq!(data.len() as u64, record.packed);
        }
    }

    #[test]
    fn a_streamed_file_has_the_same_content_as_one_packed_at_once() {
        let folder = tempfile::tempdir().unwrap();
        for bytes in [noise(3 << 20), vec![7; 3 << 20]] {
            let path = folder.path().join("data.bin");
            fs_err::write(&path, &bytes).unwrap();
            let source = source(Content::File(path));
            let surveyed = survey(&source).unwrap();
            let whole = pack(&surveyed, TARGET, None, &mut compressor()).unwrap();
            let streamed = pack_large(&surveyed, TARGET, None, folder.path()).unwrap();
            assert_eq!(streamed.sha256, whole.sha256);
            assert_eq!(streamed.record.method, whole.record.method);
            assert_eq!(streamed.record.crc, whole.record.crc);
            let Data::File(mut file) = streamed.data else { panic!("packed through a file") };
            let mut data = Vec::new();
            file.read_to_end(&mut data).unwrap();
            assert_eq!(data.len() as u64, streamed.record.packed);
            if streamed.record.method == Method::Deflate {
                data = inflate(&data, bytes.len(), &mut Decompressor::new()).unwrap();
            }
            assert!(data == bytes);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_glibc_of_a_program_is_seen_on_every_way_into_a_layer() {
        let Some(host) = Target::host() else { return };
        let folder = tempfile::tempdir().unwrap();
        let program = Path::new("/bin/sh");
        let expected = Glibc::needed_by(fs_err::read(program).unwrap().as_slice(), host);
        assert!(expected.is_some(), "the shell of this machine stands on glibc");
        let contents = [Content::File(program.to_owned()), Content::Bytes(fs_err::read(program).unwrap())];
        for source in contents.map(source) {
            let surveyed = survey(&source).unwrap();
            assert_eq!(pack(&surveyed, host, None, &mut compressor()).unwrap().glibc, expected);
            assert_eq!(pack_large(&surveyed, host, None, folder.path()).unwrap().glibc, expected);
            assert_eq!(pack(&surveyed, Target::WindowsX86_64, None, &mut compressor()).unwrap().glibc, None);
        }
    }

    #[test]
    fn a_file_that_changes_or_vanishes_after_the_survey_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.bin");
        fs_err::write(&path, "before").unwrap();
        let source = source(Content::File(path.clone()));
        let surveyed = survey(&source).unwrap();
        fs_err::write(&path, "afterwards").unwrap();
        let changed = pack(&surveyed, TARGET, None, &mut compressor()).map(|_| ()).unwrap_err();
        assert!(matches!(&changed, LayerError::Changed { path: named } if *named == path), "{changed}");
        let changed = pack_large(&surveyed, TARGET, None, folder.path()).map(|_| ()).unwrap_err();
        assert!(matches!(changed, LayerError::Changed { .. }));
        fs_err::remove_file(&path).unwrap();
        let vanished = pack(&surveyed, TARGET, None, &mut compressor()).map(|_| ()).unwrap_err();
        assert!(matches!(&vanished, LayerError::Vanished { path: named } if *named == path), "{vanished}");
    }

    #[test]
    fn a_folder_is_no_source() {
        let folder = tempfile::tempdir().unwrap();
        let source = source(Content::File(folder.path().to_owned()));
        assert!(matches!(survey(&source), Err(LayerError::NotAFile { .. })));
    }
}
