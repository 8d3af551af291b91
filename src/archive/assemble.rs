//! Layers become a bundle: the manifest, then each layer's block as it lies in its file, then one central directory.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::records::{End, Method, Record};
use super::{ArchiveError, names};
use crate::digest::Sha256;
use crate::held;
use crate::interrupt::Passing;
use crate::layer::Layer;
use crate::manifest::{LayerEntry, MANIFEST, Manifest};
use crate::progress::{Progress, Running, Stage, Unit};

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
/// The manifest comes without layers and what follows from them; it is completed here. A layer without files is left out.
pub fn assemble(
    mut manifest: Manifest,
    mut layers: Vec<Layer>,
    output: &Path,
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

    let running =
        Running::begin(progress, Stage::Assemble, layers.iter().map(Layer::length).sum(), Unit::Bytes);
    let unwritable = |source| ArchiveError::Unwritable { file: output.to_owned(), source };
    let folder = match output.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs_err::create_dir_all(folder).map_err(unwritable)?;
    sweep(folder);
    let mut part = temporary(folder).map_err(unwritable)?;
    let size = write(part.as_file_mut(), &bytes, &layers, output, &running)?;
    part.as_file().sync_all().map_err(unwritable)?;
    part.hand_over(|part| held::persist(part, output)).map_err(unwritable)?;
    sync_folder(folder).map_err(unwritable)?;
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

/// The name of a bundle that is being written.
const PREFIX: &str = ".holdall-";
const SUFFIX: &str = ".part";

/// How long a file may be empty, and nobody hold it, before its run is taken for dead.
const BEGINNING: Duration = Duration::from_secs(60);

/// Removes what runs that were killed have left in `folder`. Whoever still writes holds a lock; one that has only
/// just made its file may not hold it yet, but has written nothing either.
fn sweep(folder: &Path) {
    let parts = std::fs::read_dir(folder).into_iter().flatten().flatten().filter(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let begins = |part: &std::fs::Metadata| {
            part.len() == 0 && part.modified().is_ok_and(|at| at.elapsed().is_ok_and(|age| age < BEGINNING))
        };
        name.starts_with(PREFIX)
            && name.ends_with(SUFFIX)
            && entry.metadata().is_ok_and(|part| part.is_file() && !begins(&part))
    });
    for part in parts {
        let file = std::fs::File::options().write(true).open(part.path());
        if file.is_ok_and(|file| file.try_lock().is_ok()) {
            // If it cannot be removed it is no more in the way than before.
            let _ = std::fs::remove_file(part.path());
        }
    }
}

/// A file that removes itself unless it is renamed, with the rights that any new file has.
fn temporary(folder: &Path) -> io::Result<Passing<tempfile::NamedTempFile>> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let part = Passing::make(|| builder.tempfile_in(folder))?;
    // Held until it is whole. Not every file system can; what is left there then stays.
    let _ = part.as_file().try_lock();
    Ok(part)
}

fn write(
    bundle: &mut std::fs::File,
    manifest: &[u8],
    layers: &[Layer],
    output: &Path,
    running: &Running<'_>,
) -> Result<u64, ArchiveError> {
    let unwritable = |source| ArchiveError::Unwritable { file: output.to_owned(), source };
    let record = manifest_record(manifest);
    bundle.write_all(&record.local()).map_err(unwritable)?;
    bundle.write_all(manifest).map_err(unwritable)?;
    let mut directory = Vec::new();
    record.put_central(&mut directory);
    let mut entries = 1;
    let mut offset = record.end();
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

fn manifest_record(bytes: &[u8]) -> Record {
    Record {
        name: MANIFEST.to_owned(),
        // Readable in any hex viewer, and readable with one range request.
        method: Method::Stored,
        crc: crc32fast::hash(bytes),
        size: bytes.len() as u64,
        packed: bytes.len() as u64,
        executable: false,
        offset: 0,
    }
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

/// Makes the new name durable, where the system lets folders be synced.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        fs_err::File::open(folder)?.sync_all()?;
    }
    Ok(())
}
