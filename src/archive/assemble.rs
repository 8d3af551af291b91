//! Layers become a bundle: the manifest and its signature, then each layer's block as it lies in its file, then one central directory.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::head::Head;
use super::records::End;
use super::whole::write_whole;
use super::{ArchiveError, names};
use crate::digest::Sha256;
use crate::layer::Layer;
use crate::manifest::{LayerEntry, Manifest};
use crate::progress::{Progress, Running, Stage, Unit};
use crate::signature::{Signer, comment};

/// A bundle that now lies on disk.
#[derive(Debug, Clone)]
pub struct Written {
    pub manifest: Manifest,
    /// SHA-256 of the manifest's bytes.
    pub identity: Sha256,
    pub path: PathBuf,
    /// Size of the file.
    pub size: u64,
}

/// Writes the bundle of `manifest` and `layers` to `output`, which then is whole or untouched.
///
/// The manifest comes without layers and what follows from them; it is completed here, and signed if there is a signer.
/// A layer without files is left out.
pub fn assemble(
    mut manifest: Manifest,
    mut layers: Vec<Layer>,
    output: &Path,
    signer: Option<&Signer>,
    progress: &dyn Progress,
) -> Result<Written, ArchiveError> {
    if let Some(other) = layers.iter().find(|layer| layer.target != manifest.target) {
        let (layer, found) = (other.name.clone(), other.target);
        return Err(ArchiveError::OtherTarget { layer, found, wanted: manifest.target });
    }
    layers.retain(|layer| !layer.index.files.is_empty());
    layers.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    manifest.longest_path = names::check(output, layers.iter().map(|layer| &layer.index), manifest.target)?;
    manifest.glibc = layers.iter().filter_map(|layer| layer.glibc).max();
    manifest.layers = entries(&layers);
    let bytes = manifest.to_bytes();
    // What could not be read back is not written: layers of one name, a place outside of the bundle.
    Manifest::parse(&bytes).map_err(|source| ArchiveError::Manifest { file: output.to_owned(), source })?;

    let head =
        Head { manifest: &bytes, signature: signer.map(|signer| signer.sign(&bytes, &comment(&manifest))) };
    let running =
        Running::begin(progress, Stage::Assemble, layers.iter().map(Layer::length).sum(), Unit::Bytes);
    let size = write_whole(output, |bundle| write(bundle, &head, &layers, output, &running))?;
    Ok(Written { manifest, identity: Sha256::of(&bytes), path: output.to_owned(), size })
}

fn entries(layers: &[Layer]) -> Vec<LayerEntry> {
    let mut offset = 0;
    let entry = |layer: &Layer| {
        let entry = LayerEntry {
            name: layer.name.clone(),
            kind: layer.kind,
            digest: layer.digest,
            offset,
            length: layer.length(),
            entries: layer.index.files.len() as u64,
            size: layer.size(),
            index: layer.index_entry,
        };
        offset += entry.length;
        entry
    };
    layers.iter().map(entry).collect()
}

fn write(
    bundle: &mut std::fs::File,
    head: &Head<'_>,
    layers: &[Layer],
    output: &Path,
    running: &Running<'_>,
) -> Result<u64, ArchiveError> {
    let unwritable = |source| ArchiveError::Unwritable { file: output.to_owned(), source };
    let (records, bytes) = head.entries();
    bundle.write_all(&bytes).map_err(unwritable)?;
    let mut directory = Vec::new();
    records.iter().for_each(|record| record.put_central(&mut directory));
    let mut entries = records.len() as u64;
    let mut offset = bytes.len() as u64;
    for layer in layers {
        copy_block(layer, bundle).map_err(|fault| match fault {
            Fault::Layer => {
                ArchiveError::LayerChanged { layer: layer.name.clone(), file: layer.file.clone() }
            }
            Fault::Copy(source) => unwritable(source),
        })?;
        for record in &layer.records {
            record.at(offset + record.offset).put_central(&mut directory);
        }
        entries += layer.records.len() as u64;
        offset += layer.length();
        running.advance(layer.length());
    }
    let end = End { entries, directory_size: directory.len() as u64, directory_offset: offset };
    directory.extend(end.to_bytes());
    bundle.write_all(&directory).map_err(unwritable)?;
    Ok(offset + directory.len() as u64)
}

enum Fault {
    Layer,
    Copy(io::Error),
}

fn copy_block(layer: &Layer, bundle: &mut std::fs::File) -> Result<(), Fault> {
    let file = std::fs::File::open(&layer.file).map_err(|_| Fault::Layer)?;
    // Between two plain files the system copies by itself where it can, and shares blocks where that is possible.
    match io::copy(&mut file.take(layer.length()), bundle) {
        Ok(copied) if copied == layer.length() => Ok(()),
        Ok(_) => Err(Fault::Layer),
        Err(error) => Err(Fault::Copy(error)),
    }
}
