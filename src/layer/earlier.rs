//! The layer that an earlier run made of the same project: what has not changed since is taken from it as it is
//! packed there.
//!
//! Nothing in it is believed. Packed data counts only if it unpacks to the very bytes that are to be packed, so that
//! a damaged file costs time and nothing else: such a layer needs no seal.

use std::collections::HashMap;
use std::io;

use libdeflater::Decompressor;

use super::cached::Key;
use super::{Index, Layer, pack};
use crate::archive::positioned::{Positioned, Range};
use crate::archive::records::{Method, Record};
use crate::archive::{self, block, directory};
use crate::cache::{self, Cache};
use crate::digest::Sha256;
use crate::held;

/// The cache folder of these layers: one for each project, target and kind.
const FOLDER: &str = cache::BLOCKS;

/// What an earlier run has packed.
#[derive(Debug)]
pub struct Earlier {
    file: Positioned,
    contents: HashMap<Sha256, Record>,
    paths: HashMap<String, Sha256>,
}

impl Earlier {
    /// The layer kept under `key`; `None` if there is none, or none that can be read.
    pub fn find(cache: &Cache, key: &Key) -> Option<Earlier> {
        let path = key.zip(&cache.root().join(FOLDER));
        let file = Positioned::open(&path).ok()?;
        let records = directory::read(&file).ok()?;
        let index = block::index_bytes(&file, records.first()?).ok()?;
        let index = Index::parse(&index, key.target()).ok()?;
        block::check(&path, &index, &records).ok()?;
        cache::used(&path);
        let mut earlier = Earlier { file, contents: HashMap::new(), paths: HashMap::new() };
        for (indexed, record) in index.files.into_iter().zip(records.into_iter().skip(1)) {
            earlier.paths.insert(record.name.clone(), indexed.sha256);
            earlier.contents.insert(indexed.sha256, record);
        }
        Some(earlier)
    }

    /// The digest of the file that had this name.
    pub fn digest_at(&self, path: &str) -> Option<Sha256> {
        self.paths.get(path).copied()
    }

    /// The content with this digest, unpacked and compared with it.
    pub fn content(&self, sha256: &Sha256) -> Option<Vec<u8>> {
        let record = self.contents.get(sha256).filter(|record| record.size <= pack::STREAM_ABOVE)?;
        let content = unpacked(record, self.data(record)?)?;
        (Sha256::of(&content) == *sha256).then_some(content)
    }

    /// How `content`, whose digest this is, was packed.
    pub(super) fn packed(&self, sha256: &Sha256, content: &[u8]) -> Option<(Method, Vec<u8>)> {
        let record = self.contents.get(sha256).filter(|record| record.size == content.len() as u64)?;
        let data = self.data(record)?;
        let same = match record.method {
            Method::Stored => data == content,
            Method::Deflate => unpacked(record, data.clone())? == content,
        };
        same.then_some((record.method, data))
    }

    /// Whether some file had this size.
    pub(super) fn has_size(&self, size: u64) -> bool {
        self.contents.values().any(|record| record.size == size)
    }

    /// As [`Earlier::packed`], for a file too large to be held in memory: how it was packed, and the packed data.
    pub(super) fn packed_large(&self, sha256: &Sha256) -> Option<(&Record, Range<'_>)> {
        let record = self.contents.get(sha256)?;
        let seen = archive::stream(&self.file, record, &mut io::sink()).ok()??;
        (seen == (record.size, record.crc, *sha256))
            .then(|| (record, self.file.range(record.data_offset(), record.packed)))
    }

    fn data(&self, record: &Record) -> Option<Vec<u8>> {
        self.file.bytes_at(record.data_offset(), usize::try_from(record.packed).ok()?).ok()
    }
}

/// Keeps `layer`, made with [`super::build_in`], for the next run; its file is moved.
pub fn keep(cache: &Cache, key: &Key, layer: Layer) -> io::Result<()> {
    let folder = cache.folder(FOLDER)?;
    held::rename(&layer.file, &key.zip(&folder))
}

fn unpacked(record: &Record, data: Vec<u8>) -> Option<Vec<u8>> {
    match record.method {
        Method::Stored => Some(data),
        Method::Deflate => pack::inflate(&data, usize::try_from(record.size).ok()?, &mut Decompressor::new()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use super::*;
    use crate::entry::EntryPath;
    use crate::layer::{Content, Source, build_in};
    use crate::manifest::LayerKind;
    use crate::progress::{Silent, Stage};
    use crate::target::Target;

    const TARGET: Target = Target::LinuxX86_64;

    fn key() -> Key {
        Key::new(LayerKind::App, TARGET, &[])
    }

    fn sources(texts: &[(&str, &str)]) -> Vec<Source> {
        let source = |(path, text): &(&str, &str)| Source {
            path: EntryPath::parse(path, TARGET).unwrap(),
            content: Content::Bytes(text.repeat(50).into()),
            executable: false,
        };
        texts.iter().map(source).collect()
    }

    fn build(folder: &Path, texts: &[(&str, &str)], earlier: Option<&Earlier>) -> Layer {
        build_in(folder, &key(), "app", sources(texts), earlier, Stage::App, &Silent).unwrap()
    }

    const BEFORE: [(&str, &str); 3] = [("a.py", "one"), ("b.py", "two"), ("c.py", "three")];
    const AFTER: [(&str, &str); 3] = [("a.py", "two"), ("b.py", "two"), ("c.py", "four")];

    /// A cache that keeps the layer of [`BEFORE`], and that layer's bytes.
    fn kept() -> (tempfile::TempDir, Cache, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path().join("cache"));
        let layer = build(folder.path(), &BEFORE, None);
        let bytes = fs_err::read(&layer.file).unwrap();
        keep(&cache, &key(), layer).unwrap();
        (folder, cache, bytes)
    }

    #[test]
    fn what_was_packed_before_gives_the_bytes_of_packing_it_anew() {
        let (folder, cache, before) = kept();
        let earlier = Earlier::find(&cache, &key()).unwrap();
        let again = build(folder.path(), &BEFORE, Some(&earlier));
        assert!(fs_err::read(again.file).unwrap() == before);
        let anew = fs_err::read(build(folder.path(), &AFTER, None).file).unwrap();
        assert!(fs_err::read(build(folder.path(), &AFTER, Some(&earlier)).file).unwrap() == anew);

        let one = Sha256::of("one".repeat(50));
        assert_eq!(earlier.digest_at("a.py"), Some(one));
        assert_eq!(earlier.content(&one).unwrap(), "one".repeat(50).into_bytes());
        assert!(earlier.packed(&one, "one".repeat(50).as_bytes()).is_some());
        assert!(earlier.packed(&one, "two".repeat(50).as_bytes()).is_none());
    }

    #[test]
    fn a_large_file_is_taken_as_it_was_packed() {
        let (folder, cache, _) = kept();
        let earlier = Earlier::find(&cache, &key()).unwrap();
        let path = folder.path().join("large.bin");
        fs_err::write(&path, "one".repeat(50)).unwrap();
        let source = Source {
            path: EntryPath::parse("z/large.bin", TARGET).unwrap(),
            content: Content::File(path),
            executable: true,
        };
        let surveyed = pack::survey(&source).unwrap();
        let taken = pack::pack_large(&surveyed, TARGET, Some(&earlier), folder.path()).unwrap();
        let (record, _) = earlier.packed_large(&taken.sha256).unwrap();
        assert_eq!(
            taken.record,
            Record { name: "z/large.bin".into(), executable: true, offset: 0, ..record.clone() }
        );
    }

    #[test]
    fn no_damage_to_the_earlier_layer_reaches_the_next_one() {
        let (folder, cache, before) = kept();
        let path = key().zip(&cache.root().join(FOLDER));
        for at in 0..before.len() {
            let mut damaged = before.clone();
            damaged[at] ^= 0x55;
            fs_err::write(&path, damaged).unwrap();
            let earlier = Earlier::find(&cache, &key());
            let again = build(folder.path(), &BEFORE, earlier.as_ref());
            assert!(fs_err::read(again.file).unwrap() == before, "byte {at}");
            let content = earlier.and_then(|earlier| earlier.content(&earlier.digest_at("c.py")?));
            assert!(content.is_none_or(|content| content == "three".repeat(50).into_bytes()), "byte {at}");
        }
        for length in (0..before.len()).step_by(7) {
            fs_err::write(&path, &before[..length]).unwrap();
            assert!(Earlier::find(&cache, &key()).is_none());
        }
    }
}
