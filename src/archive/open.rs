//! Opening a bundle. One that opens is consistent in all that can be known without reading its files:
//! manifest, indexes, central directory and local headers say the same, and nothing else is in the file.

use std::ops::Range;
use std::path::Path;

use super::head::{self, MANIFEST_LIMIT, SIGNATURE_LIMIT, stored};
use super::positioned::Positioned;
use super::records::Record;
use super::{ArchiveError, SIGNATURE, block, directory, names};
use crate::digest::Sha256;
use crate::layer::{Index, IndexedFile};
use crate::manifest::{LayerEntry, MANIFEST, Manifest, ManifestError};
use crate::signature::{KeyId, Trust};

/// An open bundle. Its files are not yet read; each is checked when it is.
#[derive(Debug)]
pub struct Bundle {
    pub(super) file: Positioned,
    manifest: Manifest,
    manifest_bytes: Vec<u8>,
    identity: Sha256,
    signature: Option<Vec<u8>>,
    vouched: Option<KeyId>,
    /// Where the first layer begins.
    begin: u64,
    layers: Vec<BundleLayer>,
}

/// A layer inside an open bundle.
#[derive(Debug)]
pub struct BundleLayer {
    pub entry: LayerEntry,
    pub index: Index,
    pub(super) index_record: Record,
    /// One for each file of the index, in the same order.
    pub(super) records: Vec<Record>,
}

/// A file inside an open bundle.
#[derive(Debug, Clone, Copy)]
pub struct BundleFile<'a> {
    pub indexed: &'a IndexedFile,
    pub(super) record: &'a Record,
}

impl BundleFile<'_> {
    /// Size of its data inside the bundle.
    pub fn packed(&self) -> u64 {
        self.record.packed
    }

    /// What reading it amounts to, in bytes.
    pub(super) fn cost(&self) -> u64 {
        self.record.size.max(self.record.packed)
    }
}

impl BundleLayer {
    pub fn files(&self) -> impl ExactSizeIterator<Item = BundleFile<'_>> {
        self.index.files.iter().zip(&self.records).map(|(indexed, record)| BundleFile { indexed, record })
    }
}

impl Bundle {
    /// Opens a bundle; refuses whatever `holdall bundle` would not have written.
    pub fn open(path: &Path) -> Result<Bundle, ArchiveError> {
        Bundle::open_trusted(path, &Trust::default())
    }

    /// As [`Bundle::open`], if `trust` takes the signature. That is checked before anything that it covers is believed.
    pub fn open_trusted(path: &Path, trust: &Trust) -> Result<Bundle, ArchiveError> {
        let file = Positioned::open(path).map_err(ArchiveError::unreadable(path))?;
        if trust.is_asked() {
            // A directory of millions of entries is nothing to read for a stranger. What is read below is checked, too.
            let (manifest, signature) = head::read(&file)?;
            trust.check(path, &manifest, signature.as_deref())?;
        }
        let records = directory::read(&file)?;
        let mut rest = records.as_slice();

        let record = take(&mut rest, MANIFEST).ok_or_else(|| ArchiveError::not_a_bundle(path))?;
        let manifest_bytes = stored(&file, record, "the manifest", MANIFEST_LIMIT)?;
        let mut begin = record.end();
        let signature = match take(&mut rest, SIGNATURE) {
            Some(record) => {
                begin = record.end();
                Some(stored(&file, record, "the signature", SIGNATURE_LIMIT)?)
            }
            None => None,
        };
        let vouched = trust.check(path, &manifest_bytes, signature.as_deref())?;
        let manifest = Manifest::parse(&manifest_bytes)
            .map_err(|source| ArchiveError::Manifest { file: path.to_owned(), source })?;
        let vouched = vouched.map(|vouched| vouched.matched(path, &manifest)).transpose()?;

        check_indexes(path, &manifest)?;
        let mut layers = Vec::with_capacity(manifest.layers.len());
        for entry in &manifest.layers {
            layers.push(open_layer(&file, entry, &manifest, &mut rest)?);
        }
        if let Some(record) = rest.first() {
            return Err(ArchiveError::NotIndexed { file: path.to_owned(), entry: record.name.clone() });
        }
        // Its maker is told to rename a file; whoever was given the bundle cannot.
        let longest = names::check(path, layers.iter().map(|layer| &layer.index), manifest.target);
        let longest = longest.map_err(|error| match error {
            ArchiveError::Names { file, source } => ArchiveError::Clash { file, source },
            error => error,
        })?;
        if longest != manifest.longest_path {
            let text = format!("its longest path has {longest} characters, not {}", manifest.longest_path);
            let source = ManifestError::Contradiction(text);
            return Err(ArchiveError::Manifest { file: path.to_owned(), source });
        }
        let identity = Sha256::of(&manifest_bytes);
        Ok(Bundle { file, manifest, manifest_bytes, identity, signature, vouched, begin, layers })
    }

    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Length of the whole zip.
    pub fn length(&self) -> u64 {
        self.file.length()
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The exact bytes of `holdall.json`.
    pub fn manifest_bytes(&self) -> &[u8] {
        &self.manifest_bytes
    }

    /// SHA-256 of the manifest's bytes.
    pub fn identity(&self) -> Sha256 {
        self.identity
    }

    /// The bytes of the signature, when the bundle carries one. They may be anything, unless a key vouches for them.
    pub fn signature(&self) -> Option<&[u8]> {
        self.signature.as_deref()
    }

    /// The key whose signature was asked for and found.
    pub fn vouched(&self) -> Option<KeyId> {
        self.vouched
    }

    /// Where the layers' blocks lie, one after the other.
    pub(super) fn blocks(&self) -> Range<u64> {
        let last = self.layers.last();
        let end = last.map_or(self.begin, |layer| layer.records.last().unwrap_or(&layer.index_record).end());
        self.begin..end
    }

    /// The layers in the order of their blocks.
    pub fn layers(&self) -> &[BundleLayer] {
        &self.layers
    }

    /// All files, layer by layer.
    pub fn files(&self) -> impl Iterator<Item = BundleFile<'_>> {
        self.layers.iter().flat_map(BundleLayer::files)
    }

    /// The file of this name.
    pub fn find(&self, path: &str) -> Option<BundleFile<'_>> {
        self.layers.iter().find_map(|layer| {
            let place = layer.index.files.binary_search_by(|file| file.path.as_str().cmp(path)).ok()?;
            Some(BundleFile { indexed: &layer.index.files[place], record: &layer.records[place] })
        })
    }
}

/// Refuses a manifest whose indexes would fill the memory, each being small enough.
pub(crate) fn check_indexes(path: &Path, manifest: &Manifest) -> Result<(), ArchiveError> {
    let sizes = manifest.layers.iter().map(|layer| layer.index.size);
    let size = sizes.fold(0, u64::saturating_add);
    if size > block::INDEX_LIMIT {
        let (file, what, limit) = (path.to_owned(), "the indexes of its layers", block::INDEX_LIMIT);
        return Err(ArchiveError::TooLarge { file, what, size, limit });
    }
    Ok(())
}

/// The next record, if it has this name.
fn take<'a>(rest: &mut &'a [Record], name: &str) -> Option<&'a Record> {
    let (record, after) = rest.split_first().filter(|(record, _)| record.name == name)?;
    *rest = after;
    Some(record)
}

fn open_layer(
    file: &Positioned,
    entry: &LayerEntry,
    manifest: &Manifest,
    rest: &mut &[Record],
) -> Result<BundleLayer, ArchiveError> {
    let path = file.path();
    let layer = || entry.name.clone();
    let index_name = Index::name(&entry.digest);
    let block = *rest;
    let Some(index_record) = take(rest, &index_name) else {
        let file = path.to_owned();
        return Err(match rest.first() {
            // Either the index is gone, or something stands before it that belongs to no layer.
            Some(record) if rest.iter().any(|record| record.name == index_name) => {
                ArchiveError::NotIndexed { file, entry: record.name.clone() }
            }
            _ => ArchiveError::Missing { file, entry: index_name },
        });
    };
    let index_differs =
        |what| Err(ArchiveError::IndexDiffers { file: path.to_owned(), layer: layer(), what });
    if index_record.size != entry.index.size {
        return index_differs("it has another size");
    }
    if index_record.length() != entry.index.length {
        return index_differs("its entry has another length");
    }
    let bytes = block::index_bytes(file, index_record)?;
    if Sha256::of(&bytes) != entry.index.digest {
        return index_differs("it has another digest");
    }
    let index = Index::parse(&bytes, manifest.target).map_err(|source| ArchiveError::Index {
        file: path.to_owned(),
        layer: layer(),
        source,
    })?;
    let differs = |what| Err(ArchiveError::LayerDiffers { file: path.to_owned(), layer: layer(), what });
    if index.files.len() as u64 != entry.entries {
        return differs("the number of its files");
    }
    if index.size() != entry.size {
        return differs("the size of its files");
    }
    block::check(path, &index, block)?;
    let (records, after) = rest.split_at(index.files.len());
    *rest = after;
    let end = records.last().unwrap_or(index_record).end();
    if end - index_record.offset != entry.length {
        return differs("the length of its block");
    }
    Ok(BundleLayer {
        entry: entry.clone(),
        index,
        index_record: index_record.clone(),
        records: records.to_vec(),
    })
}
