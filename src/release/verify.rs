//! Compares a folder with the indexes of the bundle that it came from. What is in no index is extra:
//! bytecode that Python wrote is no exception.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use rayon::prelude::*;
use walkdir::WalkDir;

use super::{Release, ReleaseError};
use crate::archive::{Aspect, Difference, SIGNATURE};
use crate::digest::Sha256;
use crate::layer::{Index, IndexedFile, index};
use crate::manifest::MANIFEST;
use crate::progress::{Progress, Running, Stage, Unit};

/// Reads every file of a release; returns what differs, sorted.
pub fn verify(release: &Release, progress: &dyn Progress) -> Result<Vec<Difference>, ReleaseError> {
    let files: Vec<&IndexedFile> = release.indexes.iter().flat_map(|index| &index.files).collect();
    let running =
        Running::begin(progress, Stage::Verify, release.indexes.iter().map(Index::size).sum(), Unit::Bytes);
    let mut differences = files
        .par_iter()
        .map(|file| {
            let difference = compare(file, &release.root);
            running.advance(file.size);
            difference
        })
        .filter_map(Result::transpose)
        .collect::<Result<Vec<_>, _>>()?;
    differences.extend(strangers(release, &files)?);
    differences.sort();
    Ok(differences)
}

fn compare(file: &IndexedFile, root: &Path) -> Result<Option<Difference>, ReleaseError> {
    let path = file.path.below(root);
    let name = || file.path.to_string();
    let unreadable = |source| ReleaseError::Unreadable { path: path.clone(), source };
    let metadata = match fs_err::symlink_metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Some(Difference::Missing { path: name() }));
        }
        Err(error) => return Err(unreadable(error)),
    };
    let differs = |what| Ok(Some(Difference::Differs { path: name(), what }));
    if !metadata.is_file() {
        return differs(Aspect::Type);
    }
    if metadata.len() != file.size || Sha256::of_file(&path).map_err(unreadable)? != file.sha256 {
        return differs(Aspect::Content);
    }
    #[cfg(unix)]
    if (std::os::unix::fs::MetadataExt::mode(&metadata) & 0o111 != 0) != file.executable {
        return differs(Aspect::Executable);
    }
    Ok(None)
}

/// What lies in the folder without standing in an index.
fn strangers(release: &Release, files: &[&IndexedFile]) -> Result<Vec<Difference>, ReleaseError> {
    let indexes: Vec<String> =
        release.manifest.layers.iter().map(|layer| Index::name(&layer.digest)).collect();
    let own = indexes.iter().map(String::as_str).chain([MANIFEST, SIGNATURE]);
    let own: HashSet<&str> = own.collect();
    let known: HashSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let folders = files.iter().flat_map(|file| file.path.folders()).chain([index::FOLDER]);
    let folders: HashSet<&str> = folders.collect();
    let mut strangers = Vec::new();
    let mut walk = WalkDir::new(&release.root).min_depth(1).into_iter();
    while let Some(entry) = walk.next() {
        let entry = entry.map_err(|error| ReleaseError::Unreadable {
            path: error.path().unwrap_or(&release.root).to_owned(),
            source: error.into(),
        })?;
        let relative = entry.path().strip_prefix(&release.root).expect("the walk stays below its root");
        let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
        let path = parts.join("/");
        let kind = entry.file_type();
        if folders.contains(path.as_str()) {
            if !kind.is_dir() {
                strangers.push(Difference::Differs { path, what: Aspect::Type });
            }
        } else if own.contains(path.as_str()) {
            if !kind.is_file() {
                strangers.push(Difference::Differs { path, what: Aspect::Type });
            }
        } else if !known.contains(path.as_str()) && kind.is_dir() {
            // One line says it; all that is inside is extra too.
            walk.skip_current_dir();
            strangers.push(Difference::Extra { path: format!("{path}/") });
        } else if !known.contains(path.as_str()) {
            strangers.push(Difference::Extra { path });
        }
    }
    Ok(strangers)
}
