//! What a deploy that was killed has left in the folder of a release: files that are right are taken as they are, and
//! all else goes. What is served goes, too: its times were set when it was made, and other releases may have been served
//! since.

use std::collections::{HashMap, HashSet};
use std::fs::Metadata;
use std::path::Path;

use rayon::prelude::*;
use walkdir::WalkDir;

use super::reuse::is_served;
use super::{ReleaseError, Slot, relative};
use crate::archive::Bundle;
use crate::digest::Sha256;
use crate::layer::IndexedFile;

/// The files of the bundle that lie in the slot already, each as it should be. Nothing else is left in it.
pub fn take_over<'a>(slot: &Slot, bundle: &'a Bundle) -> Result<HashSet<&'a str>, ReleaseError> {
    let known: HashMap<&str, &IndexedFile> =
        bundle.files().map(|file| (file.indexed.path.as_str(), file.indexed)).collect();
    let mut there = Vec::new();
    for entry in WalkDir::new(slot.root()).min_depth(1) {
        // What cannot be looked at cannot be removed either, which is told below.
        let Ok(entry) = entry else { continue };
        let file = relative(slot.root(), entry.path()).and_then(|path| known.get(&*path).copied());
        if let (Some(file), Ok(metadata)) = (file, entry.metadata())
            && !is_served(file)
            && metadata.is_file()
            && metadata.len() == file.size
            && is_alone(&metadata)
            && is_mode(&metadata, file.executable)
        {
            there.push((entry.into_path(), file));
        }
    }
    let right: HashMap<_, _> = there
        .into_par_iter()
        .filter(|(path, file)| Sha256::of_file(path).is_ok_and(|sha256| sha256 == file.sha256))
        .collect();
    slot.clear(|path: &Path| right.contains_key(path))?;
    Ok(right.into_values().map(|file| file.path.as_str()).collect())
}

/// Whether nothing else is the same file: what is edited under another name would change here, too.
fn is_alone(metadata: &Metadata) -> bool {
    #[cfg(unix)]
    return std::os::unix::fs::MetadataExt::nlink(metadata) == 1;
    // The number of names cannot be had there without opening the file; Holdall never makes a second.
    #[cfg(not(unix))]
    return metadata.is_file();
}

fn is_mode(metadata: &Metadata, executable: bool) -> bool {
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::MetadataExt::mode(metadata) & 0o7777;
        mode == if executable { 0o755 } else { 0o644 }
    }
    #[cfg(not(unix))]
    {
        let _ = (metadata, executable);
        true
    }
}
