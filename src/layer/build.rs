//! Sources become a layer: packed in parallel in bounded batches, written in the order of their paths.

use std::io::{self, Seek as _, Write};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::cached::{self, Key};
use super::index::{Index, IndexedFile};
use super::kept::CopyError;
use super::pack::{self, Data, Packed, STREAM_ABOVE, Surveyed};
use super::{Earlier, Layer, LayerError, Source};
use crate::archive::records::{End, Record};
use crate::cache::{self, Cache};
use crate::digest::{Hasher, Sha256};
use crate::elf::Glibc;
use crate::entry;
use crate::manifest::IndexEntry;
use crate::progress::{Progress, Stage};
use crate::target::Target;

/// What one batch may hold in memory, and in files.
const BATCH_BYTES: u64 = 24 << 20;
const BATCH_FILES: usize = 4096;
/// Packed entries wait here for the index, which stands before them: in memory up to this size.
const SPOOL: usize = 8 << 20;

/// Makes a layer and keeps it in the cache under `key`.
///
/// Advances `stage` by the bytes read; beginning and ending it is the caller's, who may build many layers.
pub fn build_cached(
    cache: &Cache,
    key: &Key,
    name: &str,
    sources: Vec<Source>,
    stage: Stage,
    progress: &dyn Progress,
) -> Result<Layer, LayerError> {
    let unwritable = |source| LayerError::Unwritable { layer: name.to_owned(), source };
    let folder = cache.folder(cached::FOLDER).map_err(unwritable)?;
    let mut draft = Draft::pack(&folder, key.target(), name, sources, None, stage, progress)?;
    let glibc = draft.glibc;
    let file = cached::write(&folder, key, glibc, |file| draft.write(file)).map_err(unwritable)?;
    Ok(draft.into_layer(file, key, name))
}

/// Makes a layer as a file in `folder`, which the run removes when it is over. What `earlier` has packed is taken
/// from there.
///
/// Advances `stage` as [`build_cached`] does.
pub fn build_in(
    folder: &Path,
    key: &Key,
    name: &str,
    sources: Vec<Source>,
    earlier: Option<&Earlier>,
    stage: Stage,
    progress: &dyn Progress,
) -> Result<Layer, LayerError> {
    let unwritable = |source| LayerError::Unwritable { layer: name.to_owned(), source };
    let mut draft = Draft::pack(folder, key.target(), name, sources, earlier, stage, progress)?;
    let file = folder.join(format!("{}.zip", draft.digest));
    let mut zip = fs_err::File::create(&file).map_err(unwritable)?;
    draft.write(zip.file_mut()).map_err(|error| unwritable(cache::naming(&file, error)))?;
    Ok(draft.into_layer(file, key, name))
}

/// A layer whose entries are packed but not yet behind their index.
struct Draft {
    digest: Sha256,
    index: Index,
    glibc: Option<Glibc>,
    index_entry: IndexEntry,
    index_data: Vec<u8>,
    records: Vec<Record>,
    entries: tempfile::SpooledTempFile,
}

impl Draft {
    fn pack(
        folder: &Path,
        target: Target,
        name: &str,
        mut sources: Vec<Source>,
        earlier: Option<&Earlier>,
        stage: Stage,
        progress: &dyn Progress,
    ) -> Result<Draft, LayerError> {
        sources.sort_by(|a, b| a.path.cmp(&b.path));
        entry::check_set(sources.iter().map(|source| &source.path), target)
            .map_err(|source| LayerError::Names { layer: name.to_owned(), source })?;
        let surveyed = sources.iter().map(pack::survey).collect::<Result<Vec<_>, _>>()?;

        let mut entries = Hashing {
            writer: tempfile::spooled_tempfile_in(SPOOL, folder),
            hasher: Hasher::default(),
            written: 0,
        };
        let mut files = Vec::with_capacity(sources.len());
        let mut records = Vec::with_capacity(sources.len() + 1);
        let mut glibc = None;
        let mut rest = sources.iter().zip(&surveyed);
        for batch in batches(&surveyed) {
            for (packed, (source, _)) in
                pack_batch(batch, target, earlier, folder, stage, progress)?.into_iter().zip(&mut rest)
            {
                files.push(IndexedFile {
                    path: source.path.clone(),
                    size: packed.record.size,
                    sha256: packed.sha256,
                    executable: source.executable,
                    offset: entries.written,
                });
                glibc = glibc.max(packed.glibc);
                records.push(packed.record.at(entries.written));
                entries.put(packed, name)?;
            }
        }

        let index = Index { files };
        let index_bytes = index.to_bytes();
        let (mut index_record, index_data) =
            pack::pack_bytes("", &index_bytes, false, &mut pack::compressor());
        // The index is covered as it is packed, so that the digest stands for every byte of the block: what is
        // left is the index's header, which follows from the digest and the index.
        entries.hasher.update(&index_data);
        let digest = entries.hasher.finish();
        index_record.name = Index::name(&digest);
        let index_entry = IndexEntry {
            digest: Sha256::of(&index_bytes),
            size: index_record.size,
            length: index_record.length(),
        };
        records.iter_mut().for_each(|record| record.offset += index_entry.length);
        records.insert(0, index_record);
        Ok(Draft { digest, index, glibc, index_entry, index_data, records, entries: entries.writer })
    }

    /// Writes the whole zip.
    fn write(&mut self, file: &mut std::fs::File) -> io::Result<()> {
        self.entries.rewind()?;
        file.write_all(&self.records[0].local())?;
        file.write_all(&self.index_data)?;
        io::copy(&mut self.entries, file)?;
        let mut directory = Vec::new();
        self.records.iter().for_each(|record| record.put_central(&mut directory));
        let end = End {
            entries: self.records.len() as u64,
            directory_size: directory.len() as u64,
            directory_offset: self.records.last().map_or(0, Record::end),
        };
        directory.extend(end.to_bytes());
        file.write_all(&directory)
    }

    fn into_layer(self, file: PathBuf, key: &Key, name: &str) -> Layer {
        Layer {
            kind: key.kind(),
            name: name.to_owned(),
            target: key.target(),
            digest: self.digest,
            index: self.index,
            glibc: self.glibc,
            file,
            index_entry: self.index_entry,
            records: self.records,
        }
    }
}

/// Cuts the files into runs that fit into memory; a large file is a run of its own.
fn batches<'a, 'b>(mut rest: &'a [Surveyed<'b>]) -> impl Iterator<Item = &'a [Surveyed<'b>]> {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let mut count = 0;
        for file in rest.iter().take(BATCH_FILES) {
            bytes += file.held();
            if count > 0 && bytes > BATCH_BYTES {
                break;
            }
            count += 1;
        }
        let (batch, after) = rest.split_at(count);
        rest = after;
        (count > 0).then_some(batch)
    })
}

fn pack_batch(
    batch: &[Surveyed<'_>],
    target: Target,
    earlier: Option<&Earlier>,
    folder: &Path,
    stage: Stage,
    progress: &dyn Progress,
) -> Result<Vec<Packed>, LayerError> {
    batch
        .par_iter()
        .map_init(pack::compressor, |compressor, surveyed| {
            let packed = if surveyed.size > STREAM_ABOVE {
                pack::pack_large(surveyed, target, earlier, folder)
            } else {
                pack::pack(surveyed, target, earlier, compressor)
            };
            progress.advance(stage, surveyed.size);
            packed
        })
        .collect()
}

/// Writes entries and hashes what it writes.
struct Hashing<W> {
    writer: W,
    hasher: Hasher,
    written: u64,
}

impl<W: Write> Hashing<W> {
    fn put(&mut self, packed: Packed, layer: &str) -> Result<(), LayerError> {
        let unwritable = |source| LayerError::Unwritable { layer: layer.to_owned(), source };
        self.write_all(&packed.record.local()).map_err(unwritable)?;
        match packed.data {
            Data::Memory(bytes) => self.write_all(&bytes).map_err(unwritable),
            Data::File(mut file) => io::copy(&mut file, self).map(|_| ()).map_err(unwritable),
            Data::Kept(kept) => kept.copy(self).map_err(|error| match error {
                CopyError::Changed => LayerError::Changed { path: kept.zip().to_owned() },
                CopyError::Read(source) => LayerError::unreadable(kept.zip(), source),
                CopyError::Write(source) => unwritable(source),
            }),
        }
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.writer.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.written += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{Content, Found, find};
    use super::*;
    use crate::entry::{EntryPath, EntryPathError};
    use crate::manifest::LayerKind;
    use crate::progress::Silent;

    const TARGET: Target = Target::LinuxX86_64;

    fn source(path: &str, content: &str) -> Source {
        let path = EntryPath::parse(path, TARGET).unwrap();
        Source { path, content: Content::Bytes(content.into()), executable: false }
    }

    fn key() -> Key {
        Key::new(LayerKind::Package, TARGET, &[Sha256::of("wheel")])
    }

    fn app() -> Key {
        Key::new(LayerKind::App, TARGET, &[])
    }

    fn build(cache: &Cache) -> Layer {
        let sources =
            vec![source("b.py", &"pass\n".repeat(99)), source("a.py", "x = 1"), source("a/ä.py", "")];
        build_cached(cache, &key(), "demo", sources, Stage::Packages, &Silent).unwrap()
    }

    fn only_zip(cache: &Cache) -> PathBuf {
        let folder = cache.folder(cached::FOLDER).unwrap();
        let mut files = fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        files.find(|path| path.extension().is_some_and(|extension| extension == "zip")).unwrap()
    }

    #[test]
    fn a_layer_is_found_again_as_it_was_built() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path());
        assert!(matches!(find(&cache, &key(), "demo"), Found::Missing));
        let built = build(&cache);
        let Found::Layer(found) = find(&cache, &key(), "demo") else { panic!("it was just built") };
        assert_eq!(found.index, built.index);
        assert_eq!((found.digest, found.index_entry), (built.digest, built.index_entry));
        assert_eq!((found.records, found.file), (built.records, built.file));
        let other = Key::new(LayerKind::Package, Target::WindowsX86_64, &[Sha256::of("wheel")]);
        assert!(matches!(find(&cache, &other, "demo"), Found::Missing));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_layer_found_again_still_knows_which_glibc_it_needs() {
        let Some(host) = Target::host() else { return };
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path());
        let path = |path| EntryPath::parse(path, host).unwrap();
        let program = Content::File("/bin/sh".into());
        let sources = vec![
            Source { path: path("a.py"), content: Content::Bytes(Vec::new()), executable: false },
            Source { path: path("b/sh.so"), content: program, executable: false },
            Source { path: path("c.py"), content: Content::Bytes(Vec::new()), executable: false },
        ];
        let key = Key::new(LayerKind::Package, host, &[Sha256::of("native")]);
        let built = build_cached(&cache, &key, "native", sources, Stage::Packages, &Silent).unwrap();
        let program = fs_err::read("/bin/sh").unwrap();
        assert!(built.glibc.is_some());
        assert_eq!(built.glibc, Glibc::needed_by(program.as_slice(), host));
        let Found::Layer(found) = find(&cache, &key, "native") else { panic!("it was just built") };
        assert_eq!(found.glibc, built.glibc);
    }

    #[test]
    fn runs_that_build_one_layer_at_once_do_not_disturb_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path());
        (0..16).into_par_iter().for_each(|_| {
            let damaged = matches!(find(&cache, &key(), "demo"), Found::Damaged(_));
            build(&cache);
            let found = matches!(find(&cache, &key(), "demo"), Found::Layer(_));
            assert_eq!((damaged, found), (false, true));
        });
        let files = fs_err::read_dir(folder.path().join(cached::FOLDER)).unwrap().count();
        assert_eq!(files, 2);
    }

    #[test]
    fn equal_sources_in_any_order_give_equal_bytes() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let sources = vec![source("b", "2"), source("a", "1")];
        let reversed = sources.iter().rev().cloned().collect();
        let build = |folder: &Path, sources| {
            build_in(folder, &app(), "app", sources, None, Stage::App, &Silent).unwrap()
        };
        let (one, two) = (build(one.path(), sources), build(two.path(), reversed));
        assert_eq!(fs_err::read(one.file).unwrap(), fs_err::read(two.file).unwrap());
    }

    #[test]
    fn a_damaged_or_unsealed_layer_is_not_used_and_told() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path());
        build(&cache);
        let zip = only_zip(&cache);
        let mut bytes = fs_err::read(&zip).unwrap();
        bytes[100] ^= 1;
        fs_err::write(&zip, &bytes).unwrap();
        let Found::Damaged(notice) = find(&cache, &key(), "demo") else { panic!("a byte was changed") };
        assert!(notice.what.contains("`demo`"), "{}", notice.what);
        build(&cache);
        assert!(matches!(find(&cache, &key(), "demo"), Found::Layer(_)));
        fs_err::remove_file(zip.with_extension("sha256")).unwrap();
        assert!(matches!(find(&cache, &key(), "demo"), Found::Damaged(_)));
    }

    #[test]
    fn two_files_of_one_name_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let sources = vec![source("a", "1"), source("a", "2")];
        let error = build_in(folder.path(), &app(), "app", sources, None, Stage::App, &Silent);
        assert!(matches!(error, Err(LayerError::Names { source: EntryPathError::Duplicate(_), .. })));
    }

    #[test]
    fn batches_are_bounded_and_leave_nothing_out() {
        let source = source("a", "");
        let files = |sizes: &[u64]| -> Vec<_> {
            sizes.iter().map(|size| Surveyed { size: *size, ..pack::survey(&source).unwrap() }).collect()
        };
        let cut = |sizes: &[u64]| batches(&files(sizes)).map(<[_]>::len).collect::<Vec<_>>();
        assert_eq!(cut(&[]), [0; 0]);
        assert_eq!(cut(&[1 << 40, 1, 2, BATCH_BYTES, 5]), [1, 2, 1, 1]);
        assert_eq!(cut(&vec![0; BATCH_FILES + 1]), [BATCH_FILES, 1]);
    }
}
